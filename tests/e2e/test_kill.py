"""kill -9 in the middle: the next run ends with the same version, and no stored completion is paid twice."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from flows.cli.prefect_run import STOPPED
from tests.e2e.forked import run_forked
from tests.e2e.processes import WITHIN_S, Home, Teacher, end, listens, wait_for

pytestmark = pytest.mark.e2e

IN_FLIGHT = 8
NIGHT = (
    "nightly",
    "--target",
    "12",
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


def kill_at(home: Home, teacher: Teacher, calls: int, night: tuple[str, ...] = NIGHT) -> None:
    """Start the night and kill its whole process group once the server has counted so many calls."""
    process = home.start(*night)
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
def test_a_night_in_rounds_that_is_killed_and_run_with_another_error_asks_for_nothing_twice(
    home: Callable[..., Home], teacher: Callable[[], Teacher]
) -> None:
    def rounds(error: str) -> tuple[str, ...]:
        return (*NIGHT, "--set", f"solve.adaptive={error}", "--set", "solve.route=0.25")

    whole = home().json(*rounds("0.05"))
    calls = sum(line["calls"] for line in whole["lineage"]["service"])
    server = teacher()
    one = pointed_at(home, server)
    kill_at(one, server, calls // 2, rounds("0.2"))
    assert one.json("datasets") == []
    night = one.json(*rounds("0.05"))
    assert night["digest"] == whole["digest"]
    counted = server.stats()
    assert counted["repeated_requests"] <= IN_FLIGHT
    lines = [line for line in night["lineage"]["funnel"] if not line["title"].endswith("known answers")]
    questions = sum(line["kept"] for line in lines if line["stage"] == "similarity")
    assert sum(line["asked"] for line in lines if line["stage"] == "solve") < 4 * questions
    one.json("rebuild", "--set", "correctness=0.95")
    assert server.stats()["calls"] == counted["calls"]


# a night as a worker runs it, without a command around it, that is killed at a point of its end
WORKER = """
import os, sys
from pathlib import Path
from flows.runner.environment import arrange
arrange(Path(os.environ["MATHMILL_HOME"]), quiet=True)
import flows.runner.night, flows.runner.publication, flows.runner.resources
from flows.config.nightly import load_config
killed = lambda *_: os._exit(9)
if sys.argv[1] == "published":
    flows.runner.publication.finish = killed
if sys.argv[1] == "finished":
    flows.runner.resources.Tools.close = killed
from flows.nightly import nightly
print(nightly(load_config(None, sys.argv[2:])))
"""


@pytest.mark.soak  # a night more
def test_a_worker_killed_after_its_night_has_published_pays_no_second_one(
    home: Callable[..., Home], teacher: Callable[[], Teacher]
) -> None:
    server = teacher()
    one = pointed_at(home, server)

    def worker(killed: str) -> subprocess.CompletedProcess[str]:
        words = (killed, "target=8", *(word for word in NIGHT if "." in word))
        return run_forked(words, one.environment, one.path.parent, WITHIN_S, WORKER)

    first = worker("published")
    assert first.returncode == 9, first.stderr[-3000:]
    (version,) = one.json("datasets")
    report = one.path / "reports" / f"{version['version']}.html"
    calls = server.stats()["calls"]
    assert calls > 0
    assert not report.exists()
    assert worker("finished").returncode == 9
    assert report.exists()
    last = worker("never")
    assert last.returncode == 0, last.stderr[-3000:]
    assert last.stdout.split() == [version["version"]]
    assert [listed["version"] for listed in one.json("datasets")] == [version["version"]]
    assert server.stats()["calls"] == calls
    assert list((one.path / "runs").iterdir()) == []


REBUILD = (
    WORKER.replace(
        "flows.runner.night, flows.runner.publication, flows.runner.resources",
        "flows.runner.rebuild_publication, flows.runner.resources",
    )
    .replace("flows.runner.publication.finish", "flows.runner.rebuild_publication.finish")
    .replace(
        """from flows.nightly import nightly
print(nightly(load_config(None, sys.argv[2:])))""",
        """from flows.config.loading import load_as
from flows.config.rebuild import Rebuild
from flows.rebuild import rebuild
print(rebuild(load_as(Rebuild, None, sys.argv[2:])))""",
    )
)


@pytest.mark.soak
def test_a_rebuild_killed_after_it_has_published_publishes_no_second_version(
    home: Callable[..., Home],
) -> None:
    one = home()
    one.run("nightly", "--target", "8", *NIGHT[3:])

    def worker(killed: str, threshold: str = "0.4") -> subprocess.CompletedProcess[str]:
        words = (killed, f"thresholds.answer={threshold}", "force=true")  # whatever rows it gives
        return run_forked(words, one.environment, one.path.parent, WITHIN_S, REBUILD)

    first = worker("published")
    assert first.returncode == 9, first.stderr[-3000:]
    night, version = (
        listed["version"] for listed in sorted(one.json("datasets"), key=lambda v: v["created"])
    )
    report = one.path / "reports" / f"{version}.html"
    assert not report.exists()
    assert worker("finished").returncode == 9
    assert report.exists()
    again = worker("never")
    assert again.returncode == 0, again.stderr[-3000:]
    assert again.stdout.split() == [version]
    assert len(one.json("datasets")) == 2
    assert list((one.path / "runs").iterdir()) == []
    other = worker("never", "0.3")  # other rules, or the same after one that ended well, are another version
    assert other.returncode == 0, other.stderr[-3000:]
    assert other.stdout.split() not in ([version], [night])
    assert len(one.json("datasets")) == 3


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
    one.run(*NIGHT)  # the same night, whether it had published or not
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


@pytest.mark.soak
def test_ctrl_c_ends_the_night_in_a_line(home: Callable[..., Home], migrated: Callable[[Path], None]) -> None:
    """With a Prefect of its own, which is in the same terminal: it must outlive the run's last word, and no longer."""
    one = home()
    migrated(one.path)
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
    output, complaints = process.communicate(timeout=120)
    assert process.returncode == 130, complaints
    assert complaints.strip().splitlines()[-1] == f"mathmill: {STOPPED}"
    assert "Traceback" not in output + complaints
    wait_for(lambda: not listens(port), 30, "the end of its server")
    assert one.json("datasets") == []


@pytest.mark.soak
def test_the_same_night_started_twice_at_once_publishes_once(home: Callable[..., Home]) -> None:
    twins = home()
    words = ("nightly", "--target", "8", "--set", "generate.waves=1")
    both = [twins.start(*words) for _ in range(2)]
    ends = [process.communicate(timeout=WITHIN_S) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    assert len(twins.json("datasets")) == 1
    assert not list((twins.path / "runs").glob("*.json"))
