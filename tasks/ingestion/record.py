"""One record of a file, the error for a whole file, and the checks that all formats share."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.errors import ForPeople


class IngestError(ForPeople, ValueError):
    """A file that cannot be read; each line of the message names one file and the fix."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a file.

    `place` says where it is in the file, counted from 1: "line 12" in text, "row 12" in Parquet. A record that cannot be
    read has no `fields`, and `error` is the reason.
    """

    place: str
    fields: Mapping[str, Any] | None
    error: str | None = None


def fields_of(value: Any) -> Mapping[str, Any] | None:
    """Return the fields of a value that is a record, None for another one.

    A list of turns, or turns by their number as `datasets` reads such a list, is a record with a chat (Open-Reasoner-Zero).
    """
    if isinstance(value, list):
        return {"conversations": value} if len(value) > 1 and all(map(_is_turn, value)) else None
    if not isinstance(value, dict):
        return None
    if "0" in value and list(value) == [str(number) for number in range(len(value))]:
        return fields_of(list(value.values())) or value
    return value


def _is_turn(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("from", value.get("role")), str)


def refuse_duplicate_names(path: Path, place: str, names: list[str]) -> None:
    """Raise IngestError if two columns have one name."""
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise IngestError(f"{path}: {place}: two columns of one name ({twice[0]!r}). Fix: rename one of them")


def is_unicode(text: str) -> bool:
    """Return whether a text can be written as UTF-8: it holds no half of a UTF-16 pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def without_nan(value: Any) -> Any:
    """Return the value with None for each NaN in it: pandas writes missing values as NaN, and no answer is NaN."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, list):
        return [without_nan(one) for one in value]
    if isinstance(value, dict):
        return {name: without_nan(one) for name, one in value.items()}
    return value
