"""What TRL's trainers read: a dataset on disk, mapped into memory, made once from the pinned versions.

Weights of datasets are chances here (rows are drawn, not tokens counted): TRL loads all its data by row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from storage.datasets import shapes
from storage.datasets.store import Store
from storage.datasets.versions import Version
from tasks.answers import Judge
from tasks.training.config import TrainError
from tasks.training.job import Job

TURNS = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
PREFERENCE = pa.schema([("prompt", TURNS), ("chosen", TURNS), ("rejected", TURNS)])
PROBLEM = pa.schema([("prompt", TURNS), ("answer", pa.string()), ("language", pa.string())])

Made = Callable[[Store, Version], Iterator[pa.RecordBatch]]


def mapped(job: Job, make: Made, schema: pa.Schema, what: str) -> Any:
    """The datasets.Dataset of the stage's versions; TrainError if it has no row. `what`: the rows, in a word."""
    import datasets
    from accelerate import PartialState

    if any(source.without for source in job.stage.data):
        raise TrainError(f"{job.config.method} leaves no rows out. Fix: without `without`, or method sft")
    parts = []
    with PartialState().main_process_first():
        for version in job.versions:
            path = job.out / "rows" / f"{version}.arrow"
            if not path.exists():
                _write(path, schema, make(job.store, version))
            parts.append(datasets.Dataset.from_file(str(path)))
    kept = [(part, source.weight) for part, source in zip(parts, job.stage.data, strict=True) if len(part)]
    if not kept:
        names = ", ".join(map(str, job.versions))
        raise TrainError(f"{names}: no {what} to train on. Fix: a dataset that has them")
    rows = [part for part, _ in kept]
    weights = [weight for _, weight in kept if weight is not None]
    if len(rows) == 1:
        return rows[0]
    if not weights:
        return datasets.concatenate_datasets(rows)
    return datasets.interleave_datasets(
        rows, [weight / sum(weights) for weight in weights], seed=job.seed, stopping_strategy="all_exhausted"
    )


def _write(path: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    with pa.OSFile(str(beside), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    beside.rename(path)


def preferences(store: Store, version: Version) -> Iterator[pa.RecordBatch]:
    """prompt, chosen, rejected as turns: a published solution beside a wrong one (storage.datasets.shapes.preference)."""
    with Judge() as judge:
        for batch in shapes.preference(store, version, judge.equal):
            yield pa.RecordBatch.from_arrays(
                [
                    turns("user", batch.column("prompt")),
                    turns("assistant", batch.column("chosen")),
                    turns("assistant", batch.column("rejected")),
                ],
                schema=PREFERENCE,
            )


def problems(store: Store, version: Version) -> Iterator[pa.RecordBatch]:
    """prompt as turns, answer (the trusted one, else the published row's) and language: each question once."""
    from storage.sql import connect

    query = f"""
        SELECT any_value(question) AS question, any_value(coalesce(reference_answer, answer)) AS answer,
               any_value(language) AS language
        FROM "{version}" WHERE coalesce(reference_answer, answer) IS NOT NULL
        GROUP BY problem_id ORDER BY problem_id
    """
    with connect(store) as connection:
        for batch in connection.sql(query).to_arrow_reader(8_192):
            yield pa.RecordBatch.from_arrays(
                [turns("user", batch.column("question")), batch.column("answer"), batch.column("language")],
                schema=PROBLEM,
            )


def turns(role: str, contents: pa.Array) -> pa.Array:
    """Each text as a conversation of one turn."""
    roles = pa.array([role] * len(contents), pa.string())
    turn = pa.StructArray.from_arrays([roles, contents.cast(pa.string())], ["role", "content"])
    return pa.ListArray.from_arrays(pa.array(range(len(contents) + 1), pa.int32()), turn)
