"""Render the record of an evaluation as text: what was asked and how, scores, differences and regressions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from storage.counting import counted, was
from storage.markdown import inline
from tasks.evaluation import tails

TITLES = {"capability": "Capability", "domain": "Domain", "benchmark": "Benchmark", "subdomain": "Subdomain"}
LEGEND = (
    "failed: items that could not be asked, which no score counts. no answer: items with a reply that holds none; "
    "unknown: items with an answer that cannot be compared with the trusted one. Neither is right, and neither is known "
    "to be wrong."
)
MANY = 40  # rows of a table that are shown; the record has all


def to_markdown(record: Mapping[str, Any], plots: Mapping[str, str] | None = None) -> str:
    """Return the report of an evaluation's record (flows/runner/evaluation.py).

    `plots` are the addresses of the images "differences" and "radar"; by default files beside the report.
    """
    plots = plots or {"differences": "differences.svg", "radar": "radar.svg"}
    model, baseline = record["model"], record["baseline"]
    lines = [f"# {inline(record['name'])}", "", _summary(record), ""]
    if baseline:
        whole = next(one for one in record["deltas"] if one["group"] == "all")
        lines += [f"**{verdict_line(whole, inline(model), inline(baseline))}**", ""]
        worse = [
            one["name"] for one in record["deltas"] if one["shown"] == "worse" and one["group"] == "benchmark"
        ]
        lines += [
            f"Regressions: {inline(', '.join(worse)) or 'none shown'}.",
            "",
            f"![differences]({plots['differences']})",
        ]
    lines += [f"![domains]({plots['radar']})", ""]
    for group, title in TITLES.items():
        lines += _table(record, group, title)
    for name, shown in record.get("seen", {}).items():
        lines += [f"## Ends that {inline(name)} completes", *tails.to_markdown(shown), ""]
    lines.append(LEGEND)
    return "\n".join(lines) + "\n"


def verdict_line(one: Mapping[str, Any], model: str, baseline: str) -> str:
    """Return the difference in one sentence. If it is not shown, the sentence states how many items would show it."""
    text = (
        f"{model} {points(one['candidate'])}, {baseline} {points(one['baseline'])}: {signed(one['delta'])} points "
        f"[{signed(one['low'])}, {signed(one['high'])}], p = {one['p']:.2g} ({one['test']}, {counted(one['items'], 'item')})"
    )
    if one["shown"] == "not shown" and one["needed"]:
        text += f"; not shown: a difference of this size needs about {counted(one['needed'], 'item')}"
    return text


def rows_of(record: Mapping[str, Any], group: str) -> tuple[list[str], list[list[str]]]:
    """Return the headings and cells of the table of a group, for Markdown and the terminal."""
    model, baseline = record["model"], record["baseline"]
    scores = [one for one in record["scores"][model] if one["group"] == group]
    several = any(one["samples"] > 1 for one in scores)
    # a record that was read from its file has texts for keys
    pass_at = [{int(k): share for k, share in one.get("pass_at", {}).items()} for one in scores]
    ks = sorted({k for one in pass_at for k in one if k > 1})
    headings = [
        "items",
        "pass@1 [95 %]",
        *(f"pass@{k}" for k in ks),
        *(["maj@k"] if several else []),
        "failed",
        "no answer",
        "unknown",
    ]
    cells = [
        [
            one["name"],
            f"{one['items']:,}",
            f"{points(one['score'])} [{points(one['low'])}, {points(one['high'])}]",
            *(points(shares.get(k)) for k in ks),
            *([points(one["majority"])] if several else []),
            f"{one['failed']:,}",
            f"{one['unanswered']:,}",
            f"{one['unknown']:,}",
        ]
        for one, shares in zip(scores, pass_at, strict=True)
    ]
    if baseline:
        headings += ["baseline", "delta [95 %]", "p (Holm)", "items needed", ""]
        deltas = {one["name"]: one for one in record["deltas"] if one["group"] == group}
        for row in cells:
            one = deltas.get(row[0])
            row += _comparison_cells(one) if one else [""] * 5
    return headings, cells


def points(share: float | None) -> str:
    """Return a share in points, or "-" if it is missing or not a number."""
    return "-" if share is None or share != share else f"{100 * share:.1f}"


def signed(share: float) -> str:
    """Return a difference in points, with its sign."""
    return f"{100 * share:+.1f}"


def _comparison_cells(one: Mapping[str, Any]) -> list[str]:
    labels = {"better": "better", "worse": "REGRESSION", "not shown": ""}
    delta = f"{signed(one['delta'])} [{signed(one['low'])}, {signed(one['high'])}]"
    needed = f"{one['needed']:,}" if one["needed"] else "-"
    return [
        points(one["baseline"]),
        delta,
        f"{one['corrected']:.2g}",
        needed,
        labels[one["shown"]],
    ]


def _table(record: Mapping[str, Any], group: str, title: str) -> list[str]:
    headings, cells = rows_of(record, group)
    if not cells or (group == "subdomain" and len(cells) == 1):
        return []
    lines = [_line([title, *headings]), "|---|" + "---:|" * len(headings)]
    lines += [_line(row) for row in cells[:MANY]]
    if len(cells) > MANY:
        lines.append(_line([f"and {len(cells) - MANY:,} more", *[""] * len(headings)]))
    return [*lines, ""]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(inline(cell) for cell in cells) + " |"


def _summary(record: Mapping[str, Any]) -> str:
    config = record["config"]
    how = "; ".join(
        f"{inline(model)} ({inline(record['identity'][model].removesuffix('@'))}): "
        + ", ".join(f"{inline(form)} by {inline(ref)}" for form, ref in prompts_by_form.items())
        for model, prompts_by_form in record["asked"].items()
    )
    text = f"{record['created']}, {counted(config['samples'], 'sample')} of each item. Asked: {how or 'lm-evaluation-harness only'}."
    if record["unusable"]:
        text += f" {counted(record['unusable'], 'record')} of the files cannot be judged, and {was(record['unusable'])} left out."
    return text
