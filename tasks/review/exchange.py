"""Judgements as files: JSONL of our own, and the records of Argilla 2 (`Dataset.records.to_json` and `from_json`).

An Argilla record has the row's texts as fields, and a list of responses per question: the label `opinion` (right, wrong,
unclear) and the texts `comment`, `corrected_question`, `corrected_solution` and `corrected_answer`. Argilla knows users by a UUID: that of a
reviewer is derived from the name, and the metadata say which name it stands for. Argilla has no time of a response, so
that an imported one gets the time of the import, and its format has no record of skipped rows.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import orjson
import pyarrow.compute as pc

from storage.datasets.judgements import RowJudgement, RowOpinion
from storage.errors import StorageError
from tasks.review.agreement import newest
from tasks.review.session import Review

FIELDS = ("question", "solution", "answer")
TEXTS = ("comment", *FIELDS)
OPINION = "opinion"
USERS = uuid.UUID("6c0b1f6e-3d5a-5e0c-9c58-0d9f6f1b7a11")  # namespace of the UUIDs of reviewers
_KEYS = ("dataset", "version", "row", "reviewer", OPINION, *TEXTS, "at", "origin")


def to_lines(review: Review) -> Iterator[bytes]:
    """Yield the judgements of the queue as lines of JSON, oldest first, those that were corrected later included."""
    for one in review.judgements:
        record = asdict(one)
        yield orjson.dumps({key: record[key] for key in _KEYS}, option=orjson.OPT_APPEND_NEWLINE)


def to_argilla(review: Review) -> list[dict[str, Any]]:
    """Return the rows of the queue, in its order, as records of Argilla with the judgements so far as responses."""
    columns = ["id", *FIELDS, "subdomain", "language", "correctness"]
    ids = review.drawn.ids
    rows = review.store.read(review.version, columns, pc.field("id").isin(ids)).to_pylist()
    by_id = {row["id"]: row for row in rows}
    given = newest(review.judgements)
    records = []
    for place, row_id in enumerate(ids):
        row = by_id[row_id]
        of_row = [one for one in given.get(row_id, {}).values() if one.opinion is not RowOpinion.SKIP]
        responses: dict[str, list[dict[str, Any]]] = {}
        for one in of_row:
            for name, value in _answers(one).items():
                responses.setdefault(name, []).append({"value": value, "user_id": user_of(one.reviewer)})
        metadata = {
            "version": str(review.version),
            "place": place + 1,
            "part": "uniform" if review.drawn.uniform[place] else "chosen",
            **{name: row[name] for name in ("subdomain", "language", "correctness") if row[name] is not None},
            **(
                {"reviewers": [f"{user_of(one.reviewer)} {one.reviewer}" for one in of_row]} if of_row else {}
            ),
        }
        records.append(
            {
                "id": row_id,
                "fields": {name: row[name] or "" for name in FIELDS},
                "metadata": metadata,
                "suggestions": {},
                "responses": responses,
                "vectors": {},
                "status": "completed" if of_row else "pending",
                "_server_id": None,
            }
        )
    return records


def read(path: Path) -> list[RowJudgement]:
    """Return the judgements of a file: JSON lines of `to_lines`, or a JSON list of Argilla records.

    Raises StorageError, which names the file and the line or record that does not fit.
    """
    data = path.read_bytes()
    try:
        if data.lstrip()[:1] == b"[":
            records: list[Any] = orjson.loads(data)
            return [
                one
                for number, record in enumerate(records, 1)
                for one in _of_argilla(record, f"{path}, record {number}", path.name)
            ]
    except orjson.JSONDecodeError as error:
        raise StorageError(f"{path}: it is no JSON ({error}). Fix: export the records again") from error
    given = []
    for number, line in enumerate(data.splitlines(), 1):
        if line.strip():
            where = f"{path}, line {number}"
            try:
                given.append(_of_line(orjson.loads(line), where, path.name))
            except orjson.JSONDecodeError as error:
                raise StorageError(
                    f"{where}: it is no JSON ({error}). Fix: one JSON object a line"
                ) from error
    return given


def bring_in(review: Review, given: Iterable[RowJudgement]) -> int:
    """Store judgements that a file has and the review has not, in one commit, and return how many they are.

    Raises StorageError, and stores none, if one is of a row that the version does not have.
    """
    listed = list(given)
    ids = pc.unique(review.store.read(review.version, ["id"]).column("id")).to_pylist()
    if unknown := sorted({one.row for one in listed} - set(ids)):
        raise StorageError(
            f"{review.version} has no row {unknown[0]}. Fix: import the judgements into the version that they are of"
        )
    known = {one.reviewer for one in review.judgements}
    names = {user_of(name): name for name in known}
    present: dict[tuple[str, str], RowJudgement] = {
        (row, name): one for row, of_row in newest(review.judgements).items() for name, one in of_row.items()
    }
    stored = {(one.row, one.reviewer, _content(one), one.at) for one in review.judgements}
    new = []
    for one in listed:
        one = replace(one, reviewer=names.get(one.reviewer, one.reviewer))
        before = present.get((one.row, one.reviewer))
        # without a time it is the same as the reviewer's newest one, if that says the same
        repeated = (
            (one.row, one.reviewer, _content(one), one.at) in stored
            if one.at
            else before is not None and _content(before) == _content(one)
        )
        if not repeated:
            new.append(one)
    review.record(*new)
    return len(new)


def user_of(reviewer: str) -> str:
    """Return the UUID by which Argilla's records know a reviewer."""
    return str(uuid.uuid5(USERS, reviewer))


