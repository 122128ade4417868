"""The project's own Markdown, printed into a pipe, is text that another program or a person can use unchanged."""

from __future__ import annotations

import pytest

from flows.cli.rendering import funnel_table, plain_text, print_markdown
from storage.markdown import code, fenced, inline

NASTY = [
    "math-sft@2026.11.20",
    "a_b *c* <b>&amp; [x](javascript:1)",
    "1. #x | y \\frac{1}{2} ~~z~~ $5$",
    "`tick`",
    "三个苹果",
]


@pytest.mark.parametrize("text", NASTY)
def test_escapes_are_taken_out_and_nothing_else(text: str) -> None:
    assert plain_text(inline(text)) == text
    assert plain_text(f"| {inline(text)} | 1 |") == f"{text}  1"
    assert plain_text(fenced(text)) == text


def test_code_keeps_its_backslashes() -> None:
    page = "**Of** " + code("a\\_b") + " and " + code("`c`")
    assert plain_text(page) == "Of a\\_b and `c`"


def test_tables_are_columns() -> None:
    page = "# Title\n\n| step | in |\n|---|---:|\n| Mix \\| all | 1,024 |\n| 三个 | 7 |\n\n![funnel](data:x)\nEnd\n"
    assert plain_text(page) == (
        "Title\n\n"
        "step          in\n"
        "Mix | all  1,024\n"
        "三个           7\n"
        "\nEnd"
    )  # fmt: skip


def test_piped_output_has_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_markdown(f"# {inline(NASTY[0])}\n\n| rows | |\n|---|---:|\n| before | **3** |\n")
    assert capsys.readouterr().out == "math-sft@2026.11.20\n\nrows\nbefore  3\n"


def test_rows_that_only_calibrate_are_not_shown_as_rejected() -> None:
    line = {"stage": "calibrate", "title": "Calibrate", "asked": 9, "kept": 0, "rejected": 9, "failed": 0}
    mix = {"stage": "mix", "title": "Mix", "asked": 9, "kept": 4, "rejected": 5, "not_taken": 3, "failed": 0}
    table = funnel_table([line, mix])
    assert [list(column.cells) for column in table.columns] == [
        ["Calibrate", "Mix"],
        ["9", "9"],
        ["used", "4"],
        ["", "3"],
        ["0", "2"],
        ["0", "0"],
    ]
