"""Generators of puzzles with exact answers and worked deductions: one module per kind, shared by the methods of the same names."""
