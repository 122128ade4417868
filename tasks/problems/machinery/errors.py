"""The error of values without an exact answer. It has its own file since both slots and notation raise it."""

from __future__ import annotations


class Unworkable(ValueError):
    """Raised for values for which a family has no exact answer: outside a slot's bounds, or without a solution."""


def require(condition: bool, message: str) -> None:
    """Raise Unworkable with the message unless the condition holds."""
    if not condition:
        raise Unworkable(message)
