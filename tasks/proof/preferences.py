"""DPO and PPO for a model that fits a CPU, over tokens at hand: what tasks/training does for real models, without a
trainer's fixed costs, which at this size would be most of the time."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from tasks.seeding import rng_of, seed_of
from tasks.training.completion import Completer
from tasks.training.ppo import advantages, policy_loss, token_rewards, value_loss, whitened
from tasks.training.small import Example, Recipe, batches, examples, token_nats

_BETA = 0.1  # of DPO
_CLIP, _TRACE, _VALUE = 0.2, 0.95, 0.5
_LONGEST = 56  # tokens of a completion


@dataclass(frozen=True, slots=True)
class Rounds:
    """How much PPO: `questions` are answered in each of `rounds`, and learned from `passes` times by the `batch`."""

    rounds: int
    questions: int
    passes: int = 2
    batch: int = 24
    rate: float = 3e-4
    kl: float = 0.02


def prefer(
    model: Any,
    tokenizer: Any,
    pairs: Sequence[tuple[str, str, str]],
    recipe: Recipe,
    *,
    seed: int,
    anchor: float = 1.0,
) -> list[float]:
    """DPO (Rafailov et al. 2023, arXiv:2305.18290) in place over (prompt, chosen, rejected); the loss of each step.

    `anchor` weighs the likelihood of the chosen, without which DPO unlearns to reason (Pang et al. 2024,
    arXiv:2404.19733; TRL's loss_type ["sigmoid", "sft"]).
    """
    chosen = examples(tokenizer, [(prompt, good) for prompt, good, _ in pairs])
    worse = examples(tokenizer, [(prompt, bad) for prompt, _, bad in pairs])
    reference = copy.deepcopy(model).eval()
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.peak, weight_decay=0.0, fused=True)
    losses = []
    lengths = [max(len(a), len(b)) for a, b in zip(chosen, worse, strict=True)]
    for batch in batches(lengths, recipe, seed):
        rows = [chosen[i] for i in batch] + [worse[i] for i in batch]
        with torch.no_grad():
            before, _ = _log_chance(reference, rows)
        after, tokens = _log_chance(model, rows)
        gain = after - before
        loss = -torch.nn.functional.logsigmoid(_BETA * (gain[: len(batch)] - gain[len(batch) :])).mean()
        loss = loss - anchor * (after / tokens)[: len(batch)].mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
    return losses


def _log_chance(model: Any, rows: Sequence[Example]) -> tuple[Any, Any]:
    """(rows,) each: log probability of a completion, and its tokens."""
    nats, weights = token_nats(rows, model)
    return -(nats * weights).sum(1), weights.sum(1)


@dataclass(frozen=True, slots=True)
class _Rollout:
    """What was said in a round, and what was thought of it then; tensors are (rows, longest), `said` is 1 at places
    that predict a token of the completion."""

    rows: list[Example]
    said: Any
    log_chance: Any
    values: Any
    advantage: Any
    returns: Any

    def part(self, chosen: Any) -> _Rollout:
        rows = [self.rows[i] for i in chosen.tolist()]
        longest = max(len(row) for row in rows)
        tensors = (self.said, self.log_chance, self.values, self.advantage, self.returns)
        return _Rollout(rows, *(one[chosen, :longest] for one in tensors))


def ppo(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    reward: Callable[[list[str], list[int]], Sequence[float | None]],
    *,
    plan: Rounds,
    seed: int,
) -> list[float]:
    """PPO (Schulman et al. 2017, arXiv:1707.06347) in place: clipped objective, value head, GAE, KL to the start.

    `reward(texts, numbers)` judges what was said to the prompts of these numbers; None is not known, and what has it is
    left out of the round. Returns the mean reward of each round, before it was learned from (nan where none is known).
    """
    rng = rng_of(seed, "ppo")
    reference = copy.deepcopy(model).eval()
    head = torch.nn.Linear(model.config.hidden_size, 1)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    parameters = [*model.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=plan.rate, weight_decay=0.0, fused=True)
    generator = torch.Generator().manual_seed(seed)
    rewards = []
    for number in range(plan.rounds):
        asked = rng.sample(range(len(prompts)), min(plan.questions, len(prompts)))
        drawn = Completer(model, tokenizer).complete(
            [prompts[i] for i in asked],
            max_new_tokens=_LONGEST,
            temperature=1.0,
            seed=seed_of(seed, number),
            batch=128,
        )
        texts = [one.text for (one,) in drawn]
        judged = zip(asked, texts, reward(texts, asked), strict=True)
        known = [(prompts[i], text, score) for i, text, score in judged if score is not None]
        scores = [score for _, _, score in known]
        rewards.append(sum(scores) / len(scores) if scores else math.nan)
        if not known:
            continue
        rows = examples(tokenizer, [(prompt, text) for prompt, text, _ in known])
        rollout = _judged(model, reference, head, rows, scores, plan.kl)
        for _ in range(plan.passes):
            order = torch.randperm(len(rows), generator=generator)
            for chosen in order.split(plan.batch):
                loss = _loss(model, head, rollout.part(chosen))
                loss.backward()
                torch.nn.utils.clip_grad_norm_(parameters, 1.0)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
    return rewards


def _judged(
    model: Any, reference: Any, head: Any, rows: list[Example], scores: Sequence[float], kl: float
) -> _Rollout:
    with torch.no_grad():
        nats, said, values = _read(model, head, rows)
        other, _ = token_nats(rows, reference)
        each = token_rewards(-nats, -other, torch.tensor(scores, dtype=torch.float32), said, kl)
        advantage, returns = advantages(each, values, said, 1.0, _TRACE)
    return _Rollout(rows, said, -nats, values, whitened(advantage, said), returns)


def _loss(model: Any, head: Any, old: _Rollout) -> Any:
    nats, said, values = _read(model, head, old.rows)
    policy = policy_loss(-nats, old.log_chance, old.advantage, said, _CLIP)
    return (policy + _VALUE * value_loss(values, old.values, old.returns, said, _CLIP)) / said.sum()


def _read(model: Any, head: Any, rows: list[Example]) -> tuple[Any, Any, Any]:
    """(nats of each token said, 1 where one is said, values), (rows, longest) each."""
    seen: list[Any] = []
    hook = model.model.register_forward_hook(lambda *passed: seen.append(passed[2].last_hidden_state))
    try:
        nats, said = token_nats(rows, model)
    finally:
        hook.remove()
    return nats, said, head(seen[0])[..., 0] * said
