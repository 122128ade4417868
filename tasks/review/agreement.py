"""What the reviewers of the same rows say together: the label of each row, and how far two reviewers agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from storage.datasets.judgements import RowJudgement, RowOpinion


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two reviewers agree on the `rows` that both judged.

    `same` is the share on which they gave the same opinion; `kappa` is Cohen's (1960), which is 0 for the agreement of chance;
    None where both gave one and the same opinion on all rows, of which kappa says nothing.
    """

    first: str
    second: str
    rows: int
    same: float
    kappa: float | None


def newest(judgements: Iterable[RowJudgement]) -> dict[str, dict[str, RowJudgement]]:
    """Return, by row and reviewer, the newest judgement; `judgements` are oldest first."""
    by_row: dict[str, dict[str, RowJudgement]] = {}
    for one in judgements:
        by_row.setdefault(one.row, {})[one.reviewer] = one
    return by_row


def label(of_row: Iterable[RowJudgement]) -> float | None:
    """Return what the reviewers of one row say: 0 right, 1 wrong, the mean of those who decided; None if none did."""
    decided = [float(one.opinion is RowOpinion.WRONG) for one in of_row if one.opinion in DECIDED]
    return sum(decided) / len(decided) if decided else None


DECIDED = (RowOpinion.RIGHT, RowOpinion.WRONG)
JUDGED = (*DECIDED, RowOpinion.UNCLEAR)  # what counts as a judgement of the row


def agreements(judgements: Sequence[RowJudgement]) -> list[Agreement]:
    """Return the agreement of every two reviewers who judged a row in common, those with most rows first."""
    pairs: dict[tuple[str, str], list[tuple[RowOpinion, RowOpinion]]] = {}
    for of_row in newest(judgements).values():
        names = sorted(name for name, one in of_row.items() if one.opinion in JUDGED)
        for first, second in combinations(names, 2):
            pairs.setdefault((first, second), []).append((of_row[first].opinion, of_row[second].opinion))
    each = [_agreement(*names, opinions) for names, opinions in pairs.items()]
    return sorted(each, key=lambda one: (-one.rows, one.first, one.second))


def _agreement(first: str, second: str, opinions: Sequence[tuple[RowOpinion, RowOpinion]]) -> Agreement:
    count = len(opinions)
    same = sum(one == other for one, other in opinions) / count
    left, right = (Counter(pair[side] for pair in opinions) for side in (0, 1))
    chance = sum(left[one] * right[one] for one in left) / count**2
    kappa = None if chance == 1 else (same - chance) / (1 - chance)
    return Agreement(first, second, count, same, kappa)
