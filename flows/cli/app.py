"""The command line: the Typer app, its commands and the console script.

Heavy libraries are imported by the command that needs them, so that `--help` is quick.
"""

from __future__ import annotations

import atexit
import difflib
import logging
import os
import re
import sys
from importlib import metadata
from typing import Annotated

import typer
from typer._click.exceptions import ClickException, NoArgsIsHelpError

from flows.cli import datasets as data_commands
from flows.cli import terminal
from flows.cli import versions as version_commands
from flows.cli.attribution import attribution
from flows.cli.corpus import corpus
from flows.cli.critic import critic
from flows.cli.dedup import dedup
from flows.cli.documents import documents
from flows.cli.drift import drift
from flows.cli.evaluate import evaluate
from flows.cli.export import export, push
from flows.cli.import_dataset import import_
from flows.cli.interference import interference
from flows.cli.ledger import ledger
from flows.cli.make import make
from flows.cli.nightly import nightly, plan
from flows.cli.options import ONLY_CHECK, ConfigFile, SettingOptions, SettingsCommand
from flows.cli.prefect_run import INTERRUPTED, STOPPED
from flows.cli.proof import proof
from flows.cli.review import review
from flows.cli.rft import rft
from flows.cli.setup import setup
from flows.cli.similarity import decontaminate, near
from flows.cli.train import train
from flows.cli.verdict import verdict
from flows.cli.view import view
from flows.cli.weakness import weakness
from flows.runner.environment import arrange
from flows.runner.plain_errors import in_lines
from flows.server.automations import automations

_QUOTED = re.compile(r"'([^']*)'")
UNWRITTEN = 120  # Python's own exit code if the output could not be written

