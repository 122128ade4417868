"""Functions out of programs: what they take and give, and the graphs that they make."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from tasks.lifting.composing import compositions, drawn_values, fits
from tasks.lifting.library import (
    FunctionGraph,
    LibraryFunction,
    Link,
    QuantityType,
    asked_quantity,
    function_of,
    stated_quantity,
)
from tasks.lifting.template import NotLifted
from tasks.lifting.writing_back import fault_in, steps_of
from tasks.sandbox import Sandbox

PACK = function_of(
    "Tom has 48 apples. He packs 8 apples in each box. How many boxes does he pack?",
    "apples = 48\nper_box = 8\nprint(apples // per_box)\n",
    "pack",
)
KEEP = function_of(
    "Ann had 15 boxes. She sold 7 boxes at the market. How many boxes did she keep?",
    "def solution():\n    boxes = 15\n    sold = 7\n    return boxes - sold\n",
    "keep",
)
SELL = function_of(
    "A shop sold 23 boxes. Each of them costs $6. How much money did it earn?",
    "boxes = 23\nans = boxes * 6\n",
    "sell",
)


@pytest.mark.parametrize(
    ("asks", "quantity"),
    [
        ("How many boxes does he pack?", QuantityType("count", "box")),
        ("How many red marbles are left?", QuantityType("count", "marble")),
        ("How many hours did it take?", QuantityType("time", "hour")),
        ("How much money did it earn?", QuantityType("money", "money")),
        ("How many dollars does she have now?", QuantityType("money", "money")),
        ("How much taller is it?", None),
        ("How many more does she need?", None),
        ("小明还剩多少个苹果？", QuantityType("count", "个苹果")),
        ("一共多少元？", QuantityType("money", "money")),
    ],
)
def test_what_a_question_asks_for(asks: str, quantity: QuantityType | None) -> None:
    assert asked_quantity(asks) == quantity


@pytest.mark.parametrize(
    ("text", "number", "quantity"),
    [
        ("She has 12 red marbles.", "12", QuantityType("count", "marble")),
        ("It took 3 hours.", "3", QuantityType("time", "hour")),
        ("He paid $40 in total.", "40", QuantityType("money", "money")),
        ("He paid $4 per ticket.", "4", None),
        ("It grew by 20%.", "20", None),
        ("It is 3 times as long.", "3", None),
        ("他有 12 个苹果。", "12", QuantityType("count", "个苹果")),
    ],
)
def test_what_a_number_is(text: str, number: str, quantity: QuantityType | None) -> None:
    start = text.index(number)
    assert stated_quantity(text, start, start + len(number)) == quantity


def test_a_function_returns_what_its_program_shows(sandbox: Sandbox) -> None:
    cases = ((PACK, (56, 7), "8"), (KEEP, (20, 6), "14"), (SELL, (4, 9), "36"))
    programs = [f"{function.definition('f')}\nprint(f{given})\n" for function, given, _ in cases]
    assert [result.answer for result in sandbox.run(programs)] == [expected for _, _, expected in cases]


@pytest.mark.parametrize(
    ("question", "program", "why"),
    [
        ("How many boxes are 48 apples, 8 in each box?", "print(48 // 8)\n", "not one sentence after"),
        ("Tom has 48 apples. He eats 8 of them. How far is it?", "print(48 - 8)\n", "no unit that can be read"),
        ("Tom has 48 apples. He eats 8 of them. How many apples are left?", "print(48, 8)\n", "more than one value"),
        ("Tom has 48 apples. He eats 8 of them. How many apples are left?", "a = 48\nb = 8\nif a > b:\n    print(a - b)\n", "does not end with its answer"),
    ],
)  # fmt: skip
def test_other_programs_give_no_function(question: str, program: str, why: str) -> None:
    with pytest.raises(NotLifted, match=why):
        function_of(question, program, "p")


def chain() -> FunctionGraph:
    """Boxes are packed, some are kept, and those are sold."""
    first_of_keep, first_of_sell = KEEP.template.parameters[0].name, SELL.template.parameters[0].name
    return FunctionGraph((PACK, KEEP, SELL), (Link(0, 1, first_of_keep), Link(1, 2, first_of_sell)))


def test_graphs_join_what_one_function_gives_to_what_another_takes() -> None:
    library = [PACK, KEEP, SELL]
    sizes = set()
    for seed in range(40):
        for graph in compositions(library, random.Random(seed), 5):
            sizes.add(len(graph.functions))
            assert len({one.parent for one in graph.functions}) == len(graph.functions) in (2, 3)
            for link in graph.links:
                assert link.source < link.target
                assert graph.functions[link.target].inputs[link.name] == graph.functions[link.source].result
            assert all(
                any(place == free for free, _ in graph.free()) for place in range(len(graph.functions))
            )
    assert sizes == {2, 3}
    assert compositions([SELL], random.Random(0), 5) == []
    twice = [
        PACK,
        KEEP,
        *(
            LibraryFunction(f"{n}", f.template, f.body, f.inputs, f.result, f.stated, f.asks)
            for n, f in enumerate(library)
        ),
    ]
    used = [one.parent for graph in compositions(twice, random.Random(1), 9) for one in graph.functions]
    assert len(set(used)) == len(used)


def test_one_program_tries_many_draws_of_a_graph(sandbox: Sandbox) -> None:
    """The results are those of the graph's own program; a draw that raises has none, and what a function prints itself is not read."""
    graph = chain()
    draws = [drawn_values(graph, random.Random(seed)) for seed in range(6)]
    divisor = next(key for key in draws[0] if key == (0, PACK.template.parameters[1].name))
    draws[2] = draws[2] | {divisor: Fraction(0)}
    tried, *alone = sandbox.run([graph.trials(draws), *(graph.program(values) for values in draws)])
    assert tried.verdict == "ok"
    results = graph.tried(f"draw 9\ndraw one 2 3 4\ndraw 1 2\n{tried.stdout}")
    assert results.pop(9) == results.pop(2) == []
    assert alone[2].verdict == "error"
    assert {number: row[-1] for number, row in results.items()} == {
        number: result.answer for number, result in enumerate(alone) if number != 2
    }
    assert all(len(row) == 3 for row in results.values())


