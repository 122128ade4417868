"""`mathmill up`: one machine, one command. A Prefect server with its UI, and the flows served from here."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from flows.config import ConfigError, Nightly
from flows.settings import SettingsError
from flows.surroundings import SERVER_FILE, running_server

READY_WITHIN_S = 180
STOPPED_WITHIN_S = 30


@contextlib.contextmanager
def with_server(home: Path, port: int) -> Iterator[None]:
    """A Prefect server on loopback while the block lasts; runs started elsewhere on this home join it."""
    already = running_server(home)
    if already:
        raise SettingsError(f"a server for {home} is running at {already}. Mend it: use it, or stop it first")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise SettingsError(f"port {port} is taken. Mend it: ./mathmill up --port {port + 1}")
    url = f"http://127.0.0.1:{port}/api"
    os.environ["PREFECT_API_URL"] = os.environ["PREFECT_UI_API_URL"] = url
    with (home / "server.log").open("ab") as log:
        command = [
            sys.executable,
            "-m",
            "prefect",
            "server",
            "start",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ]
        # a session of its own: Ctrl-C reaches us first, so that the runner says goodbye to a living server
        server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        (home / SERVER_FILE).write_text(url, encoding="utf-8")
        typer.echo("Starting Prefect ...")
        deadline = time.monotonic() + READY_WITHIN_S
        while not running_server(home):
            if server.poll() is not None or time.monotonic() > deadline:
                raise SettingsError(f"the Prefect server did not start. Its log: {home / 'server.log'}")
            time.sleep(0.5)
        typer.echo(f"Prefect: http://127.0.0.1:{port}   (Ctrl-C stops it)")
        yield
    finally:
        (home / SERVER_FILE).unlink(missing_ok=True)
        server.terminate()
        try:
            server.wait(STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def serve_flows(night: Nightly, *, cron: str, timezone: str) -> None:
    """Serve the deployments until interrupted; the nightly one on its schedule, one run at a time."""
    # the client settings were read when prefect was first imported, before the server's address was known
    from prefect import serve
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.deployments.runner import RunnerDeployment
    from prefect.schedules import Cron
    from prefect.settings import PREFECT_API_URL, temporary_settings
    from prefect.types.entrypoint import EntrypointType

    from flows.nightly import nightly

    zone = timezone or _local_zone()
    try:
        schedule = Cron(cron, timezone=str(ZoneInfo(zone)))
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError(f"--cron {cron!r} --timezone {zone!r}: {error}") from error
    with temporary_settings({PREFECT_API_URL: os.environ["PREFECT_API_URL"]}):
        deployment: RunnerDeployment = nightly.to_deployment(  # type: ignore[assignment]
            name="nightly",
            schedule=schedule,
            parameters={"config": night.model_dump(mode="json")},
            tags=["mathmill"],
            description="Seed tasks to a published dataset version.",
            concurrency_limit=ConcurrencyLimitConfig(
                limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE
            ),
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        typer.echo(f"Serving nightly/nightly, {cron} {zone}")
        # a pause on shutdown would leave the schedule off after the next start
        serve(deployment, pause_on_shutdown=False, print_starting_message=False)


def _local_zone() -> str:
    """This machine's time zone by name; UTC where it has none."""
    import tzlocal

    return tzlocal.get_localzone_name() or "UTC"
