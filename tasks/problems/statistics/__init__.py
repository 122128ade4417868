"""Families of statistics problems, one module each."""
