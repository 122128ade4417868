"""Why a row is not kept: a typed reason (stage, code, values), and the text for people that is made from it.

How to reject rows in a stage::

    from storage.reasons import Code, Reason, reason
    from storage.rows import reject, reasons_of

    why: list[Reason | None] = [None] * rows.num_rows
    why[3] = reason("verify", Code.DIFFERENT, answer="4", reference="5")  # values become strings
    why[4] = reason("verify", Code.PROGRAM_NOT_RUN, error="no sandbox")  # a code in FAILURES: the row failed
    rows = reject(rows, why)  # sets the columns `reason` and `rejected`; the first reason of a row stays
    Row("What is 2 + 2?", "en", reason=why[3])  # one row at a time; `rejected` follows from the reason
    [r and (r.stage, r.code, r.failed, r.values) for r in reasons_of(rows)]  # reading; None: a kept row

A new kind of reason is a member of Code with its text in TEXTS (its placeholders are the values that it
requires) and, where it is the stage that could not do its work, a place in FAILURES. Code compares `code`,
`stage` and `values`; nothing reads the text back (tests/test_house.py looks for that). Rows that were stored
before reasons had a type have the code UNKNOWN: it says neither that the row was wrong nor that it failed.
"""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import pyarrow as pa

TYPE: Final = pa.struct(
    [
        ("stage", pa.string()),
        ("code", pa.string()),
        ("failed", pa.bool_()),
        ("values", pa.map_(pa.string(), pa.string())),
    ]
)


class Code(StrEnum):
    """What happened to a row, by the stages that say it. Stored by value: a value is never changed or reused."""

    # every stage
    UNKNOWN = "unknown"  # stored before reasons had a type; `text` is what was written then
    CALL_FAILED = (
        "call_failed"  # a call to a model gave nothing usable; `error` is the engine's, `kind` its class
    )
    BELOW_THRESHOLD = (
        "below_threshold"  # scorers, rebuild: `score` by the name `name` is under its `threshold`
    )
    # critique
    WRONG_STEP = (
        "wrong_step"  # as BELOW_THRESHOLD, by a critic that names the line `step` as the first wrong one
    )
    # ingest, and the items of a benchmark
    UNREADABLE = "unreadable"  # a record of a file that cannot become a row or an item; `place`, `why`
    NO_TRUSTED_ANSWER = "no_trusted_answer"  # an item that no answer can be compared with
    # methods that write questions
    MALFORMED_ITEM = "malformed_item"  # an item of a completion that is no question; `why`
    MISSING_ITEM = "missing_item"  # fewer items in the completion than were ordered
    # similarity, dedup, semantic
    EXACT = "exact"  # equal, after normalisation, to the row `other`, which has another id
    REPEATED = "repeated"  # the same row again, word for word: it has the id of the one that stays
    NEAR = "near"  # `measure` (jaccard, lcs) with the row `other` is `score`
    TEMPLATE = "template"  # `most` questions that differ only in their numbers are there
    NEAR_IN_MEANING = "near_in_meaning"  # cosine `score` with the row `other`, whose `question` is shown
    # solve
    NO_PROGRAM = "no_program"
    NO_ANSWER = "no_answer"
    TRUNCATED = "truncated"  # cut off at the token limit
    UNFINISHED_THINKING = "unfinished_thinking"
    # verify
    PROGRAM_NOT_RUN = "program_not_run"  # the sandbox could not run it; `error`
    PROGRAM_FAILED = "program_failed"  # `verdict` of the sandbox, and `error` (may be empty)
    PROGRAM_CHANGING = "program_changing"  # two runs print different answers
    DIFFERENT = "different"  # the judge tells `answer` apart from the trusted answer `reference`
    INCOMPARABLE = "incomparable"  # the judge could not compare `answer` with the trusted answer
    # weigh
    UNLIKELY = "unlikely"  # `correctness` is under `threshold`; `same` of `samples` agree
    ALONE = "alone"  # too few samples agree, and no answer is trusted; `same` of `samples`
    # probe, calibrate
    STUDENT_RIGHT = "student_right"
    CALIBRATED = "calibrated"  # its answer was known, and it was solved for the fit alone
    # decontaminate
    CONTAMINATED = (
        "contaminated"  # `rule` found the benchmark item `item` with `overlap` in `field` ("": question)
    )
    # mix
    OVER_QUESTION = "over_question"  # `most` solutions of its question are taken
    OVER_SHARE = "over_share"  # `dimension` `value` has its `share` already
    OVER_TARGET = "over_target"  # `target` rows are taken
    OVER_LEAST_SHARES = "over_least_shares"  # `most` rows in which every domain has its least share
    # rebuild
    LEFT_OUT = "left_out"  # --without: the value of the column `name`
    NOT_WANTED = "not_wanted"  # --only: the value of the column `name`


