"""Compute the numbers of a report from columns; page.py renders them."""

from __future__ import annotations

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import spearmanr

from storage.counting import counted
from storage.reasons import NOT_TAKEN, SET_ASIDE, Reason
from storage.rows import column, reasons_of
from tasks.decontamination.certificate import Certificate
from tasks.drift.measures import MEASURES
from tasks.format_shares import FORMATS, FormatCounts
from tasks.llm.endpoint import EMBEDDED
from tasks.loss_weights import banded
from tasks.points_in_time import spoken
from tasks.reports.concept_map import ConceptMap
from tasks.reports.funnel import cells
from tasks.seeding import seeds_of
from tasks.stages.calibrate import shortfall
from tasks.stages.mix import length

SAMPLES = 10
EXAMPLES = 2  # ids per reason, for `mathmill why`
SHORT_ID = 12  # digits of an id, of which `mathmill why` needs no more
SHARES = {"subdomain": "subdomain", "format": "solution_format", "language": "language", "source": "source"}
WEIGHT = "loss_weight"  # its distribution is shown in bands
ADDED = ("id", *SHARES.values(), WEIGHT, "scores", "difficulty", "correctness")


@dataclass(frozen=True, slots=True)
class FunnelLine:
    """The balance of one stage: rows in, and of them kept, rejected and failed. not_taken: of the rejected rows those that no stage
    judged bad."""

    title: str
    asked: int
    kept: int
    rejected: int
    failed: int
    stage: str = ""
    not_taken: int = 0

    @property
    def cells(self) -> dict[str, int | str]:
        """The columns for people, see tasks.reports.funnel.cells."""
        return cells(asdict(self))


@dataclass(frozen=True, slots=True)
class Dropped:
    """The rows that one stage dropped for one reason.

    `reason` is a sentence in which values that differ between rows are replaced by `…`. `examples` are ids of some of these
    rows; they do not depend on the order of the rows. not_taken: no stage judged them bad, there was no place for them.
    """

    stage: str
    reason: str
    rows: int
    examples: tuple[str, ...] = ()
    not_taken: bool = False

    def short(self) -> str:
        """Return the ids of the examples, shortened to their first SHORT_ID digits."""
        return ", ".join(row[:SHORT_ID] for row in self.examples)


@dataclass(frozen=True, slots=True)
class ValueShare:
    """How many rows of a version, and of those that the run added, have a value."""

    value: str
    added: int
    total: int


@dataclass(frozen=True, slots=True)
class RankCorrelation:
    """Spearman's rank correlation of two columns over `rows` rows, with the bounds of its 95 % interval (Fisher's z with the
    standard error of Bonett and Wright 2000)."""

    value: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True, slots=True)
