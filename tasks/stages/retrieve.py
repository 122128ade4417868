"""The stage that finds the questions nearest to the student's failures."""

from __future__ import annotations

from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from storage.indexes.index import IndexSettings
from storage.rows import column, kept, replace
from tasks.retrieval.neighbours import nearest
from tasks.retrieval.neighbours import neighbours as indexed_neighbours
from tasks.retrieval.published import Encode, Published
from tasks.settings import Section, Share
from tasks.stages.outcome import Outcome, Tick


class WeaknessSettings(Section, title="Weakness"):
    share: Share = Field(
        0.2, description="share of the target that is written for the student's failures; 0: off"
    )
    probe: str | None = Field(None, description="file of probe problems; empty: the project's own")
    neighbours: int = Field(20, ge=1, le=1000, description="nearest questions a failure")
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
    """The failures (no parents) and, of each, its `neighbours` nearest questions in the pool and as many among the
    published ones (its id among their parents). One row a distinct question, so that `tasks.methods.similar` can
    show them."""
    pool = _one_a_question(pool)
    rows = [replace(failures, parent_ids=[[] for _ in range(failures.num_rows)])]
    ids: list[str] = column(failures, "id")
    facts: dict[str, Any] = {}
    vectors = encode(column(failures, "question")) if ids else None
    if vectors is not None and pool.num_rows:
        pool_vectors = encode(column(pool, "question"))
        _, found = nearest(pool_vectors, vectors, min(neighbours, pool.num_rows))
        near = _by_neighbour(ids, found.tolist())
        rows.append(_beside(pool.take(pa.array(sorted(near), pa.int64())), [near[i] for i in sorted(near)]))
    if vectors is not None and published is not None:
        index = published.index(encode)
        _, names = indexed_neighbours(index, vectors, neighbours)
        near = _by_neighbour(ids, names.tolist())
        known = {None, *column(pool, "problem_id")}
        problems = sorted(name for name in near if name not in known)
        rows.append(_beside(published.rows(problems), [near[name] for name in problems]))
        facts["index"] = {"kind": index.kind, "questions": index.size, "recall": round(index.recall, 4)}
    tick(failures.num_rows)
    table = pa.concat_tables(rows)
    return Outcome(table, asked=table.num_rows, facts=facts)


def _by_neighbour(failures: list[str], found: list[list[Any]]) -> dict[Any, list[str]]:
    """Neighbour -> the failures that it is near."""
    near: dict[Any, list[str]] = {}
    for failure, members in zip(failures, found, strict=True):
        for member in members:
            near.setdefault(member, []).append(failure)
    return near


def _beside(rows: pa.Table, near: list[list[str]]) -> pa.Table:
    return replace(rows, parent_ids=[sorted(failures) for failures in near])


def near_ids(neighbourhood_rows: pa.Table) -> list[str]:
    """Ids of the pool rows that are near a failure."""
    near = pc.greater(pc.list_value_length(neighbourhood_rows.column("parent_ids")), 0)
    return sorted(column(neighbourhood_rows.filter(near), "id"))


def _one_a_question(pool: pa.Table) -> pa.Table:
    first: dict[str, int] = {}
    for i, problem_id in enumerate(column(pool, "problem_id")):
        first.setdefault(problem_id, i)
    return kept(pool.take(pa.array(list(first.values()), pa.int64())))
