"""Fit a small model on a CPU: supervised steps over pre-tokenised rows, without a trainer.

For models of at most a few million parameters and rows that fit in memory. A trainer's fixed cost per step is larger than
the cost of a step of such a model. Training runs of real models are in tasks/training/run.py.
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
    batch: int = 32  # rows per step
    peak: float = 2e-3  # learning rate
    warmup: float = 0.1  # share of the steps
    decay: float = 0.01  # weight decay
    clip: float = 1.0  # greatest norm of the gradient


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """Token ids of a prompt (at least one) and a completion. The loss covers the completion, multiplied by `weight`: one
    number, or one number per token."""

    prompt: list[int]
    completion: list[int]
    weight: float | list[float] = 1.0

    def __len__(self) -> int:
        return len(self.prompt) + len(self.completion)


def examples(
    tokenizer: Any, pairs: Sequence[tuple[str, str]], weights: Sequence[float] | None = None
) -> list[TrainingExample]:
    """Return the rows for `fit` from pairs of prompt and completion text; the tokenizer's end token is appended."""
    if not pairs:
        return []
    prompts = tokenizer([prompt for prompt, _ in pairs])["input_ids"]
    completions = tokenizer([completion + tokenizer.eos_token for _, completion in pairs])["input_ids"]
    return [
        TrainingExample(prompt, completion, weight)
        for prompt, completion, weight in zip(
            prompts, completions, weights or [1.0] * len(pairs), strict=True
        )
    ]


def fit(model: Any, rows: Sequence[TrainingExample], recipe: Recipe, *, seed: int) -> list[float]:
    """Train the model in place and return the loss of each step (nats per weighted token).

    Rows are shuffled anew each epoch. A step's loss is the weighted mean over the batch's completion tokens:
    sum(weight x nats) / sum(weight), so a row of weight 0 has no effect. Raises ValueError if there are no rows.
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


def supervised(rows: Sequence[TrainingExample], model: Any) -> Any:
    """Return the loss of one batch (nats per weighted token)."""
    nats, weights = token_nats(rows, model)
    return (nats * weights).sum() / weights.sum().clamp(min=1e-8)


def token_nats(rows: Sequence[TrainingExample], model: Any) -> tuple[Any, Any]:
    """Return the nats and the weight of each completion token, both of shape (rows, longest); the weight is 0 elsewhere."""
    longest = max(len(row) for row in rows)
    ids = np.zeros((len(rows), longest), dtype=np.int64)
    mask = np.zeros((len(rows), longest), dtype=np.int64)
    weights = np.zeros((len(rows), longest), dtype=np.float32)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row.prompt + row.completion
        mask[i, : len(row)] = 1
        weights[i, len(row.prompt) - 1 : len(row) - 1] = row.weight  # at the position that predicts the token
    targets = torch.from_numpy(np.roll(ids, -1, axis=1))
    weight = torch.from_numpy(weights)
    # right padding: no real token sees a pad, causality alone is the mask
    hidden = model.model(input_ids=torch.from_numpy(ids), use_cache=False).last_hidden_state
    counted = weight > 0
    # logits over the vocabulary are computed only at positions that count
    nats = torch.nn.functional.cross_entropy(
        model.lm_head(hidden[counted]).float(), targets[counted], reduction="none"
    )
    return torch.zeros_like(weight).masked_scatter(counted, nats), weight


def batches(lengths: Sequence[int], recipe: Recipe, seed: int) -> list[list[int]]:
    """Return the row numbers of each step: every row once per epoch, rows of similar length together."""
    rng = np.random.default_rng(seed_of(seed, "batches"))
    size = np.asarray(lengths)
    steps: list[list[int]] = []
    left: list[int] = []
    need = recipe.batch * _WINDOW
    while len(steps) < recipe.steps:
        while len(left) < need:
            left.extend(rng.permutation(len(size)).tolist())
        window, left = left[:need], left[need:]
        window.sort(key=lambda i: size[i])
        cut = [window[i : i + recipe.batch] for i in range(0, need, recipe.batch)]
        steps.extend(cut[i] for i in rng.permutation(len(cut)))
    return steps[: recipe.steps]


def _share(step: int, recipe: Recipe) -> float:
    """Return the share of the peak learning rate at a step."""
    warm = max(1, round(recipe.warmup * recipe.steps))
    if step < warm:
        return (step + 1) / warm
    return 0.1 + 0.45 * (1 + math.cos(math.pi * (step - warm) / max(1, recipe.steps - warm)))
