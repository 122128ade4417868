"""Weakness: the student's failures are found, their neighbours are retrieved, and the quota follows the failures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from storage.datasets.store import Store
from storage.reasons import Code, reason
from storage.rows import Row, column, kept, reasons_of, reject, to_table
from tasks.answers import Judge
from tasks.llm.engine import Engine
from tasks.problems.machinery.family import families, make
from tasks.retrieval.published import Published
from tasks.seeding import rng_of
from tasks.stages.outcome import balance
from tasks.stages.probe import budget, probe, rates
from tasks.stages.retrieve import near_ids, retrieve


def probes(count: int) -> list[Row]:
    rows = []
    for name, family in list(families().items())[:8]:
        for i in range(count):
            p = make(family, rng_of("probe", name, i), 2, "en")
            rows.append(Row(p.question, "en", subdomain=p.subdomain, reference_answer=p.worked.answer))
    return rows


def test_the_weaker_model_fails_more(engine: Callable[..., Engine], judge: Judge) -> None:
    table = to_table(probes(6))
    failures = {}
    for model in ("embedded", "embedded-small"):
        outcome = probe(table, student=engine("student", model), judge=judge, seed=1, tick=lambda n: None)
        assert balance("probe", outcome).asked == table.num_rows
        failures[model] = kept(outcome.rows).num_rows
    assert 0 < failures["embedded-small"] < table.num_rows
    assert failures["embedded"] < failures["embedded-small"]


def test_an_answered_probe_says_why_it_is_no_failure(engine: Callable[..., Engine], judge: Judge) -> None:
    outcome = probe(to_table(probes(2)), student=engine("student"), judge=judge, seed=1, tick=lambda n: None)
    right = [why for why in column(outcome.rows, "rejected") if why]
    assert "probe: the student is right" in right
    codes = {why.code for why in reasons_of(outcome.rows) if why}
    assert codes <= {Code.STUDENT_RIGHT, Code.INCOMPARABLE}


def test_an_answer_that_cannot_be_compared_is_no_failure(engine: Callable[..., Engine], judge: Judge) -> None:
    """The trusted answer is in words and the student's is a number: they cannot be compared, and the rate does not count them."""
    rows = [dataclasses.replace(row, reference_answer="as shown above") for row in probes(1)]
    outcome = probe(to_table(rows), student=engine("student"), judge=judge, seed=1, tick=lambda n: None)
    codes = [why and why.code for why in reasons_of(outcome.rows)]
    answers = column(outcome.rows, "answer")
    assert codes == [None if answer is None else Code.INCOMPARABLE for answer in answers]
    assert Code.INCOMPARABLE in codes
    unknown = {row.subdomain for row, code in zip(rows, codes, strict=True) if code}
    rate = rates(outcome.rows)
    assert {rate["en", topic or ""] for topic in unknown} <= {1 / 2, 2 / 3}


class Axes:
    """Unit vectors by the number in the text: neighbours are known exactly."""

    identity = "axes"

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        angles = np.array([float(text.split()[-1].replace("x", "0")) for text in texts]) / 100
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_neighbours_are_the_nearest_questions_each_once() -> None:
    failed = to_table([Row("failed 10", "en"), Row("failed 50", "en")])
    pool = to_table([Row(f"q {i}", "en", solution=s) for i in (9, 11, 48, 52, 90) for s in ("a", "b")])
    outcome = retrieve(failed, pool=pool, published=None, encode=Axes(), neighbours=2, tick=lambda n: None)
    rows = {row["question"]: row["parent_ids"] for row in outcome.rows.to_pylist()}
    ids = dict(zip(column(failed, "question"), column(failed, "id"), strict=True))
    assert rows == {
        "failed 10": [],
        "failed 50": [],
        "q 9": [ids["failed 10"]],
        "q 11": [ids["failed 10"]],
        "q 48": [ids["failed 50"]],
        "q 52": [ids["failed 50"]],
    }
    assert len(near_ids(outcome.rows)) == 4
    assert outcome.asked == outcome.rows.num_rows


def test_published_questions_are_retrieved_through_their_index(tmp_path: Path) -> None:
    store = Store(tmp_path)
    earlier = to_table([Row(f"old {i}", "en", solution=s) for i in (8, 12, 70) for s in ("a", "b")])
    version = store.publish("d", [earlier], lineage={})
    failed = to_table([Row("failed 10", "en")])
    pool = to_table([Row("q 9", "en"), Row("old 12", "en"), Row("q 90", "en")])
    published = Published(str(tmp_path), str(version), version.digest)
    outcome = retrieve(
        failed, pool=pool, published=published, encode=Axes(), neighbours=2, tick=lambda n: None
    )
    rows = [(row["question"], len(row["parent_ids"])) for row in outcome.rows.to_pylist()]
    assert sorted(rows) == [("failed 10", 0), ("old 12", 1), ("old 8", 1), ("q 9", 1)]
    assert outcome.facts == {"index": {"kind": "flat", "questions": 3, "recall": 1.0}}
    assert outcome.asked == outcome.rows.num_rows


@pytest.mark.parametrize(("failed", "pool"), [([], ["q 1"]), (["f 1"], [])])
def test_nothing_to_compare(failed: list[str], pool: list[str]) -> None:
    tables = [to_table([Row(text, "en") for text in texts]) for texts in (failed, pool)]
    outcome = retrieve(
        tables[0], pool=tables[1], published=None, encode=Axes(), neighbours=5, tick=lambda n: None
    )
    assert outcome.rows.num_rows == len(failed)


def test_the_budget_follows_the_failure_rates() -> None:
    rows = [Row(f"a{i}", "en", subdomain="limits") for i in range(8)] + [
        Row(f"b{i}", "en", subdomain="counting") for i in range(8)
    ]
    table = to_table(rows)
    right = reason("probe", Code.STUDENT_RIGHT)
    probed = reject(table, [None] * 6 + [right] * 2 + [None] + [right] * 7)
    rate = rates(probed)
    assert rate == {("en", "limits"): 0.7, ("en", "counting"): 0.2}
    shared = budget(kept(probed), rate, 18)
    assert shared == {("en", "limits"): 14, ("en", "counting"): 4}


def test_verdicts_shift_the_budget() -> None:
    """Equal failure rates: what a verdict showed to help gets twice the share, what hurt half of it."""
    rows = [Row(f"q{i}", "en", subdomain=topic) for i, topic in enumerate(("limits", "primes", "vectors"))]
    rate = {("en", row.subdomain or ""): 0.5 for row in rows}
    failures = to_table(rows)
    assert set(budget(failures, rate, 21).values()) == {7}
    shifted = budget(failures, rate, 21, {"limits": "better", "primes": "worse"})
    assert shifted == {("en", "limits"): 12, ("en", "primes"): 3, ("en", "vectors"): 6}
