"""The doors: HTTP and command line. They record facts and commands and never touch the data plane themselves."""
