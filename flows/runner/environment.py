"""Sets the environment variables that Prefect and the model libraries read when they are imported.

An explicit setting of the user always wins.
"""

from __future__ import annotations

import contextlib
import os
import sys
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flows.runner.locks import PRIVATE_FOLDER, is_locked, lock
from flows.settings import SettingsError

# written by `mathmill up`, below the home
SERVER_FILE = "server.url"
PASSWORD_FILE = "server.password"  # USER:PASSWORD of the running server, for its owner only
SERVER_LOCK = "server.lock"  # held by `up` as long as it lives
PAGE_FILE = "view.url"  # address of the page of `mathmill view`, while it is served
JOINED_FOLDER = "joined"  # with a file for each run that uses the server of `up`, locked as long as it lives


def arrange(home: Path, *, quiet: bool, join: bool = True) -> None:
    """Prefect's files below `home`, no telemetry; with `quiet` its console logging is left to our bars.

    With `join` a run joins the server that `mathmill up` has running on this home, if there is one; else Prefect
    starts one for the time of the run, on the same database, so that every run is seen in the UI later.
    """
    prefect_home = home.absolute() / "prefect"
    # Prefect makes no parents of its home, and without one its server never answers
    try:
        private_folder(home.absolute())
        private_folder(prefect_home)
    except OSError as error:
        raise SettingsError(
            f"cannot write {home.absolute()}: {error.strerror}. "
            "Fix: set MATHMILL_HOME to a folder that you may write to, with space left"
        ) from error
    for name, value in defaults(prefect_home, quiet=quiet).items():
        os.environ.setdefault(name, value)
    server = running_server(home) if join else None
    if server and "PREFECT_API_URL" not in os.environ:
        os.environ["PREFECT_API_URL"] = server.url
        os.environ["PREFECT_API_AUTH_STRING"] = server.auth
    reread()


def private_folder(path: Path) -> None:
    """Make the folder where it is missing, for its owner only; one that is there keeps its mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)


def defaults(prefect_home: Path, *, quiet: bool) -> dict[str, str]:
    """Return the variables that Prefect and the model libraries get where the user sets none."""
    settings = {
        "PREFECT_HOME": str(prefect_home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_V2_ENABLED": "false",
        # a killed run sends no heartbeats: flows/server/automations.py waits for four of them
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "60",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "DO_NOT_TRACK": "1",
        "TOKENIZERS_PARALLELISM": "false",
        # by default torch's threads wait for each other in a busy loop: on cores that others use as well, two
        # threads were several times slower than one (docs/log.md)
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    if quiet:
        settings["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
        settings["PREFECT_SERVER_LOGGING_LEVEL"] = "CRITICAL"
    return settings


def reread() -> None:
    """Make Prefect read the environment again if it is imported already."""
    if "prefect.context" in sys.modules:
        sys.modules["prefect.context"].refresh_global_settings_context()


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A running Prefect server: its API URL and the USER:PASSWORD that it asks for."""

    url: str
    auth: str


def running_server(home: Path) -> ServerAddress | None:
    """Return the server that `mathmill up` runs on this home, or None if none is running.

    The password is sent only while `up` holds its lock: what a killed one left behind may be anybody's port by now.
    """
    url_file, password_file = home / SERVER_FILE, home / PASSWORD_FILE
    if not is_locked(home / SERVER_LOCK) or not (url_file.is_file() and password_file.is_file()):
        return None
    server = ServerAddress(
        url_file.read_text(encoding="utf-8").strip(), password_file.read_text(encoding="utf-8")
    )
    return server if answers(server.url, server.auth) else None


@contextlib.contextmanager
def joining(home: Path, name: str) -> Iterator[None]:
    """Let `up` know while the block lasts that the run `name` of this process uses its server."""
    folder = home / JOINED_FOLDER
    private_folder(folder)
    path = folder / str(os.getpid())
    with lock(path, within_s=1):  # a process that checks whether it is held holds it for a moment
        path.write_text(f"{name} (process {os.getpid()})", encoding="utf-8")
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def joined_runs(home: Path) -> list[str]:
    """Return the runs that use the server of `up`, by name and process. The remains of a killed run do not count."""
    runs = []
    for path in sorted((home / JOINED_FOLDER).glob("*")):
        with contextlib.suppress(FileNotFoundError):  # it has just ended
            if is_locked(path):
                runs.append(path.read_text(encoding="utf-8"))
    return runs


def answers(url: str, auth: str) -> bool:
    """Return whether a Prefect server answers at the API URL `url` and takes the password."""
    request = urllib.request.Request(f"{url}/health")
    request.add_header("Authorization", "Basic " + b64encode(auth.encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False
