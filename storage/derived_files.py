"""The catalogue of a folder of derived files: stage outputs, encodings, indexes.

Such a file is made again when it is missing, so that its removal does no harm; the catalogue lets `verify` name it all the
same. The product's own deletions leave the catalogue first and are not reported.

The catalogue is an append-only file in two copies: `_catalogue` in the folder, and `_seals/NAME.catalogue` beside the
folder. Each line has a checksum of its own and holds one change: files that may have a content from now on (written before
the file is), files that are there (written after it), files that were given up (written before the file is deleted). A kill
between any two writes is therefore no damage. The next change repairs a copy that is missing or behind. Any number of
processes on one machine may use a folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from storage.atomic import flush, write_bytes
from storage.counting import counted

NAME = "_catalogue"
_DIGEST_SIZE = 16
_MAY, _IS, _GONE, _START = "may", "is", "gone", "start"
_SINGLE = 0  # number of a catalogue whose second copy does not exist yet


@dataclass(slots=True)
class _Copy:
    """One copy as read. `number` counts how often it was written anew; `valid` is false if a whole line is not right."""

    data: bytes
    number: int = -1
    changes: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    valid: bool = True

    @property
    def end(self) -> int:
        """The bytes of whole lines; a line that a killed writer began follows."""
        return self.data.rfind(b"\n") + 1


class DerivedFiles:
    """The derived files below a folder, named by their path in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._paths = (folder / NAME, folder.parent / "_seals" / f"{folder.name}.catalogue")

    @contextlib.contextmanager
    def adding(self, digests: Mapping[Path, str]) -> Iterator[None]:
        """Enter files with their digests (see `digest_of`). The block must write them all, each atomically."""
        present = {path: digest for path in digests if (digest := _digest_if_there(path))}
        with self._alone(create=True):
            if present:  # of an earlier version, or of another run: right until it is replaced
                self._append(_MAY, present)
            self._append(_MAY, digests)
        yield
        with self._alone(create=True):
            # another process may have removed a file already: segments of vectors are merged
            self._append(_IS, {path: digest for path, digest in digests.items() if path.exists()})

    def remove(self, paths: Iterable[Path]) -> None:
        """Delete files, and take them out of the catalogue before. A file that is missing already is not an error."""
        paths = list(paths)
        if not paths:
            return
        with self._alone(create=True):
            self._append(_GONE, dict.fromkeys(paths, ""), durable=True)
            for path in paths:
                path.unlink(missing_ok=True)

    def names(self) -> frozenset[str]:
        """Return the files that the catalogue names."""
        with self._alone():
            return frozenset(_state(self._newest())[0])

    def check(self) -> list[str]:
        """Return a line per file or copy of the catalogue that is missing or altered."""
        with self._alone():
            copies = [_load(path) for path in self._paths]
            allowed, present = _state(_newest(copies))
            if present and not self.folder.exists():
                return [f"{self.folder.name}/ is missing with {counted(len(present), 'file')}"]
        lines = [
            f"{self._shown(path)} {fault}"
            for path, fault in zip(self._paths, _faults(copies), strict=True)
            if fault
        ]
        suspects = [name for name in allowed if self._fault(name, allowed, present)]
        if suspects:  # other processes may have changed them meanwhile
            with self._alone():
                allowed, present = _state(self._newest())
                faults = {name: self._fault(name, allowed, present) for name in sorted(suspects)}
            lines += [f"{self.folder.name}/{name} {fault}" for name, fault in faults.items() if fault]
        return lines

    def _fault(self, name: str, allowed: Mapping[str, Sequence[str]], present: set[str]) -> str:
        """Return what is wrong with a file, or an empty text."""
        try:
            return (
                "" if name not in allowed or digest_of_file(self.folder / name) in allowed[name] else _ALTERED
            )
        except FileNotFoundError:
            return _MISSING if name in present else ""

    def forget_missing(self) -> int:
        """Write the catalogue anew without the files that are missing, and return how many were left out."""
        with self._alone():
            newest = self._newest()
            if newest is None:
                return 0
            allowed, present = _state(newest)
            there = {name: digests for name, digests in allowed.items() if (self.folder / name).exists()}
            lines = [_line(_START, {"number": str(newest.number + 1)})]
            for kind, names in ((_MAY, there.keys()), (_IS, there.keys() & present)):
                most = max((len(there[name]) for name in names), default=0)
                lines += [
                    _line(kind, {name: there[name][n] for name in sorted(names) if n < len(there[name])})
                    for n in range(most)
                ]
            for path in self._paths:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_bytes(path, b"".join(lines))
            return len(present - there.keys())

    def _append(self, kind: str, entries: Mapping[Path, str], *, durable: bool = False) -> None:
        self._repair()
        line = _line(kind, {path.relative_to(self.folder).as_posix(): entries[path] for path in entries})
        for path in self._paths:
            _write_line(path, line)
            if durable:
                flush(path)

    def _repair(self) -> None:
        """Let both copies be the same if one is missing, behind or torn. A copy that was altered stays as it is."""
        if _same_ends(self._paths):
            return
        copies = [_load(path) for path in self._paths]
        newest = _newest(copies)
        if newest is None:
            first, second = self._paths
            second.parent.mkdir(parents=True, exist_ok=True)
            # the number says that the second copy may be missing still
            write_bytes(first, _line(_START, {"number": str(_SINGLE)}))
            for path in (second, first):
                write_bytes(path, _line(_START, {"number": str(_SINGLE + 1)}))
            return
        faults = _faults(copies)
        number, end = max(newest.number, _SINGLE + 1), newest.end
        data = newest.data[:end]
        if newest.number < number:
            data = _line(_START, {"number": str(number)}) + data[data.index(b"\n") + 1 :]
        for path, copy, fault in zip(self._paths, copies, faults, strict=True):
            if copy is None or (fault != _ALTERED and copy.data != data):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_bytes(path, data)

    def _newest(self) -> _Copy | None:
        return _newest([_load(path) for path in self._paths])

    @contextlib.contextmanager
    def _alone(self, *, create: bool = False) -> Iterator[None]:
        """Let one process at a time in."""
        if create:
            self.folder.mkdir(parents=True, exist_ok=True)
        elif not self.folder.exists():  # nobody writes
            yield
            return
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _shown(self, path: Path) -> str:
        return path.relative_to(self.folder.parent).as_posix()


