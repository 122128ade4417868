"""Graphs of concepts in a home: found by their digest, never taken for another, and part of what is verified."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.errors import Corrupt
from storage.sealed_files import HomeFiles
from tasks.concepts.graph import ConceptGraph
from tasks.concepts.stored import StoredGraphs

GRAPH = ConceptGraph([("p1", "counting", ["urns", "dice"]), ("p2", "limits", ["series"])])


def test_a_graph_is_found_by_its_digest(tmp_path: Path) -> None:
    stored = StoredGraphs(tmp_path)
    path = stored.add(GRAPH)
    assert path.name == f"{GRAPH.digest}.json"
    before = path.stat().st_mtime_ns
    assert stored.add(ConceptGraph.from_bytes(GRAPH.to_bytes())) == path
    assert path.stat().st_mtime_ns == before
    graph = stored.read(GRAPH.digest)
    assert graph is not None
    assert graph.digest == GRAPH.digest
    assert stored.read("0" * 64) is None


def test_an_altered_graph_is_reported_and_written_again(tmp_path: Path) -> None:
    stored = StoredGraphs(tmp_path)
    path = stored.add(GRAPH)
    assert HomeFiles(tmp_path).check() == (1, [])
    path.write_bytes(path.read_bytes().replace(b"urns", b"vans"))
    with pytest.raises(Corrupt, match=f"concepts/{GRAPH.digest}.json was altered"):
        stored.read(GRAPH.digest)
    assert len(HomeFiles(tmp_path).check()[1]) == 1
    stored.add(GRAPH)
    assert HomeFiles(tmp_path).check() == (1, [])
