"""The location of tables: a folder or an s3:// URL, addressed for pyarrow, delta-rs and DuckDB."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs

from storage.atomic import flush, write_bytes
from storage.errors import StorageError, explained, in_one_line

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_TAKEN = ("rows", "rejected")  # names of views in storage.sql


def is_name(name: str) -> bool:
    """Return whether a dataset can have this name."""
    return bool(_NAME.fullmatch(name)) and ".." not in name and name not in _TAKEN


def checked_name(name: str) -> str:
    """Return a dataset name, which cannot lead out of its folder. Raises StorageError if it is not a valid name."""
    if not is_name(name):
        raise StorageError(
            f"{name!r} is not a valid dataset name. Fix: use small letters, digits, '.', '_' and '-', "
            "starting with a letter or digit, such as math-sft (not rows or rejected)"
        )
    return name


@dataclass(frozen=True)
class Location:
    """A folder of tables. `root` is an absolute path or a URL with a scheme (s3://bucket/prefix)."""

    root: str

    @classmethod
    def of(cls, where: str | os.PathLike[str]) -> Location:
        """Return the location of a path or URL."""
        text = os.fspath(where)
        if text.startswith("file://"):
            text = text.removeprefix("file://")
        return cls(text.rstrip("/") if "://" in text else os.path.abspath(os.path.expanduser(text)))

    @property
    def local(self) -> bool:
        """Whether it is a folder of this machine."""
        return "://" not in self.root

    @cached_property
    def _opened(self) -> tuple[pafs.FileSystem, str]:
        if self.local:
            return pafs.LocalFileSystem(), self.root
        with self._reached():
            filesystem, path = pafs.FileSystem.from_uri(self.root)
        return filesystem, path

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        """Raise StorageError, with a fix, if the object store cannot be reached."""
        try:
            yield
        except (OSError, pa.ArrowInvalid) as error:
            if self.local:
                raise
            raise StorageError(
                f"cannot open {self.root} ({in_one_line(error)}). Fix: check MATHMILL_STORE, that the bucket exists, "
                "and the store's credentials, such as AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION"
            ) from error

    @property
    def filesystem(self) -> pafs.FileSystem:
        """The file system of pyarrow for this location."""
        return self._opened[0]

    def path(self, *parts: str) -> str:
        """Return a path for `filesystem`."""
        return "/".join([self._opened[1], *parts])

    def url(self, *parts: str) -> str:
        """Return a path or URL for delta-rs and DuckDB."""
        return "/".join([self.root, *parts])

    def make_writable(self) -> None:
        """Create the folder and check that files can be created in it. Raises StorageError if they cannot."""
        if not self.local:
            return
        with explained(self.root):
            Path(self.root).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass

    def reach(self) -> None:
        """Check that the bucket exists and can be accessed. Raises StorageError if not."""
        if self.local:
            return
        bucket = self.path().split("/")[0]
        with self._reached():
            info = self.filesystem.get_file_info(bucket)
        if info.type == pafs.FileType.NotFound:
            raise StorageError(
                f"cannot open {self.root}: there is no bucket {bucket}. Fix: create it, or check MATHMILL_STORE"
            )

    def folders(self) -> list[str]:
        """Return the names of the folders directly inside; none if nothing has been written yet."""
        selector = pafs.FileSelector(self.path(), allow_not_found=True)
        with self._reached():
            infos = self.filesystem.get_file_info(selector)
        return sorted(info.base_name for info in infos if info.type == pafs.FileType.Directory)

    def exists(self, *parts: str) -> bool:
        """Return whether a file or folder exists at that path."""
        with self._reached():
            info = self.filesystem.get_file_info(self.path(*parts))
        return bool(info.type != pafs.FileType.NotFound)

    def read(self, *parts: str) -> bytes:
        """Return the content of a file."""
        with self.filesystem.open_input_stream(self.path(*parts)) as stream:
            return bytes(stream.read())

    def write(self, data: bytes, *parts: str) -> None:
        """Write a file atomically: by a rename, or by one put to an object store."""
        path = self.path(*parts)
        if not self.local:
            with self.filesystem.open_output_stream(path) as stream:
                stream.write(data)
            return
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_bytes(Path(path), data)

    def flush(self, *parts: str) -> None:
        """Make a written file and its folder entry durable. Object stores do that on close."""
        if not self.local:
            return
        path = self.path(*parts)
        flush(path)
        flush(os.path.dirname(path))
