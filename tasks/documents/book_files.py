"""What is read as documents: files, and folders of books in one file or several.

A file that another one includes is a part of it. In a folder with one main file, files that are parts by their content, and files
of answers by their name, are read behind it. Nothing outside of a folder that the user named is opened, and no symbolic link that
leads out of it.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tasks.documents.cleaning import cleaned
from tasks.documents.document import Document
from tasks.documents.formats import HEAD, ReadOptions, format_of, reader
from tasks.documents.includes import resolved
from tasks.documents.matching import joined, match_printed
from tasks.documents.reading import ReadLimits
from tasks.documents.scans import TranscribesPages, read_with_ocr
from tasks.ingestion.record import IngestError

MAX_SOURCE: Final = 64 << 20  # bytes of a file in which others may be included
_ANSWERS = re.compile(
    r"solution|answer|hints?(?![a-z])|(?<![a-z])keys?(?![a-z])|lösung|答案|解答|提示", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class DocumentFile:
    """A document: its main file, the files that it may include, and files that are read behind it.

    name: the path of the main file, from the folder that the user named. digest: SHA-256 over the names and bytes of all files;
    sha256: of the main file alone. size: bytes of all files.
    """

    name: str
    root: Path
    digest: str
    sha256: str
    size: int
    files: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()

    def read(
        self, options: ReadOptions, limits: ReadLimits, transcriber: TranscribesPages | None = None
    ) -> Document:
        """Return the cleaned document with its printed solutions matched. `transcriber`: see tasks.documents.scans. Raises
        UnreadableDocument and ReadingFailed."""
        document = self._read(self.name, options, limits, transcriber)
        others = [(path, self._read(path, options, limits, transcriber)) for path in self.behind]
        document = joined(document, others)
        match_printed(document)
        return cleaned(document)

    def _read(
        self, path: str, options: ReadOptions, limits: ReadLimits, transcriber: TranscribesPages | None
    ) -> Document:
        files = {name: (self.root / name).read_bytes() for name in self.files if name != path}
        data = (self.root / path).read_bytes()
        given = {name: getattr(options, name) for name in options.__dataclass_fields__}
        return read_with_ocr(data, path, ReadOptions(**given | {"files": files}), limits, transcriber)


def documents_of(paths: Sequence[str]) -> list[DocumentFile]:
    """Return what the paths name: a file, or every document of a folder, in the order of their names.

    A file is read with the files of its own folder that it includes. Raises IngestError with one line per path that cannot be
    used.
    """
    every: list[DocumentFile] = []
    faults: list[str] = []
    for given in dict.fromkeys(paths):
        path = Path(given).expanduser()
        if not path.exists():
            faults.append(f"{path}: no such file. Fix: check the path")
        elif path.is_dir():
            found_here = _of_folder(path)
            if not found_here:
                faults.append(
                    f"{path}: a folder without documents. Fix: name a folder or file with documents"
                )
            every += found_here
        elif format_of(path.name, _head(path)) is None:
            faults.append(f"{path}: no known format of documents. Fix: name it with the suffix of its format")
        else:
            every += _documents(path.parent, [path.name], _FilesBelow(path.parent))
    if faults:
        raise IngestError("\n".join(faults))
    return every


def _of_folder(root: Path) -> list[DocumentFile]:
    below = _FilesBelow(root)
    names = (path.relative_to(root) for path in sorted(root.rglob("*")) if path.is_file())
    shown = [name.as_posix() for name in names if not any(part.startswith(".") for part in name.parts)]
    readable = [name for name in shown if name in below and format_of(name, _head(root / name)) is not None]
    return _documents(root, readable, below)


class _FilesBelow:
    """The files below a folder, by their paths with `/`, without those to which a symbolic link leads out of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.real = root.resolve()

    def __contains__(self, name: object) -> bool:
        path = self.root / str(name)
        return path.resolve().is_relative_to(self.real) and path.is_file()


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD)
    except OSError as error:
        raise IngestError(
            f"{path}: cannot be read ({error.strerror}). Fix: change its permissions"
        ) from error


