"""Seals: the digests of all files of a table's log, stored in two copies beside the log.

A log that lost its newest entries looks like a shorter, complete log, and a table that was deleted looks as if it had never
existed. Therefore the digest of every file of the log is written to two places after each commit: `_seals/<table>.json`
beside the tables and `_seal.json` in the table's own folder. A file that a seal names and that does not exist was removed; a
file with another digest was altered; a missing seal is detected by its other copy.

A seal may be behind its log (after a kill between commit and seal, or with two writers at once); the next commit or
`maintain` brings it up to date. It is never ahead of its log. A table that was written before seals existed has none, which
is reported but is not damage. For tables whose commits do not record the digests of their data files (the table of tags, a
history) the seal covers those files too. The statements of versions (storage.datasets.statements) are sealed like files of the log.
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

from storage.counting import be, counted
from storage.datasets.audit import seal_of
from storage.errors import Corrupt
from storage.location import Location

FOLDER = "_seals"
OWN = "_seal.json"
LOG = "_delta_log"
STATEMENTS = "_provenance"
_log = logging.getLogger(__name__)
_MUTABLE = f"{LOG}/_last_checkpoint"


@dataclass(slots=True)
class Seal:
    """Both copies of a seal as one.

    `files` maps paths relative to the table's folder to the BLAKE2b digest of their bytes. `findings` has a line per copy
    that is missing or damaged, and is empty if there is no copy at all.
    """

    files: dict[str, str] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)

    @property
    def known(self) -> bool:
        """Whether the seal names any file."""
        return bool(self.files)


def sealed_tables(where: Location) -> set[str]:
    """Return the names of the tables that have, or once had, a seal."""
    selector = pafs.FileSelector(where.path(FOLDER), allow_not_found=True)
    infos = where.filesystem.get_file_info(selector)
    named = {info.base_name.removesuffix(".json") for info in infos if info.base_name.endswith(".json")}
    return named | {name for name in where.folders() if where.exists(name, OWN)}


def read(where: Location, table: str) -> Seal:
    """Return both copies as one seal with the files of either. A copy may be older than the other, but never contradict it."""
    copies = _copies(where, table)
    if all(copy == _ABSENT for copy in copies.values()):
        return Seal()
    single = any(isinstance(copy, _Copy) and copy.single for copy in copies.values())
    seal = Seal()
    for name, copy in copies.items():
        if isinstance(copy, str):
            if not (single and copy == _ABSENT):  # the writer was killed before it wrote the second copy
                seal.findings.append(f"{name} {copy}")
            continue
        for path, digest in copy.files.items():
            if seal.files.setdefault(path, digest) != digest and path != _MUTABLE:
                seal.findings.append(f"the two seals of {table} differ about {path}")
    return seal


def seal(where: Location, table: str, *, data: bool = False) -> int:
    """Bring a table's seal up to date with its log, and return how many files it did not name before.

    Args:
        data: also seal the data files that the new entries of the log add.

    Files that are sealed already are not read again, so that damage is never sealed.
    """
    with _alone(where):
        files = dict(read(where, table).files)
        names = _sealed_names(where, table)
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
        if all(copy == _ABSENT for copy in _copies(where, table).values()):
            # so that a kill between the two copies differs from a copy that was removed
            where.write(_Copy(files, single=True).text(), FOLDER, f"{table}.json")
        text = _Copy(files).text()
        where.write(text, table, OWN)
        where.write(text, FOLDER, f"{table}.json")
        return len(new)


def follow(where: Location, table: str, *, data: bool = False) -> None:
    """Call `seal` after a commit. The commit is durable by then, so an error (such as a full disk) is only logged, and
    the next commit writes the seal."""
    try:
        seal(where, table, data=data)
    except (OSError, ValueError) as error:
        _log.warning("the seal of %s comes later: %s", where.url(table), error)


def check(where: Location, table: str) -> list[str]:
    """Return a line per missing or altered file of a table's log, data files that its seal names included.

    Entries of the log that cannot be read and gaps in their numbers get lines too.
    """
    sealed = read(where, table)
    if sealed.known and not where.exists(table, LOG):
        entries = sum(1 for name in sealed.files if name.endswith(".json"))
        return [
            f"the table {where.url(table)} is missing ({counted(entries, 'entry')} of its log {be(entries)} sealed)"
        ]
    findings = list(sealed.findings)
    names = _sealed_names(where, table)
    behind = any(name not in sealed.files for name in names)
    for name, digest in sorted(sealed.files.items()):
        if name == _MUTABLE and behind:  # rewritten by a commit that is not sealed yet
            continue
        if not where.exists(table, name):
            if name.startswith((f"{LOG}/", f"{STATEMENTS}/")) or name in _present(where, table, names):
                findings.append(f"{table}/{name} is missing")
        elif seal_of(where, table, name)[0] != digest:
            findings.append(f"{table}/{name} was altered")
    numbers = sorted(int(name[len(LOG) + 1 : -5]) for name in names if _is_entry(name))
    gaps = sorted(set(range(numbers[-1] + 1 if numbers else 0)) - set(numbers))
    findings += [f"{table}/{LOG}/{number:020d}.json is missing" for number in gaps]
    for name in names:
        if _is_entry(name) and name not in sealed.files:
            try:
                _entries(where, table, name)
            except ValueError as error:
                findings.append(f"{table}/{name} cannot be read: {error}")
    return list(dict.fromkeys(findings))


def require(where: Location, table: str, paths: Sequence[str]) -> None:
    """Raise Corrupt if any of these data files is missing or differs from the table's seal.

    It is called before the files are decoded, since a flipped bit in a Parquet file can crash the process in its reader.
    """
    files = read(where, table).files
    findings = []
    for path in paths:
        digest = files.get(path)
        if not where.exists(table, path):
            findings.append(f"{table}/{path} is missing")
        elif digest is not None and seal_of(where, table, path)[0] != digest:
            findings.append(f"{table}/{path} was altered")
    if findings:
        raise Corrupt(f"the table {table}", findings)


def _present(where: Location, table: str, names: list[str]) -> set[str]:
    """Return the data files of the table according to the readable entries of its log."""
    present: set[str] = set()
    for name in filter(_is_entry, names):
        with contextlib.suppress(ValueError):  # `check` reports the entry itself
            for entry in _entries(where, table, name):
                if "add" in entry:
                    present.add(urllib.parse.unquote(entry["add"]["path"]))
                elif "remove" in entry:
                    present.discard(urllib.parse.unquote(entry["remove"]["path"]))
    return present


def _added(where: Location, table: str, name: str) -> list[str]:
    entries = _entries(where, table, name) if _is_entry(name) else []
    return [urllib.parse.unquote(entry["add"]["path"]) for entry in entries if "add" in entry]


def _entries(where: Location, table: str, name: str) -> list[dict[str, dict[str, str]]]:
    """Return the actions of an entry of the log. Raises ValueError if it is not lines of JSON objects."""
    with where.filesystem.open_input_stream(where.path(table, name)) as stream:
        actions = [json.loads(line) for line in stream.read().splitlines() if line.strip()]
    if not actions or not all(isinstance(entry, dict) for entry in actions):
        raise ValueError("it is not lines of JSON objects")
    return actions


def _sealed_names(where: Location, table: str) -> list[str]:
    selector = pafs.FileSelector(where.path(table, LOG), allow_not_found=True)
    infos = where.filesystem.get_file_info(selector)
    names = (info.base_name for info in infos if info.type == pafs.FileType.File)
    kept = [name for name in names if name == "_last_checkpoint" or name.endswith((".json", ".parquet"))]
    stated = pafs.FileSelector(where.path(table, STATEMENTS), allow_not_found=True)
    statements = (
        info.base_name for info in where.filesystem.get_file_info(stated) if info.extension == "json"
    )
    return sorted([*(f"{LOG}/{name}" for name in kept), *(f"{STATEMENTS}/{name}" for name in statements)])


def _is_entry(name: str) -> bool:
    return name.endswith(".json") and name[len(LOG) + 1 : -5].isdigit()


_ABSENT = "is missing"


@dataclass(frozen=True, slots=True)
class _Copy:
    """One of the two copies of a seal. `single` means that the other copy has never been written."""

    files: dict[str, str]
    single: bool = False

    def text(self) -> bytes:
        body: dict[str, object] = {"files": self.files} | ({"single": True} if self.single else {})
        sealed = json.dumps(body if self.single else self.files, sort_keys=True)
        return json.dumps(body | {"seal": _digest(sealed)}, sort_keys=True, indent=0).encode()


def _copies(where: Location, table: str) -> dict[str, _Copy | str]:
    """Return both copies of a table's seal by name, or what is wrong with each."""
    places = ((FOLDER, f"{table}.json"), (table, OWN))
    return {"/".join(parts): _load(where, *parts) for parts in places}


def _load(where: Location, *parts: str) -> _Copy | str:
    """Return a copy, or what is wrong with it."""
    try:
        with where.filesystem.open_input_stream(where.path(*parts)) as stream:
            data = stream.read()
        body = json.loads(data)
        copy = _Copy({str(path): str(digest) for path, digest in body["files"].items()}, "single" in body)
    except FileNotFoundError:
        return _ABSENT
    except (ValueError, KeyError, TypeError, AttributeError):
        return "was altered"
    return copy if copy.text() == data else "was altered"


@contextlib.contextmanager
def _alone(where: Location) -> Iterator[None]:
    """Admit one process of this machine at a time to the writing of seals.

    Writers on two machines may each write a seal that lacks the other's entries; the next commit adds them.
    """
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
