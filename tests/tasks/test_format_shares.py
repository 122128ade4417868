"""Shares of formats follow which format was right on known answers, slowly, within bounds, and for any number of formats."""

from __future__ import annotations

from collections import Counter

import pytest

from storage.reasons import Code, reason
from storage.rows import Row, to_table
from tasks.format_shares import LEAST, FormatCounts, LearntShares, counts_of, score_range, shared_out
from tasks.routing import computation, rule_shares
from tasks.stages.solve import SolveSettings, formats_of

HALVES = {"cot": 0.5, "pot": 0.5}
MATRICES, FIGURES = ("determinants", "computes"), ("plane geometry", "argues")


def counts(*entries: tuple[tuple[str, str], str, int, int]) -> FormatCounts:
    """Return counts of (cell, format, right, asked)."""
    return FormatCounts(
        {(cell, kind): right for cell, kind, right, _ in entries},
        {(cell, kind): asked for cell, kind, _, asked in entries},
    )


PLANTED = counts(
    (MATRICES, "pot", 90, 100), (MATRICES, "cot", 40, 100), (FIGURES, "pot", 30, 100), (FIGURES, "cot", 80, 100)
)  # fmt: skip


def test_a_planted_difference_is_learnt_per_cell() -> None:
    learnt = LearntShares(PLANTED, 1.0)
    assert learnt.shares(HALVES, MATRICES)["pot"] > 0.65
    assert learnt.shares(HALVES, FIGURES)["cot"] > 0.65
    # another subdomain of the range is like the range, and one of which nothing is known like all
    assert learnt.shares(HALVES, ("matrix operations", "computes"))["pot"] > 0.6
    assert learnt.shares(HALVES, ("limits", "neutral"))["pot"] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("strength", [0.25, 1.0])
@pytest.mark.parametrize("rule", [HALVES, {"cot": 0.9, "pot": 0.1}, {"cot": 0.4, "pot": 0.4, "tir": 0.2}])
def test_no_format_is_starved(rule: dict[str, float], strength: float) -> None:
    certain = counts(
        (MATRICES, "pot", 1000, 1000), (MATRICES, "cot", 0, 1000), (MATRICES, "tir", 0, 1000)
    )  # fmt: skip
    shares = LearntShares(certain, strength).shares(rule, MATRICES)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares.keys() == rule.keys()
    for kind, share in rule.items():
        assert shares[kind] >= LEAST * share - 1e-12
    asked = Counter(kind for number in range(4000) for kind in shared_out(shares, 4, str(number)))
    for kind, share in shares.items():
        assert asked[kind] / 16_000 == pytest.approx(share, abs=0.01)


def test_with_half_of_an_even_share_every_question_has_both_formats() -> None:
    certain = counts((MATRICES, "pot", 1000, 1000), (MATRICES, "cot", 0, 1000))
    shares = LearntShares(certain, 1.0).shares(HALVES, MATRICES)
    for number in range(200):
        kinds = shared_out(shares, 4, str(number))
        assert kinds[:2] == ["pot", "cot"]
        assert len(kinds) == 4


def test_few_solutions_change_little_and_none_nothing() -> None:
    few = counts((MATRICES, "pot", 3, 3), (MATRICES, "cot", 0, 3))
    assert 0.5 < LearntShares(few, 1.0).shares(HALVES, MATRICES)["pot"] < 0.66
    many = LearntShares(PLANTED, 1.0).shares(HALVES, MATRICES)["pot"]
    assert LearntShares(few, 1.0).shares(HALVES, MATRICES)["pot"] < many
    for shares in (LearntShares(FormatCounts(), 1.0), LearntShares(PLANTED, 0.0)):
        assert shares.shares({"cot": 0.7, "pot": 0.3}, MATRICES) == pytest.approx({"cot": 0.7, "pot": 0.3})


def test_counts_are_carried_on_and_fade() -> None:
    assert FormatCounts.from_list(PLANTED.to_list()) == PLANTED
    both = PLANTED + counts((MATRICES, "pot", 10, 10), (MATRICES, "tir", 1, 2))
    assert (both.asked[MATRICES, "pot"], both.right[MATRICES, "tir"]) == (110, 1)
    faded = both.faded(100)
    assert sum(faded.asked.values()) == pytest.approx(100)
    assert faded.rate(MATRICES, "pot") < both.rate(MATRICES, "pot")
    assert PLANTED.faded() == PLANTED


def test_what_is_counted() -> None:
    question, subdomain = "Find the determinant of the matrix.", "determinants"
    failed = reason("solve", Code.CALL_FAILED, error="http 500", kind="http")

    def row(number: int, kind: str, verdict: str | None = None, **columns: object) -> Row:
        verdicts = {"equivalent": verdict} if verdict else {}
        return Row(
            question,
            "en",
            id=f"{number}",
            solution_format=kind,
            subdomain=subdomain,
            verdicts=verdicts,
            **columns,
        )  # type: ignore[arg-type]

    solved = [row(1, "cot"), row(2, "cot"), row(3, "pot"), row(4, "pot"), row(5, "pot", reason=failed)]
    solved += [row(6, "pot", reason=reason("solve", Code.NO_PROGRAM))]
    judged = [row(1, "cot", "equal"), row(2, "cot", "different"), row(3, "pot", "equal"), row(4, "pot", "unknown")]  # fmt: skip
    cell = (subdomain, score_range(computation(question, subdomain)))
    counted = counts_of(to_table(solved), to_table(judged))
    assert counted == counts((cell, "cot", 1, 2), (cell, "pot", 1, 2))
    assert counted.by_range() == [
        {"format": "cot", "score": "computes", "asked": 2, "right": 0.5},
        {"format": "pot", "score": "computes", "asked": 2, "right": 0.5},
    ]


def test_the_rule_decides_where_nothing_is_learnt() -> None:
    question = "Find the determinant of the matrix with rows (1, 2), (3, 4)."
    settings = SolveSettings(learn=1.0)
    by_rule = formats_of(SolveSettings(), question, "p", "determinants")
    assert formats_of(settings, question, "p", "determinants") == by_rule == ["cot", "pot", "cot", "pot"]
    learnt = LearntShares(PLANTED, 1.0)
    assert formats_of(settings, question, "p", "determinants", (), learnt).count("pot") >= 2
    several = [formats_of(settings, question, str(n), "determinants", (), learnt) for n in range(100)]
    assert sum(kinds.count("pot") for kinds in several) > 240
    assert several == [formats_of(settings, question, str(n), "determinants", (), learnt) for n in range(100)]
    assert rule_shares(1.0, 0.0, 0.5, -1.0) == {"pot": 1.0}
    assert rule_shares(0.5, 0.2, 0.5, 1.0) == {"pot": 0.8, "tir": 0.2}


def test_equal_counts_have_equal_digests() -> None:
    again = FormatCounts.from_list(PLANTED.to_list())
    assert LearntShares(again, 0.5).digest == LearntShares(PLANTED, 0.5).digest
    assert LearntShares(again, 0.6).digest != LearntShares(PLANTED, 0.5).digest