def digest_of(data: bytes | memoryview) -> str:
    """Return the digest of a file's bytes."""
    return hashlib.blake2b(data, digest_size=_DIGEST_SIZE).hexdigest()


def digest_of_file(path: Path) -> str:
    """Return the digest of a file of any size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=_DIGEST_SIZE)).hexdigest()


def _digest_if_there(path: Path) -> str | None:
    try:
        return digest_of_file(path)
    except FileNotFoundError:
        return None


_MISSING, _ALTERED = "is missing", "was altered"


def _load(path: Path) -> _Copy | None:
    try:
        copy = _Copy(path.read_bytes())
    except FileNotFoundError:
        return None
    for line in copy.data[: copy.end].split(b"\n")[:-1]:
        checksum, _, body = line.partition(b" ")
        if checksum.decode("ascii", "replace") != digest_of(body):
            copy.valid = False
            continue
        kind, entries = json.loads(body)
        if kind == _START:
            copy.number = int(entries["number"])
        copy.changes.append((kind, entries))
    copy.valid &= copy.number >= 0
    return copy


def _newest(copies: Sequence[_Copy | None]) -> _Copy | None:
    """Return the best copy: a valid one before an altered one, then the one that was written anew or grew last."""
    there = [copy for copy in copies if copy is not None]
    return max(there, key=lambda copy: (copy.valid, copy.number, copy.end), default=None)


def _faults(copies: Sequence[_Copy | None]) -> list[str]:
    """Return what is wrong with each copy, or an empty text."""
    there = [copy for copy in copies if copy is not None]
    if len(there) < 2:
        single = all(copy.valid and copy.number == _SINGLE for copy in there)
        return ["" if single else _MISSING if copy is None else _fault(copy) for copy in copies]
    short, long = sorted((copy.data for copy in there), key=len)
    if all(copy.valid for copy in there):
        numbers = sorted(copy.number for copy in there)
        if long.startswith(short) or numbers[1] == numbers[0] + 1:
            return ["", ""]
        whole = [copy.end == len(copy.data) for copy in there]
        if all(whole) or not any(whole):
            return [_ALTERED, _ALTERED]
    return [_fault(copy) for copy in there]


def _fault(copy: _Copy) -> str:
    return "" if copy.valid and copy.end == len(copy.data) else _ALTERED


def _state(copy: _Copy | None) -> tuple[dict[str, list[str]], set[str]]:
    """Return the digests that each file may have, and the files that must exist."""
    allowed: dict[str, list[str]] = {}
    present: set[str] = set()
    for kind, entries in copy.changes if copy is not None else ():
        if kind in (_MAY, _IS):
            for name, digest in entries.items():
                digests = allowed.setdefault(name, [])
                if digest not in digests:
                    digests.append(digest)
        if kind == _IS:
            present |= entries.keys()
        elif kind == _GONE:
            present -= entries.keys()
            for name in entries:
                allowed.pop(name, None)
    return allowed, present


def _line(kind: str, entries: Mapping[str, str]) -> bytes:
    body = json.dumps([kind, dict(entries)], separators=(",", ":"), sort_keys=True).encode()
    return f"{digest_of(body)} ".encode() + body + b"\n"


def _write_line(path: Path, line: bytes) -> None:
    with path.open("ab") as file:
        file.write(line)


def _same_ends(paths: Sequence[Path]) -> bool:
    """Return whether both copies exist, have one size, begin with one line and end with a whole one."""
    ends = []
    for path in paths:
        try:
            with path.open("rb") as file:
                first = file.readline()
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - 1))
                ends.append((first, size, file.read()))
        except FileNotFoundError:
            return False
    return ends[0] == ends[1] and ends[0][2] == b"\n"
