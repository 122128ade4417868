"""Formats numbers with nouns for messages: "1 row", "2 rows", "1,204 rows"."""

from __future__ import annotations


def counted(count: int | float, noun: str, plural: str = "") -> str:
    """Return the number, with commas, and the noun in singular or plural.

    `plural` is needed for irregular nouns only: "entry", "match" and "box" give "entries", "matches" and "boxes".
    """
    return f"{count:,} {noun if count == 1 else plural or _plural(noun)}"


def be(count: int | float) -> str:
    """Return the verb after a counted noun: "1 row is", "2 rows are"."""
    return "is" if count == 1 else "are"


def was(count: int | float) -> str:
    """Return the verb after a counted noun: "1 row was", "2 rows were"."""
    return "was" if count == 1 else "were"


def _plural(noun: str) -> str:
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "z", "ch", "sh")) else f"{noun}s"
