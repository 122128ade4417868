"""Versions of pairs: every row brings its own wrong solution, and the preference shapes give that one and no other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from storage.datasets.shapes import preference, unpaired_preference
from storage.datasets.steps import WRONG
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.reasons import Code, reason
from storage.rows import Row, content_id, to_table


def compare(pairs: Sequence[tuple[str, str]]) -> list[str]:
    return ["equal" if one == other else "different" for one, other in pairs]


def chosen(text: str, worse: str, **more: object) -> Row:
    record = {
        "id": content_id("en", "How many?", worse),
        "solution": worse,
        "solution_format": "cot",
        "answer": "7",
        "code": str(Code.DIFFERENT),
        "correctness": 0.125,
        "margin": 0.25,
    } | more
    return Row(
        "How many?",
        "en",
        solution=text,
        solution_format="cot",
        answer="12",
        correctness=0.75,
        params=orjson.dumps({"completion": "x", WRONG: [record]}).decode(),
    )


@pytest.fixture
def pairs(tmp_path: Path) -> tuple[Store, Version]:
    store = Store(tmp_path)
    other = Row(
        "How many?",
        "en",
        solution="a candidate of an earlier night",
        solution_format="cot",
        answer="9",
        reason=reason("verify", Code.DIFFERENT, answer="9", reference="12"),
    )
    store.append_candidates(to_table([other]), run="a night")
    rows = [chosen("right one", "wrong one"), chosen("right two", "wrong two", step=1, critique="it adds")]
    return store, store.publish("mine-dpo", [to_table(rows)], lineage={})


def test_each_row_is_paired_with_the_wrong_solution_that_it_keeps(pairs: tuple[Store, Version]) -> None:
    records = [one for batch in preference(*pairs, compare) for one in batch.to_pylist()]
    assert {(one["chosen"], one["rejected"]) for one in records} == {
        ("right one", "wrong one"),
        ("right two", "wrong two"),
    }
    assert {(one["margin"], one["rejected_reason"]) for one in records} == {(0.25, "different")}
    assert {one["rejected_correctness"] for one in records} == {0.125}


def test_unpaired_examples_are_both_sides_and_nothing_else(pairs: tuple[Store, Version]) -> None:
    records = [one for batch in unpaired_preference(*pairs, compare) for one in batch.to_pylist()]
    assert sorted((one["completion"], one["label"]) for one in records) == [
        ("right one", True),
        ("right two", True),
        ("wrong one", False),
        ("wrong two", False),
    ]


def test_a_pair_whose_answers_are_equal_after_all_is_left_out(tmp_path: Path) -> None:
    store = Store(tmp_path)
    rows = [chosen("right one", "wrong one", answer="12"), chosen("right two", "wrong two")]
    version = store.publish("mine-dpo", [to_table(rows)], lineage={})
    records = [one for batch in preference(store, version, compare) for one in batch.to_pylist()]
    assert {one["rejected"] for one in records} == {"wrong two"}


def test_a_version_without_pairs_of_its_own_takes_candidates_as_before(
    tmp_path: Path, pairs: tuple[Store, Version]
) -> None:
    store, _ = pairs
    version = store.publish(
        "mine",
        [to_table([Row("How many?", "en", solution="right", solution_format="cot", answer="12")])],
        lineage={},
    )
    (record,) = [one for batch in preference(store, version, compare) for one in batch.to_pylist()]
    assert record["rejected"] == "a candidate of an earlier night"
