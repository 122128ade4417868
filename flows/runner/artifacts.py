"""The report of a version: an HTML page beside the data, and Prefect artifacts on the run's page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.runner.limits import HOW_TO_GO_ON, Stopped
from flows.runner.page_links import page_link, version_path, with_link
from flows.runner.resources import Tools
from flows.settings import Settings
from storage.counting import counted
from storage.datasets.annotations import newest
from storage.datasets.versions import Version
from storage.errors import GateFailed
from storage.markdown import code, inline
from storage.rows import column
from storage.sealed_files import HomeFiles
from tasks.concepts.stored import StoredGraphs
from tasks.reports import Figures, FunnelLine, Report, collect, diff
from tasks.reports.concept_map import ConceptMap, concept_map
from tasks.reports.figures import ADDED, SHARES, WEIGHT, length_by_difficulty, sample_ids
from tasks.reports.funnel import CANDIDATES, cells, lines_of, not_taken

AT_A_TIME = 65_536  # rows whose texts are in memory


def diff_path(home: Path, name: str) -> Path:
    return home / "reports" / f"{name}.diff.html"


def key_of(dataset: str) -> str:
    """Return the key of an artifact: Prefect's keys have no dots and no underscores."""
    return dataset.replace(".", "-").replace("_", "-")


def report_path(home: Path, name: str) -> Path:
    return home / "reports" / f"{name}.html"


def report(tools: Tools, version: Version) -> Path:
    """Write the page and the artifacts. All of it comes from what the version and its run have stored, so a
    report that a crash prevented is made by the next command that needs it."""
    figures = figures_of(tools, version)
    page = Report(figures)
    path = report_path(tools.home, str(version))
    key = key_of(version.dataset)
    create_table_artifact(
        key=f"{key}-funnel",
        table=[
            # the narrow columns first: a phone shows them all
            cells(line) | {"stage": inline(line["title"])}
            for line in lines_of(version.lineage)
        ],
        description=with_link(
            f"Funnel of `{version}`: in = kept + not taken + rejected + failed",
            tools.settings,
            version_path(version),
        ),
    )
    create_table_artifact(
        key=f"{key}-dropped",
        table=[
            # the UI reads cells as Markdown
            {
                "rows": one.rows,
                "stage": inline(one.stage),
                "outcome": "not taken" if one.not_taken else "dropped",
                "reason": inline(one.reason),
                "for example": one.short(),
            }
            for one in (*figures.losses, *figures.surplus)
        ],
        description=with_link(
            f"Why candidates of `{version}` were dropped or not taken; `./mathmill why ID` shows the life of an example",
            tools.settings,
            version_path(version, "dropped"),
            "All of them in the page",
        ),
    )
    create_markdown_artifact(
        key=f"{key}-report",
        markdown=with_link(page.markdown(path=str(path)), tools.settings, version_path(version)),
        description=f"`{version}`",
    )
    create_markdown_artifact(
        key=f"{key}-version",
        markdown=f"`{version}`, {counted(version.rows, 'row')}. Its page: {code(path)}"
        + (
            f". Its rows: {link}"
            if (link := page_link(tools.settings, version_path(version), str(version)))
            else ". Its rows: `./mathmill view`"
        ),
        description=f"`{version}`, {counted(version.rows, 'row')}",
    )
    _compared(tools, version, key)
    # the page comes last: its existence means that the rest is there
    HomeFiles(tools.home).write(path, page.html().encode())
    return path


def report_stopped(dataset: str, stopped: Stopped, settings: Settings) -> None:
    """Put an artifact on the page of a run that a limit ended."""
    spent = stopped.spent
    create_markdown_artifact(
        key=f"{key_of(dataset)}-stopped",
        markdown=with_link(
            f"**{inline(stopped.why)}**\n\n"
            f"- paid: ${spent.usd:,.4f}, {counted(spent.tokens, 'token')} ({counted(spent.estimated, 'call')} estimated)\n"
            f"- accepted: {spent.accepted:,} of {counted(spent.target, 'row')}; nothing was published\n"
            f"- {HOW_TO_GO_ON[stopped.by]}; finished work and every paid answer are found",
            settings,
            "/costs",
            "What it cost, in the page",
        ),
        description=f"`{dataset}`: a limit ended the run",
    )


@contextmanager
def refusals_shown(dataset: str, settings: Settings) -> Iterator[None]:
    """Put an artifact on the page of the run whose publication a gate refuses, and raise the refusal on."""
    try:
        yield
    except GateFailed as refused:
        gates = "\n".join(f"- `{gate}`: {inline(reason)}" for gate, reason in refused.failures)
        create_markdown_artifact(
            key=f"{key_of(dataset)}-refused",
            markdown=with_link(
                f"**Nothing was published: {counted(len(refused.failures), 'gate')} refused the rows**\n\n{gates}",
                settings,
                "/runs",
                "The runs, in the page",
            ),
            description=f"`{dataset}`: nothing was published",
        )
        raise


def _compared(tools: Tools, version: Version, key: str) -> None:
    """Beside the version before, as a page and an artifact."""
    before = [v for v in tools.store.versions(version.dataset) if v.table_version < version.table_version]
    if before:
        difference = diff.compare(tools.store, before[-1], version)
        HomeFiles(tools.home).write(diff_path(tools.home, str(version)), diff.to_html(difference).encode())
        create_markdown_artifact(
            key=f"{key}-diff",
            markdown=with_link(
                diff.to_text(difference),
                tools.settings,
                f"/compare?a={before[-1]}&b={version}",
                "With rows, in the page",
            ),
            description=f"`{before[-1]}` to `{version}`",
        )


def _concept_maps(home: Path, lineage: Mapping[str, Any]) -> list[ConceptMap]:
    """Return the newest graph of concepts of each language, to be drawn."""
    newest_graphs = {record["language"]: record for record in lineage.get("concepts") or ()}
    stored = StoredGraphs(home)
    return [concept_map(record, stored.read(record["digest"])) for record in newest_graphs.values()]


def figures_of(tools: Tools, version: Version) -> Figures:
    store, lineage = tools.store, version.lineage
    marks = store.marks(version.dataset)
    verdict, measured = (newest(marks, version.name, kind) for kind in ("verdict", "interference"))
    rejected = store.dropped(lineage["run"])
    added = store.added(version, ADDED)
    chosen_ids = sample_ids(column(added, "id"), str(version))
    return collect(
        version=str(version),
        digest=version.digest,
        whole=store.read(version, columns=sorted({*SHARES.values(), WEIGHT})),
        added=added,
        samples=store.read(version, filter=pc.field("id").isin(pa.array(chosen_ids, pa.string()))),
        rejected=rejected,
        funnel=[
            FunnelLine(
                **{name: line[name] for name in ("stage", "title", "asked", "kept", "rejected", "failed")},
                not_taken=not_taken(line),
            )
            for line in lines_of(lineage)
        ],
        costs=lineage["costs"],
        lineage={
            name: value for name, value in lineage.items() if name not in ("funnel", "costs", CANDIDATES)
        },
        correlation=length_by_difficulty(store.added_in_pieces(version, AT_A_TIME)),
        verdict=verdict.value if verdict else None,
        interference=measured.value if measured else None,
        concepts=_concept_maps(tools.home, lineage),
    )
