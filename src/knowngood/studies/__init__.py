"""Studies: named experiments, each a file that reads like the document whose tables and figures it gives."""
