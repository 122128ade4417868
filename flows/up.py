"""`mathmill up`: one machine, one command. A Prefect server with its UI, and the flows served from here."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import typer

from flows.settings import Settings, SettingsError
from flows.surroundings import SERVER_FILE, running_server

READY_WITHIN_S = 120


def serve_here(settings: Settings, *, port: int, cron: str, timezone: str | None) -> None:
    """Start the server, serve the deployments, and stop the server when serving ends."""
    home = settings.home.absolute()
    already = running_server(home)
    if already:
        raise SettingsError(f"a server for {home} is running at {already}. Mend it: use it, or stop it first")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise SettingsError(f"port {port} is taken. Mend it: ./mathmill up --port {port + 1}")
    home.mkdir(parents=True, exist_ok=True)
    url = f"http://127.0.0.1:{port}/api"
    os.environ["PREFECT_API_URL"] = url
    os.environ["PREFECT_UI_API_URL"] = url
    server = _start_server(home, port)
    try:
        _wait(server, home, url)
        typer.echo(f"Prefect: http://127.0.0.1:{port}   (Ctrl-C stops)")
        _serve(cron, timezone or _local_zone())
    finally:
        (home / SERVER_FILE).unlink(missing_ok=True)
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()


def _start_server(home: Path, port: int) -> subprocess.Popen[bytes]:
    log = (home / "server.log").open("ab")
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    # its own group, so that Ctrl-C reaches us first and the runner can say goodbye to a living server
    return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)


def _wait(server: subprocess.Popen[bytes], home: Path, url: str) -> None:
    (home / SERVER_FILE).write_text(url, encoding="utf-8")
    deadline = time.monotonic() + READY_WITHIN_S
    while not running_server(home):
        if server.poll() is not None or time.monotonic() > deadline:
            raise SettingsError(f"the Prefect server did not start; its log is {home / 'server.log'}")
        time.sleep(0.5)


def _serve(cron: str, timezone: str) -> None:
    from prefect import serve
    from prefect.schedules import Cron

    from flows.config import Nightly
    from flows.nightly import nightly

    deployment = nightly.to_deployment(
        name="nightly",
        schedule=Cron(cron, timezone=timezone),
        parameters={"config": Nightly().model_dump(mode="json")},
        tags=["mathmill"],
        description="Seed tasks to a published dataset version, every night.",
        concurrency_limit=1,
        entrypoint_type=_module_path(),
    )
    serve(deployment, pause_on_shutdown=False)


def _module_path():  # type: ignore[no-untyped-def]
    from prefect.types.entrypoint import EntrypointType

    return EntrypointType.MODULE_PATH


def _local_zone() -> str:
    """This machine's time zone name; UTC where it has none that the schedule would understand."""
    import tzlocal

    name = tzlocal.get_localzone_name()
    return name or datetime.now().astimezone().tzname() or "UTC"
