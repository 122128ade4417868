"""Parsers of a model's reply: its solution, its items, its program."""
