"""The report of a run of the flow weakness, as Markdown and as tables of cells."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from storage.counting import counted
from storage.markdown import code, inline
from tasks.weakness.allocation import Allocation

Cells = list[dict[str, str]]
UNKNOWN = "-"
COSTS = ("calls", "tokens", "usd")
PLACES = {"calls": 0, "tokens": 0, "usd": 4}  # decimals that are shown
STUDENT = "the student's answers"
MEASURING = "the critic, measuring the decontamination rules"


def summary(record: Mapping[str, Any]) -> str:
    """Return what the student failed, in a sentence."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in record["kinds"].items())
    return (
        f"{record['model']} failed {record['failed']:,} of {counted(record['judged'], 'probe item')} that drive"
        f"{f' ({kinds})' if kinds else ''}; {counted(record['measured_by'], 'other item')} measure"
    )


def neighbours_in_words(record: Mapping[str, Any]) -> str:
    """Return what the search for neighbours gave, in sentences."""
    if not record["failed"]:
        return f"Of {counted(record['judged'], 'answer')} that could be judged none is wrong, so there is nothing to write for and no arm is published."
    precision, touched = record["precision"], record["touched"]
    recall = ", ".join(
        f"{name} {one['recall']:.3f} ({one['kind']}, {counted(one['questions'], 'question')})"
        for name, one in sorted(record["index"].items())
    )
    before, after = share(precision["before"]), share(precision["after"])
    skills = (
        f"Of the nearest questions whose skill is known, {before} have the failure's, and {after} of those that floor and profile leave."
        if before != UNKNOWN
        else "Whether the nearest questions have the failure's skill is not known: no question states one."
    )
    without = record.get("not_in_pool") or {}
    kinds = ", ".join(f"{name} ({what})" for name, what in sorted(without.items()))
    pool = f"The pool is {', '.join(record['pool']) or 'empty'}" + (f", without {kinds}" if kinds else "")
    return (
        f"{pool}. {skills} The nearest of all failures are {counted(touched['before'], 'question')}; floor and profile leave {touched['after']:,}, and "
        f"{counted(record['without_neighbour'], 'failure')} without any. Recall of the indexes: {recall or 'none'}."
    )


def share(value: float) -> str:
    """Return a share as a percentage, UNKNOWN if it is not known."""
    return UNKNOWN if value is None or math.isnan(value) else f"{100 * value:.0f} %"


def cluster_cells(record: Mapping[str, Any]) -> Cells:
    """Return a table of the clusters."""
    return [
        {
            "cluster": one["name"],
            "failures": str(one["failures"]),
            "share that fails": share(one["headroom"]),
            "kinds": ", ".join(f"{count} {kind}" for kind, count in one["kinds"].items()),
            "neighbours": str(one["neighbours"]),
            "rows": _rows_of(one["quota"]),
        }
        for one in record["clusters"]
    ]


def _rows_of(quota: Mapping[str, int]) -> str:
    """Return the rows that a cluster gets in each arm, in few words where all arms have as many. Arms at random have none of a cluster."""
    counts = {arm: count for arm, count in quota.items() if count}
    if len(counts) > 1 and len(set(counts.values())) == 1:
        return f"{next(iter(counts.values()))} in each of {counted(len(counts), 'arm')}"
    return ", ".join(f"{arm} {count}" for arm, count in counts.items())


def arm_cells(record: Mapping[str, Any]) -> Cells:
    """Return a table of the published arms."""
    return [
        {
            "arm": arm,
            "version": one.get("version", ""),
            "rows": f"{one['rows']:,}",
            "dropped, like a held-out item": str(one["contaminated"]),
            "note": one.get("note", ""),
        }
        for arm, one in record.get("arms", {}).items()
    ]


def cost_cells(record: Mapping[str, Any]) -> Cells:
    """Return a table of everything that the run has cost, or is estimated to cost where no arm is written yet, with the sums as its last
    line."""
    estimate = record.get("estimate")
    measuring = estimate["measuring"] if estimate else _sums(record.get("measuring", ()))
    arms = estimate["arms"] if estimate else record.get("arms", {})
    lines = [
        (STUDENT, _sums(record["costs"]), ""),
        (MEASURING, measuring, "~" if estimate else ""),
        *((f"arm {arm}", one, "~" if estimate else "") for arm, one in arms.items()),
    ]
    # an estimate is rounded before it is added, so that the last line is the sum of those that are shown
    lines = [
        (title, {name: round(one[name], PLACES[name]) for name in COSTS}, sign) for title, one, sign in lines
    ]
    total = {name: sum(one[name] for _, one, _ in lines) for name in COSTS}
    shown = [line for line in lines if any(line[1][name] for name in COSTS)]
    return [
        {
            "for": title,
            "calls": f"{sign}{one['calls']:,.0f}",
            "tokens": f"{sign}{one['tokens']:,.0f}",
            "cost": f"{sign}${one['usd']:,.4f}",
        }
        for title, one, sign in [*shown, ("total", total, "~" if estimate else "")]
    ]


