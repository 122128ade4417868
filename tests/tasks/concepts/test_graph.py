"""The graph of concepts: what counts as one concept, its identity, and where walks go."""

from __future__ import annotations

import hashlib
import random
from collections import Counter

import pytest

from tasks.concepts.graph import ConceptGraph, normal

ROWS = [
    ("p1", "probability", ["urns", "binomial coefficients"]),
    ("p2", "probability", ["Urns", "conditional probability"]),
    ("p3", "counting", ["Binomial-coefficients", "Pascal's triangle"]),
    ("p4", "counting", ["Pascal's triangle", "recursion"]),
    ("p5", "geometry", ["circles", "angles"]),
    ("p6", None, ["recursion", "Fibonacci numbers"]),
]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Binomial  coefficients", "binomial-coefficient", True),
        ("class", "clas", False),
        ("质数", "质数 ", True),
        ("areas", "area", True),
        ("x" * 81, "", True),
        ("two\nlines", "", True),
    ],
)
def test_spellings_of_one_concept(one: str, other: str, same: bool) -> None:
    assert (normal(one) == normal(other)) is same


def test_walks_give_distinct_concepts_and_reach_other_subdomains() -> None:
    graph = ConceptGraph(ROWS)
    walks = [graph.walk("probability", 4, random.Random(seed)) for seed in range(200)]
    assert all(len(set(walk)) == len(walk) <= 4 for walk in walks)
    reached = Counter(concept for walk in walks for concept in walk)
    assert {"Pascal's triangle", "recursion"} <= set(reached)
    assert not {"circles", "angles"} & set(reached)
    assert reached["urns"] + reached["Urns"] == max(reached["urns"], reached["Urns"]) > 0
    assert graph.walk("probability", 3, random.Random(1)) == graph.walk("probability", 3, random.Random(1))
    assert graph.walk("limits", 3, random.Random(1)) == []


def test_the_digest_is_of_the_content() -> None:
    graph = ConceptGraph(ROWS)
    assert graph.digest == ConceptGraph(reversed(ROWS)).digest
    assert graph.digest == ConceptGraph([*ROWS, ROWS[0]]).digest  # a question counts once
    assert graph.digest != ConceptGraph(ROWS[1:]).digest
    assert (
        graph.digest
        != ConceptGraph([*ROWS, ("p7", "probability", ["urns", "conditional probability"])]).digest
    )


def test_the_bytes_are_the_whole_graph() -> None:
    graph = ConceptGraph([*ROWS, ("p7", "计数", ["质数", "计数原理"])])
    again = ConceptGraph.from_bytes(graph.to_bytes())
    assert again.to_bytes() == graph.to_bytes()
    assert again.digest == hashlib.sha256(graph.to_bytes()).hexdigest() == graph.digest
    walks = [one.walk("probability", 4, random.Random(2)) for one in (graph, again)]
    assert walks[0] == walks[1] != []


def test_concepts_and_pairs_are_counted_without_topics() -> None:
    graph = ConceptGraph(ROWS)
    assert graph.concepts == 8
    assert graph.pairs == 6
    assert (ConceptGraph([]).concepts, ConceptGraph([]).pairs) == (0, 0)


def test_the_core_has_the_most_frequent_part() -> None:
    rows = [(f"p{n}", "counting", ["urns", "dice"]) for n in range(3)] + [
        (f"q{n}", "limits", [f"concept {n}", "series"]) for n in range(20)
    ]
    graph = ConceptGraph(rows)
    core = graph.core(6, 4)
    assert len(core) <= 6
    assert core.number_of_edges() <= 4
    heaviest = max(core.edges(data="weight"), key=lambda edge: edge[2])
    assert set(heaviest[:2]) == {("topic", "limits"), ("concept", "serie")}
    assert graph.core(1000, 1000).number_of_edges() == graph.graph.number_of_edges()


def test_frequent_pairs_are_walked_more_often() -> None:
    rows = [(f"q{n}", "limits", ["series", "growth"]) for n in range(30)] + [
        ("r", "limits", ["series", "bounds"])
    ]
    graph = ConceptGraph(rows)
    second = Counter(walk[1] for seed in range(400) if (walk := graph.walk("limits", 2, random.Random(seed)))[0] == "series")  # fmt: skip
    assert second["growth"] > 2 * second["bounds"] > 0


def test_no_rows_give_no_concepts() -> None:
    assert ConceptGraph([]).walk("limits", 3, random.Random(1)) == []
