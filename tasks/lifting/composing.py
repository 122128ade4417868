"""Graphs out of a library of functions: which function can give another one its number, and fresh values that keep every number what it is.

A result can stand for a parameter if both are of one kind and unit. Two to four functions make a graph, a chain or a join. DrawnValues are drawn
function by function: each is executed with its own guards (tasks/lifting/trials.py), and a linked number has to stay within the range that its
parameter is drawn from.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from tasks.lifting.library import FunctionGraph, LibraryFunction, Link, QuantityType
from tasks.lifting.template import Parameter

WIDEST: Final = 5  # how many times the largest drawn value of a parameter a linked one may be


def compositions(library: Sequence[LibraryFunction], rng: random.Random, count: int) -> list[FunctionGraph]:
    """Return up to `count` graphs. Each function stands in one graph at most, and none with another function of the same question."""
    giving: defaultdict[QuantityType, list[LibraryFunction]] = defaultdict(list)
    order = list(library)
    rng.shuffle(order)
    for function in order:
        giving[function.result].append(function)
    used: set[str] = set()
    built: list[FunctionGraph] = []
    for target in order:
        if len(built) == count:
            break
        if target.parent in used or not target.inputs:
            continue
        graph = _grown(target, giving, used, rng)
        if graph is not None:
            used |= {function.parent for function in graph.functions}
            built.append(graph)
    return built


def _grown(
    last: LibraryFunction,
    giving: Mapping[QuantityType, Sequence[LibraryFunction]],
    used: set[str],
    rng: random.Random,
) -> FunctionGraph | None:
    """Return a graph that ends with a function, None if no other one gives one of its numbers."""
    size = rng.choice((2, 2, 3, 3, 4))
    functions, links = [last], list[tuple[int, int, str]]()
    taken = used | {last.parent}
    open_inputs = [(0, name, quantity) for name, quantity in sorted(last.inputs.items())]
    while len(functions) < size and open_inputs:
        place, name, quantity = open_inputs.pop(rng.randrange(len(open_inputs)))
        source = next((one for one in giving.get(quantity, ()) if one.parent not in taken), None)
        if source is None:
            continue
        taken.add(source.parent)
        functions.append(source)
        links.append((len(functions) - 1, place, name))
        open_inputs += [(len(functions) - 1, inner, its) for inner, its in sorted(source.inputs.items())]
        # a number of the question is left to each function, so that none is a constant of another
        free = Counting(functions, links)
        open_inputs = [one for one in open_inputs if free.of(one[0]) > 1]
    if not links:
        return None
    # sources come after their targets here, and before them in the graph
    size = len(functions)
    return FunctionGraph(
        tuple(reversed(functions)),
        tuple(Link(size - 1 - source, size - 1 - target, name) for source, target, name in reversed(links)),
    )


@dataclass(frozen=True, slots=True)
class Counting:
    """Counts the parameters of functions that no link fills."""

    functions: Sequence[LibraryFunction]
    links: Sequence[tuple[int, int, str]]

    def of(self, place: int) -> int:
        """Return how many parameters of the function at this place are free."""
        filled = sum(target == place for _, target, _ in self.links)
        return len(self.functions[place].template.parameters) - filled


DrawnValues = dict[tuple[int, str], Fraction]


def drawn_values(graph: FunctionGraph, rng: random.Random) -> DrawnValues:
    """Draw values of the free parameters, no two of which are equal if that can be avoided: each number is then stated once."""
    values: DrawnValues = {}
    for place, name in graph.free():
        (parameter,) = [one for one in graph.functions[place].template.parameters if one.name == name]
        left = [value for value in parameter.values if value not in values.values()]
        values[place, name] = rng.choice(left or list(parameter.values))
    return values


def fits(value: Fraction, parameter: Parameter) -> bool:
    """Return whether a result can stand for a parameter: positive, whole where the parameter is, and in its range or somewhat above it."""
    whole = all(one.denominator == 1 for one in (parameter.value, *parameter.values[:20]))
    smallest = min(parameter.values)
    return (value.denominator == 1 or (not whole and (value * 100).denominator == 1)) and min(
        smallest, Fraction(2)
    ) <= value <= WIDEST * max(parameter.values)
