"""Draws of a template in the sandbox: what their guards let pass, and what a hostile program can say of itself."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tasks.lifting.template import lifted
from tasks.lifting.trials import draws, guarded, kinds_in, number_of, recording, same_type
from tasks.sandbox import Sandbox
from tasks.seeding import rng_of

QUESTION = "17 children share 51 sweets equally after 34 were eaten. How many does each child get?"
PROGRAM = "left = 51 - 34\nshare = left / 17\nprint(share)"


def test_draws_are_distinct_and_repeatable() -> None:
    template = lifted(QUESTION, PROGRAM)
    first = draws(template, rng_of("a"), 30)
    assert len({tuple(sorted(values.items())) for values in first}) == len(first) == 30
    assert template.original not in first
    assert first == draws(template, rng_of("a"), 30) != draws(template, rng_of("b"), 30)


def test_values_keep_their_kind(sandbox: Sandbox) -> None:
    template = lifted(QUESTION, PROGRAM)
    (recorded,) = sandbox.run([recording(template)])
    kinds = kinds_in(recorded.stdout or "")
    assert kinds is not None
    sweets, eaten, children = (next(one.name for one in template.parameters if one.value == value) for value in (51, 34, 17))  # fmt: skip
    tried = [(60, 30, 10), (60, 30, 7), (30, 60, 10), (60, 60, 10)]
    programs = [
        template.program({sweets: Fraction(a), eaten: Fraction(b), children: Fraction(c)})
        for a, b, c in tried
    ]
    results = sandbox.run([guarded(program, kinds) for program in programs])
    # a share that is no integer, sweets that were eaten before there were any, and none at all
    assert [result.verdict for result in results] == ["ok", "error", "error", "error"]
    assert number_of(results[0].answer) == 3


def test_loops_functions_and_printed_values_are_guarded(sandbox: Sandbox) -> None:
    question = "A jar has 40 beans. Each day 8 are taken, for 3 days. How many are left?"
    program = "def left(n):\n    for _ in range(3):\n        n -= 8\n    return n\nprint(left(40))"
    template = lifted(question, program)
    (recorded,) = sandbox.run([recording(template)])
    kinds = kinds_in(recorded.stdout or "")
    assert kinds is not None
    beans = next(one.name for one in template.parameters if one.value == 40)
    few = template.program(template.original | {beans: Fraction(20)})
    many = template.program(template.original | {beans: Fraction(50)})
    assert [one.verdict for one in sandbox.run([guarded(few, kinds), guarded(many, kinds)])] == [
        "error",
        "ok",
    ]


@pytest.mark.parametrize("rounded", ["a // b", "int(a / b)", "round(a / b)", "a\nc //= b\nc = c"])
def test_what_was_not_rounded_is_not_rounded_in_a_draw(rounded: str, sandbox: Sandbox) -> None:
    """51 sweets for 17 children are 3 each; 52 would be 3 as well by the program, and not by the question. 7 of 51 sweets in a box were
    rounded before, and may be."""
    template = lifted(QUESTION, f"a = 51\nb = 17\nc = {rounded}\nprint(c)")
    (recorded,) = sandbox.run([recording(template)])
    kinds = kinds_in(recorded.stdout or "")
    assert kinds is not None
    sweets, children = (next(one.name for one in template.parameters if one.value == value) for value in (51, 17))  # fmt: skip
    exact, inexact = (
        template.program({sweets: Fraction(number), children: Fraction(13)}) for number in (52, 53)
    )
    assert [one.verdict for one in sandbox.run([guarded(exact, kinds), guarded(inexact, kinds)])] == [
        "ok",
        "error",
    ]
    boxes = lifted(
        "51 sweets are put into boxes of 7. How many boxes are full?", "a = 51\nb = 7\nprint(a // b)"
    )
    (recorded,) = sandbox.run([recording(boxes)])
    kinds = kinds_in(recorded.stdout or "")
    assert kinds is not None
    (result,) = sandbox.run([guarded(boxes.program(boxes.original), kinds)])
    assert result.answer == "7"


@pytest.mark.parametrize(
    "answer", ["", "42", "kinds:x", "kinds:1:11", "kinds:1:2222", "kinds:" + "9" * 50 + ":1111"]
)
def test_what_a_program_prints_is_no_kinds(answer: str) -> None:
    assert not kinds_in(answer)


@pytest.mark.parametrize(
    ("answer", "like", "same"),
    [("12", "7", True), ("12.5", "7", False), ("-3", "7", False), ("12.5", "7.5", True), ("2", "0.5", False), ("0", "3", False)],
)  # fmt: skip
def test_an_answer_keeps_its_type(answer: str, like: str, same: bool) -> None:
    assert same_type(Fraction(answer), Fraction(like)) is same


@pytest.mark.parametrize("answer", [None, "", "three apples or so", "x + 1", "9" * 200, "nan"])
def test_what_is_no_number_is_none(answer: str | None) -> None:
    assert number_of(answer) is None
