"""The report of a version: an HTML page beside the data, and Prefect artifacts on the run's page."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow.compute as pc
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from flows.terms import Stopped
from flows.tools import Tools
from storage.rows import empty
from storage.versions import Version
from tasks.report import Figures, FunnelLine, collect, to_html, to_markdown
from tasks.report.figures import SHARES


def key_of(dataset: str) -> str:
    """Prefect's keys have no dots and no underscores."""
    return dataset.replace(".", "-").replace("_", "-")


def report_path(home: Path, name: str) -> Path:
    return home / "reports" / f"{name}.html"


def report(tools: Tools, version: Version) -> Path:
    """Write the page and the artifacts. All of it comes from what the version and its run have stored, so a
    report that a crash prevented is made by whoever asks for it next."""
    figures = figures_of(tools, version)
    path = report_path(tools.home, str(version))
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".tmp")
    beside.write_text(to_html(figures), encoding="utf-8")
    os.replace(beside, path)
    key = key_of(version.dataset)
    create_table_artifact(
        key=f"{key}-funnel",
        table=[
            {name: line[name] for name in ("title", "asked", "kept", "rejected", "failed")}
            for line in version.lineage["funnel"]
        ],
        description=f"Funnel of `{version}`: in = kept + rejected + failed",
    )
    create_markdown_artifact(
        key=f"{key}-report", markdown=to_markdown(figures, link=str(path)), description=f"`{version}`"
    )
    create_link_artifact(
        key=f"{key}-version",
        link=path.as_uri(),
        link_text=str(version),
        description=f"`{version}`, {version.rows:,} rows",
    )
    return path


def report_stopped(dataset: str, stopped: Stopped) -> None:
    """An artifact on the page of a run that a limit ended."""
    create_markdown_artifact(
        key=f"{key_of(dataset)}-stopped",
        markdown=(
            f"**{stopped.why}**\n\n"
            f"- paid: ${stopped.usd:,.4f}, {stopped.tokens:,} tokens ({stopped.estimated:,} calls estimated)\n"
            f"- accepted: {stopped.accepted:,} of {stopped.target:,} rows; nothing was published\n"
            "- run it again to go on: finished work and every paid answer are found, the budget counts anew"
        ),
        description=f"`{dataset}`: a limit ended the run",
    )


def figures_of(tools: Tools, version: Version) -> Figures:
    store, lineage = tools.store, version.lineage
    everything = store.candidates()
    chosen = (pc.field("run") == lineage["run"]) & pc.field("rejected").is_valid()
    rejected = everything.to_table(columns=["rejected"], filter=chosen) if everything is not None else empty()
    return collect(
        version=str(version),
        digest=version.digest,
        whole=store.read(version, columns=sorted(set(SHARES.values()))),
        added=store.added(version),
        rejected=rejected,
        funnel=[
            FunnelLine(**{name: line[name] for name in ("title", "asked", "kept", "rejected", "failed")})
            for line in lineage["funnel"]
        ],
        costs=lineage["costs"],
        lineage={name: value for name, value in lineage.items() if name not in ("funnel", "costs")},
    )
