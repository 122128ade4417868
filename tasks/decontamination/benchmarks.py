"""The registry of benchmark test sets: local files, the conventions of their columns, and their items."""

from __future__ import annotations

import functools
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from storage.errors import ForPeople
from tasks.dedup.normalise import folded_array
from tasks.dedup.tokens import Ragged, tokens
from tasks.ingestion.column_names import QUESTIONS
from tasks.ingestion.columns import Habits, habits, question
from tasks.ingestion.files import KINDS, PACKED, kind_of
from tasks.ingestion.record import IngestError, Record
from tasks.ingestion.records import records
from tasks.ingestion.values import Unfit
from tasks.text.shared import Shared, shared_text


class BenchmarkError(ForPeople, ValueError):
    """A benchmark file that cannot be used; the message names the file and the fix."""


@dataclass(frozen=True)
class Items:
    """Items to search for, or rows to search in, as parallel lists.

    `texts` are the questions. `passages` are the whole text of a row, question and solution; of an item
    they are its question again.
    """

    names: list[str]
    texts: list[str]
    passages: list[str]

    @functools.cached_property
    def words(self) -> Ragged:
        """The words of the passages, which are split once for all rules."""
        return tokens(folded_array(self.passages), None, operators=False)

    def cut(self, shared: Shared) -> Items:
        """Return the items without the text that is `shared`. An item that consists of shared text only is unchanged."""
        if not shared:
            return self
        texts = [shared.cut(text) for text in self.texts]
        same = self.passages is self.texts or self.passages == self.texts
        return Items(self.names, texts, texts if same else [shared.cut(text) for text in self.passages])

    def __len__(self) -> int:
        return len(self.texts)

    def __add__(self, other: Items) -> Items:
        return Items(self.names + other.names, self.texts + other.texts, self.passages + other.passages)


@dataclass(frozen=True, slots=True)
class Unread:
    """A record of the benchmark `name` that holds no question: its place in the file `path` ("line 12"),
    and why.
    """

    name: str
    path: str
    place: str
    why: str

    def __str__(self) -> str:
        return f"benchmark {self.name}: {self.path}, {self.place}: {self.why}"


@dataclass(frozen=True, slots=True)
class Benchmarks:
    """Benchmark files by name, identified by their content. The items are read where they are used."""

    files: tuple[tuple[str, str, str], ...] = ()  # (name, path, sha256 of the bytes)

    @classmethod
    def load(
        cls, paths: Mapping[str, str | Path | Sequence[str | Path]] | Iterable[str | Path]
    ) -> Benchmarks:
        """Register files as `pinned` does, and read each once.

        Raises BenchmarkError if a file is missing or unreadable, before any work is done.
        """
        benchmarks = cls(pinned(paths))
        benchmarks.items()
        return benchmarks

    def items(self) -> Items:
        """Return every item, named "<benchmark>#<number of the record in its file, from 0>"."""
        parts = [_items(*entry) for entry in self.files]
        return Items(
            [name for part in parts for name in part.names],
            [text for part in parts for text in part.texts],
            [text for part in parts for text in part.passages],
        )

    def unread(self) -> list[Unread]:
        """Return each record that holds no question: it is no item, and rows are not compared with it."""
        return [record for entry in self.files for record in _read(*entry)[1]]

    def shared(self, share: float) -> dict[str, Shared]:
        """Return the text that at least `share` of a set's items have in common, by the name of the set."""
        return {
            name: shared_text(_read(name, path, digest)[0].texts, share) for name, path, digest in self.files
        }

    @property
    def names(self) -> list[str]:
        return sorted({name for name, _, _ in self.files})

    @property
    def digest(self) -> str:
        """A digest of names and contents, which does not depend on the paths of the files."""
        contents = "".join(f"{name}\0{digest}\n" for name, _, digest in self.files)
        return hashlib.sha256(contents.encode()).hexdigest()


