"""The steps after a publication. They are idempotent: the next run finishes what a crash interrupted."""

from __future__ import annotations

from datetime import datetime

import pyarrow.compute as pc

from flows.runner.artifacts import report, report_path
from flows.runner.events import PUBLISHED, alarm
from flows.runner.resources import Tools
from flows.runner.run_notes import RunNote
from flows.settings import load_settings
from storage.counting import counted
from storage.datasets.statements import state
from storage.datasets.versions import Version
from storage.indexes.sketches import History
from storage.rows import TEXT

FROM_STORED = ("rebuild", "restore", "migrate")  # flows whose rows were candidates before
QUESTION = ["id", "problem_id", "language", "question", "rejected", "kind"]
MOST_ROWS = 131_072  # rows that are appended to the candidates at a time


class Finished(Exception):
    """The run that is asked for has published already: the process that ran it was killed before its end, or lost its
    Prefect server."""

    def __init__(self, version: Version, note: RunNote) -> None:
        super().__init__(str(version))
        self.version, self.note = version, note


def raise_if_published(tools: Tools, dataset: str, flow: str, inputs: str) -> None:
    """Finish what an unfinished run of this flow with equal `inputs` has published, and raise Finished with it."""
    versions = {
        str(one.lineage.get("run")): one
        for one in tools.store.versions(dataset)
        if one.lineage.get("flow") == flow
    }
    times = {name: datetime.fromisoformat(one.created).timestamp() for name, one in versions.items()}
    if note := RunNote.unfinished(tools.home, inputs, times):
        finish(tools, versions[note.run])
        raise Finished(versions[note.run], note)


def finish(tools: Tools, version: Version) -> None:
    """Append the version's rows to the candidates and its questions to the history, and write its statement and its report."""
    run = version.lineage.get("run", str(version))
    if version.lineage.get("flow") not in FROM_STORED:
        for number, table in enumerate(tools.store.added_in_pieces(version, MOST_ROWS)):
            part = str(number) if number else ""
            tools.store.append_candidates(table, run=run, version=version, stage="published", part=part)
    state(tools.store.where, version, load_settings().signer())
    history(tools, version.dataset)
    if not report_path(tools.home, str(version)).exists():
        # before the report: a crash between the two emits it again, and none is lost
        alarm(
            PUBLISHED,
            f"dataset.{version.dataset}",
            f"{version}: {counted(version.rows, 'row')}, {version.added:,} of them new",
            version=str(version),
            rows=version.rows,
            added=version.added,
            flow=str(version.lineage.get("flow", "")),
        )
        report(tools, version)


def latest(tools: Tools, dataset: str) -> Version | None:
    """Return the newest version of the dataset, or None if it has none."""
    versions = tools.store.versions(dataset)
    return versions[-1] if versions else None


def history(tools: Tools, dataset: str) -> History:
    """Return the sketches of every published question. A version that is missing in them is added first."""
    sketches = History.open(tools.home / "history" / dataset)
    known = set(sketches.versions)
    for version in tools.store.versions(dataset):
        if version.table_version not in known:
            rows = tools.store.added(version, QUESTION)
            # a document is no question; the rows of one are many times as long
            rows = rows.filter(pc.fill_null(pc.not_equal(rows.column("kind"), TEXT), True))
            sketches = sketches.append(rows, version.table_version)
    return sketches
