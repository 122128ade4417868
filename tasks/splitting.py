"""Which parts of a question are logic and which are computation, and what that means for the formats of its solutions.

A rule over the sentences comes first (`by_rule`, with the score of tasks/routing.py); a model is asked where the rule marks nothing or
finds both (`is_unsure`). What argues is written in words, what computes as a program, and a question of both kinds mostly as an
interleaved solution.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from prompts.asking_again import FaultKind, ReplyFault
from prompts.schemas.split_problem import ProblemPart
from storage.interleaved import TIR
from tasks.documents.quotations import find_quotation
from tasks.replies.items import listed
from tasks.routing import computation, in_turn
from tasks.seeding import rng_of

PROMPT: Final = "split"
QuestionPartKind = Literal["logic", "computation"]

_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？；;])\s*|\n+")
_COMPUTES, _ARGUES = (
    0.1,
    -0.3,
)  # scores of a sentence from which the rule marks it; a plain statement is between them
_CLEAR = 0.2  # shares of computation nearer than this to 0 or 1 need no second opinion
_NARROWEST = 0.15  # no format gets less than what this share of computation, or of logic, leaves it


@dataclass(frozen=True, slots=True)
class MarkedPart:
    """The characters `start` to `end` of a question, and whether they are logic or computation."""

    start: int
    end: int
    kind: QuestionPartKind


def by_rule(question: str) -> list[MarkedPart]:
    """Return the sentences of a question that a rule marks; those between logic and computation have no mark."""
    marks: list[MarkedPart] = []
    at = 0
    for sentence in _SENTENCE.split(question):
        start = question.index(sentence, at)
        at = start + len(sentence)
        score = computation(sentence) if sentence.strip() else 0.0
        if score >= _COMPUTES:
            marks.append(MarkedPart(start, at, "computation"))
        elif score <= _ARGUES:
            marks.append(MarkedPart(start, at, "logic"))
    return marks


def by_model(text: str, question: str) -> list[MarkedPart] | ReplyFault:
    """Return the marks of a completion of the prompt PROMPT, or the fault for which it has none. Parts that the question does not have
    are left out."""
    items = listed(text, "parts", ProblemPart, firsts=("quote",))
    marks = []
    for item in items:
        place = None if isinstance(item, ReplyFault) else find_quotation(item.quote, question)
        if place is not None and not isinstance(item, ReplyFault):
            marks.append(MarkedPart(*place, "logic" if item.part_kind == "logic" else "computation"))
    if marks:
        return sorted(set(marks), key=lambda mark: (mark.start, mark.end, mark.kind))
    faults = [item for item in items if isinstance(item, ReplyFault)]
    return faults[0] if faults else ReplyFault(FaultKind.OTHER, "no part quotes the problem")


def is_unsure(marks: Sequence[MarkedPart]) -> bool:
    """Return whether marks do not clearly say that a question is all logic or all computation."""
    share = share_of(marks)
    return share is None or _CLEAR < share < 1 - _CLEAR


def share_of(marks: Sequence[MarkedPart]) -> float | None:
    """Return the share of computation of the marked characters, from 0 to 1; None if nothing is marked."""
    total = sum(mark.end - mark.start for mark in marks)
    return (
        sum(mark.end - mark.start for mark in marks if mark.kind == "computation") / total if total else None
    )


def shares_of_formats(computing: float) -> dict[str, float]:
    """Return the share of each format for a question with this share of computation; they sum to 1. Half of the solutions are
    interleaved where logic and computation are even, fewer where one prevails, and no format has none."""
    part = min(max(computing, _NARROWEST), 1 - _NARROWEST)
    mixed = min(part, 1 - part)
    return {"cot": (1 - part) * (1 - mixed), "pot": part * (1 - mixed), TIR: mixed}


def formats_of_split(marks: Sequence[MarkedPart], samples: int, problem_id: str) -> list[str] | None:
    """Return the formats of the samples of a question in turn, the expected one first; None if nothing is marked.

    What is left of a whole sample goes to the formats by a hash of the question, in proportion to what each lacks.
    """
    computing = share_of(marks)
    if computing is None:
        return None
    shares = shares_of_formats(computing)
    counts = {kind: int(share * samples) for kind, share in shares.items()}
    lacks = {kind: share * samples - counts[kind] for kind, share in shares.items()}
    rng = rng_of("split", problem_id)
    for _ in range(samples - sum(counts.values())):
        kind = rng.choices(list(lacks), [value + 1e-9 for value in lacks.values()])[0]
        counts[kind] += 1
        lacks[kind] = 0.0
    return in_turn(counts, shares)
