"""Runs and `up` outlive the Prefect server: killed, or stopped with Ctrl-C while a run uses it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from flows.cli.prefect_run import TOOK_OVER
from flows.cli.up import RESTARTS
from flows.runner.environment import joined_runs
from tests.e2e.conftest import NEVER, SMALL, Up, started_up
from tests.e2e.processes import SERVER_WITHIN_S, WITHIN_S, answers, end, password_of, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.soak]  # one and a half minutes each, on two cores of their own


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Up]:
    with started_up(tmp_path / "mathmill", NEVER) as started:
        yield started


def server_of(up: Up) -> psutil.Process:
    (server,) = [
        child
        for child in psutil.Process(up.process.pid).children()
        if "flows.server.serve" in child.cmdline()
    ]
    return server


def test_a_killed_server_is_started_again_and_a_joined_night_outlives_ctrl_c(alone: Up) -> None:
    """One `up` for both, since its start is most of the test's time."""
    home = alone.home
    night = home.start("nightly", *SMALL)
    try:
        (run,) = wait_for(lambda: joined_runs(home.path), SERVER_WITHIN_S, "the joined night", night)
        assert run == f"nightly math-sft (process {night.pid})"
        server_of(alone).kill()
        wait_for(lambda: "it is started again" in alone.log, SERVER_WITHIN_S, "the restart", alone.process)
        up_again = lambda: answers(f"{alone.url}/api/health", password_of(home.path))  # noqa: E731
        wait_for(up_again, SERVER_WITHIN_S, "the server", alone.process)
        assert night.poll() is None
        os.kill(alone.process.pid, signal.SIGINT)
        wait_for(
            lambda: f"waiting for {run} to end" in alone.log, SERVER_WITHIN_S, "the waiting", alone.process
        )
        wait_for(up_again, SERVER_WITHIN_S, "the server that waits", alone.process)
        os.kill(alone.process.pid, signal.SIGINT)
        assert alone.process.wait(SERVER_WITHIN_S) == 0
        out, err = night.communicate(timeout=2 * WITHIN_S)
    except BaseException:
        end(night, signal.SIGKILL)
        raise
    assert night.returncode == 0, err[-3000:]
    assert f"mathmill: {TOOK_OVER}" in err
    assert "Traceback" not in out + err + alone.log
    (version,) = home.json("datasets")
    assert version["version"] in out
    assert (home.path / "reports" / f"{version['version']}.html").exists()


def test_a_server_that_cannot_be_started_again_ends_up_in_a_line(alone: Up) -> None:
    server = server_of(alone)
    server.suspend()  # so that nothing is restored between the damage and the end
    (alone.home.path / "prefect" / "prefect.db").write_bytes(b"no database " * 1_000)
    server.kill()
    assert alone.process.wait(SERVER_WITHIN_S * RESTARTS) == 2
    assert alone.log.strip().splitlines()[-1].startswith("mathmill: Prefect did not start")
    assert "Traceback" not in alone.log


STRICT = ("rebuild", "--set", "thresholds.answer=0.85", "--set", "target=4")
LOOSE = ("rebuild", "--set", "target=7")


def joined(up: Up, *words: str) -> subprocess.Popen[str]:
    """Start a rebuild and wait until it uses the server of `up`."""
    process = up.home.start(*words)
    is_joined = lambda: [run for run in joined_runs(up.home.path) if run.startswith("rebuild")]  # noqa: E731
    wait_for(is_joined, SERVER_WITHIN_S, "the joined rebuild", process)
    return process


def published(up: Up) -> list[str]:
    return [version["version"] for version in up.home.json("datasets")]


def test_a_rebuild_outlives_its_server_and_publishes_once(alone: Up) -> None:
    """The server is killed when the rebuild has joined it, and with `up` when the rebuild is about to publish."""
    home = alone.home
    night = home.script("nightly", *SMALL)
    assert night.returncode == 0, night.stderr[-3000:]
    (first,) = published(alone)

    rebuild = joined(alone, *STRICT)
    try:
        server_of(alone).kill()
        out, err = rebuild.communicate(timeout=2 * WITHIN_S)
    except BaseException:
        end(rebuild, signal.SIGKILL)
        raise
    assert rebuild.returncode == 0, err[-3000:]
    assert "Traceback" not in out + err + alone.log
    strict = published(alone)[-1]
    assert published(alone) == [first, strict]
    assert strict in out

    up_again = lambda: answers(f"{alone.url}/api/health", password_of(home.path))  # noqa: E731
    wait_for(up_again, SERVER_WITHIN_S, "the server", alone.process)
    rebuild = joined(alone, *LOOSE)
    try:
        notes = lambda: list((home.path / "runs").glob("*.json"))  # noqa: E731
        wait_for(notes, SERVER_WITHIN_S, "the rebuild that publishes", rebuild, every=0.01)
        server = server_of(alone)
        alone.process.kill()  # first, so that it starts no other server
        server.kill()
        alone.process.wait()
        out, err = rebuild.communicate(timeout=2 * WITHIN_S)
    except BaseException:
        end(rebuild, signal.SIGKILL)
        raise
    finally:
        for name in ("server.url", "server.password"):  # `up` could not remove them
            (home.path / name).unlink(missing_ok=True)
    assert rebuild.returncode == 0, err[-3000:]
    assert "Traceback" not in out + err
    loose = published(alone)[-1]
    assert published(alone) == [first, strict, loose]
    assert loose in out
    assert (home.path / "reports" / f"{loose}.html").exists()

    for words, version in ((STRICT, strict), (LOOSE, loose)):
        again = home.script(*words)
        assert again.returncode == 0, again.stderr[-3000:]
        assert version in again.stdout
    assert published(alone) == [first, strict, loose]
