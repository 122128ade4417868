"""Reads each document in a process of its own that has limits, can be killed and, where bubblewrap works, sees nothing else.

Documents are hostile: an archive unpacks to terabytes, an entity expands without end, a page refers to itself, a parser written in
C is led astray. The child process (tasks/documents/reader_process.py) has the bytes of one document and nothing besides: a limit of
CPU seconds, wall seconds, address space and output, and inside the isolation of the sandbox neither a network nor a file of the
host's users. It answers with JSON, which is checked here value by value; nothing is unpickled.

What the document causes is UnreadableDocument with a typed code. A process that could not be started, that was killed from
outside, or that lacks a library is a failure of ours: ReadingFailed. Without bubblewrap the limits hold, and the child could
reach files and the network if a parser were taken over by the document; `isolated` says which it is.

It does not limit a disk: the answer of the child is a temporary file of at most `output_mb`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import signal
import struct
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final

import orjson

from storage.errors import ForPeople, in_one_line
from tasks.documents.document import KINDS, Document, Element, Heading
from tasks.documents.formats import REFUSALS, ReadOptions, RefusalCode, UnreadableDocument
from tasks.sandbox import Isolation, Limits, SandboxUnavailable, cgroup, isolate, isolation, process

TESSERACT: Final = (Path("/usr/bin/tesseract"), Path("/usr/share/tesseract-ocr"))  # of Debian's packages
_THREADS: Final = 64
_SCRATCH_MB: Final = 16
_CRASHES: Final = {
    signal.SIGSEGV,
    signal.SIGABRT,
    signal.SIGBUS,
    signal.SIGILL,
    signal.SIGFPE,
    signal.SIGTRAP,
}
_SIZE: Final = struct.Struct(">Q")


class ReadingFailed(ForPeople, RuntimeError):
    """A document could not be read for a reason that is not in it, so that nothing is known about it. One line with the fix."""


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """The limits of reading one document. Raises ValueError if one is not above 0.

    cpu_s: CPU seconds of one process of the reader. wall_s: seconds from start to end, waiting for a processor included.
    memory_mb: MiB of address space of one process. output_mb: MiB that the reader may write. file_mb: MiB of the document with all
    of its files.
    """

    cpu_s: float = 600.0
    wall_s: float = 1_800.0
    memory_mb: int = 2_048
    output_mb: int = 256
    file_mb: int = 1_024

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if not getattr(self, name) > 0:
                raise ValueError(f"the limit {name} of reading is {getattr(self, name)}; it must be above 0")


@dataclass(frozen=True, slots=True)
class ReaderReply:
    """What the child process sent: a value of JSON, and byte strings such as images. peak_mb: its peak resident set in MiB."""

    value: Any
    blobs: tuple[bytes, ...]
    peak_mb: float


def read_document(
    data: bytes, name: str, options: ReadOptions | None = None, limits: ReadLimits | None = None
) -> Document:
    """Return the document that the bytes of the file `name` are.

    Raises:
        UnreadableDocument: the document is damaged, hostile, over a limit or of no known format; `code` says which.
        ReadingFailed: it could not be read for a reason that is not in the document.
    """
    return document_of(call("read", data, name, options, limits).value)


def call(
    action: str,
    data: bytes,
    name: str,
    options: ReadOptions | None = None,
    limits: ReadLimits | None = None,
    **arguments: Any,
) -> ReaderReply:
    """Run one action of tasks/documents/reader_process.py on a document in a process of its own. `arguments` go to the action
    as JSON. Raises as read_document."""
    options, limits = options or ReadOptions(), limits or ReadLimits()
    size = len(data) + sum(map(len, options.files.values()))
    if size > limits.file_mb << 20:
        raise UnreadableDocument(
            f"{name}: {size >> 20} MiB, over the limit of {limits.file_mb} MiB. Fix: divide it, or raise the limit",
            code="too_large",
        )
    settings = {
        field.name: getattr(options, field.name)
        for field in dataclasses.fields(options)
        if field.name != "files"
    }
    request = {
        "action": action,
        "name": name,
        "options": settings,
        "files": list(options.files),
        "limits": dataclasses.asdict(limits),
        "arguments": arguments,
    }
    with TemporaryFile() as given, TemporaryFile() as reply, TemporaryFile() as errors:
        for part in (orjson.dumps(request), data, *options.files.values()):
            given.write(_SIZE.pack(len(part)))
            given.write(part)
        given.seek(0)
        ended = _run(given, reply, errors, limits)
        return _reply(ended, reply, errors, name, limits)


@functools.cache
def isolated() -> Isolation:
    """Return whether documents are read inside bubblewrap on this machine, and if not, why and how to change it."""
    return isolation()


@dataclass(frozen=True, slots=True)
class _Ended:
    """How the child ended. `code` as subprocess has it, None: it was killed here after `wall_s`."""

    code: int | None
    out_of_memory: bool = False


def _run(given: IO[bytes], reply: IO[bytes], errors: IO[bytes], limits: ReadLimits) -> _Ended:
    command = [isolate.interpreter(), "-s", "-S", "-P", "-B", "-m", "tasks.documents.reader_process"]
    packages = [isolate.PROJECT / folder for folder in ("tasks", "storage")]
    environment = {
        "PYTHONPATH": ":".join([str(isolate.PROJECT), *isolate.sites()]),
        "OMP_THREAD_LIMIT": "1",  # of tesseract
        "LANG": "C.UTF-8",
        "PATH": "/usr/bin:/bin",
    }
    bounds = Limits(memory_mb=limits.memory_mb, tmp_mb=_SCRATCH_MB, threads=_THREADS)
    if not isolated().ok:
        try:
            child = subprocess.Popen(
                command,
                stdin=given,
                stdout=reply,
                stderr=errors,
                env=environment | {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,
            )
        except OSError as error:
            raise ReadingFailed(
                f"the process that reads documents could not be started: {error.strerror}. "
                "Fix: free memory or processes, and run again"
            ) from error
        return _wait(child, limits.wall_s)
    try:
        child, info_in = process.start(
            bounds,
            command,
            stdin=given.fileno(),
            stdout=reply.fileno(),
            stderr=errors.fileno(),
            shown=[*packages, *(path for path in TESSERACT if path.exists())],
            environment=environment,
            first=False,
        )
    except SandboxUnavailable as error:
        raise ReadingFailed(str(error)) from error
    group: cgroup.Cgroup | None = None
    try:
        with os.fdopen(info_in, "rb") as stream:
            info = stream.read()
        if info:  # otherwise bubblewrap has ended, and its exit code and message say why
            group = cgroup.enclose(orjson.loads(info)["child-pid"], bounds)
        ended = _wait(child, limits.wall_s)
        return dataclasses.replace(ended, out_of_memory=group is not None and group.memory_kills() > 0)
    finally:
        _kill(child)
        if group is not None:
            group.remove()


def _wait(child: subprocess.Popen[bytes], wall_s: float) -> _Ended:
    try:
        code = child.wait(wall_s)
        return _Ended(128 - code if code < 0 else code)  # as bubblewrap and shells report a signal
    except subprocess.TimeoutExpired:
        return _Ended(None)
    finally:
        _kill(child)


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End the process and all that it started. What bubblewrap isolates dies with it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _reply(ended: _Ended, reply: IO[bytes], errors: IO[bytes], name: str, limits: ReadLimits) -> ReaderReply:
    """Return what the child wrote, or raise what its end means."""
    if ended.code is None:
        raise _over(name, "time", f"not read within {limits.wall_s:g} s")
    if ended.out_of_memory:
        raise _over(name, "memory", f"its reader takes more than {limits.memory_mb} MiB of memory")
    reply.seek(0)
    started = reply.read(1) == b"\x01"
    if ended.code > 128 and started:
        number = ended.code - 128
        if number == signal.SIGXCPU:
            raise _over(name, "time", f"its reader takes more than {limits.cpu_s:g} s of CPU time")
        if number == signal.SIGXFSZ:
            raise _over(name, "output", f"more than {limits.output_mb} MiB come out of it")
        if number in _CRASHES:
            raise UnreadableDocument(
                f"{name}: its reader crashed ({signal.Signals(number).name}; a damaged or hostile file, or one that takes "
                f"more than {limits.memory_mb} MiB). Fix: leave it out, or save it anew with the program that made it",
                code="crashed",
            )
        raise ReadingFailed(f"{name}: its reader was ended from outside by signal {number}. Fix: run again")
    if ended.code or not started:
        errors.seek(0)
        lines = errors.read(1 << 16).decode("utf-8", "replace").strip().splitlines() or ["without a message"]
        raise ReadingFailed(
            f"{name}: the process that reads documents ended with exit code {ended.code} "
            f"({in_one_line(ValueError(lines[-1]))}). Fix: ./mathmill doctor; pip install -c constraints.txt -e ."
        )
    header, blobs = _parts(reply)
    if not isinstance(header, dict):
        raise invalid_reply("its reply is no object")
    if "failed" in header:
        raise ReadingFailed(in_one_line(ValueError(f"{name}: {header['failed']}"), 600))
    if "refused" in header:
        raise refusal_of(header)
    peak = header.get("peak_kb")
    return ReaderReply(header.get("value"), tuple(blobs), peak / 1024 if isinstance(peak, int) else 0.0)


def refusal_of(record: Mapping[str, Any]) -> UnreadableDocument:
    """Return the refusal that the child process replied with. Raises ReadingFailed if it has no known code."""
    code = next((one for one in REFUSALS if one == record["refused"]), None)
    if code is None:
        raise invalid_reply("it refuses with an unknown code")
    return UnreadableDocument(in_one_line(ValueError(str(record.get("message"))), 600), code)


def _parts(reply: IO[bytes]) -> tuple[Any, list[bytes]]:
    blocks = list(_blocks(reply))
    if not blocks:
        raise invalid_reply("its reply is empty")
    try:
        return orjson.loads(blocks[0]), blocks[1:]
    except orjson.JSONDecodeError as error:
        raise invalid_reply("its reply is no JSON") from error


def _blocks(reply: IO[bytes]) -> Iterator[bytes]:
    while head := reply.read(_SIZE.size):
        block = reply.read(_SIZE.unpack(head)[0]) if len(head) == _SIZE.size else b""
        if len(head) < _SIZE.size or len(block) < _SIZE.unpack(head)[0]:
            raise invalid_reply("its reply is cut off")
        yield block


def _over(name: str, code: RefusalCode, why: str) -> UnreadableDocument:
    return UnreadableDocument(f"{name}: {why}. Fix: leave it out, divide it, or raise the limit", code)


def invalid_reply(why: str) -> ReadingFailed:
    """Return the error for a reply of the child process that is not as its program writes it."""
    return ReadingFailed(f"the process that reads documents: {why}. Fix: report this as a fault of mathmill")


def document_of(record: Any) -> Document:
    """Return the document of a record of JSON, each value checked. Raises ReadingFailed for any other value."""
    try:
        headings = [_heading(one) for one in record["headings"]]
        count = len(record["elements"])
        return Document(
            title=_text(record["title"]),
            format=_text(record["format"]),
            headings=headings,
            elements=[_element(one, len(headings), count) for one in record["elements"]],
            language=_optional_text(record["language"]),
            license=_optional_text(record["license"]),
            missing=[_text(one) for one in record["missing"]],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise invalid_reply(f"the document is not one ({in_one_line(error)})") from error


def _heading(record: Mapping[str, Any]) -> Heading:
    level = _number(record["level"])
    if not level:
        raise ValueError("a heading without a level")
    return Heading(_text(record["title"]), level, _optional_text(record["number"]))


def _element(record: Mapping[str, Any], headings: int, elements: int) -> Element:
    if record["kind"] not in KINDS:
        raise ValueError("an element of an unknown kind")
    return Element(
        kind=record["kind"],
        text=_text(record["text"]),
        heading=_number(record["heading"], headings),
        label=_optional_text(record["label"]),
        part=_optional_text(record["part"]),
        page=_number(record["page"]),
        start=_number(record["start"]),
        end=_number(record["end"]),
        of=_number(record["of"], elements),
        refers=tuple(_text(one) for one in record["refers"]),
        unsure=tuple(_text(one) for one in record["unsure"]),
        open_ended=record["open_ended"] is True,
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a value that is no text")
    return value


def _optional_text(value: Any) -> str | None:
    return None if value is None else _text(value)


def _number(value: Any, below: int = 1 << 53) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not 0 <= value < below:
        raise ValueError("a number that is none or out of its range")
    return value
