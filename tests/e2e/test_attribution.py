"""The command `attribution` runs its flow on a real Prefect server: a mark of the version, an artifact, and refusals in one line."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from storage.datasets.store import Store
from storage.rows import Row, to_table
from tests.e2e.processes import Home, fetch
from tests.e2e.test_review import LINEAGE

pytestmark = pytest.mark.e2e


@pytest.mark.soak  # trainings; tests/tasks/training/test_attribution.py has it
def test_an_attribution_is_a_mark_and_an_artifact(home: Callable[..., Home], prefect_api: str) -> None:
    one = home()
    store = Store(one.path)
    rows = [
        Row(
            f"What is {n} + {k}?",
            "en",
            solution=f"It is {n + k}. \\boxed{{{n + k}}}",
            source=source,
            subdomain="counting",
        )
        for k, source in enumerate(("first", "second", "third"), 1)
        for n in range(16)
    ]
    version = store.publish("earned-by", [to_table(rows)], lineage=LINEAGE)
    refused = one.run("attribution", "earned-by", "--check", "fourth", code=2).stderr
    assert "check fourth: no such value of source. Fix: choose of all, first, second, third" in refused
    printed = one.run("attribution", "earned-by", "--steps", "3", "--check", "second", "--json").stdout
    (mark,) = store.marks("earned-by", "attribution")
    assert mark.version == version.name
    assert json.loads(printed) == mark.value
    assert mark.value["groups"] == ["first", "second", "third"]
    assert mark.value["rows"] == [16, 16, 16]
    assert [loss is None for loss in mark.value["without"]] == [True, False, True]
    artifacts = fetch(
        f"{prefect_api}/artifacts/filter", {"artifacts": {"key": {"any_": ["earned-by-attribution"]}}}
    )
    assert "| second | 16 |" in artifacts[0]["data"]