class Expected:
    """A figure of the forecast and the actual figure, as text."""

    title: str
    low: str
    likely: str
    high: str
    fact: str


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures of a report. `costs` has one mapping per role; `lineage` is that of the version."""

    version: str
    rows: int
    added: int
    digest: str
    funnel: Sequence[FunnelLine]
    costs: Sequence[Mapping[str, Any]]
    reasons: Sequence[Dropped]
    shares: Mapping[str, Sequence[ValueShare]]
    scores: Mapping[str, npt.NDArray[np.float64]]
    samples: Sequence[Mapping[str, Any]]
    service: Sequence[
        Mapping[str, Any]
    ] = ()  # one mapping per role and stage: cost, latency and throughput of the calls
    engines: Sequence[Mapping[str, Any]] = ()  # one mapping per role: limits, circuit breaker, errors
    expected: Sequence[Expected] = ()
    lineage: Mapping[str, Any] = field(default_factory=dict)
    correlation: RankCorrelation | None = None  # of length with difficulty; None where either does not vary
    verdict: Mapping[str, Any] = field(default_factory=dict)  # the value of its mark; empty if there is none
    interference: Mapping[str, Any] = field(default_factory=dict)  # likewise
    concepts: Sequence[ConceptMap] = ()  # the newest graph of concepts of each language

    @property
    def dropped(self) -> int:
        """The number of candidates that were rejected or failed, without the rows that were set aside on purpose."""
        return sum(one.rows for one in self.losses)

    @property
    def losses(self) -> list[Dropped]:
        """The reasons for which candidates were rejected or failed."""
        return [one for one in self.reasons if not one.not_taken]

    @property
    def surplus(self) -> list[Dropped]:
        """The reasons for which good candidates were not taken."""
        return [one for one in self.reasons if one.not_taken]

    @property
    def certificate(self) -> Certificate | None:
        """The decontamination certificate of the version, if it has one."""
        record = self.lineage.get("decontamination")
        return Certificate.from_dict(record) if record else None

    @property
    def other_lineage(self) -> dict[str, Any]:
        """The lineage without the parts that have their own section on the page."""
        elsewhere = (
            "decontamination", "service", "engines", "forecast", "removed", "variety", "canaries", "drift",
            "traces", FORMATS, "transcribed", "concepts", "dropped", "of_base",
        )  # fmt: skip
        return {name: value for name, value in self.lineage.items() if name not in elsewhere}

    @property
    def removed(self) -> str:
        """What was corrected in the models' replies, in one line, or an empty string."""
        counts: Mapping[str, int] = self.lineage.get("removed") or {}
        titles = {
            "control_tokens": "replies with tokens of a chat template",
            "run_on": "replies that ran on after their end",
            "thinking": "replies with thinking (kept in the column reasoning)",
            "hidden_characters": "hidden characters",
            "closed_boxes": "boxes whose missing brace was added",
        }
        return ", ".join(f"{counts[kind]:,} {title}" for kind, title in titles.items() if counts.get(kind))

    @property
    def reading(self) -> list[str]:
        """What is to be said of how documents and pages of the web were read, a sentence each; empty for other versions."""
        lines: list[str] = []
        pages: Mapping[str, Any] = self.lineage.get("pages") or {}
        if recall := pages.get("recall"):
            lines.append(
                f"Recall of mathematics: the classifier finds {recall['recall']:.1%} of {recall['held_out_positives']:,} positives that "
                f"were held out, at a threshold of {recall['threshold']:.4f}; its precision on held-out texts is at least "
                f"{recall['precision']:.1%}. It was trained on {counted(recall['positives'], 'positive')} in "
                f"{counted(len(recall['rounds']), 'round')} of negatives ({', '.join(f'{size:,}' for size in recall['rounds'])})."
            )
        if pages.get("rare_templates"):
            lines.append(f"Pages of rare templates on their host: {pages['rare_templates']:,}.")
        if transcribed := self.lineage.get("transcribed"):
            lines.append(f"Scanned pages that {transcribed['models']} transcribed: {transcribed['pages']:,}.")
        undefined: Counter[str] = Counter()
        for source in self.lineage.get("inputs") or ():
            undefined.update(source.get("undefined_macros") or {} if isinstance(source, Mapping) else {})
        if undefined:
            shown = ", ".join(f"\\{name} ({count:,})" for name, count in undefined.most_common(10))
            lines.append(f"Macros that no file of a document defines: {shown}.")
        return lines

    @property
    def variety(self) -> Mapping[str, Any]:
        """How varied the calls for questions were, in all and per wave (flows.runner.variety); empty if none was asked for."""
        record: Mapping[str, Any] = self.lineage.get("variety") or {}
        return record

    @property
    def traces(self) -> Mapping[str, Any]:
        """What each criterion would have taken of the solutions of a question (tasks.selection.traces); empty if none chose."""
        record: Mapping[str, Any] = self.lineage.get("traces") or {}
        return record

    @property
    def traces_judged(self) -> bool:
        """Whether a student has judged how natural the solutions are that each criterion would have taken."""
        criteria = self.traces.get("criteria") or []
        return bool(criteria) and all("log_probability" in one for one in criteria)

    @property
    def methods(self) -> list[dict[str, Any]]:
        """What became of the rows of each method (flows.runner.method_funnel), where there are several."""
        records: list[dict[str, Any]] = self.lineage.get("methods") or []
        return records if len(records) > 1 else []

    @property
    def truncated(self) -> str:
        """What was paid for answers that were cut off at their token limit, in one line, or an empty string."""
        parts = [
            f"{cost['role']} {counted(cost['truncated_tokens'], 'token')} "
            f"({counted(cost['truncated'], 'answer')} left without an end)"
            for cost in self.costs
            if cost.get("truncated_tokens")
        ]
        parts += [
            f"{role}'s learnt limits {lost['learnt']:,.1f} tokens per request, those of the prompts {lost['fixed']:,.1f} "
            f"(estimated from {counted(round(lost['answers']), 'answer')})"
            for role, facts in (self.lineage.get("token_limits") or {}).items()
            if (lost := facts["lost"])["answers"]
        ]
        return ", ".join(parts)

    @property
    def shared_model(self) -> str:
        """Which roles are one model, in one line, or an empty string; without the embedded teacher."""
        models: dict[tuple[str, str], list[str]] = {}
        for role, facts in (self.lineage.get("models") or {}).items():
            for one in facts.get("models") or [facts]:  # a role may have several
                models.setdefault((one["model"], one.get("revision") or ""), []).append(role)
        parts = [
            f"{model} is the {', the '.join(roles)}"
            for (model, _), roles in models.items()
            if len(roles) > 1 and not model.startswith(EMBEDDED)
        ]
        judged = any("critic" in roles and len(roles) > 1 for roles in models.values())
        note = "; a critic that judges its own solutions shares their errors" if parts and judged else ""
        return "; ".join(parts) + note

    @property
    def usd(self) -> float:
        """The cost of the rows in USD, including what earlier runs paid."""
        return float(sum(cost["usd"] for cost in self.costs))

    @property
    def paid(self) -> float:
        """The cost of this run in USD, including unusable completions."""
        return float(sum(line["usd"] for line in self.service))

    @property
    def calibration(self) -> Mapping[str, Any]:
        """The calibration of `correctness` on questions with known answers (tasks.stages.calibrate); empty if there is none."""
        record: Mapping[str, Any] = self.lineage.get("calibration") or {}
        return record if record.get("bins") else {}

    @property
    def correlation_text(self) -> str:
        """How length and difficulty go together in the added rows, in a sentence; empty where that is not known."""
        one = self.correlation
        if one is None:
            return ""
        sure = (
            "the interval holds 0: none is shown"
            if one.low <= 0 <= one.high
            else "the interval does not hold 0"
        )
        return (
            f"Rank correlation of the length of a solution, thinking included, with the difficulty of its question: "
            f"{one.value:+.2f} (95 % from {one.low:+.2f} to {one.high:+.2f}, {counted(one.rows, 'row')}); {sure}. "
            "A long solution is no sign of a hard question by itself."
        )

    @property
    def trust(self) -> str:
        """The calibration of `correctness` in sentences, or an empty string if there is none."""
        figures = self.calibration
        if not figures:
            return ""
        text = (
            f"On {counted(figures['labelled'], 'solution')} of questions with known answers, each question left out of the fit that "
            f"judged it: accuracy {figures['accuracy']:.3f}, expected calibration error {figures['ece']:.3f}."
        )
        if figures.get("failed"):
            text += f" Of the {figures['asked']:,} that were requested, {figures['failed']:,} failed."
        if figures.get("majority") is not None:
            text += f" A majority vote on the same solutions reaches {figures['majority']:.3f}."
        if figures.get("sure_rows"):
            text += f" Of the {figures['sure_rows']:,} with a correctness of at least 0.95, {figures['sure_right']:.3f} were right."
        if figures.get("agreement") is not None:
            text += (
                f" On average {figures['agreement']:.2f} of the other samples of a question gave the same answer. Where "
                "samples agree less often than that, correctness is lowered; samples that share a mistake more often than "
                "here are not noticed."
            )
        return text

    @property
    def formats(self) -> list[dict[str, Any]]:
        """How often each format was right on questions with known answers, by what the rule of tasks.routing expects of them."""
        return FormatCounts.from_list(self.lineage.get(FORMATS) or ()).by_range()

    @property
    def calibration_shortfall(self) -> str:
        """Why the votes were calibrated on too few solutions, in sentences; empty if they were not."""
        return shortfall(self.lineage.get("calibration") or {})

    @property
    def drift_text(self) -> str:
        """The result of the comparison with earlier nights, in one sentence."""
        drift = self.lineage.get("drift") or {}
        accepted = drift.get("accepted")
        note = (
            f" Nights before {accepted['at'][:10]} are not compared: a change was accepted."
            if accepted
            else ""
        )
        if drift.get("shifts"):
            return f"Changed beside earlier nights: {'; '.join(drift['shifts'])}."
        if drift.get("nights"):
            nights = f"{drift['nights']:,} earlier night{'s' if drift['nights'] > 1 else ''}"
            return f"Compared with {nights} of the same settings and models: no measure has shifted.{note}"
        return f"No earlier night has the same settings and models: nothing was compared.{note}"

    @property
    def drift(self) -> list[dict[str, Any]]:
        """The measures of tasks.drift with their titles, in order; empty if the version has none."""
        drift: Mapping[str, Any] = self.lineage.get("drift") or {}
        stored: Mapping[str, Mapping[str, Any]] = drift.get("measures") or {}
        evidence = drift.get("evidence") or {}
        return [
            {"title": measure.title, "role": measure.role, "before": None, "evidence": None}
            | dict(stored[name])
            | dict(evidence.get(name) or {})
            for name, measure in MEASURES.items()
            if name in stored
        ]

    @property
    def canaries(self) -> list[dict[str, Any]]:
        """The judgements of canaries, one entry per scorer and model with `kinds`, the counts by kind, as text."""
        return [
            {
                **record,
                "kinds": ", ".join(
                    f"{kind} {record['right'].get(kind, 0)} of {count}"
                    for kind, count in sorted(record["asked"].items())
                ),
            }
            for record in self.lineage.get("canaries") or ()
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
    correlation: RankCorrelation | None = None,
    verdict: Mapping[str, Any] | None = None,
    interference: Mapping[str, Any] | None = None,
    concepts: Sequence[ConceptMap] = (),
) -> Figures:
    """Compute the figures of a version's report.

    whole: all rows of the version, with at least the columns of SHARES. added: the rows of this run, with at least the columns
    ADDED. samples: some of these rows with all columns. rejected: the dropped rows (columns id, rejected, reason, stage).
    correlation: of these rows, see `length_by_difficulty`. verdict, interference: the values of the version's marks, if it has them.
    concepts: the graphs of concepts to draw.
    """
    return Figures(
        version=version,
        rows=whole.num_rows,
        added=added.num_rows,
        digest=digest,
        funnel=funnel,
        costs=costs,
        reasons=dropped_by(lineage, lambda: rejected),
        shares={name: _share(added, whole, source) for name, source in SHARES.items()}
        | {"loss weight": _bands(added, whole)},
        scores=_scores(added),
        samples=_records(samples),
        service=lineage.get("service", ()),
        engines=lineage.get("engines", ()),
        expected=_expected(lineage, costs, added.num_rows),
        lineage=lineage,
        correlation=correlation,
        verdict=verdict or {},
        interference=interference or {},
        concepts=concepts,
    )


