"""Stream pinned versions as blocks of tokens: row groups are read in a random order, several side by side, shuffled in
windows, blended by the weights of their datasets, and packed.

The stream is endless; the number of steps ends the run. The next block follows from the data, the configuration and the
seed alone, so a resumed run skips the blocks that it has seen, and each of several processes reads the same stream and
takes its part.
"""

from __future__ import annotations

import itertools
import os
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import pyarrow.dataset as pads

from storage.counting import counted
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.rows import TEXT
from tasks.seeding import seed_of
from tasks.training.config import TrainError
from tasks.training.tokens import COLUMNS, KIND, MESSAGES, REASONING, SYSTEM, TokenEncoder, Tokens

OPEN = 8  # row groups read side by side
SLICE = 4_096  # rows per slice of a row group; OPEN slices are shuffled together
BLEND = 1 << 18  # tokens blended at a time
ORDER = "order"  # the column with a row's place in a curriculum
PHASES = 8  # of an epoch with a curriculum, each with as many rows
IGNORED = -100  # label of a token that is not learned, as in transformers

TokenBlock = dict[str, npt.NDArray[Any]]
Piece = tuple[pads.Fragment, pc.Expression]  # a row group, and which of its rows are read


@dataclass(frozen=True, slots=True)
class Group:
    """Versions and Parquet files with COLUMNS whose rows are shuffled together.

    share: the group's share of the tokens, relative to the shares of the other groups. without: column -> values; rows
    of the versions with such a value are left out.
    """

    versions: tuple[Version, ...]
    share: float = 1.0
    without: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: tuple[str, ...] = ()

    def names(self) -> list[str]:
        return [*map(str, self.versions), *(os.path.basename(path) for path in self.files)]

    def contents(self) -> list[str]:
        """Return what the order of the rows is drawn by: digests, so that equal rows that were published under another name or on another day
        are learned in the same order."""
        return [*(version.digest for version in self.versions), *map(os.path.basename, self.files)]

    def pieces(self, store: Store, *, documents: bool = False) -> list[Piece]:
        """Return the row groups, each with the expression that selects its rows: solutions, chats and, if `documents`,
        documents."""
        whole: list[tuple[pads.Dataset, Mapping[str, tuple[str, ...]]]] = [
            (store.scan(version), self.without) for version in self.versions
        ]
        if self.files:
            whole.append((pads.dataset(list(self.files)), {}))
        return [
            (piece, _selection(fragment.physical_schema.names, without, documents))
            for one, without in whole
            for fragment in one.get_fragments()
            for piece in fragment.split_by_row_group()
        ]


def _selection(
    columns: Sequence[str], without: Mapping[str, tuple[str, ...]], documents: bool
) -> pc.Expression:
    """Return the expression that selects the rows of a file with these columns; older files lack some."""
    rows = pc.field("solution").is_valid()
    if MESSAGES in columns:
        rows = rows | pc.field(MESSAGES).is_valid()
    if KIND in columns and documents:
        rows = rows | (pc.field(KIND) == TEXT)
    for name, values in without.items():
        rows = rows & ~pc.field(name).isin(list(values))
    return rows


@dataclass(frozen=True, slots=True)
class EpochSize:
    """The size of one epoch: rows, tokens, learned tokens and blocks, and the number of rows left out by reason."""

    rows: int
    tokens: int
    learned: int
    blocks: int
    dropped: dict[str, int]


class BlockStream(Protocol):
    """An endless stream of blocks, of which a training takes `batch` per step."""

    batch: int
    packing: bool

    def measure(self) -> EpochSize: ...

    def blocks(self) -> Iterator[TokenBlock]: ...


