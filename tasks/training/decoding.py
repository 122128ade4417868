"""Decode sequences together: each joins the batch with its prompt, gets one token per step and leaves when it ends.

A batch is left-padded, so that the last tokens of all sequences are in one column. The keys and values of prompts are
computed once and kept. What a sequence samples follows from its own random seed and not from the sequences that share its
batch, apart from rounding: a matrix product of another size may differ in the last bit.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from tasks.training.cache import Roomy, roomy_cache

if TYPE_CHECKING:
    from collections.abc import Set

# share of ended rows above which they are removed: a larger one copies less often, a smaller one computes less
_LEAVE = 0.125
_PREFILL = 4096  # padded tokens of prompts that are read at once
_NUCLEUS = 256  # most probable tokens among which a nucleus is looked for before all are sorted
_TAIL = 8  # tokens that are decoded, beyond as many as its characters, to find a stop string


@dataclass(slots=True, eq=False)
class Generation:
    """A sequence: its prompt, how it is sampled, and its tokens so far, the end token included.

    temperature: 0 is greedy. top_p: the least probability that the tokens that are sampled from have together. limit: the
    most tokens. stops: texts that end it.
    """

    prompt: list[int]
    limit: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stops: tuple[str, ...] = ()
    tokens: list[int] = field(default_factory=list)
    stopped: bool = False  # by a stop string
    over: bool = False
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def uniform(self) -> float:
        """Return the random number, from 0 to 1, that chooses the next token."""
        return self._random.random()


class Decoder:
    """A batch of sequences of one causal language model.

    Models whose caches keep only a part of the past, such as sliding windows, can be batched, but nothing joins a batch of
    theirs that has started: `open` is then false until it is empty.
    """

    def __init__(self, model: Any, tokenizer: Any, ends: Set[int]) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._ends = ends
        self._rows: list[Generation] = []
        self._cache: Any = None
        self._mask: Any = None  # (rows, tokens)
        self._position: Any = None  # (rows, 1), of the last token
        self._logits: Any = None  # (rows, vocabulary), of the next token

    def __len__(self) -> int:
        """Return the number of sequences that have not ended."""
        return sum(not row.over for row in self._rows)

    @property
    def open(self) -> bool:
        """Whether sequences may join now."""
        return not len(self) or _mergeable(self._cache)

    def clear(self) -> None:
        """Drop all sequences."""
        self._rows, self._cache, self._mask, self._position, self._logits = [], None, None, None, None

    def join(self, generations: Sequence[Generation]) -> None:
        """Add sequences. Equal prompts are read once, prompts of similar length together."""
        if not self.open:
            raise ValueError("sequences cannot join a batch of this model that has started")
        mergeable = _mergeable(roomy_cache(self._model.config))
        parts: list[list[Generation]] = []
        for one in sorted(generations, key=lambda one: (len(one.prompt), one.prompt)):
            if parts and ((len(parts[-1]) + 1) * len(one.prompt) <= _PREFILL or not mergeable):
                parts[-1].append(one)
            else:
                parts.append([one])
        with torch.inference_mode():
            for part in parts:
                self._join(part)

    def step(self) -> list[Generation]:
        """Append a token to every sequence and return those that ended by it."""
        with torch.inference_mode():
            chosen = _choose(self._logits, self._rows)
            ended = []
            for row, token in zip(self._rows, chosen.tolist(), strict=True):
                if not row.over:
                    row.tokens.append(token)
                    row.stopped = bool(row.stops) and self._stop_in(row)
                    row.over = row.stopped or token in self._ends or len(row.tokens) >= row.limit
                    if row.over:
                        ended.append(row)
            chosen = self._without_ended(chosen, _LEAVE)
            if self._rows:
                self._mask = torch.cat([self._mask, self._mask.new_ones(len(self._mask), 1)], 1)
                self._position = self._position + 1
                self._logits = self._next(chosen[:, None], self._mask, self._position, self._cache)
        return ended

    def _join(self, part: list[Generation]) -> None:
        device = self._model.device
        prompts = list(dict.fromkeys(tuple(one.prompt) for one in part))
        width = max(map(len, prompts))
        ids = torch.tensor([[0] * (width - len(each)) + list(each) for each in prompts], device=device)
        mask = torch.tensor([[0] * (width - len(each)) + [1] * len(each) for each in prompts], device=device)
        position = (mask.cumsum(1) - 1).clamp(min=0)
        cache = roomy_cache(self._model.config)
        logits = self._next(ids, mask, position, cache)
        position = position[:, -1:]
        if len(prompts) < len(part):
            place = {prompt: number for number, prompt in enumerate(prompts)}
            index = torch.tensor([place[tuple(one.prompt)] for one in part], device=device)
            cache.batch_select_indices(index)
            logits, mask, position = logits[index], mask[index], position[index]
        self._without_ended(None, 0.0)
        if self._rows:
            cache = self._merged(cache, self._mask.shape[1], width)
            both = max(self._mask.shape[1], width)
            mask = torch.cat([_padded(self._mask, both), _padded(mask, both)])
            position = torch.cat([self._position, position])
            logits = torch.cat([self._logits, logits])
        self._rows = [*self._rows, *part]
        self._cache, self._mask, self._position, self._logits = cache, mask, position, logits

    def _merged(self, new: Any, width: int, new_width: int) -> Any:
        """Return a cache with the rows of this batch and then those of `new`, padded on the left to one width."""
        both = max(width, new_width)
        merged = roomy_cache(self._model.config)
        for number, (old, added) in enumerate(zip(self._cache.layers, new.layers, strict=True)):
            merged.update(
                torch.cat([_padded(old.keys, both, -2), _padded(added.keys, both, -2)]),
                torch.cat([_padded(old.values, both, -2), _padded(added.values, both, -2)]),
                number,
            )
        return merged

    def _without_ended(self, chosen: Any, share: float) -> Any:
        """Remove the ended rows, and the columns that are then empty, if more than `share` of the rows have ended. Returns
        `chosen` without them."""
        stay = [number for number, row in enumerate(self._rows) if not row.over]
        if not stay:
            self.clear()
            return chosen
        if 1 - len(stay) / len(self._rows) <= share:
            return chosen
        index = torch.tensor(stay, device=self._mask.device)
        self._rows = [self._rows[number] for number in stay]
        self._cache.batch_select_indices(index)
        self._mask, self._position, self._logits = (
            self._mask[index],
            self._position[index],
            self._logits[index],
        )
        empty = int(self._mask.any(0).int().argmax())
        if empty and _mergeable(self._cache):
            self._mask = self._mask[:, empty:]
            for layer in self._cache.layers:
                layer.keys, layer.values = layer.keys[..., empty:, :], layer.values[..., empty:, :]
        return None if chosen is None else chosen[index]

    def _stop_in(self, row: Generation) -> bool:
        tail = row.tokens[-max(map(len, row.stops)) - _TAIL :]
        text = self._tokenizer.decode(tail, skip_special_tokens=True)
        return any(stop in text for stop in row.stops)

    def _next(self, ids: Any, mask: Any, position: Any, cache: Any) -> Any:
        """Return the logits of the next token, of shape (rows, vocabulary)."""
        return self._model(
            input_ids=ids, attention_mask=mask, position_ids=position, past_key_values=cache, logits_to_keep=1
        ).logits[:, -1]


def run(decoder: Decoder, generations: Sequence[Generation]) -> Iterator[Generation]:
    """Decode the sequences as one batch and yield each when it ends."""
    decoder.join(generations)
    while len(decoder):
        yield from decoder.step()


def _mergeable(cache: Any) -> bool:
    """Return whether every layer keeps all keys and values, so that caches of different lengths can be joined."""
    return all(type(layer) is Roomy for layer in cache.layers)


def _padded(values: Any, width: int, dim: int = -1) -> Any:
    """Return `values` with zeros before them in dimension `dim`, up to `width`."""
    shape = list(values.shape)
    shape[dim] = width - shape[dim]
    return torch.cat([values.new_zeros(shape), values], dim) if shape[dim] else values


def _choose(logits: Any, rows: Sequence[Generation]) -> Any:
    """Return the next token of each row: the most probable one, or one that is sampled with the row's own random number."""
    chosen = logits.argmax(-1)
    warm = [number for number, row in enumerate(rows) if row.temperature > 0 and not row.over]
    if not warm:
        return chosen
    narrow = [number for number in warm if rows[number].top_p < 1]
    wide = [number for number in warm if rows[number].top_p >= 1]
    for numbers, sample in ((wide, _from_all), (narrow, _from_nucleus)):
        if numbers:
            of = [rows[number] for number in numbers]
            temperature = logits.new_tensor([row.temperature for row in of], dtype=torch.float32)
            chances = torch.softmax(logits[numbers].float() / temperature[:, None], -1)
            uniform = chances.new_tensor([row.uniform() for row in of], dtype=torch.float64)
            chosen[numbers] = sample(chances, uniform, of)
    return chosen


def _from_all(chances: Any, uniform: Any, rows: Sequence[Generation]) -> Any:
    return _drawn(chances.double().cumsum(-1), uniform)


def _from_nucleus(chances: Any, uniform: Any, rows: Sequence[Generation]) -> Any:
    """Sample from the fewest most probable tokens whose probability is at least top_p (Holtzman et al. 2020)."""
    top_p = uniform.new_tensor([row.top_p for row in rows])[:, None]
    for count in (min(_NUCLEUS, chances.shape[-1]), chances.shape[-1]):
        values, tokens = chances.topk(count)
        values = values.double()
        sums = values.cumsum(-1)
        if bool((sums[:, -1:] >= top_p).all()):
            break
    inside = sums - values < top_p
    return tokens.gather(-1, _drawn((values * inside).cumsum(-1), uniform)[:, None])[:, 0]


def _drawn(sums: Any, uniform: Any) -> Any:
    """Return per row the place at which the cumulative sums pass the share `uniform` of their total."""
    place = torch.searchsorted(sums, (uniform * sums[:, -1])[:, None], right=True)[:, 0]
    return place.clamp(max=sums.shape[-1] - 1)
