"""The policy of PPO: a causal language model with a value head on its last hidden state, and the batches it learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn


@dataclass(slots=True)
class Completed:
    """Prompts and their completions, of shape (completions, tokens), padded on the right. `mask` is 1 on the tokens that
    the model chose, the end of sequence included."""

    ids: Any
    mask: Any

    @classmethod
    def of(
        cls, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], pad: int, device: Any
    ) -> Completed:
        width = max(len(p) + len(s) for p, s in zip(prompts, completions, strict=True))
        ids = torch.full((len(completions), width), pad)
        mask = torch.zeros(len(completions), width)
        for row, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
            end = len(prompt) + len(completion)
            ids[row, :end] = torch.tensor([*prompt, *completion])
            mask[row, len(prompt) : end] = 1
        return cls(ids.to(device), mask.to(device))

    def part(self, rows: slice) -> Completed:
        return Completed(self.ids[rows], self.mask[rows])


class Policy(nn.Module):  # type: ignore[misc]
    """A causal language model with a value head."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.head = nn.Linear(model.config.hidden_size, 1)
        nn.init.zeros_(self.head.weight)  # the value of every state is 0 at first
        nn.init.zeros_(self.head.bias)

    def forward(self, batch: Completed, temperature: float) -> tuple[Any, Any, Any]:
        """Return (log-probabilities of the tokens, values before them, entropies), each float32 and of shape
        (completions, tokens - 1). The caller masks positions outside the completions by `batch.mask[:, 1:]`."""
        out = self.model(input_ids=batch.ids, use_cache=False, output_hidden_states=True)
        logps, entropies = logps_of(out.logits, batch.ids, temperature)
        values = self.head(out.hidden_states[-1][:, :-1].to(self.head.weight.dtype))[..., 0]
        return logps, values, entropies


def logps_of(logits: Any, ids: Any, temperature: float) -> tuple[Any, Any]:
    """Return the log-probability of each token after the first and the entropy of its distribution, at the sampling
    temperature."""
    every = torch.log_softmax(logits[:, :-1].float() / temperature, -1)
    chosen = every.gather(-1, ids[:, 1:, None])[..., 0]
    return chosen, -(every.exp() * every).sum(-1)
