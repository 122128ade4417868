"""What an import reads: files, folders of files, folders that `datasets` saved, and data sets of the Hugging Face hub."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tasks.ingestion.files import KINDS, PACKED, fault_of
from tasks.ingestion.json_records import LineBatch
from tasks.ingestion.record import IngestError, Record, fields_of, without_nan
from tasks.ingestion.records import batches, records

HUB = "hf:"
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_STATE = "state.json"  # in a folder that `datasets` saved; names its files


@dataclass(frozen=True, slots=True)
class DataSource:
    """A file, or one split of a data set of the hub.

    name: what rows and reasons name. digest: SHA-256 of the file's bytes; of a data set of the hub its commit, subset and
    split.
    """

    name: str
    digest: str
    path: Path | None = None
    hub: tuple[str, str, str, str] = ("", "", "", "")  # repository, commit, subset, split

    def records(self) -> Iterator[Record]:
        """Yield the records with all their columns. Raises IngestError if the source cannot be read."""
        return records(self.path) if self.path is not None else _of_hub(*self.hub)

    def batches(self, size: int) -> Iterator[LineBatch | list[Record]]:
        """Yield the records, `size` at a time; those of JSON Lines are not parsed yet. Raises as `records`."""
        if self.path is not None:
            yield from batches(self.path, size)
            return
        stream = self.records()
        while batch := list(islice(stream, size)):
            yield batch


def sources(paths: Sequence[str], *, subset: str = "", split: str = "train") -> list[DataSource]:
    """Return what the paths name: a file, every file of a folder, or `hf:OWNER/NAME` with that subset and split.

    A path OWNER/NAME that does not exist is looked for on the hub too. Raises IngestError with one line per path that cannot
    be used.
    """
    every: list[DataSource] = []
    faults: list[str] = []
    for given in dict.fromkeys(paths):
        try:
            every += _sources(given, subset, split)
        except IngestError as error:
            faults.append(str(error))
    if faults:
        raise IngestError("\n".join(faults))
    return every


def _sources(given: str, subset: str, split: str) -> list[DataSource]:
    path = Path(given).expanduser()
    if given.startswith(HUB) or (not path.exists() and _HUB_NAME.fullmatch(given)):
        return [_hub_source(given.removeprefix(HUB), subset, split, named=given.startswith(HUB))]
    files = _files_of(path) if path.is_dir() else [path]
    if not files:
        raise IngestError(f"{path}: a folder without data files. Fix: name one with {', '.join(KINDS)}")
    for file in files:
        if fault := fault_of(file):
            raise IngestError(f"{file}: {fault}")
    return [
        DataSource(str(file.relative_to(path.parent)) if path.is_dir() else file.name, _sha256(file), file)
        for file in files
    ]


def _files_of(folder: Path) -> list[Path]:
    """Return the data files below a folder in order; of a folder that `datasets` saved those that it names."""
    if (folder / _STATE).is_file():
        try:
            state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
            return [folder / Path(one["filename"]).name for one in state["_data_files"]]
        except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise IngestError(
                f"{folder / _STATE}: not as `datasets` writes it. Fix: save the data set again"
            ) from error
    files: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            files += _files_of(path)
        elif _is_data(path):
            files.append(path)
    return files


def _is_data(path: Path) -> bool:
    name = path.name.lower()
    if name in ("dataset_info.json", "dataset_dict.json", "dataset_infos.json"):
        return False
    for suffix in PACKED:
        name = name.removesuffix(suffix)
    return name.endswith(KINDS)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hub_source(name: str, subset: str, split: str, *, named: bool) -> DataSource:
    """Return the newest commit of a data set of the hub. Raises IngestError if it is not there or not reached."""
    repository, _, revision = name.partition("@")
    try:
        from huggingface_hub import HfApi

        commit = HfApi().dataset_info(repository, revision=revision or None, timeout=20).sha
    except Exception as error:  # the client raises what its HTTP library, the hub or the cache lead to
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        fix = "connect to the network, or download it and name its files"
        if not named:
            raise IngestError(
                f"{name}: no such file, and no data set of the hub that can be reached ({reason}). Fix: check the path, or {fix}"
            ) from error
        raise IngestError(f"{HUB}{name}: the hub cannot be read ({reason}). Fix: {fix}") from error
    digest = hashlib.sha256("\0".join((repository, str(commit), subset, split)).encode()).hexdigest()
    return DataSource(
        f"{repository}@{str(commit)[:12]}", digest, None, (repository, str(commit), subset, split)
    )


def _of_hub(repository: str, commit: str, subset: str, split: str) -> Iterator[Record]:
    number = 0
    try:
        import datasets

        stream: Any = datasets.load_dataset(
            repository, name=subset or None, split=split, revision=commit, streaming=True
        )
        for number, record in enumerate(stream, 1):
            yield Record(f"row {number}", without_nan(fields_of(record)))
    except Exception as error:  # as above; a subset or split that does not exist is named in the text
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise IngestError(
            f"{HUB}{repository}: cannot be read after row {number} ({reason}). Fix: check subset, split and the network, "
            "and run the same command again"
        ) from error
