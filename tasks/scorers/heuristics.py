"""Cheap signs of a poor row, no model asked: the exemplar for contributors."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from tasks.outcome import Tick
from tasks.scorers import Scored

needs = ()

SHORTEST, LONGEST = 12, 4000  # characters of a question that is likely to be one


def score(rows: pa.Table, *, tick: Tick) -> Scored:
    """`heuristics`: 1 minus a third for each sign: odd length, no digit or symbol to reason about, text that
    the solution repeats line by line (run-on generation)."""
    question, solution = rows.column("question"), rows.column("solution")
    length = pc.utf8_length(question)
    odd = pc.or_(pc.less(length, SHORTEST), pc.greater(length, LONGEST))
    empty = pc.invert(pc.match_substring_regex(question, r"[\d$=<>√∫π]|[a-z]\("))
    repeats = pa.array([_repeats(text.as_py() or "") for text in solution])
    signs = [pc.fill_null(sign, False).to_pylist() for sign in (odd, empty)] + [repeats.to_pylist()]
    tick(rows.num_rows)
    return Scored({"heuristics": [1 - sum(found) / 3 for found in zip(*signs, strict=True)]})


def _repeats(text: str) -> bool:
    lines = [line.strip() for line in text.splitlines() if len(line.strip()) > 20]
    return len(lines) - len(set(lines)) >= 3
