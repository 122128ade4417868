"""What the judgements of a row decide: whether it goes, whether it is corrected, and the corrected row."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from storage.datasets.judgements import RowJudgement, RowOpinion
from storage.reasons import Code, Reason, reason
from storage.rows import Row, to_table
from tasks.review.agreement import DECIDED, newest

STAGE = "review"
CORRECTED_BY = (
    "corrected_by"  # verdict of a row whose text a person changed: a number that stands for the reviewer
)


@dataclass(frozen=True, slots=True)
class Decision:
    """What the reviewers of one row decide together.

    wrong, decided: how many of those who decided call it wrong. edit: the newest judgement with another text; None if there is
    none. More than half of those who decided must call a row wrong for it to go; a tie leaves it, and is `disputed`.
    """

    row: str
    wrong: int
    decided: int
    edit: RowJudgement | None

    @property
    def goes(self) -> bool:
        return 2 * self.wrong > self.decided

    @property
    def disputed(self) -> bool:
        return self.decided > 0 and 2 * self.wrong == self.decided

    @property
    def reason(self) -> Reason:
        """Return why the row is dropped."""
        return reason(STAGE, Code.JUDGED_WRONG, same=self.wrong, samples=self.decided)


def decisions(judgements: Iterable[RowJudgement]) -> dict[str, Decision]:
    """Return the decision on every row that someone called right or wrong, or edited; by row id, sorted."""
    by_row = {}
    for row, of_row in sorted(newest(judgements).items()):
        each = sorted(of_row.values(), key=lambda one: (one.number, one.place))
        decided = [one.opinion for one in each if one.opinion in DECIDED]
        edits = [one for one in each if one.edits and one.opinion is not RowOpinion.SKIP]
        if decided or edits:
            wrong = sum(opinion is RowOpinion.WRONG for opinion in decided)
            by_row[row] = Decision(row, wrong, len(decided), edits[-1] if edits else None)
    return by_row


def removed(judgements: Iterable[RowJudgement]) -> dict[str, Reason]:
    """Return why the rows go that their reviewers call wrong, by id."""
    return {row: one.reason for row, one in decisions(judgements).items() if one.goes}


def corrected(row: Mapping[str, Any], edit: RowJudgement) -> Row:
    """Return the row with the texts of a reviewer in place of its own.

    row: the columns of the published row. It is the parent of the new one, which has no votes, scores or critique yet. An answer
    that the reviewer gave is a trusted one, with which the solution has to agree; a solution that a person wrote has no model.
    """
    texts = {name: getattr(edit, name) for name in ("question", "solution", "answer")}
    for name in ("question", "solution"):  # an answer that the reviewer repeats is one that they vouch for
        texts[name] = None if texts[name] == row[name] else texts[name]
    rewritten = texts["solution"] is not None
    reference = row["reference_answer"] if texts["question"] is None else None
    names = (
        "language", "solution_format", "domain", "subdomain", "source", "license", "method", "kind", "messages",
        "blocks", "order", "loss_weight", "difficulty",
    )  # fmt: skip
    kept = {name: row[name] for name in names} | {"concepts": list(row["concepts"] or ())}
    author = {} if rewritten else {name: row[name] for name in ("model", "prompt", "params", "reasoning")}
    return Row(
        question=texts["question"] if texts["question"] is not None else row["question"],
        solution=texts["solution"] if rewritten else row["solution"],
        answer=texts["answer"] if texts["answer"] is not None else (None if rewritten else row["answer"]),
        reference_answer=texts["answer"] if texts["answer"] is not None else reference,
        parent_ids=[row["id"]],
        verdicts={CORRECTED_BY: hashlib.sha256(edit.reviewer.encode()).hexdigest()[:8]},
        **kept,
        **author,
    )


def corrections(rows: pa.Table, by_row: Mapping[str, Decision]) -> tuple[pa.Table, dict[str, str]]:
    """Return the corrected rows of those published `rows` that have an edit, in the order of `rows`, and the id of the row that each
    replaces, by its own. An edit that leaves every text as it was makes no row, and equal texts make one."""
    new: dict[str, Row] = {}
    replaces = {}
    for row in rows.to_pylist():
        decision = by_row.get(row["id"])
        if decision is None or decision.edit is None:
            continue
        one = corrected(row, decision.edit)
        if one.id not in new and (one.id != row["id"] or one.answer != row["answer"]):
            if one.id == row["id"]:  # the same texts with another answer: no parent of itself
                one.parent_ids = list(row["parent_ids"] or ())
            new[one.id], replaces[one.id] = one, row["id"]
    return to_table(new.values()), replaces
