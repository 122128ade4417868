"""The same night on threads, processes, Ray and Dask: the same rows; and with a worker killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import Home, Teacher, balanced, clean_environment, end, free_port, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.soak]

# Ray asks for one since 2.60
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "token-of-the-tests-" + "0" * 32}
NIGHT = ("nightly", "--target", "40", "--set", "shard_rows=8", "--set", "weakness.share=0")
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def by_threads(home: Callable[..., Home]) -> dict[str, Any]:
    outcome: dict[str, Any] = home().json(*NIGHT)
    return outcome


def process(words: list[str], log: Path, **more: str) -> subprocess.Popen[str]:
    environment = clean_environment(RAY_USAGE_STATS_ENABLED="0", PATH=f"{BIN}:{os.environ['PATH']}", **more)
    out = log.open("a")
    return subprocess.Popen(
        words, env=environment, stdout=out, stderr=out, text=True, start_new_session=True, cwd=log.parent
    )


@contextmanager
def dask(folder: Path, **more: str) -> Iterator[tuple[str, list[subprocess.Popen[str]]]]:
    """A scheduler and two workers: their address, and the workers."""
    pytest.importorskip("prefect_dask", reason="the extra dask is not installed")
    address, log = f"tcp://127.0.0.1:{free_port()}", folder / "dask.log"
    port = address.rpartition(":")[2]
    scheduler = process(
        [str(BIN / "dask"), "scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"], log, **more
    )
    workers = [
        process(
            [str(BIN / "dask"), "worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny"],
            log,
            **more,
        )
        for _ in range(2)
    ]
    try:
        wait_for(lambda: log.read_text().count("Registered to") >= 2, 120, "two Dask workers", scheduler)
        yield address, workers
    finally:
        for one in (*workers, scheduler):
            end(one, signal.SIGKILL)


@contextmanager
def ray(folder: Path, **more: str) -> Iterator[tuple[str, list[subprocess.Popen[str]]]]:
    """A head that runs nothing and two nodes of one processor: their address, and the nodes."""
    pytest.importorskip("prefect_ray", reason="the extra ray is not installed")
    port, log = free_port(), folder / "ray.log"
    address = f"127.0.0.1:{port}"
    common = ["--object-store-memory", str(100 << 20), "--disable-usage-stats", "--block"]
    command = [str(BIN / "ray"), "start"]
    more |= TOKEN
    head = process(
        [*command, "--head", "--port", str(port), "--num-cpus", "0", "--include-dashboard=false", *common],
        log,
        **more,
    )
    wait_for(lambda: "Ray runtime started" in log.read_text(), 120, "the Ray head", head)
    nodes: list[subprocess.Popen[str]] = []
    try:
        for number in (2, 3):  # one after the other: two that start at once take each other's ports
            nodes.append(process([*command, "--address", address, "--num-cpus", "1", *common], log, **more))
            up = f"{number - 1} Ray nodes"
            wait_for(lambda n=number: log.read_text().count("Ray runtime started") >= n, 120, up, head)
        yield address, nodes
    finally:
        for one in (*nodes, head):
            end(one, signal.SIGKILL)


@pytest.mark.parametrize("kind", ["processes", "ray", "dask"])
def test_another_runner_gives_the_same_rows(
    home: Callable[..., Home], by_threads: dict[str, Any], kind: str
) -> None:
    if kind != "processes":
        pytest.importorskip(f"prefect_{kind}", reason=f"the extra {kind} is not installed")
    night = home(MATHMILL_RUNNER=kind, MATHMILL_RUNNER_WORKERS="2").json(*NIGHT)
    assert night["digest"] == by_threads["digest"]
    assert night["lineage"]["funnel"] == by_threads["lineage"]["funnel"]


@pytest.mark.parametrize("cluster", [ray, dask])
def test_a_worker_is_killed_and_the_night_ends_with_the_same_rows(
    home: Callable[..., Home],
    teacher: Callable[[], Teacher],
    by_threads: dict[str, Any],
    cluster: Any,
    tmp_path: Path,
) -> None:
    served = teacher()
    kind = cluster.__name__
    one = home(MATHMILL_RUNNER=kind, MATHMILL_TEACHER__BASE_URL=served.url)
    with cluster(
        tmp_path, **{k: v for k, v in one.environment.items() if k.startswith(("MATHMILL_", "PREFECT_"))}
    ) as (
        address,
        workers,
    ):
        run = one.start(*NIGHT, "--json", MATHMILL_RUNNER_ADDRESS=address, **TOKEN)
        try:
            wait_for(lambda: served.stats()["calls"] > 60, 300, "some calls", run)
            end(workers[0], signal.SIGKILL)
            _, err = run.communicate(timeout=400)
        finally:
            end(run, signal.SIGKILL)
        assert run.returncode == 0, err[-3000:]
    (version,) = one.json("datasets")
    assert version["digest"] == by_threads["digest"]
    balanced(one.json("show", version["version"])["lineage"])
    # what was in flight on the killed worker may have been asked twice, and nothing else
    assert served.stats()["repeated_requests"] <= 64


def test_a_cluster_needs_a_server_that_it_can_reach(home: Callable[..., Home]) -> None:
    one = home(MATHMILL_RUNNER="dask", MATHMILL_RUNNER_ADDRESS="tcp://127.0.0.1:1")
    one.environment.pop("PREFECT_API_URL")
    refused = one.run("nightly", code=2).stderr.strip().splitlines()[-1]
    assert "set PREFECT_API_URL to a Prefect server on PostgreSQL" in refused
