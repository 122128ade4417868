"""The loss of `fit` equals that of transformers, weights count per token, batches cover the rows, and the model learns."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tasks.training.completion import Completer
from tasks.training.small import Recipe, TrainingExample, batches, examples, fit, supervised, token_nats

PAIRS = [("1 + 2", "3"), ("say five", "five, and nothing else"), ("12 * 3", "12 * 3 = 36"), ("x", "y")]


@pytest.fixture(scope="module")
def tokenizer(student: Path) -> Any:
    return AutoTokenizer.from_pretrained(student)


@pytest.fixture
def model(student: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(student)


def nats_by_transformers(model: Any, row: TrainingExample) -> float:
    """Return the summed loss of one row's completion, without padding, by the model's own loss."""
    ids = torch.tensor([row.prompt + row.completion])
    labels = ids.clone()
    labels[0, : len(row.prompt)] = -100
    return float(model(input_ids=ids, labels=labels).loss * len(row.completion))


def test_nats_are_those_of_transformers_whatever_the_padding(model: Any, tokenizer: Any) -> None:
    rows = examples(tokenizer, PAIRS)
    with torch.no_grad():
        nats, weights = token_nats(rows, model)
        expected = [nats_by_transformers(model, row) for row in rows]
    assert (nats * weights).sum(1).tolist() == pytest.approx(expected, abs=1e-4)
    assert weights.sum(1).tolist() == [len(row.completion) for row in rows]


def test_a_weight_counts_each_token_of_its_row(model: Any, tokenizer: Any) -> None:
    weights = [2.0, 0.5, 0.0, 1.0]
    rows = examples(tokenizer, PAIRS, weights)
    with torch.no_grad():
        nats = [nats_by_transformers(model, row) for row in rows]
        loss = supervised(rows, model).item()
    total = sum(weight * len(row.completion) for weight, row in zip(weights, rows, strict=True))
    assert loss == pytest.approx(sum(w * n for w, n in zip(weights, nats, strict=True)) / total, abs=1e-5)


def test_gradients_are_those_of_a_plain_loop(model: Any, tokenizer: Any) -> None:
    weights = [2.0, 0.5, 1.5, 1.0]
    rows = examples(tokenizer, PAIRS, weights)
    plain = copy.deepcopy(model)
    total = sum(weight * len(row.completion) for weight, row in zip(weights, rows, strict=True))
    for weight, row in zip(weights, rows, strict=True):
        ids = torch.tensor([row.prompt + row.completion])
        labels = ids.clone()
        labels[0, : len(row.prompt)] = -100
        (plain(input_ids=ids, labels=labels).loss * weight * len(row.completion) / total).backward()
    supervised(rows, model).backward()
    for one, other in zip(model.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, atol=1e-5)


def test_batches_cover_every_row_once_an_epoch() -> None:
    lengths = [5 + i % 7 for i in range(1024)]
    drawn = batches(lengths, Recipe(steps=32, batch=32), seed=1)
    assert [len(batch) for batch in drawn] == [32] * 32
    assert set(Counter(i for batch in drawn for i in batch).values()) == {1}
    assert drawn == batches(lengths, Recipe(steps=32, batch=32), seed=1)
    assert drawn != batches(lengths, Recipe(steps=32, batch=32), seed=2)
    spread = [max(lengths[i] for i in batch) - min(lengths[i] for i in batch) for batch in drawn]
    assert sum(spread) / len(spread) < 2


def test_it_learns_by_heart_and_equal_seeds_give_equal_losses(model: Any, tokenizer: Any) -> None:
    rows = examples(tokenizer, PAIRS)
    losses = fit(copy.deepcopy(model), rows, Recipe(steps=3, batch=4), seed=3)
    assert losses == fit(copy.deepcopy(model), rows, Recipe(steps=3, batch=4), seed=3)
    assert losses != fit(copy.deepcopy(model), rows, Recipe(steps=3, batch=2), seed=4)
    losses = fit(model, rows, Recipe(steps=100, batch=4, peak=1e-2), seed=3)
    assert losses[-1] < 0.2 < losses[0]
    completions = Completer(model, tokenizer).complete([prompt for prompt, _ in PAIRS], max_new_tokens=30)
    assert [one.text for (one,) in completions] == [completion for _, completion in PAIRS]


def test_nothing_to_train_on_is_said(model: Any) -> None:
    with pytest.raises(ValueError, match="no rows"):
        fit(model, [], Recipe(steps=1), seed=0)
