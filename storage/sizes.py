"""Parses sizes of memory such as `512MB`, `4GB` or `1.5 GiB`."""

from __future__ import annotations

import math
import re

from storage.errors import StorageError

LEAST = 1_000_000  # bytes: DuckDB cannot work in less
_SIZE = re.compile(r"(\d{1,12}(?:\.\d{1,6})?) ?([kmgt]i?)?b", re.IGNORECASE)


def bytes_of(name: str, text: str) -> int:
    """Return the number of bytes that `text` states. Raises StorageError, which names the setting `name`, if it is invalid."""
    read = _SIZE.fullmatch(text.strip())
    unit = (read[2] or "").lower() if read else ""
    size = (
        float(read[1]) * (1024 if unit.endswith("i") else 1000) ** " kmgt".index(unit[:1] or " ")
        if read
        else 0.0
    )
    if not LEAST <= size < 2**60:
        raise StorageError(
            f"{name} {text!r} is no size of memory. Fix: write a number and a unit, such as 512MB or 4GB"
        )
    return math.floor(size)
