"""Which names are one concept by their embeddings, and which stay apart however near they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from storage.rows import Row, to_table
from tasks.concepts.graph import ConceptGraph
from tasks.concepts.merging import NamedConcept, merged
from tasks.methods import EXAMPLE, concepts, settings_of
from tasks.retrieval.encoder import Encoder, StoredEncoder


def named(name: str, questions: int = 1, topic: str = "algebra") -> NamedConcept:
    return NamedConcept(name, name, questions, {topic})


def vectors(*degrees: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_a_concept_joins_the_nearest_more_frequent_one_and_no_chain_forms() -> None:
    names = [named("a", 1), named("b", 9), named("c", 5), named("d", 3)]
    joined = merged(names, vectors(50, 0, 20, 40), 0.93)  # up to 21 degrees are near
    assert joined == {"c": "b", "a": "d"}
    assert merged(names[::-1], vectors(40, 20, 0, 50), 0.93) == joined


def test_opposites_and_concepts_of_other_topics_stay_apart() -> None:
    assert merged([named("left limits", 2), named("right limits")], vectors(0, 1), 0.9) == {}
    apart = [named("product rule", 2, "derivatives"), named("rule of product", 1, "counting")]
    assert merged(apart, vectors(0, 1), 0.9) == {}
    assert merged([], vectors(), 0.9) == {}


def test_merged_concepts_are_one_node_with_the_most_frequent_name() -> None:
    rows = [
        ("p1", "algebra", ["factoring", "roots"]),
        ("p2", "algebra", ["factoring"]),
        ("p3", "algebra", ["factorization", "surds"]),
    ]
    graph, plain = ConceptGraph(rows, {"factorization": "factoring"}), ConceptGraph(rows)
    assert (graph.concepts, graph.merged, plain.concepts, plain.merged) == (3, 1, 4, 0)
    assert graph.graph.edges[("concept", "factoring"), ("topic", "algebra")]["weight"] == 3
    assert graph.name(("concept", "factoring")) == "factoring"
    assert graph.digest != plain.digest


@pytest.mark.slow
def test_minilm_merges_english_synonyms_and_no_chinese_name(tmp_path: Path) -> None:
    encode = StoredEncoder(Encoder(bf16=False), tmp_path)
    english = ["percent increase", "percentage increase", "discounts", "left limits", "right limits"]
    chinese = ["反函数", "去括号", "数量积"]
    rows = [Row(f"q{n}", "en", subdomain="percentages", concepts=[name]) for n, name in enumerate(english)]
    rows += [Row(f"q{n}", "zh", subdomain="percentages", concepts=[name]) for n, name in enumerate(chinese)]
    pool, quota = to_table(rows).select(EXAMPLE), {("en", "percentages"): 1, ("zh", "percentages"): 1}
    graphs = concepts.graphs(pool, quota, encode=encode)
    assert (graphs["en"].concepts, graphs["en"].merged) == (4, 1)
    assert (graphs["zh"].concepts, graphs["zh"].merged) == (3, 0)
    off = settings_of("concepts", {"merge": None})
    assert concepts.graphs(pool, quota, encode=encode, settings=off)["en"].merged == 0
