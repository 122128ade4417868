"""The process of the page over the store (`mathmill view`): its parts out of the settings, and uvicorn.

`mathmill up` starts it as `python -m flows.server.page PORT [PREFECT_URL]`.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import uvicorn
import yaml
from prefect.exceptions import PrefectException

from flows.runner.environment import PAGE_FILE, private_folder
from flows.runner.locks import write_private
from flows.runner.resources import Tools
from flows.runner.review_wait import resume
from flows.server.process import die_with_parent
from flows.settings import Settings, load_settings
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.errors import StorageError, in_one_line
from tasks.viewer.access import Access
from tasks.viewer.app import create_app
from tasks.viewer.index import RowIndex
from tasks.viewer.site import Site

FOLDER = "view"  # of the page's database, below the home
LOG = "view.log"  # of a page that `mathmill up` started
READY_WITHIN_S = 120.0
HOST = "127.0.0.1"
PORT = 4280
REBUILD_WITHIN_S = 3600.0


def serve_page(settings: Settings, host: str, port: int, *, prefect: str = "", quiet: bool = False) -> None:
    """Serve the page until SIGTERM or Ctrl-C.

    Raises AccessError if it must not listen on that address, IndexInUse if another one runs on this home, and StorageError if the
    port is taken.
    """
    access = access_of(settings)
    access.check(host)
    home = settings.home.absolute()
    private_folder(home)
    private_folder(home / FOLDER)
    tools = Tools(settings)
    index = RowIndex(tools.store, home / FOLDER, memory=settings.view_memory)
    site = Site(
        tools.store,
        home,
        index,
        settings.ledger_url(),
        access=access,
        encoder=tools.encoder,
        take_out=take_out,
        resume=functools.partial(resume_waiting, tools.store, home),
        sql_seconds=settings.sql_seconds,
        sql_memory=settings.sql_memory,
        prefect=prefect,
    )
    address = f"http://{host}:{port}"
    config = uvicorn.Config(
        create_app(site), host=host, port=port, log_level="warning", server_header=False, proxy_headers=False
    )
    server = uvicorn.Server(config)
    listening = config.bind_socket() if _is_free(host, port) else None
    if listening is None:
        site.close()
        raise StorageError(
            f"port {port} of {host} is taken. Fix: take another one, such as --port {port + 1}"
        )
    write_private(home / PAGE_FILE, address)
    try:
        if not quiet:
            print(f"The page: {address}   (Ctrl-C stops it)", flush=True)
        server.run(sockets=[listening])
    finally:
        (home / PAGE_FILE).unlink(missing_ok=True)


@contextlib.contextmanager
def page_beside(home: Path, port: int, prefect: str) -> Iterator[str]:
    """Serve the page in a process of its own while the block lasts, and yield its address; "" if it did not start.

    A port that is taken is replaced by a free one. Why a page did not start stands in the file LOG of the home.
    """
    port = port if _is_free(HOST, port) else _free_port()
    address = f"http://{HOST}:{port}"
    with (home / LOG).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.server.page", str(port), prefect],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            umask=0o077,
            start_new_session=True,  # Ctrl-C reaches it when the block ends
            preexec_fn=die_with_parent,
        )
    try:
        deadline = time.monotonic() + READY_WITHIN_S
        while process.poll() is None and time.monotonic() < deadline:
            if (home / PAGE_FILE).exists() and not _is_free(HOST, port):
                break
            time.sleep(0.1)
        yield address if process.poll() is None else ""
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        (home / PAGE_FILE).unlink(missing_ok=True)


def access_of(settings: Settings) -> Access:
    """Return how the settings let people in."""
    password = settings.view_password.get_secret_value() if settings.view_password is not None else ""
    return Access(password, settings.view_proxy_header)


def take_out(version: str, ids: Sequence[str], person: str) -> str:
    """Publish the dataset of a version without rows, by `mathmill rebuild` in a process of its own, and return the new version.

    Raises StorageError with the message of the command if it fails.
    """
    dataset, _, base = version.partition("@")
    rows = Store(load_settings().tables).resolve(version).rows
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rebuild.yaml")
        path.write_text(
            yaml.safe_dump(
                {
                    "dataset": dataset,
                    "base": base,
                    "without": {"id": list(ids)},
                    "target": max(
                        1, rows - len(ids)
                    ),  # so that rows that lacked the place do not make it grow
                }
            ),
            encoding="utf-8",
        )
        command = [
            sys.executable,
            "-c",
            "from flows.cli.app import main; main()",
            "rebuild",
            "--json",
            "--config",
            str(path),
        ]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=REBUILD_WITHIN_S, check=False, env=os.environ
            )
        except subprocess.TimeoutExpired:
            raise StorageError(
                f"taking rows out of {version}: not done within {REBUILD_WITHIN_S:.0f} s. Fix: run ./mathmill rebuild by hand"
            ) from None
    lines = done.stderr.strip().splitlines()
    if done.returncode:
        raise StorageError(
            lines[-1].removeprefix("mathmill: ")
            if lines
            else f"./mathmill rebuild ended with {done.returncode}"
        )
    try:
        return str(json.loads(done.stdout)["version"])
    except (ValueError, KeyError):
        # a version has exactly these rows already
        raise StorageError(
            f"{done.stdout.strip()[-300:] or 'nothing was published'}. Fix: look at the newest version"
        ) from None


def resume_waiting(store: Store, home: Path, version: Version) -> list[str]:
    """Let the promotions continue that wait for the reviewers of a version, and return the ids of their runs.

    Raises StorageError if Prefect's server does not answer; the judgements are stored then.
    """
    try:
        return resume(store, version, home)
    except (httpx.HTTPError, PrefectException) as error:
        raise StorageError(
            f"the queue of {version} is done and every judgement is stored, but the promotion that waits for it was not resumed "
            f"({in_one_line(error)}). Fix: resume it in Prefect's UI, or run ./mathmill review {version} once more"
        ) from error


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    serve_page(
        load_settings(), HOST, int(sys.argv[1]), prefect=sys.argv[2] if len(sys.argv) > 2 else "", quiet=True
    )
