"""Files that are there whole or not at all, also after a power cut: written under another name beside their own, made
durable, renamed."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

AS_UMASK = 0o666


def write_bytes(path: Path, data: bytes | memoryview, *, mode: int = AS_UMASK) -> None:
    """Replace the file at `path` with `data`. At any moment a reader sees the old file or the new one, and after a return
    the new one is durable. Its folder must be there.

    `mode` holds from the first byte on, less what the umask takes away. The temporary file begins with a point; one that
    a killed process left is nobody's.
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
    """`write_bytes` for text, as UTF-8."""
    write_bytes(path, text.encode(), mode=mode)


def flush(path: str | os.PathLike[str]) -> None:
    """Make a file's bytes durable, or the names in a folder (what was created in it, or renamed)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
