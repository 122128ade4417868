"""The base checkpoint, from which all arms of all seeds start, in the role of a pretrained model.

Its corpus has calculations without a question, worked problems, programs and some small talk; the subdomains have the skewed
shares of SKEWED.
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
from tasks.training.small import TrainingExample, examples, fit
from tasks.training.student import model_of, save, tokenizer_of

_IN_A_ROW = 6  # calculations per example
_FACTS = "told.json"
_WORDS = ["red", "blue", "green", "black", "white", "gold", "pink", "grey", "brown", "silver", "tin", "lead"]


@dataclass(frozen=True, slots=True)
class BaseFacts:
    """Facts about the training of the base."""

    parameters: int
    loss: float  # nats per token at the end
    seconds: float


def chat(rng: random.Random, count: int) -> list[Lesson]:
    """Draw small talk: words that are to be repeated in reverse order."""
    word_lists = [rng.sample(_WORDS, rng.randint(2, 4)) for _ in range(count)]
    return [
        Lesson(f"turn around {' '.join(words_of_one)}", " ".join(reversed(words_of_one)))
        for words_of_one in word_lists
    ]


def make_base(folder: Path, sizes: Sizes, held_out: set[str]) -> BaseFacts:
    """Train the base and write it as a checkpoint, unless it exists already; return the facts about its training."""
    if (folder / _FACTS).exists():
        return BaseFacts(**orjson.loads((folder / _FACTS).read_bytes()))
    started = time.monotonic()
    rng = rng_of("proof", "base")
    worked = draw(rng, sizes.corpus, SKEWED, without=held_out)
    lessons = [*words(worked), *programs(worked[: len(worked) // 3]), *chat(rng, len(worked) // 10)]
    tokenizer = tokenizer_of([f"{one.question} {one.solution}" for one in lessons], sizes.shape)
    pairs = [(prompt(tokenizer, one.question, one.program), one.solution) for one in lessons]
    rows = [*examples(tokenizer, pairs), *_calculations(rng, tokenizer, 2 * len(pairs))]
    model = model_of(tokenizer, seed=seed_of("proof", "base"), shape=sizes.shape)
    losses = fit(model, rows, sizes.base, seed=seed_of("proof", "base"))
    save(model, tokenizer, folder)
    facts = BaseFacts(
        parameters=sum(weight.numel() for weight in model.parameters()),
        loss=statistics.fmean(losses[-20:]),
        seconds=time.monotonic() - started,
    )
    (folder / _FACTS).write_bytes(orjson.dumps(facts))
    return facts


def _calculations(rng: random.Random, tokenizer: Any, count: int) -> list[TrainingExample]:
    """Draw calculations of all families in random order; only the tokens of results count in the loss."""
    steps: list[str] = []
    while len(steps) < count * _IN_A_ROW:
        steps.extend(FAMILIES[rng.choice(list(FAMILIES))](rng).steps)
    rng.shuffle(steps)
    start, equals_sign = tokenizer.eos_token_id, tokenizer(" = 1")["input_ids"][0]
    rows = []
    for i in range(0, count * _IN_A_ROW, _IN_A_ROW):
        tokens = tokenizer(", ".join(steps[i : i + _IN_A_ROW]) + ",")["input_ids"]
        result, weights = False, []
        for token in tokens:
            weights.append(float(result))
            result = token == equals_sign or (result and tokenizer.decode([token]).isdigit())
        rows.append(TrainingExample([start], tokens, weights))
    return rows
