"""Reading the world: images, tables of samples, folder layouts, splits and batches."""
