"""Scores of answered items by benchmark, subdomain, domain and capability, and the comparison of two models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.counting import counted
from tasks.evaluation.statistics import ALPHA, Paired, holm, interval, paired

GROUPS = ("benchmark", "subdomain", "domain", "capability")


@dataclass(frozen=True, slots=True)
class Score:
    """The scores of a group of items.

    `score` is pass@1 over `samples`, between `low` and `high` with 95 % confidence; `majority` is maj@k. `failed` counts
    items without an answer through no fault of the model, and `cut` the samples that reached the token limit.

    `unknown` counts items with a sample that could not be compared with the trusted answer. They are included in `items`.
    Such a sample counts as not right in `score` and `majority`, as in published evaluations, but it is not known to be wrong:
    `score` is a lower bound if `unknown` is not 0. `unanswered` counts items with a sample without an answer, which is not
    right in `score` either.

    `pass_at` is pass@k by k: the share of items of which at least one of k samples is right.
    """

    group: str
    name: str
    items: int
    samples: int
    score: float
    low: float
    high: float
    majority: float
    failed: int
    unknown: int
    unanswered: int
    cut: int
    pass_at: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delta:
    """The comparison of two models on a group of items. `corrected` is p with Holm's correction over all groups of the kind."""

    group: str
    name: str
    paired: Paired
    corrected: float

    @property
    def shown(self) -> str:
        """One of "better", "worse" (a regression) and "not shown"."""
        if self.corrected >= ALPHA:
            return "not shown"
        return "better" if self.paired.delta > 0 else "worse"


def score(answered: pa.Table, groups: Sequence[str] = GROUPS, pass_at: Sequence[int] = ()) -> list[Score]:
    """Return the scores of items (tasks.evaluation.answering.ANSWERED) per group, in the order of names. Every item of a
    group has the same weight. `pass_at`: the k of pass@k, of which those count that are not above the samples of the group."""
    scores = []
    for group in groups:
        for name in _names(answered, group):
            part = answered.filter(pc.equal(answered.column(group), name))
            scores.append(_score(part, group, name, pass_at))
    return scores


def pass_at_k(samples: int, right: int, k: int) -> float:
    """Return the unbiased estimate of the probability that one of k samples is right, where `right` of `samples` are:
    1 - C(n - c, k) / C(n, k) (Chen et al. 2021, arXiv:2107.03374). Raises ValueError if k is not from 1 to `samples`."""
    if not 1 <= k <= samples:
        raise ValueError(f"pass@{k} cannot be estimated from {counted(samples, 'sample')}")
    return 1.0 - math.comb(samples - right, k) / math.comb(samples, k)


def compare(candidate: pa.Table, baseline: pa.Table, groups: Sequence[str] = GROUPS) -> list[Delta]:
    """Compare two models on the items that both answered, per group and as a whole (group "all"). Raises ValueError if there
    are no such items."""
    a, b = joined(candidate, baseline)
    if not a.num_rows:
        raise ValueError("candidate and baseline have answered no item in common")
    return deltas(a, _scores(a)[None], _scores(b)[None], groups)


def deltas(
    items: pa.Table,
    candidate: npt.NDArray[np.float64],
    baseline: npt.NDArray[np.float64],
    groups: Sequence[str] = GROUPS,
) -> list[Delta]:
    """Compare scores of shape (seeds, items) as a whole, and per group with Holm's correction."""
    whole = _paired(candidate, baseline)
    compared = [Delta("all", "all", whole, whole.p)]
    for group in groups:
        group_names = np.array(items.column(group).to_pylist(), dtype=object)
        pairs = {
            name: _paired(candidate[:, group_names == name], baseline[:, group_names == name])
            for name in _names(items, group)
        }
        corrected = holm({name: pair.p for name, pair in pairs.items()})
        compared += [Delta(group, name, pair, corrected[name]) for name, pair in pairs.items()]
    return compared


def joined(first: pa.Table, second: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Return the items for which both have a score, in the same order."""
    tables = [table.filter(pc.is_valid(table.column("score"))).sort_by("id") for table in (first, second)]
    ids = [table.column("id") for table in tables]
    return (
        tables[0].filter(pc.is_in(ids[0], value_set=ids[1].combine_chunks())),
        tables[1].filter(pc.is_in(ids[1], value_set=ids[0].combine_chunks())),
    )


def _paired(candidate: npt.NDArray[np.float64], baseline: npt.NDArray[np.float64]) -> Paired:
    return paired(candidate[0], baseline[0]) if len(candidate) == 1 else paired(candidate, baseline)


def _score(items: pa.Table, group: str, name: str, pass_at: Sequence[int]) -> Score:
    scored = items.filter(pc.is_valid(items.column("score")))
    values = _scores(scored)
    low, high = interval(values) if len(values) else (0.0, 1.0)
    return Score(
        group,
        name,
        items=scored.num_rows,
        samples=_most(scored),
        score=float(values.mean()) if len(values) else float("nan"),
        low=low,
        high=high,
        majority=float(pc.mean(scored.column("majority").cast(pa.float64())).as_py() or 0.0),
        failed=items.num_rows - scored.num_rows,
        unknown=int(pc.sum(pc.greater(scored.column("unknown"), 0)).as_py() or 0),
        unanswered=int(pc.sum(pc.greater(scored.column("unanswered"), 0)).as_py() or 0),
        cut=int(pc.sum(scored.column("cut")).as_py() or 0),
        pass_at=_pass_at(scored, pass_at),
    )


def _pass_at(items: pa.Table, ks: Sequence[int]) -> dict[int, float]:
    """Return pass@k by k over items that all have at least k samples."""
    judged = items.column("right").to_pylist()
    fewest = min(map(len, judged), default=0)
    return {
        k: float(np.mean([pass_at_k(len(samples), samples.count(True), k) for samples in judged]))
        for k in ks
        if k <= fewest
    }


def _most(items: pa.Table) -> int:
    return int(pc.max(pc.list_value_length(items.column("right"))).as_py() or 0)


def _names(items: pa.Table, group: str) -> list[str]:
    return sorted(pc.unique(items.column(group)).to_pylist())


def _scores(items: pa.Table) -> npt.NDArray[np.float64]:
    return np.asarray(items.column("score").to_numpy(), dtype=np.float64)


def as_record(value: Score | Delta) -> dict[str, Any]:
    """Return a score or delta as plain values, for JSON."""
    if isinstance(value, Score):
        return {name: getattr(value, name) for name in Score.__slots__}
    pair = {name: getattr(value.paired, name) for name in Paired.__slots__}
    return {
        "group": value.group,
        "name": value.name,
        **pair,
        "corrected": value.corrected,
        "shown": value.shown,
    }
