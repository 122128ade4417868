"""Guards: reasons why a pair of questions above the similarity threshold is not a duplicate.

They are checked for the few pairs that pass the threshold: the pair is two different problems (tasks.dedup.contrast), or is
similar only in text that many questions share (tasks.text.shared).
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

QUESTION = 3  # words of the shortest question; fewer words beside shared text are a filled slot of a template
SAMPLE = 1024  # questions per known segment that are sampled for shared text

ScorePairs = Callable[[Sequence[str], Sequence[str]], Bools]
"""Whether texts left[k] and right[k] are similar enough, for every k."""


@dataclass(frozen=True, slots=True)
class Guards:
    """The conditions that a similar pair must meet to be a duplicate. `shared`: the text that many of the questions have
    in common.

    The stages of a run and the out-of-core join of files (tasks.dedup.joining) use the same guards.
    """

    settings: DedupSettings
    shared: Shared

    def duplicates(self, left: Sequence[str], right: Sequence[str], similar: ScorePairs) -> Bools:
        """Return the mask of the pairs (left[k], right[k]) that pass the guards; all pairs if the settings
        switch guards off.
        """
        mask = np.ones(len(left), dtype=bool)
        if self.settings.guard == "none" or not len(left):
            return mask
        if self.settings.opposites:
            mask &= ~different_problems(left, right)
        doubtful = [
            k for k in np.flatnonzero(mask).tolist() if self._shares(left[k]) and self._shares(right[k])
        ]
        if doubtful:
            mask[doubtful] = similar(
                [self.shared.cut(left[k]) for k in doubtful], [self.shared.cut(right[k]) for k in doubtful]
            )
        return mask

    def _shares(self, text: str) -> bool:
        """Return whether a question has shared text and, beside it, enough text for a question."""
        if not self.shared:
            return False
        return self.shared.cut(text) != text and max(pieces(text, self.shared), default=0) >= QUESTION


@dataclass(frozen=True)
class Doubts:
    """The guards for the questions `own`, among each other and with those of `pool`."""

    own: Questions
    pool: Sequence[Segment]
    settings: DedupSettings

    def duplicates(self, other: Questions, left: I64, right: I64, similar: ScorePairs) -> Bools:
        """Return the mask of the pairs (row left[k] of `own`, row right[k] of `other`) that pass the
        guards. A question is no duplicate of the one that it was derived from.

        All pairs pass if the settings switch guards off.
        """
        if self.settings.guard == "none" or not len(left):
            return np.ones(len(left), dtype=bool)
        left_texts = self.own.texts.take(pa.array(left)).to_pylist()
        right_texts = other.texts.take(pa.array(right)).to_pylist()
        derived = self.own.derived_from(left, other, right) | other.derived_from(right, self.own, left)
        return ~derived & Guards(self.settings, self.shared).duplicates(left_texts, right_texts, similar)

    @functools.cached_property
    def shared(self) -> Shared:
        """The text that many of the questions have in common."""
        texts = self.own.texts.to_pylist()
        for segment in self.pool:
            questions = segment.questions
            rows = np.unique(np.linspace(0, len(questions) - 1, min(len(questions), SAMPLE)).astype(np.int64))
            texts += questions.take(rows).texts.to_pylist()
        return shared_text(texts, self.settings.shared)


def by_jaccard(settings: DedupSettings) -> ScorePairs:
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


def by_rouge(settings: DedupSettings) -> ScorePairs:
    def similar(left: Sequence[str], right: Sequence[str]) -> Bools:
        is_similar: Bools = rouge_l(left, right, _languages(left)) > settings.rouge_l
        return is_similar

    return similar


def _languages(texts: Sequence[str]) -> list[str]:
    return ["zh" if any("\u4e00" <= c <= "\u9fff" for c in text) else "en" for text in texts]
