"""The flow `weakness`: what a student fails at, and versions that are made for it, one per arm.

The student answers one part of a probe. Its failures get kinds and skills and are clustered; near questions are looked for in other
datasets. Each arm becomes a version: neighbours as they are, problems written like them, problems written with the student's
mistakes in view, problems for the skills that a diagnosis names, and arms at random of equal size and cost. The other part of the probe
measures: no row of an arm may hold one of its items, and verdicts on it decide what later runs spend (tasks/weakness/allocation.py).
A run that was killed is continued by the same command.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from prefect import flow
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.config.weakness import ARMS, EQUAL_COST, RANDOM, Weakness
from flows.runner.artifacts import key_of
from flows.runner.events import on_failure
from flows.runner.page_links import with_link
from flows.runner.progress import Bars
from flows.runner.resources import Tools, opened
from flows.runner.run_notes import ended
from flows.runner.task_runners import task_runner
from flows.runner.weakness_arms import costs_of_line, mark_arm, publish_arm, target_of
from flows.runner.weakness_search import WeaknessSearch, search
from flows.runner.weakness_state import WeaknessState
from flows.settings import load_settings
from storage.errors import GateFailed
from storage.markdown import inline
from storage.sealed_files import HomeFiles
from tasks.ingestion.record import IngestError
from tasks.weakness.report import arm_cells, cluster_cells, cost_cells, to_markdown


@flow(
    name="weakness",
    flow_run_name="{config.shown_model}, {config.dataset}",
    description="What a student fails at, in clusters, and versions that are made for it, one per arm.",
    task_runner=task_runner(),
    on_failure=[on_failure],
    on_completion=[ended],
)
def weakness(config: Weakness = Weakness()) -> dict[str, Any]:
    """Evaluate, cluster, retrieve, write and publish. Returns the record of the run, as <home>/weakness/<run>/record.json has it.

    An arm for which no row passes is in the record with the reason, and the others are published. Raises Stopped if a limit ended an
    arm before it had a row; the same command continues there.
    """
    with opened(load_settings()) as tools, Bars() as bars:
        state = WeaknessState.of(config, tools.store)
        searched = search(config, tools, bars, state)
        earlier = _earlier(searched)
        # what the search has paid is not paid again where the run is continued, and no part of the budget that is left changes
        searched.spent = earlier.get("spent", searched.spent)
        record = searched.record() | {"arms": _arms_of(searched, earlier), "spent": searched.spent}
        if config.dry_run:
            return record
        _store(tools, searched, record)
    if not searched.failures:
        return _finish(searched, record)
    for arm in sorted(config.arms, key=lambda arm: (arm in RANDOM, list(ARMS).index(arm))):
        if arm not in record["arms"]:
            record["arms"][arm] = _arm(searched, arm, record["arms"])
            with opened(load_settings()) as tools:
                _store(tools, searched, record)
    return _finish(searched, record)


def _arm(searched: WeaknessSearch, arm: str, published: dict[str, Any]) -> dict[str, Any]:
    """Publish an arm, mark its version, and return what the record says of it."""
    none: dict[str, Any] = {"rows": 0, "contaminated": 0, "by_cluster": {}}
    versions = {name: one["version"] for name, one in published.items() if one.get("version")}
    tokens = 0
    if arm == EQUAL_COST:
        tokens = max((one["tokens"] for name, one in published.items() if name not in RANDOM), default=0)
        if not tokens:
            why = "nothing was published: no other arm that asks the teacher has a version"
            return none | costs_of_line(None) | {"note": why}
    with opened(load_settings()) as tools:
        target = target_of(tools.store, searched, arm, versions)
    try:
        version = publish_arm(searched, arm, target, tokens)
    except (GateFailed, IngestError) as error:
        return none | costs_of_line(searched.lines.get(arm)) | {"note": f"nothing was published: {error}"}
    with opened(load_settings()) as tools:
        return mark_arm(tools.store, searched, arm, version)


def _earlier(searched: WeaknessSearch) -> dict[str, Any]:
    """Return the record that an earlier start of this run has left; empty if there is none."""
    path = searched.folder / "record.json"
    return dict(orjson.loads(path.read_bytes())) if path.exists() else {}


def _arms_of(searched: WeaknessSearch, earlier: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arms that an earlier start of this run has finished."""
    arms = earlier.get("arms", {})
    return {arm: one for arm, one in arms.items() if arm in searched.config.arms and one.get("version")}


def _store(tools: Tools, searched: WeaknessSearch, record: dict[str, Any]) -> None:
    data = orjson.dumps(record, option=orjson.OPT_INDENT_2)
    HomeFiles(tools.home).write(searched.folder / "record.json", data)


def _finish(searched: WeaknessSearch, record: dict[str, Any]) -> dict[str, Any]:
    """Write the report and the artifacts, and return the record."""
    text = to_markdown(record)
    settings = load_settings()
    with opened(settings) as tools:
        files = HomeFiles(tools.home)
        cluster_of = {place: one.name for one in searched.clusters for place in one.members}
        failures = b"".join(
            orjson.dumps(one.to_dict() | {"cluster": cluster_of[place]}) + b"\n"
            for place, one in enumerate(searched.failures)
        )
        files.write(searched.folder / "failures.jsonl", failures)
        files.write(searched.folder / "report.md", text.encode())
        _store(tools, searched, record)
    key = key_of(searched.config.dataset)
    for name, cells, about in (
        ("clusters", cluster_cells(record), "What the student fails at, in clusters"),
        ("arms", arm_cells(record), "The published arms"),
        ("costs", cost_cells(record), "What the run has cost"),
    ):
        create_table_artifact(
            key=f"{key}-{name}",
            table=artifact_cells(cells),
            description=with_link(
                f"{about}; run `{searched.run}`, whose report has the rest", settings, "/versions"
            ),
        )
    create_markdown_artifact(
        key=f"{key}-weakness",
        markdown=with_link(text, settings, "/versions"),
        description=f"`{searched.run}`",
    )
    return record


def artifact_cells(cells: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return cells whose texts stay text in Markdown, as which the Prefect UI reads each cell."""
    return [{column: inline(text) for column, text in row.items()} for row in cells]
