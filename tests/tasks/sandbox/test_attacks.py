"""Every attack gets its verdict, reaches nothing, leaves nothing, and harms no one after it.

Run as whoever runs the tests; under root, test_ordinary_user.py runs this file again as a user.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from sandbox_attacks import ATTACKS, BENIGN, BENIGN_ANSWER, DETERMINISTIC, MARK, NONDETERMINISTIC, secrets_of

from tasks.sandbox import Limits, Result, Sandbox, isolation

pytestmark = pytest.mark.skipif(not isolation().ok, reason=f"no isolation here: {isolation().detail}")

LIMITS = Limits(wall_s=1.0, memory_mb=256)
HANG_S = LIMITS.wall_cap_s + 30  # far beyond any deadline: what takes this long has hung
SECRET = "a-secret-of-the-parent-process"


def attack_all(boxes: list[Sandbox]) -> dict[str, tuple[Result, Result, float]]:
    """Each attack with the benign program right behind it in the same isolation, and its seconds.

    A box of one worker has one isolation at a time, so the two follow each other in it."""

    def share(number: int) -> list[tuple[str, tuple[Result, Result, float]]]:
        found = []
        for name in list(ATTACKS)[number :: len(boxes)]:
            start = time.monotonic()
            (result,) = boxes[number].run([ATTACKS[name][0]])
            took = time.monotonic() - start
            (after,) = boxes[number].run([BENIGN])
            found.append((name, (result, after, took)))
        return found

    with ThreadPoolExecutor(len(boxes)) as pool:
        return dict(item for items in pool.map(share, range(len(boxes))) for item in items)


def wrong(found: dict[str, tuple[Result, Result, float]]) -> list[str]:
    """A line for each attack that got another verdict than it should, told a secret, or did harm."""
    secrets = secrets_of(dict(os.environ))
    lines = []
    for name, (result, after, took) in found.items():
        got = f"ok:{result.answer}" if result.verdict == "ok" else result.verdict
        if got not in ATTACKS[name][1]:
            lines.append(f"{name}: {got} ({result.error}), not one of {sorted(ATTACKS[name][1])}")
        lines += [f"{name}: told {secret}" for secret in secrets if secret in repr(result)]
        if after.answer != BENIGN_ANSWER:
            lines.append(f"{name}: the benign program after it: {after}")
        if took > HANG_S:
            lines.append(f"{name}: took {took:.1f} s")
    return lines


def marks() -> list[Path]:
    folders = [Path(p) for p in ("/", "/tmp", "/dev/shm", "/var/tmp", "/run", str(Path.home()), ".")]
    return [path for folder in folders if os.access(folder, os.R_OK) for path in folder.glob(f"*{MARK}*")]


@pytest.fixture(scope="module", autouse=True)
def _secret():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANDBOX_TEST_SECRET", SECRET)
        yield


def suite(rounds: int) -> None:
    me = psutil.Process()
    mounts = Path("/proc/self/mountinfo").read_text()
    descriptors = me.num_fds()
    with Sandbox(LIMITS, workers=1) as one, Sandbox(LIMITS, workers=1) as other:
        boxes = [one, other]
        for box in boxes:
            box.run([BENIGN])
        started = {child.pid: child for child in me.children(recursive=True)}
        before = me.memory_info().rss
        for number in range(rounds):
            lines = wrong(attack_all(boxes))
            assert not lines, "\n".join([f"round {number}", *lines])
        started |= {child.pid: child for child in me.children(recursive=True)}
        grown = me.memory_info().rss - before
    assert len(started) >= 2
    _, alive = psutil.wait_procs(started.values(), timeout=30)
    assert alive == []
    assert me.children() == []
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert marks() == []
    assert grown < 64 << 20
    assert me.num_fds() == descriptors


@pytest.mark.slow
def test_every_attack_gets_its_verdict_and_does_no_harm():
    suite(1)


@pytest.mark.slow
def test_every_attack_twenty_times():
    suite(20)


def test_a_program_that_changes_between_runs_is_found():
    programs = [*NONDETERMINISTIC.values(), *(program for program, _ in DETERMINISTIC.values())]
    with Sandbox(LIMITS, workers=1) as box:
        found = box.run(programs, twice=True)
        flags = box.nondeterministic(programs)
    changing = len(NONDETERMINISTIC)
    assert {name: r.deterministic for name, r in zip(NONDETERMINISTIC, found, strict=False)} == dict.fromkeys(
        NONDETERMINISTIC, False
    )
    assert [(r.answer, r.deterministic) for r in found[changing:]] == [
        (answer, True) for _, answer in DETERMINISTIC.values()
    ]
    assert flags == [True] * changing + [False] * len(DETERMINISTIC)


def test_the_same_program_gives_the_same_answer_in_another_sandbox():
    programs = [NONDETERMINISTIC[name] for name in ("random", "hash", "order of a set")]
    answers = []
    for _ in range(2):
        with Sandbox(LIMITS, workers=1) as box:
            answers.append([result.answer for result in box.run(programs)])
    assert answers[0] == answers[1]
    assert None not in answers[0]
