"""Sandbox: programs in, one Result a program out, in order, whatever the programs do.

Each worker is a thread with a warm isolation of its own, which runs one program at a time; so a
program has no neighbour. An isolation is replaced when a program left anything behind or ended in
a way that honest programs do not, when it fails, and every so many programs.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from types import TracebackType
from typing import Self

from tasks.sandbox.isolate import SandboxUnavailable, isolation
from tasks.sandbox.process import Broken, Process
from tasks.sandbox.selftest import prove
from tasks.sandbox.verdict import Limits, Result, clean, read

REPLACE_AFTER = 2_000  # programs an isolation serves
ATTEMPTS = 3  # of a program whose isolation failed, before its verdict is `infra`
SECOND_SEED, SECOND_CLOCK_S = 1, 86_400 * 401 + 3_661  # another day, month, year, hour and minute

_Job = tuple[str, "Future[Result]"]


class Sandbox:
    """Runs programs written by a model. A context manager; `run` may be called from any thread.

    Entering it starts `workers` isolations (default: one a core), tries the known escapes in each
    and raises SandboxUnavailable if one works or isolation cannot be had. Nothing is ever run
    outside an isolation that was proved so.
    """

    def __init__(self, limits: Limits | None = None, *, workers: int | None = None) -> None:
        self.limits = limits or Limits()
        self.workers = workers or len(os.sched_getaffinity(0))
        self._lock, self._second_lock = threading.Lock(), threading.Lock()
        self._lanes: list[_Lane] = []
        self._second: list[_Lane] = []
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._second_jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._open = False
        self._closing = threading.Event()

    def __enter__(self) -> Self:
        found = isolation()
        if not found.ok:
            raise SandboxUnavailable(found)
        self._open = True
        self._closing.clear()
        try:
            self._lanes = self._start(self._jobs, self.workers, 0, 0)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every isolation, now; programs running or waiting get `infra`."""
        with self._lock:  # nothing is queued from here on
            self._open = False
        self._closing.set()
        for lanes, jobs in ((self._lanes, self._jobs), (self._second, self._second_jobs)):
            _end(lanes, jobs)
            lanes.clear()

    def run(self, programs: Sequence[str], *, twice: bool = False) -> list[Result]:
        """Run the programs; one Result each, in their order.

        With `twice`, those that are ok run again under another hash seed, random seed and clock,
        and `deterministic` says whether the answer was the same (None: the second run failed).
        """
        results = self._run(programs, self._jobs)
        if not twice:
            return results
        with self._second_lock:
            if not self._second:
                self._second = self._start(self._second_jobs, self.workers, SECOND_SEED, SECOND_CLOCK_S)
        again = [index for index, result in enumerate(results) if result.verdict == "ok"]
        seconds = self._run([programs[index] for index in again], self._second_jobs)
        for index, second in zip(again, seconds, strict=True):
            if second.verdict != "infra":
                same = second.answer == results[index].answer
                results[index] = replace(results[index], deterministic=same)
        return results

    def nondeterministic(self, programs: Sequence[str]) -> list[bool]:
        """For each program, whether it gave an answer that another run does not give."""
        return [result.deterministic is False for result in self.run(programs, twice=True)]

    def _run(self, programs: Sequence[str], jobs: queue.SimpleQueue[_Job | None]) -> list[Result]:
        futures: list[Future[Result]] = [Future() for _ in programs]
        with self._lock:
            if not self._open:
                raise RuntimeError("the sandbox is not open: use it in a with statement")
            for job in zip(programs, futures, strict=True):
                jobs.put(job)
        return [future.result() for future in futures]

    def _start(
        self, jobs: queue.SimpleQueue[_Job | None], count: int, seed: int, clock_shift_s: int
    ) -> list[_Lane]:
        lanes = [_Lane(self.limits, jobs, self._closing, seed, clock_shift_s) for _ in range(count)]
        for lane in lanes:
            lane.start()
        failures = [lane.proved.exception() for lane in lanes]
        failure = next((error for error in failures if error is not None), None)
        if failure is not None:
            _end(lanes, jobs)
            raise failure
        return lanes


def _end(lanes: list[_Lane], jobs: queue.SimpleQueue[_Job | None]) -> None:
    for lane in lanes:
        jobs.put(None)
        lane.interrupt()
    for lane in lanes:
        lane.join()


class _Lane(threading.Thread):
    """One worker: takes jobs, and keeps a proved isolation to run them in."""

    def __init__(
        self,
        limits: Limits,
        jobs: queue.SimpleQueue[_Job | None],
        closing: threading.Event,
        seed: int,
        clock_shift_s: int,
    ) -> None:
        super().__init__(daemon=True, name="sandbox")
        self.limits, self.jobs, self.closing = limits, jobs, closing
        self.seed, self.clock_shift_s = seed, clock_shift_s
        self.proved: Future[None] = Future()
        self.process: Process | None = None

    def run(self) -> None:
        try:
            self._fresh()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self.proved.set_exception(error)
            return
        self.proved.set_result(None)
        while (job := self.jobs.get()) is not None:
            program, future = job
            try:
                result = self._one(program)
            except Exception as error:  # noqa: BLE001 - one row's trouble must not end its neighbours
                words = clean(f"{type(error).__name__}: {error}")[:400]
                future.set_result(Result("infra", error=f"sandbox: {' '.join(words.split())}"))
                self._retire()
            else:
                future.set_result(result)
        self._retire()

    def interrupt(self) -> None:
        """From another thread: end what is running; the lane sees it and goes on."""
        process = self.process
        if self.closing.is_set() and process is not None:
            process.interrupt()

    def _one(self, program: str) -> Result:
        if len(program) > self.limits.program_chars:
            return Result("error", error=f"a program of more than {self.limits.program_chars} characters")
        trouble = ""
        for _ in range(ATTEMPTS):
            if self.closing.is_set():
                return Result("infra", error="sandbox: it was closed")
            try:
                process = self.process or self._fresh()
                ended = process.run(program)
            except (Broken, SandboxUnavailable) as error:
                trouble = str(error)
                self._retire()
                continue
            result = read(ended, self.limits)
            if ended.header.suspect or process.served >= REPLACE_AFTER:
                self._retire()
            return result
        return Result("infra", error=f"sandbox: {trouble}")

    def _fresh(self) -> Process:
        process = Process(self.limits, seed=self.seed, clock_shift_s=self.clock_shift_s)
        try:
            prove(process)
        except BaseException:
            process.kill()
            raise
        self.process = process
        return process

    def _retire(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process = None
