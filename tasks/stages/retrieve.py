"""The stage `retrieve`: find the questions nearest to the student's failures."""

from __future__ import annotations

from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from storage.indexes.index import IndexSettings
from storage.indexes.vectors import Encode
from storage.rows import column, kept, replace
from tasks.retrieval.neighbours import nearest
from tasks.retrieval.neighbours import neighbours as indexed_neighbours
from tasks.retrieval.published import Published
from tasks.settings import Section, Share
from tasks.stages.outcome import Outcome, Tick

AIMED = "similar"  # the method that writes questions like the student's failures


class WeaknessSettings(Section, title="Weakness"):
    share: Share = Field(
        0.2, description="share of the target that is written for the student's failures; 0: off"
    )
    probe: str | None = Field(None, description="file of probe problems; empty: the project's own")
    neighbours: int = Field(20, ge=1, le=1000, description="nearest questions per failure")
    flat_up_to: int = Field(
        300_000, ge=0, description="published questions up to which the search for them is exact"
    )
    beyond: Literal["ivf", "hnsw"] = Field("ivf", description="the FAISS index that takes over from there")
    recall: Share = Field(0.95, description="share of the exact neighbours that it must find")

    def index(self) -> IndexSettings:
        return IndexSettings(self.flat_up_to, self.beyond, self.recall, at=self.neighbours)


def retrieve(
    failures: pa.Table,
    *,
    pool: pa.Table,
    published: Published | None,
    encode: Encode,
    neighbours: int,
    tick: Tick,
) -> Outcome:
    """Return the failures and their nearest questions: per failure, `neighbours` questions of the pool and as many published
    ones.

    A failure has no parents, and a neighbour has the failures that it is near to among its parents, so that
    `tasks.methods.similar` can show both. There is one row per distinct question.
    """
    pool = _one_per_question(pool)
    rows = [replace(failures, parent_ids=[[] for _ in range(failures.num_rows)])]
    ids: list[str] = column(failures, "id")
    facts: dict[str, Any] = {}
    vectors = encode(column(failures, "question")) if ids else None
    if vectors is not None and pool.num_rows:
        pool_vectors = encode(column(pool, "question"))
        _, neighbour_rows = nearest(pool_vectors, vectors, min(neighbours, pool.num_rows))
        failures_by_neighbour = _by_neighbour(ids, neighbour_rows.tolist())
        rows.append(
            _with_failures(
                pool.take(pa.array(sorted(failures_by_neighbour), pa.int64())),
                [failures_by_neighbour[i] for i in sorted(failures_by_neighbour)],
            )
        )
    if vectors is not None and published is not None:
        index = published.index(encode)
        _, neighbour_ids = indexed_neighbours(index, vectors, neighbours)
        failures_by_neighbour = _by_neighbour(ids, neighbour_ids.tolist())
        known = {None, *column(pool, "problem_id")}
        problems = sorted(name for name in failures_by_neighbour if name not in known)
        rows.append(
            _with_failures(published.rows(problems), [failures_by_neighbour[name] for name in problems])
        )
        facts["index"] = {"kind": index.kind, "questions": index.size, "recall": round(index.recall, 4)}
    tick(failures.num_rows)
    table = pa.concat_tables(rows)
    return Outcome(table, asked=table.num_rows, facts=facts)


def _by_neighbour(failures: list[str], neighbours: list[list[Any]]) -> dict[Any, list[str]]:
    """Return neighbour -> the failures that it is near to."""
    by_neighbour: dict[Any, list[str]] = {}
    for failure, row in zip(failures, neighbours, strict=True):
        for neighbour in row:
            by_neighbour.setdefault(neighbour, []).append(failure)
    return by_neighbour


def _with_failures(rows: pa.Table, failures: list[list[str]]) -> pa.Table:
    """Set the failures that each row is near to as its parents."""
    return replace(rows, parent_ids=[sorted(ids) for ids in failures])


def near_ids(neighbourhood_rows: pa.Table) -> list[str]:
    """Return the ids of the rows that are near to a failure."""
    is_near = pc.greater(pc.list_value_length(neighbourhood_rows.column("parent_ids")), 0)
    return sorted(column(neighbourhood_rows.filter(is_near), "id"))


def _one_per_question(pool: pa.Table) -> pa.Table:
    """Return the first row of each problem, if it is kept."""
    first: dict[str, int] = {}
    for i, problem_id in enumerate(column(pool, "problem_id")):
        first.setdefault(problem_id, i)
    return kept(pool.take(pa.array(list(first.values()), pa.int64())))