def _content(one: RowJudgement) -> tuple[str | None, ...]:
    return (one.opinion.value, *(getattr(one, name) for name in TEXTS))


def _answers(one: RowJudgement) -> dict[str, str]:
    """Return what a judgement says, by the name of Argilla's question."""
    texts = {_question(name): getattr(one, name) for name in TEXTS}
    return {OPINION: one.opinion.value} | {name: text for name, text in texts.items() if text is not None}


def _question(name: str) -> str:
    return name if name == "comment" else f"corrected_{name}"


def _of_line(record: Any, where: str, origin: str) -> RowJudgement:
    if not isinstance(record, Mapping):
        raise StorageError(f"{where}: it is no JSON object. Fix: one judgement a line")
    texts = {name: _text(record, name, where) for name in TEXTS}
    return RowJudgement(
        row=_required(record, "row", where),
        reviewer=_required(record, "reviewer", where),
        opinion=_opinion(record.get(OPINION), where),
        at=_text(record, "at", where) or "",
        origin=_text(record, "origin", where) or origin,
        **texts,  # type: ignore[arg-type]
    )


def _of_argilla(record: Any, where: str, origin: str) -> Iterator[RowJudgement]:
    if not isinstance(record, Mapping) or not isinstance(record.get("responses", {}), Mapping):
        raise StorageError(f"{where}: it is no record of Argilla. Fix: write it with records.to_json")
    row, metadata = _required(record, "id", where), record.get("metadata") or {}
    names = dict(str(one).split(" ", 1) for one in metadata.get("reviewers", ()) if " " in str(one))
    by_user: dict[str, dict[str, Any]] = {}
    for question, responses in (record.get("responses") or {}).items():
        for response in responses if isinstance(responses, list) else ():
            if isinstance(response, Mapping):
                user = str(response.get("user_id"))
                by_user.setdefault(user, {})[question] = response.get("value")
    for user, answers in by_user.items():
        if OPINION not in answers:
            continue  # a draft: the other questions are optional
        texts = {name: _text(answers, _question(name), where) for name in TEXTS}
        yield RowJudgement(
            row=row,
            reviewer=names.get(user, user),
            opinion=_opinion(answers[OPINION], where),
            origin=origin,
            **{name: text or None for name, text in texts.items()},  # type: ignore[arg-type]
        )


def _required(record: Mapping[str, Any], name: str, where: str) -> str:
    value = record.get(name)
    if not isinstance(value, str) or not value:
        raise StorageError(f"{where}: it has no {name}. Fix: give it as a text")
    return value


def _text(record: Mapping[str, Any], name: str, where: str) -> str | None:
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise StorageError(f"{where}: {name} is no text. Fix: give a text, or leave it out")
    return value


def _opinion(value: Any, where: str) -> RowOpinion:
    try:
        return RowOpinion(value)
    except ValueError:
        raise StorageError(f"{where}: {value!r} is no opinion. Fix: one of {', '.join(RowOpinion)}") from None
