"""What `why` prints of prompts and rows is what they hold."""

from __future__ import annotations

import pytest

from flows.cli import terminal
from flows.cli.why import _block


@pytest.mark.parametrize(
    "text", [r"formulas between \( and \), or between \[ and \] on a line", "[bold]x[/] :smile: [1, 2]"]
)
def test_a_text_is_printed_as_it_is(capsys: pytest.CaptureFixture[str], text: str) -> None:
    _block(terminal.console(soft_wrap=True), "prompt, user", text)
    assert capsys.readouterr().out == f"\nprompt, user\n{text}\n"
