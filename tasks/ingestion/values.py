"""Values of a record as text, and the error for a record that cannot be used."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tasks.text.cleaning import BLANK


class Unfit(ValueError):
    """A record that holds no usable question; the message is the reason."""


def required(name: str, value: Any) -> str:
    """Return a value that must be a text with more than blanks. Raises Unfit."""
    if not isinstance(value, str):
        raise Unfit(f"the {name} is {kind_in_words(value)}, not text")
    if not value.strip():
        raise Unfit(f"the {name} is empty")
    return value


def as_text(name: str, value: Any) -> str:
    """Return a value as text: numbers in their shortest exact spelling, the parts of a list joined by commas. Raises Unfit."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise Unfit(f"the {name} is {value}, not a number")
        if abs(value) < 10**30 and value == int(value):
            return str(int(value))
        return str(value)
    if isinstance(value, int):
        try:
            return str(value)
        except ValueError as error:  # more digits than Python converts
            raise Unfit(f"the {name} has too many digits") from error
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(part, (str, int, float, Decimal)) for part in value):
        return ", ".join(as_text(name, part).strip(BLANK) for part in value)
    raise Unfit(f"the {name} is {kind_in_words(value)}, not text")


def kind_in_words(value: Any) -> str:
    """Return what a value is, for people: "a list"."""
    kinds = {bool: "a truth value", list: "a list", dict: "an object", type(None): "null"}
    return kinds.get(
        type(value), "a number" if isinstance(value, (int, float, Decimal)) else type(value).__name__
    )
