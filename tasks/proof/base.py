"""The base checkpoint: what all arms of all seeds start from, as a pretrained model would be.

Its corpus is what is cheap to have: calculations without a question, and fewer worked problems, programs and small
talk, with the common subdomains common and the rare ones rare.
"""

from __future__ import annotations

import random
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import orjson

from tasks.proof.lab import EVEN, SKEWED, Lesson, draw, programs, prompt, words
from tasks.proof.problems import FAMILIES
from tasks.proof.sizes import Sizes
from tasks.seeding import rng_of, seed_of
from tasks.train.small import examples, fit
from tasks.train.student import END, model_of, save, tokenizer_of

_FACTS = 5  # calculations in a text
_TOLD = "told.json"
_WORDS = ["red", "blue", "green", "black", "white", "gold", "pink", "grey", "brown", "silver", "tin", "lead"]


@dataclass(frozen=True, slots=True)
class Told:
    """About the making of a base."""

    parameters: int
    loss: float  # nats a token at the end
    seconds: float


def chat(rng: random.Random, count: int) -> list[Lesson]:
    """Small talk: words to be said in turned order."""
    asked = [rng.sample(_WORDS, rng.randint(2, 4)) for _ in range(count)]
    return [Lesson(f"turn around {' '.join(said)}", " ".join(reversed(said))) for said in asked]


def make_base(folder: Path, sizes: Sizes, held_out: set[str]) -> Told:
    """Trains the base and writes it as a checkpoint, once: what is there is not made again."""
    if (folder / _TOLD).exists():
        return Told(**orjson.loads((folder / _TOLD).read_bytes()))
    begun = time.monotonic()
    rng = rng_of("proof", "base")
    texts = sizes.base.steps * sizes.base.batch
    worked = draw(rng, min(texts // 5, 12_000), SKEWED, without=held_out)
    lessons = [*words(worked), *programs(worked[: len(worked) // 2]), *chat(rng, len(worked) // 10)]
    facts = _facts(rng, len(lessons) * _FACTS)
    sample = draw(rng_of("proof", "words"), min(600, texts), EVEN)
    tokenizer = tokenizer_of(
        [f"{one.question} {one.cot} {one.program}" for one in sample]
        + [one.solution for one in lessons[-50:]],
        sizes.shape,
    )
    rows = examples(
        tokenizer, [(prompt(tokenizer, one.question, one.program), one.solution) for one in lessons]
    )
    rows += examples(
        tokenizer, [(END, ", ".join(facts[i : i + _FACTS])) for i in range(0, len(facts), _FACTS)]
    )
    model = model_of(tokenizer, seed=seed_of("proof", "base"), shape=sizes.shape)
    losses = fit(model, rows, sizes.base, seed=seed_of("proof", "base"))
    save(model, tokenizer, folder)
    told = Told(
        parameters=sum(weight.numel() for weight in model.parameters()),
        loss=statistics.fmean(losses[-20:]),
        seconds=time.monotonic() - begun,
    )
    (folder / _TOLD).write_bytes(orjson.dumps(told))
    return told


def _facts(rng: random.Random, count: int) -> list[str]:
    """Calculations of all families, none beside the one that it follows from."""
    names = list(FAMILIES)
    found: list[str] = []
    while len(found) < count:
        found.extend(FAMILIES[rng.choice(names)](rng).steps)
    rng.shuffle(found)
    return found[:count]
