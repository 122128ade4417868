"""Which names are one concept by their words or their embeddings, and which stay apart however near they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

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
    joined = merged(names, "en", 0.93, vectors(50, 0, 20, 40))  # up to 21 degrees are near
    assert joined == {"c": "b", "a": "d"}
    assert merged(names[::-1], "en", 0.93, vectors(40, 20, 0, 50)) == joined


def test_opposites_and_concepts_of_other_topics_stay_apart() -> None:
    assert merged([named("left limits", 2), named("right limits")], "en", 0.9, vectors(0, 1)) == {}
    apart = [named("product rule", 2, "derivatives"), named("rule of product", 1, "counting")]
    assert merged(apart, "en", 0.9, vectors(0, 1)) == {}
    assert merged([], "en", 0.9) == {}


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


PAIRS = yaml.safe_load((Path(__file__).parent / "pairs.yaml").read_text(encoding="utf-8"))


def joined(pairs: list[list[str]], language: str, encode: Encoder | None) -> list[bool]:
    """Return for each pair of names whether they are merged."""
    return [
        bool(
            merged(
                [named(one, 2), named(other)],
                language,
                concepts.ConceptsSettings().merge or 1.0,
                encode([one, other]) if encode is not None else None,
            )
        )
        for one, other in pairs
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "part", "least"),
    [("en", "fitted", 26), ("zh", "fitted", 30), ("en", "held_out", 9), ("zh", "held_out", 12)],
)
def test_no_two_concepts_of_the_hand_made_pairs_are_taken_for_one(
    language: str, part: str, least: int
) -> None:
    encode = Encoder(bf16=False) if language == "en" else None
    pairs = PAIRS[part][language]
    assert not any(joined(pairs["different"], language, encode))
    assert sum(joined(pairs["same"], language, encode)) >= least


def test_words_of_a_pair_merge_without_an_encoder() -> None:
    same = [
        ["area of a triangle", "triangle areas"],
        ["GCD", "greatest common divisor"],
        ["law of cosines", "cosine rule"],
    ]
    assert all(joined(same, "en", None))
    apart = [["sets of functions", "functions of sets"], ["definite integrals", "indefinite integrals"]]
    assert not any(joined(apart, "en", None))
    assert joined(
        [["分解质因数", "质因数分解"], ["约数的和", "约数"], ["排列和组合", "排列与组合"]], "zh", None
    ) == [True, False, True]


@pytest.mark.slow
def test_minilm_merges_english_synonyms_and_words_merge_chinese_ones(tmp_path: Path) -> None:
    encode = StoredEncoder(Encoder(bf16=False), tmp_path)
    english = ["percent increase", "percentage increase", "discounts", "left limits", "right limits"]
    chinese = ["反函数", "去括号", "数量积", "点积"]
    rows = [Row(f"q{n}", "en", subdomain="percentages", concepts=[name]) for n, name in enumerate(english)]
    rows += [Row(f"q{n}", "zh", subdomain="percentages", concepts=[name]) for n, name in enumerate(chinese)]
    pool, quota = to_table(rows).select(EXAMPLE), {("en", "percentages"): 1, ("zh", "percentages"): 1}
    graphs = concepts.graphs(pool, quota, encode=encode)
    assert (graphs["en"].concepts, graphs["en"].merged) == (4, 1)
    assert (graphs["zh"].concepts, graphs["zh"].merged) == (3, 1)
    off = settings_of("concepts", {"merge": None})
    assert concepts.graphs(pool, quota, encode=encode, settings=off)["en"].merged == 0
