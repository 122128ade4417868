"""A wrong solution has one wrong step, and correct arithmetic after it."""

from __future__ import annotations

from collections import Counter

import pytest

from tasks.critics.error_injection import KINDS, inject, inject_error
from tasks.critics.recomputing import calculations
from tasks.critics.step_checker import check
from tasks.problems.machinery.family import LANGUAGES, LEVELS, families, make
from tasks.seeding import rng_of


def test_the_error_propagates_to_the_answer() -> None:
    steps = ("Subtract: 3x = 19 - 4 = 15.", "Divide: x = 15 / 3 = 5.")
    seen = set()
    for seed in range(40):
        wrong_steps, answer = inject_error(steps, "5", rng_of(seed))
        false = [not statement.true for line in wrong_steps for statement in calculations(line)]
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
    assert not next(calculations(wrong[0])).true


def test_what_counts_lines_is_no_value() -> None:
    """A wrong 2 does not turn the second row into another one, and a wrong answer does not change an exponent."""
    for before in ("Row 2: ", "第 2 行：", "2. ", "Step 2: "):
        steps = ("Row 1: 6 - 4 = 2.", f"{before}2 * 3 = 6.", "So it is 6.")
        for seed in range(30):
            wrong, _ = inject_error(steps, "6", rng_of(seed))
            assert wrong[1].startswith(before)
    wrong, answer = inject_error(("As 6^1 = 6 and 6^{1} = 6, the logarithm is 1.",), "1", rng_of(1))
    assert wrong == (f"As 6^1 = 6 and 6^{{1}} = 6, the logarithm is {answer}.",)


def test_a_factorial_of_a_wrong_value_is_that_of_the_value() -> None:
    steps = ("There are 4 + 1 = 5 objects.", "They have 5! = 120 orders.")
    wrong = {inject_error(steps, "120", rng_of(seed)) for seed in range(40)}
    assert (("There are 4 + 1 = 6 objects.", "They have 6! = 720 orders."), "720") in wrong
    assert not [steps for steps, _ in wrong if steps[1] == "They have 6! = 6 orders."]


def test_a_check_by_an_expression_does_not_follow_a_wrong_value() -> None:
    """ "620 = 620" for "630 = 17 * 37 + 1" is no step that anybody writes."""
    steps = ("We get 10 + 20 * 31 = 630; check: 630 = 17 * 37 + 1.",)
    for seed in range(30):
        (wrong,), answer = inject_error(steps, "630", rng_of(seed))
        assert answer != "630"
        assert wrong.endswith("= 17 * 37 + 1.")


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
                assert all(statement.true for step in right.steps for statement in calculations(step)), (
                    name,
                    right.steps,
                )
                steps, answer = inject_error(right.steps, right.answer, rng)
                assert answer != right.answer, (name, right)
                tried[name] += 1
                shown[name] += any(not statement.true for step in steps for statement in calculations(step))
    # most families calculate in words that a reader can check
    assert sum(shown.values()) >= 0.7 * sum(tried.values()), {n: shown[n] / tried[n] for n in tried}


SOLUTION = (
    "Tom buys 4 boxes of 12 pens, so he has 4 * 12 = 48 pens.\n"
    "He gives 48 - 30 = 18 pens away in 2 hours.\n"
    "Each of his 3 friends gets 18 / 3 = 6 pens.\n"
    "That takes 6 * 2.75 = 16.5 minutes.\n"
    "#### 16.5"
)
QUESTION = "Tom buys 4 boxes of 12 pens, keeps 30 and gives the rest to 3 friends, at 2.75 minutes a pen. How many minutes does one take?"


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_has_its_place_and_kind(kind: str) -> None:
    seen = 0
    for seed in range(12):
        injected = inject(SOLUTION, kind=kind, seed=seed, question=QUESTION)
        assert injected == inject(SOLUTION, kind=kind, seed=seed, question=QUESTION)
        if injected is None:
            continue
        seen += 1
        right = SOLUTION.split("\n")
        assert injected.kind == kind
        assert injected.steps[: injected.place] == tuple(right[: injected.place])
        assert injected.steps[injected.place] != right[injected.place]
        assert (injected.answer != "16.5") or not injected.carried
        if not injected.carried and kind != "final":
            assert sum(a != b for a, b in zip(injected.steps, right, strict=True)) == 1
        checked = check(injected.steps, question=QUESTION)
        assert checked.first_wrong in (None, injected.place)
        if kind in ("arithmetic", "sign"):
            assert checked.first_wrong == injected.place
    assert seen, kind


def test_nothing_is_injected_into_a_wrong_solution_or_without_a_place() -> None:
    assert inject("3 + 4 = 8\n#### 8", kind="arithmetic", seed=1) is None
    assert inject("It is even.\nThe answer is yes.", kind="arithmetic", seed=1) is None
    with pytest.raises(KeyError):
        inject(SOLUTION, kind="typo", seed=1)


def test_a_value_of_the_question_is_not_replaced_as_a_consequence() -> None:
    """The 4 that results from 8 / 2 is also given, so that a change of it would misread the question."""
    solution = "First 8 / 2 = 4 apples.\nThe 4 children get 12 + 16 = 28 pears.\n#### 28"
    for seed in range(20):
        injected = inject(solution, kind="arithmetic", seed=seed, question="There are 4 children.")
        assert injected is None or "The 4 children" in injected.solution
