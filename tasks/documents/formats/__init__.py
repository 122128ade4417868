"""Formats: plug-ins that read documents, one module each, looked up by name (tasks.plugins).

A module of this folder is a format if it fulfils the protocol `DocumentReader`; its name is `Document.format`. It may have, beside that,

    def sniff(head: bytes, name: str) -> bool              whether a file whose suffix no format has is of this format
    def included(data: bytes, name: str) -> list[str]      the paths that a file includes, as they are written in it
    def is_part(data: bytes, name: str) -> bool            whether a file is a part of a book though no file includes it

`included` and `is_part` are given hostile text outside of any process with limits, so that they take linear time.
A format with `included` has documents of several files. The caller finds the files by these paths inside the folder that the
user named, never outside of it, and gives their bytes in `ReadOptions.files`; a file that another file includes is not read as
a document of its own. Helpers of formats are modules of tasks/documents, not of this folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, cast, get_args

from storage.errors import ForPeople
from tasks.documents.document import Document
from tasks.plugins import module, names

PACKAGE: Final = "tasks.documents.formats"
HEAD: Final = 4096  # bytes of a file that `sniff` is given


RefusalCode = Literal[
    "unknown_format",
    "damaged",  # its parser raised an error, or what it says of itself is not so
    "crashed",  # its parser, which is written in C, was ended by a signal
    "encrypted",
    "no_text_layer",  # a scan, while OCR is off
    "bomb",  # it unpacks or expands to more than a limit
    "nesting",  # it is nested too deeply
    "outside",  # it names a path outside of itself
    "too_large",  # the bytes of the file
    "time",
    "memory",
    "output",
]
OcrEngine = Literal["off", "tesseract", "endpoint"]
REFUSALS: Final[tuple[RefusalCode, ...]] = get_args(RefusalCode)


class UnreadableDocument(ForPeople, ValueError):
    """A document that cannot be read: it is damaged, encrypted, over a limit, or of no known format. The message is one line
    that begins with the name of the file and ends with the fix; `code` is for programs."""

    def __init__(self, message: str, code: RefusalCode = "damaged") -> None:
        self.code: RefusalCode = code
        super().__init__(message)

    def __reduce__(self) -> tuple[type[UnreadableDocument], tuple[str, RefusalCode]]:
        return type(self), (str(self), self.code)  # task runners send it between processes


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a reader is given beside the bytes of the main file.

    files: the other files of a document of several files, by their path with `/` relative to the folder that the user named,
    as the `name` of the main file is. `Element.part` is such a path.
    ocr: what reads pages without a text layer.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    ocr: OcrEngine = "off"


class DocumentReader(Protocol):
    """The contract of a module of this folder."""

    suffixes: tuple[str, ...]
    """Ends of file names, in lower case, such as (".tex", ".ltx")."""

    def read(self, data: bytes, name: str, options: ReadOptions) -> Document:
        """Return the document that the bytes of the file `name` are.

        A pure function of its arguments: it opens no file and no connection, so that it can run in a process with neither.
        Raises UnreadableDocument.
        """
        ...


def reader(name: str) -> DocumentReader:
    """Return the format `name`. Raises UnknownName if there is none; a test holds every module to the contract."""
    return cast(DocumentReader, module(PACKAGE, name))


def format_of(name: str, head: bytes) -> str | None:
    """Return the format of a file by the suffix of its name, or else by its first bytes; None if no format reads it."""
    lowered = name.lower()
    every: list[tuple[str, Any]] = [(one, module(PACKAGE, one)) for one in names(PACKAGE)]
    for one, plugin in every:
        if lowered.endswith(plugin.suffixes):
            return one
    return next((one for one, plugin in every if hasattr(plugin, "sniff") and plugin.sniff(head, name)), None)