def pinned(
    paths: Mapping[str, str | Path | Sequence[str | Path]] | Iterable[str | Path],
) -> tuple[tuple[str, str, str], ...]:
    """Return (name, path, sha256 of the bytes) of files: {name: path or paths}, or paths alone.

    Paths without a name are named by the file (and its folder, if the file is called test, dev or the like). A folder
    represents the files in it that can be read. Raises BenchmarkError if two files have one name or a file
    cannot be read.
    """
    named: list[tuple[str, Path]] = []
    if isinstance(paths, Mapping):
        for name, given in paths.items():
            found_files = _files([given] if isinstance(given, (str, Path)) else given)
            for path in found_files:
                named.append((_plain(name if len(found_files) == 1 else f"{name}/{_name_of(path)}"), path))
    else:
        named = [(_name_of(path), path) for path in _files(paths)]
    repeated = [name for name, count in Counter(name for name, _ in named).items() if count > 1]
    if repeated:
        raise BenchmarkError(
            f"two benchmark files are named {repeated[0]!r}. Fix: give them names of their own"
        )
    files = []
    for name, path in named:
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise BenchmarkError(
                f"benchmark {name}: cannot read {path} ({error.strerror}). Fix: check the path"
            ) from error
        files.append((name, str(path), digest))
    return tuple(sorted(files))


def _items(name: str, path: str, digest: str) -> Items:
    return _read(name, path, digest)[0]


@functools.lru_cache(maxsize=64)
def _read(name: str, path: str, digest: str) -> tuple[Items, tuple[Unread, ...]]:
    """Return (items, the records that are no items) of a file.

    The cache key includes the digest of the content. A file that no longer has this digest raises BenchmarkError.
    """
    if hashlib.sha256(Path(path).read_bytes()).hexdigest() != digest:
        raise BenchmarkError(f"benchmark {name}: {path} changed since it was registered. Fix: run again")
    items, unread = Items([], [], []), list[Unread]()
    file_records, common = read_records(Path(path))
    for number, record in enumerate(file_records):
        try:
            text = question(_fields(record), common)
        except Unfit as error:
            unread.append(Unread(name, path, record.place, str(error)))
            continue
        items.names.append(f"{name}#{number}")
        items.texts.append(text)
        items.passages.append(text)
    if not items.texts:
        why = f": {unread[0].place}: {unread[0].why}" if unread else ""
        raise BenchmarkError(
            f"benchmark {name}: {path} has no items{why}. Fix: correct or drop it (question columns: {', '.join(QUESTIONS)})"
        )
    return items, tuple(unread)


def _fields(record: Record) -> Mapping[str, object]:
    if record.fields is None:
        raise Unfit(record.error or "unreadable")
    return record.fields


def _files(paths: Iterable[str | Path]) -> list[Path]:
    """Return the files, with folders replaced by the benchmark files in them, in the order of names."""
    files: list[Path] = []
    for path in map(Path, paths):
        if not path.is_dir():
            files.append(path)
            continue
        inside = sorted(file for file in path.rglob("*") if file.is_file() and kind_of(file) is not None)
        if not inside:
            raise BenchmarkError(
                f"benchmark folder {path}: holds no {', '.join(KINDS)} file. Fix: check the path"
            )
        files += inside
    return files


def read_records(path: Path) -> tuple[list[Record], Habits]:
    """Return the records of a file of any kind, and the habits that they share.

    Records that cannot be read are returned with their reason. Raises BenchmarkError if the file cannot be
    read.
    """
    try:
        file_records = list(records(path))
    except IngestError as error:
        raise BenchmarkError(f"benchmark file {error}") from error
    return file_records, habits([record.fields for record in file_records if record.fields is not None])


def _name_of(path: Path) -> str:
    endings = "|".join(re.escape(ending) for ending in (*KINDS, *PACKED))
    stem = re.sub(f"(?:{endings})+$", "", path.name, flags=re.IGNORECASE)
    if re.match(r"(test|train|dev|val|valid|validation|data)\b", stem) and path.absolute().parent.name:
        return _plain(f"{path.absolute().parent.name}_{stem}")
    return _plain(stem)


def _plain(name: str) -> str:
    """Return the name as one word, for reasons and before the # of an item."""
    return re.sub(r"[\s#]+", "_", name)
