"""Scores that a critic gave to rows after they were published or dropped, in an append-only log.

`./mathmill critic evaluate --version` lets a critic judge the labelled solutions of a version. What it says is a fact about a row that is
added later, as a judgement of a person is, so it stands here and not in the row. Of several scores of one row the newest counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa
import pyarrow.compute as pc

from storage.clock import now
from storage.datasets import delta, numbered
from storage.location import Location, checked_name

TABLE = "_critic_scores"
APPLICATION = "mathmill.critic_scores"

SCHEMA = pa.schema(
    [
        ("number", pa.int64()),
        ("dataset", pa.string()),
        ("version", pa.string()),
        ("row", pa.string()),
        ("critic", pa.string()),
        ("score", pa.float64()),
        ("at", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class CriticScore:
    """What a critic says of a row: `score` from 0 (wrong) to 1 (right). `critic` is its identity, `version` the one whose rows it judged.
    `at` is ISO 8601 in UTC."""

    row: str
    critic: str
    score: float
    dataset: str = ""
    version: str = ""
    number: int = -1
    at: str = ""


def append(where: Location, dataset: str, version: str, given: Sequence[CriticScore]) -> None:
    """Append the scores of rows of a version, all or none."""
    checked_name(dataset)
    common = {"dataset": dataset, "version": version, "at": now().isoformat(timespec="seconds")}
    records = [asdict(one) | common for one in given]
    if records:
        numbered.append(where, TABLE, SCHEMA, records, application=APPLICATION)


def newest(where: Location) -> dict[str, CriticScore]:
    """Return the newest score of each row that has one, by the row's id."""
    records = numbered.read(where, TABLE, SCHEMA, pc.scalar(True))
    scores = sorted((CriticScore(**record) for record in records), key=lambda one: one.number)
    return {one.row: one for one in scores}


def head(where: Location) -> int:
    """Return the number of the newest commit of the log, -1 if there is none."""
    number = delta.head_of(where.url(TABLE))
    return -1 if number is None else number
