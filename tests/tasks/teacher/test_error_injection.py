"""A wrong solution has one wrong step, and correct arithmetic after it."""

from __future__ import annotations

from collections import Counter

import pytest

from tasks.problems.machinery.family import LANGUAGES, LEVELS, families, make
from tasks.seeding import rng_of
from tasks.teacher.error_injection import inject_error
from tasks.teacher.statements import statements


def test_the_error_propagates_to_the_answer() -> None:
    steps = ("Subtract: 3x = 19 - 4 = 15.", "Divide: x = 15 / 3 = 5.")
    seen = set()
    for seed in range(40):
        wrong_steps, answer = inject_error(steps, "5", rng_of(seed))
        false = [not statement.true for line in wrong_steps for statement in statements(line)]
        assert sum(false) == 1
        assert answer != "5"
        assert wrong_steps[-1].endswith(f"= {answer}.")
        seen.add(false.index(True))
    assert seen == {0, 1}  # both calculations go wrong at times


def test_a_value_in_an_expression_and_a_fraction_follow() -> None:
    steps = ("x^3: 6 * (-1) = -6.", "constant: (-4) * 3 = -12.", "The result is -6x^3 + 22x^2 - 12.")
    for seed in range(20):
        wrong, answer = inject_error(steps, "-6x^3 + 22x^2 - 12", rng_of(seed))
        assert answer in wrong[-1]
    wrong, answer = inject_error(("It is 2/3 + 1/6 = 5/6.",), r"\frac{5}{6}", rng_of(1))
    assert answer != r"\frac{5}{6}"
    assert not next(statements(wrong[0])).true


def test_without_a_calculation_the_answer_is_misstated() -> None:
    assert inject_error(("Both are prime.",), "yes", rng_of(0))[1] == "no"
    assert inject_error((), "x", rng_of(0))[1] == "0"
    steps, answer = inject_error(("So it is (2, 3).",), "(2, 3)", rng_of(3))
    assert answer != "(2, 3)"
    assert answer in steps[0]


@pytest.mark.slow
def test_every_family_goes_wrong_visibly() -> None:
    shown: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    for name, family in families().items():
        for language in LANGUAGES:
            for level in LEVELS:
                rng = rng_of("slips", name, language, level)
                problem = make(family, rng, level, language)
                right = problem.worked
                assert all(statement.true for step in right.steps for statement in statements(step)), (
                    name,
                    right.steps,
                )
                steps, answer = inject_error(right.steps, right.answer, rng)
                assert answer != right.answer, (name, right)
                tried[name] += 1
                shown[name] += any(not statement.true for step in steps for statement in statements(step))
    # most families calculate in words that a reader can check
    assert sum(shown.values()) >= 0.7 * sum(tried.values()), {n: shown[n] / tried[n] for n in tried}
