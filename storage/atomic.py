"""Atomic, durable writes of files: written under a temporary name in the same folder, synced to the disk, renamed."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

AS_UMASK = 0o666


def write_bytes(path: Path, data: bytes | memoryview, *, mode: int = AS_UMASK) -> None:
    """Replace the file at `path` with `data`. Its folder must exist.

    At any moment a reader sees the old file or the new one, and on return the new one is durable. The file has `mode`, less
    the umask, from its first byte on. The name of the temporary file begins with a dot; one that a killed process left may
    be deleted.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    flush(path.parent)


def write_text(path: Path, text: str, *, mode: int = AS_UMASK) -> None:
    """Write text as UTF-8, in the way of `write_bytes`."""
    write_bytes(path, text.encode(), mode=mode)


def flush(path: str | os.PathLike[str]) -> None:
    """Make the bytes of a file durable, or the entries of a folder (files that were created in it or renamed)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
