"""The split of a question into logic and computation: the rule, the model where the rule is unsure, and the formats that follow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import orjson
import pytest

from storage.interleaved import TIR
from storage.rows import Row, column, to_table
from tasks.llm.engine import Engine
from tasks.sandbox import Sandbox
from tasks.splitting import (
    MarkedPart,
    by_rule,
    formats_of_split,
    is_unsure,
    share_of,
    shares_of_formats,
)
from tasks.stages.solve import SolveSettings, solve

COMPUTES = "What is the remainder when 7^{100} is divided by 13?"
ARGUES = "In triangle ABC the bisectors of two angles are perpendicular. Prove that this is never possible."
BOTH = f"{ARGUES} {COMPUTES}"
PLAIN = "Ann has three apples and Bo has five."


def no_tick(rows: int) -> None:
    """Ignore the progress."""


def test_the_rule_marks_sentences_that_compute_and_sentences_that_argue() -> None:
    assert [mark.kind for mark in by_rule(COMPUTES)] == ["computation"]
    assert {mark.kind for mark in by_rule(ARGUES)} == {"logic"}
    marks = by_rule(BOTH)
    assert [BOTH[mark.start : mark.end] for mark in marks][-1] == COMPUTES
    assert {mark.kind for mark in marks} == {"logic", "computation"}
    assert by_rule(PLAIN) == by_rule("") == []
    assert [mark.kind for mark in by_rule("求 123456 的所有质因数之和。")] == ["computation"]


@pytest.mark.parametrize(
    ("question", "unsure"), [(COMPUTES, False), (ARGUES, False), (BOTH, True), (PLAIN, True)]
)
def test_a_model_is_asked_where_the_rule_is_unsure(question: str, unsure: bool) -> None:
    assert is_unsure(by_rule(question)) is unsure


def test_shares_of_formats_follow_the_share_of_computation() -> None:
    for part in (0.0, 0.1, 0.5, 0.9, 1.0):
        shares = shares_of_formats(part)
        assert sum(shares.values()) == pytest.approx(1)
        assert min(shares.values()) > 0
    assert shares_of_formats(0.5) == {"cot": 0.25, "pot": 0.25, TIR: 0.5}
    assert max(shares_of_formats(1.0), key=lambda kind: shares_of_formats(1.0)[kind]) == "pot"
    assert max(shares_of_formats(0.0), key=lambda kind: shares_of_formats(0.0)[kind]) == "cot"


def test_over_many_questions_the_shares_are_met() -> None:
    marks = [MarkedPart(0, 30, "logic"), MarkedPart(30, 100, "computation")]
    assert share_of(marks) == pytest.approx(0.7)
    counts: Counter[str] = Counter()
    for number in range(2000):
        formats = formats_of_split(marks, 4, f"question {number}")
        assert formats is not None
        assert len(formats) == 4
        counts.update(formats)
    for kind, share in shares_of_formats(0.7).items():
        assert counts[kind] / counts.total() == pytest.approx(share, abs=0.04)
    assert formats_of_split([], 4, "q") is None
    assert formats_of_split(marks, 4, "q") == formats_of_split(marks, 4, "q")


def test_solve_routes_by_the_split_and_keeps_the_marks(
    engine: Callable[..., Engine], sandbox: Sandbox
) -> None:
    questions = to_table([Row(text, "en") for text in (COMPUTES, ARGUES, BOTH, PLAIN)])

    def formats(split: str) -> tuple[dict[str, Counter[str]], int]:
        settings = SolveSettings(canaries=0, split=split)  # type: ignore[arg-type]
        outcome = solve(questions, engine=engine(), settings=settings, seed=1, tick=no_tick, sandbox=sandbox)
        counts: dict[str, Counter[str]] = {}
        for question, kind in zip(
            *(column(outcome.rows, n) for n in ("question", "solution_format")), strict=True
        ):
            counts.setdefault(question, Counter())[kind] += 1
        for row in outcome.rows.to_pylist():
            split_marks = orjson.loads(row["params"]).get("split")
            assert (split_marks is not None) == (split != "off" and bool(split_marks))
        return counts, outcome.facts["bills"][0]["completions"]

    off, _ = formats("off")
    assert all(counts == {"cot": 2, "pot": 2} for counts in off.values())
    rule, _ = formats("rule")
    assert rule[COMPUTES]["pot"] >= 2
    assert rule[ARGUES]["cot"] >= 2
    assert rule[BOTH][TIR] >= 1
    assert rule[PLAIN] == {"cot": 2, "pot": 2}  # nothing is marked
    asked, calls = formats("rule, then model")
    assert asked[COMPUTES] == rule[COMPUTES]
    assert asked[PLAIN] != rule[PLAIN]
    again, calls_again = formats("rule, then model")
    assert (again, calls_again) == (asked, calls)