def length_by_difficulty(pieces: Iterable[pa.Table]) -> RankCorrelation | None:
    """Return the rank correlation of the length of solutions, thinking included, with the difficulty of their questions."""
    lengths, difficulties = [np.zeros(0)], [np.zeros(0)]
    for rows in pieces:
        solved = rows.filter(pc.is_valid(rows.column("solution")))
        lengths.append(length(solved).to_numpy())
        difficulties.append(solved.column("difficulty").to_numpy())
    return rank_correlation(np.concatenate(lengths), np.concatenate(difficulties))


def rank_correlation(first: npt.ArrayLike, second: npt.ArrayLike) -> RankCorrelation | None:
    """Return the rank correlation of two columns of one length, over the rows in which neither is NaN; None for fewer than 10 such
    rows, and where one of the columns has a single value."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    known = ~(np.isnan(a) | np.isnan(b))
    a, b = a[known], b[known]
    if len(a) < 10 or a.min() == a.max() or b.min() == b.max():
        return None
    value = float(spearmanr(a, b).statistic)
    z = math.atanh(min(max(value, -0.999999), 0.999999))
    error = 1.96 * math.sqrt((1 + value**2 / 2) / (len(a) - 3))
    return RankCorrelation(value, math.tanh(z - error), math.tanh(z + error), len(a))


def _expected(lineage: Mapping[str, Any], costs: Sequence[Mapping[str, Any]], added: int) -> list[Expected]:
    """Return the forecast that was made before the first call, with the actual figures."""
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
        lines.pop()  # the seconds are those of the last process only
    expected = []
    for title, name, shown, fact in lines:
        low, likely, high = (shown(value) for value in figures[name])
        expected.append(Expected(title, low, likely, high, shown(fact)))
    return expected


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _money(value: float) -> str:
    return f"${value:,.4f}"


def sample_ids(ids: Sequence[str], version: str, most: int = SAMPLES) -> list[str]:
    """Return at most `most` of the ids. The choice depends on the version, not on the order of the ids."""
    first = np.argsort(seeds_of((version,), ids), kind="stable")[:most]
    return [ids[k] for k in first.tolist()]


def dropped_by(lineage: Mapping[str, Any], rejected: Callable[[], pa.Table]) -> list[Dropped]:
    """Return the reasons for which the run of this lineage dropped rows or did not take them. A rebuild has them in its lineage: most of
    its candidates were stored by earlier runs. `rejected`: returns the rows that the run stored, as `reasons` takes them."""
    stored = lineage.get("dropped")
    if stored is None:
        return reasons(rejected())
    return [Dropped(**one | {"examples": tuple(one["examples"])}) for one in stored]


def reasons(rejected: pa.Table) -> list[Dropped]:
    """Return the reasons for which rows were dropped or not taken, the most frequent first. Rows that were set aside on purpose
    (SET_ASIDE) are left out. The table has the columns id and rejected, and optionally reason and stage."""
    return grouped_reasons(zip(column(rejected, "id"), reasons_of(rejected), strict=True))


def grouped_reasons(rows: Iterable[tuple[str, Reason | None]]) -> list[Dropped]:
    """Return the same of pairs of an id and a reason."""
    ids: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for row, why in rows:
        if why is not None and why.code not in SET_ASIDE:
            ids[why.stage, why.code, why.kind[:160]].append(row)
    dropped = [
        Dropped(stage, kind, len(group), tuple(heapq.nsmallest(EXAMPLES, set(group))), code in NOT_TAKEN)
        for (stage, code, kind), group in ids.items()
    ]
    return sorted(dropped, key=lambda one: (-one.rows, one.stage, one.reason))


def _counts(values: pa.ChunkedArray) -> dict[str, int]:
    return {item["values"] or "none": item["counts"] for item in pc.value_counts(values).to_pylist()}


def _share(added: pa.Table, whole: pa.Table, name: str) -> list[ValueShare]:
    new, all_rows = _counts(added.column(name)), _counts(whole.column(name))
    return [
        ValueShare(value, new.get(value, 0), total)
        for value, total in sorted(all_rows.items(), key=lambda kv: (-kv[1], kv[0]))
    ]


def _bands(added: pa.Table, whole: pa.Table) -> list[ValueShare]:
    """Return how many rows have a loss weight in each band, lightest first. The bands are those of all rows."""
    weights = pa.chunked_array([*added.column(WEIGHT).chunks, *whole.column(WEIGHT).chunks], pa.float32())
    bands = banded(weights).to_pylist()
    new, total = Counter(bands[: added.num_rows]), Counter(bands[added.num_rows :])
    return [ValueShare(band, new[band], total[band]) for band in sorted(total)]


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
