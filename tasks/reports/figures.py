"""The numbers of a report, computed from columns; what they look like is page.py's business."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.counting import counted
from storage.reasons import SET_ASIDE
from storage.rows import column, reasons_of
from tasks.decontamination.certificate import Certificate
from tasks.drift import MEASURES
from tasks.points_in_time import spoken
from tasks.seeding import seeds_of

SAMPLES = 10
EXAMPLES = 2  # ids per reason, for `mathmill why`
SHORT_ID = 12  # digits of an id, of which `mathmill why` needs no more
SHARES = {"subdomain": "subdomain", "format": "solution_format", "language": "language", "source": "source"}
ADDED = ("id", *SHARES.values(), "scores", "difficulty", "correctness")


@dataclass(frozen=True, slots=True)
class FunnelLine:
    title: str
    asked: int
    kept: int
    rejected: int
    failed: int
    found: int = 0  # shards finished by an earlier run
    stage: str = ""


@dataclass(frozen=True, slots=True)
class Dropped:
    """Rows that one stage dropped for one reason. `reason`: a sentence in which values that differ from row to row are
    `…`; `examples`: ids of some of these rows, the same ones whatever the order of the rows."""

    stage: str
    reason: str
    rows: int
    examples: tuple[str, ...] = ()

    def short(self) -> str:
        """The examples as people type them: the first SHORT_ID digits of each."""
        return ", ".join(row[:SHORT_ID] for row in self.examples)


@dataclass(frozen=True, slots=True)
class Share:
    value: str
    added: int
    total: int


@dataclass(frozen=True, slots=True)
class Expected:
    """A figure of the forecast, as text, beside what came."""

    title: str
    low: str
    likely: str
    high: str
    fact: str


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything a report says. `costs`: one mapping a role; `lineage`: as the version records it."""

    version: str
    rows: int
    added: int
    digest: str
    funnel: Sequence[FunnelLine]
    costs: Sequence[Mapping[str, Any]]
    reasons: Sequence[Dropped]
    shares: Mapping[str, Sequence[Share]]
    scores: Mapping[str, npt.NDArray[np.float64]]
    samples: Sequence[Mapping[str, Any]]
    service: Sequence[
        Mapping[str, Any]
    ] = ()  # one mapping a role and stage: what was paid, how it was served
    engines: Sequence[Mapping[str, Any]] = ()  # one mapping a role: cuts, breaker, errors
    expected: Sequence[Expected] = ()
    lineage: Mapping[str, Any] = field(default_factory=dict)
    verdict: Mapping[str, Any] = field(default_factory=dict)  # as its mark has it; empty before there is one

    @property
    def dropped(self) -> int:
        """How many candidates were rejected or failed; rows that were set aside on purpose are none."""
        return sum(one.rows for one in self.reasons)

    @property
    def certificate(self) -> Certificate | None:
        """What the version can show for being clean of benchmarks."""
        found = self.lineage.get("decontamination")
        return Certificate.from_dict(found) if found else None

    @property
    def told(self) -> dict[str, Any]:
        """The lineage without what has a place of its own on the page."""
        elsewhere = ("decontamination", "service", "engines", "forecast", "removed")
        return {name: value for name, value in self.lineage.items() if name not in elsewhere}

    @property
    def removed(self) -> str:
        """What was taken out of the models' replies, in a line; empty where it was nothing."""
        counts: Mapping[str, int] = self.lineage.get("removed") or {}
        titles = {
            "control_tokens": "replies with tokens of a chat template",
            "run_on": "replies that ran on after their end",
            "thinking": "replies with thinking",
            "hidden_characters": "hidden characters",
        }
        return ", ".join(f"{counts[kind]:,} {title}" for kind, title in titles.items() if counts.get(kind))

    @property
    def usd(self) -> float:
        """What the rows cost, whenever it was paid."""
        return float(sum(cost["usd"] for cost in self.costs))

    @property
    def paid(self) -> float:
        """What this run paid, answers that could not be used among it."""
        return float(sum(line["usd"] for line in self.service))

    @property
    def calibration(self) -> Mapping[str, Any]:
        """How well `correctness` held on questions with known answers (tasks.stages.calibrate); empty if not tried."""
        found: Mapping[str, Any] = self.lineage.get("calibration") or {}
        return found if found.get("bins") else {}

    @property
    def trust(self) -> str:
        """How far `correctness` can be trusted, in sentences; empty where it was not tried."""
        found = self.calibration
        if not found:
            return ""
        text = (
            f"On {counted(found['labelled'], 'solution')} of questions with known answers, each question left out of the fit that "
            f"judged it: accuracy {found['accuracy']:.3f}, expected calibration error {found['ece']:.3f}."
        )
        if found.get("majority") is not None:
            text += f" A majority vote on the same solutions reaches {found['majority']:.3f}."
        if found.get("sure_rows"):
            text += f" Of the {found['sure_rows']:,} with a correctness of at least 0.95, {found['sure_right']:.3f} were right."
        if found.get("agreement") is not None:
            text += (
                f" On average {found['agreement']:.2f} of the other samples of a question gave the same answer. Where "
                "samples agree less often than that, correctness is lowered; samples that share a mistake more often than "
                "here are not noticed."
            )
        return text

    @property
    def drift_text(self) -> str:
        """What the comparison with earlier nights showed, in a sentence."""
        found = self.lineage.get("drift") or {}
        if found.get("shifts"):
            return f"Outside of what earlier nights allow: {'; '.join(found['shifts'])}."
        if found.get("nights"):
            nights = f"{found['nights']:,} earlier night{'s' if found['nights'] > 1 else ''}"
            return f"Compared with {nights} of the same settings and models: no measure has shifted."
        return "No earlier night has the same settings and models: nothing was compared."

    @property
    def drift(self) -> list[dict[str, Any]]:
        """The measures of tasks.drift with their titles, in order; empty where the version has none."""
        stored: Mapping[str, Mapping[str, Any]] = (self.lineage.get("drift") or {}).get("measures") or {}
        return [
            {"title": measure.title, **stored[name]} for name, measure in MEASURES.items() if name in stored
        ]


