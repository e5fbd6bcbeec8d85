"""The command line: one file per command; each calls the library function of the same name."""
