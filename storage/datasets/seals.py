"""Seals: what a table's log must hold, written down twice beside the log itself.

A log that lost its newest entries is a shorter log that looks whole, and a table that is gone looks
as if it had never been. So after each commit the digest of every file of the log is written to two
places: `_seals/<table>.json` beside the tables and `_seal.json` in the table's own folder. What one
of them names and is not there was removed; what differs was altered; a seal that is missing itself
is told by the other one.

A seal may be behind its log (a writer that was killed right after its commit; two writers at once):
the next commit, or `maintain`, brings it up to date. It is never ahead of it. A table written before
there were seals has none, which is reported and is no damage. For tables whose commits do not name
the digests of their data files (the table of tags, a history) the seal names those too.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.fs as pafs

from storage.atomic import write_bytes
from storage.datasets.audit import seal_of
from storage.errors import Corrupt
from storage.location import Location

FOLDER = "_seals"
OWN = "_seal.json"
LOG = "_delta_log"
_log = logging.getLogger(__name__)
_MUTABLE = f"{LOG}/_last_checkpoint"


@dataclass(slots=True)
class Seal:
    """`files`: path relative to the table's folder, to the BLAKE2b digest of its bytes. `findings`: a line
    per copy that is missing or damaged (empty where there are none at all)."""

    files: dict[str, str] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)

    @property
    def known(self) -> bool:
        return bool(self.files)


def sealed_tables(where: Location) -> set[str]:
    """Tables that have, or once had, a seal."""
    selector = pafs.FileSelector(where.path(FOLDER), allow_not_found=True)
    infos = where.filesystem.get_file_info(selector)
    named = {info.base_name.removesuffix(".json") for info in infos if info.base_name.endswith(".json")}
    return named | {name for name in where.folders() if where.exists(name, OWN)}


def read(where: Location, table: str) -> Seal:
    """Both copies as one: what either names. A copy may be older than the other, never different."""
    copies = _copies(where, table)
    if all(found == _ABSENT for found in copies.values()):
        return Seal()
    single = any(isinstance(found, _Copy) and found.single for found in copies.values())
    seal = Seal()
    for name, found in copies.items():
        if isinstance(found, str):
            if not (single and found == _ABSENT):  # the writer was killed before it wrote the second copy
                seal.findings.append(f"{name} {found}")
            continue
        for path, digest in found.files.items():
            if seal.files.setdefault(path, digest) != digest and path != _MUTABLE:
                seal.findings.append(f"the two seals of {table} differ about {path}")
    return seal


def seal(where: Location, table: str, *, data: bool = False) -> int:
    """Bring a table's seal up to its log; returns how many files it did not name before.

    Args:
        data: also name the data files that the new entries of the log add.

    Nothing that is sealed already is read again, so damage is never sealed over."""
    with _alone(where):
        files = dict(read(where, table).files)
        names = _log_files(where, table)
        new = [name for name in names if name not in files]
        if not new:
            return 0
        added = [path for name in new for path in _added(where, table, name)] if data else []
        for name in new:
            files[name] = seal_of(where, table, name)[0]
        for path in added:
            if path not in files and where.exists(table, path):
                files[path] = seal_of(where, table, path)[0]
        if _MUTABLE in names:  # rewritten with each checkpoint
            files[_MUTABLE] = seal_of(where, table, _MUTABLE)[0]
        if all(found == _ABSENT for found in _copies(where, table).values()):
            # so that a kill between the two copies differs from a copy that was removed
            _write(where, _Copy(files, single=True).text(), FOLDER, f"{table}.json")
        text = _Copy(files).text()
        _write(where, text, table, OWN)
        _write(where, text, FOLDER, f"{table}.json")
        return len(new)


def follow(where: Location, table: str, *, data: bool = False) -> None:
    """`seal` after a commit: the commit is made and durable, so a seal that cannot be written (the disk is
    full just now) is no reason to say otherwise; it comes with the next commit."""
    try:
        seal(where, table, data=data)
    except (OSError, ValueError) as error:
        _log.warning("the seal of %s comes later: %s", where.url(table), error)


def check(where: Location, table: str) -> list[str]:
    """A line for each file of a table's log, and each data file that its seal names, that is missing or
    altered; and for each entry of the log that cannot be read or has a gap before it."""
    sealed = read(where, table)
    if sealed.known and not where.exists(table, LOG):
        entries = sum(1 for name in sealed.files if name.endswith(".json"))
        return [f"the table {where.url(table)} is missing ({entries} entries of its log are sealed)"]
    found = list(sealed.findings)
    names = _log_files(where, table)
    behind = any(name not in sealed.files for name in names)
    for name, digest in sorted(sealed.files.items()):
        if name == _MUTABLE and behind:  # rewritten by a commit that is not sealed yet
            continue
        if not where.exists(table, name):
            if name.startswith(f"{LOG}/") or name in _live(where, table, names):
                found.append(f"{table}/{name} is missing")
        elif seal_of(where, table, name)[0] != digest:
            found.append(f"{table}/{name} was altered")
    numbers = sorted(int(name[len(LOG) + 1 : -5]) for name in names if _is_entry(name))
    gaps = sorted(set(range(numbers[-1] + 1 if numbers else 0)) - set(numbers))
    found += [f"{table}/{LOG}/{number:020d}.json is missing" for number in gaps]
    for name in names:
        if _is_entry(name) and name not in sealed.files:
            try:
                _entries(where, table, name)
            except ValueError as error:
                found.append(f"{table}/{name} cannot be read: {error}")
    return list(dict.fromkeys(found))


def require(where: Location, table: str, paths: Sequence[str]) -> None:
    """Raises Corrupt naming those of these data files that are gone or differ from the table's seal, before anything
    decodes them: a flipped bit in a Parquet file can crash the whole process in its reader."""
    files = read(where, table).files
    found = []
    for path in paths:
        digest = files.get(path)
        if not where.exists(table, path):
            found.append(f"{table}/{path} is missing")
        elif digest is not None and seal_of(where, table, path)[0] != digest:
            found.append(f"{table}/{path} was altered")
    if found:
        raise Corrupt(f"the table {table}", found)


def _live(where: Location, table: str, names: list[str]) -> set[str]:
    """The data files that the log, as it can be read, says are there."""
    live: set[str] = set()
    for name in filter(_is_entry, names):
        with contextlib.suppress(ValueError):  # named by `check` for itself
            for entry in _entries(where, table, name):
                if "add" in entry:
                    live.add(urllib.parse.unquote(entry["add"]["path"]))
                elif "remove" in entry:
                    live.discard(urllib.parse.unquote(entry["remove"]["path"]))
    return live


def _added(where: Location, table: str, name: str) -> list[str]:
    entries = _entries(where, table, name) if _is_entry(name) else []
    return [urllib.parse.unquote(entry["add"]["path"]) for entry in entries if "add" in entry]


def _entries(where: Location, table: str, name: str) -> list[dict[str, dict[str, str]]]:
    """The actions of an entry of the log; ValueError where it is not lines of JSON objects."""
    with where.filesystem.open_input_stream(where.path(table, name)) as stream:
        found = [json.loads(line) for line in stream.read().splitlines() if line.strip()]
    if not found or not all(isinstance(entry, dict) for entry in found):
        raise ValueError("it is not lines of JSON objects")
    return found


def _log_files(where: Location, table: str) -> list[str]:
    selector = pafs.FileSelector(where.path(table, LOG), allow_not_found=True)
    infos = where.filesystem.get_file_info(selector)
    names = (info.base_name for info in infos if info.type == pafs.FileType.File)
    kept = [name for name in names if name == "_last_checkpoint" or name.endswith((".json", ".parquet"))]
    return sorted(f"{LOG}/{name}" for name in kept)


def _is_entry(name: str) -> bool:
    return name.endswith(".json") and name[len(LOG) + 1 : -5].isdigit()


_ABSENT = "is missing"


@dataclass(frozen=True, slots=True)
class _Copy:
    """One of the two copies of a seal. `single`: the other one has never been written."""

    files: dict[str, str]
    single: bool = False

    def text(self) -> bytes:
        body: dict[str, object] = {"files": self.files} | ({"single": True} if self.single else {})
        sealed = json.dumps(body if self.single else self.files, sort_keys=True)
        return json.dumps(body | {"seal": _digest(sealed)}, sort_keys=True, indent=0).encode()


def _copies(where: Location, table: str) -> dict[str, _Copy | str]:
    """Both copies of a table's seal, by name, or what is wrong with each."""
    places = ((FOLDER, f"{table}.json"), (table, OWN))
    return {"/".join(parts): _load(where, *parts) for parts in places}


def _load(where: Location, *parts: str) -> _Copy | str:
    """A copy, or what is wrong with it."""
    try:
        with where.filesystem.open_input_stream(where.path(*parts)) as stream:
            data = stream.read()
        found = json.loads(data)
        copy = _Copy({str(path): str(digest) for path, digest in found["files"].items()}, "single" in found)
    except FileNotFoundError:
        return _ABSENT
    except (ValueError, KeyError, TypeError, AttributeError):
        return "was altered"
    return copy if copy.text() == data else "was altered"


def _write(where: Location, data: bytes, *parts: str) -> None:
    """Whole or not at all: renamed into place, or one put to an object store."""
    path = where.path(*parts)
    if not where.local:
        with where.filesystem.open_output_stream(path) as stream:
            stream.write(data)
        return
    folder = Path(path).parent
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(Path(path), data)


@contextlib.contextmanager
def _alone(where: Location) -> Iterator[None]:
    """One writer of seals at a time on this machine. Two on different machines may each write what the
    other has not seen; the next commit joins them, since a seal may be behind its log."""
    if not where.local:
        yield
        return
    folder = Path(where.path(FOLDER))
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=32).hexdigest()
