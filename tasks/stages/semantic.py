"""Questions that say the same in other words: near in the encoder's space, flagged with the pair, or dropped.

An embedding is an opinion, not a proof, so by default a question stays and `verdicts` says what it is near to. A pair of the same
number-masked template with other numbers is a kind of its own (DedupSettings.per_template) and no pair here.

With MiniLM at a cosine of 0.85, 92.6 % of the 660 rephrased GSM8K test questions are found, and 0.2 % of them are nearer
than that to some other question of 2,160; at 0.8 it is 98.0 % and 1.5 %.

What it does not do: it compares each new question with every question there is, so its cost grows with the history (1,000 new
against a million: some seconds of multiplication); see docs/scale.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.indexes.sketches import History
from storage.reasons import Code, Reason, reason
from storage.rows import reject
from tasks.dedup.doubts import Doubts
from tasks.dedup.history import segments
from tasks.dedup.normalise import plain_array
from tasks.dedup.questions import comparable
from tasks.dedup.segment import Questions
from tasks.dedup.settings import DedupSettings
from tasks.dedup.tokens import I64
from tasks.dedup.verdict_column import with_verdict
from tasks.text import folding

F32 = npt.NDArray[np.float32]

_BLOCK = 4096  # questions multiplied with as many at a time: 64 MiB


class Encode(Protocol):
    """Texts to unit vectors; `identity` names what decides them."""

    @property
    def identity(self) -> str: ...

    def __call__(self, texts: list[str]) -> F32: ...


def semantic(
    table: pa.Table,
    *,
    encode: Encode,
    pool: pa.Table | None = None,
    history: History | None = None,
    settings: DedupSettings,
    tick: Callable[[int], None] | None = None,
) -> pa.Table:
    """`verdicts` semantic="0.91 near <id>: <its question>" on questions whose cosine with one of the pool, of history or an
    earlier one of the table is settings.cosine or more, else "apart"; with settings.semantic "drop" such a row is
    rejected ("semantic: 0.91 near ..."). Rows that come in rejected are left as they are and are near to nothing."""
    live = np.flatnonzero(pc.is_null(table.column("rejected")).to_numpy())
    found: dict[int, Reason] = {}
    if settings.semantic != "ignore" and len(live):
        found = near_in_meaning(table.take(pa.array(live)), encode, pool, history, settings)
    if tick is not None:
        tick(len(table))
    if settings.semantic == "ignore":
        return table
    near = {int(live[row]): why for row, why in found.items()}
    if settings.semantic == "drop":
        table = reject(table, [near.get(row) for row in range(len(table))])
        near = {}
    apart = pc.is_null(table.column("rejected")).to_numpy(zero_copy_only=False).copy()
    apart[list(near)] = False
    table = with_verdict(table, "semantic", "apart", apart)
    flagged = np.zeros(len(table), dtype=bool)
    flagged[list(near)] = True
    return with_verdict(table, "semantic", [near[row].words for row in sorted(near)], flagged)


def near_in_meaning(
    rows: pa.Table, encode: Encode, pool: pa.Table | None, history: History | None, settings: DedupSettings
) -> dict[int, Reason]:
    """For each row that is near to another: what it is nearest to. A row that is itself dropped makes no other go."""
    own = Questions.of(rows)
    there_already = [] if history is None else segments(history, settings)
    doubts = Doubts(own, there_already, settings)

    def similar(left: Sequence[str], right: Sequence[str]) -> npt.NDArray[np.bool_]:
        near: npt.NDArray[np.bool_] = (
            np.einsum("ij,ij->i", encode(list(left)), encode(list(right))) >= settings.cosine
        )
        return near

    vectors = encode(plain_array(own.texts).to_pylist())
    best: dict[int, tuple[float, Questions, int]] = {}
    for there, theirs in _there(encode, pool, history, settings):
        for left, right, score in _pairs(vectors, theirs, settings.cosine):
            good = _judged(own, there, left, right, settings)
            good[good] = doubts.stand(there, left[good], right[good], similar)
            for row, other, cosine in zip(
                left[good].tolist(), right[good].tolist(), score[good].tolist(), strict=True
            ):
                if row not in best or cosine > best[row][0]:
                    best[row] = (cosine, there, other)
    earlier: dict[int, list[tuple[float, int]]] = {}
    for left, right, score in _pairs(vectors, vectors, settings.cosine):
        good = (right < left) & _judged(own, own, left, right, settings)
        good[good] = doubts.stand(own, left[good], right[good], similar)
        for row, other, cosine in zip(
            left[good].tolist(), right[good].tolist(), score[good].tolist(), strict=True
        ):
            earlier.setdefault(row, []).append((cosine, other))
    for row in sorted(earlier):
        standing = [pair for pair in earlier[row] if settings.semantic != "drop" or pair[1] not in best]
        if standing and row not in best:
            cosine, other = max(standing, key=lambda pair: (pair[0], -pair[1]))
            best[row] = (cosine, own, other)
    return {row: _near(*found) for row, found in best.items()}


def _there(
    encode: Encode, pool: pa.Table | None, history: History | None, settings: DedupSettings
) -> Iterator[tuple[Questions, F32]]:
    """The questions that are there already with their vectors; history's are kept beside its other indexes."""
    if pool is not None and len(pool):
        questions = Questions.of(pool)
        yield questions, encode(plain_array(questions.texts).to_pylist())
    if history is None or not history.parts:
        return

    def build(table: pa.Table) -> dict[str, pa.Array]:
        return {"vectors": pa.array(encode(plain_array(table.column("question")).to_pylist()).ravel())}

    stored = history.indexes(f"vectors {encode.identity} of texts folded by {folding.digest()}", build)
    for segment, arrays in zip(segments(history, settings), stored, strict=True):
        count = len(segment.questions)
        yield segment.questions, arrays["vectors"].to_numpy().reshape(count, -1)


def _pairs(own: F32, other: F32, cosine: float) -> Iterator[tuple[I64, I64, F32]]:
    """Blocks of (row of own, row of other, cosine) from the given cosine on."""
    for begin in range(0, len(own), _BLOCK):
        for start in range(0, len(other), _BLOCK):
            products = own[begin : begin + _BLOCK] @ other[start : start + _BLOCK].T
            left, right = np.nonzero(products >= cosine)
            yield left + begin, right + start, products[left, right]


def _judged(
    own: Questions, there: Questions, left: I64, right: I64, settings: DedupSettings
) -> npt.NDArray[np.bool_]:
    ours, place = np.unique(left, return_inverse=True)
    theirs, where = np.unique(right, return_inverse=True)
    a, b = own.take(ours), there.take(theirs)
    return comparable((a.templates, b.templates), (a.numbers, b.numbers), place, where, settings)


def _near(cosine: float, there: Questions, row: int) -> Reason:
    question = " ".join(str(there.texts[row]).split())
    return reason(
        "semantic", Code.NEAR_IN_MEANING, score=f"{cosine:.2f}", other=there.ids[row], question=question
    )
