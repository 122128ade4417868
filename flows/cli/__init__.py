"""The command line: Typer commands and what they print at a terminal."""
