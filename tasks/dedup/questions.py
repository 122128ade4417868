"""Judging questions against each other and against a pool: exact, template cap, Jaccard, ROUGE-L."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.dedup import jaccard, lcs
from tasks.dedup.cluster import components, rank_of, survivors, witnesses
from tasks.dedup.jaccard import F64, Pairs
from tasks.dedup.normalise import canonical_array, template_array
from tasks.dedup.settings import DedupSettings
from tasks.dedup.tokens import (
    I64,
    U64,
    Bools,
    Ragged,
    number_multisets,
    rouge_tokens,
    shingle_sets,
    tokens,
)


@dataclass(frozen=True)
class Questions:
    """Distinct questions as columns. `ids` name them in reasons."""

    ids: list[str]
    texts: list[str]
    languages: list[str]

    @classmethod
    def of(cls, table: pa.Table) -> Questions:
        """From columns id, question, language (such as a table of rows)."""
        languages = pc.fill_null(table.column("language"), "en")
        return cls(
            *(column.to_pylist() for column in (table.column("id"), table.column("question"), languages))
        )

    def __len__(self) -> int:
        return len(self.ids)

    @functools.cached_property
    def canonical(self) -> pa.Array:
        return canonical_array(self.texts)

    @functools.cached_property
    def templates(self) -> pa.Array:
        return template_array(self.canonical)

    @functools.cached_property
    def numbers(self) -> U64:
        return number_multisets(self.canonical)

    def sets(self, n: int) -> Ragged:
        return shingle_sets(tokens(self.canonical, self.languages), n)

    def take(self, rows: I64) -> Questions:
        chosen = rows.tolist()
        return Questions(*([part[k] for k in chosen] for part in (self.ids, self.texts, self.languages)))


def judge(own: Questions, pool: Questions, quality: F64, settings: DedupSettings) -> list[str | None]:
    """Why each question is a duplicate (None: it stays). A question of the pool always stays; of several
    own ones the one of the highest quality, ties to the smallest id."""
    rank = rank_of(quality, own.ids)
    reasons: list[str | None] = [None] * len(own)
    _exact(own, pool, rank, reasons)
    _cap_templates(own, pool, rank, reasons, settings)
    same = _Guard(own, pool, settings)
    _by_jaccard(own, pool, quality, reasons, settings, same)
    _by_rouge(own, pool, rank, reasons, settings, same)
    return reasons


def _exact(own: Questions, pool: Questions, rank: I64, reasons: list[str | None]) -> None:
    first: dict[str, str] = {}
    for text, name in zip(pool.canonical.to_pylist(), pool.ids, strict=True):
        first.setdefault(text, name)
    texts = own.canonical.to_pylist()
    for k in np.argsort(rank).tolist():
        if texts[k] in first:
            reasons[k] = f"exact of {first[texts[k]]}"
        else:
            first[texts[k]] = own.ids[k]


def _cap_templates(
    own: Questions, pool: Questions, rank: I64, reasons: list[str | None], settings: DedupSettings
) -> None:
    if settings.guard == "none":
        return
    counts = Counter(pool.templates.to_pylist())
    templates = own.templates.to_pylist()
    for k in np.argsort(rank).tolist():
        if reasons[k] is None:
            counts[templates[k]] += 1
            if counts[templates[k]] > settings.per_template:
                reasons[k] = (
                    f"template: {settings.per_template} questions that differ only in numbers are kept already"
                )


class _Guard:
    """Which pairs Jaccard and ROUGE-L may judge (see DedupSettings.guard); rows of the pool come first."""

    def __init__(self, own: Questions, pool: Questions, settings: DedupSettings) -> None:
        self._kind = settings.guard
        both = pa.concat_arrays([pool.templates, own.templates])
        self._templates = both.dictionary_encode().indices.to_numpy()
        self._numbers = np.concatenate([pool.numbers, own.numbers])

    def __call__(self, left: I64, right: I64) -> Bools:
        if self._kind == "none":
            return np.ones(len(left), dtype=bool)
        judged: Bools = self._numbers[left] == self._numbers[right]
        if self._kind == "template":
            judged |= self._templates[left] != self._templates[right]
        return judged


def _by_jaccard(
    own: Questions,
    pool: Questions,
    quality: F64,
    reasons: list[str | None],
    settings: DedupSettings,
    judged: _Guard,
) -> None:
    open_rows = _open(reasons)
    sets = own.take(open_rows).sets(settings.n)
    if len(pool):
        near = jaccard.join(sets, pool.sets(settings.n), threshold=settings.jaccard)
        near = near.where(judged(open_rows[near.left] + len(pool), near.right))
        order = np.lexsort((near.right, -near.score))
        for k in order.tolist():
            row = int(open_rows[near.left[k]])
            if reasons[row] is None:
                reasons[row] = f"jaccard {near.score[k]:.2f} with {pool.ids[near.right[k]]}"
    fresh = np.array([reasons[k] is None for k in open_rows.tolist()], dtype=bool)
    within = jaccard.join(sets, threshold=settings.jaccard)
    within = within.where(fresh[within.left] & fresh[within.right])
    within = within.where(judged(open_rows[within.left] + len(pool), open_rows[within.right] + len(pool)))
    for row, other, score in clustered(within, quality[open_rows], [own.ids[k] for k in open_rows.tolist()]):
        reasons[int(open_rows[row])] = f"jaccard {score:.2f} with {own.ids[int(open_rows[other])]}"


def clustered(pairs: Pairs, quality: F64, ids: Sequence[str]) -> list[tuple[int, int, float]]:
    """(row that goes, row to name, similarity) for every row that is not the best of its component."""
    stays = survivors(components(len(ids), pairs.left, pairs.right), quality, ids)
    return [(row, other, score) for row, (other, score) in witnesses(pairs, stays).items()]


def _by_rouge(
    own: Questions,
    pool: Questions,
    rank: I64,
    reasons: list[str | None],
    settings: DedupSettings,
    judged: _Guard,
) -> None:
    rows = _open(reasons)
    rows = rows[np.argsort(rank[rows])]
    some = own.take(rows)

    def comparable(left: I64, right: I64) -> Bools:
        inside = right >= len(pool)
        # rows of `some` are numbered after the pool by rank; the guard knows them by their own number
        known = np.where(inside, rows[np.where(inside, right - len(pool), 0)] + len(pool), right)
        return judged(rows[left] + len(pool), known)

    found = lcs.novel_tokens(
        rouge_tokens(some.texts, some.languages),
        rouge_tokens(pool.texts, pool.languages),
        threshold=settings.rouge_l,
        comparable=comparable,
    )
    for k, match in enumerate(found):
        if match is not None:
            other, score = match
            name = pool.ids[other] if other < len(pool) else some.ids[other - len(pool)]
            reasons[int(rows[k])] = f"lcs {score:.2f} with {name}"


def _open(reasons: list[str | None]) -> I64:
    return np.array([k for k, why in enumerate(reasons) if why is None], dtype=np.int64)
