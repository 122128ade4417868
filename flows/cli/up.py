"""The Prefect server of `mathmill up`: it has a UI, is restarted if it ends, and is kept for the runs that use it.

flows/server/deployments.py serves the flows on it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import typer

from flows.cli import terminal
from flows.runner.environment import PASSWORD_FILE, SERVER_FILE, SERVER_LOCK, joined_runs, running_server
from flows.runner.locks import lock, write_private
from flows.runner.task_runners import refuse_own_server
from flows.server.app import SIGN_IN
from flows.server.page import LOG, page_beside
from flows.server.process import HOST, PrefectServer, auth_string
from flows.settings import SettingsError

WATCH_S = 1.0  # between two checks of the server
RESTARTS = 3  # attempts to restart a server that ended


@contextlib.contextmanager
def with_server(home: Path, port: int) -> Iterator[PrefectServer]:
    """Run a Prefect server on loopback for the duration of the block. Runs of other commands on this home join it.

    Raises SettingsError if `up` already runs on this home, if the port is taken, or if the server ends and cannot be
    restarted.
    """
    refuse_own_server()
    with contextlib.ExitStack() as stack:
        # other commands hold the lock for a moment when they test whether it is held
        if not stack.enter_context(lock(home / SERVER_LOCK, within_s=1)):
            other = running_server(home)
            raise SettingsError(
                f"`mathmill up` runs on {home} already{f', at {other.url}' if other else ''}. "
                "Fix: use that one, end it first, or set MATHMILL_HOME to another folder"
            )
        auth = auth_string()
        server = PrefectServer(home, port, auth, ui=True)
        os.environ["PREFECT_UI_API_URL"] = server.url
        typer.echo("Starting Prefect ...")
        stack.callback(server.stop)
        server.start()
        server.wait()
        for name, text in ((PASSWORD_FILE, auth), (SERVER_FILE, server.url)):
            stack.callback((home / name).unlink, missing_ok=True)
            write_private(home / name, text)
        typer.echo(f"Prefect: http://{HOST}:{port}{SIGN_IN}#{server.sign_in}   (Ctrl-C stops it)")
        typer.echo(
            f"The link opens the UI in one browser, once; others log in with the content of {home / PASSWORD_FILE}"
        )
        with _kept_running(server):
            yield server


@contextlib.contextmanager
def with_page(home: Path, port: int, server: PrefectServer) -> Iterator[None]:
    """Serve the page over the data on loopback for the duration of the block; none if `port` is 0.

    A page that does not start, such as where `mathmill view` runs already, does not stop `up`.
    """
    if not port:
        yield
        return
    with page_beside(home, port, server.url.removesuffix("/api")) as address:
        typer.echo(
            f"The data: {address}" if address else f"The page over the data did not start: see {home / LOG}"
        )
        yield


def wait_for_joined(home: Path, server: PrefectServer) -> None:
    """Wait until the last run of another command that uses this server has ended.

    Ctrl-C or SIGTERM ends the wait: those runs then continue on a server that they start themselves.
    """
    # SIGTERM too: Prefect's handler for it does nothing once the flows are no longer served
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    shown: list[str] = []
    try:
        while (runs := joined_runs(home)) and server.ended() is None:
            if runs != shown:
                terminal.echo(
                    f"mathmill: waiting for {', '.join(runs)} to end, which uses this server. "
                    "Ctrl-C stops at once, and the run continues on a server that it starts",
                    err=True,
                )
                shown = runs
            time.sleep(WATCH_S)
    except KeyboardInterrupt:
        terminal.echo("mathmill: stopped at once", err=True)
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _kept_running(server: PrefectServer) -> Iterator[None]:
    """Restart the server whenever it ends within the block. Raises SettingsError if RESTARTS attempts in a row fail."""
    closing, failures = threading.Event(), []

    def watch() -> None:
        while not closing.wait(WATCH_S):
            code = server.ended()
            if code is None:
                continue
            terminal.echo(
                f"mathmill: the Prefect server ended (exit code {code}); it is started again", err=True
            )
            for _ in range(RESTARTS):
                try:
                    server.start()
                    server.wait()
                    break
                except SettingsError as error:
                    failures.append(error)
            else:
                os.kill(os.getpid(), signal.SIGINT)
                return
            failures.clear()

    watching = threading.Thread(target=watch, name="prefect-server", daemon=True)
    watching.start()
    try:
        yield
    finally:
        closing.set()
        watching.join()
    if failures:
        raise failures[-1]
