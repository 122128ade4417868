"""Scores rows by cheap signs of a poor row, without a model. This module is the example for contributors."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from tasks.scorers import Scored
from tasks.stages.outcome import Tick

needs = ()

SHORTEST, LONGEST = 12, 4000  # lengths in characters that are usual for a question
# Words by which a writer calls a solution a guess. "Guess and check", and a guess that is then proved, are valid methods.
DOUBTS = (
    r"(?i)\b(?:i am|i'm|im|i’m) not (?:[a-z]+ |100 ?% )?(?:sure|certain|confident)\b|#\s*not sure\b"
    r"|\bi (?:do not|don't|don’t) know how to\b|\b(?:just|only|merely|my best|a wild|a random|a pure) guess\b"
    r"|我?不(?:太|是很|能)?确定|#\s*不确定|瞎猜|随便猜|猜一个|我不会做"
)


def score(rows: pa.Table, *, tick: Tick) -> Scored:
    """Return `heuristics`: 1 minus a third per sign of a poor row.

    The signs are an odd length, no digit or symbol to reason about, and text that the solution repeats line
    by line. A solution that calls itself a guess counts as two signs: several samples may guess the same answer, and the votes
    then count it as right.
    """
    question, solution = rows.column("question"), rows.column("solution")
    length = pc.utf8_length(question)
    odd = pc.or_(pc.less(length, SHORTEST), pc.greater(length, LONGEST))
    empty = pc.invert(pc.match_substring_regex(question, r"[\d$=<>√∫π]|[a-z]\("))
    repeats = pa.array(
        [_repeats(text.as_py() or "") for text in solution], pa.bool_()
    )  # typed without rows too
    guess = pc.match_substring_regex(solution, DOUBTS)
    signs = [pc.fill_null(sign, False).to_pylist() for sign in (odd, empty, repeats, guess, guess)]
    tick(rows.num_rows)
    return Scored({"heuristics": [max(0.0, 1 - sum(present) / 3) for present in zip(*signs, strict=True)]})


def _repeats(text: str) -> bool:
    lines = [line.strip() for line in text.splitlines() if len(line.strip()) > 20]
    return len(lines) - len(set(lines)) >= 3
