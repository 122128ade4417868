"""A PostgreSQL of the tests' own, on loopback, from Debian's package."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import free_port, wait_for

PASSWORD = "pg-secret-of-the-tests"


def program(name: str) -> str:
    """Debian keeps the server's programs out of the path."""
    executable = shutil.which(name) or next(
        iter(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))), None
    )
    if executable is None:
        pytest.skip(f"PostgreSQL's {name} is not installed (apt-get install postgresql)")
    return executable


@contextlib.contextmanager
def postgres() -> Iterator[int]:
    """The port of a server with user and database `prefect`, password PASSWORD."""
    initdb, server = program("initdb"), program("postgres")
    # it refuses to run as root, and another user cannot enter pytest's own temporary folders
    demote: dict[str, Any] = (
        {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
    )
    with tempfile.TemporaryDirectory(prefix="mathmill-pg-") as name:
        folder, port = Path(name), free_port()
        (folder / "password").write_text(PASSWORD)
        if demote:
            shutil.chown(folder, "postgres")
            shutil.chown(folder / "password", "postgres")
        words = ["-D", str(folder / "data"), "-U", "prefect", "-A", "scram-sha-256", "-N"]
        subprocess.run(
            [initdb, *words, "--pwfile", str(folder / "password")],
            check=True,
            capture_output=True,
            cwd="/",
            **demote,
        )
        options = [
            "-c",
            "listen_addresses=127.0.0.1",
            "-p",
            str(port),
            "-k",
            name,
            "-c",
            "max_connections=200",
        ]
        log = folder / "log"
        with log.open("w") as out:
            process = subprocess.Popen(
                [server, "-D", str(folder / "data"), *options], stderr=out, cwd="/", text=True, **demote
            )
        try:
            wait_for(lambda: "ready to accept" in log.read_text(), 60, "PostgreSQL", process)
            sql(port, "CREATE DATABASE prefect", database="postgres")
            yield port
        finally:
            process.send_signal(signal.SIGINT)  # SIGTERM would wait for idle clients
            process.wait(30)


def sql(port: int, query: str, database: str = "prefect") -> list[tuple[Any, ...]]:
    import psycopg

    address = f"host=127.0.0.1 port={port} user=prefect password={PASSWORD} dbname={database}"
    with psycopg.connect(address, autocommit=True) as connection:
        cursor = connection.execute(query)  # type: ignore[call-overload]
        return list(cursor.fetchall()) if cursor.description else []
