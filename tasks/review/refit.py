"""Refits the weights of the votes to rows that people judged.

A judged row of a model counts like a question with a known answer (tasks/stages/calibrate.py): its votes are stored with it, and the reviewers say whether it
is right. The rows that reviewers see are not drawn at random, and published ones passed a threshold; both choices depend on the votes, on which the fit is
conditional, and so do not bias it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.datasets.judgements import RowJudgement
from storage.rows import column
from tasks.review.decisions import decisions
from tasks.seeding import seed_of
from tasks.voting import Calibration, fit_and_check, from_rows

FOLDS = 5
JUDGED = "judged"  # key of a calibration's record
COLUMNS = ("id", "problem_id", "answer", "verdicts", "scores")


def new_truths(judgements: Iterable[RowJudgement], record: Mapping[str, Any]) -> tuple[dict[str, bool], int]:
    """Return whether each row is right that has a judgement which a calibration has not seen, and the newest number in the log.

    record: of the calibration, as a lineage has it. A row on which the reviewers disagree evenly, or that nobody decided on, is left out.
    """
    every = list(judgements)
    through = int(record.get(JUDGED, {}).get("through", -1))
    unseen = {one.row for one in every if one.number > through}
    decided = {row: one for row, one in decisions(every).items() if row in unseen}
    truths = {row: not one.goes for row, one in decided.items() if one.decided and not one.disputed}
    return truths, max((one.number for one in every), default=through)


def refitted(
    rows: pa.Table, truths: Mapping[str, bool], through: int, record: Mapping[str, Any]
) -> tuple[Calibration, dict[str, Any]]:
    """Return the calibration of `record` refitted to judged rows, and what the next record says of them under JUDGED.

    rows: those of `truths`, with COLUMNS. Rows without samples, such as imported ones, have no votes and are not counted.
    """
    before = Calibration.from_dict(record)
    sampled = pc.map_lookup(rows.column("verdicts"), "consistent", "first").is_valid()
    rows = rows.filter(pc.and_(sampled, rows.column("answer").is_valid()))
    seen = dict(record.get(JUDGED, {})) or {"rows": 0, "right": 0}
    if not rows.num_rows:
        return before, seen | {"through": through}
    truth = np.array([truths[row] for row in column(rows, "id")], dtype=bool)
    fold = np.array([seed_of(JUDGED, problem) % FOLDS for problem in column(rows, "problem_id")], int)
    fitted, _ = fit_and_check(from_rows(rows), truth, fold, before)
    counts = {"rows": seen["rows"] + len(truth), "right": seen["right"] + int(truth.sum())}
    return fitted, counts | {"through": through}
