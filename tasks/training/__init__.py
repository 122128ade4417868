"""Training on dataset versions, and the small student that makes the whole loop real without a GPU."""
