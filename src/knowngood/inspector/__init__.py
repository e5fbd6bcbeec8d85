"""The inspector: the one file that ships, how it is made, run and evaluated."""
