"""Commands about published versions, on versions that nothing has to be done for."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from storage.datasets import Store
from storage.evolution import MAJOR
from storage.rows import Row, to_table


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(tmp_path / "home")
    found.publish("d", [to_table([Row("What is 2 + 3?", "en", solution="5")])], lineage={"run": "r"})
    return found


def test_migrate_publishes_nothing_where_there_is_nothing_to_migrate(store: Store, tmp_path: Path) -> None:
    (before,) = store.versions("d")
    done = CliRunner().invoke(app, ["migrate", "d"], env={"MATHMILL_HOME": str(tmp_path / "home")})
    assert (done.exit_code, done.stdout) == (
        0, f"{before} is in format {MAJOR} already: there is nothing to migrate\n",
    )  # fmt: skip
    assert store.versions("d") == [before]
