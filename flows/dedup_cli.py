"""The command dedup: the near-duplicates of a collection of any size, and the collection without them."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flows import terminal
from flows.options import AsJson
from flows.terminal import print_json


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
    to: Annotated[Path, typer.Option(help="A folder for the work; run again, it goes on there.")],
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

    Writes into the folder: duplicates.parquet (id, of, near, score), and the clean set, clean.jsonl or, of Parquet with
    ids, clean/*.parquet.
    """
    import pyarrow.parquet as pq

    from storage.sizes import bytes_of
    from tasks.dedup.files import prepare, write_clean
    from tasks.dedup.outofcore import Collection, OutOfCore
    from tasks.dedup.sketching import Source
    from tasks.dedup.workers import workers as working

    bytes_of("--memory", memory)
    count = workers or len(os.sched_getaffinity(0))
    source = Source(text, id, language or None, quality or None)
    prepared = prepare(files, to, source)
    settings = OutOfCore(threshold=threshold, guard=guard.value, memory=memory, threads=count)
    collection = Collection(prepared.paths, to, source, settings)
    with working(on.value, count, address) as each:
        path = collection.run(each)
    rows = sum(pq.read_metadata(file).num_rows for file in prepared.paths)
    gone = pq.read_metadata(path).num_rows
    clean, kept = write_clean(files, to, source, path)
    unread = prepared.unread
    if json:
        print_json(
            {
                "rows": rows,
                "duplicates": gone,
                "file": str(path),
                "kept": kept,
                "clean": str(clean),
                "unread": unread,
            }
        )
        return
    terminal.echo(f"{gone:,} of {rows:,} rows are duplicates of a better one: {path} (id, of, near, score)")
    terminal.echo(f"{kept:,} rows are left: {clean}")
    if unread:
        terminal.echo(f"{len(unread):,} records hold no text and were left out, the first: {unread[0]}")
