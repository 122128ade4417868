"""Write docs/proof.md, the results of the proof as text and plots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from storage.atomic import write_text
from storage.counting import counted
from storage.markdown import code, inline
from tasks.proof import plots
from tasks.proof.base import BaseFacts
from tasks.proof.claims import QUESTIONS, Claim, by_subdomain, claims, p_value, points, shares
from tasks.proof.rows import FAMILIES
from tasks.proof.seed import SeedResults
from tasks.proof.sizes import Sizes

_FORMATS = ("CoT", "PoT", "CoT+PoT, words", "CoT+PoT, program")


@dataclass(frozen=True, slots=True)
class RunInfo:
    """How the proof was run."""

    command: str
    commit: str
    date: str
    machine: str
    load: float  # of the machine at the end, its own processes included


@dataclass(frozen=True, slots=True)
class ProofPage:
    """The page that was written, and its claims."""

    page: Path
    claims: list[Claim]


def write(
    records: Sequence[SeedResults], base: BaseFacts, sizes: Sizes, run_info: RunInfo, page: Path
) -> ProofPage:
    """Write the page, with its plots beside it (NAME-deltas.svg, NAME-formats.svg)."""
    answered = claims(records)
    each = by_subdomain(records, [question for question in QUESTIONS[:3] if question.baseline == "CoT"])
    page.parent.mkdir(parents=True, exist_ok=True)
    drawn = {name: page.with_name(f"{page.stem}-{name}.svg") for name in ("deltas", "formats")}
    plots.deltas(answered, drawn["deltas"])
    plots.formats(
        {arm: dict(zip(FAMILIES, shares(records, arm).T.tolist(), strict=True)) for arm in _FORMATS},
        drawn["formats"],
    )
    parts = [
        _head(records, base, sizes, run_info),
        _shown(answered),
        _deltas(answered, drawn["deltas"].name),
        _subdomains(records, each, drawn["formats"].name),
        _arms(records),
        _versions(records[0]),
        _facts(records),
    ]
    write_text(page, "\n".join(parts))
    return ProofPage(page, answered)


def _head(records: Sequence[SeedResults], base: BaseFacts, sizes: Sizes, run_info: RunInfo) -> str:
    items = sizes.items * len(FAMILIES)
    each = [sum(record.seconds.values()) for record in records]
    return f"""# The proof

Written by {code(run_info.command)} on {run_info.date} at commit {code(run_info.commit)}; do not edit.
{inline(run_info.machine)}, load {run_info.load:.1f} at the end; by the clock {counted(round(base.seconds / 60), "minute")} for the base and
{min(each) / 60:.0f} to {max(each) / 60:.0f} for a seed. A load above the number of processes means that the machine was shared.

Does what the factory does to data make a better model? Here the model is the small student
({counted(base.parameters, "parameter")}). One base checkpoint ({counted(sizes.base["steps"], "step")} of {counted(sizes.base["batch"], "block")} of {counted(sizes.base["length"], "token")}) is trained on {counted(sizes.rows, "row")} of eight problem families,
four of them rare, {counted(sizes.tuning["steps"], "step")} of {counted(sizes.tuning["batch"], "block")} per arm, and scored by exact answer on {counted(items, "held-out item")}, as many of each family.
{counted(len(records), "seed")}: each draws its own rows and its own order. Two arms of a seed differ only in what is compared. Every arm is
trained by `tasks/training` on published versions and answers through `tasks/evaluation`, as the flows `train` and `evaluate` do.

