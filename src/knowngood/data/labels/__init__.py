"""Label files of other tools, read into a table of samples: one file for each family."""
