"""Files of a home that are written whole and belong to no table (reports, notes of runs), under seals.

Each file's digest stands in a registry that is written twice: `_seal.json` in the home and `_seals/home.json`. What the
registry names and is not there was removed; what differs was altered; a copy of the registry that is gone is named by
the other one. A kill at any moment leaves no false alarm: before a file changes, the registry allows the old state and
the new one, and only afterwards the new one alone. A file that was written before there was a registry is in none, which
is no damage.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from storage.atomic import flush, write_bytes

COPIES = ("_seal.json", "_seals/home.json")
_ABSENT = "is missing"
_ALTERED = "was altered"


@dataclass(slots=True)
class _Registry:
    """`files`: path below the home, to the digests that it may have; None among them where it may be absent.
    `number` counts the changes. `single` as long as the second copy was never written."""

    files: dict[str, list[str | None]] = field(default_factory=dict)
    number: int = 0
    single: bool = True


class HomeFiles:
    """The sealed files of one home. Safe for any number of processes on one machine."""

    def __init__(self, home: Path) -> None:
        self.home = Path(home)

    def write(self, path: Path, data: bytes) -> None:
        """Replace the file at `path`, below the home, whole and durably."""
        name = path.relative_to(self.home).as_posix()
        with self._alone():
            registry = self._registry()
            now = _digest(path.read_bytes()) if path.exists() else None
            before = registry.files.get(name, [now]) if now is not None else [None]
            self._note(registry, name, [*before, _digest(data)])
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, data)
            self._note(registry, name, [_digest(data)])

    def remove(self, path: Path) -> None:
        """Remove the file at `path`; one that is gone already is fine."""
        name = path.relative_to(self.home).as_posix()
        with self._alone():
            registry = self._registry()
            if name in registry.files:
                self._note(registry, name, [*registry.files[name], None])
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
                flush(path.parent)
            if registry.files.pop(name, None) is not None:
                self._save(registry)

    def check(self) -> tuple[int, list[str]]:
        """How many files are sealed, and a line for each that is missing or altered, copies of the registry included."""
        with self._alone(create=False):
            copies = {name: _load(self.home / name) for name in COPIES}
            there = [copy for copy in copies.values() if isinstance(copy, _Registry)]
            if all(copy == _ABSENT for copy in copies.values()):
                return 0, []
            registry = max(there, key=_age, default=_Registry())
            lines = [
                f"{name} {copy}"
                for name, copy in copies.items()
                if isinstance(copy, str) and not (copy == _ABSENT and registry.single and there)
            ]
            for name, digests in sorted(registry.files.items()):
                path = self.home / name
                if not path.exists():
                    lines += [] if None in digests else [f"{name} {_ABSENT}"]
                elif _digest(path.read_bytes()) not in digests:
                    lines.append(f"{name} {_ALTERED}")
            return len(registry.files), lines

    def _registry(self) -> _Registry:
        """The newest copy that can be read. Nothing in it was read from the files again, so damage is never sealed over."""
        copies = [_load(self.home / name) for name in COPIES]
        there = [copy for copy in copies if isinstance(copy, _Registry)]
        return max(there, key=_age, default=_Registry())

    def _note(self, registry: _Registry, name: str, digests: list[str | None]) -> None:
        registry.files[name] = list(dict.fromkeys(digests))
        self._save(registry)

    def _save(self, registry: _Registry) -> None:
        registry.number += 1
        first, second = (self.home / name for name in COPIES)
        write_bytes(first, _text(registry))
        if registry.single:
            registry.single = False
            write_bytes(second, _text(registry))
            write_bytes(first, _text(registry))
        else:
            write_bytes(second, _text(registry))

    @contextlib.contextmanager
    def _alone(self, create: bool = True) -> Iterator[None]:
        """One writer at a time, and no reader between two files of one change."""
        folder = (self.home / COPIES[1]).parent
        if not create and not folder.exists():
            yield
            return
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _age(registry: _Registry) -> tuple[int, bool]:
    return registry.number, not registry.single


def _text(registry: _Registry) -> bytes:
    body = {"files": registry.files, "number": registry.number, "single": registry.single}
    return _plain(body | {"seal": _digest(_plain(body))})


def _load(path: Path) -> _Registry | str:
    """A copy of the registry, or what is wrong with it."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return _ABSENT
    try:
        body = json.loads(data)
        seal = body.pop("seal")
        if seal != _digest(_plain(body)) or _plain(body | {"seal": seal}) != data:
            return _ALTERED
        return _Registry(**body)
    except (ValueError, KeyError, TypeError, AttributeError):
        return _ALTERED


def _plain(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, indent=0).encode()


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=32).hexdigest()
