"""DPO and PPO for a small model on a CPU, over pre-tokenised rows. tasks/training has both for real models; a trainer's fixed
costs would take most of the time at this size."""

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
from tasks.training.small import Recipe, TrainingExample, batches, examples, token_nats

_BETA = 0.1  # of DPO
_CLIP, _TRACE, _VALUE = 0.2, 0.95, 0.5
_LONGEST = 56  # tokens of a completion


@dataclass(frozen=True, slots=True)
class Rounds:
    """The amount of PPO: `questions` are answered in each of `rounds`, and each batch of `batch` is learned `passes` times."""

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
    """Train the model in place by DPO (Rafailov et al. 2023, arXiv:2305.18290) on (prompt, chosen, rejected); return the loss
    of each step.

    `anchor` is the weight of the likelihood of the chosen completion, without which DPO unlearns to reason (Pang et al. 2024,
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
            before, _ = _log_probability(reference, rows)
        after, tokens = _log_probability(model, rows)
        gain = after - before
        loss = -torch.nn.functional.logsigmoid(_BETA * (gain[: len(batch)] - gain[len(batch) :])).mean()
        loss = loss - anchor * (after / tokens)[: len(batch)].mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
    return losses


def _log_probability(model: Any, rows: Sequence[TrainingExample]) -> tuple[Any, Any]:
    """Return the log probability of each completion and its number of tokens, each of shape (rows,)."""
    nats, weights = token_nats(rows, model)
    return -(nats * weights).sum(1), weights.sum(1)


@dataclass(frozen=True, slots=True)
class _Rollout:
    """The completions of a round, with the estimates at the time of sampling. Tensors have the shape (rows, longest); `mask`
    is 1 at positions that predict a token of the completion."""

    rows: list[TrainingExample]
    mask: Any
    log_probability: Any
    values: Any
    advantage: Any
    returns: Any

    def part(self, chosen: Any) -> _Rollout:
        rows = [self.rows[i] for i in chosen.tolist()]
        longest = max(len(row) for row in rows)
        tensors = (self.mask, self.log_probability, self.values, self.advantage, self.returns)
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
    """Train the model in place by PPO (Schulman et al. 2017, arXiv:1707.06347): clipped objective, value head, GAE, KL to the
    start.

    `reward(texts, numbers)` judges the completions of the prompts with these numbers. A completion without a reward (None) is
    left out of the round. Returns the mean reward of each round before its update (nan if no reward is known).
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
        numbers = rng.sample(range(len(prompts)), min(plan.questions, len(prompts)))
        drawn = Completer(model, tokenizer).complete(
            [prompts[i] for i in numbers],
            max_new_tokens=_LONGEST,
            temperature=1.0,
            seed=seed_of(seed, number),
            batch=128,
        )
        texts = [one.text for (one,) in drawn]
        judged = zip(numbers, texts, reward(texts, numbers), strict=True)
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
    model: Any, reference: Any, head: Any, rows: list[TrainingExample], scores: Sequence[float], kl: float
) -> _Rollout:
    with torch.no_grad():
        nats, mask, values = _read(model, head, rows)
        other, _ = token_nats(rows, reference)
        each = token_rewards(-nats, -other, torch.tensor(scores, dtype=torch.float32), mask, kl)
        advantage, returns = advantages(each, values, mask, 1.0, _TRACE)
    return _Rollout(rows, mask, -nats, values, whitened(advantage, mask), returns)


def _loss(model: Any, head: Any, old: _Rollout) -> Any:
    nats, mask, values = _read(model, head, old.rows)
    policy = policy_loss(-nats, old.log_probability, old.advantage, mask, _CLIP)
    return (policy + _VALUE * value_loss(values, old.values, old.returns, mask, _CLIP)) / mask.sum()


def _read(model: Any, head: Any, rows: list[TrainingExample]) -> tuple[Any, Any, Any]:
    """Return (nats of each token of the completions, mask, values), each of shape (rows, longest)."""
    seen: list[Any] = []
    hook = model.model.register_forward_hook(lambda *passed: seen.append(passed[2].last_hidden_state))
    try:
        nats, mask = token_nats(rows, model)
    finally:
        hook.remove()
    return nats, mask, head(seen[0])[..., 0] * mask
