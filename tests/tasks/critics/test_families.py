"""The worked solutions of all problem families are right line by line, and errors planted into them are named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.critics.error_injection import inject
from tasks.critics.step_checker import check
from tasks.problems.machinery.family import LANGUAGES, LEVELS, Problem, families, make
from tasks.problems.machinery.notation import Unworkable
from tasks.seeding import rng_of


def problems(language: str, per_level: int) -> list[Problem]:
    drawn = []
    for name, family in families().items():
        for level in LEVELS:
            for number in range(per_level):
                try:
                    drawn.append(
                        make(family, rng_of("checked", name, language, level, number), level, language)
                    )
                except Unworkable:
                    continue
    return drawn


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_line_of_a_family_is_accused_and_planted_errors_are_named(language: str) -> None:
    seen = named = elsewhere = 0
    for problem in problems(language, 3):
        steps = [*problem.worked.steps, rf"\boxed{{{problem.worked.answer}}}"]
        checked = check(steps, question=problem.question)
        wrong = [one.text for one in checked.statements if one.verdict == "wrong"]
        assert wrong == [], (problem.question, steps)
        injected = inject(
            "\n".join(steps), kind="arithmetic", seed=1, question=problem.question, language=language
        )
        if injected is not None:
            first = check(injected.steps, question=problem.question).first_wrong
            seen += 1
            named += first == injected.place
            elsewhere += first not in (None, injected.place)
    assert seen > 150
    assert elsewhere == 0
    assert named >= 0.9 * seen


@given(
    st.lists(st.tuples(st.sampled_from("+-*"), st.integers(2, 400)), min_size=1, max_size=4),
    st.integers(2, 400),
    st.sampled_from(["", " apples", " km", "个"]),
    st.sampled_from(
        ["So {} = {} in all.", "那么 {} = {}。", "${} = {}$", "\\[{} = {}\\]", "She pays {} = {}"]
    ),
    st.integers(-3, 3),
)
def test_right_calculations_are_never_accused_and_wrong_ones_are(
    parts: list[tuple[str, int]], first: int, noun: str, sentence: str, error: int
) -> None:
    left = f"{first}{noun}" + "".join(f" {sign} {value}" for sign, value in parts)
    value = eval(f"{first}" + "".join(f"{sign}{number}" for sign, number in parts))
    checked = check([sentence.format(left, f"{value + error}{noun}")])
    assert checked.verdicts == ("right" if error == 0 else "wrong",)


@given(st.integers(1, 9999), st.integers(1, 999), st.integers(1, 4))
def test_rounded_quotients_are_not_accused(over: int, under: int, places: int) -> None:
    assert check([f"{over} / {under} = {over / under:.{places}f}"]).first_wrong is None
    assert check([f"{over} ÷ {under} ≈ {over / under:.{places}f}"]).first_wrong is None


@given(st.text(alphabet="0123456789+-*/=<>≈. ,()xy%{}\\^!$\n余of是个√π_frac", max_size=150))
def test_any_text_is_checked(text: str) -> None:
    checked = check(text.split("\n"))
    assert all(0 <= one.start < one.end <= len(text) for one in checked.statements)
