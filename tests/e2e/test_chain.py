"""Publishing starts the chain on a real Prefect server: one run with a run below it per step, on a pinned version."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.runner.artifacts import report_path
from storage.datasets.store import Store
from storage.rows import Row, to_table
from tests.e2e.conftest import NEVER, started_up
from tests.e2e.processes import ask, wait_for
from tests.e2e.test_review import LINEAGE

pytestmark = pytest.mark.e2e

TINY = {"steps": 2, "batch": 2, "length": 64}
LIGHT = {"training": TINY | {"packing": False}, "evaluate": False, "verdict": False, "tag": "validated"}
WHOLE = {
    "training": TINY | {"packing": False},
    "evaluation": {"limit": 2, "max_tokens": 16},
    "judging": {"seeds": 2, "items": 10, "max_tokens": 16, "training": TINY},
}
SUBDOMAIN = "linear equations"


def sums(first: int) -> list[dict[str, str]]:
    return [
        {
            "question": f"What is {n} + 1?",
            "solution": f"It is {n + 1}. \\boxed{{{n + 1}}}",
            "subdomain": SUBDOMAIN,
        }
        for n in range(first, first + 12)
    ]


def below(up: Any, run: str) -> Iterator[tuple[str, str]]:
    """Yield the flow and the state of each run below a run."""
    child = {"flow_runs": {"parent_flow_run_id": {"any_": [run]}}}
    for one in ask((up.home, up.url), "flow_runs/filter", child):
        flow = ask((up.home, up.url), f"flows/{one['flow_id']}")
        yield flow["name"], one["state"]["type"]


@pytest.mark.soak  # trainings and a verdict; tests/flows has the chain
@pytest.mark.parametrize(
    ("settings", "flows"),
    [
        pytest.param(LIGHT, ["promote", "train"], marks=pytest.mark.slow),
        pytest.param(WHOLE, ["evaluate", "train", "verdict"], marks=pytest.mark.soak),
    ],
)
def test_a_publication_starts_the_chain(
    settings: dict[str, Any], flows: list[str], tmp_path: Path, migrated: Any
) -> None:
    path = tmp_path / "home"
    migrated(path)
    file = tmp_path / "chain.yaml"
    file.write_text(yaml.safe_dump(settings))
    rows = [Row(one["question"], "en", solution=one["solution"], subdomain=SUBDOMAIN) for one in sums(0)]
    before = Store(path).publish("d", [to_table(rows)], lineage=LINEAGE)
    report = report_path(path, str(before))  # it is an older version: its publication is no news
    report.parent.mkdir()
    report.write_text("")
    records = tmp_path / "records.jsonl"
    records.write_text("\n".join(map(json.dumps, sums(100))))
    with started_up(path, NEVER, MATHMILL_AFTER_PUBLISHING=str(file)) as up:
        assert "Serving after-publishing, by event" in up.log
        up.home.run("import", str(records), "--dataset", "d", "--license", "MIT", "--set", "near=false")
        version = Store(path).resolve("d")

        def ended() -> Any:
            runs = ask((up.home, up.url), "flow_runs/filter", {"flows": {"name": {"any_": ["chain"]}}})
            return [run for run in runs if run["state"]["type"] in ("COMPLETED", "FAILED", "CRASHED")]

        (run,) = wait_for(ended, 600, "the chain", up.process, every=2)
        assert run["state"]["type"] == "COMPLETED", run["state"]
        assert run["name"] == str(version)
        assert sorted(below(up, run["id"])) == [(name, "COMPLETED") for name in flows]
    tags = Store(path).tags("d")
    assert tags["candidate"] == version.name
    (record,) = (path / "models").glob("*/run.json")
    assert json.loads(record.read_text())["stages"][0]["data"][0]["version"] == str(version)
    if settings is LIGHT:
        assert tags["validated"] == version.name
    else:
        (mark,) = Store(path).marks("d", "verdict")
        assert mark.version == version.name
        assert ("validated" in tags) == mark.value["better"]
