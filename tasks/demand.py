"""Computes how many rows are still missing per domain, and how many questions to request for them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from storage.rows import column
from tasks.taxonomy import domain_of

FIRST_GUESS = 0.75  # accepted share of the requested solutions, before any was measured
MARGIN = 1.1  # questions requested per missing one: the mixture drops some rows
ANY = ""  # the key for any domain


@dataclass(slots=True)
class Demand:
    """The rows that a run needs and the questions it has requested.

    per_problem: the most rows per question that the mixture takes. best: the most rows that one question can give.
    at_least: domain -> its least share of the rows. most: questions that are requested for each missing row at most, however few of
    the earlier ones gave a row. requested: domain -> questions requested so far.
    """

    per_problem: int
    best: int
    at_least: Mapping[str, float]
    most: float
    requested: Counter[str] = field(default_factory=Counter)

    def usable(self, rows: pa.Table) -> Counter[str]:
        """Return the number of rows that the mixture can take, by domain: at most `per_problem` per question.

        `rows` are the accepted ones, with problem_id and domain.
        """
        usable: Counter[str] = Counter()
        domains = dict(zip(column(rows, "problem_id"), column(rows, "domain"), strict=True))
        for problem, count in Counter(column(rows, "problem_id")).items():
            usable[domains[problem] or ANY] += min(self.per_problem, count)
        return usable

    def worth(self, usable: Counter[str]) -> int:
        """Return how many rows the mixture can have if every domain gets its least share."""
        return min(
            [usable.total(), *(int(usable[d] / share + 1e-9) for d, share in self.at_least.items() if share)]
        )

    def missing(self, usable: Counter[str], until: int) -> dict[str, int]:
        """Return the rows that are missing to `until` rows: by domain where it has a least share, the rest under ANY."""
        missing = {d: math.ceil(share * until - 1e-9) - usable[d] for d, share in self.at_least.items()}
        missing = {domain: rows for domain, rows in missing.items() if rows > 0}
        rest = until - usable.total() - sum(missing.values())
        return {**missing, ANY: rest} if rest > 0 else missing

    def questions(self, missing: int, usable: Counter[str], domain: str = ANY) -> int:
        """Return how many questions to request so that `missing` rows are accepted at the acceptance measured so far, at most
        `most` for each."""
        measured = 0.0
        if domain != ANY and usable[domain] and self.requested[domain]:
            measured = usable[domain] / self.requested[domain]
        elif self.requested.total():
            measured = usable.total() / self.requested.total()
        each = min(MARGIN / (measured or self.best * FIRST_GUESS), self.most)
        return math.ceil(missing * each - 1e-9)

    def count_requests(self, quota: Mapping[tuple[str, str], int]) -> None:
        """Count the questions of a quota, (language, subdomain) -> number, as requested."""
        for (_, subdomain), count in quota.items():
            self.requested[domain_of(subdomain) or ANY] += count
