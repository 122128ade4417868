"""Planted errors: where they are, in what they are, and that they stay with their question."""

from __future__ import annotations

from tasks.critics.labelled import PLANTED, LabelledSolution, grouped
from tasks.critics.planting import planted
from tasks.critics.step_checker import check


def right(number: int) -> LabelledSolution:
    a, b, c = 12 + number, 5 + number % 7, 3
    return LabelledSolution(
        f"Ann has {a} boxes of {b} pens and gives {c} pens away; how many pens are left, in case {number}?",
        (
            f"The boxes hold {a} * {b} = {a * b} pens.",
            f"After the gift there are {a * b} - {c} = {a * b - c} pens.",
            f"The answer is {a * b - c}.",
        ),
        True,
        source="made",
    )


def test_each_planted_error_is_one_wrong_solution_of_its_question() -> None:
    solutions = grouped([right(number) for number in range(60)])
    wrong = planted(solutions, 1.0, 3)
    assert len(wrong) > 50
    groups = {one.question: one.group for one in solutions}
    texts = {one.question: one.steps for one in solutions}
    for one in wrong:
        assert (one.correct, one.by, one.group) == (False, PLANTED, groups[one.question])
        assert one.first_error is not None
        assert one.kind is not None
        assert one.steps != texts[one.question]
        assert one.steps[: one.first_error] == texts[one.question][: one.first_error]
    assert len({one.kind for one in wrong}) > 3
    assert any(check(one.steps, question=one.question).first_wrong == one.first_error for one in wrong)


def test_the_share_and_the_choice_follow_from_the_seed() -> None:
    solutions = grouped([right(number) for number in range(60)])
    half = planted(solutions, 0.5, 3)
    assert 15 < len(half) < 45
    assert planted(list(reversed(solutions)), 0.5, 3) == list(reversed(half))
    assert planted(solutions, 0.0, 3) == []


def test_wrong_and_annotated_solutions_get_no_error() -> None:
    one = right(1)
    annotated = LabelledSolution(one.question, ("1 + 1 = <<1+1=2>>2.", "The answer is 2."), True)
    wrong = LabelledSolution(one.question, one.steps, False)
    assert planted(grouped([annotated, wrong]), 1.0, 3) == []
