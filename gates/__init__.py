"""Pure policy: who may do what, what is halted, and what the record says. No clock, no socket, no file."""
