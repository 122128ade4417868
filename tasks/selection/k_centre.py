"""Keep questions that cover all of them: k-centre greedy selection on their embeddings (Sener and Savarese 2018, arXiv:1708.00489).

Each step takes the question that is farthest from all that are taken, which is at most twice as far from the best cover.
Everything is compared in blocks of rows, so that memory is bounded; the time grows with rows times questions taken.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from storage.indexes.vectors import Encode, Vectors
from storage.reasons import Code, Reason, reason
from storage.rows import column
from tasks.selection import Selection
from tasks.settings import Section, Share
from tasks.stages.outcome import Tick

STAGE = "select"
_BLOCK = 65_536  # rows that are compared with a centre at once

whole = True
parents = False


class KCentreSettings(Section, title="k-centre"):
    keep: Share = Field(0.8, description="share of the questions that is kept")
    rows: int | None = Field(None, ge=1, description="number of questions that is kept, instead of a share")


own_settings = KCentreSettings


def needs(settings: KCentreSettings) -> Mapping[str, str]:
    return {"encode": "encoder"}


def select(rows: pa.Table, *, settings: KCentreSettings, seed: int, tick: Tick, encode: Encode) -> Selection:
    """Keep all rows of the chosen questions. A question that is not chosen names the one that covers it, with their cosine."""
    problems, questions = column(rows, "problem_id"), column(rows, "question")
    texts = dict(zip(problems, questions, strict=True))
    ids = sorted(texts)
    count = min(len(ids), settings.rows or round(settings.keep * len(ids)))
    reasons: list[Reason | None] = [None] * rows.num_rows
    if ids:
        centres, nearest, cosines = k_centre(encode([texts[one] for one in ids]), count)
        chosen = {ids[i] for i in centres}
        place = {one: i for i, one in enumerate(ids)}
        for row, problem in enumerate(problems):
            if problem not in chosen:
                i = place[problem]
                other = ids[nearest[i]] if count else "none"
                reasons[row] = reason(STAGE, Code.COVERED, score=f"{cosines[i]:.2f}", other=other)
    tick(rows.num_rows)
    return Selection(reasons)


def k_centre(
    vectors: Vectors, count: int
) -> tuple[list[int], npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return the numbers of `count` centres in the order in which they are taken, and, per vector, the nearest centre and its
    cosine.

    vectors: unit vectors, shape (n, dimensions). The first centre is the vector nearest to the mean; of equal ones, the first.
    """
    total = len(vectors)
    nearest = np.zeros(total, dtype=np.int64)
    cosines = np.full(total, -2.0, dtype=np.float32)
    centres: list[int] = []
    following = int(np.argmax(_products(vectors, vectors.mean(axis=0)))) if total else 0
    for _ in range(min(count, total)):
        centres.append(following)
        closer = _products(vectors, vectors[following])
        better = closer > cosines
        cosines[better], nearest[better] = closer[better], following
        cosines[following], nearest[following] = 2.0, following  # a centre is never taken again
        following = int(np.argmin(cosines))
    return centres, nearest, cosines


def _products(vectors: Vectors, one: Vectors) -> npt.NDArray[np.float32]:
    return np.concatenate(
        [vectors[start : start + _BLOCK] @ one for start in range(0, len(vectors), _BLOCK)]
    ).astype(np.float32)
