"""The drawing of a graph of concepts: its size, its place on the page, and hostile names."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.concepts.graph import ConceptGraph
from tasks.reports import Report
from tasks.reports.concept_map import HEIGHT, MOST_EDGES, MOST_NODES, WIDTH, concept_map
from tests.tasks.reports.test_report import figures

EVIL = '</text><script>alert("x")</script>'


def record(graph: ConceptGraph, language: str = "en") -> dict[str, Any]:
    return {
        "language": language,
        "wave": 1,
        "digest": graph.digest,
        "concepts": graph.concepts,
        "pairs": graph.pairs,
        "merged": graph.merged,
    }


def test_a_large_graph_is_drawn_in_part_inside_its_frame() -> None:
    rows = [
        (f"p{n}", f"topic {n % 9}", [f"concept {n}", f"concept {n * 7 % 150}", "all"]) for n in range(150)
    ]
    graph = ConceptGraph(rows)
    drawn = concept_map(record(graph), graph)
    assert 30 < len(drawn.dots) <= MOST_NODES
    assert 30 < len(drawn.bonds) <= MOST_EDGES
    assert all(0 < dot.x < WIDTH and 0 < dot.y < HEIGHT for dot in drawn.dots)
    assert len({(dot.x, dot.y) for dot in drawn.dots}) == len(drawn.dots)
    assert drawn == concept_map(record(graph), ConceptGraph.from_bytes(graph.to_bytes()))


@pytest.mark.parametrize(
    "rows",
    [
        [("p", None, ["one", "two"])],
        [("p", "limits", ["one"]), ("q", "counting", ["two"])],
        [("p", None, ["alone"])],
        [],
    ],
)
def test_small_and_disconnected_graphs_are_drawn(rows: list[tuple[str, str | None, list[str]]]) -> None:
    graph = ConceptGraph(rows)
    assert len(concept_map(record(graph), graph).dots) == graph.graph.number_of_nodes()


def test_topics_have_the_name_of_the_language() -> None:
    graph = ConceptGraph([("p", "limits", ["收敛"])])
    assert {dot.name for dot in concept_map(record(graph, "zh"), graph).dots} == {"极限", "收敛"}


@pytest.mark.slow
def test_the_page_draws_graphs_and_escapes_their_names() -> None:
    graph = ConceptGraph([("p", "limits", [EVIL, "series", "\u202ehidden"]), ("q", EVIL, ["series"])])
    report = Report(figures(concepts=[concept_map(record(graph), graph)]))
    page = report.html()
    assert page.count('<svg class="concepts"') == 1
    assert "<script" not in page
    assert "&lt;/text&gt;" in page
    assert "\u202e" not in page
    for text in (page, report.markdown(path="x")):
        assert f"concepts/{graph.digest}.json" in text
        assert "Concepts that occur together" in text
    missing = Report(figures(concepts=[concept_map(record(graph), None)])).html()
    assert "This home does not have it." in missing
    assert '<svg class="concepts"' not in missing
    assert "Concepts that occur together" not in Report(figures()).html()