def _sums(costs: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return the sums of costs by role, as of tasks.llm.costs.total."""
    sums = dict.fromkeys(COSTS, 0.0)
    for one in costs:
        sums["calls"] += one["completions"]
        sums["tokens"] += one["prompt_tokens"] + one["completion_tokens"]
        sums["usd"] += one["usd"]
    return sums


def costs_in_words(record: Mapping[str, Any]) -> str:
    """Return what the costs count, and whether they are estimated."""
    if record.get("estimate"):
        return "Estimated (~), beside the student's answers; a budget covers every line. An answer that the ledger has costs nothing."
    return "A budget covers every line. Answers that were in the ledger before this run are counted as well, at what they cost then."


def pair_cells(allocation: Allocation) -> Cells:
    """Return a table of what verdicts say of each cluster and arm, and of its share of the next budget."""
    return [
        {
            "cluster": one.cluster,
            "arm": one.method,
            "verdicts": str(one.nights),
            "cost": f"${one.cost:,.4f}",
            "points per dollar": f"{100 * one.per_cost:+.2f} ± {196 * one.per_cost_error:.2f}"
            if one.nights
            else "-",
            "next share": f"{100 * allocation.shares[one.cluster, one.method]:.1f} %",
        }
        for one in allocation.pairs
    ]


def activity_cells(allocation: Allocation) -> Cells:
    """Return a table of which clusters are dropped because they no longer improve."""
    return [
        {
            "cluster": one.cluster,
            "failing": f"{100 * one.headroom:.0f} %",
            "evidence that it no longer improves": f"{max(one.evidence, 0.0):.2f} of {one.threshold:.2f}",
            "state": "dropped" if one.dropped else "active",
        }
        for one in allocation.clusters
    ]


def allocator_in_words(record: Mapping[str, Any]) -> str:
    """Return what the state of the allocator rests on, and whether this run follows it."""
    state = record["allocator"]
    follows = (
        "The rows of this run follow it."
        if record["quotas"] == "gain"
        else "The rows of this run follow the failures; quotas=gain follows it."
    )
    return (
        f"{counted(state['gains'], 'measured gain')} of {counted(state['runs'], 'run')}; versions without a verdict: "
        f"{', '.join(state['without_verdict']) or 'none'}. {follows}"
    )


def to_markdown(record: Mapping[str, Any]) -> str:
    """Return the report as Markdown."""
    lines = [
        f"# {inline(record['run'])}",
        "",
        inline(summary(record)),
        "",
        inline(neighbours_in_words(record)),
        "",
    ]
    lines += ["## Clusters", "", *_table(cluster_cells(record))]
    skills = record["precision"]["by_skill"]
    cells = [
        {
            "skill": name,
            "failures": str(one["failures"]),
            "nearest": share(one["before"]),
            "floor and profile": share(one["after"]),
        }
        for name, one in sorted(skills.items())
    ]
    if cells:
        lines += ["", "## Precision of neighbours by skill", "", *_table(cells)]
    if state := record.get("allocator"):
        lines += ["", "## Gains by verdicts", "", inline(allocator_in_words(record)), ""]
        lines += [*_table(state["pairs"]), "", *_table(state["clusters"])]
    if record.get("arms"):
        lines += ["", "## Arms", "", *_table(arm_cells(record))]
    lines += ["", "## Costs", "", *_table(cost_cells(record)), "", costs_in_words(record)]
    if record.get("arms"):
        lines += ["", next_step(record, code)]
    return "\n".join(lines) + "\n"


def next_step(record: Mapping[str, Any], quoted: Callable[[str], str] = str) -> str:
    """Return how the arms are judged. `quoted`: how a command is set."""
    measure = f"./mathmill verdict ARM --validated NAME@VERSION --benchmark {record['held_out']}"
    state, gain = "./mathmill weakness --state", "--set quotas=gain"
    return f"To measure an arm: {quoted(measure)}. What verdicts say is shown by {quoted(state)}, and a run with {quoted(gain)} follows them."


def _table(cells: Sequence[Mapping[str, str]]) -> list[str]:
    if not cells:
        return ["none"]
    names = list(cells[0])
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    return lines + [f"| {' | '.join(inline(row[name]) for name in names)} |" for row in cells]
