"""The command dedup: the near-duplicates of a collection of any size, and the collection without them."""

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

WORK = ".work"  # in the folder of the results until they are complete


class Guarding(StrEnum):
    template = "template"
    numbers = "numbers"
    none = "none"


class On(StrEnum):
    threads = "threads"
    processes = "processes"
    dask = "dask"
    ray = "ray"


def dedup(
    files: Annotated[
        list[Path],
        typer.Argument(help="Files: Parquet, JSON Lines, JSON, CSV, TSV.", exists=True, dir_okay=False),
    ],
    to: Annotated[Path, typer.Option(help="A folder for the results; a run that was stopped goes on there.")],
    text: Annotated[str, typer.Option(help="Column of the texts.")] = "question",
    id: Annotated[
        str, typer.Option(help="Column of the ids; records without one are named by their places.")
    ] = "id",
    language: Annotated[
        str,
        typer.Option(
            help="Column of the languages, told by the letters where there is none; empty: all go by words."
        ),
    ] = "language",
    quality: Annotated[
        str, typer.Option(help="Number column: the highest of a cluster stays; empty: the smallest id.")
    ] = "",
    threshold: Annotated[
        float, typer.Option(min=0.1, max=1, help="Jaccard similarity of 3-grams from which.")
    ] = 0.7,
    guard: Annotated[
        Guarding,
        typer.Option(
            help="template: texts of one wording with other numbers are no duplicates, nor with an opposite word or sign, "
            "nor alike in a shared instruction alone; numbers: nor any texts with other numbers; none: all similar ones are."
        ),
    ] = Guarding.template,
    memory: Annotated[str, typer.Option(help="What the join may use before it spills to disk.")] = "4GB",
    on: Annotated[On, typer.Option(help="Who works on the shards.")] = On.processes,
    workers: Annotated[int, typer.Option(min=0, help="How many; 0: as many as there are cores.")] = 0,
    address: Annotated[str | None, typer.Option(help="A Dask or Ray cluster that runs already.")] = None,
    json: AsJson = False,
) -> None:
    """The near-duplicates of files of any size, by MinHash, each verified exactly, and the files without them.

    A pair is decided as in a night, by Jaccard and --guard; but ROUGE-L is not asked, and questions that differ only in
    their numbers all stay, however many there are.

    Leaves two things in the folder: duplicates.parquet (id, of, near, score, and as row and of_row the places of id and
    of in the files, from 0), and the clean set, clean.jsonl or, of Parquet with ids, clean/*.parquet.
    """
    import shutil

    from storage.sizes import bytes_of
    from tasks.dedup.files import RESULT, finished, plan_of, prepare, write_results
    from tasks.dedup.outofcore import Collection, OutOfCore, rules_digest
    from tasks.dedup.sketching import Source
    from tasks.dedup.workers import workers as working

    bytes_of("--memory", memory)
    count = workers or len(os.sched_getaffinity(0))
    source = Source(text, id, language or None, quality or None)
    settings = OutOfCore(threshold=threshold, guard=guard.value, memory=memory, threads=count)
    plan = plan_of(files, source, settings.decisions, settings.recall, rules_digest())
    cleaned = finished(to, plan)
    if cleaned is None:
        work = to / WORK  # beside the result, since workers on other machines see this folder
        prepared = prepare(files, work, source)
        collection = Collection(prepared.paths, work, source, settings)
        with working(on.value, count, address) as each:
            duplicates = collection.run(each)
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
        f"{counted(cleaned.duplicates, 'duplicate')} of a better one among {counted(cleaned.rows, 'row')}: "
        f"{to / RESULT} (id, of, near, score)"
    )
    terminal.echo(f"{counted(cleaned.kept, 'row')} {be(cleaned.kept)} left: {cleaned.clean}")
    if cleaned.unread:
        terminal.echo(
            f"{counted(len(cleaned.unread), 'record')} without a text left out, the first: {cleaned.unread[0]}"
        )
