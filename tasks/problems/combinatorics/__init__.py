"""Families of combinatorics problems, one module each."""
