"""The process that computer algebra runs in: `python -m tasks.answers.worker SECONDS MEGABYTES`.

Answers are hostile text (9**9**9), and sympy may take for ever or all memory. The parent kills this process
at its deadline; memory is bounded here, and a timer of the kernel's ends the process even if the parent is
gone. Frames on stdin and stdout: four bytes of length, then JSON. A request is a list of [candidate, gold];
each verdict is answered at once, so that a killed worker loses one pair only.

What it does not do: it is no sandbox. It parses text with math-verify's grammar and runs no program.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import struct
import sys
from typing import Any, BinaryIO

MAX_FRAME = 1 << 22
HEADER = struct.Struct(">I")


def write_frame(stream: BinaryIO, message: Any) -> None:
    data = json.dumps(message).encode("ascii")
    stream.write(HEADER.pack(len(data)) + data)
    stream.flush()


def read_frame(stream: BinaryIO) -> Any:
    """The next message, None at the end of the stream."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    (length,) = HEADER.unpack(header)
    if length > MAX_FRAME:
        raise ValueError(f"frame of {length} bytes: over the limit of {MAX_FRAME}")
    return json.loads(stream.read(length))


def main(seconds: float, megabytes: int) -> None:
    # math-verify or sympy may print; the pipe belongs to the frames alone
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from tasks.answers.symbolic import verdict

    write_frame(replies, "ready")
    while (pairs := read_frame(requests)) is not None:
        for candidate, gold in pairs:
            signal.setitimer(signal.ITIMER_REAL, seconds + 2)
            found: str
            try:
                found = verdict(candidate, gold)
            except MemoryError:
                found = "memory"
            except RecursionError:
                found = "unknown"
            signal.setitimer(signal.ITIMER_REAL, 0)
            write_frame(replies, found)
            if found == "memory":
                return  # what an allocation failure left behind is not to be trusted


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
