"""What `why` prints of prompts and rows is what they hold."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from flows.cli import terminal
from flows.cli.why import _block, print_history
from storage.rows import Row


@pytest.mark.parametrize(
    "text", [r"formulas between \( and \), or between \[ and \] on a line", "[bold]x[/] :smile: [1, 2]"]
)
def test_a_text_is_printed_as_it_is(capsys: pytest.CaptureFixture[str], text: str) -> None:
    _block(terminal.console(soft_wrap=True), "prompt, user", text)
    assert capsys.readouterr().out == f"\nprompt, user\n{text}\n"


@pytest.mark.parametrize(("correctness", "words"), [(0.974, "0.97, the probability"), (None, "unknown: ")])
def test_the_correctness_of_a_solution_is_shown_beside_its_answer(
    capsys: pytest.CaptureFixture[str], correctness: float | None, words: str
) -> None:
    row = Row("1 + 1?", "en", solution="2", solution_format="cot", answer="2", correctness=correctness)
    stored = asdict(row) | {"also": [], "run": "night", "stage": "solve"}
    print_history({"row": stored, "completion": None, "ancestors": [], "published": []})
    assert f"\ncorrectness\n{words}" in capsys.readouterr().out


def test_a_question_has_no_correctness(capsys: pytest.CaptureFixture[str]) -> None:
    row = asdict(Row("1 + 1?", "en")) | {"also": [], "run": "night", "stage": "generate"}
    print_history({"row": row, "completion": None, "ancestors": [], "published": []})
    assert "correctness" not in capsys.readouterr().out


def test_what_was_dropped_again_for_one_reason_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    row = asdict(Row("1 + 1?", "en")) | {"run": "night", "stage": "verify"}
    row |= {"also": ["verify: no answer", "verify: no answer", "weigh: alone"]}
    print_history({"row": row, "completion": None, "ancestors": [], "published": []})
    printed = capsys.readouterr().out
    assert printed.count("verify: no answer") == 1
    assert "produced 2 times more, and dropped verify: no answer" in printed
    assert "produced again, and dropped weigh: alone" in printed
