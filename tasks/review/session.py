"""A review of a version: its queue, its judgements, and what they say. The terminal and the page work on this class.

review = Review.open(store, "math-sft@2026.11.20")
while (asked := review.next("ada")) is not None:
    review.record(RowJudgement(asked.row["id"], "ada", RowOpinion.RIGHT, origin="page"))
review.estimate().to_dict()
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow.compute as pc
from pydantic import ValidationError

from storage.datasets.annotations import newest as newest_mark
from storage.datasets.judgements import RowJudgement, RowOpinion
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.errors import StorageError
from tasks.review.agreement import JUDGED, Agreement, agreements, label, newest
from tasks.review.draw import COLUMNS, Drawn, ReviewSettings, draw
from tasks.review.estimate import ErrorEstimate, estimate
from tasks.settings import unfit_settings

# kinds of marks: the queue of a version, what its judgements say, and a flow run that waits for its reviewers
QUEUE, ERROR_RATE, WAITING = "review", "error_rate", "waiting"
KEPT_QUEUES = 8  # of versions, in memory

RowLookUp = Callable[[str], list[dict[str, Any]]]  # the rows of a version with an id, all columns


@dataclass(frozen=True, slots=True)
class Asked:
    """A row that a reviewer is shown.

    `place` is its place in the queue, counted from 1; `part` is uniform or chosen; `row` are all its columns, maps as
    dictionaries; `others` are the judgements that it has so far, by other reviewers.
    """

    place: int
    part: str
    row: dict[str, Any]
    others: list[RowJudgement]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a review is. `asked`: rows of the queue. `judged`: those that as many reviewers judged as are needed. `opinions`: the
    judgements by opinion. `reviewers`: those of each reviewer."""

    asked: int
    judged: int
    opinions: dict[str, int]
    reviewers: dict[str, int]

    @property
    def done(self) -> bool:
        return self.judged >= self.asked


