"""The verdict on a version: whether training with it made a better model, from paired trainings and paired answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.counting import counted
from storage.markdown import inline
from tasks.arrays import Floats
from tasks.evaluation import tails
from tasks.evaluation.scores import Delta, deltas
from tasks.evaluation.statistics import ALPHA, holm, paired

EFFECTIVE, HARMFUL, NOT_SHOWN = "effective", "harmful", "not shown"
BENCHMARKS, NEW = "the benchmarks", "newly drawn problems"
_BESIDE = ("verdict", "effect", "low", "high", "p", "items", "seeds")


def conclude(
    items: pa.Table,
    candidate: Floats,
    baseline: Floats,
    *,
    usd: float = 0.0,
    without: Mapping[str, Floats] | None = None,
    base: Mapping[str, Any] | None = None,
    new: npt.NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    """Return the verdict as plain values: effective, harmful or not shown, the effect with interval and p over seeds and items, the gain per
    subdomain (Holm), the cost per point, and the effect of each source.

    items: the items of the benchmark (column `subdomain`), in the order of the scores' columns. usd: the cost of the
    candidate's rows. without: source -> scores of trainings on the candidate without that source; its effect is the loss
    without it. The rows of all tables are the same seeds. base: what the base completes of the benchmarks' ends
    (tasks.evaluation.tails.seen). new: which items are newly drawn problems that are asked beside the benchmarks; if the base has seen
    a benchmark, the verdict is that of the new problems, and that of the benchmarks stands beside it.
    """
    if base is not None and new is not None:
        parts = [
            conclude(
                items.filter(pa.array(chosen)),
                candidate[:, chosen],
                baseline[:, chosen],
                usd=usd,
                without={name: scores[:, chosen] for name, scores in (without or {}).items()},
            )
            for chosen in (~new, new)
        ]
        rests, other = parts[::-1] if base["contaminated"] else parts
        beside = {
            "on": BENCHMARKS if base["contaminated"] else NEW,
            **{name: other[name] for name in _BESIDE},
        }
        return rests | {"base_seen": dict(base), "beside": beside}
    whole, *gains = deltas(items, candidate, baseline, ["subdomain"])
    word = NOT_SHOWN
    if whole.paired.p < ALPHA:
        word = EFFECTIVE if whole.paired.delta > 0 else HARMFUL
    points = 100 * whole.paired.delta
    return {
        "verdict": word,
        "better": word == EFFECTIVE,
        **_effect(whole),
        "usd": usd,
        "usd_per_point": usd / points if word == EFFECTIVE else None,
        "by_seed": [
            {"candidate": float(a), "baseline": float(b)}
            for a, b in zip(candidate.mean(axis=1), baseline.mean(axis=1), strict=True)
        ],
        "subdomains": {one.name: _effect(one) | {"shown": one.shown} for one in gains},
        "sources": _sources(candidate, without or {}),
    }


def _sources(whole: Floats, without: Mapping[str, Floats]) -> dict[str, dict[str, Any]]:
    """Return the effect of each source: the candidate's score minus that of the candidate without the source."""
    pairs = {name: paired(whole, less) for name, less in without.items()}
    corrected = holm({name: pair.p for name, pair in pairs.items()})
    words = {"better": "helped", "worse": "hurt"}
    effects = {}
    for name, pair in pairs.items():
        delta = Delta("source", name, pair, corrected[name])
        effects[name] = _effect(delta) | {"shown": words.get(delta.shown, delta.shown)}
    return effects


def _effect(delta: Delta) -> dict[str, Any]:
    pair = delta.paired
    return {
        "effect": pair.delta,
        "low": pair.low,
        "high": pair.high,
        "p": delta.corrected,
        "candidate": pair.candidate,
        "baseline": pair.baseline,
        "items": pair.items,
        "seeds": pair.seeds,
        "needed": pair.needed,
    }


def gains_of(value: Mapping[str, Any]) -> dict[str, str]:
    """Return subdomain -> "better" or "worse" for the subdomains in which the verdict shows a difference."""
    return {
        name: one["shown"] for name, one in value.get("subdomains", {}).items() if one["shown"] != NOT_SHOWN
    }


def in_a_line(value: Mapping[str, Any]) -> str:
    """Return a verdict in one sentence."""
    text = (
        f"{value['verdict']}: {100 * value['effect']:+.1f} points [{100 * value['low']:+.1f}, {100 * value['high']:+.1f}] "
        f"(p = {value['p']:.2g}, {counted(value['seeds'], 'seed')}, {counted(value['items'], 'item')}) beside {value['validated']}"
    )
    if value.get("usd_per_point") is not None:
        text += f", ${value['usd_per_point']:,.4f} a point"
    if value["verdict"] == NOT_SHOWN and value.get("needed"):
        text += f"; an effect of this size needs about {counted(value['needed'], 'item')}, and more seeds if they disagree"
    if (base := value.get("base_seen")) is not None:
        other, shown = value["beside"], tails.in_a_line(base)
        text += f". {shown[0].upper()}{shown[1:]}" + (
            f"; the verdict is that of {NEW}" if base["contaminated"] else ""
        )
        text += f". On {other['on']} {100 * other['effect']:+.1f} points [{100 * other['low']:+.1f}, {100 * other['high']:+.1f}]"
    return text


def to_markdown(value: Mapping[str, Any]) -> str:
    """Return the verdict with its tables as Markdown."""
    lines = [
        f"# {inline(value['version'])}: {inline(value['verdict'])}",
        "",
        inline(in_a_line(value)),
        "",
        f"Base {inline(value['base'])}; baseline on {inline(value['validated'])} alone, candidate at weight {value['weight']:g} beside it; "
        f"{counted(value['tokens'], 'token')} each training. Items: {inline(value['benchmark'])}.",
        "",
        "| seed | baseline | candidate |",
        "|---|---:|---:|",
    ]
    for number, one in enumerate(value["by_seed"]):
        lines.append(f"| {number} | {100 * one['baseline']:.1f} | {100 * one['candidate']:.1f} |")
    if (base := value.get("base_seen")) is not None:
        lines += tails.to_markdown(base)
    for name, title in (("subdomains", "subdomain"), ("sources", "source, with and without it")):
        if value[name]:
            lines += ["", f"| {title} | items | effect [95 %] | p (Holm) | |", "|---|---:|---:|---:|---|"]
            lines += [_line(row_name, one) for row_name, one in sorted(value[name].items())]
    return "\n".join(lines) + "\n"


def _line(name: str, one: Mapping[str, Any]) -> str:
    bounds = f"{100 * one['effect']:+.1f} [{100 * one['low']:+.1f}, {100 * one['high']:+.1f}]"
    return f"| {inline(name)} | {one['items']:,} | {bounds} | {one['p']:.2g} | {inline(one['shown'])} |"
