"""One command's run under Prefect: on the server that this home has, else on one started for the time of the run."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import typer

from flows.prefect_server import PrefectServer, auth_string, free_port
from flows.runners import refuse_own_server
from flows.settings import load_settings

T = TypeVar("T")
Run = Callable[[Callable[[Any], T], Any], T]

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
        home = load_settings().home.absolute()
        server = PrefectServer(home, free_port(), auth_string(), ui=False)
        server.start()

    def run(flow: Callable[[Any], T], config: Any) -> T:
        if server is not None:
            server.wait()
        from prefect import tags

        with tags("mathmill", *labels), _interruptible(server):
            return flow(config)

    try:
        yield run
    finally:
        if server is not None:
            _said_all()
            server.stop()


def _said_all() -> None:
    """Prefect's workers would complain at the terminal of what they still had to send when their server left."""
    if "prefect.logging.handlers" in sys.modules:
        from prefect.events.worker import EventsWorker
        from prefect.logging.handlers import APILogWorker

        for worker in (APILogWorker, EventsWorker):
            worker.drain_all(timeout=STOPPED_WITHIN_S)


@contextlib.contextmanager
def _interruptible(server: PrefectServer | None) -> Iterator[None]:
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
