"""DPO and PPO at the size of the student: each moves the model where it should."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tasks.proof.preferences import Rounds, ppo, prefer
from tasks.training.completion import Completer
from tasks.training.small import Recipe, examples, fit, token_nats
from tasks.training.student import Shape, fresh

PROMPTS = [f"item {i}" for i in range(8)]


@pytest.fixture(scope="module")
def undecided(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """Return a model that answers every prompt with yes or no, about equally often."""
    folder = fresh(
        [*PROMPTS, "yes no"], tmp_path_factory.mktemp("undecided"), shape=Shape(32, 64, 2, 2, 64, 300)
    )
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    rows = examples(tokenizer, [(prompt, word) for prompt in PROMPTS for word in ("yes", "no")])
    fit(model, rows, Recipe(steps=50, batch=16, peak=1e-2), seed=0)
    return model, tokenizer


def share_of_yes(model: Any, tokenizer: Any) -> float:
    drawn = Completer(model, tokenizer).complete(
        PROMPTS, max_new_tokens=8, temperature=1.0, samples=32, seed=5
    )
    return sum(one.text == "yes" for several in drawn for one in several) / (32 * len(PROMPTS))


def test_dpo_prefers_what_was_chosen(undecided: tuple[Any, Any]) -> None:
    model, tokenizer = copy.deepcopy(undecided[0]), undecided[1]
    pairs = [(prompt, "yes", "no") for prompt in PROMPTS]
    losses = prefer(model, tokenizer, pairs, Recipe(steps=20, batch=8, peak=1e-3), seed=1, anchor=0)
    assert losses[0] == pytest.approx(0.6931, abs=1e-3)  # log 2: model and reference are one at first
    assert losses[-1] < losses[0]

    def margin(one: Any) -> float:
        rows = [examples(tokenizer, [(PROMPTS[0], word)])[0] for word in ("yes", "no")]
        with torch.no_grad():
            nats, weights = token_nats(rows, one)
        good, bad = (nats * weights).sum(1).tolist()
        return float(bad - good)

    assert margin(model) > margin(undecided[0]) + 0.5
    assert share_of_yes(model, tokenizer) > share_of_yes(*undecided) + 0.1


def test_the_anchor_keeps_what_was_chosen_likely(undecided: tuple[Any, Any]) -> None:
    tokenizer = undecided[1]
    pairs = [(prompt, "yes", "no") for prompt in PROMPTS]
    left = {}
    for anchor in (0.0, 5.0):
        model = copy.deepcopy(undecided[0])
        prefer(model, tokenizer, pairs, Recipe(steps=20, batch=8, peak=1e-3), seed=1, anchor=anchor)
        with torch.no_grad():
            nats, weights = token_nats(examples(tokenizer, [(PROMPTS[0], "yes")]), model)
        left[anchor] = float((nats * weights).sum())
    assert left[5.0] < left[0.0]


def test_ppo_learns_what_is_rewarded(undecided: tuple[Any, Any]) -> None:
    model, tokenizer = copy.deepcopy(undecided[0]), undecided[1]
    asked: list[int] = []

    def reward(texts: list[str], numbers: list[int]) -> Sequence[float]:
        asked.extend(numbers)
        return [float(text == "yes") for text in texts]

    rewards = ppo(model, tokenizer, PROMPTS * 4, reward, plan=Rounds(20, 48), seed=2)
    assert 0.2 < share_of_yes(*undecided) < 0.8
    assert rewards[-1] > rewards[0]
    assert share_of_yes(model, tokenizer) > share_of_yes(*undecided) + 0.2
    assert set(asked) == set(range(32))
