"""What the flow weakness knows before it writes anything: the student's failures, their clusters, and their neighbours in the pool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from flows.config.evaluate import Evaluate
from flows.config.loading import ConfigError
from flows.config.weakness import ARMS, RANDOM, Weakness, measured_by
from flows.runner.decontamination import Decontamination, measured_rules
from flows.runner.derived import NO_PROBLEMS, holds, holds_in_words
from flows.runner.evaluation import Evaluation
from flows.runner.evaluation import check as check_evaluation
from flows.runner.limits import LIMITS, Stopped, limit_of, limits_for
from flows.runner.planning import apportion
from flows.runner.progress import Bars
from flows.runner.resources import Tools
from flows.runner.run_notes import RunNote
from flows.runner.service_table import Live
from flows.runner.stages import Line
from flows.runner.stopping import stopped_at
from flows.runner.weakness_costs import estimate
from flows.runner.weakness_pool import neighbours_of, profiles_of, random_rows_of
from flows.runner.weakness_state import WeaknessState
from prompts.overlay import overlaid
from storage.counting import counted
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.rows import Row, column, kept, to_table
from storage.sealed_files import HomeFiles
from storage.stage_cache.shards import digest_of
from tasks.critics.step_checker import check as check_steps
from tasks.critics.steps import split_steps
from tasks.evaluation.domains import domain_of as benchmark_domain
from tasks.llm.costs import total
from tasks.stages.diagnose import WRONG_STEP
from tasks.taxonomy import domain_of
from tasks.weakness.allocation import Allocation, Pair, allocate, quotas
from tasks.weakness.clusters import Cluster, assign, clusters_of
from tasks.weakness.failures import FailedItem, failures_of, is_failure, is_success
from tasks.weakness.neighbours import Neighbour
from tasks.weakness.profile import Labeller, Profile
from tasks.weakness.report import activity_cells, pair_cells
from tasks.weakness.split import divided

FOLDER = "weakness"  # below the home, with one folder per run
KIND = "kind"  # the verdict of a failure with its kind
SOURCE = "probe"
WHILE_MEASURING = "while the rules of decontamination were measured (--dry-run estimates what that takes)"


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failures that are written for together. rows: failures, which have no parents, and their neighbours. topics: (language, subdomain)
    -> failures of it."""

    name: str
    weight: float
    rows: pa.Table
    topics: dict[tuple[str, str], float]


@dataclass(slots=True)
class WeaknessSearch:
    """`not_in_pool`: versions that were left out of the pool, with what they hold. `rows` are the neighbours (storage.rows.SCHEMA), one per
    question; `random_rows` questions of the pool in a random order that the seed decides. `figures` are those of the report. `quota`: rows
    by cluster and arm. `spent`: what the search has paid, in `usd` and `tokens`. `lines`: the funnel and costs of the arms that this process
    has started."""

    config: Weakness
    run: str
    folder: Path
    held_out: str
    pool: list[Version]
    failures: list[FailedItem]
    profiles: list[Profile]
    clusters: list[Cluster]
    headrooms: dict[str, float]
    weights: dict[str, float]
    near: list[Neighbour]
    rows: pa.Table
    random_rows: pa.Table
    quota: dict[Pair, int]
    not_in_pool: dict[str, str]
    figures: dict[str, Any] = field(default_factory=dict)
    spent: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, Line] = field(default_factory=dict)

    def cluster_of(self) -> dict[str, str]:
        """Return failed item's row id -> the name of its cluster."""
        ids = column(self.failure_rows(), "id")
        return {ids[place]: one.name for one in self.clusters for place in one.members}

    def failure_rows(self) -> pa.Table:
        """Return the failures as rows: the student's text as the solution, its wrong answer, the right one, and no parents."""
        rows = []
        for one, profile in zip(self.failures, self.profiles, strict=True):
            verdicts = {KIND: str(one.kind)} | ({WRONG_STEP: str(one.step)} if one.step else {})
            rows.append(
                Row(
                    one.question,
                    one.language,
                    solution=one.text or None,
                    solution_format="cot",
                    answer=one.wrong,
                    reference_answer=one.reference,
                    subdomain=profile.subdomain,
                    domain=domain_of(profile.subdomain) if profile.subdomain else None,
                    source=SOURCE,
                    verdicts=verdicts,
                )
            )
        return to_table(rows)

    def groups(self, arm: str, failures: pa.Table) -> list[FailureGroup]:
        """Return what an arm is written for. failures: those of `failure_rows`, in their order; rejected ones are left out."""
        if arm in RANDOM:
            return [self._at_random()]
        records = failures.to_pylist()
        near: dict[int, list[Neighbour]] = {}
        for one in self.near:
            near.setdefault(one.failure, []).append(one)
        by_problem = {row["problem_id"]: row for row in self.rows.to_pylist()}
        groups = []
        for cluster in self.clusters:
            members = [place for place in cluster.members if records[place]["rejected"] is None]
            weight = float(self.quota.get((cluster.name, arm), 0))
            if not members or not weight:
                continue
            parents: dict[str, list[str]] = {}
            for place in members:
                for one in near.get(place, ()):
                    parents.setdefault(one.problem_id, []).append(records[place]["id"])
            rows = [_labelled(records[place]) for place in members]
            rows += [by_problem[name] | {"parent_ids": sorted(ids)} for name, ids in sorted(parents.items())]
            wrong = [[records[place]["answer"]] if records[place]["answer"] else [] for place in members]
            table = pa.Table.from_pylist(rows, failures.schema).append_column(
                "wrong_answers", pa.array([*wrong, *([[]] * len(parents))], pa.list_(pa.string()))
            )
            topics = Counter((row["language"], row["subdomain"]) for row in rows[: len(members)])
            groups.append(
                FailureGroup(cluster.name, weight, table, {key: float(n) for key, n in topics.items()})
            )
        return groups

    def _at_random(self) -> FailureGroup:
        """Return questions of the pool in place of failures, as many as there are failures, each with neighbours at random."""
        count = len(self.failures)
        shown = self.random_rows.slice(0, count).to_pylist()
        others = self.random_rows.slice(count, count * self.config.examples).to_pylist()
        rows = [_labelled(row) | {"parent_ids": []} for row in shown]
        rows += [row | {"parent_ids": [shown[i % len(shown)]["id"]]} for i, row in enumerate(others)]
        table = pa.Table.from_pylist(rows, self.random_rows.schema).append_column(
            "wrong_answers", pa.array([[]] * len(rows), pa.list_(pa.string()))
        )
        topics = Counter((row["language"], row["subdomain"]) for row in rows[: len(shown)])
        return FailureGroup("random", 1.0, table, {key: float(n) for key, n in topics.items()})

    def retrieved(self) -> pa.Table:
        """Return the rows of the arm math-retrieval: of each cluster the nearest neighbours of its failures in turn, up to its quota. The
        failures that a row is near to are among its parents."""
        ids = column(self.failure_rows(), "id")
        by_failure: dict[int, list[Neighbour]] = {}
        parents: dict[str, list[str]] = {}
        for one in self.near:
            by_failure.setdefault(one.failure, []).append(one)
            parents.setdefault(one.problem_id, []).append(ids[one.failure])
        solved = {row["problem_id"]: row for row in self.rows.to_pylist() if row["solution"]}
        chosen: dict[str, None] = {}
        for cluster in self.clusters:
            wished, own = self.quota.get((cluster.name, "math-retrieval"), 0), 0
            ranked = [
                (rank, place, one.problem_id)
                for place in cluster.members
                for rank, one in enumerate(by_failure.get(place, ()))
            ]
            for _, _, problem in sorted(ranked):
                if own >= wished:
                    break
                if problem in solved and problem not in chosen:
                    chosen[problem] = None
                    own += 1
        rows = [
            solved[name] | {"parent_ids": sorted({*(solved[name]["parent_ids"] or ()), *parents[name]})}
            for name in chosen
        ]
        return pa.Table.from_pylist(rows, self.rows.schema)

    @property
    def digest(self) -> str:
        """The digest of what the arms are made from."""
        near = [[one.failure, one.problem_id] for one in self.near]
        quota = sorted([*pair, count] for pair, count in self.quota.items())
        return digest_of(
            [one.to_dict() for one in self.failures], near, quota, [one.name for one in self.clusters]
        )

    def record(self) -> dict[str, Any]:
        """Return the search as plain values, for JSON."""
        near = Counter(one.failure for one in self.near)
        kinds = [Counter(str(self.failures[place].kind) for place in one.members) for one in self.clusters]
        return {
            "run": self.run,
            "model": self.config.model,
            "pool": [str(one) for one in self.pool],
            "not_in_pool": self.not_in_pool,
            "held_out": self.held_out,
            "clusters": [
                {
                    "name": one.name,
                    "subdomain": one.subdomain,
                    "skills": list(one.skills),
                    "failures": len(one.members),
                    "headroom": round(self.headrooms[one.name], 4),
                    "weight": round(self.weights[one.name], 4),
                    "kinds": dict(sorted(kind.items())),
                    "neighbours": sum(near[place] for place in one.members),
                    "example": self.failures[one.members[0]].question,
                    "quota": {arm: self.quota.get((one.name, arm), 0) for arm in self.config.arms},
                }
                for one, kind in zip(self.clusters, kinds, strict=True)
            ],
            **self.figures,
        }


def check(config: Weakness, store: Store) -> list[Version]:
    """Return the versions of the pool. Raises ConfigError, ModelMissing, BenchmarkError or VersionNotFound for what can be known to fail
    before a model is asked."""
    check_evaluation(_evaluation(config))
    if not config.arms:
        raise ConfigError(f"setting arms: none is named. Fix: name one of {', '.join(ARMS)}")
    own = {config.name_of(arm) for arm in ARMS}
    if config.pool:
        pool = [store.resolve(name) for name in config.pool]
    else:
        newest = [store.resolve(name) for name in store.datasets() if name not in own]
        pool = [one for one in newest if holds(one) is None]
    if not pool:
        raise ConfigError(
            "setting pool: no dataset is published in which neighbours could be. Fix: import one, such as "
            "`./mathmill import FILE --dataset NAME --license MIT`"
        )
    for one in pool:
        if (what := holds(one)) in NO_PROBLEMS:
            source = one.lineage["material"][0]["version"]
            raise ConfigError(
                f"setting pool: {one} holds {holds_in_words(what)}. Fix: name {source}, from which it was made"
            )
    if mine := sorted(str(one) for one in pool if one.dataset in own):
        raise ConfigError(
            f"setting pool: {mine[0]} is an arm of {config.dataset}. Fix: name datasets that were not written for its failures"
        )
    return pool


def left_out(config: Weakness, store: Store) -> dict[str, str]:
    """Return the newest versions of datasets that are not in the pool because of what they hold, beside the arms of the run itself; none if
    the settings name the pool."""
    if config.pool:
        return {}
    own = {config.name_of(arm) for arm in ARMS}
    versions = [store.resolve(name) for name in store.datasets() if name not in own]
    kinds = {str(one): holds(one) for one in versions}
    return {name: holds_in_words(what) for name, what in kinds.items() if what is not None}


def first_wrong_step(text: str, question: str, answer: str) -> int | None:
    """Return the number of the first step of a solution that a program can show to be wrong, from 1."""
    place = check_steps(split_steps(text), question=question).first_wrong
    return None if place is None else place + 1


def parts_of(items: pa.Table, share: float) -> tuple[pa.Table, pa.Table]:
    """Return the items of a probe that drive, and those that measure. Raises ConfigError if one part is empty, but for a share of 0."""
    drives, held_out = divided(items, share)
    whole = counted(items.num_rows, "probe item")
    if not drives.num_rows:
        raise ConfigError(
            f"setting measures: none of {whole} is left to drive anything. Fix: lower it, or give a larger --probe"
        )
    if share and not held_out.num_rows:
        raise ConfigError(
            f"setting measures: none of {whole} is left to measure the arms on. Fix: give a larger --probe, or set it to 0"
        )
    return drives, held_out


