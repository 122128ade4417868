"""The stage `distinct`: of the right solutions of a question that go one way, the likeliest one."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

import pyarrow as pa

from storage.reasons import Code, Reason, reason
from storage.rows import column, reject, replace
from tasks.solution_paths import SamePathSettings, rarest_first
from tasks.stages.outcome import Tick

STAGE: Final = "distinct"
PATH_SHARE: Final = (
    "path_share"  # score: the share of the right solutions of the question and format that go this way
)
_READ: Final = ["id", "problem_id", "language", "solution", "solution_format", "correctness", "params"]


def distinct(rows: pa.Table, *, settings: SamePathSettings, tick: Tick) -> pa.Table:
    """Return the rows, of which one per question, format and path stays; its score PATH_SHARE says how rare the path is."""
    table = rows.select(_READ).to_pylist()
    groups: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for place, row in enumerate(table):
        groups[row["problem_id"], row["solution_format"] or ""].append(place)
    reasons: list[Reason | None] = [None] * len(table)
    scores = [dict(pairs or ()) for pairs in column(rows, "scores")]
    for group in groups.values():
        for places in rarest_first([table[i] for i in group], settings):
            path = [group[i] for i in places]
            scores[path[0]][PATH_SHARE] = len(path) / len(group)
            for place in path[1:]:
                reasons[place] = reason(STAGE, Code.SAME_PATH, other=table[path[0]]["id"])
        tick(len(group))
    return reject(replace(rows, scores=scores), reasons)
