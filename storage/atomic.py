"""Atomic, durable writes: written under a temporary name in the same folder, synced to the disk, renamed.

No other module renames a file.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

AS_UMASK = 0o666


def write_bytes(path: Path, data: bytes | memoryview, *, mode: int = AS_UMASK) -> None:
    """Replace the file at `path` with `data`. Its folder must exist.

    At any moment a reader sees the old file or the new one, and on return the new one is durable. The file has `mode`, less
    the umask, from its first byte on. The name of the temporary file begins with a dot; one that a killed process left may
    be deleted.
    """
    with replacing(path) as temporary:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(descriptor, "wb") as file:
            file.write(data)


def write_text(path: Path, text: str, *, mode: int = AS_UMASK) -> None:
    """Replace the file at `path` with `text` in UTF-8; see `write_bytes`."""
    write_bytes(path, text.encode(), mode=mode)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path at which the block writes a file or a folder; then it takes the place of `path`.

    At any moment a reader sees the old content or the new one, and after the block the new one is durable. A folder replaces
    a folder that is empty or missing only. If the block raises, what it wrote is removed and `path` stays as it was. The
    temporary name begins with a dot and ends with `.tmp`; what a killed process left there may be deleted. The folder of
    `path` must exist.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        rename(temporary, path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        else:
            temporary.unlink(missing_ok=True)


def remove_remains(path: Path) -> None:
    """Delete what killed writers left beside `path`. No other process may be writing it."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink()


def rename(source: Path, target: Path) -> None:
    """Make `source` durable, a file or a whole folder, and give it the name `target` in the same file system.

    A file that is there is replaced, and so is an empty folder.
    """
    if source.is_dir():
        for folder, _, files in os.walk(source):
            for name in files:
                flush(Path(folder, name))
            flush(folder)
    else:
        flush(source)
    source.replace(target)
    flush(target.parent)


def flush(path: str | os.PathLike[str]) -> None:
    """Make the bytes of a file durable, or the entries of a folder (files that were created in it or renamed)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
