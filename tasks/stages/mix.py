"""The stage `mix`: choose the rows of a version, by shares of sources, domains, formats, languages and so on.

Upper shares and the least shares of domains shrink the mixture until they hold. Target shares are solved for, under what there is
(tasks/target_shares.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator

from storage.interleaved import TIR
from storage.reasons import Code, reason
from storage.rows import column, reject, replace
from tasks.loss_weights import LossWeights, loss_weights
from tasks.plugins import checked
from tasks.seeding import seeds_of
from tasks.selection import PASS_RATE
from tasks.settings import Folded, Section, Share
from tasks.stages.outcome import Tick
from tasks.target_shares import ShareRule, numbers
from tasks.taxonomy import DOMAINS

STAGE = "mix"
COLUMNS = {"source": "source", "domain": "domain", "format": "solution_format", "language": "language"}
REASONING = "reasoning"  # the column, and the dimension of rows with and without thinking before the solution
WITH, WITHOUT = "with", "without"
METHOD = "method"
DIFFICULTY, LENGTH = (
    "difficulty",
    "length",
)  # dimensions whose values are ranges, such as 0.25..0.5 and 2000..
TARGETED = (*COLUMNS, REASONING, METHOD, DIFFICULTY, LENGTH)

FORMATS = ("cot", "pot", TIR)  # values of the column solution_format


class MixSettings(Section, title="Mix"):
    per_problem: int = Field(2, ge=1, description="solutions of one question at most")
    boost: float = Field(3.0, ge=1, description="how much likelier a row near a failure is taken")
    shares: dict[str, dict[str, Share]] = Field(
        {"format": {"cot": 0.6, "pot": 0.6}},
        description="largest share of a value of source, domain, format or language, or of reasoning (with, without)",
    )
    at_least: dict[str, Share] = Field({}, description="least share of a domain, such as algebra: 0.2")
    targets: dict[str, dict[str, Share]] = Field(
        {},
        description="share of a value of source, domain, format, language, reasoning or method, or of a range LOW..HIGH of difficulty "
        "or of the length of thinking and solution in characters, such as length: {2000..: 0.3}; in place of a largest share of the same value",
    )
    fill: Share = Field(
        0.5,
        description="part of the rows that could be taken without targets that must be taken with them; if they allow fewer, nothing is published",
    )
    curriculum: bool = Field(
        False,
        description="write the column order, a row's place in a curriculum: one minus the student's pass rate where it is measured, else the difficulty",
    )

    loss_weights: Folded[LossWeights] = Field(
        LossWeights(), description="how much a row counts in the training loss"
    )

    @field_validator("shares")
    @classmethod
    def _dimensions(cls, shares: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        checked("dimension", shares, (*COLUMNS, REASONING))
        checked("reasoning", shares.get(REASONING, {}), (WITH, WITHOUT))
        checked("format", shares.get("format", {}), FORMATS)
        checked("domain", shares.get("domain", {}), DOMAINS)
        return shares

    @field_validator("targets")
    @classmethod
    def _targets(cls, targets: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        checked("dimension", targets, TARGETED)
        checked("reasoning", targets.get(REASONING, {}), (WITH, WITHOUT))
        checked("format", targets.get("format", {}), FORMATS)
        checked("domain", targets.get("domain", {}), DOMAINS)
        for dimension, shares in targets.items():
            if sum(shares.values()) > 1 + 1e-9:
                raise ValueError(
                    f"the targets of {dimension} add up to {sum(shares.values()):g}, which is more than 1"
                )
        for dimension in (DIFFICULTY, LENGTH):
            for value in targets.get(dimension, {}):
                _range(value)
        return targets

    def of_texts(self) -> dict[str, Callable[[pa.Table], pa.ChunkedArray]]:
        """Return what the choice needs of the texts of rows, by column: in place of the texts, `mix` can be given these columns."""
        dimensions = {*self.shares, *self.targets}
        return {
            name: measured
            for name, measured in ((LENGTH, length), (REASONING, reasoned))
            if name in dimensions
        }

    @field_validator("at_least")
    @classmethod
    def _domains(cls, shares: dict[str, float]) -> dict[str, float]:
        checked("domain", shares, DOMAINS)
        if sum(shares.values()) > 1 + 1e-9:
            raise ValueError(f"the least shares add up to {sum(shares.values()):g}, which is more than 1")
        return shares


def mix(
    rows: pa.Table, *, settings: MixSettings, target: int, near: Collection[str], seed: int, tick: Tick
) -> pa.Table:
    """Return the rows with `rejected` set on those not chosen, and with the `loss_weight` of tasks/loss_weights.py.

    Rows are chosen by weighted sampling without replacement (Efraimidis and Spirakis 2006) with uniforms
    hashed from (seed, row id): the same rows give the same choice in any order or sharding. Rows whose ids
    are in `near` have the weight `settings.boost`, all others 1.
    """
    ids: list[str] = column(rows, "id")
    near_ids = set(near)
    weights = np.array([settings.boost if row_id in near_ids else 1.0 for row_id in ids])
    uniforms = (seeds_of((seed, STAGE), ids).astype(np.float64) + 1) / (2**63 + 1)
    keyed = pa.table({"key": -np.log(uniforms) / weights, "id": rows.column("id")})
    order = pc.sort_indices(keyed, sort_keys=[("key", "ascending"), ("id", "ascending")]).to_numpy()

    reasons = np.full(len(ids), None, dtype=object)
    alive = np.zeros(len(ids), dtype=bool)
    alive[order] = True
    _cap_problems(rows, order, alive, reasons, settings.per_problem)
    domains = np.array(column(rows, "domain"), dtype=object)
    if settings.targets:
        _meet_targets(rows, order, alive, reasons, settings, target)
    else:
        size = _cap_shares(rows, order, alive, reasons, settings, target, domains)
        over = _over(order[alive[order]], size, domains, settings.at_least)
        why = reason(STAGE, Code.OVER_TARGET, target=target)
        if size < min(target, int(alive.sum())):
            why = reason(STAGE, Code.OVER_LEAST_SHARES, most=size)
        reasons[over] = why
    columns = {"loss_weight": loss_weights(rows, settings.loss_weights)}
    if settings.curriculum:
        columns["order"] = curriculum_order(rows)
    tick(rows.num_rows)
    return reject(replace(rows, **columns), reasons.tolist())


def curriculum_order(rows: pa.Table) -> pa.Array:
    """Return the place of each row in a curriculum, from 0 (easy) to 1 (hard): one minus the student's pass rate on its question,
    or else its difficulty; null where neither is known."""
    rates = pa.array([dict(pairs or ()).get(PASS_RATE) for pairs in column(rows, "scores")], pa.float32())
    return pc.coalesce(
        pc.subtract(pa.scalar(1.0, pa.float32()), rates), rows.column("difficulty").combine_chunks()
    )


def _meet_targets(
    rows: pa.Table,
    order: npt.NDArray[np.int64],
    alive: npt.NDArray[np.bool_],
    reasons: npt.NDArray[np.object_],
    settings: MixSettings,
    target: int,
) -> None:
    """Reject the rows over the numbers with which the target shares hold. Raises TargetsConflict if too few rows can hold them."""
    limits = [
        (dimension, value, "at most", share)
        for dimension, shares in settings.shares.items()
        for value, share in sorted(shares.items())
        if value not in settings.targets.get(dimension, {})
    ]
    limits += [("domain", value, "at least", share) for value, share in sorted(settings.at_least.items())]
    limits += [
        (dimension, value, "exactly", share)
        for dimension, shares in settings.targets.items()
        for value, share in sorted(shares.items())
    ]
    values = np.stack([_has(rows, dimension, value) for dimension, value, _, _ in limits], axis=1)
    kept = order[alive[order]]
    kinds, kind_of = np.unique(values[kept], axis=0, return_inverse=True)
    kind_of = kind_of.reshape(-1)
    rules = [
        ShareRule(f"{dimension} {value}", relation, share, kinds[:, number])  # type: ignore[arg-type]
        for number, (dimension, value, relation, share) in enumerate(limits)
    ]
    most = min(target, len(kept))
    counts = numbers(
        np.bincount(kind_of, minlength=len(kinds)).tolist(),
        rules,
        most=most,
        least=math.ceil(settings.fill * most),
    )
    in_order = np.arange(len(kept))
    over = _rank(kind_of, in_order) >= counts[kind_of]
    for place in np.flatnonzero(over).tolist():
        kind = int(kind_of[place])
        names = [rule.name for rule in rules if rule.kinds[kind]]
        reasons[kept[place]] = reason(
            STAGE,
            Code.OVER_TARGETS,
            most=int(counts[kind]),
            value=", ".join(dict.fromkeys(names)) or "any other kind",
        )


def _range(text: str) -> tuple[float, float]:
    """Return the bounds of a range LOW..HIGH, of which one may be left out. Raises ValueError for another text."""
    low, dots, high = text.partition("..")
    try:
        bounds = (float(low) if low else -math.inf, float(high) if high else math.inf)
    except ValueError:
        dots = ""
    if not dots or not bounds[0] < bounds[1]:
        raise ValueError(f"{text!r} is no range LOW..HIGH, such as 0.25..0.5 or 2000..")
    return bounds


def length(rows: pa.Table) -> pa.ChunkedArray:
    """Return the characters of each row's thinking and solution: of the column LENGTH, if there is one."""
    if LENGTH in rows.column_names:
        return rows.column(LENGTH)
    return pc.add(*(pc.fill_null(pc.utf8_length(rows.column(name)), 0) for name in ("reasoning", "solution")))


