"""The process in which computer algebra runs: `python -m tasks.answers.worker SECONDS MEGABYTES`.

Answers are hostile text (9^{9^9}), and sympy may never return or use all memory. One process imports and warms
sympy (seconds) and then only forks; its child judges under a memory limit, and a kernel timer ends it when a pair has
used its processor time, so that a lost pair costs a fork and not an import. The limit counts processor time because wall
time depends on what else the machine does, and a verdict must not.

Frames on stdin and stdout: four bytes of length, then JSON; never pickle. A child sends {"ready": pid,
"lost": how the child before it ended, "" for the first}; a request is
{"id", "pairs": [[candidate, gold], ...]}; each [id, verdict] is sent at once, so that a killed child loses one
pair only.

It is no sandbox: it parses text with math-verify's grammar and runs no program.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import signal
import struct
import sys
import traceback
from typing import Any, BinaryIO, cast

MAX_FRAME = 1 << 22
HEADER = struct.Struct(">I")

_RETIRED, _BROKEN = 7, 3  # exit codes: fork another child; no child can work
# the first use of each part of sympy imports it, and each new shape of formula makes the parser build its tables (ten
# times the later cost); without this, every child would repeat both
_WARM = [
    ("\\sqrt{8}", "2\\sqrt{2}"), ("(x+1)^2", "x^2+2x+1"), ("x>2", "2<x"), ("x^2+1", "x^2+2"), ("(1,2)", "(1,3)"),
    ("\\sin x", "\\cos x"), ("x=5", "5"), ("\\{1,\\pi\\}", "\\{2,\\pi\\}"), ("[1,2)", "x<3"), ("2x+y=3", "y=3-2x"),
    ("\\begin{pmatrix}1\\\\x\\end{pmatrix}", "\\begin{pmatrix}x\\\\3\\end{pmatrix}"), ("\\log_2 x", "\\ln y"),
    ("-\\frac{\\sqrt{3}}{2} + \\frac{1-a^2}{1-a}", "14 \\cdot (-1)^{n-1} + 5"), ("2^{10} \\cdot 3^{-4} \\times 5", "102(1.01)^{100}"),
    ("6(x^2 + y^2) - 2(xy + xz)", "(a + b + \\frac{1}{2}c)(d - e)"), ("\\sqrt[3]{2} - 2\\sqrt{(a-c)^2 + (b+d)^2}", "|x-1| + \\pi r^2"),
    ("f(x) = \\frac{a(a-1)}{(1-a)^2}", "2f(x^2) + 2x^2"), ("\\frac{n!}{k!(n-k)!}", "\\binom{n}{k} + a_n x_1"), ("50\\%", "10^{100} - 7"),
    ("\\frac{1}{2}\\ln 2 + e^{-x}", "\\arctan\\frac{1}{2} - \\tan^2 t"), ("-1 \\le x < 3", "(-\\infty, -3) \\cup (3, \\infty)"), ("1, 2, 3+\\sqrt{2}", "(1, 2, 3)"),
    ("2 + 3i", "\\frac{-b \\pm \\sqrt{b^2-4ac}}{2a}"), ("\\lfloor x/2 \\rfloor", "x \\in [1, 2]"), ("4x - 5y + 6 = 0", "x + y = 1, x - y = 2"),
]  # fmt: skip


def write_frame(stream: BinaryIO, message: Any) -> None:
    """Write one message to a stream and flush it."""
    data = json.dumps(message).encode("ascii")
    stream.write(HEADER.pack(len(data)) + data)
    stream.flush()


def read_frame(stream: BinaryIO) -> Any:
    """Return the next message of an unbuffered stream, None at its end. Raises ValueError if it is too long."""
    header = _exactly(stream, HEADER.size)
    if len(header) < HEADER.size:
        return None
    (length,) = HEADER.unpack(header)
    if length > MAX_FRAME:
        raise ValueError(f"frame of {length} bytes: over the limit of {MAX_FRAME}")
    return json.loads(_exactly(stream, length))


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := stream.read(size - len(data))):
        data += more
    return data


def serve(seconds: float, megabytes: int, lost: str) -> int:
    """Judge requests until the stream ends, and return the exit code. `seconds`: processor time per pair."""
    from tasks.answers.symbolic import verdict

    # math-verify and sympy may print; the pipe is for frames only
    requests = cast(BinaryIO, os.fdopen(os.dup(0), "rb", buffering=0))
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    write_frame(replies, {"ready": os.getpid(), "lost": lost})
    while (request := read_frame(requests)) is not None:
        if select.select([requests], [], [], 0)[0]:
            continue  # the parent gave this request up: it was sent to a child that died
        for candidate, gold in request["pairs"]:
            judgement: str
            signal.setitimer(signal.ITIMER_PROF, seconds)  # its signal ends the process
            try:
                judgement = verdict(candidate, gold)
            except MemoryError:
                judgement = "memory"
            except RecursionError:
                judgement = "unknown"
            signal.setitimer(signal.ITIMER_PROF, 0)
            write_frame(replies, [request["id"], judgement])
            if judgement == "memory":
                return _RETIRED  # the state after a failed allocation cannot be trusted
    return 0


def main(seconds: float, megabytes: int) -> int:
    """Import and warm sympy, then fork a child that serves, and another whenever one has to be replaced."""
    from tasks.answers.symbolic import verdict

    for candidate, gold in _WARM:
        verdict(candidate, gold)
    gc.collect()
    gc.freeze()
    lost = ""
    while True:
        child = os.fork()
        if child == 0:
            code = _BROKEN
            try:
                code = serve(seconds, megabytes, lost)
            except Exception:  # noqa: BLE001 - reported on stderr and by the exit code; a fork must not return
                traceback.print_exc()
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        if code in (0, _BROKEN):
            return code
        lost = "timeout" if code == -signal.SIGPROF else "died"


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), int(sys.argv[2])))
