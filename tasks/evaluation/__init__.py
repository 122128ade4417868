"""Evaluation: whether one model is better than another, on which kind of problem, and with what confidence."""
