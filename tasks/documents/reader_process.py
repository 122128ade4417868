"""The process that reads one document: `python -m tasks.documents.reader_process`, started by tasks/documents/reading.py.

Standard input has blocks, each eight bytes of length and the bytes: the request as JSON, the document, and its other files.
Standard output begins with one byte that says that the program runs, before any byte of the document is looked at; then follow
blocks again: the reply as JSON ({"value"}, {"refused", "message"} or {"failed"}, with "peak_kb"), and the byte strings of
the action. The limits are set here, by this program on itself, before it reads the document.
"""

from __future__ import annotations

import ctypes
import dataclasses
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from storage.errors import in_one_line
from tasks.documents import ocr
from tasks.documents.formats import HEAD, ReadOptions, RefusalCode, UnreadableDocument, format_of, reader
from tasks.documents.formats.image import suffixes as IMAGES
from tasks.documents.printed_document import document_of_pages
from tasks.documents.printed_heads import PrintedPage
from tasks.documents.printed_lines import PrintedLine

_SIZE: Final = struct.Struct(">Q")
_PDEATHSIG: Final = 1  # prctl(2)
_FILES: Final = 256  # open files

ActionResult = tuple[Any, list[bytes]]


def read(data: bytes, name: str, options: ReadOptions) -> ActionResult:
    """Return the document as a record."""
    return dataclasses.asdict(reader(_format(data, name)).read(data, name, options)), []


def page_count(data: bytes, name: str, options: ReadOptions) -> ActionResult:
    """Return the number of pages of a scan."""
    return ocr.page_count(data, name), []


def recognise(
    data: bytes, name: str, options: ReadOptions, *, first: int, last: int, languages: Sequence[str], dpi: int
) -> ActionResult:
    """Return the pages of a scan as records of PrintedPage, read by tesseract."""
    chosen = languages or ocr.installed_languages()
    records = []
    for number, image in ocr.images_of(data, name, first, last, dpi):
        height, lines = ocr.recognised(image, number, chosen, dpi, name)
        records.append(dataclasses.asdict(PrintedPage(number, height, lines)))
    return records, []


def page_images(
    data: bytes, name: str, options: ReadOptions, *, first: int, last: int, dpi: int, longest: int
) -> ActionResult:
    """Return the pages of a scan from `first` to `last` as PNG files in grey levels, straightened, of at most `longest` pixels
    on their longer side."""
    images = []
    for _, image in ocr.images_of(data, name, first, last, dpi):
        image.thumbnail((longest, longest))
        images.append(ocr.png(ocr.straightened(image), level=9))
    return len(images), images


def transcribed(data: bytes, name: str, options: ReadOptions) -> ActionResult:
    """Return the document of the transcripts of its pages, a JSON list of texts."""
    from tasks.documents.transcripts import document_of_transcripts

    pages = orjson.loads(data)
    if not any(page.strip() for page in pages):
        raise _textless(name, len(pages))
    format = "pdf" if not name.lower().endswith(IMAGES) else "image"
    return dataclasses.asdict(document_of_transcripts(pages, name.rpartition("/")[2], format)), []


def printed(data: bytes, name: str, options: ReadOptions) -> ActionResult:
    """Return the document of records of PrintedPage."""
    scan = [
        PrintedPage(page["number"], page["height"], [PrintedLine(**line) for line in page["lines"]])
        for page in orjson.loads(data)
    ]
    if not any(page.lines for page in scan):
        raise _textless(name, len(scan))
    return dataclasses.asdict(document_of_pages(scan, name.rpartition("/")[2], "pdf")), []


def _textless(name: str, pages: int) -> UnreadableDocument:
    return UnreadableDocument(f"{name}: no text on its {pages} pages. Fix: leave it out", "no_text_layer")


def view(data: bytes, name: str, options: ReadOptions) -> ActionResult:
    """Return what this process can reach, so that a self-test can compare it with what it should."""
    paths = (
        "/etc/passwd",
        "/proc/self",
        "/home",
        str(Path(__file__).parents[2] / "flows"),
        str(Path(__file__).parents[2] / ".git"),
    )
    seen: list[str] = [path for path in paths if os.path.exists(path)]
    variables = sorted(
        set(os.environ)
        - {"PYTHONPATH", "PYTHONHASHSEED", "OPENBLAS_NUM_THREADS", "OMP_THREAD_LIMIT", "LANG", "PATH", "PWD"}
    )
    try:
        socket.socket().close()
        network = True
    except OSError:
        network = False
    return {"paths": seen, "environment": variables, "network": network}, []


def _format(data: bytes, name: str) -> str:
    format = format_of(name, data[:HEAD])
    if format is None:
        raise UnreadableDocument(
            f"{name}: no known format of documents. Fix: name it with the suffix of its format",
            code="unknown_format",
        )
    return format


