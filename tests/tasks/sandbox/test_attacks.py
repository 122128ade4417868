"""Every attack gets its status, reaches nothing, leaves nothing behind, and does not affect later programs.

It runs as the user who runs the tests; under root, test_ordinary_user.py runs this file again as an ordinary user.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from attacks import ATTACKS, BENIGN, BENIGN_ANSWER, MARK, secrets_of
from changing import DETERMINISTIC, NONDETERMINISTIC
from leftovers import Leftovers, inside

from tasks.sandbox import Limits, Result, Sandbox, isolation

pytestmark = pytest.mark.skipif(not isolation().ok, reason=f"no isolation here: {isolation().detail}")

LIMITS = Limits(wall_s=0.5, memory_mb=256)
LATE_S = 1.0  # of CPU time beyond the limit, since wall time depends on the load of the machine
HANG_S = 30  # beyond the longest time of a program, on a busy machine
SECRET = "a-secret-of-the-parent-process"


@dataclass(frozen=True)
class Seen:
    """An attack's result, what was still running then, and the benign program right after it."""

    result: Result
    seconds: float
    running: list[str]
    after: Result


def attack_all(boxes: list[Sandbox]) -> dict[str, Seen]:
    """Each attack with the benign program right behind it in the same isolation.

    A box of one worker has one isolation at a time, so the two follow each other in it."""

    def share(number: int) -> list[tuple[str, Seen]]:
        observed, box = [], boxes[number]
        for name in list(ATTACKS)[number :: len(boxes)]:
            start = time.monotonic()
            (result,) = box.run([ATTACKS[name][0]])
            seconds = time.monotonic() - start
            running = inside(box)
            (after,) = box.run([BENIGN])
            observed.append((name, Seen(result, seconds, running, after)))
        return observed

    with ThreadPoolExecutor(len(boxes)) as pool:
        return dict(item for items in pool.map(share, range(len(boxes))) for item in items)


def wrong(observed: dict[str, Seen]) -> list[str]:
    """A line for each attack that ended with another status than it should, revealed a secret, or did harm."""
    secrets = secrets_of(dict(os.environ))
    lines = []
    for name, seen in observed.items():
        result = seen.result
        status = f"ok:{result.answer}" if result.verdict == "ok" else result.verdict
        if status not in ATTACKS[name][1]:
            lines.append(f"{name}: {status} ({result.error}), not one of {sorted(ATTACKS[name][1])}")
        lines += [f"{name}: revealed {secret}" for secret in secrets if secret in repr(result)]
        if seen.after.answer != BENIGN_ANSWER:
            lines.append(f"{name}: the benign program after it: {seen.after}")
        if seen.running:
            lines.append(f"{name}: left {len(seen.running)} processes running")
        if result.cpu_s > LIMITS.cpu_limit_s + LATE_S or seen.seconds > LIMITS.wall_cap_s + HANG_S:
            lines.append(f"{name}: took {result.cpu_s:.1f} s of CPU, {seen.seconds:.1f} s in all")
    return lines


@pytest.fixture(scope="module", autouse=True)
def _secret():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANDBOX_TEST_SECRET", SECRET)
        yield


def suite(rounds: int) -> None:
    me = psutil.Process()
    with Leftovers() as leftovers:
        with Sandbox(LIMITS, workers=1) as one, Sandbox(LIMITS, workers=1) as other:
            boxes = [one, other]
            for box in boxes:
                box.run([BENIGN])
            before = me.memory_info().rss
            for number in range(rounds):
                observed = attack_all(boxes)
                lines = wrong(observed)
                assert not lines, "\n".join([f"round {number}", *lines])
                slowest = max(observed, key=lambda name: observed[name].seconds)
                print(
                    f"round {number}: {len(observed)} attacks, slowest {slowest} {observed[slowest].seconds:.1f} s"
                )
            grown = me.memory_info().rss - before
        assert leftovers.leftover_lines() == []
    assert grown < 64 << 20


@pytest.mark.slow
def test_every_attack_has_its_verdict_and_does_no_harm():
    suite(1)


@pytest.mark.soak
def test_every_attack_twenty_times():
    suite(20)


@pytest.mark.slow
def test_a_program_that_changes_between_runs_is_found():
    programs = [*NONDETERMINISTIC.values(), *(program for program, _ in DETERMINISTIC.values())]
    with Sandbox(LIMITS, workers=1) as box:
        results = box.run(programs, twice=True)
    changing = len(NONDETERMINISTIC)
    assert {
        name: r.deterministic for name, r in zip(NONDETERMINISTIC, results, strict=False)
    } == dict.fromkeys(NONDETERMINISTIC, False)
    assert [(r.answer, r.deterministic) for r in results[changing:]] == [
        (answer, True) for _, answer in DETERMINISTIC.values()
    ]


@pytest.mark.slow
def test_the_same_program_gives_the_same_answer_in_another_sandbox():
    programs = [NONDETERMINISTIC[name] for name in ("random", "hash", "order of a set")]
    answers = []
    for _ in range(2):
        with Sandbox(LIMITS, workers=1) as box:
            answers.append([result.answer for result in box.run(programs)])
    assert answers[0] == answers[1]
    assert None not in answers[0]


def test_what_is_left_behind_is_found_and_what_others_do_is_not():
    others = subprocess.Popen(["sleep", "60"])
    mark = Path("/tmp") / f"{MARK}-left"
    try:
        with Leftovers(patience_s=0.5) as leftovers:
            assert leftovers.leftover_lines() == []
            # a daemon: its parent has ended
            daemon = int(subprocess.check_output(["sh", "-c", "sleep 60 >/dev/null & echo $!"]))
            mark.touch()
            leftover_lines = leftovers.leftover_lines()
            os.kill(daemon, signal.SIGKILL)
            mark.unlink()
            assert [line.split()[0] for line in leftover_lines] == ["process", "file"]
            assert str(daemon) in leftover_lines[0]
            assert leftovers.leftover_lines() == []
    finally:
        mark.unlink(missing_ok=True)
        others.kill()
        others.wait()
