"""The summary of a run of `rft`: its data sets, samples, paths and pairs, and what to train on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from rich.table import Table

from flows.cli import terminal
from flows.cli.rendering import funnel_table
from flows.cli.summary import record_of
from flows.settings import load_settings
from storage.counting import counted
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.reasons import Code
from tasks.rft.allocation import SampleSettings, Solved
from tasks.rft.summary import COUNTS, FAIL_RATE

TRAIN = {
    "rft": "./mathmill train {} --method sft",
    "dpo": "./mathmill train {} --method dpo --base MODEL",
    "steps": "./mathmill export {} DIR --format stepwise-supervision",
    "prompts": "./mathmill train {} --method grpo --base MODEL",
}


def print_sampled(names: Sequence[str], *, json: bool) -> None:
    """Print the published versions at the terminal, the one of NAME-rft last; as JSON if that was asked for."""
    if json:
        records = {name: record_of(name) for name in names}
        terminal.echo_json(orjson.dumps(records, option=orjson.OPT_INDENT_2).decode())
        return
    store = Store(load_settings().tables)
    versions = {name.partition("@")[0].rpartition("-")[2]: store.resolve(name) for name in names}
    lineage = versions["rft"].lineage
    console = terminal.console()
    console.print()
    console.print(funnel_table(lineage["funnel"]))
    console.print()
    console.print(_table(lineage["paths"]))
    counts = lineage["samples"]
    console.print(
        f"\nSamples    {counts['sampled']:,} in {counted(lineage['rounds'], 'round')}: {counts['right']:,} right, {counts['wrong']:,} wrong, "
        f"{counts['unknown or failed']:,} unknown or failed",
        soft_wrap=True,
    )
    if "questions" in lineage:
        for text in _questions(lineage):
            console.print(text, soft_wrap=True)
    paid = lineage["service"]
    tokens = sum(line["prompt_tokens"] + line["completion_tokens"] for line in paid)
    console.print(
        f"Cost       ${sum(line['usd'] for line in paid):,.2f}, {counted(tokens, 'token')} paid in this run"
    )
    for version in versions.values():
        console.print(
            f"Published  [bold green]{version}[/]: {counted(version.rows, 'row')}{_about(version)}",
            soft_wrap=True,
        )
        if "chosen" in version.lineage:
            console.print(f"           {_chosen(version.lineage['chosen'])}", soft_wrap=True, markup=False)
    console.print("\nNext")
    for kind, version in versions.items():
        console.print(f"  {kind:10}{TRAIN[kind].format(version)}", soft_wrap=True)


def _questions(lineage: Mapping[str, Any]) -> list[str]:
    """Return how many questions are solved, and what those cost that are not."""
    questions = lineage["questions"]
    parts = ", ".join(f"{one['questions']:,} {name}" for name, one in questions.items())
    lines = [f"Questions  {sum(one['questions'] for one in questions.values()):,}: {parts}"]
    unsolved, samples = questions[Solved.NEVER], lineage["samples"]["sampled"]
    if unsolved["questions"]:
        tries = SampleSettings.model_validate(lineage["parameters"]["sample"]).tries
        lines.append(
            f"Unsolved   {counted(unsolved['questions'], 'question')} had no right sample (at most {tries:,} each), which took {unsolved['samples']:,} "
            f"of {counted(samples, 'sample')}: too hard for the samplers, or a wrong known answer; a lower sample.unsolved_after gives up earlier"
        )
    return lines


_IN_SHORT = {Code.WORSE_SIDE.value: "the worse side of a pair"}  # its text names the pair


def _chosen(chosen: Mapping[str, Any]) -> str:
    """Return what a data set was chosen from, and why the rest was left out."""
    left = "; ".join(
        f"{one['rows']:,} {_IN_SHORT.get(one['code'], one['reason'])}" for one in chosen["left_out"]
    )
    return f"{chosen['kept']:,} of {counted(chosen['of'], 'candidate')}" + (
        f", left out: {left}" if left else ""
    )


def _about(version: Version) -> str:
    pairs = version.lineage.get("pairs")
    if not pairs:
        return ""
    return f"; chosen {pairs['mean ratio']:.2f} times as long as rejected on average"


def _table(lines: Sequence[dict[str, object]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in COUNTS:
        table.add_column(name, justify="left" if name == FAIL_RATE else "right")
    for line in lines:
        cells = (line[name] for name in COUNTS)
        table.add_row(*(cell if isinstance(cell, str) else f"{cell:,}" for cell in cells))
    return table
