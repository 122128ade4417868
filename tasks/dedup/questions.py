"""Compares questions with each other and with known ones: exact text, limit per template, Jaccard similarity,
ROUGE-L.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from storage.reasons import Code, Reason, reason
from tasks.dedup import candidates as near
from tasks.dedup import jaccard, lcs
from tasks.dedup.bands import candidates
from tasks.dedup.cluster import components, rank_of, survivors, witnesses
from tasks.dedup.doubts import Doubts, by_jaccard, by_rouge
from tasks.dedup.jaccard import F64, Pairs
from tasks.dedup.segment import Questions, Segment
from tasks.dedup.settings import DedupSettings
from tasks.dedup.tokens import I64, U64, Bools

STAGE = "similarity"  # of the reasons; with_reasons (tasks/dedup/decisions.py) puts the calling stage in its place
Reasons = list[Reason | None]


def judge(own: Questions, pool: Sequence[Segment], quality: F64, settings: DedupSettings) -> Reasons:
    """Return why each question is a duplicate (None: it is kept).

    A question of the pool is always kept. Of several similar questions of `own` the one with the highest quality is kept,
    ties to the smallest id.
    """
    rank = rank_of(quality, own.ids)
    reasons: Reasons = [None] * len(own)
    _exact(own, pool, rank, reasons)
    _cap_templates(own, pool, rank, reasons, settings)
    doubts = Doubts(own, pool, settings)
    _near_pool(own, pool, reasons, doubts, "jaccard")
    _clusters(own, quality, reasons, doubts)
    _near_pool(own, pool, reasons, doubts, "lcs")
    _in_turn(own, rank, reasons, doubts)
    return reasons


def comparable(
    templates: tuple[U64, U64], numbers: tuple[U64, U64], left: I64, right: I64, settings: DedupSettings
) -> Bools:
    """Return the mask of the pairs that Jaccard and ROUGE-L may compare (see DedupSettings.guard)."""
    if settings.guard == "none":
        return np.ones(len(left), dtype=bool)
    judged: Bools = numbers[0][left] == numbers[1][right]
    if settings.guard == "template":
        judged |= templates[0][left] != templates[1][right]
    return judged


def clustered(pairs: Pairs, quality: F64, ids: Sequence[str] | pa.Array) -> list[tuple[int, int, float]]:
    """Return (row that is dropped, row to name, similarity) for every row that is not the best of its
    component.
    """
    stays = survivors(components(len(ids), pairs.left, pairs.right), quality, ids)
    return [(row, other, score) for row, (other, score) in witnesses(pairs, stays).items()]


def _exact(own: Questions, pool: Sequence[Segment], rank: I64, reasons: Reasons) -> None:
    for segment in pool:
        left, right = segment.same_text(own)
        for row, other in zip(left.tolist(), right.tolist(), strict=True):
            if reasons[row] is None:
                reasons[row] = reason(STAGE, Code.EXACT, other=segment.questions.ids[other])
    first: dict[str, int] = {}
    texts = own.canonical.to_pylist()
    for row in np.argsort(rank).tolist():
        if reasons[row] is None:
            best = first.setdefault(texts[row], row)
            if best != row:
                reasons[row] = reason(STAGE, Code.EXACT, other=own.ids[best])


def _cap_templates(
    own: Questions, pool: Sequence[Segment], rank: I64, reasons: Reasons, settings: DedupSettings
) -> None:
    if settings.guard == "none":
        return
    pool_counts = sum((segment.template_counts(own) for segment in pool), np.zeros(len(own), np.int64))
    counts: Counter[int] = Counter()
    for row in np.argsort(rank).tolist():
        if reasons[row] is None:
            template = int(own.templates[row])
            if counts[template] + int(pool_counts[row]) >= settings.per_template:
                reasons[row] = reason(STAGE, Code.TEMPLATE, most=settings.per_template)
            else:
                counts[template] += 1


def _near_pool(own: Questions, pool: Sequence[Segment], reasons: Reasons, doubts: Doubts, kind: str) -> None:
    """Give each duplicate of the pool a reason with the most similar question of the pool; ties to the
    earliest.
    """
    rows = _open(reasons)
    open_questions = own.take(rows)
    best: dict[int, tuple[float, str]] = {}
    for segment in pool:
        find = _jaccard_pairs if kind == "jaccard" else _rouge_pairs
        similar = by_jaccard if kind == "jaccard" else by_rouge
        pairs = find(open_questions, segment, doubts.settings)
        confirmed = doubts.duplicates(
            segment.questions, rows[pairs.left], pairs.right, similar(doubts.settings)
        )
        for row, other, score in lcs.strongest(pairs.where(confirmed)):
            if row not in best or score > best[row][0]:
                best[row] = (score, str(segment.questions.ids[other]))
    for row, (score, name) in best.items():
        reasons[int(rows[row])] = reason(STAGE, Code.NEAR, measure=kind, score=f"{score:.2f}", other=name)


def _jaccard_pairs(own: Questions, segment: Segment, settings: DedupSettings) -> Pairs:
    sets = own.sets(settings.n)
    blocks = [_allowed(own, segment, a, b, settings) for a, b in segment.near.search(sets, settings)]
    left, right = _joined(blocks)
    # only pairs that pass the bounds are cut into n-grams again
    rows, places = np.unique(right, return_inverse=True)
    score = jaccard.jaccard_of(sets, segment.questions.take(rows).sets(settings.n), left, places)
    return Pairs(left, right, score).where(score >= settings.jaccard)


def _rouge_pairs(own: Questions, segment: Segment, settings: DedupSettings) -> Pairs:
    rows = np.arange(len(own), dtype=np.int64)
    blocks = candidates(own.rouge, rows, [segment.bands], settings.rouge_l)
    left, right = _joined([_allowed(own, segment, a, b, settings) for _, a, b in blocks])
    pool_rows, places = np.unique(right, return_inverse=True)
    pairs = lcs.passing(
        own.rouge, segment.questions.take(pool_rows).rouge, [(left, places)], settings.rouge_l
    )
    return Pairs(pairs.left, pool_rows[pairs.right], pairs.score)


def _allowed(
    own: Questions, segment: Segment, left: I64, right: I64, settings: DedupSettings
) -> tuple[I64, I64]:
    templates, numbers = (own.templates, segment.templates), (own.numbers, segment.numbers)
    judged = comparable(templates, numbers, left, right, settings)
    return left[judged], right[judged]


def _joined(blocks: list[tuple[I64, I64]]) -> tuple[I64, I64]:
    nothing = np.zeros(0, np.int64)
    left = np.concatenate([nothing, *(a for a, _ in blocks)])
    right = np.concatenate([nothing, *(b for _, b in blocks)])
    return left, right


def _clusters(own: Questions, quality: F64, reasons: Reasons, doubts: Doubts) -> None:
    rows, settings = _open(reasons), doubts.settings
    open_questions = own.take(rows)
    pairs = near.pairs_within(open_questions.sets(settings.n), settings)
    templates, numbers = (
        (open_questions.templates, open_questions.templates),
        (open_questions.numbers, open_questions.numbers),
    )
    pairs = pairs.where(comparable(templates, numbers, pairs.left, pairs.right, settings))
    pairs = pairs.where(doubts.duplicates(own, rows[pairs.left], rows[pairs.right], by_jaccard(settings)))
    for row, other, score in clustered(pairs, quality[rows], open_questions.ids):
        reasons[int(rows[row])] = reason(
            STAGE, Code.NEAR, measure="jaccard", score=f"{score:.2f}", other=open_questions.ids[other]
        )


def _in_turn(own: Questions, rank: I64, reasons: Reasons, doubts: Doubts) -> None:
    """Apply ROUGE-L as self-instruct does, beginning with the best question."""
    settings = doubts.settings
    rows = _open(reasons)
    rows = rows[np.argsort(rank[rows])]
    templates, numbers = (own.templates, own.templates), (own.numbers, own.numbers)
    similar = by_rouge(settings)

    def judged(left: I64, right: I64) -> Bools:
        return comparable(templates, numbers, left, right, settings)

    def confirmed(left: I64, right: I64) -> Bools:
        return doubts.duplicates(own, left, right, similar)

    for row, other, score in lcs.sequential(own.rouge, rows, settings.rouge_l, judged, confirmed):
        reasons[row] = reason(STAGE, Code.NEAR, measure="lcs", score=f"{score:.2f}", other=own.ids[other])


def _open(reasons: Reasons) -> I64:
    return np.array([k for k, why in enumerate(reasons) if why is None], dtype=np.int64)
