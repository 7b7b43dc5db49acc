"""What people look at: the table of layers, the curve of a training."""
