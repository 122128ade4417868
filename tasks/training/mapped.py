"""Datasets for TRL's trainers: Arrow files mapped into memory, written once from the pinned versions.

The weights of datasets are probabilities of drawing a row here, not shares of tokens, since TRL loads all data by row.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from storage.atomic import replacing
from storage.datasets import shapes
from storage.datasets.store import Store
from storage.datasets.turns import OF_TOOLS, Reasoning, one_turn
from storage.datasets.versions import Version
from tasks.answers import Judge
from tasks.training.config import TrainError
from tasks.training.job import Job
from tasks.training.tokens import keeps_thinking

TURNS = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
PREFERENCE = pa.schema([("prompt", TURNS), ("chosen", TURNS), ("rejected", TURNS)])
PROBLEM = pa.schema([("prompt", TURNS), ("answer", pa.string()), ("language", pa.string())])

RowSource = Callable[[Store, Version], Iterator[pa.RecordBatch]]


def mapped(job: Job, make: RowSource, schema: pa.Schema, description: str) -> Any:
    """Return the datasets.Dataset of the stage's versions.

    make: yields the rows of a version. description: names the rows in the error. Raises TrainError if there are no rows, or
    if rows are to be left out, which this loader cannot do.
    """
    import datasets
    from accelerate import PartialState

    datasets.disable_progress_bars()
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
        raise TrainError(f"{names}: no {description} to train on. Fix: a dataset that has them")
    rows = [part for part, _ in kept]
    weights = [weight for _, weight in kept if weight is not None]
    if len(rows) == 1:
        return rows[0]
    if not weights:
        return datasets.concatenate_datasets(rows)
    return datasets.interleave_datasets(
        rows, [weight / sum(weights) for weight in weights], seed=job.seed, stopping_strategy="all_exhausted"
    )


def preference_pairs(job: Job, tokenizer: Any) -> Any:
    """Return the datasets.Dataset of preference pairs, with thinking as the settings say.

    Raises TrainError if there are no pairs, or if the chat template would drop the thinking that they have.
    """
    reasoning = job.config.reasoning
    if (
        reasoning == "inline"
        and any(shapes.has_thinking(job.store, version) for version in job.versions)
        and not keeps_thinking(tokenizer)
    ):
        raise TrainError(
            f"the chat template of {job.base} drops thinking, which rows of this data have. Fix: reasoning=none, or a "
            "base whose template keeps the text of the last message"
        )
    source = functools.partial(preferences, reasoning=reasoning)
    return mapped(job, source, PREFERENCE, "pairs of a right and a wrong solution")


def _write(path: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        replacing(path) as beside,
        pa.OSFile(str(beside), "wb") as sink,
        pa.ipc.new_stream(sink, schema) as writer,
    ):
        for batch in batches:
            writer.write_batch(batch)


def preferences(store: Store, version: Version, *, reasoning: Reasoning) -> Iterator[pa.RecordBatch]:
    """Yield prompt, chosen and rejected as turns: a published solution and a wrong one, or two chats of which the file preferred one
    (storage.datasets.shapes.preference). Raises TrainError if a chat calls tools, whose turns have more than a role and a text."""
    with Judge() as judge:
        for batch in shapes.preference(store, version, judge.equal, reasoning):
            sides = [batch.column(name) for name in PREFERENCE.names]
            if not pa.types.is_list(sides[0].type):
                roles = ("user", "assistant", "assistant")
                sides = [one_turn(role, side, TURNS) for role, side in zip(roles, sides, strict=True)]
            elif set(OF_TOOLS) & {field.name for field in sides[0].type.value_type}:
                raise TrainError(
                    f"{version}: preferred chats that call tools, which this method does not learn. Fix: a version without them, "
                    "such as one of ./mathmill rebuild --without"
                )
            yield pa.RecordBatch.from_arrays([side.cast(TURNS) for side in sides], schema=PREFERENCE)


def problems(store: Store, version: Version) -> Iterator[pa.RecordBatch]:
    """Yield each question once: prompt as turns, answer (the trusted one, or else that of the published row) and language."""
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
                [
                    one_turn("user", batch.column("question"), TURNS),
                    batch.column("answer"),
                    batch.column("language"),
                ],
                schema=PROBLEM,
            )