def reasoned(rows: pa.Table) -> pa.ChunkedArray:
    """Return an empty text for each row with thinking before its solution, null for the others: a column `reasoning` without its
    texts."""
    return pc.if_else(rows.column(REASONING).is_valid(), pa.scalar(""), pa.scalar(None, pa.string()))


def _cap_problems(
    rows: pa.Table,
    order: npt.NDArray[np.int64],
    alive: npt.NDArray[np.bool_],
    reasons: npt.NDArray[np.object_],
    most: int,
) -> None:
    """Keep at most `most` solutions per question: the most probable of each format first, so that both
    formats stay.
    """
    correctness = pc.fill_null(rows.column("correctness"), 0.0).to_numpy()
    best_first = order[np.argsort(-correctness[order], kind="stable")]
    problem = _codes(rows, "problem_id")
    both = problem * 4 + _codes(rows, "solution_format")
    within_format = _rank(both, best_first)
    by_format = best_first[np.argsort(within_format[best_first], kind="stable")]
    cut = _rank(problem, by_format) >= most
    alive[cut] = False
    reasons[cut] = reason(STAGE, Code.OVER_QUESTION, most=most)


def _cap_shares(
    rows: pa.Table,
    order: npt.NDArray[np.int64],
    alive: npt.NDArray[np.bool_],
    reasons: npt.NDArray[np.object_],
    settings: MixSettings,
    target: int,
    domains: npt.NDArray[np.object_],
) -> int:
    """Cut every capped value to its share of the chosen rows, and return how many rows are to be chosen.

    Their number shrinks until all shares hold, the least shares of domains too.
    """
    capped = [
        (dimension, value, share, _has(rows, dimension, value))
        for dimension, shares in settings.shares.items()
        for value, share in sorted(shares.items())
    ]
    size = _most(alive, domains, settings, target)
    while True:
        for dimension, value, share, has in capped:
            members = order[alive[order] & has[order]]
            cut = members[max(1, round(share * size)) if share > 0 else 0 :]
            alive[cut] = False
            reasons[cut] = reason(
                STAGE, Code.OVER_SHARE, dimension=dimension, value=value, share=f"{share:g}"
            )
        taken = _most(alive, domains, settings, target)
        if taken >= size:
            return size
        size = taken


