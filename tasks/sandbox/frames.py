"""Parsing of what an isolation writes: every byte string gives a typed value or a defined failure.

There are two writers. The *header* is written by the server (process 1), which no program can reach: a header that
cannot be parsed means that the isolation is broken, which is a failure of the sandbox. The *report* is in a page that the
program shares, so it is untrusted: one that cannot be parsed counts as no report, as if the program had ended without
writing one. The functions raise only HeaderError, whatever the bytes are.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

End = Literal["", "cpu", "idle", "wall", "output", "exit"]
FRAME_MAX = 1 << 20  # bytes of one frame or blob
WORDS_MAX = 1_000  # characters of a report's texts that are read; the child writes at most 300
CPU_MAX = 1e9  # seconds
STATUS_MAX = 1 << 16  # wait(2): exit code and signal number share 16 bits


class HeaderError(ValueError):
    """A frame that a working server does not write."""


@dataclass(frozen=True, slots=True)
class Header:
    """The server's report on one program.

    `end` is the limit that ended it, or "exit" if it ended by itself ("" is never sent by a working server). `status` is a
    wait status (see os.WIFEXITED), `cpu_s` seconds of user and system time, `peak_kb` the peak resident set in KiB,
    `stdout` and `report` the lengths in bytes of the two blobs that follow, and `suspect` whether the program left
    anything behind.
    """

    end: End
    status: int
    cpu_s: float
    peak_kb: int
    stdout: int
    report: int
    suspect: bool


@dataclass(frozen=True, slots=True)
class Value:
    """A program that ran to its end: its answer as text (None: none, or none that can be read)."""

    text: str | None
    named_last: bool


@dataclass(frozen=True, slots=True)
class Raised:
    """A program that raised: the name of the exception, the start of its message, its base; line and errno if known."""

    name: str
    words: str
    base: str
    line: int | None
    errno: int | None


ProgramReport = Value | Raised


def frame(data: bytes) -> dict[str, Any]:
    """Return a frame of the server as a dict. Raises HeaderError if it is anything else."""
    message = _object(data)
    if message is None:
        raise HeaderError("a frame that is not a JSON object")
    return message


def header(message: dict[str, Any]) -> Header:
    """Return the header of a reply. Raises HeaderError if a field is missing, of another type or out of range."""
    end = message.get("end")
    if not isinstance(end, str) or end not in get_args(End):
        raise HeaderError(f"a reply whose end is {end!r:.80}")
    cpu_s, suspect = message.get("cpu_s"), message.get("suspect")
    if not isinstance(cpu_s, int | float) or isinstance(cpu_s, bool) or not 0 <= cpu_s <= CPU_MAX:
        raise HeaderError(f"a reply whose cpu_s is {cpu_s!r:.80}")
    if type(suspect) is not bool:
        raise HeaderError(f"a reply whose suspect is {suspect!r:.80}")
    return Header(
        end=cast(End, end),
        status=_integer(message, "status", STATUS_MAX),
        cpu_s=float(cpu_s),
        peak_kb=_integer(message, "peak_kb", 1 << 53),
        stdout=_integer(message, "stdout", FRAME_MAX),
        report=_integer(message, "report", FRAME_MAX),
        suspect=suspect,
    )


def report(data: bytes) -> ProgramReport | None:
    """Return the report of a program, or None if there is none or any part of it is not as a child writes it."""
    fields = _object(data) if data else None
    if fields is None:
        return None
    if "error" not in fields:
        text, last = fields.get("value"), fields.get("named_last")
        return Value(text, last) if type(text) in (str, type(None)) and type(last) is bool else None
    texts = [fields["error"], fields.get("words"), fields.get("base")]
    numbers = [fields.get("line"), fields.get("errno")]
    if not all(type(text) is str for text in texts):
        return None
    if not all(number is None or type(number) is int for number in numbers):
        return None
    name, words, base = (text[:WORDS_MAX] for text in texts)
    line, errno = numbers
    return Raised(name, words, base, line, errno)


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None  # not JSON, not text, a number too long to read, or nested too deep
    return value if type(value) is dict else None


def _integer(message: dict[str, Any], name: str, limit: int) -> int:
    value = message.get(name)
    if type(value) is not int or not 0 <= value <= limit:
        raise HeaderError(f"a reply whose {name} is {value!r:.80}")
    return value
