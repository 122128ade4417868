"""A pool of killable worker processes for the pairs of answers that need computer algebra."""

from __future__ import annotations

import contextlib
import json
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

import psutil

from tasks.answers.verdicts import Judgement
from tasks.answers.worker import HEADER, MAX_FRAME, write_frame

_ROOT = str(Path(__file__).resolve().parents[2])
_START_SECONDS = 120.0  # importing and warming sympy takes 2 s alone and many on a loaded machine
_RETIRE_AFTER = 4000  # pairs; sympy's caches only grow
_BATCH = 32
_LOST = ("timeout", "memory", "died")
_STOPPED_SECONDS = (
    30.0  # a child that gets no processor time at all for so long is stopped and not waiting for its turn
)


class WorkerError(RuntimeError):
    """The answer-checking worker cannot run at all (a broken installation, no memory). This is no verdict on an answer."""


class JudgeProcess:
    """A warm process, its child that judges, and the frames between the child and this process. Not thread-safe."""

    def __init__(self, timeout_s: float, memory_mb: int) -> None:
        self.timeout_s = timeout_s
        self.done = 0  # pairs that the current child has judged
        self._request = 0
        self._buffer = b""
        self._child: psutil.Process | None = None
        self._errors = TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        environment = {
            name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ
        }
        environment |= {"PYTHONPATH": _ROOT, "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tasks.answers.worker", str(timeout_s), str(memory_mb)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            start_new_session=True,  # the parent handles Ctrl-C of a terminal
        )
        if not self._greet():
            self.kill()
            self._errors.seek(0)
            tail = self._errors.read()[-300:].decode("utf-8", "replace").strip().rsplit("\n", 1)[-1]
            raise WorkerError(
                f"the answer-checking worker did not start ({tail or 'no message'}): "
                f"try `python -m tasks.answers.worker 3 {memory_mb}`, and raise memory_mb if memory ran out"
            )

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        """Return the verdicts of the pairs in order.

        If the child is lost, the list ends early: its last entry is "timeout", "died" or "memory" for the pair that the
        child was judging.
        """
        verdicts: list[str] = []
        self._request += 1
        try:
            write_frame(
                cast(Any, self.process.stdin), {"id": self._request, "pairs": [list(pair) for pair in pairs]}
            )
        except OSError:
            return ["died"]
        for _ in pairs:
            verdict = self._reply()
            verdicts.append(verdict)
            if verdict == "died":
                self.kill()  # perhaps in the middle of a frame, and the next child would read its rest
            elif verdict == "memory":
                self.replace()
            if verdict in _LOST:
                break
            self.done += 1
        return verdicts

    def _reply(self) -> str:
        """Return one verdict, "died" at the end of the stream, "timeout" if the child has used up its processor time.

        A child that only waits for a processor is waited for, so that verdicts do not depend on the load of the machine.
        """
        used = self._cpu_seconds()
        while True:
            frame, ended = self._frame(time.monotonic() + _STOPPED_SECONDS)
            if isinstance(frame, list):
                if frame[0] == self._request:
                    return str(frame[1])
                continue  # the reply to an earlier request that was given up
            if isinstance(frame, dict):  # the greeting of a child that was forked after one that ended
                self.done, self._child = 0, _process(frame)
                return str(frame["lost"])
            if ended:
                return "died"
            before, used = used, self._cpu_seconds()
            if used <= before:
                self.kill()  # the child may have read a part of the request, and the next one would read its rest
                return "timeout"

    def _cpu_seconds(self) -> float:
        with contextlib.suppress(psutil.NoSuchProcess, AttributeError):
            times = cast(psutil.Process, self._child).cpu_times()
            return float(times.user + times.system)
        return 0.0

    def replace(self) -> None:
        """Kill the child and wait until the warm process has forked another, or has ended."""
        if self._child is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                self._child.kill()  # psutil knows a reused pid
        if not self._greet():
            self.kill()

    def _greet(self) -> bool:
        """Wait for the greeting of a child, skip what a killed one left in the pipe, and return whether a child is running."""
        self.done, self._child = 0, None
        deadline = time.monotonic() + _START_SECONDS
        while True:
            frame, _ = self._frame(deadline)
            if isinstance(frame, dict):
                self._child = _process(frame)
            if frame is None or self._child is not None:
                return self._child is not None

    def _frame(self, deadline: float) -> tuple[Any, bool]:
        """Return one frame and whether the stream has ended; (None, False) at the deadline."""
        stream = cast(Any, self.process.stdout).fileno()
        while True:
            if len(self._buffer) >= HEADER.size:
                (length,) = HEADER.unpack(self._buffer[: HEADER.size])
                end = HEADER.size + length
                if length > MAX_FRAME:
                    return None, True
                if len(self._buffer) >= end:
                    data, self._buffer = self._buffer[HEADER.size : end], self._buffer[end:]
                    return json.loads(data), False
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([stream], [], [], left)[0]:
                return None, False
            data = os.read(stream, 1 << 16)
            if not data:
                return None, True
            self._buffer += data

    @property
    def alive(self) -> bool:
        """Whether the warm process runs."""
        return self.process.poll() is None

    def kill(self) -> None:
        """End the warm process and its child."""
        # the warm process first: it must not fork again
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        if self._child is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                self._child.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):  # unsent bytes of a request to a process that is gone
                cast(Any, stream).close()


def _process(greeting: dict[str, Any]) -> psutil.Process | None:
    """Return the process of the child that greets, None if it has already ended."""
    try:
        return psutil.Process(greeting["ready"])
    except psutil.NoSuchProcess:
        return None


class WorkerPool:
    """A pool of up to `workers` workers that are started when first needed. Thread-safe."""

    def __init__(self, workers: int, timeout_s: float, memory_mb: int) -> None:
        self._timeout_s, self._memory_mb = timeout_s, memory_mb
        self._idle: deque[JudgeProcess] = deque()
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="answers")

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Judgement]:
        """Return one verdict per pair, in order; pairs that ran out of time or memory are "unknown"."""
        batches = [pairs[start : start + _BATCH] for start in range(0, len(pairs), _BATCH)]
        return [verdict for batch in self._threads.map(self._batch, batches) for verdict in batch]

    def _batch(self, pairs: Sequence[tuple[str, str]]) -> list[Judgement]:
        verdicts: list[Judgement] = []
        worker = self._take()
        try:
            while len(verdicts) < len(pairs):
                if not worker.alive:
                    worker.kill()  # its child may still run
                    worker = JudgeProcess(self._timeout_s, self._memory_mb)
                before = worker.done
                judged = worker.judge(pairs[len(verdicts) :])
                if judged[-1] not in _LOST:
                    verdicts.extend(cast(list[Judgement], judged))
                    continue
                verdicts.extend(cast(list[Judgement], judged[:-1]))
                # earlier pairs may have used up the memory: the pair is tried once more, alone in a fresh child
                if judged[-1] == "timeout" or before + len(judged) == 1:
                    verdicts.append("unknown")
        finally:
            self._give(worker)
        return verdicts

    def _take(self) -> JudgeProcess:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return JudgeProcess(self._timeout_s, self._memory_mb)

    def _give(self, worker: JudgeProcess) -> None:
        if worker.alive and worker.done >= _RETIRE_AFTER:
            worker.replace()
        if worker.alive:
            with self._lock:
                self._idle.append(worker)
        else:
            worker.kill()

    def close(self) -> None:
        """Cancel waiting batches and end all workers."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        with self._lock:
            while self._idle:
                self._idle.pop().kill()
