"""What a version's record and marks say of it, for the timeline and its page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from storage.counting import counted
from storage.datasets.annotations import Mark, newest
from storage.datasets.promotion import tags_in
from storage.datasets.store import Store
from storage.datasets.versions import Version
from tasks.reports.funnel import SERVING, not_taken


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """A version in a line: its tags, verdict, cost, certificates, and the share of rows in that were kept.

    verdict: the word of its newest verdict, "" if there is none. usd, tokens: of the completions that the version was made with, also of those
    that earlier runs paid for. paid: USD and tokens that its run paid, all its processes together; None where that is not recorded. resumed: whether an
    earlier process of the same run, which was ended, paid for a part. certificate: what it says of benchmark items, "" if it has none;
    verifier: what its verifier certificate says. acceptance: of the candidates that were judged; None where no funnel is recorded.
    """

    version: Version
    tags: Sequence[str]
    verdict: str
    verdict_of: Mapping[str, Any]
    usd: float
    tokens: int
    paid: tuple[float, int] | None
    resumed: bool
    certificate: str
    clean: bool | None
    verifier: str
    verifier_right: bool | None
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
    service = version.lineage.get("service")
    certificate, clean = _certificate(version.lineage.get("decontamination") or {})
    verifier, verifier_right = _verifier(version.lineage.get("verifier"))
    return VersionFacts(
        version,
        [tag for tag, name in tags.items() if name == version.name],
        str(verdict.value.get("verdict", "")) if verdict else "",
        verdict.value if verdict else {},
        *_sum(costs),
        None if service is None else _sum(service),
        bool((version.lineage.get("ended") or {}).get("resumed")),
        certificate,
        clean,
        verifier,
        verifier_right,
        acceptance(version),
    )


def acceptance(version: Version) -> float | None:
    """Return the rows that the version's run added, as a share of them and of the candidates that it dropped."""
    funnel = version.lineage.get("funnel") or []
    aside = (*SERVING, "ingest")
    lost = sum(
        line.get("rejected", 0) - not_taken(line) + line.get("failed", 0)
        for line in funnel
        if line.get("stage") not in aside
    )
    return version.added / (version.added + lost) if funnel and version.added + lost else None


def timelines(store: Store) -> dict[str, list[VersionFacts]]:
    """Return the facts of all versions of all datasets, by dataset, the newest first; of a dataset whose versions are all retired, none."""
    marks = store.marks_by_dataset()
    facts = {}
    for dataset, versions in store.versions_by_dataset().items():
        own = marks.get(dataset, [])
        tags = tags_in(own)
        facts[dataset] = [facts_of(version, own, tags) for version in reversed(versions)]
    return facts


def promotions(marks: Sequence[Mark]) -> list[Promotion]:
    """Return how tags were moved, the newest step first."""
    return [
        Promotion(one.at, str(one.value.get("tag", "")), one.version, bool(one.value.get("back")))
        for one in reversed(marks)
        if one.kind == "tag"
    ]


@dataclass(frozen=True, slots=True)
class StageOutcome:
    """A stage of a run. asked = kept + not_taken + rejected + failed. serves: it keeps no row by design, as where rows only serve to
    calibrate the votes."""

    stage: str
    title: str
    asked: int
    kept: int
    not_taken: int
    rejected: int
    failed: int

    @property
    def serves(self) -> bool:
        return bool(self.asked) and self.not_taken == self.asked


def funnel_lines(
    lines: Iterable[Mapping[str, Any]], dropped: Mapping[str, tuple[int, int]]
) -> list[StageOutcome]:
    """Return the lines of a funnel, with the rows that were only not taken apart from those that were rejected.

    `dropped`: how many rows each stage did not take, and how many it rejected, for lines that do not record it; without an entry a stage
    of SERVING took none. Where a stage did both under several titles, it is not recorded which were which, and all of them count as rejected.
    """
    lines = list(lines)
    titles = Counter(line["stage"] for line in lines if line["rejected"])
    result = []
    for line in lines:
        not_taken, rejected = dropped.get(line["stage"], (int(line["stage"] in SERVING), 0))
        aside = 0
        if "not_taken" in line:
            aside = line["not_taken"]
        elif not_taken and not rejected:
            aside = line["rejected"]
        elif not_taken and titles[line["stage"]] == 1:
            aside = min(not_taken, line["rejected"])
        result.append(
            StageOutcome(
                line["stage"],
                line["title"],
                line["asked"],
                line["kept"],
                aside,
                line["rejected"] - aside,
                line["failed"],
            )
        )
    return result


def _sum(lines: Iterable[Mapping[str, Any]]) -> tuple[float, int]:
    """Return the USD and the tokens of lines."""
    lines = list(lines)
    tokens = sum(line.get("prompt_tokens", 0) + line.get("completion_tokens", 0) for line in lines)
    return float(sum(line.get("usd", 0.0) for line in lines)), int(tokens)


def _verifier(record: Mapping[str, Any] | None) -> tuple[str, bool | None]:
    cells = (record or {}).get("cells") or []
    planted, errors = (sum(int(cell.get(name, 0)) for cell in cells) for name in ("planted", "errors"))
    if not planted:
        return "", None
    return f"{errors:,} of {counted(planted, 'planted answer')} misjudged", not errors


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
