"""Finds rows that have all equations of an item, whatever their form, scale and names of unknowns."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.decontamination.benchmarks import Items
from tasks.decontamination.hit import Hit
from tasks.decontamination.polynomial import Equation, equations, specific
from tasks.dedup.normalise import folded_array

SPECIFIC = (
    3  # coefficients other than 0, 1 and -1 over all of an item's equations: x + y = 10 identifies no item
)


@dataclass(frozen=True, slots=True)
class Stated:
    """The items by their equations."""

    names: list[str]
    stated: list[frozenset[Equation]]
    by_equation: dict[Equation, list[int]]


def prepare(items: Items) -> Stated:
    stated = [equations(text) for text in folded_array(items.texts).to_pylist()]
    by_equation: dict[Equation, list[int]] = {}
    for item, item_equations in enumerate(stated):
        if sum(map(specific, item_equations)) >= SPECIFIC:
            for equation in item_equations:
                by_equation.setdefault(equation, []).append(item)
    return Stated(items.names, stated, by_equation)


def find(rows: Items, prepared: Stated) -> list[Hit]:
    hits = []
    for row, text in enumerate(folded_array(rows.texts).to_pylist()):
        if "=" not in text:
            continue
        stated = equations(text)
        items = {item for equation in stated for item in prepared.by_equation.get(equation, ())}
        whole = [item for item in items if prepared.stated[item] <= stated]
        if whole:
            # the item with the largest share of the row's equations; ties to the first
            best = min(whole, key=lambda item: (-len(prepared.stated[item]), item))
            hits.append(Hit(row, prepared.names[best], 1.0))
    return hits
