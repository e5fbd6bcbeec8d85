"""Studies of whether an inspector may be released: how many parts, how repeatable, how small a defect."""
