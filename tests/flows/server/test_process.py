"""The process of a Prefect server: its port stays with its parent, its log stays small."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from flows.runner.environment import answers, arrange
from flows.server.process import HOST, PrefectServer
from flows.server.serve import LOGS_KEPT
from flows.settings import SettingsError

BIND = """
import socket, sys
address, reuse = sys.argv[1], int(sys.argv[2])
with socket.socket() as taken:
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, reuse)
    taken.bind((address, int(sys.argv[3])))
    taken.listen()
"""
AUTH = "mathmill:a password of this test"
LARGEST = 4_096


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PrefectServer]:
    """A Prefect server on a home of its own, not started yet."""
    with patch.dict(os.environ):
        for name in [name for name in os.environ if name.startswith("PREFECT_")]:
            del os.environ[name]
        arrange(tmp_path, quiet=True, join=False)
        server = PrefectServer(tmp_path, 0, AUTH, ui=False)
        try:
            yield server
        finally:
            server.stop()


def bound_by_another(port: int) -> list[str]:
    """The addresses and ways by which another process gets the port."""
    ways = [(address, reuse) for address in (HOST, "0.0.0.0") for reuse in ("0", "1")]
    done = [
        (way, subprocess.run([sys.executable, "-c", BIND, *way, str(port)], capture_output=True, text=True))
        for way in ways
    ]
    for _, process in done:
        assert process.returncode == 0 or "Address already in use" in process.stderr, process.stderr
    return [" ".join(way) for way, process in done if process.returncode == 0]


# two Prefect servers; that a port is held is tested below without one
@pytest.mark.soak
def test_the_port_of_a_killed_server_is_free_for_nobody_and_a_call_in_the_gap_is_answered_by_the_next(
    server: PrefectServer,
) -> None:
    server.start()
    server.wait()
    assert server._process is not None
    server._process.kill()
    server._process.wait()
    assert bound_by_another(server.port) == []
    assert not answers(server.url, AUTH)
    with socket.create_connection((HOST, server.port)) as call:
        password = b64encode(AUTH.encode())
        call.sendall(
            b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic " + password + b"\r\n\r\n"
        )
        server.start()
        server.wait()
        call.settimeout(60)
        assert call.recv(1_000).startswith(b"HTTP/1.1 200")
    assert answers(server.url, AUTH)
    server.stop()
    # connections that are in TIME_WAIT still keep a socket without SO_REUSEADDR from the port
    assert {f"{HOST} 1", "0.0.0.0 1"} <= set(bound_by_another(server.port))


def test_a_port_is_held_from_the_first_moment_and_one_that_is_taken_is_refused(tmp_path: Path) -> None:
    first = PrefectServer(tmp_path, 0, AUTH, ui=True)
    try:
        assert bound_by_another(first.port) == []
        with pytest.raises(SettingsError, match=f"port {first.port} .* Fix: .*--port {first.port + 1}"):
            PrefectServer(tmp_path, first.port, AUTH, ui=True)
    finally:
        first.stop()


WRITE = """
import sys, threading
from pathlib import Path
from flows.server import serve
log, name, lines = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
closing = threading.Event()
def rotate():
    while not closing.wait(0.002):
        serve.rotate(log, int(sys.argv[4]))
rotating = threading.Thread(target=rotate)
rotating.start()
for number in range(lines):
    sys.stderr.write(f"{name} {number} {'.' * 40}\\n")  # as a logging handler does
    threading.Event().wait(0.0005)
closing.set()
rotating.join()
"""


@pytest.mark.slow
def test_two_servers_rotate_one_log_and_lose_no_line(tmp_path: Path) -> None:
    """So many lines that the logs kept hold them all."""
    log, lines = tmp_path / "server.log", 100
    log.touch()
    processes = []
    for name in ("one", "two"):
        with log.open("a") as file:
            words = [sys.executable, "-c", WRITE, str(log), name, str(lines), str(LARGEST)]
            processes.append(subprocess.Popen(words, stdout=file, stderr=file))
    assert [process.wait(120) for process in processes] == [0, 0]
    logs = [path for path in sorted(tmp_path.glob("server.log*")) if path.suffix != ".lock"]
    assert "server.log.1" in [path.name for path in logs]
    written = [line.split(" ")[:2] for path in logs for line in path.read_text().splitlines()]
    assert sorted(written) == sorted(
        [name, str(number)] for name in ("one", "two") for number in range(lines)
    )


CHECKED = """
import sys
from pathlib import Path
from flows.server import serve
for number in range(2_000):
    sys.stderr.write(f"{number} {'.' * 40}\\n")
    if number % 10 == 0:
        serve.rotate(Path(sys.argv[1]), int(sys.argv[2]))
"""


@pytest.mark.slow
def test_the_log_and_its_older_parts_are_bounded(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.touch(0o600)
    with log.open("a") as file:
        subprocess.run(
            [sys.executable, "-c", CHECKED, str(log), str(LARGEST)], stdout=file, stderr=file, check=True
        )
    logs = sorted(path for path in tmp_path.iterdir() if path.suffix != ".lock")
    assert [path.name for path in logs] == ["server.log", *(f"server.log.{n + 1}" for n in range(LOGS_KEPT))]
    assert max(path.stat().st_size for path in logs) < LARGEST + 10 * 50
    assert all(path.stat().st_mode & 0o077 == 0 for path in logs)
    written = [line for path in reversed(logs) for line in path.read_text().splitlines()]
    assert [int(line.split(" ")[0]) for line in written] == list(range(2_000))[-len(written) :]
