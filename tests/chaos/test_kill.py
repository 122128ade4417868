"""kill -9 at seeded moments: no stored completion is requested again, at most the requests in flight are paid for twice,
and the final answers are those of a night that was not killed."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage.ledger import COMPLETION, Ledger

PROGRAM = Path(__file__).with_name("night.py")
IN_FLIGHT = 16
COUNT = 400  # questions


@pytest.fixture(scope="module")
def night() -> Iterator[Callable[..., str]]:
    environment = {**os.environ, "PYTHONPATH": str(PROGRAM.parents[2])}
    with subprocess.Popen(
        [sys.executable, str(PROGRAM)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def run(**order: object) -> str:
            stdin.write(json.dumps(order) + "\n")
            stdin.flush()
            return stdout.readline().strip()

        yield run
        stdin.close()
        process.wait(30)


@pytest.mark.slow
@pytest.mark.parametrize("points", [5, pytest.param(200, marks=pytest.mark.soak)])
def test_killed_at_any_point(points: int, night, faults, tmp_path: Path) -> None:
    digest = night(ledger=str(tmp_path / "calm.sqlite"), url=faults.url("none=0", seed=1), count=COUNT)
    assert len(digest) == 64
    calm = faults.counts()["good"]
    assert set(calm.values()) == {1}
    draw = random.Random(f"kill {points}")
    midway = 0
    path, before, kills = "", dict(calm), 0
    for point in range(points):
        if point % 5 == 0:
            # A fresh ledger every five kills, so that the last kills of each still find work to cut.
            finish(night, faults, path, digest, before, kills)
            path, before, kills = str(tmp_path / f"night-{point}.sqlite"), faults.counts()["good"], 0
        stored = keys_of(path)
        asked = faults.counts()["good"]
        low = min(len(stored), COUNT - 1)
        after = draw.randint(low, low + (COUNT - low) // 3)  # leaves work for the kills that follow
        night(ledger=path, url=faults.url(), count=COUNT, after=after, seconds=draw.uniform(0, 0.02))
        kills += 1
        midway += 0 < len(keys_of(path)) < COUNT
        # This start did not request what was durable before it.
        again = sum(faults.counts()["good"].values()) - sum(asked.values())
        assert again <= COUNT - len(stored)
        assert stored <= keys_of(path)
    finish(night, faults, path, digest, before, kills)
    assert midway >= points // 2  # the kills fell into the work, not all before or after it


def finish(night, faults, path: str, digest: str, before: dict, kills: int) -> None:
    if not path:
        return
    assert night(ledger=path, url=faults.url(), count=COUNT) == digest
    after = faults.counts()["good"]
    bought = {body: after[body] - before.get(body, 0) for body in after}
    assert min(bought.values()) >= 1
    assert sum(bought.values()) - COUNT <= kills * IN_FLIGHT
    with Ledger.open(path) as ledger:
        answers = [item for item in ledger.every() if item.outcome in (None, COMPLETION)]
        assert len({item.call.key for item in answers}) == COUNT
        assert len(answers) == COUNT  # nothing that was stored was bought again


def keys_of(path: str) -> set[str]:
    if not Path(path).exists():
        return set()
    with Ledger.open(path) as ledger:
        return {item.call.key for item in ledger.every()}
