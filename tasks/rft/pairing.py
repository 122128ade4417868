"""Which right and which wrong solutions of a question make a pair for preference training.

A good pair differs in what is right and in little else. So both sides have one format and about the same length, and the wrong side is a
plausible one: a whole solution with a stated answer that many samples share, or that a critic finds good.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import Field

from tasks.settings import Section


class PairSettings(Section, title="Pairs"):
    most: int = Field(4, ge=1, le=1024, description="pairs of a question, at most; each solution is in one")
    length_ratio: float = Field(
        1.5, ge=1, description="the longer side of a pair is at most so many times as long as the other"
    )
    min_length: int = Field(
        20,
        ge=1,
        description="characters of a side, at least: an answer without its working is no plausible solution",
    )


@dataclass(frozen=True, slots=True)
class PairSide:
    """A solution that may be a side of a pair.

    length: of thinking and solution, in characters. plausible: of a wrong solution, from 0 to 1: the critic's score of it, or else the
    share of the question's wrong ones with the same answer.
    """

    id: str
    format: str
    length: int
    answer: str
    plausible: float = 0.0


Different = Callable[[Sequence[tuple[str, str]]], Sequence[bool]]


def pairs_of(
    right: Sequence[PairSide], wrong: Sequence[PairSide], settings: PairSettings, different: Different
) -> list[tuple[PairSide, PairSide]]:
    """Return the pairs (right, wrong) of one question, the best first: by how plausible the wrong side is, then by how near the lengths
    are. `different` says of pairs of answers whether they are known to differ; a pair of which that is not known is none."""
    fitting = [
        (good, bad)
        for good in right
        for bad in wrong
        if good.format == bad.format
        and min(good.length, bad.length) >= settings.min_length
        and max(good.length, bad.length) <= settings.length_ratio * min(good.length, bad.length)
    ]
    answers = list(dict.fromkeys((good.answer, bad.answer) for good, bad in fitting))
    apart = dict(zip(answers, different(answers), strict=True))
    ranked = sorted(
        (pair for pair in fitting if apart[pair[0].answer, pair[1].answer]),
        key=lambda pair: (
            -round(pair[1].plausible, 6),
            abs(math.log(pair[0].length / pair[1].length)),
            pair[0].id,
            pair[1].id,
        ),
    )
    pairs: list[tuple[PairSide, PairSide]] = []
    used: set[str] = set()
    for good, bad in ranked:
        if len(pairs) < settings.most and not {good.id, bad.id} & used:
            used |= {good.id, bad.id}
            pairs.append((good, bad))
    return pairs
