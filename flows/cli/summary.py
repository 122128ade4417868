"""The summary of a night or a rebuild: what was published, what it cost, what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
from rich.markup import escape

from flows.cli import terminal
from flows.cli.rendering import dropped_in, funnel_table, print_dropped
from flows.runner.artifacts import report_path
from flows.runner.rebuild_summary import OF_BASE, base_in_words, target_in_words
from flows.settings import load_settings
from storage.counting import counted, was
from storage.datasets.store import Store
from storage.datasets.versions import Version
from tasks.decontamination.certificate import Certificate
from tasks.reports.figures import Dropped
from tasks.reports.funnel import lines_of
from tasks.stages.calibrate import shortfall
from tasks.stages.select import STAGE as SELECT

ENDED = {
    "target": "the target",
    "waves": "generate.waves",
    "material": "the last row, passage or problem that its methods could use",
    "usd": "--budget-usd",
    "tokens": "--budget-tokens",
    "deadline": "--deadline",
    "files": "batch files that wait for answers",
    "offline": "--offline",
}
TEXT_FLOWS = ("documents", "corpus")  # whose versions have rows of kind `text` only


def print_published(name: str, *, json: bool) -> None:
    """Print a published version at the terminal, as JSON if that was asked for."""
    if json:
        terminal.echo_json(as_json(name))
    else:
        print_summary(name)


def print_summary(name: str) -> None:
    """Print the summary of a published version at the terminal."""
    version, report, dropped = _find(name)
    console = terminal.console()
    console.print()
    of_base = version.lineage.get(OF_BASE)
    console.print(funnel_table(lines_of(version.lineage)))
    print_dropped(console, dropped)
    costs = version.lineage["costs"]
    # a rebuild has no target, and pays for judgements only
    service, ended = version.lineage.get("service", costs), version.lineage.get("ended")
    completions = sum(cost["completions"] for cost in costs)
    cached = sum(cost["cached"] for cost in costs)
    tokens = sum(line["prompt_tokens"] + line["completion_tokens"] for line in service)
    used = sum(cost["prompt_tokens"] + cost["completion_tokens"] for cost in costs)
    estimated = sum(line["estimated"] for line in service)
    estimated_note = f" ({counted(estimated, 'call')} estimated)" if estimated else ""
    console.print()
    console.print(
        f"Published  [bold green]{version}[/]: {counted(version.rows, 'row')}, {version.added:,} of them "
        f"{'in no earlier version' if of_base else 'new'}"
    )
    console.print(
        f"Cost       ${sum(line['usd'] for line in service):,.2f}, {counted(tokens, 'token')} paid in this run"
        f"{estimated_note}; "
        f"used by this version: {counted(completions, 'completion')}, {cached:,} of them from the ledger, {counted(used, 'token')}",
        soft_wrap=True,
    )
    if of_base:
        console.print(
            f"Base       {escape(base_in_words(str(version.lineage['base']), of_base))}", soft_wrap=True
        )
        target = version.lineage["parameters"]["rebuild"]["target"]
        console.print(f"Target     {escape(target_in_words(target, of_base))}", soft_wrap=True)
    if ended:
        console.print(
            f"Ended by   {ENDED[ended['by']]}: {version.added:,} of {counted(ended['target'], 'row')} requested"
            f"{_why_fewer(version, ended)}",
            soft_wrap=True,
        )
    refused = sum(line["rejected"] for line in version.lineage["funnel"] if line["stage"] == "ingest")
    if refused:
        console.print(
            f"Seeds      {refused:,} refused, with line and reason: "
            "./mathmill sql \"SELECT source, rejected FROM rejected WHERE stage = 'ingest'\"",
            soft_wrap=True,
        )
    if missing := shortfall(version.lineage.get("calibration") or {}):
        console.print(f"Votes      {escape(missing)}", soft_wrap=True)
    console.print(f"Benchmarks {_benchmarks(version)}", soft_wrap=True)
    console.print(f"Report     [link={Path(report).as_uri()}]{escape(report)}[/link]", soft_wrap=True)
    console.print()
    console.print("Next")
    for name, command in _next_steps(version):
        console.print(f"  {name:10}{command}", soft_wrap=True)


def _next_steps(version: Version) -> list[tuple[str, str]]:
    """Return (what for, command) of what can be done with a version now. Texts are trained on by `cpt` only."""
    look = ("look", f"./mathmill show {version}")
    if version.lineage.get("flow") in TEXT_FLOWS:
        return [
            look,
            ("use", f"./mathmill make textbook_qa {version} --dataset {version.dataset}-qa"),
            ("train", f"./mathmill train {version} --method cpt"),
        ]
    query = f"./mathmill sql 'SELECT subdomain, count(*) FROM \"{version.dataset}\" GROUP BY ALL'"
    export = f"./mathmill export {version} DIR --format messages"
    return [look, ("query", query), ("train", export), ("schedule", "./mathmill up")]


def _benchmarks(version: Version) -> str:
    """Return a line about the decontamination of a version."""
    stored = version.lineage.get("decontamination")
    if stored is None:
        return "not checked: the version that this one is made from has no certificate"
    certificate = Certificate.from_dict(stored)
    if not certificate.sets:
        return "none is registered, so rows were not compared with any: --set decontaminate.benchmarks='[FILE_OR_FOLDER]'"
    items = sum(count for _, _, count in certificate.sets)
    unread = sum(count for _, count, _ in certificate.unread)
    return (
        f"{counted(items, 'item')} of {counted(len(certificate.sets), 'set')}: {sum(certificate.hits.values()):,} of {counted(certificate.rows, 'row')} rejected"
        + (
            f"; {counted(unread, 'record')} could not be read and {was(unread)} not compared, see the report"
            if unread
            else ""
        )
    )


def as_json(name: str) -> str:
    """Return the summary of a published version as JSON."""
    return orjson.dumps(record_of(name), option=orjson.OPT_INDENT_2).decode()


def record_of(name: str) -> dict[str, Any]:
    """Return the summary of a published version in JSON values."""
    version, report, dropped = _find(name)
    return {
        "version": str(version),
        "rows": version.rows,
        "added": version.added,
        "digest": version.digest,
        "report": str(report),
        "reasons": [asdict(reason) for reason in dropped],
        "lineage": version.lineage,
    }


def _why_fewer(version: Version, ended: Mapping[str, Any]) -> str:
    """Return why a run published fewer rows than its target: what selection took out, what the mixture left of enough rows. "" if it
    published enough, or if what ended the run says why."""
    if version.added >= ended["target"]:
        return ""
    funnel = version.lineage["funnel"]
    if ended["accepted"] < ended["target"]:
        out = sum(line["rejected"] for line in funnel if line["stage"] == SELECT)
        return f"; selection took out {counted(out, 'accepted row')}" if out else ""
    mixed = [line["kept"] for line in funnel if line["stage"] == "mix"]
    if mixed and mixed[-1] < ended["target"]:
        return f"; the shares of the mix left {mixed[-1]:,} of {ended['accepted']:,} accepted"
    return "; another run published the rest in the meantime"


def _find(name: str) -> tuple[Version, str, list[Dropped]]:
    """Return the version, the path of its report, and why its run dropped rows."""
    settings = load_settings()
    store = Store(settings.tables)
    version = store.resolve(name)
    return version, str(report_path(settings.home.absolute(), name)), dropped_in(store, version)
