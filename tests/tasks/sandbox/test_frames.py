"""Any bytes that an isolation sends give a status of the program or a broken isolation, and never an exception."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any, get_args

import pytest

from tasks.sandbox import Limits, Result, Sandbox, Status, box, frames, isolation
from tasks.sandbox.verdict import Ended, read
from tasks.seeding import rng_of

LIMITS = Limits()
HEADER = {
    "end": "exit",
    "status": 0,
    "cpu_s": 0.01,
    "peak_kb": 60_000,
    "stdout": 3,
    "report": 34,
    "suspect": False,
}
VALUE = {"value": "42", "named_last": True}
RAISED = {"error": "OSError", "words": "no", "line": 3, "errno": 1, "base": "OSError"}
STRANGE: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    13,
    1.5,
    1e308,
    float("nan"),
    float("inf"),
    10**400,
    "",
    "x",
    "OSError",
    "MemoryError",
    "TooLong",
    "\ud800",
    "\x1b[2J",
    "9" * 5000,
    [],
    [1],
    [[[]]],
    {},
    {"a": [1]},
]


def mutated(rng: random.Random, whole: dict[str, Any]) -> bytes:
    """A frame changed in some of its values and keys, as JSON, then in some of its bytes."""
    message = dict(whole)
    for _ in range(rng.randrange(3)):
        message[rng.choice([*whole, *RAISED, "x"])] = rng.choice(STRANGE)
    if rng.random() < 0.1:
        message.pop(rng.choice(list(message)))
    data = bytearray(json.dumps(message).encode())
    for _ in range(rng.choice([0, 0, 1, 2, 8])):
        at = rng.randrange(len(data) + 1)
        edit = rng.randrange(5)
        if edit == 0:
            del data[at : at + rng.randrange(1, 9)]
        elif edit == 1:
            data[at:at] = rng.choice([b"[", b"{", b'"', b"\\u", b",", b"e9999", b"\xff", b"\0", b"NaN"])
        elif edit == 2:
            data[at : at + 1] = rng.randbytes(1)
        elif edit == 3:
            data[at:at] = data[: rng.randrange(len(data) + 1)]
        else:
            data[at:] = b"[" * rng.choice([1, 2000])
    return bytes(data)


def fuzz(count: int) -> Counter[str]:
    """Mutate `count` reports and as many headers; count the verdicts, and the headers refused."""
    rng = rng_of("sandbox frames", count)
    verdicts: Counter[str] = Counter()
    for index in range(count):
        head = frames.header(HEADER | {"status": rng.choice([0, 0, 0, 256, 9, 11, 255, 65535])})
        report = mutated(rng, rng.choice([VALUE, RAISED])) if index % 10 else rng.randbytes(rng.randrange(99))
        result = read(Ended(head, rng.choice([b"", b"42\n", rng.randbytes(20)]), report), LIMITS)
        assert result.verdict in get_args(Status)
        assert result.verdict != "infra", report
        assert (result.answer is not None) == (result.verdict == "ok")
        assert result.error is None or "\n" not in result.error
        verdicts[result.verdict] += 1
        try:
            header = frames.header(frames.frame(mutated(rng, HEADER)))
        except frames.HeaderError:
            verdicts["header refused"] += 1
        else:
            assert all(0 <= size <= frames.FRAME_MAX for size in (header.stdout, header.report))
            read(Ended(header, b"", b""), LIMITS)
    return verdicts


def test_three_thousand_mutated_frames():
    verdicts = fuzz(3_000)
    assert min(verdicts[name] for name in ("ok", "error", "no_answer", "denied", "header refused")) > 30


@pytest.mark.soak
def test_a_hundred_thousand_mutated_frames():
    assert fuzz(100_000).total() > 100_000


@pytest.mark.parametrize(
    ("report", "verdict", "error"),
    [
        (RAISED, "denied", "OSError: no"),
        (RAISED | {"errno": 12}, "memory", "OSError: no"),
        (RAISED | {"errno": 28}, "output", "OSError: no"),
        (RAISED | {"base": "MemoryError"}, "memory", "OSError: no"),
        (RAISED | {"errno": [1]}, "no_answer", None),
        (VALUE, "ok", None),
        (VALUE | {"of a later child": 1}, "ok", None),
    ],
)
def test_reports_as_children_write_them_and_as_they_do_not(report, verdict, error):
    result = read(Ended(frames.header(HEADER), b"", json.dumps(report).encode()), LIMITS)
    assert result.verdict == verdict
    assert error is None or result.error == error


@pytest.mark.slow
@pytest.mark.skipif(not isolation().ok, reason=f"no isolation here: {isolation().detail}")
def test_an_error_while_reading_a_result_fails_only_its_row(monkeypatch):
    def trip(ended: Ended, limits: Limits) -> Result:
        if b"trip" in ended.stdout:
            raise TypeError("unhashable\x1b[2J type")
        return read(ended, limits)

    monkeypatch.setattr(box, "read", trip)
    with Sandbox(Limits(wall_s=5.0), workers=1) as sandbox:
        before, tripped, after = sandbox.run(["print(1)", "print('trip')", "print(3)"])
        (again,) = sandbox.run(["print(4)"])
    assert (before.answer, after.answer, again.answer) == ("1", "3", "4")
    assert (tripped.verdict, tripped.error) == ("infra", "sandbox: TypeError: unhashable type")