class Review:
    """The review of one version. It is cheap to open again: the queue of a version never changes and is kept in memory."""

    def __init__(
        self, store: Store, version: Version, settings: ReviewSettings, look_up: RowLookUp | None = None
    ) -> None:
        self.store, self.version, self.settings, self._look_up = store, version, settings, look_up
        self.drawn = _drawn(store.home.url(), version, settings.model_dump_json())
        self._given = store.judgements(version.dataset)

    @classmethod
    def open(
        cls, store: Store, name: Version | str, *, look_up: RowLookUp | None = None, **changes: Any
    ) -> Review:
        """Return the review of a version, with its queue as it was opened first.

        look_up: reads a row of the version by its id faster than the store does, which reads the ids of all rows. changes: settings of ReviewSettings that are to be others; they are kept as a mark of the version. A larger `rows` keeps the
        rows that were asked before at the beginning of each part. Raises StorageError if a setting does not fit.
        """
        version = store.resolve(name)
        stored = newest_mark(store.marks(version.dataset, QUEUE), version.name, QUEUE)
        before = stored.value if stored else {}
        given = {key: value for key, value in changes.items() if value is not None}
        try:
            settings = ReviewSettings.model_validate(before | given)
        except ValidationError as error:
            raise StorageError(
                *(
                    f"the review's {setting}: {what}. Fix: see ./mathmill review --help"
                    for setting, what in unfit_settings(error)
                )
            ) from error
        if stored is None or settings.model_dump() != before:
            store.mark(version, QUEUE, settings.model_dump())
        return cls(store, version, settings, look_up)

    def refresh(self) -> None:
        """Read the judgements again, with those that others gave meanwhile."""
        self._given = self.store.judgements(self.version.dataset)

    @property
    def judgements(self) -> list[RowJudgement]:
        """The judgements of rows of the queue, oldest first, in whichever version the row was seen."""
        rows = set(self.drawn.ids)
        return [one for one in self._given if one.row in rows]

    def next(self, reviewer: str, *, after: Sequence[str] = ()) -> Asked | None:
        """Return the next row for this reviewer, or None if there is nothing left to judge.

        A row that the reviewer judged or skipped does not come again, nor does one that enough others judged. `after`: rows that
        are passed over.
        """
        given = newest(self.judgements)
        over = set(after)
        for place, row in enumerate(self.drawn.ids):
            of_row = given.get(row, {})
            if row in over or reviewer in of_row or self._enough(place, of_row.values()):
                continue
            part = "uniform" if self.drawn.uniform[place] else "chosen"
            return Asked(place + 1, part, self.row(row), list(of_row.values()))
        return None

    def row(self, row_id: str) -> dict[str, Any]:
        """Return all columns of a row of the version. Raises StorageError if it has no such row."""
        rows: list[dict[str, Any]] = (
            self._look_up(row_id)
            if self._look_up is not None
            else self.store.read(self.version, filter=pc.field("id") == row_id).to_pylist()
        )
        if not rows:
            raise StorageError(f"{self.version} has no row {row_id}. Fix: see ./mathmill show {self.version}")
        return rows[0] | {name: dict(rows[0][name] or ()) for name in ("verdicts", "scores")}

    def record(self, *given: RowJudgement) -> list[RowJudgement]:
        """Store judgements durably and return them as stored. Raises StorageError for a row that is not in the version, and for a
        reviewer without a name."""
        known = set(self.drawn.ids)
        for one in given:
            if one.row not in known:
                self.row(one.row)
        stored = self.store.judge(self.version, given)
        self._given += stored
        return stored

    def progress(self) -> Progress:
        """Return how many rows of the queue have enough judgements, and who gave how many."""
        given = newest(self.judgements)
        judged = sum(self._enough(i, given.get(row, {}).values()) for i, row in enumerate(self.drawn.ids))
        opinions = {opinion.value: 0 for opinion in RowOpinion}
        reviewers: dict[str, int] = {}
        for of_row in given.values():
            for one in of_row.values():
                opinions[one.opinion.value] += 1
                reviewers[one.reviewer] = reviewers.get(one.reviewer, 0) + (one.opinion in JUDGED)
        return Progress(len(self.drawn), judged, opinions, dict(sorted(reviewers.items())))

    def estimate(self) -> ErrorEstimate:
        """Return the error rate of the version according to the judgements so far."""
        looked = {
            row: [one for one in of_row.values() if one.opinion in JUDGED]
            for row, of_row in newest(self.judgements).items()
        }
        # a row that was only skipped does not end the queue; it is left out as an unclear one is
        return estimate(self.drawn, {row: label(of_row) for row, of_row in looked.items()})

    def agreements(self) -> list[Agreement]:
        """Return how far every two reviewers agree on the rows that both judged."""
        return agreements(self.judgements)

    def keep_estimate(self) -> dict[str, Any]:
        """Append the estimate, the progress and the agreement as a mark of the version, and return its value."""
        progress = self.progress()
        value = self.estimate().to_dict() | {
            "asked": progress.asked,
            "judged": progress.judged,
            "opinions": progress.opinions,
            "reviewers": progress.reviewers,
            "agreement": [
                {"reviewers": [one.first, one.second], "rows": one.rows, "same": one.same, "kappa": one.kappa}
                for one in self.agreements()
            ],
            "queue": self.settings.model_dump(),
        }
        before = newest_mark(
            self.store.marks(self.version.dataset, ERROR_RATE), self.version.name, ERROR_RATE
        )
        if before is None or before.value != value:
            self.store.mark(self.version, ERROR_RATE, value)
        return value

    def _enough(self, place: int, of_row: Any) -> bool:
        return sum(one.opinion in JUDGED for one in of_row) >= 1 + bool(self.drawn.second[place])


@lru_cache(maxsize=KEPT_QUEUES)
def _queue(home: str, name: str, digest: str, settings: str) -> Drawn:
    store = Store(home)
    return draw(store.read(name, list(COLUMNS)), ReviewSettings.model_validate_json(settings))


def _drawn(home: str, version: Version, settings: str) -> Drawn:
    return _queue(home, str(version), version.digest, settings)
