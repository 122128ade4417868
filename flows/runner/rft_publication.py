"""Publishes what the flow `rft` made: up to four data sets, each with the lineage of the whole run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
import pyarrow as pa

from flows.config.rft import Rft
from flows.runner.after_publication import finish, latest
from flows.runner.artifacts import refusals_shown
from flows.runner.critic_gate import trusted_critics
from flows.runner.decontamination import enough_recall
from flows.runner.derived import HOLDS
from flows.runner.gates import gates_of
from flows.runner.publication import funnel_line, made_with, prompts_of, service
from flows.runner.stages import FunnelEntry, Line
from flows.runner.verifier import COLUMNS as VERIFIER_COLUMNS
from flows.runner.verifier import certified, reliable_verifier
from flows.runner.verifier import lineage_of as verifier_lineage
from flows.settings import NIGHT_ROLES
from storage.datasets.digest import digest_of_rows
from storage.datasets.versions import Version, today
from storage.rows import column, reasons_of
from storage.stage_cache.shards import Ref
from tasks.canaries.batch import totals as canary_totals
from tasks.decontamination.certificate import Certificate
from tasks.llm.costs import total
from tasks.replies.solutions import removed_in_all
from tasks.rft.allocation import Tally
from tasks.rft.summary import (
    PATHS,
    RIGHT,
    STAY,
    by_fail_rate,
    pair_lengths,
    questions_by_solved,
    samples_by_worth,
    worse_of,
)
from tasks.scorers.trained_critic import judged_by
from tasks.stages import allocate, distinct, label_steps, pair, prompt_band, sample

SETS: Final = (
    "dpo",
    "steps",
    "prompts",
    "rft",
)  # in the order of their publication: the last one says that all are there
OWN_STAGE: Final = {
    "rft": allocate.STAGE,
    "dpo": pair.STAGE,
    "steps": label_steps.STAGE,
    "prompts": prompt_band.STAGE,
}
# stages that choose rows for one of the data sets, which says nothing about a row that it leaves
CHOOSING: Final = (pair.STAGE, label_steps.STAGE)


@dataclass(frozen=True, slots=True)
class Sampled:
    """A finished run: what was sampled, with what, and in how many seconds since its last start."""

    config: Rft
    version: Version
    run: str
    line: Line
    tallies: Mapping[str, Tally]
    certificate: Certificate
    roles: Sequence[str]
    forecast: dict[str, Any]
    seconds: float

    def problems(self, stage: str) -> list[str]:
        """Return the problem ids of the rows that a stage kept."""
        refs = [ref for entry in self.line.funnel if entry.stage == stage for ref in entry.refs]
        return column(self.line.kept(refs, ["problem_id", "rejected"]), "problem_id")

    def given(self, stage: str) -> list[str]:
        """Return the problem ids of the rows that a stage was given."""
        refs = [ref for entry in self.line.funnel if entry.stage == stage for ref in entry.refs]
        return [problem for ref in refs for problem in column(self.line.rows([ref]), "problem_id")]

    def paths(self) -> list[dict[str, Any]]:
        """Return the right solutions before and after those of one path were joined, and those that stay, by fail rate."""
        stages = {
            RIGHT: self.given(distinct.STAGE),
            PATHS: self.problems(distinct.STAGE),
            STAY: self.problems(allocate.STAGE),
        }
        return by_fail_rate(self.tallies, stages)


def dataset_of(config: Rft, version: Version, name: str) -> str:
    """Return the dataset of one of SETS."""
    return f"{config.dataset or version.dataset}-{name}"


def store_rejected(line: Line, run: str) -> None:
    """Store every row of the run with its stage as a candidate, unless an earlier start did."""
    line.store_candidates(f"{run}-rft", without=CHOOSING)


def publish_sets(done: Sampled, sets: Mapping[str, Sequence[Ref]]) -> list[Version]:
    """Publish each data set that has rows, and return the versions. One whose newest version has exactly these rows is that version.

    Raises GateFailed if the rows of NAME-rft do not pass the gates; then nothing is published that was not before. Raises Conflict if
    another process published meanwhile.
    """
    line = done.line
    store_rejected(line, done.run)
    versions = []
    for name in SETS:
        dataset = dataset_of(done.config, done.version, name)
        if not any(ref.kept for ref in sets[name]):
            line.bars.say(f"{dataset}: {_none(name)}, so nothing was published")
            continue
        versions.append(_published(done, name, dataset, sets[name]))
    return versions


def _none(name: str) -> str:
    return {
        "dpo": "no right solution has a wrong one that fits it",
        "steps": "nothing is known of steps (steps.scorers says who looks at them)",
        "prompts": "no question is solved by some samples and not by others, in the band of pass rates (prompts.keep keeps others)",
    }[name]


def _published(done: Sampled, name: str, dataset: str, shards: Sequence[Ref]) -> Version:
    line, store = done.line, done.line.tools.store
    head, newest = store.head(dataset), latest(line.tools, dataset)
    if newest is not None and newest.digest == digest_of_rows(_batches(line, shards)).hex():
        line.bars.say(f"{newest} has exactly these rows already: it was not published again")
        finish(line.tools, newest)
        return newest
    gates = []
    if name == "rft":
        new = sum(ref.kept for ref in shards)
        gates = gates_of(done.config.gates, new=new, dropped=line.most_dropped)
    reliable = certified((line.kept([ref], list(VERIFIER_COLUMNS)) for ref in shards), line.tools.judge())
    with refusals_shown(dataset, line.tools.settings):
        version = store.publish(
            dataset,
            (line.kept([ref]) for ref in shards),
            mode="append" if head is None else "overwrite",
            expected=head,
            lineage={**lineage(done, name, shards), **verifier_lineage(reliable)},
            gates=[
                *gates,
                enough_recall(done.certificate, done.config.gates.min_recall),
                reliable_verifier(reliable, done.config.gates),
                trusted_critics(dataset, line.facts()),
            ],
            date=today(),
        )
    finish(line.tools, version)
    return version


def _batches(line: Line, shards: Sequence[Ref]) -> Iterator[pa.RecordBatch]:
    for ref in shards:
        yield from line.kept([ref]).to_batches()


def lineage(done: Sampled, name: str, shards: Sequence[Ref]) -> dict[str, Any]:
    """Return the lineage of one data set, with the same keys as that of a night, and the figures of the sampling."""
    line, source = done.line, done.version
    rows = line.kept(list(shards), ["prompt", "license", "model", "rejected"])
    lengths = {"pairs": lengths_of(line, shards)} if name == "dpo" else {}
    return {
        "flow": "rft",
        HOLDS: name,
        "run": f"{done.run}-{name}",
        "base": None,
        "inputs": [],
        "material": [{"version": str(source), "digest": source.digest, "rows": source.rows}],
        "prompts": prompts_of(rows),
        "writers": dict(sorted(Counter(str(one) for one in column(rows, "model") if one).items())),
        "parameters": done.config.model_dump(mode="json"),
        "licenses": dict(sorted(Counter(map(str, column(rows, "license"))).items())),
        "calibration": {},
        "decontamination": done.certificate.to_dict(),
        "funnel": [funnel_line(entry) for entry in line.funnel if _concerns(entry, name)],
        "samples": samples_by_worth(done.tallies.values()),
        "questions": questions_by_solved(done.tallies.values()),
        "chosen": chosen_of(line, shards),
        "paths": done.paths(),
        "canaries": canary_totals(line.facts()),
        **lengths,
        "costs": total(line.facts()),
        "removed": removed_in_all(line.facts()),
        "service": service(line.tools, done.run),
        "forecast": done.forecast,
        "seconds": done.seconds,
        "rounds": sum(entry.stage == sample.STAGE for entry in line.funnel),
        **judged_by(line.facts()),
        **made_with(line.tools, [*NIGHT_ROLES, *(role for role in done.roles if role not in NIGHT_ROLES)]),
    }


def chosen_of(line: Line, shards: Sequence[Ref]) -> dict[str, Any]:
    """Return how many rows a data set was chosen from, how many it has, and how many were left out, by the code and the kind of the reason."""
    left: Counter[tuple[str, str]] = Counter()
    for ref in shards:
        if ref.rows > ref.kept:
            whys = reasons_of(line.rows([ref]))
            left.update((str(why.code), why.kind) for why in whys if why is not None)
    return {
        "of": sum(ref.rows for ref in shards),
        "kept": sum(ref.kept for ref in shards),
        "left_out": [
            {"code": code, "reason": kind, "rows": count}
            for (code, kind), count in sorted(left.items(), key=lambda entry: (-entry[1], entry[0]))
        ],
    }


def _concerns(entry: FunnelEntry, name: str) -> bool:
    return all(entry.stage != stage for other, stage in OWN_STAGE.items() if other != name)


def lengths_of(line: Line, shards: Sequence[Ref]) -> dict[str, Any]:
    """Return the figures of tasks.rft.summary.pair_lengths of the pairs in the shards."""
    rows = line.kept(list(shards), ["solution", "reasoning", "params", "rejected"])
    sides = []
    for row in rows.to_pylist():
        worse = worse_of(orjson.loads(row["params"]))
        sides.append((_length(row), _length(worse)))
    return pair_lengths(sides)


def _length(side: Mapping[str, Any]) -> int:
    return len(side["solution"]) + len(side.get("reasoning") or "")
