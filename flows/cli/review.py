"""The command `review`: rows of a version in the terminal, judged with single keys."""

from __future__ import annotations

import getpass
import os
import select
import shlex
import subprocess
import sys
import tempfile
import termios
import tty
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli import terminal
from flows.cli.options import AsJson, Name
from tasks.taxonomy import local_name

if TYPE_CHECKING:
    from storage.datasets.judgements import RowJudgement
    from tasks.review.session import Asked, Review

KEYS = (
    ("r", "right"),
    ("w", "wrong"),
    ("u", "unclear"),
    ("e", "edit"),
    ("s", "skip"),
    ("c", "comment"),
    ("v", "votes and scores"),
    ("b", "back"),
    ("q", "quit"),
)
HELP = "  ".join(f"[{key}] {meaning}" for key, meaning in KEYS)
ESCAPE_S = 0.05  # within which the rest of a function key's sequence follows
EDITED = (("q", "question"), ("s", "solution"), ("a", "answer"))


class RecordFormat(StrEnum):
    """How judgements are written to a file."""

    jsonl = "jsonl"
    argilla = "argilla"


def review(
    name: Name,
    reviewer: Annotated[
        str, typer.Option("--as", metavar="NAME", help="Who judges; default: the name of the user.")
    ] = "",
    rows: Annotated[int | None, typer.Option(min=1, help="Rows of the queue; default: 200.")] = None,
    uniform: Annotated[
        float | None,
        typer.Option(help="Share of the queue that is drawn uniformly, from 0 to 1; default: 0.5."),
    ] = None,
    second: Annotated[
        float | None,
        typer.Option(help="Share of the queue that a second reviewer judges too; default: 0.1."),
    ] = None,
    status: Annotated[bool, typer.Option("--status", help="Only show what the judgements say.")] = False,
    export: Annotated[Path | None, typer.Option(help="Write the judgements to a new file, and stop.")] = None,
    format: Annotated[
        RecordFormat,
        typer.Option(help="Format of --export: one judgement per line, or records of Argilla with all rows."),
    ] = RecordFormat.jsonl,
    import_: Annotated[
        Path | None,
        typer.Option("--import", help="Read judgements from a file of either format, and stop."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Judge rows of a version with single keys: right, wrong, unclear, edit, skip, comment.

    Half of the rows are drawn uniformly, the others where votes, programs and critic disagree. Every judgement is stored at once;
    the same command continues where it was left. At the end it shows the estimated share of wrong rows.
    """
    from flows.settings import load_settings
    from storage.datasets.store import Store
    from storage.errors import StorageError
    from tasks.review import exchange
    from tasks.review.session import Review

    settings = load_settings()
    opened = Review.open(Store(settings.tables), name, rows=rows, uniform=uniform, second=second)
    if export is not None:
        _export(opened, export, format)
    elif import_ is not None:
        count = exchange.bring_in(opened, exchange.read(import_))
        terminal.echo(f"{count:,} new judgements of rows of {opened.version}")
        opened.keep_estimate()
        _resume(opened, settings.home)
    elif status or json:
        _show(opened, json)
    else:
        who = reviewer or getpass.getuser()
        if not who.strip():
            raise StorageError("nobody is named. Fix: --as NAME")
        Session(opened, who).run()
        opened.keep_estimate()
        _show(opened, json=False)
        _resume(opened, settings.home)


def _resume(review: Review, home: Path) -> None:
    """Let the promotions continue that wait for this queue, if it is done."""
    from flows.runner.review_wait import resume

    review.refresh()
    if review.progress().done:
        for run in resume(review.store, review.version, home):
            terminal.echo(f"The queue is done: the promotion {run} continues")


def _export(review: Review, path: Path, format: RecordFormat) -> None:
    import orjson

    from storage.errors import StorageError
    from tasks.review import exchange

    if path.exists():
        raise StorageError(f"{path} is there already. Fix: name a new file, or remove it")
    if format is RecordFormat.argilla:
        path.write_bytes(orjson.dumps(exchange.to_argilla(review)))
    else:
        path.write_bytes(b"".join(exchange.to_lines(review)))
    terminal.echo(f"{review.version}: {path}")


def _show(review: Review, json: bool) -> None:
    from dataclasses import asdict

    from tasks.review.report import lines

    if json:
        agreements = [asdict(one) for one in review.agreements()]
        terminal.print_json(
            {
                "version": str(review.version),
                "progress": asdict(review.progress()),
                "estimate": review.estimate().to_dict(),
                "agreements": agreements,
            }
        )
        return
    for line in lines(review):
        terminal.echo(line)


class Session:
    """One reviewer at a terminal. `key` returns the next key that is pressed, `text` a line, `edit` a text after editing."""

    def __init__(
        self,
        review: Review,
        reviewer: str,
        *,
        key: Callable[[], str] | None = None,
        text: Callable[[str], str] | None = None,
        edit: Callable[[str], str | None] | None = None,
    ) -> None:
        self._review, self._reviewer = review, reviewer
        self._key, self._text, self._edit = key or _pressed, text or _line, edit or _edited
        self._last: list[str] = []  # rows that were judged in this session, the newest last

    def run(self) -> None:
        """Show row after row until the queue is done for this reviewer or `q` is pressed; each judgement is stored at once."""
        again: str | None = None
        while True:
            asked = self._review.next(self._reviewer) if again is None else None
            row = asked.row if asked else self._review.row(again) if again else None
            if row is None:
                terminal.echo("There is no row left for you in this queue.")
                return
            self._show(row, asked)
            again = None
            judgement = self._ask(row)
            if isinstance(judgement, str):
                if judgement == "q":
                    return
                if self._last:
                    again = self._last.pop()
                else:
                    terminal.echo("There is no row before this one in this session.")
                    again = row["id"]
                continue
            self._review.record(judgement)
            self._last.append(row["id"])

    def _ask(self, row: dict[str, Any]) -> RowJudgement | str:
        """Return the judgement of the row, or the key b or q."""
        from storage.datasets.judgements import RowJudgement, RowOpinion
        from tasks.review.report import votes_on

        judgement = RowJudgement(row["id"], self._reviewer, RowOpinion.UNCLEAR)
        opinions = {
            "r": RowOpinion.RIGHT,
            "w": RowOpinion.WRONG,
            "u": RowOpinion.UNCLEAR,
            "s": RowOpinion.SKIP,
        }
        terminal.echo(HELP)
        while True:
            key = self._key()
            if key in opinions:
                terminal.echo(f"-> {opinions[key].value}")
                return replace(judgement, opinion=opinions[key])
            if key in ("q", "b"):
                return key
            if key == "c":
                comment = self._text("Comment: ").strip()
                judgement = replace(judgement, comment=comment or None)
                terminal.echo(HELP)
            elif key == "e":
                judgement = self._corrected(row, judgement)
                terminal.echo("The row as it was published is [r] right or [w] wrong?")
            elif key == "v":
                for heading, text in votes_on(row):
                    terminal.echo(f"{heading}: {text}")
            else:
                terminal.echo(HELP)

    def _corrected(self, row: dict[str, Any], judgement: RowJudgement) -> RowJudgement:
        terminal.echo("Edit " + "  ".join(f"[{key}] {name}" for key, name in EDITED))
        name = dict(EDITED).get(self._key())
        if name is None:
            terminal.echo("Nothing is edited.")
            return judgement
        before = getattr(judgement, name) or row[name] or ""
        after = self._edit(before)
        if after is None or after == before:
            terminal.echo("Nothing is changed.")
            return judgement
        terminal.echo(f"New {name}: {after}")
        return _with_text(judgement, name, after)

    def _show(self, row: dict[str, Any], asked: Asked | None) -> None:
        from tasks.review.report import shown_row

        progress = self._review.progress()
        place = f"row {asked.place} of {progress.asked}, {asked.part}" if asked else "again"
        facts = ", ".join(
            local_name(str(row[name]), row["language"])
            for name in ("subdomain", "solution_format", "language")
            if row[name]
        )
        terminal.echo(f"\n--- {place} ({progress.judged} judged): {row['id']} {facts}")
        for heading, text in shown_row(row):
            terminal.echo(f"\n{heading}\n{text}")
        terminal.echo("")


def _with_text(judgement: RowJudgement, name: str, text: str) -> RowJudgement:
    if name == "question":
        return replace(judgement, question=text)
    return replace(judgement, solution=text) if name == "solution" else replace(judgement, answer=text)


def _pressed() -> str:
    """Return the key that is pressed; without a terminal the first character of the next line, and q at the end of the input.

    Keys that were pressed while the row was being written count: the terminal's mode is changed without discarding them. The
    sequence of a function key is no key.
    """
    if not sys.stdin.isatty():
        line = sys.stdin.readline()
        return line.strip()[:1].lower() if line else "q"
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor, termios.TCSADRAIN)
        pressed = os.read(descriptor, 1)
        if pressed == b"\x1b":
            while select.select([descriptor], [], [], ESCAPE_S)[0]:
                os.read(descriptor, 32)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
    return pressed.decode("ascii", "replace").lower() if pressed else "q"


def _line(prompt: str) -> str:
    """Return a line that is typed."""
    typer.echo(prompt, nl=False)
    return sys.stdin.readline()


def _edited(text: str) -> str | None:
    """Return the text after the user's editor (VISUAL, EDITOR, else vi) has closed; None if it failed.

    Raises StorageError if there is no such program.
    """
    from storage.errors import StorageError

    command = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    with tempfile.TemporaryDirectory(prefix="mathmill-") as folder:
        path = Path(folder) / "text.txt"
        path.write_text(text, encoding="utf-8", newline="")
        try:
            done = subprocess.run([*command, str(path)], check=False)
        except OSError as error:
            raise StorageError(f"cannot start the editor {command[0]!r}. Fix: set EDITOR") from error
        after = path.read_text(encoding="utf-8")
    if done.returncode:
        return None
    # editors end a file with a line feed
    return after.removesuffix("\n") if not text.endswith("\n") else after
