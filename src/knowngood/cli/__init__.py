"""The command line: one file a command; each calls what a library user could call."""
