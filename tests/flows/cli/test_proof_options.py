"""The command `proof` has no --set: each of its settings is an option."""

from __future__ import annotations

from typer.testing import CliRunner

from flows.cli.app import app
from flows.config.proof import Proof


def test_every_setting_is_an_option() -> None:
    shown = CliRunner().invoke(app, ["proof", "--help"], env={"COLUMNS": "200"}).output
    assert [name for name in Proof.model_fields if f"--{name.replace('_', '-')} " not in shown] == []
