"""Families of arithmetic problems, one module each."""
