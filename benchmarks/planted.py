"""Questions of 12 to 45 words for timing deduplication; a quarter of them are copies with up to six changed words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tasks.seeding import rng_of

WORDS = 30_000
I64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Block:
    """The rows from `start` to start + len(texts) - 1. `later` are the rows whose Jaccard similarity of 3-grams with an earlier
    row is at least 0.7, computed on plain Python sets."""

    start: int
    texts: pa.Array
    later: list[int]


def planted(rows: int, block: int | None = None) -> Iterator[Block]:
    """Yield blocks of questions. A third of the copies of a block are of questions of the block before it."""
    vocabulary = _vocabulary()
    # word frequencies follow Zipf's law, as in natural language
    likely = 1 / np.arange(1, WORDS + 1)
    likely /= likely.sum()
    size = block or rows
    before: list[I64] = []
    place_before = np.zeros(0, dtype=np.int64)
    for start in range(0, rows, size):
        count = min(size, rows - start)
        rng = np.random.default_rng(rng_of("benchmark", "planted", start).getrandbits(32))
        originals = count - count // 4
        lengths = rng.integers(12, 46, originals)
        drawn = np.split(rng.choice(WORDS, int(lengths.sum()), p=likely), np.cumsum(lengths)[:-1])
        place = start + rng.permutation(count)
        # no question has two copies, so that copies need not be compared with each other
        foreign = min(count // 12, len(before) // 2) if before else 0
        copied = rng.choice(originals // 2, count // 4 - foreign, replace=False)
        theirs = len(before) // 2 + rng.choice(len(before) - len(before) // 2, foreign, replace=False)
        sources = [drawn[k] for k in copied] + [before[k] for k in theirs]
        source_rows = np.concatenate([place[copied], place_before[theirs]])
        later, copies = [], []
        for source, one, other in zip(sources, source_rows, place[originals:], strict=True):
            copy = source.copy()
            edits = rng.integers(0, 7)
            copy[rng.integers(0, len(copy), edits)] = rng.integers(0, WORDS, edits)
            copies.append(copy)
            a, b = _grams(source.tolist()), _grams(copy.tolist())
            if len(a & b) >= 0.7 * len(a | b):
                later.append(int(max(one, other)))
        texts = _texts(vocabulary, [*drawn, *copies])
        yield Block(start, texts.take(pa.array(np.argsort(place))), later)
        before, place_before = drawn, place[:originals]


def _vocabulary() -> pa.Array:
    rng = np.random.default_rng(1)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words: dict[str, None] = {}
    while len(words) < WORDS:
        words["".join(rng.choice(letters, rng.integers(2, 10)))] = None
    return pa.array(list(words))


def _texts(vocabulary: pa.Array, rows: list[I64]) -> pa.Array:
    offsets = np.cumsum([0, *map(len, rows)])
    lists = pa.LargeListArray.from_arrays(pa.array(offsets), vocabulary.take(pa.array(np.concatenate(rows))))
    return pc.binary_join(lists, " ")


def _grams(words: list[int]) -> set[tuple[int, ...]]:
    return set(zip(words, words[1:], words[2:], strict=False))