FAILURES: Final = frozenset({Code.CALL_FAILED, Code.PROGRAM_NOT_RUN})  # the stage could not do its work
# rows that were never meant to be kept: they were solved to calibrate, or to find what the student fails at
SET_ASIDE: Final = frozenset({Code.CALIBRATED, Code.STUDENT_RIGHT})

# One text for people per code. A name in braces is a value that a reason of that code must have; what stands in
# brackets is left out where its value is empty.
TEXTS: Final[Mapping[Code, str]] = {
    Code.UNKNOWN: "unknown",
    Code.CALL_FAILED: "{error}",
    Code.BELOW_THRESHOLD: "{name} {score} is under {threshold}",
    Code.WRONG_STEP: "{name} {score} is under {threshold}, line {step} is wrong",
    Code.UNREADABLE: "{place}: {why}",
    Code.NO_TRUSTED_ANSWER: "no trusted answer",
    Code.MALFORMED_ITEM: "{why}",
    Code.MISSING_ITEM: "item missing from the completion",
    Code.EXACT: "exact of {other}",
    Code.REPEATED: "there already, word for word",
    Code.NEAR: "{measure} {score} with {other}",
    Code.TEMPLATE: "template: {most} questions that differ only in numbers are there",
    Code.NEAR_IN_MEANING: "{score} near {other}: {question}",
    Code.NO_PROGRAM: "no program in the completion",
    Code.NO_ANSWER: "no final answer in the completion",
    Code.TRUNCATED: "cut off at the token limit",
    Code.UNFINISHED_THINKING: "the thinking never ended",
    Code.PROGRAM_NOT_RUN: "program not run: {error}",
    Code.PROGRAM_FAILED: "program: {verdict}[: {error}]",
    Code.PROGRAM_CHANGING: "program: its answer changes from run to run",
    Code.DIFFERENT: "answer {answer} is not {reference}",
    Code.INCOMPARABLE: "answer {answer} cannot be compared",
    Code.UNLIKELY: "correctness {correctness} is under {threshold}; {same}/{samples} samples agree",
    Code.ALONE: "{same}/{samples} samples agree",
    Code.STUDENT_RIGHT: "the student is right",
    Code.CALIBRATED: "its answer was known: it was solved to calibrate",
    Code.CONTAMINATED: "{rule} {item} overlap {overlap}[ in {field}]",
    Code.OVER_QUESTION: "more than {most} solutions of its question",
    Code.OVER_SHARE: "over the share of {dimension} {value} ({share})",
    Code.OVER_TARGET: "over the target of {target}",
    Code.OVER_LEAST_SHARES: "over the {most} rows in which every domain has its least share",
    Code.LEFT_OUT: "{name} is left out",
    Code.NOT_WANTED: "{name} is not wanted",
}

# Values that a reason may have besides those that its text names: for code, which never reads the text.
UNSHOWN: Final[Mapping[Code, frozenset[str]]] = {Code.CALL_FAILED: frozenset({"kind"})}

