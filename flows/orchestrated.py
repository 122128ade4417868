"""One command's run under Prefect: on the server that this home has, else on one started for the time of the run."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import typer

from flows.runners import refuse_own_server
from flows.settings import SettingsError
from flows.surroundings import reread

T = TypeVar("T")
Run = Callable[[Callable[[Any], T], Any], T]

READY_WITHIN_S = 180
STOPPED_WITHIN_S = 5
INTERRUPTED = 130


@contextlib.contextmanager
def orchestrated(*labels: str) -> Iterator[Run[Any]]:
    """Yields what calls a flow with its configuration. What is imported inside of the block loads while Prefect starts.

    Ctrl-C ends the run within seconds: finished shards and paid answers are kept, so nothing is waited for.
    """
    server = None
    if "PREFECT_API_URL" not in os.environ:
        refuse_own_server()
        typer.echo("Starting Prefect for this run ...", err=True)
        server = _start()

    def run(flow: Callable[[Any], T], config: Any) -> T:
        if server is not None:
            _wait(server)
        from prefect import tags

        with tags("mathmill", *labels), _interruptible(server):
            return flow(config)

    try:
        yield run
    finally:
        if server is not None:
            _said_all()
            _end(server)


def _start() -> subprocess.Popen[bytes]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
    reread()
    app = ["--factory", "prefect.server.api.server:create_app", "--host", "127.0.0.1", "--port", port]
    # what prefect.server.api.server.SubprocessASGIServer sets, which importing would cost seconds
    environment = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "uvicorn", *app, "--log-level", "error", "--lifespan", "on"],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        # Ctrl-C goes to the whole group: in its own session it is there until the run has said its last word
        start_new_session=True,
        preexec_fn=_die_with_parent,
    )


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: a killed run leaves no server behind


def _wait(server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and server.poll() is None:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"{os.environ['PREFECT_API_URL']}/health", timeout=2),
        ):
            return
        time.sleep(0.1)
    server.kill()
    said = (server.communicate()[1] or b"").decode(errors="replace").strip().splitlines()
    raise SettingsError(
        f"Prefect did not start ({said[-1] if said else f'not within {READY_WITHIN_S} s'}). "
        "Fix: ./mathmill doctor; PREFECT_HOME may be moved away"
    )


def _said_all() -> None:
    """Prefect's workers would complain at the terminal of what they still had to send when their server left."""
    if "prefect.logging.handlers" in sys.modules:
        from prefect.events.worker import EventsWorker
        from prefect.logging.handlers import APILogWorker

        for worker in (APILogWorker, EventsWorker):
            worker.drain_all(timeout=STOPPED_WITHIN_S)


def _end(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.communicate(timeout=STOPPED_WITHIN_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.communicate()


@contextlib.contextmanager
def _interruptible(server: subprocess.Popen[bytes] | None) -> Iterator[None]:
    """The first Ctrl-C lets Prefect record the end; after some seconds, or at the second, the process is left."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(*_: Any) -> None:
        if server is not None:
            server.terminate()
        show_cursor = "\x1b[?25h" if sys.stderr.isatty() else ""
        os.write(2, f"{show_cursor}\nmathmill: {STOPPED}\n".encode())
        os._exit(INTERRUPTED)

    def interrupted(*_: Any) -> None:
        signal.signal(signal.SIGINT, leave)
        last = threading.Timer(STOPPED_WITHIN_S, leave)
        last.daemon = True
        last.start()
        os.write(2, b"\nStopping ... (Ctrl-C again: at once)\n")
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # not where Ctrl-C is ignored, as in the background of a script
        signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    except KeyboardInterrupt:
        leave()  # what Prefect would still send at exit is worth neither waiting nor complaints


STOPPED = "stopped; what is finished is kept, run again to go on"
