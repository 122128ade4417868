"""A model's reply, parsed: its solution, its items, its program."""
