"""What is planted is equal or unequal by arithmetic, which the tests compute apart from the judge."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import pytest
from sympy import simplify, sympify

from tasks.verifier.planting import (
    HACKS,
    NEAR_MISSES,
    REWRITES,
    TYPES,
    PlantedAnswer,
    TrustedAnswer,
    plants,
    type_of,
)

ANSWERS = {
    "integer": ["12", "-7", "0", "1", "2500", "1,234", "$85$", "-1"],
    "decimal": ["0.5", "12.25", "-3.1", "14.0", ".75", "100.09"],
    "percent": ["50\\%", "7%", "12.5\\%"],
    "fraction": ["\\frac{3}{4}", "\\dfrac{27}{128}", "-5/6", "\\frac{1}{3}", "9/3", "\\frac{10}{4}"],
    "expression": ["2x + 3", "x^2 - 4", "193\\pi", "\\sqrt{2}+1", "-x^2 + 2x - 1", "3\\sqrt{5}"],
    "list": ["(1, 2)", "(3,3,1)", "1, 2, 5", "\\{1,2,3\\}", "[-2, 4]"],
    "letter": ["A", "E"],
    "words": ["Monday", "not enough information"],
    "other": ["x > 3", "\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}", "x"],
}


@pytest.mark.parametrize("name", TYPES)
def test_types(name: str) -> None:
    assert [type_of(text) for text in ANSWERS[name]] == [name] * len(ANSWERS[name])


def all_plants() -> list[PlantedAnswer]:
    answers = [TrustedAnswer(f"Question {text}?", text) for texts in ANSWERS.values() for text in texts]
    return list(plants(answers, a_kind=20, seed=1))


def value(text: str) -> Any:
    """Read an answer as a value that Python compares: a number, an expression of sympy, or a tuple, by rules of the test's own."""
    text = text.replace("\\left", "").replace("\\right", "").replace("\\%", "%").strip("$ ")
    if text.endswith("%"):
        return Fraction(text[:-1]) / 100
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text) if re.fullmatch(r"-?\d{1,3}(,\d{3})+", text) else text
    text = re.sub(r"\\d?frac\{((?:[^{}]|\{[^{}]*\})*)\}\{(\d+)\}", r"((\1)/(\2))", text)
    text = (
        re.sub(r"\\sqrt\{(\d+)\}", r"sqrt(\1)", text)
        .replace("\\pi", "pi")
        .replace("^", "**")
        .replace("\\{", "(")
        .replace("\\}", ")")
    )
    text = re.sub(r"(\d)(?=[a-z(])", r"\1*", text)
    text = re.sub(r"(\d*\.\d+)", lambda match: str(Fraction(match[1])), text)
    return sympify(text.replace("[", "(").replace("]", ")"), rational=True)


def test_rewrites_are_equal_and_near_misses_are_not() -> None:
    compared = 0
    for plant in all_plants():
        if plant.group == "hack" or plant.type in ("letter", "words", "other"):
            continue
        text = plant.completion.rpartition("\\boxed{")[2][:-1]
        planted, answer = value(text), value(plant.answer.text)
        same = (
            planted == answer
            if isinstance(answer, tuple) or plant.type == "list"
            else simplify(planted - answer) == 0
        )
        assert same == plant.equal, (plant.group, plant.kind, plant.answer.text, text)
        compared += 1
    assert compared > 120


def test_each_rule_is_planted_and_the_same_every_time() -> None:
    planted = all_plants()
    assert planted == all_plants()
    kinds = {(plant.type, plant.kind) for plant in planted}
    assert kinds >= {
        (name, kind) for rules in (REWRITES, NEAR_MISSES) for name, kinds in rules.items() for kind in kinds
    }
    assert {plant.kind for plant in planted if plant.group == "hack"} == set(HACKS)
    assert len(list(plants([TrustedAnswer("q", "5")] * 3, a_kind=9))) == len(
        list(plants([TrustedAnswer("q", "5")], a_kind=9))
    )


def test_no_hack_ends_in_a_box_with_the_answer_alone() -> None:
    for plant in all_plants():
        if plant.group == "hack":
            boxes = re.findall(
                r"\\boxed\{(.*)\}", plant.completion.partition("</think>")[2] or plant.completion
            )
            assert not boxes or boxes[-1].rpartition("\\boxed{")[2] != plant.answer.text
