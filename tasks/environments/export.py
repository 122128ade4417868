"""Export the questions of a version with known answers as an environment for a framework of reinforcement learning.

    data/train.jsonl (or .parquet)   the framework's files   mathmill_verifier/ with pyproject.toml
    README.md   lineage.json   croissant.json   provenance.json

A format is a module of tasks.environments.formats. The folder is complete or absent.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

import prompts
from storage.atomic import replacing
from storage.datasets.card import ExportedRecords
from storage.datasets.export import chosen_ids, empty_folder, further_columns, seal_export, tested_ids
from storage.datasets.metadata import CARD, metadata
from storage.datasets.shapes import prompt_only
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.errors import StorageError, explained
from storage.signing import Signer
from tasks.environments.pinned import pinned
from tasks.environments.task import TEST, TRAIN, EnvironmentTask
from tasks.plugins import module, names

FORMATS = "tasks.environments.formats"


def formats() -> list[str]:
    """Return the names of the formats, as users write them: with hyphens."""
    return [name.replace("_", "-") for name in names(FORMATS)]


def export_environment(
    store: Store,
    version: Version,
    directory: str | os.PathLike[str],
    format: str,
    *,
    bare: bool = False,
    overlay: Path | None = None,
    files: str | None = None,
    where: str | None = None,
    columns: Sequence[str] = (),
    tested: Callable[[pa.Table], pa.Array] | None = None,
    address: str = "",
    by: Signer | None = None,
) -> int:
    """Write an environment, and return its number of questions.

    Args:
        bare: asks the question alone, instead of by the prompt that solves in words.
        overlay: a folder whose file of that name replaces this prompt.
        files: the kind of the files that is asked for; a framework reads one kind only.
        where: a condition of SQL on the version's columns; only questions of rows that meet it are written.
        columns: further columns of the rows that the records get.
        tested: as of storage.datasets.export.export; the questions of the split `test` lie beside those of `train`.
        address: the URL at which the folder will be published, if it will be.
        by: signs the statement of the files.

    Raises:
        StorageError: the folder is not empty, the version has no question with a known answer, or an option does not fit.
    """
    target = empty_folder(directory)
    of_format = module(FORMATS, format.replace("-", "_"))
    kind = of_format.data.rpartition(".")[2]
    if files and files != kind:
        raise StorageError(f"--files {files}: {format} reads {kind} files. Fix: leave it out")
    splits = _tasks(store, version, bare, overlay, where, columns, tested)
    for split, tasks in splits.items():
        if not tasks:
            raise StorageError(
                f"{version} has no question with a known answer for the split {split!r}. Fix: choose a version with such rows, "
                "or another --where or --test"
            )
    digest, package = pinned()
    places = {split: of_format.data.replace(TRAIN, split) for split in splits}
    with explained(str(target.parent), "name another folder"):
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as beside:
            for split, tasks in splits.items():
                data = beside / places[split]
                data.parent.mkdir(parents=True, exist_ok=True)
                _write([of_format.record(task, str(version)) for task in tasks], data)
            count = sum(map(len, splits.values()))
            every = [task for tasks in splits.values() for task in tasks]
            records = ExportedRecords(
                format,
                places,
                {split: len(tasks) for split, tasks in splits.items()},
                list(of_format.record(every[0], str(version))),
                pa.chunked_array([pa.array([task.id for task in every], pa.string())]),
                where,
                columns,
            )
            about = metadata(store, version, beside, records, address=address)
            how = f"\n## The reward\n\n{of_format.usage.strip()}\n\nThe verifier is pinned: `{digest}`.\n"
            texts = {**package, **of_format.files(digest, tuple(splits)), **about, CARD: about[CARD] + how}
            for name, content in texts.items():
                path = beside / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content, encoding="utf-8")
            seal_export(version, beside, by)
    return count


def _tasks(
    store: Store,
    version: Version,
    bare: bool,
    overlay: Path | None,
    where: str | None,
    columns: Sequence[str],
    tested: Callable[[pa.Table], pa.Array] | None,
) -> dict[str, list[EnvironmentTask]]:
    """Return the questions by split."""
    ids = chosen_ids(store, version, where) if where is not None else None
    held = tested_ids(store, version, ids, tested)
    test = set() if held is None else set(held.to_pylist())
    splits: dict[str, list[EnvironmentTask]] = {TRAIN: []} if held is None else {TRAIN: [], TEST: []}
    table = further_columns(store, version, columns) if columns else None
    places = {} if table is None else {id: at for at, id in enumerate(table.column("id").to_pylist())}
    for batch in prompt_only(store, version, ids=ids):
        for row in batch.to_pylist():
            question, language = row["prompt"], row["language"] or "en"
            asked = [{"role": "user", "content": question}]
            if not bare:
                asked = prompts.load("solve_cot", language, overlay=overlay).messages(question=question)
            split = TEST if row["id"] in test else TRAIN
            further = (
                {}
                if table is None
                else {name: table.column(name)[places[row["id"]]].as_py() for name in columns}
            )
            splits[split].append(
                EnvironmentTask(
                    len(splits[split]),
                    row["id"],
                    question,
                    row["answer"],
                    language,
                    tuple(asked),
                    split,
                    further,
                )
            )
    return splits


def _write(records: list[dict[str, Any]], path: Path) -> None:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(records), path, compression="zstd")
    else:
        path.write_bytes(b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in records))
