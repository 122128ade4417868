"""The command `dedup`: find the near-duplicates in files of any size, and write the files without them."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flows.cli import terminal
from flows.cli.options import AsJson
from flows.cli.terminal import print_json
from storage.counting import be, counted

WORK = ".work"  # subfolder of the results' folder, removed when they are complete


class Guarding(StrEnum):
    """Which similar texts are kept apart."""

    template = "template"
    numbers = "numbers"
    none = "none"


class RunnerOption(StrEnum):
    """What processes the shards."""

    threads = "threads"
    processes = "processes"
    dask = "dask"
    ray = "ray"


def dedup(
    files: Annotated[
        list[Path],
        typer.Argument(help="Files: Parquet, JSON Lines, JSON, CSV, TSV.", exists=True, dir_okay=False),
    ],
    to: Annotated[
        Path, typer.Option(help="Folder for the results; a run that was stopped is continued there.")
    ],
    text: Annotated[str, typer.Option(help="Column of the texts.")] = "question",
    id: Annotated[
        str, typer.Option(help="Column of the ids; a record without one is identified by its position.")
    ] = "id",
    language: Annotated[
        str,
        typer.Option(
            help="Column of the languages; where it is missing, the script of the text decides; empty: all texts are split into words."
        ),
    ] = "language",
    quality: Annotated[
        str,
        typer.Option(
            help="Numeric column: the row with the highest value of a cluster is kept; empty: the smallest id."
        ),
    ] = "",
    threshold: Annotated[
        float, typer.Option(min=0.1, max=1, help="Least Jaccard similarity of 3-grams of a duplicate.")
    ] = 0.7,
    guard: Annotated[
        Guarding,
        typer.Option(
            help="template: texts that differ only in numbers, in an opposite word or in a sign, or that share only an instruction, "
            "are no duplicates; numbers: nor are any texts with different numbers; none: all similar texts are duplicates."
        ),
    ] = Guarding.template,
    memory: Annotated[
        str, typer.Option(help="Memory that the join may use before it spills to disk.")
    ] = "4GB",
    on: Annotated[RunnerOption, typer.Option(help="What processes the shards.")] = RunnerOption.processes,
    workers: Annotated[int, typer.Option(min=0, help="Number of workers; 0: one per core.")] = 0,
    address: Annotated[str | None, typer.Option(help="Address of a running Dask or Ray cluster.")] = None,
    json: AsJson = False,
) -> None:
    """Find the near-duplicates in files of any size by MinHash, verify each exactly, and write the files without them.

    A pair is decided as in a nightly run, by Jaccard similarity and --guard, except that ROUGE-L is not computed and that
    any number of questions that differ only in their numbers is kept.

    The folder then holds duplicates.parquet (id, of, near, score; row and of_row are the positions of id and of in the
    files, from 0) and the clean set: clean.jsonl, or clean/*.parquet for Parquet files with ids.
    """
    import shutil

    from storage.sizes import bytes_of
    from tasks.dedup.files import RESULT, finished, plan_of, prepare, write_results
    from tasks.dedup.outofcore import Collection, OutOfCore, rules_digest
    from tasks.dedup.sketching import TextSource
    from tasks.dedup.workers import workers as worker_map

    bytes_of("--memory", memory)
    worker_count = workers or len(os.sched_getaffinity(0))
    source = TextSource(text, id, language or None, quality or None)
    settings = OutOfCore(threshold=threshold, guard=guard.value, memory=memory, threads=worker_count)
    plan = plan_of(files, source, settings.decisions, settings.recall, rules_digest())
    cleaned = finished(to, plan)
    if cleaned is None:
        work = to / WORK  # below the results, since workers on other machines can see this folder
        prepared = prepare(files, work, source)
        collection = Collection(prepared.paths, work, source, settings)
        with worker_map(on.value, worker_count, address) as map_shards:
            duplicates = collection.run(map_shards)
        cleaned = write_results(files, to, source, prepared, duplicates, plan)
        shutil.rmtree(work)
    if json:
        print_json(
            {
                "rows": cleaned.rows,
                "duplicates": cleaned.duplicates,
                "file": str(to / RESULT),
                "kept": cleaned.kept,
                "clean": str(cleaned.clean),
                "unread": cleaned.unread,
            }
        )
        return
    terminal.echo(
        f"{counted(cleaned.duplicates, 'duplicate')} among {counted(cleaned.rows, 'row')}: "
        f"{to / RESULT} (id, of, near, score)"
    )
    terminal.echo(f"{counted(cleaned.kept, 'row')} {be(cleaned.kept)} left: {cleaned.clean}")
    if cleaned.unread:
        terminal.echo(
            f"{counted(len(cleaned.unread), 'record')} without a text left out, the first: {cleaned.unread[0]}"
        )
