"""Files that only their owner reads, and locks that end with their process, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from storage.atomic import write_text

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
POLL_S = 0.05


def write_private(path: Path, text: str) -> None:
    """Write a text file that nobody else can read at any moment; an older one is replaced as a whole."""
    write_text(path, text, mode=PRIVATE_FILE)


@contextlib.contextmanager
def lock(path: Path, *, shared: bool = False, within_s: float = 0.0) -> Iterator[bool]:
    """Hold the lock of `path` while the block lasts. Yields False, and holds nothing, where another process has it
    for longer than `within_s` seconds."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
    try:
        yield _acquired(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, within_s)
    finally:
        os.close(descriptor)  # and with it the lock


def _acquired(descriptor: int, kind: int, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_S)


def is_locked(path: Path) -> bool:
    """Return whether a process holds the exclusive lock of `path`."""
    if not path.exists():
        return False
    with lock(path, shared=True) as free:
        return not free
