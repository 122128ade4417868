"""Which numbers of a question and its program become parameters, and what a template writes for other values."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tasks.lifting.template import NotLifted, Template, lifted

EGGS = "Janet’s ducks lay 16 eggs per day. She eats three for breakfast and bakes muffins with four. She sells the rest for $2.50 each. How much does she make every day?"
EGGS_PROGRAM = "total = 16\neaten = 3\nbaked = 4\nprice = 2.5\nans = (total - eaten - baked) * price"


def values_of(template: Template) -> list[tuple[str, Fraction, int]]:
    return [(template.question[one.start : one.end], one.value, one.scale) for one in template.parameters]


def test_numbers_in_digits_and_words_are_lifted_where_each_side_has_them_once() -> None:
    template = lifted(EGGS, EGGS_PROGRAM)
    assert values_of(template) == [
        ("16", 16, 1),
        ("three", 3, 1),
        ("four", 4, 1),
        ("2.50", Fraction(5, 2), 1),
    ]
    first, second, third, price = (one.name for one in template.parameters)
    values = {first: Fraction(20), second: Fraction(5), third: Fraction(6), price: Fraction(13, 4)}
    assert template.written(values) == EGGS.replace("16", "20").replace("three", "five").replace("four", "six").replace("2.50", "3.25")  # fmt: skip
    assert template.program(values) == "total = 20\neaten = 5\nbaked = 6\nprice = 3.25\nans = (total - eaten - baked) * price\n"  # fmt: skip
    assert template.written(template.original) == EGGS


@pytest.mark.parametrize(
    "program", ["rate = 0.15\nans = 80000 * rate", "rate = 15 / 100\nans = 80000 * rate"]
)
def test_a_percentage_is_lifted_with_its_hundredth_and_thousands_keep_their_commas(program: str) -> None:
    template = lifted("A house costs $80,000. Repairs cost 15% of that. How much are the repairs?", program)
    assert {text for text, _, _ in values_of(template)} == {"80,000", "15"}
    rate = next(one for one in template.parameters if one.value == 15)
    house = next(one for one in template.parameters if one.value == 80_000)
    values = {rate.name: Fraction(35), house.name: Fraction(120_000)}
    assert (
        template.written(values)
        == "A house costs $120,000. Repairs cost 35% of that. How much are the repairs?"
    )
    names: dict[str, object] = {}
    exec(template.program(values), names)  # the program above
    assert names["ans"] == pytest.approx(42_000)
    assert all(0 < value < 100 for value in rate.values)


@pytest.mark.parametrize(
    ("question", "program", "fixed"),
    [
        ("In 1998 Ann had 30 coins and lost 12. How many are left?", "ans = 30 - 12 + 0 * 1998", "1998"),
        ("On the 3rd day Ann picks 14 pears and 9 figs. How many fruits?", "day = 3\nans = 14 + 9", "3"),
        ("At 8 pm Ann has 14 pears and buys 9. How many?", "hour = 8\nans = 14 + 9", "8"),
        ("Ann has 5 bags of 5 pears and 9 figs. How many fruits?", "ans = 5 * 5 + 9", "5"),
        ("Ann has 1 cat and 14 fish. How many animals?", "ans = 1 + 14", "1"),
    ],
)
def test_years_ordinals_times_and_repeated_numbers_stay(question: str, program: str, fixed: str) -> None:
    template = lifted(question, program)
    assert fixed not in {text for text, _, _ in values_of(template)}
    assert template.parameters


def test_a_small_number_is_lifted_only_if_the_program_names_it() -> None:
    question = "Ann and Bea have $60 each. Ann spends one third. How much do the two of them have left?"
    assert [text for text, _, _ in values_of(lifted(question, "a = 60\nb = a * 2 / 3\nans = a + b"))] == [
        "60"
    ]
    question = "Ann buys 3 pens for 14 cents each. How much does she pay?"
    assert len(lifted(question, "ans = 3 * 14").parameters) == 1
    assert len(lifted(question, "pens = 3\nans = pens * 14").parameters) == 2


@pytest.mark.parametrize(
    ("question", "program", "why"),
    [
        ("25% of 80 are sold. How many are left?", "ans = 80 * 0.75", "does not state"),
        ("Ann has 14 pears and 9 figs. How many?", "print('23')", "no number stands once"),
        ("Ann has 14 pears. She buys as many again. How many?", "ans = 14 + 14", "no number stands once"),
        ("Ann has 14 pears and 9 figs.", "ans = = 3", "cannot be parsed"),
        ("Ann has 14 pears and 9 figs.", "ans = " + "-" * 7000 + "14", "cannot be parsed|too deep|too long"),
        ("Ann has 14 pears." * 900, "ans = 14", "too long"),
    ],
)
def test_what_is_no_template_says_why(question: str, program: str, why: str) -> None:
    with pytest.raises(NotLifted, match=why):
        lifted(question, program)


def test_indices_exponents_and_digits_to_round_to_belong_to_the_structure() -> None:
    question = "A square tile has 14 cm sides and a list of 3 colours. Find its area."
    template = lifted(question, "sides = [14, 0, 0, 0]\nans = round(sides[0] ** 2, 3)")
    assert [text for text, _, _ in values_of(template)] == ["14"]


def test_a_docstring_with_the_old_question_is_left_out_of_the_program() -> None:
    program = f'def solve():\n    """{EGGS}"""\n    return 16 - 3\nprint(solve())'
    template = lifted(EGGS, program)
    assert "Janet" not in template.program(template.original)


def test_chinese_questions_are_lifted() -> None:
    template = lifted("小明有 24 个苹果，分给五个同学，每人几个？还剩几个？", "ans = 24 % 5")
    assert [text for text, _, _ in values_of(template)] == ["24", "五"]
    one, two = (parameter.name for parameter in template.parameters)
    assert template.written({one: Fraction(31), two: Fraction(7)}).startswith(
        "小明有 31 个苹果，分给七个同学"
    )


def test_ranges_follow_what_a_number_is() -> None:
    question = (
        "Ann works 8 hours a day, 5 days each week, for $12.50 an hour and 30 weeks. How much does she earn?"
    )
    template = lifted(question, "ans = 8 * 5 * 12.5 * 30")
    by_value = {one.value: one.values for one in template.parameters}
    assert max(by_value[Fraction(8)]) <= 24
    assert max(by_value[Fraction(5)]) <= 7
    assert all((value * 4).denominator == 1 for value in by_value[Fraction(25, 2)])
    hours = lifted(
        "Ann works 2.5 hours for 14 dollars each. Find her pay.", "hours = 2.5\nans = hours * 14"
    ).parameters[0]
    assert [str(value) for value in hours.values] == ["3/2", "5/2", "7/2", "9/2"]
    assert all(value % 5 == 0 for value in by_value[Fraction(30)])
    assert all(value >= 2 for values in by_value.values() for value in values)
