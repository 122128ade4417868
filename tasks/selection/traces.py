"""Choose among the solutions of a question: by a quantile of their lengths, by how many samples agree with them, or by how natural a
student finds them.

What the other criteria would have taken is counted too (fact `traces`), so that the report compares them on the same solutions: s1 and
OpenThoughts take long reasoning, others short, and the student's log-probability or rank-surprisal ratio (arXiv:2601.14249) says
which solutions fit it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, get_args

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from storage.reasons import Code, Reason, reason
from storage.rows import column
from tasks.llm.engine import Engine
from tasks.llm.model_files import CHECKPOINT
from tasks.selection import Selection
from tasks.settings import Section, Share
from tasks.stages.outcome import Tick

STAGE = "select"

whole = False
parents = False

Criterion = Literal["length", "agreement", "log_probability", "rank_surprisal"]
OF_THE_STUDENT: Final = ("log_probability", "rank_surprisal")
CRITERIA: Final[tuple[Criterion, ...]] = get_args(Criterion)


class TracesSettings(Section, title="Traces"):
    by: Criterion = Field("length", description="what decides which solutions of a question are taken")
    quantile: Share = Field(
        0.5, description="of the lengths of the solutions of a question with their reasoning; 0: the shortest"
    )
    keep: int = Field(1, ge=1, description="solutions that are taken of each question")
    model: str = Field(
        "",
        pattern=rf"^({CHECKPOINT}.+)?$",
        description="the checkpoint that judges naturalness: hf:FOLDER, or hf:NAME for one in the home's folder models; "
        "empty: it is neither judged nor compared",
    )

    @model_validator(mode="after")
    def _judged(self) -> TracesSettings:
        if self.by in OF_THE_STUDENT and not self.model:
            raise ValueError(f"by {self.by} needs a model")
        return self


own_settings = TracesSettings


def needs(settings: TracesSettings) -> Mapping[str, str]:
    return {"student": settings.model} if settings.model else {}


def select(
    rows: pa.Table, *, settings: TracesSettings, seed: int, tick: Tick, student: Engine | None = None
) -> Selection:
    """Keep `keep` solutions of each question. The fact `traces` has, per criterion, the sums over what it would take."""
    table = rows.select(["id", "problem_id", "question", "solution", "reasoning", "verdicts"]).to_pylist()
    ids = column(rows, "id")
    lengths = [len(row["reasoning"] or "") + len(row["solution"]) for row in table]
    agreement = [_agreement(dict(row["verdicts"] or ())) for row in table]
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(table):
        groups[row["problem_id"]].append(place)
    costs: dict[Criterion, list[float]] = {
        "length": _from_quantile(lengths, list(groups.values()), settings.quantile),
        "agreement": [-one for one in agreement],
    }
    if student is not None:
        costs |= _of_the_student(rows, student)
    tick(rows.num_rows)
    taken = {
        name: {
            place
            for group in groups.values()
            for place in sorted(group, key=lambda i: (cost[i], ids[i]))[: settings.keep]
        }
        for name, cost in costs.items()
    }
    facts = {
        name: {
            "rows": len(places),
            "characters": sum(lengths[i] for i in places),
            "agreement": round(sum(agreement[i] for i in places), 6),
            "common": len(places & taken[settings.by]),
        }
        for name, places in taken.items()
    }
    why = reason(STAGE, Code.NOT_CHOSEN, name=settings.by, most=settings.keep)
    reasons: list[Reason | None] = [None if i in taken[settings.by] else why for i in range(rows.num_rows)]
    return Selection(reasons, facts={"traces": {"by": settings.by, "criteria": facts}})


def _agreement(verdicts: Mapping[str, str]) -> float:
    """Return the share of the samples of its question that have the answer of a row; 0 where it is not known."""
    same, _, samples = verdicts.get("consistent", "").partition("/")
    return int(same) / int(samples) if same.isdigit() and samples.isdigit() and int(samples) else 0.0


def _from_quantile(lengths: Sequence[int], groups: Sequence[Sequence[int]], quantile: float) -> list[float]:
    """Return for each row how far its length is from the quantile of its question's lengths."""
    distances = [0.0] * len(lengths)
    for group in groups:
        own = np.array([lengths[i] for i in group], dtype=np.float64)
        for i, distance in zip(group, np.abs(own - np.quantile(own, quantile)), strict=True):
            distances[i] = float(distance)
    return distances


def _of_the_student(rows: pa.Table, student: Engine) -> dict[Criterion, list[float]]:
    """Return the costs by naturalness; a text that the model cannot read comes last."""
    from tasks.selection.naturalness import naturalness
    from tasks.training.completion import Completer

    measured = naturalness(
        Completer.load(str(student.endpoint.checkpoint)),
        column(rows, "question"),
        column(rows, "solution"),
        reasonings=column(rows, "reasoning"),
    )
    return {
        "log_probability": [np.inf if one is None else -one.log_probability for one in measured],
        "rank_surprisal": [np.inf if one is None else one.rank_surprisal for one in measured],
    }


def totals(facts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the fact `traces` of a run, for its lineage and its report, from those of its shards; empty if there is none."""
    records = [one["traces"] for one in facts if "traces" in one]
    if not records:
        return {}
    sums: dict[str, dict[str, float]] = {}
    for record in records:
        for name, own in record["criteria"].items():
            total = sums.setdefault(name, dict.fromkeys(own, 0))
            for key, value in own.items():
                total[key] += value
    criteria = [
        {
            "criterion": name,
            "rows": int(own["rows"]),
            "characters": round(own["characters"] / own["rows"], 1),
            "agreement": round(own["agreement"] / own["rows"], 3),
            "common": round(own["common"] / own["rows"], 3),
        }
        for name, own in sorted(sums.items())
        if own["rows"]
    ]
    return {"by": records[0]["by"], "criteria": criteria}