def _documents(root: Path, readable: Sequence[str], known: Container[str]) -> list[DocumentFile]:
    inside = {name: _included(root, name, known) for name in readable}
    parts = {one for name in readable for one in _closure(name, inside, root, known) if one != name}
    behind: dict[str, list[str]] = defaultdict(list)
    mains = [name for name in readable if name not in parts]
    for names in _by_folder(mains).values():
        pieces = [name for name in names if _is_part(root, name) or _ANSWERS.search(posixpath.basename(name))]
        wholes = [name for name in names if name not in pieces]
        for piece in pieces:
            owners = wholes if len(wholes) == 1 else [one for one in wholes if _shares_name(piece, one)]
            if len(owners) == 1:
                behind[owners[0]].append(piece)
    taken = {piece for pieces in behind.values() for piece in pieces}
    result = []
    for name in mains:
        if name not in taken:
            # parts and answers in a fixed order, answers last: they are matched to what stands before them
            pieces = sorted(
                behind[name], key=lambda one: (bool(_ANSWERS.search(posixpath.basename(one))), one)
            )
            files = sorted(
                {one for each in (name, *pieces) for one in _closure(each, inside, root, known)}
                - {name, *pieces}
            )
            result.append(_file(root, name, tuple(files), tuple(pieces)))
    return result


def _by_folder(names: Iterable[str]) -> dict[str, list[str]]:
    folders: dict[str, list[str]] = defaultdict(list)
    for name in names:
        folders[posixpath.dirname(name)].append(name)
    return folders


def _shares_name(piece: str, whole: str) -> bool:
    """Return whether a file of answers is named after another file: book-answers.pdf after book.pdf."""
    stem = posixpath.splitext(posixpath.basename(whole))[0].lower()
    return len(stem) > 1 and posixpath.basename(piece).lower().startswith(stem)


def _format_module(root: Path, name: str) -> object | None:
    format = format_of(name, _head(root / name))
    return None if format is None else reader(format)


def _is_part(root: Path, name: str) -> bool:
    check = getattr(_format_module(root, name), "is_part", None)
    path = root / name
    return bool(check and path.stat().st_size <= MAX_SOURCE and check(path.read_bytes(), name))


def _included(root: Path, name: str, known: Container[str]) -> list[str]:
    """Return the files that a file includes, as far as they are there."""
    module = _format_module(root, name)
    paths = getattr(module, "included", None)
    path = root / name
    if paths is None or path.stat().st_size > MAX_SOURCE:
        return []
    suffixes: tuple[str, ...] = getattr(module, "suffixes", ())
    every = (
        resolved(written, name, known, suffixes[0] if suffixes else "")
        for written in paths(path.read_bytes(), name)
    )
    return list(dict.fromkeys(one for one in every if one is not None and one != name))


def _closure(name: str, inside: dict[str, list[str]], root: Path, known: Container[str]) -> list[str]:
    """Return a file and all that it includes, directly or not."""
    result: dict[str, None] = {name: None}
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one not in inside:
            inside[one] = _included(root, one, known)
        fresh = [other for other in inside[one] if other not in result]
        result |= dict.fromkeys(fresh)
        waiting += fresh
    return list(result)


def _file(root: Path, name: str, files: tuple[str, ...], behind: tuple[str, ...]) -> DocumentFile:
    digest = hashlib.sha256()
    size = 0
    own = ""
    for path in (name, *files, *behind):
        with (root / path).open("rb") as file:
            one = hashlib.file_digest(file, "sha256").hexdigest()
        own = own or one
        size += (root / path).stat().st_size
        digest.update(f"{path}\0{one}\0".encode("utf-8", "surrogateescape"))
    return DocumentFile(name, root, digest.hexdigest(), own, size, files, behind)
