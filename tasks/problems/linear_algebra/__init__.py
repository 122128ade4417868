"""Families of linear algebra problems, one module each."""
