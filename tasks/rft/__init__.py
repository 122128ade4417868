"""Rejection sampling as a data set: which questions are sampled, how often, which solutions stay, and which make pairs."""
