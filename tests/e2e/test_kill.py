"""kill -9 in the middle: the next run ends with the same version, and no stored completion is paid twice."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from flows.orchestrated import STOPPED
from tests.e2e.processes import Home, Teacher, end, listens, wait_for

pytestmark = pytest.mark.e2e

IN_FLIGHT = 8
NIGHT = (
    "nightly",
    "--target",
    "24",
    "--set",
    "weakness.share=0",
    "--set",
    "similarity.semantic=ignore",
    "--set",
    "shard_rows=8",
)


def pointed_at(home: Callable[..., Home], teacher: Teacher) -> Home:
    settings = {"MATHMILL_TEACHER__MODEL": "embedded", "MATHMILL_TEACHER__BASE_URL": teacher.url}
    return home(MATHMILL_IN_FLIGHT=str(IN_FLIGHT), **settings)


@pytest.fixture(scope="module")
def whole(home: Callable[..., Home]) -> dict[str, Any]:
    """The night without a kill, in process."""
    night: dict[str, Any] = home().json(*NIGHT)
    return night


def kill_at(home: Home, teacher: Teacher, calls: int) -> None:
    """Start the night and kill its whole process group once the server has counted so many calls."""
    process = home.start(*NIGHT)
    wait_for(lambda: teacher.stats()["calls"] >= calls, 240, f"{calls} calls", process)
    end(process, signal.SIGKILL)


# in the middle of solving, in the critic's turn
@pytest.mark.parametrize("share", [pytest.param(0.2, marks=pytest.mark.soak), 0.6])
def test_killed_and_run_again(
    whole: dict[str, Any], home: Callable[..., Home], teacher: Callable[[], Teacher], share: float
) -> None:
    server = teacher()
    one = pointed_at(home, server)
    calls: int = sum(line["calls"] for line in whole["lineage"]["service"])
    kill_at(one, server, int(share * calls))
    assert one.json("datasets") == []
    night = one.json(*NIGHT)
    assert night["digest"] == whole["digest"]
    counted = server.stats()
    asked_twice = counted["repeated_requests"]
    assert asked_twice <= IN_FLIGHT
    assert counted["distinct_requests"] == calls


@pytest.mark.soak
def test_killed_while_publishing(whole: dict[str, Any], home: Callable[..., Home]) -> None:
    """From the moment the mixture exists: publishing, candidates, history and report follow."""
    one = home()
    process = one.start(*NIGHT)

    def mixture() -> bool:
        records = (one.path / "shards").rglob("*.json") if one.path.exists() else ()
        return any('"stage": "mix"' in record.read_text() for record in records)

    wait_for(mixture, 240, "the mixture", process)
    time.sleep(0.3)
    end(process, signal.SIGKILL)
    if not one.json("datasets"):
        one.run(*NIGHT)
    versions = one.json("datasets")
    assert versions[0]["digest"] == whole["digest"]
    # the next night finishes what the kill cut off: candidates, history, report
    second = one.json(*NIGHT)
    assert second["lineage"]["base"] == versions[0]["version"]
    (row,) = one.sql("SELECT count(*) AS rows FROM rows WHERE stage = 'published'")
    assert row["rows"] == second["rows"]
    assert (one.path / "reports" / f"{versions[0]['version']}.html").exists()
    (twice,) = one.sql('SELECT count(*) - count(DISTINCT id) AS n FROM "math-sft"')
    assert twice["n"] == 0


def test_ctrl_c_ends_the_night_in_a_line(whole: dict[str, Any], home: Callable[..., Home]) -> None:
    """With a Prefect of its own, which is in the same terminal: it must outlive the run's last word, and no longer."""
    one = home()
    del one.environment["PREFECT_API_URL"]
    process = one.start(*NIGHT)
    wait_for(lambda: (one.path / "shards").exists(), 240, "the first shards", process)
    (port,) = {
        connection.laddr.port
        for child in psutil.Process(process.pid).children(recursive=True)
        for connection in child.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    os.killpg(process.pid, signal.SIGINT)
    said, complaints = process.communicate(timeout=120)
    assert process.returncode == 130, complaints
    assert complaints.strip().splitlines()[-1] == f"mathmill: {STOPPED}"
    assert "Traceback" not in said + complaints
    wait_for(lambda: not listens(port), 30, "the end of its server")
    assert one.json("datasets") == []
