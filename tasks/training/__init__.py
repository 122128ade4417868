"""Training on dataset versions, and the small student, which trains on a CPU."""