app = typer.Typer(
    name="mathmill",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(cls=SettingsCommand)(nightly)
app.command()(data_commands.datasets)
app.command()(data_commands.show)
app.command()(data_commands.why)
app.command()(data_commands.sql)
app.command()(export)
app.command()(push)
app.command()(near)
app.command()(view)
app.command()(decontaminate)
app.command()(dedup)
app.command()(automations)
app.command()(version_commands.diff)
app.command()(drift)
app.command()(interference)
app.command(cls=SettingsCommand)(attribution)
app.command(cls=SettingsCommand)(evaluate)
app.command(cls=SettingsCommand)(proof)
app.command(cls=SettingsCommand)(train)
app.command("import", cls=SettingsCommand)(import_)
app.command(cls=SettingsCommand)(documents)
app.command(cls=SettingsCommand)(corpus)
app.command(cls=SettingsCommand)(make)
app.command(cls=SettingsCommand)(rft)
app.command(cls=SettingsCommand)(version_commands.rebuild)
app.command(cls=SettingsCommand)(version_commands.maintain)
app.command()(review)
app.command(cls=SettingsCommand)(version_commands.correct)
app.command()(version_commands.promote)
app.command()(version_commands.rollback)
app.command()(version_commands.restore)
app.command()(version_commands.verify)
app.command()(version_commands.migrate)
app.command(cls=SettingsCommand)(verdict)
app.command(cls=SettingsCommand)(weakness)


def _print_version(requested: bool) -> None:
    if requested:
        terminal.echo(f"mathmill {metadata.version('mathmill')}")
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A data factory for mathematical-reasoning training data."""
    from flows.settings import SettingsError, of_current_folder

    try:
        silent = ONLY_CHECK in os.environ or {"-h", "--help"}.intersection(ctx.args)
        line = "" if silent else of_current_folder()
    except SettingsError:
        return  # a command that reads the settings reports the error itself; others do not need them
    if line:
        terminal.echo(f"mathmill: {line}", err=True)


teacher = typer.Typer(
    no_args_is_help=True, help="The embedded teacher: a rule-based model with a chat-completions API."
)
app.add_typer(teacher, name="teacher")
app.add_typer(plan, name="plan")
app.add_typer(critic, name="critic")
app.add_typer(ledger, name="ledger")
app.add_typer(setup, name="setup")


@app.command()
def up(
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of the Prefect server and its UI (loopback).")
    ] = 4200,
    cron: Annotated[
        str, typer.Option(help="Schedule of the nightly run, as a cron expression.")
    ] = "0 2 * * *",
    timezone: Annotated[str, typer.Option(help="Time zone of the schedules; empty: this machine's.")] = "",
    view_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the page over the data (loopback); 0: no page.")
    ] = 4280,
    config: ConfigFile = None,
    set_: SettingOptions = None,
) -> None:
    """Start a Prefect server with its UI and the page over the data, and serve the flows, nightly on a schedule. Ctrl-C stops all.

    While a run of another command uses the server, the first Ctrl-C waits until that run ends; a second one does not.
    If PREFECT_API_URL is set, the flows are served on that server and none is started.
    """
    from flows.settings import load_settings

    settings = load_settings()
    arrange(settings.home, quiet=False, join=False)  # a second `up` on one home is refused
    from flows.cli.up import wait_for_joined, with_page, with_server
    from flows.config.nightly import load_config
    from flows.server.deployments import serve_flows

    night = load_config(config, set_ or [])
    if "PREFECT_API_URL" in os.environ:
        serve_flows(night, cron=cron, timezone=timezone)
    else:
        home = settings.home.absolute()
        with with_server(home, port) as server, with_page(home, view_port, server):
            if serve_flows(night, cron=cron, timezone=timezone):
                wait_for_joined(home, server)


@teacher.command("serve")
def teacher_serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: any free one.")] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="MATHMILL_SERVE_API_KEY", help="Key that clients must send; safer in the environment."
        ),
    ] = None,
) -> None:
    """Serve the embedded teacher to any chat-completions client."""
    from tasks.teacher.serve import serve

    serve(port, host=host, api_key=api_key)


@app.command()
def doctor(json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """Check everything that a nightly run needs and print how to fix what is missing. Exit code 1 if a check fails."""
    from flows.cli.doctor import check, show
    from flows.settings import load_settings

    arrange(load_settings().home, quiet=True)
    checks = check()
    show(checks, json=json)
    if not all(item.ok for item in checks):
        raise typer.Exit(1)


@app.command("test", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run_tests(ctx: typer.Context) -> None:
    """Check format, lint and types, then run the tests.

    Arguments are passed to pytest, and only pytest is run then: `-m "not slow"` takes some minutes, `-m soak` runs the
    long tests.
    """
    from flows.cli.checks import run_checks

    raise typer.Exit(run_checks(ctx.args))


def main() -> None:
    """Run the console script and exit without finalising the interpreter.

    With torch and Prefect loaded, finalising would take seconds after the last output. Nothing needs it, since the atexit
    handlers have run by then.
    """
    status = [1]
    atexit.register(_exit, status)  # registered first, so that it is called last
    try:
        _run()
        status[0] = 0
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            status[0] = end.code or 0
        raise


def _exit(status: list[int]) -> None:
    """Flush the output and end the process with `status[0]`."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # the reader has closed the pipe
            status[0] = status[0] or UNWRITTEN
    os._exit(status[0])


def _run() -> None:
    """Run the command. An error that the user can fix is printed as one line, several as one each, with exit code 2."""
    try:
        # typer would print wrong options itself, in a box and without the fix; then it returns the code of typer.Exit instead
        status = app(standalone_mode=False)
    except KeyboardInterrupt:
        terminal.echo(f"\nmathmill: {STOPPED}", err=True)
        raise SystemExit(INTERRUPTED) from None
    except NoArgsIsHelpError as error:
        error.show()
        raise SystemExit(2) from None
    except ClickException as error:
        terminal.echo(f"mathmill: {_wrong_words(error)}", err=True)
        raise SystemExit(2) from None
    except typer.Abort:
        raise SystemExit(1) from None
    except Exception as error:
        lines = in_lines(error)
        if not lines:
            raise
        from tasks.llm.budget import BudgetExceeded

        for line in lines:
            terminal.echo(f"mathmill: {line}", err=True)
        raise SystemExit(3 if isinstance(error, BudgetExceeded) else 2) from None
    if status:
        raise SystemExit(status)


def _wrong_words(error: ClickException) -> str:
    """Return what is wrong with the words of a command line, and where its options are listed, on one line."""
    context = getattr(error, "ctx", None)
    _, _, command = (context.command_path if context is not None else "").partition(" ")
    text = " ".join(error.format_message().split()).rstrip(".").replace(": Value error, ", ": ", 1)
    refused, _, choices = text.partition(" is not one of ")
    if near := difflib.get_close_matches(
        refused.rpartition("'")[0].rpartition("'")[2], _QUOTED.findall(choices), 1
    ):
        text = f"{text}. Did you mean {near[0]}?"
    help_ = " ".join(word for word in ("./mathmill", command, "--help") if word)
    return f"{text}{'' if text.endswith('?') else '.'} Fix: see {help_}"