def _most(
    alive: npt.NDArray[np.bool_], domains: npt.NDArray[np.object_], settings: MixSettings, target: int
) -> int:
    """Return the largest number of rows at which every domain can still have its minimum share."""
    least = [
        int((alive & (domains == domain)).sum() / share + 1e-9)
        for domain, share in settings.at_least.items()
        if share > 0
    ]
    return min([target, int(alive.sum()), *least])


def _over(
    kept: npt.NDArray[np.int64], size: int, domains: npt.NDArray[np.object_], at_least: Mapping[str, float]
) -> npt.NDArray[np.int64]:
    """Return the rows of `kept` (in order) beyond `size`: each domain's least share is filled first, then
    the rest in order.
    """
    needed = np.zeros(len(kept), dtype=bool)
    for domain, share in at_least.items():
        needed[np.flatnonzero(domains[kept] == domain)[: math.ceil(share * size - 1e-9)]] = True
    others = np.flatnonzero(~needed)
    return kept[others[max(0, size - int(needed.sum())) :]]


def _has(rows: pa.Table, dimension: str, value: str) -> npt.NDArray[np.bool_]:
    """Return per row whether it has the value in the dimension."""
    if dimension in (DIFFICULTY, LENGTH):
        low, high = _range(value)
        measured = length(rows) if dimension == LENGTH else rows.column(DIFFICULTY)
        within = pc.and_(
            pc.greater_equal(measured, low) if low > -math.inf else measured.is_valid(),
            pc.less(measured, high) if high < math.inf else measured.is_valid(),
        )
        equal = pc.fill_null(within, False)
    elif dimension == REASONING:
        equal = rows.column(REASONING).is_valid() if value == WITH else rows.column(REASONING).is_null()
    else:
        equal = pc.fill_null(pc.equal(rows.column(COLUMNS.get(dimension, dimension)), value), False)
    return np.asarray(equal.to_numpy(), dtype=np.bool_)


def _codes(rows: pa.Table, name: str) -> npt.NDArray[np.int64]:
    encoded = rows.column(name).combine_chunks().dictionary_encode(null_encoding="encode").indices
    return np.asarray(encoded.to_numpy(zero_copy_only=False), dtype=np.int64)


def _rank(groups: npt.NDArray[np.int64], order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return for each row how many rows of its group come before it in `order`."""
    sequence = groups[order]
    by_group = np.argsort(sequence, kind="stable")
    sizes = np.diff(np.flatnonzero(np.r_[True, np.diff(sequence[by_group]) != 0, True]))
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order[by_group]] = np.arange(len(order)) - starts
    return rank
