"""Limits, results, and the status of a program derived from what an isolation reports.

What the isolation sends is treated as hostile: lengths are checked, JSON is validated, and control characters are removed
from every string before it is printed or stored.
"""

from __future__ import annotations

import errno
import os
import re
import signal
from dataclasses import dataclass
from typing import Literal

from tasks.answers.sentences import value_in
from tasks.sandbox.frames import Header, Raised, Value, report

Status = Literal["ok", "error", "time", "memory", "output", "denied", "signal", "no_answer", "infra"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one program.

    `cpu_s` (default: `wall_s`) limits programs that compute and `wall_s` programs that wait; a program that computes on a
    busy machine has up to eight times `wall_s`. Memory is counted on top of what the interpreter uses with sympy and numpy
    loaded. `output_chars` limits stdout and stderr together, in bytes of UTF-8; `answer_chars` the answer itself. Raises
    ValueError if a limit is not above 0.
    """

    wall_s: float = 5.0
    cpu_s: float | None = None
    memory_mb: int = 512
    output_chars: int = 262_144
    answer_chars: int = 2_000
    program_chars: int = 200_000
    tail_chars: int = 4_000
    tmp_mb: int = 16
    threads: int = 32

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"sandbox limit {name} is {value}; it must be above 0")

    @property
    def cpu_limit_s(self) -> float:
        """The limit of CPU time in seconds."""
        return self.wall_s if self.cpu_s is None else self.cpu_s

    @property
    def idle_s(self) -> float:
        """How many seconds a program must have been idle before the wall limit applies to it."""
        return min(1.0, self.wall_s / 2)

    @property
    def wall_cap_s(self) -> float:
        """The longest time in seconds that any program may run."""
        return 8 * max(self.wall_s, self.cpu_limit_s)


@dataclass(frozen=True, slots=True)
class Result:
    """How one program ended.

    `verdict` is the status. `answer` is set exactly if it is "ok". `stdout` is the end of the output. `error` is one line,
    `error_line` the line of the program at which it happened. `cpu_s` is seconds of user and system time; `peak_mb` the
    peak resident set in MiB, the interpreter included. `infra` means that the sandbox failed and not the program: it must
    never count as a wrong answer. `deterministic` is set by run(twice=True): whether another hash seed, random seed and
    clock gave the same answer.
    """

    verdict: Status
    answer: str | None = None
    stdout: str = ""
    error: str | None = None
    error_line: int | None = None
    cpu_s: float = 0.0
    peak_mb: float = 0.0
    deterministic: bool | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The reply of an isolation: its own header, which is trusted, and the program's stdout and report, which are not.

    `out_of_memory` says whether the kernel killed a process of the isolation for its memory meanwhile.
    """

    header: Header
    stdout: bytes
    report: bytes
    out_of_memory: bool = False


_DENIED = {errno.EPERM, errno.EACCES, errno.EROFS}
_TOO_MUCH = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


_SAYS = re.compile(r"[^\s\-=_*#~.]")  # a line without any of these is a drawn line and no answer


def clean(text: str) -> str:
    """Return text that is safe to print and store: no terminal escapes, NULs, bidi overrides or lone surrogates."""
    if text.isascii() and text.isprintable():
        return text
    return _CONTROLS.sub("\ufffd", _ESCAPES.sub("", text.replace("\r\n", "\n")))


def read(ended: Ended, limits: Limits) -> Result:
    """Return the result of a program from what the isolation reports."""
    header = ended.header
    stdout = clean(ended.stdout.decode("utf-8", "replace"))
    cpu_s, peak_mb = header.cpu_s, header.peak_kb / 1024
    answer: str | None = None
    line: int | None = None
    verdict: Status
    error: str | None
    if header.end in ("cpu", "idle", "wall"):
        verdict, error = "time", _late(header.end, limits)
    elif header.end == "output":
        verdict, error = "output", f"more than {limits.output_chars} bytes of output"
    elif os.WIFSIGNALED(header.status):
        verdict, error = _signalled(os.WTERMSIG(header.status), ended.out_of_memory, cpu_s, limits)
    else:
        parsed = report(ended.report)
        if isinstance(parsed, Raised):
            verdict, error, line = _raised(parsed, limits)
        elif os.WEXITSTATUS(header.status):
            verdict, error = "error", f"exit status {os.WEXITSTATUS(header.status)}"
        else:
            answer = _answer(parsed, stdout)
            verdict, error = _judged(answer, limits)
    if verdict != "ok":
        answer = None
    return Result(verdict, answer, stdout, error, line, cpu_s, peak_mb)


def _late(end: str, limits: Limits) -> str:
    if end == "idle":
        return f"over {limits.wall_s:g} s, and waiting"
    if end == "wall":
        return f"over {limits.wall_cap_s:g} s in all"
    return f"over {limits.cpu_limit_s:g} s of CPU"


def _answer(parsed: Value | None, stdout: str) -> str | None:
    """Return the answer of a program: the value of a final expression or assignment to `ans`, `answer` or `result`, else
    the last line printed, else the value of such a name or of the function that the program defines but does not call.
    Of a sentence, its number is the answer."""
    value = clean(parsed.text or "").strip() if parsed else ""
    if parsed and value and parsed.named_last:
        return value_in(value) or value
    lines = [line for line in stdout.split("\n") if _SAYS.search(line)]
    last = lines[-1].strip() if lines else value
    return value_in(last) or last or None


def _judged(answer: str | None, limits: Limits) -> tuple[Status, str | None]:
    if answer is None:
        return (
            "no_answer",
            "nothing printed, and no readable ans, answer, result, last value or function to call",
        )
    if len(answer) > limits.answer_chars:
        return "output", f"an answer of more than {limits.answer_chars} characters"
    return "ok", None


def _raised(value: Raised, limits: Limits) -> tuple[Status, str, int | None]:
    text = " ".join(f"{clean(value.name)}: {clean(value.words)}".split())[:400].removesuffix(":")
    place = value.line if value.line is not None and 0 < value.line < 1 << 31 else None
    if value.base == "TooLong":
        return "output", f"an answer of more than {limits.answer_chars} characters", place
    if value.base == "MemoryError" or (value.base == "OSError" and value.errno == errno.ENOMEM):
        return "memory", text, place
    if value.base == "OSError" and value.errno in _DENIED:
        return "denied", text, place
    if value.base == "OSError" and value.errno in _TOO_MUCH:
        return "output", text, place
    return "error", text, place


def _signalled(number: int, out_of_memory: bool, cpu_s: float, limits: Limits) -> tuple[Status, str]:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    if number in (signal.SIGXCPU, signal.SIGKILL) and cpu_s >= limits.cpu_limit_s:
        return "time", _late("cpu", limits)
    if number == signal.SIGKILL and out_of_memory:
        return "memory", "killed for memory"
    if number == signal.SIGKILL:  # no process in there can send it
        return "signal", "SIGKILL, by a timer or a limit that the program set itself"
    if number == signal.SIGSYS:
        return "denied", name
    return "signal", name
