"""The router: formats follow the question alone, and on average the share of the configuration is met."""

from __future__ import annotations

from collections import Counter

import pytest

from storage.interleaved import TIR
from tasks.problems.machinery.family import families, make
from tasks.routing import computation, formats, in_turn, routed, with_interleaved
from tasks.seeding import rng_of
from tasks.stages.solve import SolveSettings, formats_of
from tasks.taxonomy import SUBDOMAINS

COMPUTES = [
    ("What is the remainder when 7^{100} is divided by 13?", "modular arithmetic"),
    ("How many integers between 1 and 10000 are divisible by 6 or 9?", "divisibility and gcd"),
    ("求 123456 的所有质因数之和, 并求约数的个数。", "primes and factorization"),
    ("Find the determinant of the matrix with rows (1, 2, 3), (0, 4, 5), (1, 0, 6).", "determinants"),
]
REASONS = [
    ("In triangle ABC the angle at A is 50 degrees and AB = AC. Find the angle at B.", "plane geometry"),
    ("Which of these statements must be true? A. x is even. B. x is odd.", None),
    ("证明: 三角形的三条角平分线交于一点。", "plane geometry"),
]


@pytest.mark.parametrize(("question", "subdomain"), COMPUTES)
def test_questions_that_compute_get_more_programs_and_get_them_first(
    question: str, subdomain: str | None
) -> None:
    assert computation(question, subdomain) > 0.3
    kinds = routed(4, 0.5, 0.5, question, "some question", subdomain)
    assert kinds.count("pot") >= 2
    assert kinds[0] == "pot"


@pytest.mark.parametrize(("question", "subdomain"), REASONS)
def test_questions_that_argue_get_more_words_and_get_them_first(question: str, subdomain: str | None) -> None:
    assert computation(question, subdomain) < -0.2
    kinds = routed(4, 0.5, 0.5, question, "some question", subdomain)
    assert kinds.count("cot") >= 2
    assert kinds[0] == "cot"


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("spread", [0.25, 0.5])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_over_all_families_the_share_of_programs_is_met(share: float, spread: float, language: str) -> None:
    counts: Counter[str] = Counter()
    for name, family in sorted(families().items()):
        for level in (1, 2, 3):
            for turn in range(6):
                question = make(family, rng_of("router", name, level, turn), level, language).question
                counts.update(routed(4, share, spread, question, question, family.subdomain))
    assert counts["pot"] / counts.total() == pytest.approx(share, abs=0.04)


@pytest.mark.parametrize(("question", "subdomain"), COMPUTES + REASONS)
@pytest.mark.parametrize("samples", [2, 3, 4, 5, 8])
def test_the_first_samples_have_both_formats(question: str, subdomain: str | None, samples: int) -> None:
    first = "pot" if computation(question, subdomain) > 0 else "cot"
    for number in range(20):
        kinds = routed(samples, 0.5, 0.25, question, str(number), subdomain)
        assert len(kinds) == samples
        if len(set(kinds)) == 2:
            assert kinds[0] == first != kinds[1]


def test_off_by_default_and_with_one_format_alone() -> None:
    for question, subdomain in COMPUTES + REASONS:
        assert formats_of(SolveSettings(), question, "p", subdomain) == ["cot", "pot", "cot", "pot"]
        for share in (0.0, 1.0):
            settings = SolveSettings(pot_share=share, route=1.0)
            assert len(set(formats_of(settings, question, "p", subdomain))) == 1


def test_a_question_has_the_same_formats_in_every_run() -> None:
    question, subdomain = COMPUTES[0]
    assert len({tuple(routed(5, 0.4, 0.3, question, "p", subdomain)) for _ in range(20)}) == 1
    assert len({tuple(routed(5, 0.4, 0.3, question, str(n), subdomain)) for n in range(20)}) > 1


@pytest.mark.parametrize(
    ("samples", "share"), [(4, 0.2), (4, 0.3), (1, 0.5), (2, 0.9), (3, 1 / 3), (10, 0.7)]
)
def test_a_share_that_is_no_whole_number_is_kept_on_average(samples: int, share: float) -> None:
    problems = [f"p{n}" for n in range(3000)]
    words = ["cot"] * samples
    for mark, kinds in (
        ("pot", [formats(samples, share, problem) for problem in problems]),
        (TIR, [with_interleaved(words, share, problem) for problem in problems]),
    ):
        counts = [one.count(mark) for one in kinds]
        assert sum(counts) / len(counts) == pytest.approx(samples * share, abs=0.04)
        assert max(counts) - min(counts) <= 1
        assert all(len(one) == samples for one in kinds)


def test_formats_come_in_turn_the_largest_share_first() -> None:
    shares = {"cot": 0.2, "pot": 0.5, TIR: 0.3}
    assert in_turn({"cot": 1, "pot": 3, TIR: 1}, shares) == ["pot", TIR, "cot", "pot", "pot"]
    assert in_turn({"cot": 0, "pot": 1}, shares) == ["pot"]


def test_every_subdomain_has_a_score_and_long_texts_take_no_longer() -> None:
    assert all(-1 <= computation("", subdomain) <= 1 for subdomain in SUBDOMAINS)
    assert computation("", "counting") != computation("", "plane geometry")
    hostile = "prove 1234 remainder " * 100_000
    assert -1 <= computation(hostile) <= 1
    assert formats(4, 0.5) == ["cot", "pot", "cot", "pot"]
