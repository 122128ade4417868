"""The process surroundings that Prefect and the model libraries read at import: set before importing them.

An explicit setting of the user always wins.
"""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

from flows.settings import SettingsError

SERVER_FILE = "server.url"  # written by `mathmill up`, below the home


def arrange(home: Path, *, quiet: bool) -> None:
    """Prefect's files below `home`, no telemetry; with `quiet` its console logging is left to our bars.

    A run joins the server that `mathmill up` has running on this home, if there is one; else Prefect
    starts one for the time of the run, on the same database, so that every run is seen in the UI later.
    """
    prefect_home = home.absolute() / "prefect"
    # Prefect makes no parents of its home, and without one its server never answers
    try:
        prefect_home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"cannot write {home.absolute()}: {error.strerror}. "
            "Fix: set MATHMILL_HOME to a folder that you may write to, with space left"
        ) from error
    for name, value in defaults(prefect_home, quiet=quiet).items():
        os.environ.setdefault(name, value)
    url = running_server(home)
    if url:
        os.environ.setdefault("PREFECT_API_URL", url)
    reread()


def defaults(prefect_home: Path, *, quiet: bool) -> dict[str, str]:
    """What Prefect and the model libraries are told where the user says nothing."""
    found = {
        "PREFECT_HOME": str(prefect_home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_V2_ENABLED": "false",
        # a run that is killed shows no sign of life: flows/automations.py waits for four of them
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "60",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "DO_NOT_TRACK": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if quiet:
        found["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
        found["PREFECT_SERVER_LOGGING_LEVEL"] = "CRITICAL"
    return found


def reread() -> None:
    """Where Prefect is imported already, it has read the environment: it reads it again."""
    if "prefect.context" in sys.modules:
        sys.modules["prefect.context"].refresh_global_settings_context()


def running_server(home: Path) -> str | None:
    """The API URL of the server that `mathmill up` runs on this home; None if it does not answer."""
    file = home / SERVER_FILE
    if not file.is_file():
        return None
    url = file.read_text(encoding="utf-8").strip()
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
            return url if answer.status == 200 else None
    except (urllib.error.URLError, OSError, ValueError):
        return None
