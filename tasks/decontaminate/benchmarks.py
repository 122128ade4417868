"""The registry of benchmark test sets: local files, their column conventions, their items."""

from __future__ import annotations

import csv
import functools
import gzip
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq

from storage.errors import ForPeople
from tasks.columns import QUESTIONS, Unfit, question
from tasks.dedup.normalise import folded_array
from tasks.dedup.tokens import Ragged, tokens

_FILES = (".jsonl", ".jsonl.gz", ".json", ".json.gz", ".csv", ".csv.gz", ".parquet")


class BenchmarkError(ForPeople, ValueError):
    """A benchmark file that cannot be used; the message names the file and the mend."""


@dataclass(frozen=True)
class Items:
    """Texts to look for (items) or to look in (rows), as parallel lists.

    `texts` are the questions. `passages` are everything a row says, question and solution; of an item its
    question again.
    """

    names: list[str]
    texts: list[str]
    passages: list[str]

    @functools.cached_property
    def words(self) -> Ragged:
        """The words of the passages, cut once for all rules."""
        return tokens(folded_array(self.passages), None, operators=False)

    def __len__(self) -> int:
        return len(self.texts)

    def __add__(self, other: Items) -> Items:
        return Items(self.names + other.names, self.texts + other.texts, self.passages + other.passages)


@dataclass(frozen=True, slots=True)
class Benchmarks:
    """Benchmark files by name, pinned by content. A value: the items are read where they are used."""

    files: tuple[tuple[str, str, str], ...] = ()  # (name, path, sha256 of the bytes)

    @classmethod
    def load(
        cls, paths: Mapping[str, str | Path | Sequence[str | Path]] | Iterable[str | Path]
    ) -> Benchmarks:
        """Register files as `pinned` does. Every file is read once, so that a missing or unreadable one fails here
        (BenchmarkError), before any work."""
        found = cls(pinned(paths))
        found.items()
        return found

    def items(self) -> Items:
        """Every item named "<benchmark>#<number of the record in its file, from 0>"."""
        parts = [_items(*entry) for entry in self.files]
        return Items(
            [name for part in parts for name in part.names],
            [text for part in parts for text in part.texts],
            [text for part in parts for text in part.passages],
        )

    @property
    def names(self) -> list[str]:
        return sorted({name for name, _, _ in self.files})

    @property
    def digest(self) -> str:
        """Of names and contents: where the files lie decides nothing."""
        told = "".join(f"{name}\0{digest}\n" for name, _, digest in self.files)
        return hashlib.sha256(told.encode()).hexdigest()


def pinned(
    paths: Mapping[str, str | Path | Sequence[str | Path]] | Iterable[str | Path],
) -> tuple[tuple[str, str, str], ...]:
    """(name, path, sha256 of the bytes) of files: {name: path or paths}, or paths alone, named by file (and folder,
    where the file is called test, dev or the like). A folder stands for the files in it that can be read."""
    listed: list[tuple[str, Path]] = []
    if isinstance(paths, Mapping):
        for name, some in paths.items():
            several = _files([some] if isinstance(some, (str, Path)) else some)
            for path in several:
                listed.append((_plain(name if len(several) == 1 else f"{name}/{_name_of(path)}"), path))
    else:
        listed = [(_name_of(path), path) for path in _files(paths)]
    twice = [name for name, count in Counter(name for name, _ in listed).items() if count > 1]
    if twice:
        raise BenchmarkError(f"two benchmark files are named {twice[0]!r}: give them names of their own")
    files = []
    for name, path in listed:
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise BenchmarkError(
                f"benchmark {name}: cannot read {path} ({error.strerror}): check the path"
            ) from error
        files.append((name, str(path), digest))
    return tuple(sorted(files))


@functools.lru_cache(maxsize=64)
def _items(name: str, path: str, digest: str) -> Items:
    """Keyed by content: a file that changed is another key, and a pinned digest that no longer fits is an error."""
    data = Path(path).read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise BenchmarkError(f"benchmark {name}: {path} changed since it was registered: run again")
    found = Items([], [], [])
    for number, record in enumerate(_records(Path(path), data)):
        try:
            text = question(record)
        except Unfit as error:
            raise BenchmarkError(
                f"benchmark {name}: {path}, record {number}: {error}; mend or drop it (question columns: {', '.join(QUESTIONS)})"
            ) from error
        found.names.append(f"{name}#{number}")
        found.texts.append(text)
        found.passages.append(text)
    if not found.texts:
        raise BenchmarkError(f"benchmark {name}: {path} has no items")
    return found


def _files(paths: Iterable[str | Path]) -> list[Path]:
    """The files, folders replaced by the benchmark files in them, in order of name."""
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(file for file in path.rglob("*") if file.name.lower().endswith(_FILES))
        if not inside:
            raise BenchmarkError(
                f"benchmark folder {path}: holds no {', '.join(_FILES)} file: check the path"
            )
        found += inside
    return found


def read_records(path: Path) -> Iterable[Mapping[str, Any]]:
    """The records of a JSONL, JSON, CSV or Parquet file; BenchmarkError if it is none."""
    try:
        return _records(path, path.read_bytes())
    except OSError as error:
        raise BenchmarkError(f"cannot read {path} ({error.strerror}): check the path") from error


def _records(path: Path, data: bytes) -> Iterable[Mapping[str, Any]]:
    kind = path.name.lower()
    try:
        if kind.endswith(".parquet"):
            return pq.read_table(io.BytesIO(data)).to_pylist()  # type: ignore[no-any-return]
        if kind.endswith(".gz"):
            data, kind = gzip.decompress(data), kind[:-3]
        if kind.endswith(".csv"):
            return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
        if kind.endswith(".json"):
            found = orjson.loads(data)
        else:
            found = [orjson.loads(line) for line in data.splitlines() if line.strip()]
    except (OSError, ValueError, EOFError, csv.Error) as error:
        raise BenchmarkError(
            f"benchmark file {path}: not readable as JSONL, JSON, CSV or Parquet ({error}): mend or drop it"
        ) from error
    if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
        raise BenchmarkError(f"benchmark file {path}: must hold one JSON object an item")
    return found


def _name_of(path: Path) -> str:
    stem = re.sub(r"(\.(jsonl?|csv|parquet|gz))+$", "", path.name)
    if re.match(r"(test|train|dev|val|valid|validation|data)\b", stem) and path.absolute().parent.name:
        return _plain(f"{path.absolute().parent.name}_{stem}")
    return _plain(stem)


def _plain(name: str) -> str:
    """A name that stands as one word in a reason, and before the # of an item."""
    return re.sub(r"[\s#]+", "_", name)
