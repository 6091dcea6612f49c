"""The routes of the HTTP door, one module per kind of thing. A route turns a request into a command, no more."""
