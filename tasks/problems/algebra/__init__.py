"""Families of algebra problems, one module each."""
