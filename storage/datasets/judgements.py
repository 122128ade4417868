"""Judgements: what people say of single rows of a version, in an append-only log.

A judgement is a fact about a row that is added after its publication, as a mark is one about a version. Nothing is
overwritten: of several judgements of one reviewer on one row the newest counts, and the earlier ones stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

import pyarrow as pa
import pyarrow.compute as pc

from storage.clock import now
from storage.datasets import numbered
from storage.errors import StorageError
from storage.location import Location, checked_name

TABLE = "_judgements"
APPLICATION = "mathmill.judgements"
LONGEST = 200  # characters of a reviewer's name

SCHEMA = pa.schema(
    [
        ("number", pa.int64()),
        ("place", pa.int32()),
        ("dataset", pa.string()),
        ("version", pa.string()),
        ("row", pa.string()),
        ("reviewer", pa.string()),
        ("opinion", pa.string()),
        ("comment", pa.string()),
        ("question", pa.string()),
        ("solution", pa.string()),
        ("answer", pa.string()),
        ("origin", pa.string()),
        ("at", pa.string()),
    ]
)


class RowOpinion(StrEnum):
    """What a reviewer says of a row as it was published. The values are stored."""

    RIGHT = "right"
    WRONG = "wrong"
    UNCLEAR = "unclear"  # the reviewer has read it and cannot decide
    SKIP = "skip"  # the reviewer leaves it to others, which says nothing of the row


@dataclass(frozen=True, slots=True)
class RowJudgement:
    """One judgement of a row as it was published.

    `row` is the row's id, `version` the version in which it was seen. `question`, `solution` and `answer` are the
    texts that the reviewer would have there instead; None where nothing is changed. `origin` says where the judgement was
    given: terminal, page, or the name of an imported file. `at` is ISO 8601 in UTC; `number` and `place` give its place in
    the log.
    """

    row: str
    reviewer: str
    opinion: RowOpinion
    comment: str | None = None
    question: str | None = None
    solution: str | None = None
    answer: str | None = None
    origin: str = "terminal"
    at: str = ""
    dataset: str = ""
    version: str = ""
    number: int = -1
    place: int = 0

    @property
    def edits(self) -> bool:
        """Return whether the reviewer gave another text for the row."""
        return any(text is not None for text in (self.question, self.solution, self.answer))


def append(
    where: Location, dataset: str, version: str, judgements: Sequence[RowJudgement]
) -> list[RowJudgement]:
    """Append judgements of rows of a version, all or none, and return them as they are stored.

    Those without a time get the present one. Raises StorageError for a reviewer without a usable name.
    """
    checked_name(dataset)
    at = now().isoformat(timespec="seconds")
    records = []
    for place, one in enumerate(judgements):
        name = one.reviewer.strip()
        if not name or len(name) > LONGEST or not name.isprintable():
            raise StorageError(
                f"{one.reviewer!r} is no name of a reviewer. Fix: --as NAME, of at most {LONGEST} printable characters"
            )
        records.append(
            asdict(one)
            | {
                "dataset": dataset,
                "version": version,
                "reviewer": name,
                "at": one.at or at,
                "place": place,
                "opinion": RowOpinion(one.opinion).value,
            }
        )
    if not records:
        return []
    number = numbered.append(where, TABLE, SCHEMA, records, application=APPLICATION)
    return [_of({**record, "number": number}) for record in records]


def judgements(where: Location, dataset: str) -> list[RowJudgement]:
    """Return all judgements of rows of a dataset, oldest first. A row keeps them in each version that has it."""
    records = numbered.read(where, TABLE, SCHEMA, pc.field("dataset") == dataset)
    return sorted((_of(record) for record in records), key=lambda one: (one.number, one.place))


def _of(record: dict[str, object]) -> RowJudgement:
    return RowJudgement(**{**record, "opinion": RowOpinion(str(record["opinion"]))})  # type: ignore[arg-type]
