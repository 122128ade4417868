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
from pydantic import Field, field_validator, model_validator

from storage.reasons import Code, Reason, reason
from storage.rows import column
from tasks.llm.engine import Engine
from tasks.llm.model_files import CHECKPOINT
from tasks.methods import PLUGINS as METHODS
from tasks.plugins import checked, names
from tasks.selection import Selection
from tasks.selection.naturalness import Naturalness, naturalness, scores_of
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
    methods: list[str] = Field(
        [],
        description="methods of generation whose rows are chosen among, such as distill; rows of others stay; empty: those of all",
    )
    model: str = Field(
        "",
        pattern=rf"^({CHECKPOINT}.+)?$",
        description="the checkpoint that judges naturalness: hf:FOLDER, or hf:NAME for one in the home's folder models; "
        "empty: it is neither judged nor compared",
    )

    @field_validator("methods")
    @classmethod
    def _known(cls, given: list[str]) -> list[str]:
        checked("method", given, names(METHODS))
        return given

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
    """Keep `keep` solutions of each question. The fact `traces` has, per criterion, the sums over what it would take.

    With a student the rows that are chosen among have the scores `naturalness` and `rank_surprisal`, as by the selector naturalness.
    """
    places = [
        place
        for place, method in enumerate(column(rows, "method"))
        if not settings.methods or method in settings.methods
    ]
    compared = rows.take(pa.array(places, pa.int64()))
    measured = [] if student is None else _measured(compared, student)
    tick(rows.num_rows)
    taken, facts = _chosen(compared, settings, measured)
    why = reason(STAGE, Code.NOT_CHOSEN, name=settings.by, most=settings.keep)
    reasons: list[Reason | None] = [None] * rows.num_rows
    scores: dict[str, list[float | None]] = {}
    for number, place in enumerate(places):
        if number not in taken:
            reasons[place] = why
    for name, values in scores_of(measured).items() if measured else ():
        scores[name] = [None] * rows.num_rows
        for place, value in zip(places, values, strict=True):
            scores[name][place] = value
    return Selection(reasons, scores, facts={"traces": {"by": settings.by, "criteria": facts}})


def _chosen(
    rows: pa.Table, settings: TracesSettings, measured: Sequence[Naturalness | None]
) -> tuple[set[int], dict[str, dict[str, float]]]:
    """Return the places of the rows that are taken, and per criterion the sums over what it would take. measured: by the student,
    empty without one."""
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
    if measured:  # a text that the student cannot read comes last
        costs["log_probability"] = [np.inf if one is None else -one.log_probability for one in measured]
        costs["rank_surprisal"] = [np.inf if one is None else one.rank_surprisal for one in measured]
    taken = {
        name: {
            place
            for group in groups.values()
            for place in sorted(group, key=lambda i: (cost[i], ids[i]))[: settings.keep]
        }
        for name, cost in costs.items()
    }
    facts: dict[str, dict[str, float]] = {}
    for name, places in taken.items():
        read = [one for i in places if measured and (one := measured[i]) is not None]
        facts[name] = {
            "rows": len(places),
            "characters": sum(lengths[i] for i in places),
            "agreement": round(sum(agreement[i] for i in places), 6),
            "common": len(places & taken.get(settings.by, set())),
            "read": len(read),
            "log_probability": round(sum(one.log_probability for one in read), 6),
            "rank_surprisal": round(sum(one.rank_surprisal for one in read), 6),
        }
    return taken.get(settings.by, set()), facts


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


def _measured(rows: pa.Table, student: Engine) -> list[Naturalness | None]:
    from tasks.training.completion import Completer

    return naturalness(
        Completer.load(str(student.endpoint.checkpoint)),
        column(rows, "question"),
        column(rows, "solution"),
        reasonings=column(rows, "reasoning"),
    )


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
            "criterion": criterion,
            "rows": int(own["rows"]),
            "characters": round(own["characters"] / own["rows"], 1),
            "agreement": round(own["agreement"] / own["rows"], 3),
            "common": round(own["common"] / own["rows"], 3),
            **{
                # of records of before these were summed, or without a student, there are none
                name: round(own[name] / own["read"], 4)
                for name in OF_THE_STUDENT
                if own.get("read")
            },
        }
        for criterion, own in sorted(sums.items())
        if own["rows"]
    ]
    return {"by": records[0]["by"], "criteria": criteria}
