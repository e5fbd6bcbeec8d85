"""The scripts that bring a database forward, one for each change of the tables."""
