"""One Prefect server for the session, fresh homes, teachers on ports of their own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from tests.e2e.forked import forking
from tests.e2e.processes import (
    SCRIPT,
    SERVER_WITHIN_S,
    Home,
    Teacher,
    answers,
    clean_environment,
    declared,
    end,
    free_port,
    listens,
    password_of,
    wait_for,
)


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[str]:
    """One Prefect server for all workers of the session: the first that needs it starts it, the last one ends it."""
    shared = _shared(tmp_path_factory, worker_id)
    record, lock = shared / "prefect.json", FileLock(shared / "prefect.lock")
    with lock:
        if record.exists():
            server = json.loads(record.read_text())
        else:
            server = _start_prefect(shared)
            _copy_database(shared)
        record.write_text(json.dumps(server | {"users": server["users"] + 1}))
    try:
        forking(server["url"])
        yield server["url"]
    finally:
        with lock:
            server = json.loads(record.read_text())
            record.write_text(json.dumps(server | {"users": server["users"] - 1}))
            if server["users"] == 1:
                record.unlink()
                os.killpg(server["pid"], signal.SIGTERM)


def _shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The folder that all workers of the session have in common."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def migrated(
    prefect_api: str, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Callable[[Path], None]:
    """Gives a fresh home a Prefect database that has its tables and nothing else.

    Creating the tables takes eleven seconds of CPU in every home. The server of the session and that of
    test_server.py start without a database, as those of users do.
    """
    database = _shared(tmp_path_factory, worker_id) / MIGRATED

    def give(home: Path) -> None:
        home.mkdir(mode=0o700, parents=True)
        (home / "prefect").mkdir(mode=0o700)
        shutil.copyfile(database, home / "prefect" / "prefect.db")

    return give


MIGRATED = "migrated.db"


def _copy_database(shared: Path) -> None:
    """Keep a copy of the session's database as it is before any test."""
    with (
        contextlib.closing(sqlite3.connect(shared / "prefect" / "prefect.db")) as source,
        contextlib.closing(sqlite3.connect(shared / MIGRATED)) as copy,
    ):
        source.backup(copy)


def _start_prefect(shared: Path) -> dict[str, Any]:
    """Start it as a person would, and wait until it answers."""
    port = free_port()
    home = shared / "prefect"
    home.mkdir(exist_ok=True)
    log = (home / "server.log").open("a")
    environment = clean_environment(
        PREFECT_HOME=str(home), PREFECT_SERVER_ANALYTICS_ENABLED="false", DO_NOT_TRACK="1"
    )
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(
        command, env=environment, stdout=log, stderr=log, text=True, start_new_session=True, cwd=home
    )
    url = f"http://127.0.0.1:{port}/api"
    try:
        forking(url)  # it imports while the server starts
        wait_for(lambda: answers(f"{url}/health"), SERVER_WITHIN_S, "the Prefect server", server)
    except BaseException:
        end(server)
        raise
    return {"url": url, "pid": server.pid, "users": 0}


@pytest.fixture(scope="session")
def home(prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Home]:
    """Makes fresh homes that share the session's Prefect server."""

    def make(**settings: str) -> Home:
        path = tmp_path_factory.mktemp("home") / "mathmill"
        environment = clean_environment(MATHMILL_HOME=str(path), PREFECT_API_URL=prefect_api, **settings)
        return Home(path, environment)

    return make


def start_teacher(**settings: str) -> Teacher:
    """An embedded teacher on a port of its own; whoever starts it ends its process."""
    port = free_port()
    command = [str(SCRIPT), "teacher", "serve", "--port", str(port)]
    process = subprocess.Popen(
        command,
        env=clean_environment(**settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    base = f"http://127.0.0.1:{port}"
    key = settings.get("MATHMILL_SERVE_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    wait_for(lambda: answers(f"{base}/health", headers), 60, "the teacher", process)
    return Teacher(process, f"{base}/v1", headers)


@pytest.fixture
def teacher() -> Iterator[Callable[..., Teacher]]:
    """Starts embedded teachers on ports of their own."""
    started: list[Teacher] = []

    def start(**settings: str) -> Teacher:
        started.append(start_teacher(**settings))
        return started[-1]

    yield start
    for one in started:
        end(one.process)


NEVER = "0 0 1 1 *"  # a schedule that starts nothing while the tests run
SMALL = ("--set", "target=20", "--set", "weakness.share=0", "--set", "similarity.semantic=ignore")


@dataclass
class Up:
    """A machine on which `up` runs."""

    process: subprocess.Popen[str]
    home: Home
    url: str

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return (self.home.path.parent / "up.log").read_text()


@contextlib.contextmanager
def started_up(path: Path, cron: str, **settings: str) -> Iterator[Up]:
    """`up` on the home `path` with a small night by `cron`, ended as by Ctrl-C where it still runs."""
    home = Home(path, clean_environment(MATHMILL_HOME=str(path), **settings))
    port = free_port()
    log = (path.parent / "up.log").open("w")
    process = home.start("up", "--port", str(port), "--cron", cron, "--timezone", "UTC", *SMALL, to=log)
    url = f"http://127.0.0.1:{port}"
    try:
        last = declared()[-1]["name"]
        served = f"{url}/api/deployments/name/{last}/{last}"
        wait_for(lambda: answers(served, password_of(path)), SERVER_WITHIN_S, "the deployments", process)
        yield Up(process, home, url)
    finally:
        # as Ctrl-C does: first the command, which then ends its server
        process.send_signal(signal.SIGINT)
        process.wait(SERVER_WITHIN_S)
        end(process)
    assert not listens(port)
    assert not [name for name in ("server.url", "server.password") if (path / name).exists()]
