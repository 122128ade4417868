"""`mathmill nightly`, and `mathmill plan nightly`, which takes the same options and asks no model."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.orchestrated import orchestrated
from flows.surroundings import arrange

if TYPE_CHECKING:
    from flows.config import Nightly
    from flows.terms import Stopped

STOPPED = 3  # exit code of a run that a limit ended before it could publish

Target = Annotated[int | None, typer.Option(help="Accepted rows wanted.")]
MinShare = Annotated[
    list[str] | None,
    typer.Option(metavar="DOMAIN=SHARE", help="Least share of a domain, such as algebra=0.2; repeatable."),
]
Seeds = Annotated[list[Path] | None, typer.Option(help="A file of seed problems; may be repeated.")]
BudgetUsd = Annotated[float | None, typer.Option(help="Most that the run may pay, in USD.")]
BudgetTokens = Annotated[int | None, typer.Option(help="Most tokens, prompt and completion together.")]
Deadline = Annotated[
    str | None, typer.Option(help="When no more calls are sent: 06:30, 90m, 1h30m, 2026-11-22T06:00.")
]
Offline = Annotated[bool, typer.Option("--offline", help="Ask no model: answers come from the ledger only.")]
Batch = Annotated[bool, typer.Option("--batch", help="Through the Batch API, at half the price.")]
ConfigFile = Annotated[Path | None, typer.Option(help="A YAML file of settings.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="One setting, such as solve.samples=8; may be repeated."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")]

plan = typer.Typer(no_args_is_help=True, help="What a run will take, before it is run.")


@plan.callback()
def _plan() -> None:
    """Keeps `nightly` a word of its own while it is the only command."""


def nightly(
    target: Target = None,
    min_share: MinShare = None,
    seeds: Seeds = None,
    budget_usd: BudgetUsd = None,
    budget_tokens: BudgetTokens = None,
    deadline: Deadline = None,
    offline: Offline = False,
    batch: Batch = False,
    config: ConfigFile = None,
    set_: Sets = None,
    show_config: Annotated[
        bool, typer.Option(help="Print the configuration that would be used, and stop.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Run one night: from seed tasks to a published dataset version.

    Exit code 3 where a limit ended it before it could publish: the same command goes on from there.
    """
    from flows.config import as_yaml

    night = _configured(
        target, min_share, seeds, budget_usd, budget_tokens, deadline, offline, batch, config, set_
    )
    if show_config:
        typer.echo(as_yaml(night), nl=False)
        return
    from flows.terms import Stopped
    from tasks.ingest import check

    check(
        [Path(path) for path in night.seeds.files]
    )  # the flow looks again; here it costs nothing to be told
    try:
        with orchestrated(night.dataset) as run:
            from flows.nightly import nightly as flow

            name = run(flow, night)
    except Stopped as stopped:
        _print_stopped(stopped, json=json)
        raise typer.Exit(STOPPED) from None
    from flows.summary import as_json, print_summary

    if json:
        typer.echo(as_json(name))
    else:
        print_summary(name)


@plan.command("nightly")
def plan_nightly(
    target: Target = None,
    min_share: MinShare = None,
    seeds: Seeds = None,
    budget_usd: BudgetUsd = None,
    budget_tokens: BudgetTokens = None,
    deadline: Deadline = None,
    offline: Offline = False,
    batch: Batch = False,
    config: ConfigFile = None,
    set_: Sets = None,
    json: AsJson = False,
) -> None:
    """Forecast a night's calls, tokens, price (online and batch), duration and accepted rows, with ranges."""
    night = _configured(
        target, min_share, seeds, budget_usd, budget_tokens, deadline, offline, batch, config, set_
    )
    import orjson

    from flows.forecast import forecast
    from flows.settings import load_settings
    from flows.showing import print_forecast
    from flows.tools import opened

    with opened(load_settings()) as tools:
        found = forecast(night, tools)
    if json:
        typer.echo(orjson.dumps(found.record(), option=orjson.OPT_INDENT_2).decode())
    else:
        print_forecast(found, night)


def _configured(
    target: int | None,
    min_share: list[str] | None,
    seeds: list[Path] | None,
    budget_usd: float | None,
    budget_tokens: int | None,
    deadline: str | None,
    offline: bool,
    batch: bool,
    config: Path | None,
    sets: list[str] | None,
) -> Nightly:
    from flows.settings import load_settings

    arrange(load_settings().home, quiet=True)
    from flows.config import ConfigError, load_config

    if offline and batch:
        raise ConfigError("--offline asks nobody and --batch the Batch API. Mend it: give one of them")
    return load_config(
        config,
        sets or [],
        target=target,
        seeds__files=[str(path) for path in seeds or []],
        mix__at_least=dict(_share(item) for item in min_share or []) or None,
        budget__usd=budget_usd,
        budget__tokens=budget_tokens,
        budget__deadline=deadline,
        answers="offline" if offline else "batch" if batch else None,
    )


def _share(item: str) -> tuple[str, float]:
    from flows.config import ConfigError

    domain, _, share = item.partition("=")
    try:
        return domain.strip(), float(share)
    except ValueError:
        raise ConfigError(f"--min-share {item}: must be DOMAIN=SHARE, such as algebra=0.2") from None


def _print_stopped(stopped: Stopped, *, json: bool) -> None:
    again = f"./mathmill {shlex.join(sys.argv[1:])}"
    if json:
        import orjson

        record: dict[str, Any] = {
            "stopped": stopped.by,
            "why": stopped.why,
            "usd": stopped.usd,
            "tokens": stopped.tokens,
            "estimated": stopped.estimated,
            "accepted": stopped.accepted,
            "target": stopped.target,
            "again": again,
        }
        typer.echo(orjson.dumps(record, option=orjson.OPT_INDENT_2).decode())
        return
    guess = f" ({stopped.estimated:,} calls estimated)" if stopped.estimated else ""
    typer.echo(f"Stopped    {stopped.why.removeprefix('stopped ')}")
    typer.echo(
        f"Paid       ${stopped.usd:,.4f}, {stopped.tokens:,} tokens{guess}; every answer is in the ledger"
    )
    typer.echo(f"Accepted   {stopped.accepted:,} of {stopped.target:,} rows so far; nothing was published")
    typer.echo(f"Go on      {again}")
