"""Draws the rows of a version that people are shown: a uniform part, and a part where a judgement narrows the estimate most.

The uniform part are the first rows in the order of a hash. The other part is drawn from the remaining rows without
replacement, with chances in proportion to how uncertain the truth of a row is: priority sampling (Duffield, Lund and Thorup
2007), with the chances of Neyman's (1934) allocation, the standard deviation of the truth. Every row therefore has a known
probability of being drawn, which `tasks.review.estimate` needs, and a longer queue begins with the shorter one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from pydantic import Field

from tasks.arrays import Floats, Mask
from tasks.settings import Section, Share
from tasks.voting import from_rows

COLUMNS = ("id", "subdomain", "correctness", "answer", "verdicts", "scores")  # that `draw` reads
CRITIC = "answer"  # the critic's score of the solution
UNKNOWN = 0.05  # probability of being wrong of a row on which nothing voted
LEAST, MOST = 0.01, 0.5  # bounds of the doubt: no row is certain, and none has no chance


class ReviewSettings(Section, title="Review"):
    rows: int = Field(200, ge=1, le=100_000, description="rows that are shown to people")
    uniform: float = Field(
        0.5,
        gt=0,
        le=1,
        description="share of these rows that is drawn uniformly; the others are drawn where votes, programs and critic disagree",
    )
    second: Share = Field(
        0.1, description="share of these rows that a second reviewer judges too, for the agreement"
    )
    seed: int = Field(0, description="same seed, same version, same rows")


@dataclass(frozen=True, slots=True)
class Drawn:
    """The rows of a queue, in the order in which they are shown; arrays (k,) unless another shape is stated.

    ids, subdomains: of the rows. uniform: whether the row is of the uniform part. doubt: how uncertain its truth is, from LEAST
    to MOST. wrong: the probability of being wrong according to the version itself. priority: in the chosen part the key by
    which its rows were drawn, nan in the uniform part. second: whether a second reviewer judges it. population: rows of the
    version. beyond: the key of the first row that was not drawn, infinite where none is left.
    means: the mean of `wrong` and the number of rows by subdomain, over all rows of the version; "" for all of them.
    """

    ids: list[str]
    subdomains: list[str]
    uniform: Mask
    doubt: Floats
    wrong: Floats
    priority: Floats
    second: Mask
    population: int
    beyond: float
    means: dict[str, tuple[float, int]]

    def __len__(self) -> int:
        return len(self.ids)


def draw(rows: pa.Table, settings: ReviewSettings) -> Drawn:
    """Return the queue for the rows of a version, a table with COLUMNS. Equal rows in any order give an equal queue."""
    rows = rows.sort_by("id")
    ids: list[str] = rows.column("id").to_pylist()
    count, asked = len(ids), min(settings.rows, len(ids))
    uniform = asked if asked == count else round(asked * settings.uniform)
    wrong, doubt = _wrong(rows), doubts(rows)
    spread = np.sqrt(doubt * (1 - doubt))
    in_order = np.argsort(hashes(ids, settings.seed, "uniform"), kind="stable")
    first, others = in_order[:uniform], in_order[uniform:]
    keys = np.full(count, np.nan)
    keys[others] = hashes(ids, settings.seed, "chosen")[others] / spread[others]
    by_key = others[np.argsort(keys[others], kind="stable")]
    chosen, left = by_key[: asked - uniform], by_key[asked - uniform :]
    order = _interleaved(first, chosen)
    subdomains = [name or "" for name in rows.column("subdomain").to_pylist()]
    return Drawn(
        ids=[ids[i] for i in order],
        subdomains=[subdomains[i] for i in order],
        uniform=np.isnan(keys[order]),
        doubt=doubt[order],
        wrong=wrong[order],
        priority=keys[order],
        second=hashes([ids[i] for i in order], settings.seed, "second") < settings.second,
        population=count,
        beyond=float(keys[left[0]]) if len(left) else float("inf"),
        means=_means(wrong, subdomains),
    )


def doubts(rows: pa.Table) -> Floats:
    """Return how uncertain the truth of each row is, (n,) from LEAST to MOST.

    It is the mean of the row's own probability of being wrong and of the strongest disagreement: the share of other samples,
    or of other programs, with another answer, or what the critic's score is short of 1.
    """
    votes = from_rows(rows)
    everyone = votes.agree + votes.against
    programs = votes.programs + votes.programs_against
    others = np.divide(votes.against, everyone, out=np.zeros(len(votes)), where=everyone > 0)
    other_programs = np.divide(votes.programs_against, programs, out=np.zeros(len(votes)), where=programs > 0)
    score = pc.map_lookup(rows.column("scores"), CRITIC, "first").cast(pa.float64()).fill_null(1.0)
    critic = 1 - np.clip(score.to_numpy(), 0, 1)
    strongest = np.maximum.reduce([others, other_programs, critic])
    return np.asarray(np.clip((_wrong(rows) + strongest) / 2, LEAST, MOST))


def hashes(ids: list[str], seed: int, part: str) -> Floats:
    """Return a number in (0, 1) per id, (n,), by the random seed and the part: independent between parts."""
    key = xxhash.xxh3_64(f"review {seed} {part}".encode()).intdigest()
    values = np.fromiter((xxhash.xxh3_64_intdigest(one.encode(), key) for one in ids), np.uint64, len(ids))
    return np.asarray((values.astype(np.float64) + 0.5) / 2.0**64)


def _wrong(rows: pa.Table) -> Floats:
    """Return the probability of being wrong of each row, (n,), by `correctness`."""
    correctness = rows.column("correctness").cast(pa.float64()).fill_null(1 - UNKNOWN)
    return np.asarray(np.clip(1 - correctness.to_numpy(), 0.0, 1.0))


def _interleaved(first: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return both orders as one, in which each has at every point about its share of the rows."""
    place = np.concatenate(
        [
            (np.arange(len(first)) + 0.5) / max(len(first), 1),
            (np.arange(len(other)) + 0.5) / max(len(other), 1),
        ]
    )
    return np.concatenate([first, other])[np.argsort(place, kind="stable")]


def _means(wrong: Floats, subdomains: list[str]) -> dict[str, tuple[float, int]]:
    names, index = np.unique(np.array(subdomains, dtype=object).astype(str), return_inverse=True)
    sums, counts = np.bincount(index, wrong, len(names)), np.bincount(index, minlength=len(names))
    by_name = {
        str(name): (float(total / count), int(count))
        for name, total, count in zip(names, sums, counts, strict=True)
        if name
    }
    return {"": (float(wrong.mean()) if len(wrong) else 0.0, len(wrong)), **by_name}
