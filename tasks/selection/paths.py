"""Keep distinct solutions of a question, rare paths first.

Two solutions in words are the same path if they have the same equations in the same order, if their plans share most words, or if their
texts do (Jaccard similarity of 3-grams, or ROUGE-L). Two programs are if their code is the same. Of the solutions of one path the likeliest is
kept; of the paths of a question those come first that the fewest solutions take, since others find the frequent ones without help.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import pyarrow as pa
from pydantic import Field

from storage.reasons import Code, Reason, reason
from tasks.selection import Selection
from tasks.solution_paths import SamePathSettings, rarest_first
from tasks.stages.outcome import Tick

STAGE = "select"
NAME = "paths"

whole = False
parents = False


class PathsSettings(SamePathSettings, title="Paths"):
    most: int = Field(4, ge=1, description="paths of each question that are kept, the rarest first")


own_settings = PathsSettings


def needs(settings: PathsSettings) -> Mapping[str, str]:
    return {}


def select(rows: pa.Table, *, settings: PathsSettings, seed: int, tick: Tick) -> Selection:
    """Keep one solution per path, and `most` paths of each question and format."""
    names = ["id", "problem_id", "language", "solution", "solution_format", "correctness", "params"]
    table = rows.select(names).to_pylist()
    groups: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for place, row in enumerate(table):
        groups[row["problem_id"], row["solution_format"] or ""].append(place)
    reasons: list[Reason | None] = [None] * len(table)
    for group in groups.values():
        for number, places in enumerate(rarest_first([table[i] for i in group], settings)):
            path = [group[i] for i in places]
            if number >= settings.most:
                reasons[path[0]] = reason(STAGE, Code.NOT_CHOSEN, name=NAME, most=settings.most)
            for place in path[1:]:
                reasons[place] = reason(STAGE, Code.SAME_PATH, other=table[path[0]]["id"])
    tick(rows.num_rows)
    return Selection(reasons)
