"""Computes ROUGE-L F-measures of given pairs of token sequences, bit for bit as rouge_score does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import LCSseq

from storage.counting import counted
from tasks.dedup.jaccard import F64
from tasks.dedup.tokens import I64, Ragged, concatenate, rouge_tokens

_PAIRS = 1 << 17  # pairs per call of RapidFuzz, which starts new threads for each call
_TOKENS = (
    1 << 20
)  # tokens compared together; each distinct one is a code point, of which there are 1.1 million


def rouge_l(left: Sequence[str], right: Sequence[str], languages: Sequence[str] | None = None) -> F64:
    """Return the ROUGE-L F-measure of left[k] with right[k].

    The tokenizer is rouge_score's default, without stemmer; Chinese text is split into characters. Raises ValueError
    if the sequences differ in length.
    """
    if len(left) != len(right):
        raise ValueError(f"{len(left)} texts on the left but {len(right)} on the right")
    rows = np.arange(len(left), dtype=np.int64)
    return f_measure(rouge_tokens(left, languages), rouge_tokens(right, languages), rows, rows)


def f_measure(own: Ragged, other: Ragged, left: I64, right: I64) -> F64:
    """Return the F-measure of each pair (row left[k] of own, row right[k] of other)."""
    m, n = own.lengths[left], other.lengths[right]
    shared = _lcs_lengths(own, other, left, right)
    # the same operations in the same order as rouge_score, so that a value close to 0.7 is rounded in the same way
    precision = shared / np.maximum(m, 1)
    recall = shared / np.maximum(n, 1)
    total = precision + recall
    return np.divide(2 * precision * recall, total, out=np.zeros(len(left)), where=total > 0)


def _lcs_lengths(own: Ragged, other: Ragged, left: I64, right: I64) -> I64:
    lcs = np.zeros(len(left), dtype=np.int64)
    cost = np.cumsum(own.lengths[left] + other.lengths[right])
    begin = 0
    while begin < len(left):
        done = int(cost[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(cost, done + _TOKENS, side="right")))
        end = min(end, begin + _PAIRS)
        left_rows, first = np.unique(left[begin:end], return_inverse=True)
        right_rows, second = np.unique(right[begin:end], return_inverse=True)
        words = _as_strings(concatenate([own.take(left_rows), other.take(right_rows)]))
        lcs[begin:end] = process.cpdist(
            [words[k] for k in first],
            [words[k + len(left_rows)] for k in second],
            scorer=LCSseq.similarity,
            dtype=np.int64,
            workers=-1,
        )
        begin = end
    return lcs


def _as_strings(rows: Ragged) -> list[str]:
    """Return token sequences as strings of one code point per token: RapidFuzz's fastest input."""
    distinct, codes = np.unique(rows.values, return_inverse=True)
    if len(distinct) > 0x10FFFF - 0x800:
        longest = int(rows.lengths.max())
        raise ValueError(
            f"a text of {counted(longest, 'token')} is too long for the LCS comparison: split it"
        )
    points = codes.astype("<u4")
    points[points >= 0xD800] += 0x800  # over the surrogates
    text = points.tobytes().decode("utf-32-le")
    return [text[a:b] for a, b in zip(rows.offsets[:-1].tolist(), rows.offsets[1:].tolist(), strict=True)]
