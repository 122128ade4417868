"""Seals the files of a home that belong to no table, such as reports and the records of runs.

The digest of each file is in a registry with two copies: `_seal.json` in the home and `_seals/home.json`. A file that the
registry names and that does not exist was removed; a file with another digest was altered; a missing copy of the registry
is detected by the other one. A kill at any moment causes no false alarm: before a file changes, the registry allows both
the old and the new state, and only afterwards the new one alone. A file that was written before the registry existed is not
in it, which is not damage.
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
    """The digests of the sealed files.

    `files` maps paths below the home to the digests that the file may have; None means that it may be absent. `number`
    counts the changes. `single` is true until the second copy is first written.
    """

    files: dict[str, list[str | None]] = field(default_factory=dict)
    number: int = 0
    single: bool = True


class HomeFiles:
    """The sealed files of one home. Any number of processes on one machine may use them."""

    def __init__(self, home: Path) -> None:
        self.home = Path(home)

    def write(self, path: Path, data: bytes) -> None:
        """Replace the file at `path`, below the home, atomically and durably, and seal it."""
        name = path.relative_to(self.home).as_posix()
        with self._alone():
            registry = self._registry()
            now = _digest(path.read_bytes()) if path.exists() else None
            before = registry.files.get(name, [now]) if now is not None else [None]
            self._record(registry, name, [*before, _digest(data)])
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, data)
            self._record(registry, name, [_digest(data)])

    def remove(self, path: Path) -> None:
        """Remove the file at `path` and its seal. A file that is missing already is not an error."""
        name = path.relative_to(self.home).as_posix()
        with self._alone():
            registry = self._registry()
            if name in registry.files:
                self._record(registry, name, [*registry.files[name], None])
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
                flush(path.parent)
            if registry.files.pop(name, None) is not None:
                self._save(registry)

    def check(self) -> tuple[int, list[str]]:
        """Return the number of sealed files, and a line per missing or altered file or copy of the registry."""
        with self._alone(create=False):
            copies = {name: _load(self.home / name) for name in COPIES}
            readable = [copy for copy in copies.values() if isinstance(copy, _Registry)]
            if all(copy == _ABSENT for copy in copies.values()):
                return 0, []
            registry = max(readable, key=_age, default=_Registry())
            lines = [
                f"{name} {copy}"
                for name, copy in copies.items()
                if isinstance(copy, str) and not (copy == _ABSENT and registry.single and readable)
            ]
            for name, digests in sorted(registry.files.items()):
                path = self.home / name
                if not path.exists():
                    lines += [] if None in digests else [f"{name} {_ABSENT}"]
                elif _digest(path.read_bytes()) not in digests:
                    lines.append(f"{name} {_ALTERED}")
            return len(registry.files), lines

    def _registry(self) -> _Registry:
        """Return the newest readable copy. Its digests are never recomputed from the files, so damage is never sealed."""
        copies = [_load(self.home / name) for name in COPIES]
        readable = [copy for copy in copies if isinstance(copy, _Registry)]
        return max(readable, key=_age, default=_Registry())

    def _record(self, registry: _Registry, name: str, digests: list[str | None]) -> None:
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
        """Admit one process at a time, so that no reader sees an unfinished change."""
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
    """Return a copy of the registry, or what is wrong with it."""
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