def search(config: Weakness, tools: Tools, bars: Bars, state: WeaknessState) -> WeaknessSearch:
    """Ask the student the driving part of the probe, and find clusters and neighbours of what it fails. Raises as `check`."""
    pool = check(config, tools.store)
    items = kept(check_evaluation(_evaluation(config)))
    drives, held_out = parts_of(items, config.measures)
    overlay = overlaid(tools.settings.overlay())
    identity = digest_of(
        config.decides(),
        tools.identity(config.model),
        items.column("id").to_pylist(),
        items.column("question").to_pylist(),
        [[str(one), one.digest] for one in pool],
        [one.to_dict() for one in state.gains],
        *([overlay] if overlay else []),
    )
    run = f"weakness-{identity[:12]}"
    note = RunNote.start(tools.home, f"{run}-search", dict)
    tools.limits = limits_for(config, run, note.since, tools.ledger)
    tools.engine(config.model).check()
    line = Line(tools, bars)
    with Live(tools, config.dataset, f"{run}-search", line):
        try:
            answered = Evaluation(_evaluation(config), line, drives, run).answer(config.model)
        except LIMITS as limit:
            raise _stopped(config, tools, note, run, limit_of(limit), str(limit)) from limit
    failures = failures_of(answered, judge=tools.judge(), check=first_wrong_step)
    folder = tools.home / FOLDER / run
    encode = tools.encoder()
    labeller = Labeller(encode)
    profiles, vectors = profiles_of(
        [one.question for one in failures],
        [one.subdomain for one in failures],
        [one.reference for one in failures],
        encode,
        labeller,
        tools,
    )
    clusters = clusters_of(
        profiles,
        vectors,
        [one.question for one in failures],
        cut=config.cut,
        least=config.least,
        known=state.clusters,
    )
    headrooms, weights = _headrooms(answered, clusters, encode, labeller, tools)
    near, rows, figures = neighbours_of(config, tools, pool, items, failures, profiles, vectors, labeller)
    path = _write_held_out(tools, folder, held_out, clusters, encode, labeller)
    allocation = _allocation(config, headrooms, weights, state)
    quota = _quotas(config, headrooms, weights, allocation)
    kinds = Counter(str(one.kind) for one in failures)
    asked = sum(is_failure(one) or is_success(one) for one in answered.to_pylist())
    figures |= {
        "asked": answered.num_rows,
        "judged": asked,
        "failed": len(failures),
        "kinds": dict(sorted(kinds.items())),
        "not_judged": answered.num_rows - asked,
        "measured_by": held_out.num_rows,
        "costs": total(line.facts()),
        "quotas": config.quotas,
        "measuring": [],
    }
    against = Decontamination.of(measured_by(config, path))
    if failures and config.dry_run:
        figures["estimate"] = estimate(config, tools, path, against, len(failures), len(clusters))
    elif failures:
        # before the arms, so that none of them pays for all, and the budget covers it
        measured = measured_rules(tools, against, bars.say)
        if ended := measured.facts.get("stopped"):
            why = f"{WHILE_MEASURING}: {ended['why']}"
            raise _stopped(config, tools, note, run, ended["by"], why)
        figures["measuring"] = total([measured.facts])
    paid = tools.ledger().spent(run, note.since)
    if allocation is not None:
        figures["allocator"] = {
            "runs": len(state.nights),
            "gains": len(state.gains),
            "without_verdict": state.open,
            "pairs": pair_cells(allocation),
            "clusters": activity_cells(allocation),
        }
    note.remove()
    return WeaknessSearch(
        config,
        run,
        folder,
        path,
        pool,
        failures,
        profiles,
        clusters,
        headrooms,
        weights,
        near,
        rows,
        random_rows_of(config, tools, pool, items, len(failures), labeller),
        quota,
        left_out(config, tools.store),
        figures,
        {"usd": paid.usd, "tokens": paid.tokens},
    )


def _stopped(config: Weakness, tools: Tools, note: RunNote, run: str, by: str, why: str) -> Stopped:
    """Return the error of a search that a limit ended."""
    return stopped_at(tools, note, run, config.dataset, by, why, 0, config.rows)