def test_a_question_states_each_number_and_no_result() -> None:
    graph = chain()
    values = drawn_values(graph, random.Random(3))
    steps = steps_of(graph, values)
    assert ("[A]" in steps[1], "[B]" in steps[2], "$" in steps[2]) == (True, True, True)
    numbers = [str(value) for value in values.values()]
    text = f"There are {numbers[0]} apples, {numbers[1]} to a box. {numbers[2]} boxes are sold, the rest for ${6 if len(numbers) < 4 else numbers[3]} each. How much is it?"
    results = [Fraction(991), Fraction(887)]
    assert fault_in(text, steps, results) is None
    assert (
        fault_in(text.replace("How", "So 991 boxes. How"), steps, results)
        == "it states 991, which has to be computed"
    )
    assert (
        fault_in(text.replace("How", "There are 77777. How"), steps, results)
        == "it states 77777, which is in no step"
    )
    assert (
        fault_in(text.replace(f"{numbers[2]} boxes", "Some boxes"), steps, results)
        == f"it does not state {numbers[2]}"
    )
    assert (
        fault_in(text.replace("each.", "each?"), steps, results) == "it does not ask one question at its end"
    )


@pytest.mark.parametrize(
    ("value", "fit"), [(12, True), (0, False), (-3, False), (10**6, False), (Fraction(5, 2), False)]
)
def test_a_result_fits_a_parameter_in_its_range(value: int | Fraction, fit: bool) -> None:
    assert fits(Fraction(value), KEEP.template.parameters[0]) is fit
