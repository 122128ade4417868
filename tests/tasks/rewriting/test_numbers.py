"""The numbers of questions: their values and units in both languages, what a rewording changed, and which can be hidden."""

from __future__ import annotations

import pytest

from tasks.rewriting.numbers import (
    changed_number,
    changed_unit,
    free_letter,
    hidden,
    hideable,
    left_out,
    numbers_in,
    spelled,
)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("18 trays of 24 rolls, 37 burnt", ["18", "24", "37"]),
        ("$1,260 in the ratio 4 : 5 : 6", ["1260", "4", "5", "6"]),
        ("twenty-five dogs, two hundred and five cats", ["25", "205"]),
        (r"\frac{2}{5} of it, then half, then 2.75", ["2", "5", "2", "2.75"]),
        ("x_1 and A4 are names, x2 is one too", []),
        ("小明有 3万 元，其中三分之二给了两个朋友", ["30000", "3", "2", "2"]),
        ("一共五十六千克，一些人一起搬", ["56"]),
        ("半径是 12.5 厘米，取一半", ["12.5", "2"]),
    ],
)
def test_numbers_are_read_with_their_values(text: str, values: list[str]) -> None:
    assert [spelled(number.value) for number in numbers_in(text)] == values


def test_a_number_knows_where_it_stands_and_its_unit() -> None:
    text = "It took 90 minutes for \\$7 and 3 in all, 5 km away."
    numbers = numbers_in(text)
    assert [text[one.start : one.end] for one in numbers] == ["90", "7", "3", "5"]
    assert [one.unit and one.unit.dimension for one in numbers] == ["time", "dollar", None, "length"]


@pytest.mark.parametrize(
    ("question", "rewritten", "changed"),
    [
        ("6 apples for 2 hours", "For two hours there are 6 apples", None),
        ("two fifths of 30", r"\(\frac{2}{5}\) of 30", None),
        ("one apple and 4 pears", "4 pears and an apple", None),
        ("Tom has 4 and Ann 9", "The two friends Tom and Ann have 4 and 9", None),
        ("6 apples for 2 hours", "7 apples for 2 hours", "6"),
        ("5 apples and 3 pears", "5 apples and 5 pears", "3"),
        ("5 apples and 5 pears", "5 apples and 3 pears", "3"),
        ("6 apples for 2 hours", "6 apples for 2 hours, 12 in all", "12"),
        ("rises by 30%", "rises by 0.3", "30"),
        ("三个班共 120 人", "120 人分在 3 个班", None),
        ("三个班共 120 人", "120 人分在 4 个班", "3"),
    ],
)
def test_a_changed_number_is_seen(question: str, rewritten: str, changed: str | None) -> None:
    assert changed_number(question, rewritten) == changed


@pytest.mark.parametrize(
    ("question", "rewritten", "changed"),
    [
        ("5 minutes and 3 km", "3 kilometres in 5 min", None),
        ("5 minutes and 3 km", "3 km in 5 hours", "5"),
        ("every 6 hours", "6 times", None),
        ("5 cm by 5 m", "5 m by 5 cm", None),
        ("重 3 千克", "重 3 克", "3"),
        ("用了 3 个小时", "3 小时后", None),
    ],
)
def test_a_changed_unit_is_seen(question: str, rewritten: str, changed: str | None) -> None:
    assert changed_unit(question, rewritten) == changed


def test_a_number_that_is_left_out_is_named_and_a_new_one_is_not() -> None:
    assert left_out("4 pens and 9 cups", "9 cups, 4 pens and 70 plates") is None
    assert left_out("4 pens and 9 cups", "9 cups") == "4"


@pytest.mark.parametrize(
    ("question", "numbers"),
    [
        ("18 trays of 24 rolls, 24 burnt", ["18"]),  # 24 occurs twice, so 18 comes before it
        ("6 trays of 6 rolls", ["6", "6"]),
        ("Solve 3x + 4 = x^2 for the 2nd time at 12:30", ["4"]),
        ("There is 1 way, not 0", []),
        ("Problem 7: two cups", []),
        ("半径为 15 厘米，高 20 厘米", ["15", "20"]),
    ],
)
def test_numbers_that_a_letter_can_stand_for(question: str, numbers: list[str]) -> None:
    assert [spelled(one.value) for one in hideable(question)] == numbers


def test_a_hidden_number_is_a_letter_that_is_free() -> None:
    one = hidden("Solve for x: 5x + 14 = 39.", "seed")
    assert one is not None
    assert (one.letter, one.question.count("y")) == ("y", 1)
    assert one.question.replace("y", one.value) == "Solve for x: 5x + 14 = 39."
    assert {hidden("18 trays of 24 rolls, 37 burnt", k).value for k in range(20)} == {"18", "24", "37"}  # type: ignore[union-attr]
    assert hidden("two cups", 1) is None
    assert free_letter("x y z k n w u v") is None
    assert free_letter(r"a box of 3 \times 4") == "x"


def test_values_are_written_exactly() -> None:
    assert [spelled(one.value) for one in numbers_in("0.125 and 1,000.50 and 12")] == [
        "0.125",
        "1000.5",
        "12",
    ]
