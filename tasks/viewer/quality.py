"""How well the runs of two versions did in each subdomain, apart from how many rows they have there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from storage.datasets.versions import Version
from storage.reasons import SET_ASIDE
from tasks.viewer.index import FAILED, NOT_TAKEN, RowIndex

LEAST: Final = 5  # solutions of each side from which on a subdomain is ranked by its acceptance

# a row that several stages of a run stored is counted once: a copy of an accepted row is dropped as repeated
_FIGURES = f"""
    WITH solutions AS (
        SELECT id, any_value(coalesce(subdomain, 'none')) AS subdomain,
            bool_or(outcome IS NULL OR outcome = '{NOT_TAKEN}') AS accepted,
            any_value(correctness) AS correctness,
            any_value(CASE WHEN verdicts['consistent'] IS NOT NULL THEN
                TRY_CAST(split_part(verdicts['consistent'], '/', 1) AS DOUBLE)
                / nullif(TRY_CAST(split_part(verdicts['consistent'], '/', 2) AS DOUBLE), 0) END) AS agreement,
            any_value(scores[?]) AS critic
        FROM rows
        WHERE run = ? AND solution IS NOT NULL AND method IS NOT NULL AND coalesce(outcome, '') <> '{FAILED}'
            AND coalesce(code, '') NOT IN ({", ".join(repr(code.value) for code in sorted(SET_ASIDE))})
            AND stage <> 'similarity'
        GROUP BY id
    )
    SELECT subdomain, count(*), count_if(accepted), avg(correctness), avg(agreement), median(critic)
    FROM solutions GROUP BY subdomain
"""


@dataclass(frozen=True, slots=True)
class RunQuality:
    """A subdomain in one run: how many solutions it judged and accepted (published, or good and not taken), the means of their
    probability of being right and of the share of samples that agree, and the median score of the critic. None: nothing to measure."""

    solved: int = 0
    accepted: int = 0
    correctness: float | None = None
    agreement: float | None = None
    critic: float | None = None

    @property
    def acceptance(self) -> float | None:
        return self.accepted / self.solved if self.solved else None


@dataclass(frozen=True, slots=True)
class QualityShift:
    """A subdomain in the runs of two versions."""

    subdomain: str
    before: RunQuality
    after: RunQuality

    @property
    def few(self) -> bool:
        """Return whether a side has so few solutions that its shares say little."""
        return min(self.before.solved, self.after.solved) < LEAST

    def change(self, name: str) -> float | None:
        """Return by how much a figure grew; None where a side has none."""
        before, after = getattr(self.before, name), getattr(self.after, name)
        return None if before is None or after is None else float(after - before)


def shifts(index: RowIndex, a: Version, b: Version, critic: str = "answer") -> list[QualityShift]:
    """Return the subdomains in which the runs of either version solved something, the largest loss of acceptance first; those with few
    solutions on a side come last. `critic` is the score of the critic."""
    before, after = (_of_run(index, version, critic) for version in (a, b))
    listed = [
        QualityShift(name, before.get(name, RunQuality()), after.get(name, RunQuality()))
        for name in before.keys() | after.keys()
    ]
    return sorted(
        listed,
        key=lambda one: (
            one.few,
            one.change("acceptance") or 0.0,
            one.change("correctness") or 0.0,
            one.subdomain,
        ),
    )


def _of_run(index: RowIndex, version: Version, critic: str) -> Mapping[str, RunQuality]:
    index.dropped(version)  # copies the candidates
    rows = index.query(_FIGURES, [critic, str(version.lineage.get("run", version))])
    return {name: RunQuality(*figures) for name, *figures in rows}
