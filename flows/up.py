"""`mathmill up`: one machine, one command. A Prefect server with its UI, and the flows served from here."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
import yaml

from flows.config import ConfigError, Nightly
from flows.runners import refuse_own_server
from flows.settings import SettingsError
from flows.surroundings import SERVER_FILE, running_server

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

DECLARED = Path(__file__).resolve().parent.parent / "prefect.yaml"
READY_WITHIN_S = 180
STOPPED_WITHIN_S = 30


@contextlib.contextmanager
def with_server(home: Path, port: int) -> Iterator[None]:
    """A Prefect server on loopback while the block lasts; runs started elsewhere on this home join it."""
    refuse_own_server()
    already = running_server(home)
    if already:
        raise SettingsError(f"a server for {home} is running at {already}. Fix: use it, or stop it first")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise SettingsError(f"port {port} is taken. Fix: ./mathmill up --port {port + 1}")
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
    """Serve what prefect.yaml declares until interrupted, in the time zone given; `cron` is the night's."""
    # the client settings were read when prefect was first imported, before the server's address was known
    from prefect.settings import PREFECT_API_URL, temporary_settings
    from prefect.utilities.collections import deep_merge

    zone = timezone or _local_zone()
    declared = yaml.safe_load(DECLARED.read_text(encoding="utf-8"))["deployments"]
    with temporary_settings({PREFECT_API_URL: os.environ["PREFECT_API_URL"]}):
        deployments = []
        for one in declared:
            schedules = [schedule["cron"] for schedule in one.get("schedules", [])]
            parameters = one.get("parameters", {})
            if one["entrypoint"] == "flows.nightly.nightly":
                own = parameters.get("config", {})
                parameters = {"config": deep_merge(night.model_dump(mode="json"), own)}
            if one["name"] == "nightly":
                schedules = [cron]
            deployments.append(_deployment(one, schedules, zone, parameters))
            typer.echo(f"Serving {one['name']}, {f'{schedules[0]} {zone}' if schedules else 'by hand'}")
        _serve(deployments)


def _serve(deployments: list[RunnerDeployment]) -> None:
    """As prefect.serve, but SIGTERM (systemd, docker stop) ends it as Ctrl-C does: Prefect 3.8.8's own handler
    forgets to await its farewell."""
    from prefect.runner import Runner

    class Served(Runner):
        def handle_sigterm(self, *_: object) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    # a pause on shutdown would leave the schedule off after the next start
    runner = Served(pause_on_shutdown=False)
    for deployment in deployments:
        runner.add_deployment(deployment)
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # ignored where a script started it in its background
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(runner.start())


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
