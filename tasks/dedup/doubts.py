"""Why a pair of questions that is similar enough is no duplicate after all.

These are guards on top of the similarity that a setting names, asked of the few pairs that pass it: the pair is two
different problems (tasks.dedup.contrast), or is alike only in text that many questions share (tasks.text.shared).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from tasks.dedup.contrast import different_problems
from tasks.dedup.jaccard import F64, jaccard_of, sets_of
from tasks.dedup.rouge import rouge_l
from tasks.dedup.segment import Questions, Segment
from tasks.dedup.settings import DedupSettings
from tasks.dedup.tokens import I64, Bools
from tasks.text.shared import Shared, pieces, shared_text

QUESTION = 3  # words of the shortest question; fewer beside shared text are a slot in a copy
SAMPLE = 1024  # questions of each segment that is there already that are looked at for shared text

Score = Callable[[Sequence[str], Sequence[str]], Bools]
"""Whether texts left[k] and right[k] are similar enough, for every k."""


@dataclass(frozen=True, slots=True)
class Guards:
    """What a similar pair must pass to be a duplicate: `shared` is the text that many of the questions have in
    common. The night and the out-of-core join of files (tasks.dedup.joining) ask the same guards."""

    settings: DedupSettings
    shared: Shared

    def stand(self, ours: Sequence[str], theirs: Sequence[str], similar: Score) -> Bools:
        """Mask of the pairs (ours[k], theirs[k]) that are duplicates still; all of them, where the settings guard
        nothing."""
        stand = np.ones(len(ours), dtype=bool)
        if self.settings.guard == "none" or not len(ours):
            return stand
        if self.settings.opposites:
            stand &= ~different_problems(ours, theirs)
        doubtful = [
            k for k in np.flatnonzero(stand).tolist() if self._shares(ours[k]) and self._shares(theirs[k])
        ]
        if doubtful:
            stand[doubtful] = similar(
                [self.shared.cut(ours[k]) for k in doubtful], [self.shared.cut(theirs[k]) for k in doubtful]
            )
        return stand

    def _shares(self, text: str) -> bool:
        """Whether a question has shared text and beside it a question of its own."""
        if not self.shared:
            return False
        return self.shared.cut(text) != text and max(pieces(text, self.shared), default=0) >= QUESTION


@dataclass(frozen=True)
class Doubts:
    """Of the questions `own` among each other and with those of `pool`."""

    own: Questions
    pool: Sequence[Segment]
    settings: DedupSettings

    def stand(self, other: Questions, left: I64, right: I64, similar: Score) -> Bools:
        """Mask of the pairs (own row left[k], row right[k] of `other`) that are duplicates still; all of them, where the
        settings guard nothing."""
        if self.settings.guard == "none" or not len(left):
            return np.ones(len(left), dtype=bool)
        ours = self.own.texts.take(pa.array(left)).to_pylist()
        theirs = other.texts.take(pa.array(right)).to_pylist()
        return Guards(self.settings, self.shared).stand(ours, theirs, similar)

    @functools.cached_property
    def shared(self) -> Shared:
        """What many of the questions have in common."""
        texts = self.own.texts.to_pylist()
        for segment in self.pool:
            there = segment.questions
            rows = np.unique(np.linspace(0, len(there) - 1, min(len(there), SAMPLE)).astype(np.int64))
            texts += there.take(rows).texts.to_pylist()
        return shared_text(texts, self.settings.shared)


def by_jaccard(settings: DedupSettings) -> Score:
    def similar(left: Sequence[str], right: Sequence[str]) -> Bools:
        rows = np.arange(len(left), dtype=np.int64)
        score: F64 = jaccard_of(
            sets_of(left, _languages(left), settings.n),
            sets_of(right, _languages(right), settings.n),
            rows,
            rows,
        )
        return score >= settings.jaccard

    return similar


def by_rouge(settings: DedupSettings) -> Score:
    def similar(left: Sequence[str], right: Sequence[str]) -> Bools:
        found: Bools = rouge_l(left, right, _languages(left)) > settings.rouge_l
        return found

    return similar


def _languages(texts: Sequence[str]) -> list[str]:
    return ["zh" if any("\u4e00" <= c <= "\u9fff" for c in text) else "en" for text in texts]
