"""One command's run under Prefect: on the server that this home has, else on one started for the time of the run."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flows.cli import terminal
from flows.runner.environment import SERVER_LOCK, answers, joining, running_server
from flows.runner.locks import is_locked
from flows.runner.task_runners import refuse_own_server
from flows.server.process import LOG, READY_WITHIN_S, PrefectServer, auth_string, free_port
from flows.settings import SettingsError, load_settings

T = TypeVar("T")
Run = Callable[[Callable[[Any], T], Any], T]

STOPPED_WITHIN_S = 5
INTERRUPTED = 130
WATCH_S = 1.0  # between two looks at the server of `up`


@contextlib.contextmanager
def orchestrated(*labels: str) -> Iterator[Run[Any]]:
    """Yields what calls a flow with its configuration. What is imported inside of the block loads while Prefect starts.

    Ctrl-C ends the run within seconds: finished shards and paid answers are kept, so nothing is waited for. A run
    outlives the server of `mathmill up` that it has joined: see `_Joined`.
    """
    settings = load_settings()
    home = settings.home.absolute()
    if "://" in settings.tables:  # a bucket that cannot be reached is told before anything is started
        from storage.location import Location

        Location.of(settings.tables).reach()
    server: PrefectServer | _Joined
    if "PREFECT_API_URL" in os.environ:
        server = _Joined(home, os.environ["PREFECT_API_URL"], _name(labels))
    else:
        refuse_own_server()
        terminal.echo("Starting Prefect for this run ...", err=True)
        server = PrefectServer(home, free_port(), auth_string(), ui=False)
    server.start()

    def run(flow: Callable[[Any], T], config: Any) -> T:
        server.wait()
        from prefect import tags

        with tags("mathmill", *labels), _interruptible(server):
            try:
                return flow(config)
            except Exception as error:
                if not (isinstance(server, _Joined) and server.lost(error)):
                    raise
                server.wait()
            # what the run has finished is found again, and what it has published is not published twice
            return flow(config)

    try:
        yield run
    finally:
        _said_all()
        server.stop()


class _Joined:
    """The server of `mathmill up` that a run has joined. Where that one ends for good, the run goes on with a server
    of its own, at the same address and with the same password, so that Prefect's clients only see a short outage.

    A server whose address the user has set, and that is not `up`'s of this home, is left alone.
    """

    def __init__(self, home: Path, url: str, name: str) -> None:
        self._home, self._url, self._name = home, url, name
        joined = running_server(home)
        self._auth = joined.auth if joined and joined.url == url else None
        self._own: PrefectServer | None = None
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._stack = contextlib.ExitStack()
        self._watching = threading.Thread(target=self._watch, name="prefect-server", daemon=True)

    def start(self) -> None:
        if self._auth is not None:
            self._stack.enter_context(joining(self._home, self._name))
            self._watching.start()

    def wait(self) -> None:
        """Until it answers: at once, or where it has ended when `up` has started it again or this run one of its own."""
        deadline = time.monotonic() + READY_WITHIN_S
        while self._auth is not None and not answers(self._url, self._auth):
            if time.monotonic() > deadline:
                raise SettingsError(
                    f"the Prefect server at {self._url} does not answer any more. "
                    f"Fix: see {self._home / LOG}; start `mathmill up` again, or end it, and run this again"
                )
            self.replace()
            time.sleep(WATCH_S)

    def lost(self, error: BaseException) -> bool:
        """Whether a run failed since the server of `up` was away: it is gone, or `error` is that of a lost connection."""
        if self._auth is None:
            return False
        chain: list[BaseException] = []
        step: BaseException | None = error
        while step is not None and step not in chain:
            chain.append(step)
            step = step.__cause__ or step.__context__
        import httpx

        lost = any(isinstance(each, httpx.TransportError) for each in chain)
        return lost or self._own is not None or not answers(self._url, self._auth)

    def terminate(self) -> None:
        if self._own is not None:
            self._own.terminate()

    def stop(self) -> None:
        self._closing.set()
        if self._watching.is_alive():
            self._watching.join()
        self._stack.close()
        if self._own is not None:
            self._own.stop()

    def replace(self) -> bool:
        """Where `up` is gone, start a server in its place and wait for it. Whether one was started, now or before."""
        if self._auth is None:
            return False
        with self._lock:
            if self._own is None and not is_locked(self._home / SERVER_LOCK):
                terminal.echo(f"mathmill: {TOOK_OVER}", err=True)
                own = PrefectServer(self._home, urlsplit(self._url).port or 0, self._auth, ui=False)
                self._own = own
                own.start()
                own.wait()
        return self._own is not None

    def _watch(self) -> None:
        while not self._closing.wait(WATCH_S):
            try:
                if self.replace():
                    # the process that dies with its parent's thread stays as long as this one
                    self._closing.wait()
            except SettingsError as error:
                terminal.echo(f"mathmill: {error}", err=True)
                return


def _name(labels: Sequence[str]) -> str:
    """Of the run, for people: its command and what it works on, such as `nightly math-sft`."""
    return " ".join([*sys.argv[1:2], *labels])


def _said_all() -> None:
    """Prefect's workers would complain at the terminal of what they still had to send when their server left."""
    if "prefect.logging.handlers" in sys.modules:
        from prefect.events.worker import EventsWorker
        from prefect.logging.handlers import APILogWorker

        for worker in (APILogWorker, EventsWorker):
            worker.drain_all(timeout=STOPPED_WITHIN_S)


@contextlib.contextmanager
def _interruptible(server: PrefectServer | _Joined) -> Iterator[None]:
    """The first Ctrl-C lets Prefect record the end; after some seconds, or at the second, the process is left."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(*_: Any) -> None:
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


TOOK_OVER = "the Prefect server of `mathmill up` is gone; this run goes on with one of its own"
STOPPED = "stopped; what is finished is kept, run again to go on"
