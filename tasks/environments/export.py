"""Export the questions of a version with known answers as an environment for a framework of reinforcement learning.

    data/train.jsonl (or .parquet)   the framework's files   mathmill_verifier/ with pyproject.toml   README.md   lineage.json

A format is a module of tasks.environments.formats. The folder is complete or absent.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

import prompts
from storage.atomic import replacing
from storage.datasets.card import LINEAGE, card, lineage_text
from storage.datasets.shapes import prompt_only
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.errors import StorageError, explained
from tasks.environments.pinned import pinned
from tasks.plugins import module, names

FORMATS = "tasks.environments.formats"


@dataclass(frozen=True, slots=True)
class EnvironmentTask:
    """A question with its trusted answer, as it is asked: `messages` are the turns before the completion. `index` is its place in the file."""

    index: int
    id: str
    question: str
    answer: str
    language: str
    messages: tuple[Mapping[str, str], ...]


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
) -> int:
    """Write an environment, and return its number of questions.

    bare: asks the question alone, instead of by the prompt that solves in words, which a file in the folder `overlay` replaces. Raises StorageError if the folder is not empty, or the version has no
    question with a known answer.
    """
    target = Path(directory).expanduser().absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise StorageError(f"{target} is not empty. Fix: give a folder that is empty or does not exist yet")
    of_format = module(FORMATS, format.replace("-", "_"))
    tasks = _tasks(store, version, bare, overlay)
    if not tasks:
        raise StorageError(
            f"{version} has no question with a known answer. Fix: choose a version with such rows"
        )
    digest, package = pinned()
    records = [of_format.record(task, str(version)) for task in tasks]
    with explained(str(target.parent), "name another folder"):
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as beside:
            data = beside / of_format.data
            data.parent.mkdir(parents=True)
            _write(records, data)
            text = card(
                store,
                version,
                shape=format,
                rows=len(tasks),
                files={"train": of_format.data},
                kind=_kind(data),
            )
            files = {**package, **of_format.files(digest), LINEAGE: lineage_text(version)}
            how = f"\n## The reward\n\n{of_format.usage.strip()}\n\nThe verifier is pinned: `{digest}`.\n"
            for name, content in {**files, "README.md": text + how}.items():
                path = beside / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content, encoding="utf-8")
    return len(tasks)


def _tasks(store: Store, version: Version, bare: bool, overlay: Path | None) -> list[EnvironmentTask]:
    tasks: list[EnvironmentTask] = []
    for batch in prompt_only(store, version):
        for row in batch.to_pylist():
            question, language = row["prompt"], row["language"] or "en"
            asked = [{"role": "user", "content": question}]
            if not bare:
                asked = prompts.load("solve_cot", language, overlay=overlay).messages(question=question)
            tasks.append(
                EnvironmentTask(len(tasks), row["id"], question, row["answer"], language, tuple(asked))
            )
    return tasks


def _write(records: list[dict[str, Any]], path: Path) -> None:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(records), path, compression="zstd")
    else:
        path.write_bytes(b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in records))


def _kind(path: Path) -> str:
    return "parquet" if path.suffix == ".parquet" else "json"
