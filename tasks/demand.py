"""How many rows are still wanted, of which domains, and how many questions to ask for them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from storage.rows import column
from tasks.taxonomy import domain_of

FIRST_GUESS = 0.75  # accepted share of the solutions asked for, before anything was measured
MARGIN = 1.1  # asked for beyond what is missing: the mixture takes its part
ANY = ""  # of no domain in particular


@dataclass(slots=True)
class Demand:
    """`at_least`: least shares of domains. `best`: rows that one question can give at most. `asked`: questions
    asked for so far, by domain."""

    per_problem: int
    best: int
    at_least: Mapping[str, float]
    asked: Counter[str] = field(default_factory=Counter)

    def usable(self, rows: pa.Table) -> Counter[str]:
        """Rows that the mixture can take, by domain: some solutions of each question, no more. `rows`: the
        accepted ones, with problem_id and domain."""
        found: Counter[str] = Counter()
        domains = dict(zip(column(rows, "problem_id"), column(rows, "domain"), strict=True))
        for problem, count in Counter(column(rows, "problem_id")).items():
            found[domains[problem] or ANY] += min(self.per_problem, count)
        return found

    def worth(self, usable: Counter[str]) -> int:
        """How many rows the mixture can make of them, every domain having its least share."""
        return min(
            [usable.total(), *(int(usable[d] / share + 1e-9) for d, share in self.at_least.items() if share)]
        )

    def missing(self, usable: Counter[str], until: int) -> dict[str, int]:
        """Rows still wanted to have `until`: by domain where it has a least share, the others under ANY."""
        wanted = {d: math.ceil(share * until - 1e-9) - usable[d] for d, share in self.at_least.items()}
        wanted = {domain: rows for domain, rows in wanted.items() if rows > 0}
        rest = until - usable.total() - sum(wanted.values())
        return {**wanted, ANY: rest} if rest > 0 else wanted

    def questions(self, missing: int, usable: Counter[str], domain: str = ANY) -> int:
        """Questions to ask for so that `missing` rows are accepted, by the acceptance measured so far."""
        measured = 0.0
        if domain != ANY and usable[domain] and self.asked[domain]:
            measured = usable[domain] / self.asked[domain]
        elif self.asked.total():
            measured = usable.total() / self.asked.total()
        return math.ceil(missing / (measured or self.best * FIRST_GUESS) * MARGIN - 1e-9)

    def order(self, quota: Mapping[tuple[str, str], int]) -> None:
        """Note the questions asked for, (language, subdomain) -> number."""
        for (_, subdomain), count in quota.items():
            self.asked[domain_of(subdomain) or ANY] += count