@dataclass(slots=True)
class Stream:
    """The training data of one stage. `batch` is the number of blocks per step."""

    store: Store
    groups: Sequence[Group]
    encoder: TokenEncoder
    length: int
    packing: bool
    batch: int
    seed: int
    curriculum: Literal["none", "easy first", "hard first"] = "none"
    _bounds: dict[int, list[float]] = field(default_factory=dict)  # group -> the bounds between its phases

    def measure(self) -> EpochSize:
        """Read and tokenize one epoch and return its size. Raises TrainError if no row is left."""
        rows = tokens = learned = blocks = 0
        self.encoder.dropped.clear()
        for group in self.groups:
            for window in self._epoch(group, 0):
                rows += len(window)
                tokens += int(window.lengths.sum())
                learned += int(window.learned().sum())
                blocks += len(pack(window.lengths, self.length)) if self.packing else len(window)
        dropped = {reason: count for reason, count in self.encoder.dropped.items() if count}
        if not rows:
            names = ", ".join(name for group in self.groups for name in group.names())
            why = ", ".join(f"{count} {reason}" for reason, count in dropped.items()) or "none has a solution"
            raise TrainError(f"no row of {names} can be trained on: {why}. Fix: data, or a larger length")
        return EpochSize(rows, tokens, learned, blocks, dropped)

    def blocks(self) -> Iterator[TokenBlock]:
        """Yield blocks without end: input_ids, labels (IGNORED where not learned), loss_weights (0 where not learned) and
        position_ids (from 0 in each row), all of shape (tokens,).

        With `packing`, a block holds several rows, in at most `length` tokens; otherwise it holds one row.
        """
        for number, window in enumerate(self._windows()):
            starts = window.starts()
            if self.packing:
                packed = pack(window.lengths, self.length)
                order = np.random.default_rng(seed_of(self.seed, "blocks", number)).permutation(len(packed))
                for at in order.tolist():
                    yield _block(window, starts, packed[at])
            else:
                yield from (_block(window, starts, [row]) for row in range(len(window)))

    def _windows(self) -> Iterator[Tokens]:
        if len(self.groups) == 1:
            return self._endless(self.groups[0])
        return _blended([self._endless(group) for group in self.groups], [g.share for g in self.groups])

    def _endless(self, group: Group) -> Iterator[Tokens]:
        for epoch in itertools.count():
            yield from self._epoch(group, epoch)

    def _epoch(self, group: Group, epoch: int) -> Iterator[Tokens]:
        """Yield every row of the group once, in random order, in windows."""
        random = np.random.default_rng(seed_of(self.seed, "epoch", epoch, *group.contents()))
        pieces = group.pieces(self.store, documents=self.encoder.whole)
        for phase in self._phases(group, pieces):
            for window in _side_by_side([phase[i] for i in random.permutation(len(phase))], self.encoder):
                yield window.take(random.permutation(len(window)))

    def _phases(self, group: Group, pieces: list[Piece]) -> Iterator[list[Piece]]:
        """Yield the row groups of each phase of an epoch, with the expressions that select its rows; without a curriculum there
        is one phase."""
        if self.curriculum == "none":
            yield pieces
            return
        place = self.groups.index(group)
        if place not in self._bounds:
            self._bounds[place] = _bounds_of(pieces)
        edges = [-np.inf, *self._bounds[place], np.inf]
        spans = list(itertools.pairwise(edges))
        middle = spans[len(spans) // 2]
        for span in spans if self.curriculum == "easy first" else reversed(spans):
            yield [
                (fragment, rows & _within(fragment.physical_schema.names, span, with_nulls=span == middle))
                for fragment, rows in pieces
            ]


def _bounds_of(pieces: Sequence[Piece]) -> list[float]:
    """Return the bounds between the phases of a curriculum, rising: quantiles of the places of the rows, each once."""
    places = [
        fragment.to_table(columns=[ORDER], filter=rows).column(ORDER).drop_null().to_numpy()
        for fragment, rows in pieces
        if ORDER in fragment.physical_schema.names
    ]
    every = np.concatenate([np.zeros(0, np.float32), *places])
    if not len(every):
        return []
    shares = np.arange(1, PHASES) / PHASES
    bounds = np.unique(np.quantile(every, shares, method="inverted_cdf")).tolist()
    return [bound for bound in bounds if bound < float(every.max())]


def _within(columns: Sequence[str], span: tuple[float, float], *, with_nulls: bool) -> pc.Expression:
    """Return the expression for rows whose place is in the span, its lower bound excluded; with_nulls: and for those without a
    place."""
    if ORDER not in columns:
        return pc.scalar(with_nulls)
    place = pc.field(ORDER)
    return pc.coalesce((place > span[0]) & (place <= span[1]), pc.scalar(with_nulls))


def pack(lengths: npt.NDArray[np.int32], capacity: int) -> list[list[int]]:
    """Return blocks of row numbers; the lengths of the rows of a block add up to at most `capacity` tokens.

    Each block is filled by best fit, longest row first (Ding et al. 2024, arXiv:2404.10830), and no row is cut. Raises
    ValueError if a row is longer than `capacity`.
    """
    if len(lengths) and int(lengths.max()) > capacity:
        raise ValueError(
            f"a row of {counted(int(lengths.max()), 'token')} does not fit a block of {capacity}"
        )
    blocks: list[list[int]] = []
    room: list[tuple[int, int]] = []  # (tokens left, block), ascending
    for row in np.argsort(-lengths.astype(np.int64), kind="stable").tolist():
        size = int(lengths[row])
        at = bisect_left(room, (size, -1))
        if at < len(room):
            left, block = room.pop(at)
            blocks[block].append(row)
        else:
            left, block = capacity, len(blocks)
            blocks.append([row])
        if left > size:
            insort(room, (left - size, block))
    return blocks


def by_length(blocks: Iterator[TokenBlock], batch: int) -> Iterator[TokenBlock]:
    """Sort the blocks of each step by falling length, so that micro-batches are padded little. Which rows share a step stays
    random."""
    while step := list(itertools.islice(blocks, batch)):
        yield from sorted(step, key=lambda block: -len(block["input_ids"]))


def _side_by_side(pieces: Sequence[Piece], encoder: TokenEncoder) -> Iterator[Tokens]:
    """Yield windows of up to OPEN slices, each from a different row group."""
    waiting = iter(pieces)
    reading = [slices(piece, more=encoder.columns) for piece in itertools.islice(waiting, OPEN)]
    while reading:
        window = []
        for i, one in enumerate(reading):
            batch = next(one, None)
            while batch is None and (piece := next(waiting, None)) is not None:
                reading[i] = one = slices(piece, more=encoder.columns)
                batch = next(one, None)
            if batch is not None:
                window.append(encoder.rows(batch))
        if not window:
            return
        if tokens := Tokens.joined(window):
            yield tokens


def slices(piece: Piece, rows: int = SLICE, more: Sequence[str] = ()) -> Iterator[Any]:
    """Yield the selected rows of a row group in batches of at most so many rows, with the columns that TokenEncoder reads, and `more`,
    where the file has them."""
    fragment, selected = piece
    optional = (SYSTEM, REASONING, KIND, MESSAGES, *more)
    names = [*COLUMNS, *(name for name in optional if name in fragment.physical_schema.names)]
    scanner = fragment.scanner(columns=names, filter=selected, batch_size=rows, batch_readahead=1)
    return (batch for batch in scanner.to_batches() if batch.num_rows)


def _blended(sources: Sequence[Iterator[Tokens]], shares: Sequence[float]) -> Iterator[Tokens]:
    """Yield windows of BLEND tokens in which each source has its share; its rows keep their order and are spread evenly.

    A source that exceeds its share in one window gets less in the next.
    """
    total = sum(shares)
    left = [next(source) for source in sources]
    owed = [0.0] * len(sources)
    while True:
        parts, due = [], []
        for i, source in enumerate(sources):
            owed[i] += BLEND * shares[i] / total
            while int(left[i].lengths.sum()) < owed[i]:
                left[i] = Tokens.joined([left[i], next(source)])
            ends = np.cumsum(left[i].lengths, dtype=np.int64)
            count = int(np.searchsorted(ends, owed[i]))  # rows that end before what is owed is reached
            chosen = np.arange(len(left[i]))
            parts.append(left[i].take(chosen[:count]))
            due.append((ends[:count] - left[i].lengths[:count] / 2) / shares[i])
            owed[i] -= float(ends[count - 1]) if count else 0.0
            left[i] = left[i].take(chosen[count:])
        yield Tokens.joined(parts).take(np.argsort(np.concatenate(due), kind="stable"))


def _block(rows: Tokens, starts: npt.NDArray[np.int64], chosen: Sequence[int]) -> TokenBlock:
    lengths = [int(rows.lengths[row]) for row in chosen]
    ids = np.concatenate(
        [rows.ids[starts[row] : starts[row] + n] for row, n in zip(chosen, lengths, strict=True)]
    )
    positions = np.concatenate([np.arange(n) for n in lengths])
    learned = positions >= np.maximum(1, np.repeat(rows.prompts[chosen], lengths))
    if rows.masked is not None:
        learned &= ~np.concatenate(
            [rows.masked[starts[row] : starts[row] + n] for row, n in zip(chosen, lengths, strict=True)]
        )
    return {
        "input_ids": ids.astype(np.int64),
        "labels": np.where(learned, ids, IGNORED).astype(np.int64),
        "loss_weights": np.where(learned, np.repeat(rows.weights[chosen], lengths), 0).astype(np.float32),
        "position_ids": positions.astype(np.int64),
    }


def collate(blocks: Sequence[TokenBlock], pad: int, *, flat: bool = False) -> dict[str, Any]:
    """Return blocks as tensors of shape (blocks, longest), padded on the right.

    With `flat`, they are concatenated to the shape (1, tokens), as flash attention reads packed rows. Positions show where
    rows begin; there is no attention mask.
    """
    import torch

    if flat:
        joined = {key: np.concatenate([block[key] for block in blocks]) for key in blocks[0]}
        return {key: torch.from_numpy(values)[None] for key, values in joined.items()}
    width = max(len(block["input_ids"]) for block in blocks)
    fill = {"input_ids": pad, "labels": IGNORED, "loss_weights": 0}
    tensors = {}
    for key, values in blocks[0].items():
        padded = np.full((len(blocks), width), fill.get(key, 0), values.dtype)
        if key == "position_ids":
            padded[:] = np.arange(width)
        for row, block in enumerate(blocks):
            padded[row, : len(block[key])] = block[key]
            if key == "position_ids" and _several(block[key]):
                padded[row, len(block[key]) :] -= len(block[key])  # padding is a row of its own
        tensors[key] = torch.from_numpy(padded)
    return tensors


def _several(positions: npt.NDArray[Any]) -> bool:
    return int(positions[-1]) + 1 != len(positions)
