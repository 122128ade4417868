"""Fitting a model that fits a CPU: supervised steps over pre-tokenised rows, with nothing between the rows and the loss.

For models of millions of parameters at most and rows that fit in memory. A trainer's fixed cost a step is larger
than such a model's own; recipes for real models are in tasks/training/run.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tasks.seeding import seed_of

# batches whose rows are sorted together by length, so that little is padded and batches still differ
_WINDOW = 16
IGNORED = -100


@dataclass(frozen=True, slots=True)
class Recipe:
    """AdamW with linear warm-up and cosine decay to a tenth of `peak`."""

    steps: int
    batch: int = 32  # rows a step
    peak: float = 2e-3  # learning rate
    warmup: float = 0.1  # share of the steps
    decay: float = 0.01  # weight decay
    clip: float = 1.0  # greatest norm of the gradient


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids of prompt (at least one) and completion; the loss counts the completion, times `weight`: one number,
    or one of each of its tokens."""

    prompt: list[int]
    completion: list[int]
    weight: float | list[float] = 1.0

    def __len__(self) -> int:
        return len(self.prompt) + len(self.completion)


def examples(
    tokenizer: Any, pairs: Sequence[tuple[str, str]], weights: Sequence[float] | None = None
) -> list[Example]:
    """Rows for `fit` from (prompt text, completion text); the tokenizer's end token is added."""
    if not pairs:
        return []
    prompts = tokenizer([prompt for prompt, _ in pairs])["input_ids"]
    completions = tokenizer([completion + tokenizer.eos_token for _, completion in pairs])["input_ids"]
    return [
        Example(prompt, completion, weight)
        for prompt, completion, weight in zip(
            prompts, completions, weights or [1.0] * len(pairs), strict=True
        )
    ]


def fit(model: Any, rows: Sequence[Example], recipe: Recipe, *, seed: int) -> list[float]:
    """Trains the model in place; returns the loss of each step (nats a weighted token).

    Rows are shuffled anew each epoch. A step's loss is the weighted mean over the batch's completion tokens:
    sum(weight x nats) / sum(weight), so a row of weight 0 teaches nothing.
    """
    if not rows:
        raise ValueError("nothing to train on: no rows were given")
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.peak, weight_decay=recipe.decay, betas=(0.9, 0.95), fused=True
    )
    losses = []
    model.train()
    for step, batch in enumerate(batches([len(row) for row in rows], recipe, seed)):
        for group in optimizer.param_groups:
            group["lr"] = recipe.peak * _share(step, recipe)
        loss = supervised([rows[i] for i in batch], model)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
    model.eval()
    return losses


def supervised(rows: Sequence[Example], model: Any) -> Any:
    """The loss of one batch (nats a weighted token)."""
    nats, weights = token_nats(rows, model)
    return (nats * weights).sum() / weights.sum().clamp(min=1e-8)


def token_nats(rows: Sequence[Example], model: Any) -> tuple[Any, Any]:
    """(nats, weights), both (rows, longest): of each completion token; weight 0 elsewhere."""
    longest = max(len(row) for row in rows)
    ids = np.zeros((len(rows), longest), dtype=np.int64)
    mask = np.zeros((len(rows), longest), dtype=np.int64)
    weights = np.zeros((len(rows), longest), dtype=np.float32)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row.prompt + row.completion
        mask[i, : len(row)] = 1
        weights[i, len(row.prompt) - 1 : len(row) - 1] = row.weight  # at the place that predicts the token
    targets = torch.from_numpy(np.roll(ids, -1, axis=1))
    weight = torch.from_numpy(weights)
    # right padding: no real token sees a pad, causality alone is the mask
    hidden = model.model(input_ids=torch.from_numpy(ids), use_cache=False).last_hidden_state
    counted = weight > 0
    # only places that count are worth a row of the vocabulary
    nats = torch.nn.functional.cross_entropy(
        model.lm_head(hidden[counted]).float(), targets[counted], reduction="none"
    )
    return torch.zeros_like(weight).masked_scatter(counted, nats), weight


def batches(lengths: Sequence[int], recipe: Recipe, seed: int) -> list[list[int]]:
    """Row numbers of each step: every row once an epoch, rows of like length together."""
    rng = np.random.default_rng(seed_of(seed, "batches"))
    size = np.asarray(lengths)
    found: list[list[int]] = []
    left: list[int] = []
    need = recipe.batch * _WINDOW
    while len(found) < recipe.steps:
        while len(left) < need:
            left.extend(rng.permutation(len(size)).tolist())
        window, left = left[:need], left[need:]
        window.sort(key=lambda i: size[i])
        cut = [window[i : i + recipe.batch] for i in range(0, need, recipe.batch)]
        found.extend(cut[i] for i in rng.permutation(len(cut)))
    return found[: recipe.steps]


def _share(step: int, recipe: Recipe) -> float:
    """The share of the peak learning rate at a step."""
    warm = max(1, round(recipe.warmup * recipe.steps))
    if step < warm:
        return (step + 1) / warm
    return 0.1 + 0.45 * (1 + math.cos(math.pi * (step - warm) / max(1, recipe.steps - warm)))
