"""One fault server for the session, on which every test has its own name and therefore its own counts."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storage.ledger import Ledger


class FaultServer:
    def __init__(self, port: int, name: str) -> None:
        self._root = f"http://127.0.0.1:{port}/{name}"

    def url(self, rates: str = "", seed: int = 0) -> str:
        """The base URL whose calls meet these faults (`name=per mille,...`)."""
        return f"{self._root}/{seed}/{rates or 'none'}/v1"

    def counts(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self._root}/0/sent/counts") as response:
            counts: dict[str, Any] = json.load(response)
        return counts

    def switch(self, state: str) -> None:
        """ "dead" or "alive"."""
        with urllib.request.urlopen(f"{self._root}/0/none/{state}", data=b"{}"):
            return


@pytest.fixture(scope="session")
def fault_port() -> Iterator[int]:
    program = Path(__file__).with_name("fault_server.py")
    with subprocess.Popen(
        [sys.executable, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        yield int(server.stdout.readline())
        server.stdin.close()
        server.wait(10)


@pytest.fixture
def faults(fault_port: int, request: pytest.FixtureRequest) -> FaultServer:
    return FaultServer(fault_port, "".join(c if c.isalnum() else "-" for c in request.node.name))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened
