"""Commands about published versions that have nothing to do or refuse to start."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from flows.config.loading import ConfigError
from flows.config.rebuild import Rebuild
from flows.rebuild import check
from flows.runner.rebuild_publication import twin_of
from storage.datasets.evolution import MAJOR
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.rows import Row, to_table


@pytest.fixture
def store(tmp_path: Path) -> Store:
    published = Store(tmp_path / "home")
    published.publish("d", [to_table([Row("What is 2 + 3?", "en", solution="5")])], lineage={"run": "r"})
    return published


def test_migrate_publishes_nothing_where_there_is_nothing_to_migrate(store: Store, tmp_path: Path) -> None:
    (before,) = store.versions("d")
    done = CliRunner().invoke(app, ["migrate", "d"], env={"MATHMILL_HOME": str(tmp_path / "home")})
    assert (done.exit_code, done.stdout) == (
        0, f"{before} is in format {MAJOR} already: there is nothing to migrate\n",
    )  # fmt: skip
    assert store.versions("d") == [before]


ROW = Row(
    "What is 2 + 3?", "en", solution="It is 5.", source="school", license="MIT", prompt="solve_cot.en@1", scores={"answer": 0.9},
)  # fmt: skip


@pytest.mark.parametrize("setting", ["without", "only"])
@pytest.mark.parametrize(
    ("column", "value", "existing"),
    [
        ("source", "nosuch", "school"),
        ("license", "unknown", "MIT"),
        ("language", "zh", "en"),
        ("prompt", "self_instruct.en@1", "solve_cot.en@1"),  # of a question, which is no candidate
        ("model", "nosuch", "there are: "),
    ],
)
def test_values_that_no_candidate_has_are_refused_before_anything_is_started(
    store: Store, setting: str, column: str, value: str, existing: str
) -> None:
    question = Row("What is 4 + 4?", "en", source="web", prompt="self_instruct.en@1")
    store.append_candidates(to_table([question]), run="r", stage="generate")
    store.append_candidates(to_table([ROW]), run="r", stage="published")
    store.append_candidates(to_table([Row("Why?", "zh", solution="1")]), run="other", stage="published")
    with pytest.raises(ConfigError, match=rf"setting {setting}\.{column}: .*Fix: ") as caught:
        check(Rebuild.model_validate({"dataset": "d", setting: {column: [value]}}), store)
    assert existing in str(caught.value)
    assert "\n" not in str(caught.value)
    check(
        Rebuild.model_validate({"dataset": "d", setting: {"license": ["MIT"], "source": ["school"]}}), store
    )


def work(store: Store, *rows: Row, certificate: Any = None, into: str = "") -> Any:
    """Return as much of the state of a rebuild as decides what it publishes."""
    return SimpleNamespace(
        line=SimpleNamespace(tools=SimpleNamespace(store=store)),
        tables=lambda mask: iter([to_table([row]) for row in rows]),
        pool=SimpleNamespace(alive=np.ones(len(rows), bool)),
        config=Rebuild(dataset="d", into=into),
        certificate=certificate or {},
    )


def test_a_version_with_exactly_these_rows_is_found(store: Store) -> None:
    (first,) = store.versions("d")
    row = Row("What is 2 + 3?", "en", solution="5")
    second = store.publish(
        "d", [to_table([row, ROW])], mode="overwrite", expected=first.table_version, lineage={}
    )

    def twin(*rows: Row, **more: Any) -> Version | None:
        return twin_of(work(store, *rows, **more))

    assert twin(row) == first
    assert twin(ROW, row) == second
    assert twin(ROW) is None
    assert twin(Row("What is 2 + 3?", "en", solution="5", loss_weight=2.0)) is None
    assert twin(row, into="elsewhere") is None
    # the same rows, known to hold no item of a benchmark, are worth a version
    assert twin(row, certificate={"sets": [["gsm8k", "ab12", 3]], "rules": ["exact"]}) is None
