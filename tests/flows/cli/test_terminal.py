"""No control or hidden character of a row, a model or an error reaches the terminal, whichever code prints it."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from rich.table import Table
from typer.testing import CliRunner

from flows.cli import rendering as showing
from flows.cli import terminal
from flows.cli.app import app
from storage.datasets.store import Store
from tasks.text.cleaning import visible

HOSTILE = [
    "\x1b[2J\x1b[31m",
    "\x1b]0;title\x07",
    "\x1b]8;;http://x\x1b\\",
    "\x9b31m",
    "\x08\x08",
    "over\rwritten",
    "\u202egnp.exe",
    "a\u200bb",
    "\u3164",
    "\u2066x\u2069",
    "\U000e0041\U000e007f",
    "\x00",
    "\x7f",
    "\u2028",
    "\ufeff",
]
RAW = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2028\u2029\u2060-\u206f\u3164\ufeff\U000e0000-\U000e0fff]"
)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_is_made_visible_and_loses_nothing(text: str) -> None:
    shown = visible(f"2 + 2 = 4\t{text}\n第一")
    assert not RAW.search(shown)
    assert shown.startswith("2 + 2 = 4\t")
    assert shown.endswith("\n第一")
    assert shown.encode().decode("unicode_escape", "surrogatepass").count(text[0]) or "\\u" in shown


@pytest.mark.parametrize("text", ["plain", "tab\tand\nline", "x² ≤ √2, ∑", "第一题：求和", "a\u00a0b", "é"])
def test_an_ordinary_text_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize("text", HOSTILE)
def test_json_keeps_its_values(text: str) -> None:
    shown = visible(json.dumps({"v": text}, ensure_ascii=False), json=True)
    assert not RAW.search(shown)
    assert json.loads(shown) == {"v": text}


@pytest.mark.parametrize("text", HOSTILE)
def test_a_console_prints_no_text_raw(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    console = terminal.console()
    console.file = io.StringIO()
    table = Table()
    table.add_column(text)
    table.add_row(text)
    console.print(text, table, markup=False)
    assert not RAW.search(console.file.getvalue())
    terminal.echo(text)
    terminal.print_json([text])
    showing.print_markdown(f"# {text}\n[x](http://{text})")
    assert not RAW.search(capsys.readouterr().out)


def test_a_console_at_a_terminal_writes_its_own_codes_alone() -> None:
    console = terminal.console()
    console.file, console._force_terminal = io.StringIO(), True
    console.print("[bold]\x1b[31mred[/]")
    assert "\\u001b[31mred" in console.file.getvalue()
    assert "\x1b[31m" not in console.file.getvalue()


def test_every_console_is_ours() -> None:
    for path in (Path(__file__).parents[3] / "flows").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name not in ("terminal.py", "progress.py"):  # progress shows titles of stages
            assert not re.search(r"\bConsole\(", text), path.name


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose newest version has rows of a time when nothing was cleaned."""
    from tests.storage.conftest import rows_between

    home = tmp_path_factory.mktemp("old") / "home"
    records = rows_between(0, len(HOSTILE)).to_pylist()
    for record, text in zip(records, HOSTILE, strict=True):
        record["question"] += text
        record["solution"] = f"{text} so"
        record["source"] = f"s{text}"
    import pyarrow as pa

    from storage.rows import SCHEMA

    table = pa.Table.from_pylist(records, SCHEMA)
    store = Store(home)
    store.publish("old", [table], lineage={"inputs": [{"file": HOSTILE[0]}]})
    store.append_candidates(table, run="r1", version="old@1", stage="published")
    return home


@pytest.mark.slow
@pytest.mark.parametrize("json_", [(), ("--json",)])
def test_commands_print_old_rows_visibly(old: Path, json_: tuple[str, ...]) -> None:
    ids = Store(old).read("old", ["id"]).column("id").to_pylist()
    for words in (
        ("show", "old"),
        *(("why", one) for one in ids),
        ("sql", "SELECT * FROM rows"),
        ("datasets",),
    ):
        done = CliRunner().invoke(app, [*words, *json_], env={"MATHMILL_HOME": str(old)})
        assert done.exit_code == 0, (words, done.exception)
        assert not RAW.search(done.stdout), words
        if json_:
            json.loads(done.stdout)
    done = CliRunner().invoke(
        app, ["sql", "SELECT question FROM rows", "--json"], env={"MATHMILL_HOME": str(old)}
    )
    questions = [row["question"] for row in json.loads(done.stdout)]
    assert all(any(question.endswith(text) for question in questions) for text in HOSTILE)
