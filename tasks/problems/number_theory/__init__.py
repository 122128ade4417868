"""Families of number theory problems, one module each."""
