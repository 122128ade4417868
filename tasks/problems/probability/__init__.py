"""Families of probability problems, one module each."""