# Values that differ from row to row: left out where reasons are counted by kind.
VARYING: Final = frozenset(
    {"place", "other", "score", "question", "answer", "reference", "correctness", "same", "samples",
     "overlap", "item", "text", "step"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a row is not kept. `code` is a member of Code, or a string that a newer program wrote; `failed`: the
    stage could not do its work on the row, which says nothing about the row."""

    stage: str
    code: str
    failed: bool = False
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The reason for people: "<stage>: <why>", or "<stage>: failed: <why>"."""
        if self.code == Code.UNKNOWN:
            return self.values.get("text", "unknown")
        return f"{self.stage}: {'failed: ' if self.failed else ''}{self.words}"

    @property
    def words(self) -> str:
        """The reason for people, without its stage."""
        return self._words(self.values)

    @property
    def kind(self) -> str:
        """The text without its stage and with `…` for the values that differ from row to row."""
        shown = {name: "…" if name in VARYING else value for name, value in self.values.items()}
        return ("failed: " if self.failed else "") + self._words(shown)

    def _words(self, values: Mapping[str, str]) -> str:
        template = _TEXT_OF.get(self.code)
        if template is None:
            return " ".join([self.code, *(f"{name}={value}" for name, value in sorted(values.items()))])
        return _CLAUSE.sub(lambda clause: _clause(clause[1], values), template).format_map(_Shown(values))


class _Shown(dict[str, str]):
    """Values for a text; one that another program left out is `…`."""

    def __missing__(self, name: str) -> str:
        return "…"


_TEXT_OF: Final[dict[str, str]] = {code.value: text for code, text in TEXTS.items()}
_CLAUSE: Final = re.compile(r"\[([^]]*)\]")


def _clause(text: str, values: Mapping[str, str]) -> str:
    names = (name for _, name, _, _ in string.Formatter().parse(text) if name)
    return text if all(values.get(name) for name in names) else ""


def reason(stage: str, code: Code, **values: object) -> Reason:
    """A reason of this stage. ValueError where `values` are not those that the text of the code names."""
    if values.keys() - UNSHOWN.get(code, frozenset()) != _placeholders(code):
        raise ValueError(
            f"a reason {code} has the values {sorted(_placeholders(code))}, not {sorted(values)}"
        )
    return Reason(stage, code, code in FAILURES, {name: str(value) for name, value in values.items()})


def shortened(text: str | None, most: int = 40) -> str:
    """A text as a value of a reason: on one line, of at most `most` characters."""
    flat = " ".join((text or "").split())
    return flat if len(flat) <= most else flat[: most - 1] + "…"


def untyped(stage: str | None, text: str) -> Reason:
    """The reason of a row that was stored before reasons had a type. Nothing is read out of its text."""
    return Reason(stage or "unknown", Code.UNKNOWN, values={"text": text})


def of_record(record: Mapping[str, Any] | None) -> Reason | None:
    """The reason in a cell of the column `reason` as `to_pylist` gives it; None where the cell is null."""
    if record is None:
        return None
    return Reason(
        record["stage"] or "unknown",
        record["code"] or Code.UNKNOWN,
        bool(record["failed"]),
        dict(record["values"] or ()),
    )


def to_array(reasons: Iterable[Reason | None]) -> pa.StructArray:
    """Reasons as a column of TYPE, one per row, null for None; values with sorted keys."""
    return pa.array([None if one is None else _record(one) for one in reasons], type=TYPE)


def cells(why: Reason | None) -> dict[str, Any]:
    """The cells `rejected` and `reason` of a record that is not a Row (an item of a benchmark)."""
    return (
        {"rejected": None, "reason": None} if why is None else {"rejected": why.text, "reason": _record(why)}
    )


def _record(why: Reason) -> dict[str, Any]:
    return {
        "stage": why.stage,
        "code": str(why.code),
        "failed": why.failed,
        "values": sorted(why.values.items()),
    }


@functools.cache
def _placeholders(code: Code) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in string.Formatter().parse(TEXTS[code]) if name)
