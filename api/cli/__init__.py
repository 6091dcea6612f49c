"""The command line `interlock`. It talks HTTP to the controller; only `serve` and `guard` run parts of it here."""
