"""Failures of a student on probe items, each with its kind.

A kind says what kind of training could help: an answer that is missing, one that is there and cannot be read, a wrong calculation, or
right calculations that do not lead to the answer. A wrong calculation is one that the step checker of programs finds in the student's
own text; no model is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pyarrow as pa

from storage.rows import content_id
from tasks.answers import Judge

# (the student's text, the question, the trusted answer) -> the number of the first wrong step from 1, None if none is known to be wrong
StepCheck = Callable[[str, str, str], int | None]

_VALUE = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:\s*/\s*\d+)?%?|\\frac\{[^{}]*\}\{[^{}]*\}|\$[^$\n]+\$")
_LAST_LINES = 2  # in which an answer that no reader found is looked for
_TRIED = 6  # values of these lines that are compared with the trusted answer


class FailureKind(StrEnum):
    """Kinds of failures. They are stored by value, so a value is never changed."""

    NO_ANSWER = "no answer"  # the text ends, or is cut off, before it states one
    FORMAT = "format"  # the text states the right value in a way that cannot be read as its answer
    ARITHMETIC = "arithmetic"  # a step of the text is wrong: it does not follow from the step before, or its sides differ
    PLAN = "plan"  # no step is known to be wrong, and the answer is: the steps answer another question


@dataclass(frozen=True, slots=True)
class FailedItem:
    """One failed probe item.

    id: of the item. problem_id: of its question, as rows have it. text: what the student wrote. wrong: its answer, None if it stated none.
    step: the number of its first wrong step, from 1, None if none is known.
    """

    id: str
    problem_id: str
    language: str
    question: str
    subdomain: str
    reference: str
    text: str
    wrong: str | None
    kind: FailureKind
    step: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the failure as plain values, for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> FailedItem:
        """Return the failure of what `to_dict` returned."""
        return cls(**{**record, "kind": FailureKind(record["kind"])})


def failures_of(answered: pa.Table, *, judge: Judge, check: StepCheck | None) -> list[FailedItem]:
    """Return the failures among answered items (tasks.evaluation.answering.ANSWERED), in their order.

    An item fails if its first sample is known to be wrong or states no answer. Items whose call failed, and those whose answer could
    not be compared, are not known to be wrong and are left out. `check`: finds the first wrong step of a text; None: no step is checked,
    and no failure has the kind ARITHMETIC.
    """
    records = [record for record in answered.to_pylist() if is_failure(record)]
    stated = _stated([(record["texts"][0] or "", record["reference"]) for record in records], judge)
    failures = []
    for record, right_value in zip(records, stated, strict=True):
        text, wrong = record["texts"][0] or "", record["answers"][0]
        step = None
        if wrong is None:
            cut = bool(record["cut"])
            kind = FailureKind.FORMAT if right_value and not cut else FailureKind.NO_ANSWER
        else:
            step = check(text, record["question"], record["reference"]) if check is not None else None
            kind = FailureKind.PLAN if step is None else FailureKind.ARITHMETIC
        failures.append(
            FailedItem(
                id=record["id"],
                problem_id=content_id(record["language"], record["question"]),
                language=record["language"],
                question=record["question"],
                subdomain=record["subdomain"],
                reference=record["reference"],
                text=text,
                wrong=wrong,
                kind=kind,
                step=step,
            )
        )
    return failures


def is_failure(record: Mapping[str, Any]) -> bool:
    """Return whether an answered item is known to be failed: its call did not fail, and its first sample is wrong or has no answer."""
    if record["rejected"] is not None or record["score"] is None or not record["right"]:
        return False
    return record["answers"][0] is None or record["right"][0] is False


def is_success(record: Mapping[str, Any]) -> bool:
    """Return whether an answered item is known to be right in its first sample."""
    return record["rejected"] is None and bool(record["right"]) and record["right"][0] is True


def _stated(pairs: Sequence[tuple[str, str]], judge: Judge) -> list[bool]:
    """Return for each (text, trusted answer) whether one of the last values of the text equals the answer."""
    tried = [list(_values(text)) for text, _ in pairs]
    flat = [
        (value, reference) for values, (_, reference) in zip(tried, pairs, strict=True) for value in values
    ]
    judged = iter(judge.equal(flat) if flat else [])
    verdicts = [[next(judged) for _ in values] for values in tried]
    return ["equal" in own for own in verdicts]


def _values(text: str) -> Iterator[str]:
    lines = [line for line in text.splitlines() if line.strip()][-_LAST_LINES:]
    values = [match[0].strip("$ ") for line in lines for match in _VALUE.finditer(line)]
    yield from values[-_TRIED:]
