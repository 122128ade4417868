"""What an isolation writes, parsed: every byte string gives a typed value or a stated failure.

Two writers are told apart. The *header* is written by the server (process 1), which no program can
reach: a header that does not parse means that the isolation is broken, which is our failure. The
*report* lies in a page that the program shares, so it is data of the program's own: one that does
not parse is treated as no report at all, as if the program had ended without writing one. No
function here raises anything but HeaderError, whatever the bytes are.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

End = Literal["", "cpu", "idle", "wall", "output", "exit"]
FRAME_MAX = 1 << 20  # bytes of one frame or blob
WORDS_MAX = 1_000  # characters of a report's texts that are looked at; the child writes at most 300
CPU_MAX = 1e9  # seconds
STATUS_MAX = 1 << 16  # wait(2): exit code and signal number share 16 bits


class HeaderError(ValueError):
    """A frame of the server's that is not what the server writes."""


@dataclass(frozen=True, slots=True)
class Header:
    """The server's account of one program.

    `end`: the limit that ended it, or "exit" if it ended by itself ("" is never sent by a server
    that works). `status` is a wait status (os.WIFEXITED and its kin read it), `cpu_s` seconds of
    user and system time, `peak_kb` the peak resident set in KiB, `stdout` and `report` the lengths
    in bytes of the two blobs that follow, `suspect` whether the program left anything behind.
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
    """A program that ran to its end: its answer in words (None: none, or none that can be read)."""

    text: str | None
    named_last: bool


@dataclass(frozen=True, slots=True)
class Raised:
    """A program that raised: the exception's name, first words and base; line and errno if known."""

    name: str
    words: str
    base: str
    line: int | None
    errno: int | None


Report = Value | Raised


def frame(data: bytes) -> dict[str, Any]:
    """A frame of the server's as an object; HeaderError if it is anything else."""
    found = _object(data)
    if found is None:
        raise HeaderError("a frame that is not a JSON object")
    return found


def header(found: dict[str, Any]) -> Header:
    """The header of a reply; HeaderError if a field is missing, of another type or out of range."""
    end = found.get("end")
    if not isinstance(end, str) or end not in get_args(End):
        raise HeaderError(f"a reply whose end is {end!r:.80}")
    cpu_s, suspect = found.get("cpu_s"), found.get("suspect")
    if not isinstance(cpu_s, int | float) or isinstance(cpu_s, bool) or not 0 <= cpu_s <= CPU_MAX:
        raise HeaderError(f"a reply whose cpu_s is {cpu_s!r:.80}")
    if type(suspect) is not bool:
        raise HeaderError(f"a reply whose suspect is {suspect!r:.80}")
    return Header(
        end=cast(End, end),
        status=_integer(found, "status", STATUS_MAX),
        cpu_s=float(cpu_s),
        peak_kb=_integer(found, "peak_kb", 1 << 53),
        stdout=_integer(found, "stdout", FRAME_MAX),
        report=_integer(found, "report", FRAME_MAX),
        suspect=suspect,
    )


def report(data: bytes) -> Report | None:
    """A program's report; None if there is none, or if any part of it is not as a child writes it."""
    found = _object(data) if data else None
    if found is None:
        return None
    if "error" not in found:
        text, last = found.get("value"), found.get("named_last")
        return Value(text, last) if type(text) in (str, type(None)) and type(last) is bool else None
    texts = [found["error"], found.get("words"), found.get("base")]
    numbers = [found.get("line"), found.get("errno")]
    if not all(type(text) is str for text in texts):
        return None
    if not all(number is None or type(number) is int for number in numbers):
        return None
    name, words, base = (text[:WORDS_MAX] for text in texts)
    line, errno = numbers
    return Raised(name, words, base, line, errno)


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None  # not JSON, not text, a number too long to read, or nested too deep
    return found if type(found) is dict else None


def _integer(found: dict[str, Any], name: str, limit: int) -> int:
    value = found.get(name)
    if type(value) is not int or not 0 <= value <= limit:
        raise HeaderError(f"a reply whose {name} is {value!r:.80}")
    return value