def _evaluation(config: Weakness) -> Evaluate:
    return Evaluate(
        model=config.model,
        benchmarks=config.probe,
        max_tokens=config.max_tokens,
        answers=config.answers,
        seed=config.seed,
        shard_rows=config.shard_rows,
    )


def _headrooms(
    answered: pa.Table, clusters: Sequence[Cluster], encode: Any, labeller: Labeller, tools: Tools
) -> tuple[dict[str, float], dict[str, float]]:
    """Return cluster -> share of its judged items that fail, and cluster -> its share of all judged items. Items that the student gets right
    belong to the nearest cluster of their subdomain."""
    right = [one for one in answered.to_pylist() if is_success(one)]
    profiles, vectors = profiles_of(
        [one["question"] for one in right],
        [one["subdomain"] for one in right],
        [one["reference"] for one in right],
        encode,
        labeller,
        tools,
    )
    solved = Counter(place for place in assign(clusters, profiles, vectors) if place >= 0)
    asked = [len(one.members) + solved[i] for i, one in enumerate(clusters)]
    every = max(sum(asked), 1)
    return (
        {one.name: len(one.members) / count for one, count in zip(clusters, asked, strict=True)},
        {one.name: count / every for one, count in zip(clusters, asked, strict=True)},
    )


def _write_held_out(
    tools: Tools,
    folder: Path,
    held_out: pa.Table,
    clusters: Sequence[Cluster],
    encode: Any,
    labeller: Labeller,
) -> str:
    """Write the measuring part as a file of benchmark items, each with its cluster as the subdomain, so that a verdict on this file shows
    the gain of each cluster. Returns its path; "" without any item."""
    if not held_out.num_rows:
        return ""
    records = held_out.to_pylist()
    profiles, vectors = profiles_of(
        [one["question"] for one in records],
        [one["subdomain"] for one in records],
        [one["reference"] for one in records],
        encode,
        labeller,
        tools,
    )
    places = assign(clusters, profiles, vectors)
    lines = []
    for one, place in zip(records, places, strict=True):
        options = {"options": one["options"]} if one["options"] else {}
        lines.append(
            {
                "question": one["question"],
                **options,
                "answer": one["reference"],
                "language": one["language"],
                "domain": benchmark_domain(one["benchmark"], one["form"], one["domain"]),
                "subdomain": clusters[place].name if place >= 0 else "no cluster",
            }
        )
    path = folder / "held-out.jsonl"
    HomeFiles(tools.home).write(path, b"".join(orjson.dumps(line) + b"\n" for line in lines))
    return str(path)


def _allocation(
    config: Weakness, headrooms: Mapping[str, float], weights: Mapping[str, float], state: WeaknessState
) -> Allocation | None:
    """Return what verdicts on earlier arms say of the next budget; None where there are none and nothing follows them."""
    arms = [arm for arm in config.arms if arm not in RANDOM]
    if not arms or not (state.gains or config.quotas == "gain"):
        return None
    budget = config.rows * len(arms) * config.row_usd + state.paid()
    return allocate(headrooms, arms, state.gains, budget=budget, seed=config.seed, weights=weights)


def _quotas(
    config: Weakness,
    headrooms: Mapping[str, float],
    weights: Mapping[str, float],
    allocation: Allocation | None,
) -> dict[Pair, int]:
    """Return the rows of each cluster in each arm: by failures, `rows` for each arm; or as many in all, by measured gain."""
    arms = [arm for arm in config.arms if arm not in RANDOM]
    if config.quotas == "gain" and allocation is not None:
        return apportion(allocation.shares, config.rows * len(arms), config.seed)
    failing = {name: headrooms[name] * weights[name] for name in headrooms}
    by_cluster = apportion(quotas(failing, ["all"]), config.rows, config.seed)
    return {(cluster, arm): count for (cluster, _), count in by_cluster.items() for arm in arms}


def _labelled(row: dict[str, Any]) -> dict[str, Any]:
    """Return a failure with a subdomain, which every ask has."""
    return row if row["subdomain"] else row | {"subdomain": "multi-step arithmetic"}
