"""Killable worker processes for the pairs that need computer algebra."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, cast

from tasks.answers.verdicts import Verdict
from tasks.answers.worker import HEADER, MAX_FRAME, write_frame

_ROOT = str(Path(__file__).resolve().parents[2])
_START_SECONDS = 120.0  # importing sympy takes 1 s alone and many on a loaded machine
_RETIRE_AFTER = 4000  # pairs; sympy's caches only grow
_BATCH = 32


class WorkerError(RuntimeError):
    """The answer-checking worker cannot run at all (a broken installation, no memory): our fault, not a verdict."""


class Worker:
    """One worker process and the frames to and from it. Not for two threads at once."""

    def __init__(self, timeout_s: float, memory_mb: int) -> None:
        self.timeout_s = timeout_s
        self.done = 0
        self._errors = TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        environment = {
            name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ
        }
        environment |= {
            "PYTHONPATH": _ROOT,
            "PYTHONHASHSEED": "0",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tasks.answers.worker", str(timeout_s), str(memory_mb)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            start_new_session=True,  # a terminal's Ctrl-C is the parent's to handle
        )
        self._buffer = b""
        if self._read(time.monotonic() + _START_SECONDS) != "ready":
            self.kill()
            self._errors.seek(0)
            tail = self._errors.read()[-500:].decode("utf-8", "replace").strip()
            raise WorkerError(
                f"the answer-checking worker did not start ({tail or 'no message'}); "
                f"try `python -m tasks.answers.worker 3 {memory_mb}`, and raise memory_mb if it ran out of memory"
            )

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        """Verdicts of the first pairs; fewer than asked when the worker was killed or died, the last then
        being "timeout" or "died" (or "memory") for the pair it was at."""
        verdicts: list[str] = []
        try:
            write_frame(cast(Any, self.process.stdin), [list(pair) for pair in pairs])
        except OSError:
            self.kill()
            return ["died"]
        for _ in pairs:
            deadline = time.monotonic() + self.timeout_s
            found = self._read(deadline)
            if found is None:
                late = time.monotonic() >= deadline
                self.kill()
                return [*verdicts, "timeout" if late else "died"]
            verdicts.append(found)
            self.done += 1
            if found == "memory":
                self.kill()
                return verdicts
        return verdicts

    def _read(self, deadline: float) -> str | None:
        """One frame, or None at the deadline or the end of the stream."""
        stream = cast(Any, self.process.stdout).fileno()
        while True:
            if len(self._buffer) >= HEADER.size:
                (length,) = HEADER.unpack(self._buffer[: HEADER.size])
                if length > MAX_FRAME:
                    return None
                if len(self._buffer) >= HEADER.size + length:
                    data = self._buffer[HEADER.size : HEADER.size + length]
                    self._buffer = self._buffer[HEADER.size + length :]
                    return data.decode("ascii").strip('"')
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([stream], [], [], left)[0]:
                return None
            data = os.read(stream, 1 << 16)
            if not data:
                return None
            self._buffer += data

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            try:
                cast(Any, stream).close()
            except OSError:  # unsent bytes of a request to a process that is gone
                continue


class Pool:
    """Up to `workers` workers, started when first needed, replaced when killed. Safe for many threads."""

    def __init__(self, workers: int, timeout_s: float, memory_mb: int) -> None:
        self._timeout_s, self._memory_mb = timeout_s, memory_mb
        self._idle: deque[Worker] = deque()
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="answers")

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        """One verdict a pair, in order; pairs that ran out of time or memory are "unknown"."""
        batches = [pairs[start : start + _BATCH] for start in range(0, len(pairs), _BATCH)]
        return [verdict for batch in self._threads.map(self._batch, batches) for verdict in batch]

    def _batch(self, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        verdicts: list[Verdict] = []
        again = False
        while len(verdicts) < len(pairs):
            worker = self._take(fresh=again)
            before = worker.done
            found = worker.judge(pairs[len(verdicts) :])
            again, last = False, found[-1] if found else "died"
            if last in ("timeout", "memory", "died"):
                found = found[:-1]
                # memory may have been eaten by earlier pairs: the pair has a second chance in a fresh worker
                again = last != "timeout" and before + len(found) > 0
            verdicts.extend(cast(list[Verdict], found))
            if last in ("timeout", "memory", "died") and not again:
                verdicts.append("unknown")
            self._give(worker)
        return verdicts

    def _take(self, fresh: bool) -> Worker:
        with self._lock:
            worker = self._idle.pop() if self._idle and not fresh else None
        if worker is not None and worker.alive:
            return worker
        return Worker(self._timeout_s, self._memory_mb)

    def _give(self, worker: Worker) -> None:
        if not worker.alive or worker.done >= _RETIRE_AFTER:
            worker.kill()
            return
        with self._lock:
            self._idle.append(worker)

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        with self._lock:
            while self._idle:
                self._idle.pop().kill()
