"""The proof: the whole loop of data, training, evaluation and verdict with the small student, on a CPU."""
