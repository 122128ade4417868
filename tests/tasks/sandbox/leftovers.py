"""Finds what sandboxes left behind: processes, mounts and files of this project only, on a busy machine too.

Other programs on a machine start, end and mount file systems. What counts is what descends from
this process (orphans come back to it while it watches), what is mounted where an isolation mounts, and
files that carry the attacks' mark.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from attacks import MARK

from tasks.sandbox import Sandbox, isolate

PATIENCE_S = 30.0  # for processes that were killed and that a busy machine has not yet ended
_PR_SET_CHILD_SUBREAPER = 36


class Leftovers:
    """A context manager: entered before the sandboxes start; `leftover_lines` after they closed."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self.patience_s = patience_s

    def __enter__(self) -> Self:
        self._subreaper(True)
        self.before = set(psutil.Process().children(recursive=True))
        self.mounts = set(mounts())
        self.descriptors = psutil.Process().num_fds()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._subreaper(False)

    def leftover_lines(self) -> list[str]:
        """A line for each thing that is still there."""
        lines = [f"process {child}" for child in self._survivors()]
        lines += [f"mount {line}" for line in mounts() if line not in self.mounts]
        lines += [f"file {path}" for path in marks()]
        more = psutil.Process().num_fds() - self.descriptors
        return [*lines, f"{more} descriptors"] if more else lines

    def _survivors(self) -> list[psutil.Process]:
        deadline = time.monotonic() + self.patience_s
        while True:
            alive = [child for child in psutil.Process().children(recursive=True) if child not in self.before]
            for child in alive:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(child.pid, os.WNOHANG)  # an orphan that has ended
            if not alive or time.monotonic() > deadline:
                return alive
            time.sleep(0.05)

    @staticmethod
    def _subreaper(on: bool) -> None:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(on), 0, 0, 0)


def inside(box: Sandbox) -> list[str]:
    """The processes of a sandbox's isolations besides each one's first."""
    firsts = [worker.process.first_pid for worker in box._worker_threads if worker.process is not None]
    return [
        pid for first in firsts for pid in Path(f"/proc/{first}/task/{first}/children").read_text().split()
    ]


def mounts() -> Iterator[str]:
    """Lines of mountinfo for the places that isolations and attacks mount on."""
    places = {"/", "/tmp", "/dev", "/dev/shm", "/inside", "/oldroot", "/newroot", *map(str, isolate.bound())}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if line.split()[4] in places:
            yield line


def marks() -> list[Path]:
    folders = [Path(p) for p in ("/", "/tmp", "/dev/shm", "/var/tmp", "/run", str(Path.home()), ".")]
    return [path for folder in folders if os.access(folder, os.R_OK) for path in folder.glob(f"*{MARK}*")]
