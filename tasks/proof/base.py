"""The base checkpoint: what all arms of all seeds start from, as a pretrained model would be.

Its corpus is what there was before the factory: calculations without a question, worked problems, programs and some
small talk, with the common subdomains common and the rare ones rare.
"""

from __future__ import annotations

import random
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tasks.proof.lab import SKEWED, Lesson, draw, programs, prompt, words
from tasks.proof.problems import FAMILIES
from tasks.proof.sizes import Sizes
from tasks.seeding import rng_of, seed_of
from tasks.training.small import Example, examples, fit
from tasks.training.student import model_of, save, tokenizer_of

_IN_A_ROW = 6  # calculations
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
    worked = draw(rng, sizes.corpus, SKEWED, without=held_out)
    lessons = [*words(worked), *programs(worked[: len(worked) // 3]), *chat(rng, len(worked) // 10)]
    tokenizer = tokenizer_of([f"{one.question} {one.solution}" for one in lessons], sizes.shape)
    pairs = [(prompt(tokenizer, one.question, one.program), one.solution) for one in lessons]
    rows = [*examples(tokenizer, pairs), *_calculations(rng, tokenizer, 2 * len(pairs))]
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


def _calculations(rng: random.Random, tokenizer: Any, count: int) -> list[Example]:
    """Calculations of all families, none beside the one that it follows from; only the results count."""
    steps: list[str] = []
    while len(steps) < count * _IN_A_ROW:
        steps.extend(FAMILIES[rng.choice(list(FAMILIES))](rng).steps)
    rng.shuffle(steps)
    start, equals = tokenizer.eos_token_id, tokenizer(" = 1")["input_ids"][0]
    found = []
    for i in range(0, count * _IN_A_ROW, _IN_A_ROW):
        tokens = tokenizer(", ".join(steps[i : i + _IN_A_ROW]) + ",")["input_ids"]
        result, weights = False, []
        for token in tokens:
            weights.append(float(result))
            result = token == equals or (result and tokenizer.decode([token]).isdigit())
        found.append(Example([start], tokens, weights))
    return found
