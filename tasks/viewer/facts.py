"""What a version's record and marks say of it, for the timeline and its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from storage.counting import counted
from storage.datasets.annotations import Mark, newest
from storage.datasets.store import Store
from storage.datasets.versions import Version


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """A version in a line: its tags, verdict, cost in USD, certificate, and the share of rows in that were kept.

    verdict: the word of its newest verdict, "" if there is none. certificate: what it says of benchmark items, "" if it has none.
    acceptance: of the candidates that were judged; None where no funnel is recorded.
    """

    version: Version
    tags: Sequence[str]
    verdict: str
    verdict_of: Mapping[str, Any]
    usd: float
    tokens: int
    certificate: str
    clean: bool | None
    acceptance: float | None


@dataclass(frozen=True, slots=True)
class Promotion:
    """One step in the history of a tag."""

    at: str
    tag: str
    version: str
    back: bool


def facts_of(version: Version, marks: Sequence[Mark], tags: Mapping[str, str]) -> VersionFacts:
    """Return the facts of a version; `marks` and `tags` are those of its dataset."""
    verdict = newest(marks, version.name, "verdict")
    costs = version.lineage.get("costs") or []
    certificate, clean = _certificate(version.lineage.get("decontamination") or {})
    return VersionFacts(
        version,
        [tag for tag, name in tags.items() if name == version.name],
        str(verdict.value.get("verdict", "")) if verdict else "",
        verdict.value if verdict else {},
        float(sum(cost.get("usd", 0.0) for cost in costs)),
        int(sum(cost.get("prompt_tokens", 0) + cost.get("completion_tokens", 0) for cost in costs)),
        certificate,
        clean,
        acceptance(version),
    )


def acceptance(version: Version) -> float | None:
    """Return the rows that the version's run added, as a share of them and of the candidates that it dropped."""
    funnel = version.lineage.get("funnel") or []
    aside = ("calibrate", "probe", "ingest")
    lost = sum(
        line.get("rejected", 0) + line.get("failed", 0) for line in funnel if line.get("stage") not in aside
    )
    return version.added / (version.added + lost) if funnel and version.added + lost else None


def timeline(store: Store, dataset: str) -> list[VersionFacts]:
    """Return the facts of all versions of a dataset, the newest first."""
    marks, tags = store.marks(dataset), store.tags(dataset)
    return [facts_of(version, marks, tags) for version in reversed(store.versions(dataset))]


def promotions(marks: Sequence[Mark]) -> list[Promotion]:
    """Return how tags were moved, the newest step first."""
    return [
        Promotion(one.at, str(one.value.get("tag", "")), one.version, bool(one.value.get("back")))
        for one in reversed(marks)
        if one.kind == "tag"
    ]


def _certificate(record: Mapping[str, Any]) -> tuple[str, bool | None]:
    sets = record.get("sets") or []
    if not sets:
        return "", None
    rows, clean = int(record.get("rows", 0)), int(record.get("clean_rows", 0))
    hits = sum(int(number) for number in (record.get("hits") or {}).values())
    return (
        f"{clean:,} of {counted(rows, 'row')} clean of {counted(len(sets), 'set')}",
        not hits and clean == rows,
    )
