"""The steps of a graph in words, and what a problem that was written back from them may state.

A problem has to state each number of the steps as often as they do, and none of the results, and it asks one question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction

from tasks.lifting.library import FunctionGraph
from tasks.lifting.template import shown
from tasks.rewriting.numbers import numbers_in

LETTERS = "ABCDEFGH"


def steps_of(graph: FunctionGraph, values: Mapping[tuple[int, str], Fraction]) -> list[str]:
    """Return the question of each function with its values, and with [A], [B], ... for the results of other functions."""
    steps = []
    for place, function in enumerate(graph.functions):
        question, linked = function.template.question, graph.linked(place)
        text, end = "", 0
        for one in sorted(function.template.parameters, key=lambda one: one.start):
            source = linked.get(one.name)
            written = (
                f"[{LETTERS[source]}]"
                if source is not None
                else shown(values[place, one.name], question[one.start : one.end])
            )
            before = question[end : one.start]
            if source is not None and before.rstrip().endswith("$"):
                before, written = before.rstrip()[:-1], f"{written} dollars"
            text += before + written
            end = one.end
            if written.endswith(" dollars") and question.startswith(" dollars", end):
                end += len(" dollars")  # "$5 dollars" was there
        steps.append(text + question[end:])
    return steps


def fault_in(question: str, steps: Sequence[str], results: Sequence[Fraction]) -> str | None:
    """Return what is wrong with a problem that was written back from steps; None if nothing is. results: those of all steps but the last."""
    if question.count("?") + question.count("？") != 1 or not question.rstrip("”\"' ").endswith(("?", "？")):
        return "it does not ask one question at its end"
    needed = Counter(number.value for step in steps for number in numbers_in(step))
    stated = Counter(number.value for number in numbers_in(question))
    for value, count in sorted(needed.items()):
        if stated[value] < count:
            return f"it does not state {value}"
    for value in sorted(stated - needed):
        if value in results and not needed[value]:
            return f"it states {value}, which has to be computed"
        if value not in (1, 2) or value not in needed:
            return (
                f"it states {value} once more than the steps"
                if value in needed
                else f"it states {value}, which is in no step"
            )
    return None
