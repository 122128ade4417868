"""The transport to a vLLM worker process (`vllm:MODEL`), for a GPU machine without a model server."""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import orjson

from storage.counting import counted
from tasks.llm.endpoint import IN_PROCESS, Endpoint, EndpointError
from tasks.llm.transport import Response, TransportError

PROGRAM = Path(__file__).with_name("vllm_worker.py")
PYTHON = "MATHMILL_VLLM_PYTHON"
LOADING = 900.0  # seconds that a model may take to load, unless the endpoint sets `wait_ready`
STARTS = 3  # how often a worker that dies is started in all


class PipeTransport:
    """Starts the worker at the first call, and again when it dies. Used only in the engine's event loop; threads keep the
    blocking reads and writes of the pipe out of it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._model = endpoint.model.removeprefix(IN_PROCESS)
        self._process: subprocess.Popen[bytes] | None = None
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._waiting: dict[int, asyncio.Future[Response]] = {}
        self._ready: asyncio.Future[None] | None = None
        self._log_lines: deque[str] = deque(maxlen=30)
        self._next = 0
        self._starts = 0

    async def post(self, path: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Response:
        await self._started()
        loop = asyncio.get_running_loop()
        self._next += 1
        number = self._next
        future: asyncio.Future[Response] = loop.create_future()
        self._waiting[number] = future
        self._outbox.put(b'{"id":%d,"body":%s}' % (number, body))
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError as error:
            raise TransportError(f"no whole answer in {seconds:g} s", timed_out=True) from error
        finally:
            self._waiting.pop(number, None)

    async def get(self, path: str, headers: Mapping[str, str], seconds: float) -> Response:
        """Answer /models, the only path, once the worker has loaded its model."""
        await self._started()
        return Response(200, {}, orjson.dumps({"data": [{"id": self._model}]}))

    async def close(self) -> None:
        if (process := self._process) is not None:
            self._process = None
            self._outbox.put(None)
            await asyncio.to_thread(_end, process)

    async def _started(self) -> None:
        """Return when the worker is ready. Raises TransportError if it died, EndpointError if it cannot start."""
        if self._ready is None or (self._ready.done() and self._process is None):
            self._ready = self._start()
        try:
            async with asyncio.timeout(self._endpoint.wait_ready or LOADING):
                await asyncio.shield(self._ready)
        except TimeoutError as error:
            raise EndpointError(
                f"{self._endpoint.role}: vLLM has not loaded {self._model} in time; last line of its log: "
                f"{self._last_line()}. Fix: raise {self._endpoint.setting('WAIT_READY')}, or correct "
                f"{self._endpoint.setting('MODEL')}"
            ) from error

    def _start(self) -> asyncio.Future[None]:
        python = self._endpoint.python
        if not python or not Path(python).exists():
            raise EndpointError(
                f"{self._endpoint.setting('MODEL')}={self._endpoint.model} needs an environment with vLLM, and {PYTHON} is "
                f"{python!r}. Fix: run `mathmill setup vllm`, or set {PYTHON} to the Python of an environment that has it"
            )
        if self._starts >= STARTS:
            raise EndpointError(
                f"{self._endpoint.role}: the vLLM worker of {self._model} died {counted(self._starts, 'time')}; last line of its log: "
                f"{self._last_line()}. Fix: correct {self._endpoint.setting('MODEL')} or its options, then run again"
            )
        self._starts += 1
        loop = asyncio.get_running_loop()
        process = subprocess.Popen(
            [python, "-P", str(PROGRAM), self._model, orjson.dumps(dict(self._endpoint.options)).decode()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # vLLM starts further processes, which are ended with it
            env={**os.environ, "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"},
        )
        self._process, self._outbox = process, queue.SimpleQueue()
        ready: asyncio.Future[None] = loop.create_future()
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        for target, args in (
            (self._read, (process, process.stdout, ready, loop)),
            (_write, (process.stdin, self._outbox)),
            (self._listen, (process.stderr,)),
        ):
            threading.Thread(target=target, args=args, name="vllm-pipe", daemon=True).start()
        return ready

    def _read(
        self,
        process: subprocess.Popen[bytes],
        source: IO[bytes],
        ready: asyncio.Future[None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Read frames from the worker until it ends. Runs in a thread."""
        while len(head := source.read(4)) == 4:
            frame = orjson.loads(source.read(int.from_bytes(head, "big")))
            loop.call_soon_threadsafe(self._answered, frame, ready)
        process.wait()
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._died, process, ready)

    def _answered(self, frame: dict[str, Any], ready: asyncio.Future[None]) -> None:
        if frame.get("ready"):
            ready.set_result(None)
            return
        future = self._waiting.get(frame["id"])
        if future is not None and not future.done():
            future.set_result(Response(frame["status"], {}, orjson.dumps(frame["body"])))

    def _died(self, process: subprocess.Popen[bytes], ready: asyncio.Future[None]) -> None:
        if self._process is process:
            self._process = None
        reason = f"the vLLM worker ended ({process.returncode}): {self._last_line()}"
        if not ready.done():
            ready.set_exception(TransportError(reason))
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(TransportError(reason))

    def _listen(self, source: IO[bytes]) -> None:
        """Keep the last lines that the worker logs, for error messages. Runs in a thread."""
        for line in source:
            self._log_lines.append(line.decode("utf-8", "replace").strip())

    def _last_line(self) -> str:
        """Return the last line of the log that names an error, else the last line."""
        errors = [line for line in self._log_lines if "Error" in line]
        return (errors or list(self._log_lines) or ["nothing"])[-1][:200]


def _write(out: IO[bytes], outbox: queue.SimpleQueue[bytes | None]) -> None:
    """Write frames to the worker until None or its end. Runs in a thread."""
    try:
        while (data := outbox.get()) is not None:
            out.write(len(data).to_bytes(4, "big") + data)
            out.flush()
        out.close()
    except BrokenPipeError:
        return  # the reading thread notices the end of the worker and reports it


def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait for the worker, which ends at the end of its input; kill it and its children if it does not."""
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