How to read it: differences are paired by seed and item; an interval covers both what seeds and what items vary
(95 %, not corrected); `p` is Holm's for all {counted(len(QUESTIONS), "question")} together. *Not shown* means that the difference may
be nothing: no claim is made, whatever its sign. A model of this size on problems of this size says what the loop can
tell, not what a large model would gain; published figures stand beside for orientation.
"""


def _shown(answered: Sequence[Claim]) -> str:
    shown = [claim for claim in answered if claim.shown]
    lines = ["## What is shown", ""]
    lines += [f"- {claim.sentence}" for claim in shown]
    if not shown:
        lines.append("Nothing: no difference is significant.")
    lines += ["", f"Not shown: {len(answered) - len(shown)} of {len(answered)}; all are in the table.", ""]
    return "\n".join(lines)


def _deltas(answered: Sequence[Claim], plot: str) -> str:
    lines = [
        "## All questions",
        "",
        f"![Differences with their intervals]({plot})",
        "",
        "| | question | candidate | baseline | difference, points | 95 % interval | p (Holm) | verdict | items needed | published |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for claim in answered:
        one = claim.paired
        needed = f"{one.needed:,}" if one.needed else "-"
        lines.append(
            f"| {claim.question.experiment} | {claim.question.name} | {_percent(one.candidate)} | {_percent(one.baseline)} "
            f"| {points(one.delta)} | {points(one.low)} to {points(one.high)} | {p_value(claim.p)} | {claim.verdict} "
            f"| {needed} | {claim.question.published} |"
        )
    lines += [
        "",
        "Items needed: for this difference to be seen at the 5 % level with a power of 0.8, uncorrected.",
        "",
    ]
    return "\n".join(lines)


def _subdomains(records: Sequence[SeedResults], each: dict[str, list[Claim]], plot: str) -> str:
    lines = [
        "## Words or programs, by subdomain",
        "",
        f"![Words and programs by subdomain]({plot})",
        "",
        f"| subdomain | {' | '.join(_FORMATS)} | wins |",
        f"|---|{'---|' * len(_FORMATS)}---|",
    ]
    means = {arm: shares(records, arm).mean(axis=0) for arm in _FORMATS}
    for number, subdomain in enumerate(FAMILIES):
        against = next(claim for claim in each[subdomain] if claim.question.candidate == "PoT")
        wins = "not shown" if not against.shown else "PoT" if against.paired.delta > 0 else "CoT"
        cells = " | ".join(_percent(float(means[arm][number])) for arm in _FORMATS)
        lines.append(f"| {subdomain} | {cells} | {wins} |")
    lines += [
        "",
        "*Wins* compares CoT with PoT by the same test, Holm-corrected over the subdomains. Programs run in the sandbox; "
        "`CoT+PoT, program` answers in words where its program gives nothing.",
        "",
    ]
    return "\n".join(lines)


def _arms(records: Sequence[SeedResults]) -> str:
    lines = ["## All arms", "", "| arm | right | " + " | ".join(f"seed {r.seed}" for r in records) + " |"]
    lines.append("|---|---|" + "---|" * len(records))
    for arm in records[0].scores:
        each = [float(np.mean(record.scores[arm])) for record in records]
        lines.append(f"| {arm} | {_percent(float(np.mean(each)))} | {' | '.join(map(_percent, each))} |")
    return "\n".join([*lines, ""])


def _versions(record: SeedResults) -> str:
    lines = [
        f"## Versions of seed {record.seed}",
        "",
        f"The data of each training, in the store `seed-{record.seed}` beside the records of this run. `./mathmill train` trains on any "
        "of them again, with `MATHMILL_STORE` set to the path of the store.",
        "",
        "| arm | version | digest |",
        "|---|---|---|",
    ]
    for arm, versions in record.versions.items():
        names, digests = ", ".join(versions), ", ".join(digest[:12] for digest in versions.values())
        lines.append(f"| {arm} | {names} | {digests} |")
    return "\n".join([*lines, ""])


def _facts(records: Sequence[SeedResults]) -> str:
    lines = ["## Counts", "", "| | " + " | ".join(f"seed {r.seed}" for r in records) + " |"]
    lines.append("|---|" + "---|" * len(records))
    for name in records[0].facts:
        cells = (
            f"{record.facts[name]:,.3g}" if record.facts[name] < 100 else f"{record.facts[name]:,.0f}"
            for record in records
        )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    for name in records[0].seconds:
        lines.append(f"| seconds of {name} | {' | '.join(f'{r.seconds[name]:.0f}' for r in records)} |")
    return "\n".join([*lines, ""])


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
