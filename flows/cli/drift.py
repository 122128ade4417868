"""`mathmill drift`: what the tests over the nights of a dataset show, and the acceptance of a change."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli import terminal
from flows.cli.options import AsJson
from storage.counting import counted

if TYPE_CHECKING:
    from tasks.drift.history import Watched

ALARM = 1  # exit code while a change is not accepted


def drift(
    dataset: Annotated[str, typer.Argument(metavar="NAME", help="A dataset, such as math-sft.")],
    accept: Annotated[
        bool,
        typer.Option(
            "--accept",
            help="Accept that the models have changed: the newest night begins a new reference, and publishing goes on.",
        ),
    ] = False,
    chance: Annotated[
        float, typer.Option(min=0, max=1, help="Chance of a false alarm in 1,000 nights, as in gates.drift.")
    ] = 0.01,
    json: AsJson = False,
) -> None:
    """Show whether the models behind a dataset's nights have changed. Exit code 1 while a change is not accepted.

    After an alarm a night publishes nothing. Look at the model behind the role first; if its change is intended, accept it and
    run the night again, which costs nothing.
    """
    from flows.config.loading import ConfigError
    from flows.settings import load_settings
    from tasks.drift.history import NightHistory

    if not 0 < chance < 1:
        raise ConfigError(f"--chance {chance}: must be between 0 and 1. Fix: give one such as 0.01")
    nights = NightHistory(load_settings().home.absolute(), dataset)
    states = nights.watch(chance)
    if not states:
        raise ConfigError(f"{dataset} has no measured night. Fix: check the name, or run a night first")
    changed = [state for state in states if state.alarm]
    if accept:
        newest = nights.accept()
        states = nights.watch(chance)
    if json:
        terminal.print_json({"accepted": nights.accepted(), "states": [asdict(state) for state in states]})
    else:
        _show(states)
        if accept and newest is not None:
            terminal.echo(
                f"Accepted: {counted(len(changed), 'change')}. The night of {newest.at[:10]} begins a new reference; run the "
                "same nightly command again to publish it"
            )
        elif changed:
            terminal.echo(
                f"Fix: look at the model behind the role; if the change is intended, ./mathmill drift {dataset} --accept"
            )
    if changed and not accept:
        raise typer.Exit(ALARM)


def _show(states: list[Watched]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from tasks.drift.measures import MEASURES

    table = Table("measure", "role", "model", "newest night", "earlier nights", "nights", "evidence")
    for state in states:
        table.add_row(
            MEASURES[state.measure].title,
            state.role,
            escape(state.model),
            f"{state.value:.3f}",
            "none" if state.before is None else f"{state.before:.3f}",
            f"{state.nights:,}",
            f"{state.evidence:.2f}" + (" changed" if state.alarm else ""),
        )
    terminal.console().print(table)