def collect(
    *,
    version: str,
    digest: str,
    whole: pa.Table,
    added: pa.Table,
    samples: pa.Table,
    rejected: pa.Table,
    funnel: Sequence[FunnelLine],
    costs: Sequence[Mapping[str, Any]],
    lineage: Mapping[str, Any],
    verdict: Mapping[str, Any] | None = None,
) -> Figures:
    """`whole`: the version's rows (the columns of SHARES suffice); `added`: this run's (the columns ADDED
    suffice); `samples`: some of them, whole; `rejected`: what the run dropped, with why (columns id, rejected, reason, stage);
    `verdict`: its mark's value."""
    return Figures(
        version=version,
        rows=whole.num_rows,
        added=added.num_rows,
        digest=digest,
        funnel=funnel,
        costs=costs,
        reasons=reasons(rejected),
        shares={name: _share(added, whole, source) for name, source in SHARES.items()},
        scores=_scores(added),
        samples=_records(samples),
        service=lineage.get("service", ()),
        engines=lineage.get("engines", ()),
        expected=_expected(lineage, costs, added.num_rows),
        lineage=lineage,
        verdict=verdict or {},
    )


def _expected(lineage: Mapping[str, Any], costs: Sequence[Mapping[str, Any]], added: int) -> list[Expected]:
    """The forecast that was made before the first call, beside the fact."""
    figures = (lineage.get("forecast") or {}).get("figures")
    if not figures:
        return []
    tokens = sum(cost["prompt_tokens"] + cost["completion_tokens"] for cost in costs)
    lines: list[tuple[str, str, Callable[[float], str], float]] = [
        ("accepted rows", "accepted", _whole, added),
        ("completions", "calls", _whole, sum(cost["completions"] for cost in costs)),
        ("tokens", "tokens", _whole, tokens),
        ("USD", "usd", _money, sum(cost["usd"] for cost in costs)),
        ("duration", "seconds", spoken, lineage["ended"]["seconds"]),
    ]
    if lineage["ended"].get("resumed"):
        lines.pop()  # the seconds are those of the last process alone
    found = []
    for title, name, shown, fact in lines:
        low, likely, high = (shown(value) for value in figures[name])
        found.append(Expected(title, low, likely, high, shown(fact)))
    return found


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _money(value: float) -> str:
    return f"${value:,.4f}"


def sample_ids(ids: Sequence[str], version: str, most: int = SAMPLES) -> list[str]:
    """At most `most` of the ids, the same for the same version, whatever their order."""
    first = np.argsort(seeds_of((version,), ids), kind="stable")[:most]
    return [ids[k] for k in first.tolist()]


def reasons(rejected: pa.Table) -> list[Dropped]:
    """Why rows were dropped, the most frequent reason first. Rows that were set aside on purpose (SET_ASIDE) are left
    out. Columns id, rejected and, where there are any, reason and stage."""
    ids: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for row, why in zip(column(rejected, "id"), reasons_of(rejected), strict=True):
        if why is not None and why.code not in SET_ASIDE:
            ids[why.stage, why.code, why.kind[:160]].append(row)
    found = [
        Dropped(stage, kind, len(rows), tuple(heapq.nsmallest(EXAMPLES, set(rows))))
        for (stage, _, kind), rows in ids.items()
    ]
    return sorted(found, key=lambda one: (-one.rows, one.stage, one.reason))


def _counts(values: pa.ChunkedArray) -> dict[str, int]:
    return {item["values"] or "none": item["counts"] for item in pc.value_counts(values).to_pylist()}


def _share(added: pa.Table, whole: pa.Table, name: str) -> list[Share]:
    new, all_rows = _counts(added.column(name)), _counts(whole.column(name))
    return [
        Share(value, new.get(value, 0), total)
        for value, total in sorted(all_rows.items(), key=lambda kv: (-kv[1], kv[0]))
    ]


def _scores(rows: pa.Table) -> dict[str, npt.NDArray[np.float64]]:
    pieces = [chunk for chunk in rows.column("scores").chunks if len(chunk)]
    keys = pa.chunked_array([piece.keys for piece in pieces], pa.string())
    items = pa.chunked_array([piece.items for piece in pieces], pa.float32())
    scores = {
        name: np.asarray(items.filter(pc.equal(keys, name)).drop_null().to_numpy(), dtype=float)
        for name in sorted(pc.unique(keys).to_pylist())
    }
    for name in ("difficulty", "correctness"):
        values = rows.column(name).drop_null()
        if len(values):
            scores[name] = np.asarray(values.to_numpy(), dtype=float)
    return scores


def _records(rows: pa.Table) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = rows.to_pylist()
    for record in records:
        record["scores"], record["verdicts"] = dict(record["scores"] or ()), dict(record["verdicts"] or ())
    return records
