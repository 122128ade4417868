"""`mathmill up`: one machine, one command. A Prefect server with its UI, and the flows served from here."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
import yaml

from flows.cli import terminal
from flows.config.loading import ConfigError
from flows.config.nightly import Nightly
from flows.runner.environment import PASSWORD_FILE, SERVER_FILE, SERVER_LOCK, joined_runs, running_server
from flows.runner.locks import lock, write_private
from flows.runner.task_runners import refuse_own_server
from flows.server.app import SIGN_IN
from flows.server.process import HOST, PrefectServer, auth_string
from flows.settings import SettingsError

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

DECLARED = Path(__file__).resolve().parent.parent.parent / "prefect.yaml"
NIGHT = "flows.nightly.nightly"
WATCH_S = 1.0  # between two looks at the server
RESTARTS = 3  # tries to start a server that ended


@contextlib.contextmanager
def with_server(home: Path, port: int) -> Iterator[PrefectServer]:
    """A Prefect server on loopback while the block lasts; runs started elsewhere on this home join it.

    SettingsError where `up` runs on this home already, where the port is taken, or where the server cannot be kept
    running.
    """
    refuse_own_server()
    with contextlib.ExitStack() as stack:
        # a moment longer than others take to look whether it is held
        if not stack.enter_context(lock(home / SERVER_LOCK, within_s=1)):
            other = running_server(home)
            raise SettingsError(
                f"`mathmill up` runs on {home} already{f', at {other.url}' if other else ''}. "
                "Fix: use that one, end it first, or set MATHMILL_HOME to another folder"
            )
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                raise SettingsError(f"port {port} is taken. Fix: ./mathmill up --port {port + 1}")
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
            f"The link opens the UI in one browser, once; others log in with what stands in {home / PASSWORD_FILE}"
        )
        with _kept_running(server):
            yield server


def wait_for_joined(home: Path, server: PrefectServer) -> None:
    """Keep the server for the runs of other commands that have joined it, until the last one has ended.

    Ctrl-C or SIGTERM ends the waiting: those runs then go on with a server of their own.
    """
    # SIGTERM too: since the flows are not served any more, Prefect's handler for it does nothing
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    shown: list[str] = []
    try:
        while (runs := joined_runs(home)) and server.ended() is None:
            if runs != shown:
                terminal.echo(
                    f"mathmill: waiting for {', '.join(runs)} to end, which uses this server. "
                    "Ctrl-C stops at once, and the run goes on with a server of its own",
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
    """Start the server again where it ends while the block lasts; SettingsError where that fails RESTARTS times in a
    row."""
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


def serve_flows(night: Nightly, *, cron: str, timezone: str) -> bool:
    """Serve what prefect.yaml declares until interrupted, in the time zone given; `cron` is the night's.

    Returns whether it was asked to stop politely: by one Ctrl-C, and not by a second one or by SIGTERM.
    """
    # the client settings were read when prefect was first imported, before the server's address was known
    from prefect.settings import PREFECT_API_URL, temporary_settings
    from prefect.utilities.collections import deep_merge

    zone = timezone or _local_zone()
    declared = yaml.safe_load(DECLARED.read_text(encoding="utf-8"))["deployments"]
    with temporary_settings({PREFECT_API_URL: os.environ["PREFECT_API_URL"]}):
        deployments = []
        for one in declared:
            schedules = [schedule["cron"] for schedule in one.get("schedules", [])]
            # only what differs from the defaults: the form of the UI opens the groups that it is given values of
            own = one.get("parameters", {}).get("config", {})
            given = night.model_dump(mode="json", exclude_defaults=True)
            parameters = {"config": deep_merge(given, own) if one["entrypoint"] == NIGHT else own}
            if one["name"] == "nightly":
                schedules = [cron]
            deployments.append(_deployment(one, schedules, zone, parameters))
            typer.echo(f"Serving {one['name']}, {f'{schedules[0]} {zone}' if schedules else 'by hand'}")
        return _serve(deployments)


def _serve(deployments: list[RunnerDeployment]) -> bool:
    """As prefect.serve, but SIGTERM (systemd, docker stop) ends it as Ctrl-C does: Prefect 3.8.8's own handler
    forgets to await its farewell. Returns whether one Ctrl-C ended it."""
    from prefect.runner import Runner

    signals: list[int] = []

    class Served(Runner):
        def handle_sigterm(self, *_: object) -> None:
            signals.append(signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)

    # a pause on shutdown would leave the schedule off after the next start
    runner = Served(pause_on_shutdown=False)
    for deployment in deployments:
        runner.add_deployment(deployment)  # outside of a loop: inside of one it would have to be awaited

    # where the server goes away it complains with a traceback; that the server ended is printed in a line
    logging.getLogger("prefect.FlowRunCancellingObserver").addFilter(_without_traceback)

    async def serve() -> None:
        serving = asyncio.current_task()
        assert serving is not None

        def interrupted() -> None:
            if not signals:
                typer.echo("\nStopping ... (Ctrl-C again: at once)", err=True)
            signals.append(signal.SIGINT)
            serving.cancel()

        def complained(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            # Prefect 3.8.8 asks a task that was cancelled for its exception, where its server was away before
            if not (signals and isinstance(context.get("exception"), asyncio.CancelledError)):
                loop.default_exception_handler(context)

        loop = asyncio.get_running_loop()
        loop.set_exception_handler(complained)
        # Ctrl-C is ignored where a script started this in its background
        loop.add_signal_handler(signal.SIGINT, interrupted)
        await runner.start()

    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(serve())
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return signals == [signal.SIGINT]


def _without_traceback(record: logging.LogRecord) -> bool:
    if record.exc_info and record.exc_info[1]:
        record.msg, record.args = f"{record.getMessage()} ({record.exc_info[1]})", ()
        record.exc_info = None
    return True


def _deployment(
    declared: dict[str, Any], schedules: list[str], zone: str, parameters: dict[str, Any]
) -> RunnerDeployment:
    """A deployment of prefect.yaml for the runner of this process. ConfigError on a bad schedule or zone."""
    from prefect.client.schemas.objects import ConcurrencyLimitConfig
    from prefect.schedules import Cron
    from prefect.types.entrypoint import EntrypointType

    module, name = declared["entrypoint"].rsplit(".", 1)
    try:
        crons = [Cron(each, timezone=str(ZoneInfo(zone))) for each in schedules]
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError(f"--cron {schedules[0]!r} --timezone {zone!r}: {error}") from error
    deployment: RunnerDeployment = getattr(importlib.import_module(module), name).to_deployment(
        name=declared["name"],
        schedules=crons,
        parameters=parameters,
        tags=declared["tags"],
        description=declared["description"],
        version=declared["version"],
        concurrency_limit=ConcurrencyLimitConfig.model_validate(declared["concurrency_limit"]),
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    return deployment


def _local_zone() -> str:
    """This machine's time zone by name; UTC where it has none."""
    import tzlocal

    return tzlocal.get_localzone_name() or "UTC"
