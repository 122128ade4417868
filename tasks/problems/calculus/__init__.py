"""Families of calculus problems, one module each."""
