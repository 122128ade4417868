"""Failures of a student: which items fail, of which kind, and where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from tasks.answers import Judge
from tasks.evaluation.answering import ANSWERED
from tasks.weakness.failures import FailedItem, FailureKind, failures_of


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Judge(workers=1) as one:
        yield one


def answered(*records: dict[str, Any]) -> pa.Table:
    rows = [
        {
            "id": f"probe#{number}",
            "benchmark": "probe",
            "form": "open",
            "subdomain": "linear equations",
            "language": "en",
            "question": f"What is {number} + 1?",
            "reference": "12",
            "unknown": 0,
            "unanswered": 0,
            "cut": 0,
            "score": 0.0,
            "majority": False,
        }
        | record
        for number, record in enumerate(records)
    ]
    return pa.Table.from_pylist(rows, ANSWERED)


def item(text: str | None, answer: str | None, right: bool | None, **others: Any) -> dict[str, Any]:
    return {"texts": [text], "answers": [answer], "right": [right], **others}


def first_wrong(text: str, question: str, answer: str) -> int | None:
    return 2 if "3 + 4 = 8" in text else None


def test_each_failure_has_its_kind_and_its_first_wrong_step(judge: Judge) -> None:
    table = answered(
        item("It is 12.", "12", True, score=1.0),
        item("First 5 + 2 = 7.\nThen 3 + 4 = 8.\nThe answer is 15.", "15", False),
        item("There are 5 left, so 5 * 2 = 10.\nThe answer is 10.", "10", False),
        item("Let me think about the number of", None, False, cut=1),
        item("So we get, writing it out, 12 as the thing asked for", None, False),
        item("I do not know.", None, False),
    )
    failures = failures_of(table, judge=judge, check=first_wrong)
    assert [(one.id, one.kind, one.step, one.wrong) for one in failures] == [
        ("probe#1", FailureKind.ARITHMETIC, 2, "15"),
        ("probe#2", FailureKind.PLAN, None, "10"),
        ("probe#3", FailureKind.NO_ANSWER, None, None),
        ("probe#4", FailureKind.FORMAT, None, None),
        ("probe#5", FailureKind.NO_ANSWER, None, None),
    ]
    assert [FailedItem.from_dict(one.to_dict()) for one in failures] == failures


def test_what_is_not_known_to_be_wrong_is_no_failure(judge: Judge) -> None:
    table = answered(
        item(None, None, None, rejected="the call failed", score=None),
        item("The answer is roughly a dozen-ish.", "roughly a dozen-ish", None, unknown=1),
    )
    assert failures_of(table, judge=judge, check=None) == []


def test_without_a_checker_no_failure_is_called_one_of_arithmetic(judge: Judge) -> None:
    table = answered(item("Then 3 + 4 = 8.\nThe answer is 8.", "8", False))
    (one,) = failures_of(table, judge=judge, check=None)
    assert (one.kind, one.step) == (FailureKind.PLAN, None)
