"""Reads what a record says of its own solution: columns that call it right or wrong."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tasks.ingestion.column_names import ANSWERS, FLAGS, GOLD
from tasks.ingestion.options import Options, letter_of

_RIGHT = frozenset(
    (
        "true",
        "correct",
        "right",
        "yes",
        "pass",
        "passed",
        "1",
        "1.0",
        "accepted",
        "accept",
        "valid",
        "verified",
        "positive",
        "good",
        "正确",
        "对",
        "是",
    )
)

_WRONG = frozenset(
    (
        "false",
        "incorrect",
        "wrong",
        "no",
        "fail",
        "failed",
        "0",
        "0.0",
        "-1",
        "-1.0",
        "rejected",
        "reject",
        "invalid",
        "negative",
        "bad",
        "not correct",
        "错误",
        "错",
        "否",
    )
)


def truth(value: Any) -> bool | None:
    """Return the truth value of a flag, None where the value is no flag."""
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float, Decimal)):
        return {1.0: True, 0.0: False, -1.0: False}.get(float(value))
    if isinstance(value, str):
        word = value.strip().lower()
        return True if word in _RIGHT else False if word in _WRONG else None
    return None


def called_wrong(values: Mapping[str, Any], options: Options | None) -> bool:
    """Return whether the record says that its solution is wrong."""
    for name in FLAGS:
        if name not in values or (name in ANSWERS and names_option(options, values[name])):
            continue
        if name in GOLD and not isinstance(values[name], bool):
            continue
        if truth(values[name]) is False:
            return True
    return False


def names_option(options: Options | None, value: Any) -> bool:
    """Return whether a value of a column that may be a flag names an option (AQuA's `correct`, gaokao's `label`)."""
    return options is not None and not isinstance(value, bool) and letter_of(options, value) is not None
