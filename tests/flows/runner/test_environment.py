"""The home's own Prefect server as other commands find it; files that only their owner reads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from flows.runner.environment import (
    PASSWORD_FILE,
    SERVER_FILE,
    SERVER_LOCK,
    ServerAddress,
    arrange,
    private_folder,
    running_server,
)
from flows.runner.locks import is_locked, lock, write_private


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """A foreign server that accepts every request: its URL, and the passwords that it was sent."""
    given: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given.append(self.headers.get("Authorization", ""))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/api", given
    server.shutdown()
    server.server_close()


def test_what_a_killed_server_left_is_not_believed(tmp_path: Path, listener: tuple[str, list[str]]) -> None:
    url, given = listener
    assert running_server(tmp_path) is None
    write_private(tmp_path / SERVER_FILE, url)
    write_private(tmp_path / PASSWORD_FILE, "mathmill:secret")
    (tmp_path / SERVER_LOCK).touch()
    assert running_server(tmp_path) is None
    assert given == []
    with lock(tmp_path / SERVER_LOCK) as held:
        assert held
        assert running_server(tmp_path) == ServerAddress(url, "mathmill:secret")
    assert len(given) == 1
    assert running_server(tmp_path) is None


def test_a_lock_ends_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    assert not is_locked(path)
    with lock(path) as first, lock(path, within_s=0.1) as second:
        assert (first, second) == (True, False)
        assert is_locked(path)
    with lock(path, shared=True) as one, lock(path, shared=True) as other:
        assert one
        assert other
        assert not is_locked(path)


def test_new_files_are_readable_by_their_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PREFECT_HOME", "PREFECT_API_URL"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    home = tmp_path / "above" / "home"
    arrange(home, quiet=True)
    assert {path.stat().st_mode & 0o777 for path in (home, home / "prefect")} == {0o700}
    file = home / "secret"
    file.touch(0o644)
    write_private(file, "text")
    assert file.stat().st_mode & 0o777 == 0o600
    own = tmp_path / "own"
    own.mkdir(mode=0o750)
    own.chmod(0o750)
    private_folder(own)
    assert own.stat().st_mode & 0o777 == 0o750  # chosen by the user


ARRANGED = """
import sys
from pathlib import Path
from flows.runner.environment import arrange
arrange(Path(sys.argv[1]), quiet=True, join=False)
import torch
torch.set_num_threads(2)
torch.ones(300, 300) @ torch.ones(300, 300)
"""


@pytest.mark.slow
@pytest.mark.parametrize("own", [None, "ACTIVE"])
def test_torch_waits_passively_unless_the_user_says_otherwise(tmp_path: Path, own: str | None) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {"OMP_DISPLAY_ENV": "true"} | ({"OMP_WAIT_POLICY": own} if own else {})
    done = subprocess.run(
        [sys.executable, "-c", ARRANGED, str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"OMP_WAIT_POLICY = '{own or 'PASSIVE'}'" in done.stderr