def pages(
    data: bytes, name: str, options: ReadOptions, *, about: Sequence[Mapping[str, Any]], page_s: float
) -> ActionResult:
    """Return the main text of each page of the web in `options.files`, or why it was refused. `about` are the other
    arguments of `main_text` for each page, `page_s` the CPU seconds that a page may take."""
    from tasks.documents.web.main_text import main_text

    records = []
    signal.signal(signal.SIGPROF, _late)
    for body, arguments in zip(options.files.values(), about, strict=True):
        place = arguments["name"]
        try:
            signal.setitimer(signal.ITIMER_PROF, page_s)
            records.append(dataclasses.asdict(main_text(body, **arguments)))
        except TooLate:
            records.append(_refused(place, "time", f"not read within {page_s:g} s of CPU time"))
        except Exception as error:  # noqa: BLE001 - as for a whole document
            records.append(_refusal(place, error))
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    return records, []


class TooLate(BaseException):
    """A page has taken its time. Libraries that catch every Exception do not catch it."""


def _late(number: int, frame: object) -> None:
    raise TooLate


ACTIONS: Final[Mapping[str, Callable[..., ActionResult]]] = {
    "read": read,
    "pages": pages,
    "page_count": page_count,
    "recognise": recognise,
    "page_images": page_images,
    "transcribed": transcribed,
    "printed": printed,
    "view": view,
}


def answer(request: Mapping[str, Any], data: bytes, files: Iterable[bytes]) -> ActionResult:
    """Run the action of a request, and return the reply as JSON and its byte strings."""
    name = request["name"]
    try:
        options = ReadOptions(files=dict(zip(request["files"], files, strict=True)), **request["options"])
        value, blobs = ACTIONS[request["action"]](data, name, options, **request["arguments"])
        return {"value": value}, blobs
    except ocr.OcrMissing as error:
        return {"failed": in_one_line(error)}, []
    except (ImportError, NameError, SyntaxError) as error:  # of our own code
        return {"failed": f"{in_one_line(error)}. Fix: pip install -c constraints.txt -e ."}, []
    except Exception as error:  # noqa: BLE001 - a parser may raise anything on a hostile file, and the type names it
        return _refusal(name, error), []


def _refusal(name: str, error: Exception) -> dict[str, str]:
    """Return the refusal of a document whose reader raised an error."""
    match error:
        case UnreadableDocument():
            return {"refused": error.code, "message": str(error)}
        case MemoryError():
            return _refused(name, "memory", "its reader takes more memory than the limit")
        case RecursionError():
            return _refused(name, "nesting", "it is nested too deeply")
        case ImportError():
            raise error
    return _refused(name, "damaged", f"{type(error).__name__}: {in_one_line(error)}")


def _refused(name: str, code: RefusalCode, why: str) -> dict[str, str]:
    fix = "Fix: leave it out, or save it anew with the program that made it"
    return {"refused": code, "message": f"{name}: {why}. {fix}"}


def _limit(limits: Mapping[str, Any]) -> None:
    """Set the limits of this process and of those that it starts."""
    seconds = max(1, round(limits["cpu_s"]))
    for kind, most in (
        (resource.RLIMIT_AS, limits["memory_mb"] << 20),
        (resource.RLIMIT_FSIZE, limits["output_mb"] << 20),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _FILES),
    ):
        resource.setrlimit(kind, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it, and an endless reply has to end


def _blocks(stream: BinaryIO) -> list[bytes]:
    blocks = []
    while head := stream.read(_SIZE.size):
        blocks.append(stream.read(_SIZE.unpack(head)[0]))
    return blocks


def main() -> None:
    """Read the request, run its action and write the reply."""
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # so that output of libraries does not mix with the reply
    out.write(b"\x01")
    out.flush()
    first, data, *files = _blocks(sys.stdin.buffer)
    request = orjson.loads(first)
    _limit(request["limits"])
    header, blobs = answer(request, data, files)
    header["peak_kb"] = max(
        resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    try:
        text = _json(header)
    except MemoryError:
        text = _json(_refused(request["name"], "memory", "its text takes more memory than the limit"))
    for block in (text, *blobs):
        out.write(_SIZE.pack(len(block)))
        out.write(block)
    out.flush()
    os._exit(0)  # destructors could crash or exceed the limits


def _json(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except (
        TypeError
    ):  # a lone surrogate, which no reader should let through: shown as a replacement character
        return orjson.dumps(_encodable(value))


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_encodable(one) for one in value]
    return (
        {_encodable(key): _encodable(one) for key, one in value.items()} if isinstance(value, dict) else value
    )


if __name__ == "__main__":
    main()
