"""The class Sandbox: runs programs and returns one Result per program, in order, whatever the programs do.

Each worker is a thread with a warm isolation of its own, which runs one program at a time, so that no two programs
share an isolation. An isolation is replaced when a program left anything behind or ended in a way that honest programs
do not, when the isolation fails, and after REPLACE_AFTER programs.
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

REPLACE_AFTER = 2_000  # programs that one isolation runs
ATTEMPTS = 3  # to run a program whose isolation failed, before its status is `infra`
SECOND_SEED, SECOND_CLOCK_S = 1, 86_400 * 401 + 3_661  # another day, month, year, hour and minute

_Job = tuple[str, "Future[Result]"]


class Sandbox:
    """Runs programs that a model wrote. A context manager; `run` may be called from any thread.

    Entering it starts `workers` isolations (default: one per core) and tries the known escapes in each. Raises
    SandboxUnavailable if an escape works or isolation is not available. No program ever runs outside an isolation that
    passed this test.
    """

    def __init__(self, limits: Limits | None = None, *, workers: int | None = None) -> None:
        self.limits = limits or Limits()
        self.workers = workers or len(os.sched_getaffinity(0))
        self._lock, self._second_lock = threading.Lock(), threading.Lock()
        self._worker_threads: list[_Worker] = []
        self._second: list[_Worker] = []
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._second_jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._open = False
        self._closing = threading.Event()

    def __enter__(self) -> Self:
        available = isolation()
        if not available.ok:
            raise SandboxUnavailable(available)
        self._open = True
        self._closing.clear()
        try:
            self._worker_threads = self._start(self._jobs, self.workers, 0, 0)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every isolation at once; programs that run or wait get the status `infra`."""
        with self._lock:  # no program is queued from here on
            self._open = False
        self._closing.set()
        for workers, jobs in ((self._worker_threads, self._jobs), (self._second, self._second_jobs)):
            _end(workers, jobs)
            workers.clear()

    def run(self, programs: Sequence[str], *, twice: bool = False) -> list[Result]:
        """Run the programs and return one Result each, in their order.

        With `twice`, programs that ended with `ok` run again under another hash seed, random seed and clock, and
        `deterministic` says whether the answer was the same (None: the second run failed). Raises RuntimeError if the
        sandbox is not open.
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
    ) -> list[_Worker]:
        workers = [_Worker(self.limits, jobs, self._closing, seed, clock_shift_s) for _ in range(count)]
        for worker in workers:
            worker.start()
        failures = [worker.proved.exception() for worker in workers]
        failure = next((error for error in failures if error is not None), None)
        if failure is not None:
            _end(workers, jobs)
            raise failure
        return workers


def _end(workers: list[_Worker], jobs: queue.SimpleQueue[_Job | None]) -> None:
    for worker in workers:
        jobs.put(None)
        worker.interrupt()
    for worker in workers:
        worker.join()


class _Worker(threading.Thread):
    """One worker: takes programs from the queue and runs them in a tested isolation."""

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
            except Exception as error:  # noqa: BLE001 - the failure of one program must not affect the others
                detail = clean(f"{type(error).__name__}: {error}")[:400]
                future.set_result(Result("infra", error=f"sandbox: {' '.join(detail.split())}"))
                self._retire()
            else:
                future.set_result(result)
        self._retire()

    def interrupt(self) -> None:
        """End the running program, if the sandbox is closing. Called from another thread."""
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
