"""The drawing of a graph of concepts: where its most frequent concepts and topics are on the page. page.html writes the elements, so that
names of rows are escaped like all other text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import networkx

from tasks.concepts.graph import ConceptGraph, ConceptNode
from tasks.taxonomy import local_name

MOST_NODES: Final = 60
MOST_EDGES: Final = 120
WIDTH, HEIGHT = 960, 680  # of the drawing, in its own units
SIDE, TOP = 90, 30  # margins, for names at the edge
LONGEST_NAME: Final = 28  # characters that are shown
_HIDDEN: Final = ("", "")


@dataclass(frozen=True, slots=True)
class Dot:
    """A concept or a topic: where it is, and a radius that grows with how often it occurs together with others."""

    name: str
    topic: bool
    x: float
    y: float
    radius: float


@dataclass(frozen=True, slots=True)
class Bond:
    """An edge from one dot to another; `width` grows with the questions in which both occur."""

    x1: float
    y1: float
    x2: float
    y2: float
    width: float


@dataclass(frozen=True, slots=True)
class ConceptMap:
    """A graph as its version records it (`record`), with its drawing; without dots if the home does not have the graph."""

    record: Mapping[str, Any]
    dots: Sequence[Dot] = ()
    bonds: Sequence[Bond] = ()


def concept_map(record: Mapping[str, Any], graph: ConceptGraph | None) -> ConceptMap:
    """Lay out the part of a graph with the most occurrences. Equal graphs give equal drawings on one machine."""
    if graph is None:
        return ConceptMap(record)
    core = graph.core(MOST_NODES, MOST_EDGES)
    places = _places(core)
    occurrences = dict(core.degree(weight="weight"))
    dots = [
        Dot(_shown(graph, node, str(record["language"])), node[0] == "topic", *places[node], round(3 + math.log2(1 + occurrences[node]), 1))
        for node in sorted(core)
    ]  # fmt: skip
    bonds = [
        Bond(*places[one], *places[other], round(0.5 + math.log2(1 + weight) / 2, 1))
        for one, other, weight in sorted(core.edges(data="weight"))
    ]
    return ConceptMap(record, dots, bonds)


def _places(core: Any) -> dict[ConceptNode, tuple[float, float]]:
    """Return the place of each node, by the layout of Kamada and Kawai. It needs a connected graph, so a node that is not drawn joins
    the parts of this one."""
    joined = networkx.Graph()
    joined.add_nodes_from(sorted(core))
    joined.add_edges_from(sorted(tuple(sorted(edge)) for edge in core.edges))
    parts = sorted(map(sorted, networkx.connected_components(core)))
    if len(parts) > 1:
        middles = [max(part, key=lambda node: (core.degree(node), node)) for part in parts]
        joined.add_edges_from(((_HIDDEN, node) for node in middles), weight=2)
    layout = networkx.kamada_kawai_layout(joined)
    columns, lines = (_stretched([float(layout[node][axis]) for node in sorted(core)]) for axis in (0, 1))
    return {
        node: (
            round(SIDE + x * (WIDTH - 2 * SIDE), 1),
            round(TOP + y * (HEIGHT - 2 * TOP), 1),
        )
        for node, x, y in zip(sorted(core), columns, lines, strict=True)
    }


def _stretched(values: list[float]) -> list[float]:
    """Return values from 0 to 1: the middle between their position and their rank, so that crowded names move apart."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    ranks = {value: rank for rank, value in enumerate(sorted(set(values)))}
    last = max(1, len(ranks) - 1)
    return [((value - low) / ((high - low) or 1) + ranks[value] / last) / 2 for value in values]


def _shown(graph: ConceptGraph, node: ConceptNode, language: str) -> str:
    kind, key = node
    name = local_name(key, language) if kind == "topic" else graph.name(node)
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
