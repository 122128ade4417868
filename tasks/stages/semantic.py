"""The stage `semantic`: flag or drop questions that say the same in other words, by the cosine of their
encodings.

An embedding does not prove that two questions are the same, so by default a question stays and `verdicts` names the question
that it is near to. A pair of the same number-masked template with other numbers is not compared here; see
DedupSettings.per_template.

With MiniLM at a cosine of 0.85, 92.6 % of the 660 rephrased GSM8K test questions are found, and 0.2 % of
them are nearer than that to another one of 2,160 questions; at 0.8 the shares are 98.0 % and 1.5 %.

Every new question is compared with every known one, so the cost grows with the history (1,000 new questions
against a million take some seconds of multiplication); see docs/scale.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.indexes.sketches import History
from storage.indexes.vectors import Encode, Vectors
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

_BLOCK = 4096  # questions on either side of one multiplication: 64 MiB of products


def semantic(
    table: pa.Table,
    *,
    encode: Encode,
    pool: pa.Table | None = None,
    history: History | None = None,
    settings: DedupSettings,
    tick: Callable[[int], None] | None = None,
) -> pa.Table:
    """Return the rows with the verdict semantic="0.91 near <id>: <its question>" on those that are near to
    another.

    A question is near if its cosine with one of the pool, of the history or an earlier one of the table is
    at least settings.cosine; all others have the verdict "apart". If settings.semantic is "drop", a near
    row is rejected instead ("semantic: 0.91 near ..."). Rows that come in rejected are left as they are and
    are not compared.
    """
    live = np.flatnonzero(pc.is_null(table.column("rejected")).to_numpy())
    near_rows: dict[int, Reason] = {}
    if settings.semantic != "ignore" and len(live):
        near_rows = near_in_meaning(table.take(pa.array(live)), encode, pool, history, settings)
    if tick is not None:
        tick(len(table))
    if settings.semantic == "ignore":
        return table
    reasons = {int(live[row]): why for row, why in near_rows.items()}
    if settings.semantic == "drop":
        table = reject(table, [reasons.get(row) for row in range(len(table))])
        reasons = {}
    apart = pc.is_null(table.column("rejected")).to_numpy(zero_copy_only=False).copy()
    apart[list(reasons)] = False
    table = with_verdict(table, "semantic", "apart", apart)
    flagged = np.zeros(len(table), dtype=bool)
    flagged[list(reasons)] = True
    return with_verdict(table, "semantic", [reasons[row].words for row in sorted(reasons)], flagged)


def near_in_meaning(
    rows: pa.Table, encode: Encode, pool: pa.Table | None, history: History | None, settings: DedupSettings
) -> dict[int, Reason]:
    """Return row -> reason with its nearest match, for each near row. A row that is itself dropped drops no
    other.
    """
    questions = Questions.of(rows)
    history_segments = [] if history is None else segments(history, settings)
    doubts = Doubts(questions, history_segments, settings)

    def similar(left: Sequence[str], right: Sequence[str]) -> npt.NDArray[np.bool_]:
        is_similar: npt.NDArray[np.bool_] = (
            np.einsum("ij,ij->i", encode(list(left)), encode(list(right))) >= settings.cosine
        )
        return is_similar

    vectors = encode(plain_array(questions.texts).to_pylist())
    best: dict[int, tuple[float, Questions, int]] = {}
    for earlier, earlier_vectors in _earlier_questions(encode, pool, history, settings):
        for left, right, score in _pairs(vectors, earlier_vectors, settings.cosine):
            is_match = _comparable(questions, earlier, left, right, settings)
            is_match[is_match] = doubts.duplicates(earlier, left[is_match], right[is_match], similar)
            for row, other, cosine in zip(
                left[is_match].tolist(), right[is_match].tolist(), score[is_match].tolist(), strict=True
            ):
                if row not in best or cosine > best[row][0]:
                    best[row] = (cosine, earlier, other)
    matches_within: dict[int, list[tuple[float, int]]] = {}
    for left, right, score in _pairs(vectors, vectors, settings.cosine):
        is_match = (right < left) & _comparable(questions, questions, left, right, settings)
        is_match[is_match] = doubts.duplicates(questions, left[is_match], right[is_match], similar)
        for row, other, cosine in zip(
            left[is_match].tolist(), right[is_match].tolist(), score[is_match].tolist(), strict=True
        ):
            matches_within.setdefault(row, []).append((cosine, other))
    for row in sorted(matches_within):
        matches = [pair for pair in matches_within[row] if settings.semantic != "drop" or pair[1] not in best]
        if matches and row not in best:
            cosine, other = max(matches, key=lambda pair: (pair[0], -pair[1]))
            best[row] = (cosine, questions, other)
    return {row: _reason_of(*match) for row, match in best.items()}


def _earlier_questions(
    encode: Encode, pool: pa.Table | None, history: History | None, settings: DedupSettings
) -> Iterator[tuple[Questions, Vectors]]:
    """Yield the known questions with their vectors; those of the history are stored beside its other
    indexes.
    """
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


def _pairs(vectors: Vectors, earlier_vectors: Vectors, cosine: float) -> Iterator[tuple[I64, I64, Vectors]]:
    """Yield blocks of (row of `vectors`, row of `earlier_vectors`, cosine) with at least the given cosine."""
    for begin in range(0, len(vectors), _BLOCK):
        for start in range(0, len(earlier_vectors), _BLOCK):
            products = vectors[begin : begin + _BLOCK] @ earlier_vectors[start : start + _BLOCK].T
            left, right = np.nonzero(products >= cosine)
            yield left + begin, right + start, products[left, right]


def _comparable(
    questions: Questions, earlier: Questions, left: I64, right: I64, settings: DedupSettings
) -> npt.NDArray[np.bool_]:
    left_rows, left_place = np.unique(left, return_inverse=True)
    right_rows, right_place = np.unique(right, return_inverse=True)
    a, b = questions.take(left_rows), earlier.take(right_rows)
    return comparable((a.templates, b.templates), (a.numbers, b.numbers), left_place, right_place, settings)


def _reason_of(cosine: float, earlier: Questions, row: int) -> Reason:
    text = " ".join(str(earlier.texts[row]).split())
    return reason(
        "semantic", Code.NEAR_IN_MEANING, score=f"{cosine:.2f}", other=earlier.ids[row], question=text
    )
