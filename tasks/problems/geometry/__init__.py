"""Families of geometry problems, one module each."""
