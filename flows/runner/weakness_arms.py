"""The arms of the flow weakness: each becomes a version of a dataset of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow.compute as pc
from prefect.runtime import flow_run

from flows.config.sections import GateSettings, PublishSettings
from flows.config.weakness import ARMS, EQUAL_COST, RANDOM, ArmNight, Weakness, measured_by
from flows.nightly import generating, run_night, solve_and_judge, writing
from flows.runner.decontamination import CERTIFY, Decontamination
from flows.runner.imported_rows import ImportedRows, published
from flows.runner.night import Night
from flows.runner.planning import Plan, apportion
from flows.runner.publication import MEASURING_COSTS
from flows.runner.stages import Line, Stage
from flows.runner.weakness_search import FailureGroup, WeaknessSearch
from flows.runner.weakness_state import MARK
from storage.datasets.store import Store
from storage.rows import column, kept
from storage.stage_cache.shards import Ref
from tasks.llm.costs import total
from tasks.methods import asks_table, plan_of
from tasks.methods import method as generation_method
from tasks.seeding import seed_of
from tasks.stages.diagnose import diagnose

DIAGNOSE = Stage("diagnose", "Diagnose missing skills", needs={"engine": "teacher"})
TAKE = Stage("neighbours", "Take neighbours")
ROOM = (
    5  # rows that an arm of equal cost may have, in rows of the others: written at random, fewer are dropped
)
FIX = "a lower floor, same_skill=false, or a larger pool"


def publish_arm(search: WeaknessSearch, arm: str, target: int, tokens: int = 0) -> str:
    """Publish the rows of an arm, and return the name of the version. target: most rows. tokens: what the arm uses, 0 for what its rows
    need."""
    config = search.config
    if not ARMS[arm]:
        return _publish_rows(search, arm, target)
    left = config.part_of_budget(**search.spent)
    night = ArmNight.of(config, arm, target, search.held_out, search.digest, tokens=tokens, budget=left)
    return run_night(night, partial(_write, search=search, arm=arm, tokens=tokens))


def _publish_rows(search: WeaknessSearch, arm: str, target: int) -> str:
    """Publish rows of the pool: the neighbours, or as many rows at random."""
    rows = search.retrieved() if arm == "math-retrieval" else search.random_rows
    given = search.config
    config = PublishSettings(
        dataset=given.name_of(arm),
        near=given.near,
        similarity=given.similarity,
        decontaminate=measured_by(given, search.held_out),
        gates=given.gates.part(GateSettings),
    )

    def read(line: Line) -> tuple[list[dict[str, Any]], list[Ref]]:
        search.lines[arm] = line
        table = rows.slice(0, target)
        shards = line.shards(TAKE.name, table, given.shard_rows)
        line.record(TAKE, f"{TAKE.title}, {arm}", shards)
        inputs = [{"version": str(one), "digest": one.digest, "rows": one.rows} for one in search.pool]
        return inputs, shards

    run = f"{search.run}-{arm}"
    source = ImportedRows("weakness", run, read, FIX, {"weakness": _lineage(search, arm)})
    return published(config, source, Decontamination.of(config.decontaminate), verify=False)


def _lineage(search: WeaknessSearch, arm: str) -> dict[str, Any]:
    return {"run": search.run, "arm": arm, "model": search.config.model, "failures": len(search.failures)}


def _write(night: Night, *, search: WeaknessSearch, arm: str, tokens: int) -> None:
    """Write questions for each group of failures, answer each several times, and keep those whose answers agree."""
    line, planner, config = night.line, night.planner, night.config
    search.lines[arm] = line
    failures = search.failure_rows()
    if arm == "skills":
        (diagnosed,) = line.run(
            DIAGNOSE,
            partial(diagnose, seed=night.inputs.seed),
            [line.put("failures", failures)],
        )
        failures = line.rows([diagnosed])
    groups = search.groups(arm, failures)
    shown = [line.put("failures", group.rows.drop_columns(["wrong_answers"])) for group in groups]
    written = 0
    while groups and planner.wave < config.generate.waves and (missing := night.missing(config.target)):
        if tokens:
            needed = affordable(tokens, used_tokens(total(line.facts())), written, search.config.rows)
        else:
            needed = planner.demand.questions(sum(missing.values()), night.usable())
        plan = _plan(night, groups, ARMS[arm], needed)
        planner.wave += 1
        if not plan.quota:
            break
        title = f"wave {planner.wave}"
        rows = line.run(
            writing(plan.method), generating(plan), plan.asks, title=f"Write, {title}", owes=plan.owes
        )
        accepted = solve_and_judge(
            night, rows, title, pool=[*shown, *night.questions], agree=night.inputs.solve.samples
        )
        night.questions += rows
        night.accepted += accepted
        planner.demand.count_requests(plan.quota)
        written += sum(plan.quota.values())


def affordable(tokens: int, used: int, written: int, first: int) -> int:
    """Return how many questions the next wave writes, so that all of them together use about `tokens`: of the first wave half of
    `first`, since what a question costs is not known yet; later what is left, at the cost of those written so far."""
    if not written:
        return max(1, first // 2)
    return max(0, round((tokens - used) * written / max(used, 1)))


def used_tokens(costs: Iterable[Mapping[str, Any]]) -> int:
    """Return the tokens of prompts and completions together, whenever they were paid for."""
    return sum(cost.get("prompt_tokens", 0) + cost.get("completion_tokens", 0) for cost in costs)


def costs_of_line(line: Line | None) -> dict[str, float]:
    """Return what an arm has cost that published nothing, as `own_costs`. None: it ended before its first stage."""
    if line is None:
        return own_costs({})
    shared = [*line.facts_of(CERTIFY.name), *line.measured]
    return own_costs({"costs": total(line.facts()), MEASURING_COSTS: total(shared)})


def own_costs(lineage: Mapping[str, Any]) -> dict[str, float]:
    """Return `usd`, `tokens` and `calls` of the rows of a version: without what measured the rules of decontamination, which all arms share,
    and which the run has measured before them."""
    whole: Sequence[Mapping[str, float]] = lineage.get("costs", ())
    shared: Sequence[Mapping[str, float]] = lineage.get(MEASURING_COSTS, ())

    def own(name: str) -> float:
        return sum(cost.get(name, 0) for cost in whole) - sum(cost.get(name, 0) for cost in shared)

    return {
        "usd": own("usd"),
        "tokens": used_tokens(whole) - used_tokens(shared),
        "calls": own("completions"),
    }


def _plan(night: Night, groups: list[FailureGroup], method: str, questions: int) -> Plan:
    """Plan the asks for `questions` questions, shared out over the groups by their weights and within each over its topics."""
    planner, generate = night.planner, night.config.generate
    shares = apportion({(one.name, ""): one.weight for one in groups}, questions, planner.wave)
    plan = plan_of(method, night.line.tools.settings.overlay())
    asks, quota = [], Counter[tuple[str, str]]()
    for group in groups:
        own = apportion(group.topics, shares.get((group.name, ""), 0), planner.wave)
        asks += plan(
            group.rows,
            own,
            per_call=generate.per_call,
            examples=generate.examples,
            seed=seed_of(night.inputs.seed, method, group.name, planner.wave),
        )
    for ask in asks:
        quota[(ask.language, ask.subdomain or "")] += ask.count
    calls = max(1, planner.shard_rows // generate.per_call)
    shards = night.line.shards("asks", asks_table(asks), calls)
    return Plan(method, generation_method(method).makes, shards, quota)


def mark_arm(store: Store, search: WeaknessSearch, arm: str, name: str) -> dict[str, Any]:
    """Record on the version of an arm what it spent on each cluster, unless an earlier start did; return what the report says of it."""
    version = store.resolve(name)
    cluster_of = search.cluster_of()
    added = store.added(version, ["id", "parent_ids", "rejected"])
    rows: Counter[str] = Counter()
    questions = _parents(store, str(version.lineage["run"]))
    for parents in column(kept(added), "parent_ids"):
        # a solution was made from its question, and the question from failures
        behind = [*(parents or ()), *(name for one in parents or () for name in questions.get(one, ()))]
        rows[next((cluster_of[one] for one in behind if one in cluster_of), "")] += 1
    spent = own_costs(version.lineage)
    count = max(rows.total(), 1)
    config: Weakness = search.config
    clusters = {
        one.name: {
            "subdomain": one.subdomain,
            "centroid": list(one.centroid),
            "failures": len(one.members),
            "headroom": search.headrooms[one.name],
            "rows": rows[one.name],
            "cost": rows[one.name] * (spent["usd"] / count + config.row_usd),
        }
        for one in search.clusters
    }
    before = store.marks(version.dataset, MARK)
    if not any(one.version == version.name and one.value["run"] == search.run for one in before):
        value = {
            "run": search.run,
            "arm": arm,
            "model": config.model,
            "clusters": clusters,
            "flow_run": str(flow_run.id or ""),
        }
        store.mark(version, MARK, value)
    funnel = version.lineage.get("funnel", ())
    return {
        "version": str(version),
        "rows": added.num_rows,
        "by_cluster": {name: count for name, count in sorted(rows.items()) if name},
        **spent,
        "contaminated": sum(
            int(line["rejected"]) for line in funnel if line["stage"] in ("decontaminate", "certify")
        ),
        "funnel": list(funnel),
    }


def _parents(store: Store, run: str) -> dict[str, list[str]]:
    """Return the id of each row that the run stored -> its parents."""
    candidates = store.candidates()
    if candidates is None:
        return {}
    table = candidates.to_table(columns=["id", "parent_ids"], filter=pc.field("run") == run)
    return dict(zip(column(table, "id"), column(table, "parent_ids"), strict=True))


def target_of(store: Store, search: WeaknessSearch, arm: str, versions: dict[str, str]) -> int:
    """Return the most rows of an arm: its quota; of an arm at random, as many as the arm has that it is compared with; of that of equal
    cost more than its tokens will give."""
    if arm == EQUAL_COST:
        return ROOM * search.config.rows
    if arm in RANDOM and (peer := versions.get(RANDOM[arm])):
        return max(store.resolve(peer).added, 1)
    own = sum(count for (_, name), count in search.quota.items() if name == arm)
    return own or search.config.rows
