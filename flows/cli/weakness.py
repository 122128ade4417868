"""The command `weakness`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli import terminal
from flows.cli.nightly import LIMITS, STOPPED
from flows.cli.options import AsJson, Shortcut, configured_by
from flows.cli.prefect_run import orchestrated
from flows.cli.terminal import print_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flows.config.weakness import Weakness

State = Annotated[
    bool,
    typer.Option("--state", help="Show what verdicts on earlier arms say, and the next quotas; run nothing."),
]


@configured_by(
    "flows.config.weakness.Weakness",
    Shortcut("model", argument=True, metavar="MODEL"),
    Shortcut("probe"),
    Shortcut("pool"),
    Shortcut("dataset"),
    Shortcut("arms", "arm"),
    Shortcut("rows"),
    Shortcut("quotas"),
    Shortcut("dry_run"),
    *LIMITS,
)
def weakness(config: Weakness, state: State = False, json: AsJson = False) -> None:
    """Find what a student fails at, and publish a version per arm that is made for it.

    The probe is divided: one part drives, the other measures and is kept out of every arm. The same command continues a run that was
    interrupted. Exit code 3 if a limit stopped it:
    ./mathmill weakness hf:checkpoints/student --probe probe.jsonl --rows 500
    """
    from flows.settings import load_settings
    from storage.datasets.store import Store

    settings = load_settings()
    store = Store(settings.tables)
    if state:
        from flows.runner.weakness_state import WeaknessState

        show_state(config, WeaknessState.of(config, store), json=json)
        return
    from flows.runner.limits import Stopped
    from flows.runner.run_notes import notes_kept
    from flows.runner.weakness_search import FOLDER, check
    from flows.weakness import weakness as flow

    check(config, store)  # the flow checks again; here an error shows before Prefect is started
    with notes_kept():
        try:
            with orchestrated(config.dataset) as run:
                record = run(flow, config)
        except Stopped as stopped:
            terminal.echo(f"Stopped    {stopped.why}; the same command continues here")
            raise typer.Exit(STOPPED) from None
    if json:
        print_json(record)
        return
    print_record(record)
    if not config.dry_run:
        terminal.echo(f"Report  {settings.home / FOLDER / record['run'] / 'report.md'}")


def print_record(record: Mapping[str, Any]) -> None:
    """Print the clusters, the neighbours, the arms and the costs of a run."""
    from tasks.weakness.report import (
        allocator_in_words,
        arm_cells,
        cluster_cells,
        cost_cells,
        costs_in_words,
        neighbours_in_words,
        next_step,
        summary,
    )

    terminal.echo(f"{summary(record)}\n")
    print_cells(cluster_cells(record))
    terminal.echo(f"\n{neighbours_in_words(record)}")
    if state := record.get("allocator"):
        terminal.echo(f"\n{allocator_in_words(record)}\n")
        print_cells(state["pairs"])
    if record.get("arms"):
        terminal.echo("")
        print_cells(arm_cells(record))
    terminal.echo("")
    print_cells(cost_cells(record))
    terminal.echo(f"\n{costs_in_words(record)}")
    if record.get("arms"):
        terminal.echo(f"\n{next_step(record)}")


def print_cells(cells: Sequence[Mapping[str, str]]) -> None:
    """Print a table; its columns are those of the first row."""
    if not cells:
        terminal.echo("none")
        return
    from rich.markup import escape
    from rich.table import Table

    console = terminal.console()
    if not console.is_terminal:
        console.width = 160
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in cells[0]:
        table.add_column(name, overflow="fold")
    for row in cells:
        table.add_row(*(escape(text) for text in row.values()))
    console.print(table)


def show_state(config: Weakness, state: Any, *, json: bool) -> None:
    """Print the allocator's state: per cluster and arm what was gained per dollar, which clusters are dropped, and the next shares."""
    from flows.config.weakness import RANDOM
    from tasks.weakness.allocation import allocate
    from tasks.weakness.report import activity_cells, pair_cells

    headrooms = dict(sorted(_headrooms(state).items()))
    arms = [arm for arm in config.arms if arm not in RANDOM]
    budget = len(arms) * config.rows * config.row_usd + state.paid()
    allocation = allocate(headrooms, arms, state.gains, budget=budget, seed=config.seed)
    if json:
        print_json(
            {
                "nights": state.nights,
                "without_verdict": state.open,
                "gains": [one.to_dict() for one in state.gains],
                "dropped": [one.cluster for one in allocation.clusters if one.dropped],
                "shares": [
                    {"cluster": cluster, "arm": arm, "share": share}
                    for (cluster, arm), share in sorted(allocation.shares.items())
                ],
            }
        )
        return
    terminal.echo(
        f"{len(state.nights)} runs, {len(state.gains)} measured gains; versions without a verdict: {', '.join(state.open) or 'none'}\n"
    )
    print_cells(pair_cells(allocation))
    terminal.echo("")
    print_cells(activity_cells(allocation))


def _headrooms(state: Any) -> dict[str, float]:
    """Return cluster -> share of its items that failed when it was last measured; 0.5 where no verdict measured it."""
    headrooms = {one.name: 0.5 for one in state.clusters}
    for gain in sorted(state.gains, key=lambda one: one.night):
        headrooms[gain.cluster] = gain.headroom
    return headrooms
