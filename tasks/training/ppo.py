"""The mathematics of proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347), as used on language models
(Ouyang et al. 2022, arXiv:2203.02155). All tensors have the shape (completions, tokens); `mask` is 1 where a
completion has a token and 0 before it (the prompt) and after it. TRL removed PPO after 1.12.
"""

from __future__ import annotations

from typing import Any


def token_rewards(logps: Any, reference: Any, rewards: Any, mask: Any, kl: float) -> Any:
    """Return the reward of each token: `rewards` (one number per completion) at the last token, less `kl` times
    log p / p_reference at every token."""
    import torch

    each = -kl * (logps - reference) * mask
    last = (mask * torch.arange(1, mask.shape[1] + 1, device=mask.device)).argmax(1)
    each[torch.arange(len(each)), last] += rewards
    return each


def advantages(rewards: Any, values: Any, mask: Any, discount: float, trace: float) -> tuple[Any, Any]:
    """Return generalised advantage estimates (Schulman et al. 2015, arXiv:1506.02438) and the returns they imply.

    The value after the last token of a completion is 0.
    """
    import torch

    estimates = torch.zeros_like(rewards)
    after = torch.zeros_like(rewards[:, 0])  # the advantage, and the value, of the next token
    value_after = torch.zeros_like(after)
    for at in reversed(range(rewards.shape[1])):
        present = mask[:, at]
        delta = rewards[:, at] + discount * value_after - values[:, at]
        after = (delta + discount * trace * after) * present
        value_after = values[:, at] * present
        estimates[:, at] = after
    return estimates, (estimates + values) * mask


def whitened(values: Any, mask: Any) -> Any:
    """Shift and scale the values to mean 0 and variance 1 over the tokens in `mask`."""
    count = mask.sum().clamp(min=1)
    mean = (values * mask).sum() / count
    variance = ((values - mean) ** 2 * mask).sum() / count
    return (values - mean) * (variance + 1e-8).rsqrt() * mask


def policy_loss(logps: Any, old: Any, advantage: Any, mask: Any, clip: float) -> Any:
    """Return the negated sum of the clipped objective over the tokens."""
    import torch

    ratio = (logps - old).exp()
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return (torch.maximum(-advantage * ratio, -advantage * clipped) * mask).sum()


def value_loss(values: Any, old: Any, returns: Any, mask: Any, clip: float) -> Any:
    """Return half the sum over tokens of the squared error of the new value or of the new value clipped to within `clip` of
    the old one, whichever is larger."""
    import torch

    clipped = old + (values - old).clamp(-clip, clip)
    return 0.5 * (torch.maximum((values - returns) ** 2, (clipped - returns) ** 2) * mask).sum()
