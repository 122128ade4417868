"""Run the flow of one command under Prefect: on the server of this home, else on one that is started for the run."""

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
from flows.server.process import LOG, READY_WITHIN_S, PrefectServer, ServerPortTaken, auth_string
from flows.settings import SettingsError, load_settings

T = TypeVar("T")
Run = Callable[[Callable[[Any], T], Any], T]

STOPPED_WITHIN_S = 5
INTERRUPTED = 130
WATCH_S = 1.0  # between two checks of the server of `up`


@contextlib.contextmanager
def orchestrated(*labels: str) -> Iterator[Run[Any]]:
    """Yield a function that calls a flow with its configuration. Imports inside the block overlap the start of Prefect.

    `labels` become tags of the run. Ctrl-C ends the run within seconds: finished shards and paid completions are already
    stored. A run outlives the server of `mathmill up` that it has joined; see `_Joined`. Raises StorageError if the store
    cannot be reached.
    """
    settings = load_settings()
    home = settings.home.absolute()
    if "://" in settings.tables:  # report an unreachable bucket before anything is started
        from storage.location import Location

        Location.of(settings.tables).reach()
    server: PrefectServer | _Joined
    if "PREFECT_API_URL" in os.environ:
        server = _Joined(home, os.environ["PREFECT_API_URL"], _name(labels))
    else:
        refuse_own_server()
        terminal.echo("Starting Prefect for this run ...", err=True)
        server = PrefectServer(home, 0, auth_string(), ui=False)
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
            # stage outputs are found again, and a version that was published is not published twice
            return flow(config)

    try:
        yield run
    finally:
        _drain_workers()
        server.stop()


class _Joined:
    """The server of `mathmill up` that a run has joined.

    If that server ends for good, the run continues on one that it starts at the same address with the same password, so
    that Prefect's clients only see a short outage. Of several runs that have joined it, the one that gets the port first starts
    the server, and when that run ends, the next one does. A server whose address the user has set, and that is not the one of
    `up` on this home, is not replaced.
    """

    def __init__(self, home: Path, url: str, name: str) -> None:
        self._home, self._url, self._name = home, url, name
        joined = running_server(home)
        self._auth = joined.auth if joined and joined.url == url else None
        self._replacement: PrefectServer | None = None
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._stack = contextlib.ExitStack()
        self._watching = threading.Thread(target=self._watch, name="prefect-server", daemon=True)

    def start(self) -> None:
        if self._auth is not None:
            self._stack.enter_context(joining(self._home, self._name))
            self._watching.start()

    def wait(self) -> None:
        """Wait until the server answers; if it has ended, until `up` has restarted it or this run has replaced it.

        Raises SettingsError if that takes more than READY_WITHIN_S.
        """
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
        """Return whether a run failed because the server of `up` was unreachable: it has ended, or a connection was lost."""
        if self._auth is None:
            return False
        chain: list[BaseException] = []
        cause: BaseException | None = error
        while cause is not None and cause not in chain:
            chain.append(cause)
            cause = cause.__cause__ or cause.__context__
        import httpx

        disconnected = any(isinstance(each, httpx.TransportError) for each in chain)
        return disconnected or self._replacement is not None or not answers(self._url, self._auth)

    def terminate(self) -> None:
        if self._replacement is not None:
            self._replacement.terminate()

    def stop(self) -> None:
        self._closing.set()
        if self._watching.is_alive():
            self._watching.join()
        self._stack.close()
        if self._replacement is not None:
            self._replacement.stop()

    def replace(self) -> bool:
        """Start a server and wait for it if `up` has ended and no other run serves on its port. Return whether this run has
        started one, now or before."""
        if self._auth is None:
            return False
        with self._lock:
            if self._replacement is None and not is_locked(self._home / SERVER_LOCK):
                try:
                    server = PrefectServer(self._home, urlsplit(self._url).port or 0, self._auth, ui=False)
                except (
                    ServerPortTaken
                ):  # another run that has joined was faster; when it ends, this one is asked again
                    return False
                terminal.echo(f"mathmill: {TOOK_OVER}", err=True)
                self._replacement = server
                server.start()
                server.wait()
        return self._replacement is not None

    def _watch(self) -> None:
        while not self._closing.wait(WATCH_S):
            try:
                if self.replace():
                    # the server ends with the thread that started it, so this thread stays until the run ends
                    self._closing.wait()
            except SettingsError as error:
                terminal.echo(f"mathmill: {error}", err=True)
                return


def _name(labels: Sequence[str]) -> str:
    """Return a name of the run for people: its command and dataset, such as `nightly math-sft`."""
    return " ".join([*sys.argv[1:2], *labels])


def _drain_workers() -> None:
    """Send what Prefect's workers still hold: they would print errors if the server ended first."""
    if "prefect.logging.handlers" in sys.modules:
        from prefect.events.worker import EventsWorker
        from prefect.logging.handlers import APILogWorker

        for worker in (APILogWorker, EventsWorker):
            worker.drain_all(timeout=STOPPED_WITHIN_S)


@contextlib.contextmanager
def _interruptible(server: PrefectServer | _Joined) -> Iterator[None]:
    """Handle Ctrl-C: the first lets Prefect record the end; after STOPPED_WITHIN_S, or at the second, the process exits."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def exit_now(*_: Any) -> None:
        server.terminate()
        show_cursor = "\x1b[?25h" if sys.stderr.isatty() else ""
        os.write(2, f"{show_cursor}\nmathmill: {STOPPED}\n".encode())
        os._exit(INTERRUPTED)

    def interrupt(*_: Any) -> None:
        signal.signal(signal.SIGINT, exit_now)
        timer = threading.Timer(STOPPED_WITHIN_S, exit_now)
        timer.daemon = True
        timer.start()
        os.write(2, b"\nStopping ... (Ctrl-C again: at once)\n")
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # a script that starts this in the background has SIGINT ignored
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        exit_now()  # Prefect would still try to send logs at exit, and print errors if that fails


TOOK_OVER = "the Prefect server of `mathmill up` has ended; this run continues on a server that it starts"
STOPPED = "stopped; finished work is kept, run the same command again to continue"
