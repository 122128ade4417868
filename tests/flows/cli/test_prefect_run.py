"""Runs that have joined the server of `up` outlive it, and one another."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from flows.cli.prefect_run import _Joined
from flows.runner.environment import PASSWORD_FILE, SERVER_FILE, SERVER_LOCK, answers, arrange
from flows.runner.locks import lock, write_private
from flows.server.process import READY_WITHIN_S, PrefectServer

AUTH = "mathmill:a password of this test"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    with patch.dict(os.environ):
        for name in [name for name in os.environ if name.startswith("PREFECT_")]:
            del os.environ[name]
        arrange(tmp_path, quiet=True, join=False)
        yield tmp_path


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


# two Prefect servers; tests/e2e/test_server.py has a run that joins one
@pytest.mark.soak
def test_each_run_that_ends_leaves_the_server_to_the_next(home: Path) -> None:
    runs: list[_Joined] = []
    with contextlib.ExitStack() as stack:
        with lock(home / SERVER_LOCK):
            up = PrefectServer(home, 0, AUTH, ui=False)
            stack.callback(up.stop)
            up.start()
            up.wait()
            write_private(home / SERVER_FILE, up.url)
            write_private(home / PASSWORD_FILE, AUTH)
            for name in ("nightly one", "nightly two"):
                run = _Joined(home, up.url, name)
                stack.callback(run.stop)
                run.start()
                runs.append(run)
            assert not any(run.replace() for run in runs)
            up.stop()
        wait_for(lambda: answers(up.url, AUTH))
        assert sorted(run.replace() for run in runs) == [False, True]
        first, second = sorted(runs, key=lambda run: run.replace(), reverse=True)
        first.stop()
        second.wait()
        assert answers(up.url, AUTH)
        assert second.replace()
