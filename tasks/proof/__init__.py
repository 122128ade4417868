"""The proof: the whole loop of data, training, evaluation and verdict, run with the small student on a CPU."""
