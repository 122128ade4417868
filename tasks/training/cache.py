"""A key-value cache that grows in place, for decoding step by step.

transformers' DynamicCache concatenates keys and values at every token, which on a CPU costs more than the small
student itself (docs/log.md, "The small student"); StaticCache attends over its whole length from the first token.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer

_ROOM = 64  # tokens


class Roomy(DynamicLayer):  # type: ignore[misc]
    """A DynamicLayer whose `keys` and `values` are views of larger buffers, so that adding a token copies nothing."""

    keys: torch.Tensor
    values: torch.Tensor
    _keys: torch.Tensor
    _values: torch.Tensor

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append states of shape (batch, heads, tokens, size); return all keys and values so far."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        old, new = self.get_seq_length(), key_states.shape[-2]
        # after rows were selected or repeated, keys and values are no longer views of the buffers
        fits = old and self.keys.data_ptr() == self._keys.data_ptr() and old + new <= self._keys.shape[-2]
        if not fits:
            self._keys = _larger(self.keys if old else None, key_states)
            self._values = _larger(self.values if old else None, value_states)
        self._keys[..., old : old + new, :] = key_states
        self._values[..., old : old + new, :] = value_states
        self.keys, self.values = self._keys[..., : old + new, :], self._values[..., : old + new, :]
        return self.keys, self.values

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        super().lazy_initialization(key_states, value_states)
        self._keys, self._values = self.keys, self.values


def _larger(old: torch.Tensor | None, new: torch.Tensor) -> torch.Tensor:
    length = 0 if old is None else old.shape[-2]
    room = new.new_empty((*new.shape[:-2], length + new.shape[-2] + _ROOM, new.shape[-1]))
    if old is not None:
        room[..., :length, :] = old
    return room


def roomy_cache(config: Any) -> DynamicCache:
    """Return the cache that transformers would create for the model, with full-attention layers that grow in place."""
    cache = DynamicCache(config=config)
    cache.layers = [Roomy() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache
