"""The training loss: token cross-entropies multiplied by the weight of their row, over the sum of weights of the whole step.

The sum runs over all micro-batches and devices of a step, so that neither packing nor accumulation nor the number of
processes changes a gradient (a sum of per-batch means would). With a reference model, as in Rho-1 (Lin et al. 2024,
arXiv:2404.07965), only the tokens whose loss exceeds that of the reference most are learned.
"""

from __future__ import annotations

from typing import Any

from tasks.training.loader import IGNORED


def token_losses(logits: Any, labels: Any) -> Any:
    """Return the cross-entropy of each next token, shape (rows, tokens - 1), float32; 0 where the label is IGNORED."""
    from torch.nn.functional import cross_entropy

    following = labels[:, 1:]
    losses = cross_entropy(
        logits[:, :-1].float().flatten(0, 1), following.flatten(), ignore_index=IGNORED, reduction="none"
    )
    return losses.view(following.shape)


def weighted_sum(logits: Any, labels: Any, weights: Any) -> Any:
    """Return the sum over tokens of weight times cross-entropy; logits (rows, tokens, vocabulary), others (rows, tokens)."""
    return (token_losses(logits, labels) * weights[:, 1:]).sum()


def weight_of(weights: Any) -> Any:
    """Return the sum of the weights of a batch, its part of the divisor of the step."""
    return weights[:, 1:].sum()


def selected(losses: Any, reference: Any, labels: Any, share: float) -> Any:
    """Return a mask of the `share` of the learned tokens of the batch whose loss exceeds that of the reference most.

    All arrays have the shape (rows, tokens - 1); `labels` are those of the following tokens.
    """
    import torch

    learned = labels != IGNORED
    excess = torch.where(learned, losses.detach() - reference, -torch.inf).flatten()
    mask = torch.zeros_like(excess, dtype=torch.bool)
    mask[excess.topk(kept(int(learned.sum()), share)).indices] = True
    return mask.view(losses.shape)


def kept(tokens: int, share: float) -> int:
    """Return how many of the learned tokens of a batch are kept."""
    return min(tokens, max(1, round(share * tokens)))
