"""Random bytes and mutated programs never give `infra`, never hang, and do not affect the next program."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from pathlib import Path

import pytest
from attacks import ATTACKS, BENIGN, BENIGN_ANSWER
from changing import DETERMINISTIC

from tasks.sandbox import Limits, Sandbox, isolation
from tasks.seeding import rng_of

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "pot"

pytestmark = pytest.mark.skipif(not isolation().ok, reason=f"no isolation here: {isolation().detail}")


def seeds() -> list[str]:
    """Programs to mutate: the tests' own, and real ones where the data set is at hand."""
    own = [program for program, _ in DETERMINISTIC.values()]
    own += [program for program, verdicts in ATTACKS.values() if any(v.startswith("ok") for v in verdicts)]
    real = DATA / "codex_gsm8k_zeroshot.a.jsonl.gz"
    if real.exists():
        with gzip.open(real, "rt", encoding="utf-8") as lines:
            own += [json.loads(line)["generated"] for line, _ in zip(lines, range(200), strict=False)]
    return own


def noise(rng: random.Random) -> str:
    """Random bytes as text: latin-1, or UTF-16 with its lone surrogates and every plane's characters."""
    data = rng.randbytes(2 * rng.randrange(200))
    return data.decode("latin-1") if rng.random() < 0.5 else data.decode("utf-16-le", "surrogatepass")


def mutated(rng: random.Random, text: str, other: str) -> str:
    """A few edits: characters changed, spans removed, doubled or moved, another program's lines."""
    for _ in range(rng.randint(1, 4)):
        a, b = sorted(rng.randrange(len(text) + 1) for _ in range(2))
        c, d = sorted(rng.randrange(len(other) + 1) for _ in range(2))
        text = rng.choice(
            [
                text[:a] + text[b:],
                text[:b] + text[a:b] * rng.choice([1, 2, 50]) + text[b:],
                text[:a] + other[c : min(d, c + 80)] + text[a:],
                text[:a] + rng.choice("()[]{}:=+-*/%\n\t \\'\"#0129exà\x00∑") + text[a + 1 :],
                text[:a]
                + rng.choice(["9" * 30, "**", "while 1:\n    ", "lambda x: ", "x.", "*" * 9])
                + text[a:],
                "\n".join(rng.sample(text.split("\n"), len(text.split("\n")))),
            ]
        )[:20_000]
    return text


def fuzz(count: int) -> Counter[str]:
    rng, sources = rng_of("sandbox fuzz", count), seeds()
    programs = [
        noise(rng) if index % 4 == 0 else mutated(rng, rng.choice(sources), rng.choice(sources))
        for index in range(count)
    ]
    with Sandbox(Limits(wall_s=1.0, memory_mb=256), workers=2) as box:
        results = box.run(programs)
        after = box.run([BENIGN] * 4)
    assert [result.answer for result in after] == [BENIGN_ANSWER] * 4
    assert len(results) == count
    assert all((result.answer is not None) == (result.verdict == "ok") for result in results)
    return Counter(result.verdict for result in results)


@pytest.mark.slow
def test_a_hundred_programs():
    verdicts = fuzz(100)
    assert verdicts["infra"] == 0
    assert verdicts["error"] > 33
    assert verdicts["ok"] > 3


@pytest.mark.soak
def test_five_thousand_programs():
    verdicts = fuzz(5000)
    assert verdicts["infra"] == 0
    assert verdicts["error"] > 1000
    assert verdicts["ok"] > 100
