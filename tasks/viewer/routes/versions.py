"""Datasets, the timeline of versions, and the page of a version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from storage.datasets.annotations import newest
from tasks.evaluation.verdict import in_a_line
from tasks.reports.attribution import ATTRIBUTION, conclusion, groups_of
from tasks.review.session import ERROR_RATE
from tasks.viewer.conditions import column
from tasks.viewer.facts import facts_of, funnel_lines, promotions, timelines
from tasks.viewer.index import NOT_TAKEN, REJECTED, RowScope
from tasks.viewer.rows import Histogram
from tasks.viewer.site import Site

DUPLICATES: Final = ("exact", "repeated", "near", "template", "near_in_meaning", "same_path", "contaminated")


def router(site: Site) -> APIRouter:
    """Return the routes of this topic."""
    routes = APIRouter()

    @routes.get("/")
    def datasets(request: Request) -> Response:
        listed = list(timelines(site.store).items())
        lines = [lines[0] for _, lines in listed if lines]
        last = max(lines, key=lambda line: (line.version.created, str(line.version)), default=None)
        return site.page(request, "datasets.html", datasets=[one for one in listed if one[1]], last=last)

    @routes.get("/versions")
    def versions(request: Request) -> Response:
        lines = [line for own in timelines(site.store).values() for line in own]
        lines.sort(key=lambda line: (line.version.created, str(line.version)), reverse=True)
        moves = [
            (name, move) for name, own in site.store.marks_by_dataset().items() for move in promotions(own)
        ]
        moves.sort(key=lambda one: one[1].at, reverse=True)
        return site.page(request, "versions.html", lines=lines, moves=moves)

    @routes.get("/versions/{name}")
    def version(request: Request, name: str) -> Response:
        chosen = site.store.resolve(name)
        marks = site.store.marks(chosen.dataset)
        earlier = [
            one for one in site.store.versions(chosen.dataset) if one.table_version < chosen.table_version
        ]
        facts = facts_of(chosen, marks, site.store.tags(chosen.dataset))
        reasons = _reasons(site, site.index.dropped(chosen))
        attributed = newest(marks, chosen.name, ATTRIBUTION)
        return site.page(
            request,
            "version.html",
            v=chosen,
            facts=facts,
            verdict_line=in_a_line(facts.verdict_of) if "validated" in facts.verdict_of else "",
            lineage=chosen.lineage,
            before=earlier[-1] if earlier else None,
            moves=[move for move in promotions(marks) if move.version == chosen.name],
            marks=[
                mark
                for kind in ("verdict", "interference", "weakness")
                if (mark := newest(marks, chosen.name, kind))
            ],
            attributed=attributed.value if attributed else None,
            attributed_groups=groups_of(attributed.value) if attributed else [],
            attributed_line=conclusion(attributed.value) if attributed else "",
            reasons=reasons,
            outcomes=_by_outcome(reasons),
            funnel=funnel_lines(chosen.lineage.get("funnel") or [], _by_stage(reasons)),
            reviewed=rate.value if (rate := newest(marks, chosen.name, ERROR_RATE)) else None,
        )

    @routes.get("/versions/{name}/figures")
    def figures(request: Request, name: str) -> Response:
        """The parts of a version's page that read all of its rows; they come after the page."""
        chosen = site.store.resolve(name)
        kept, dropped = site.index.kept(chosen), site.index.dropped(chosen)
        pages = site.pages
        lengths = pages.one(
            kept,
            "max(solution_length), quantile_disc(solution_length, 0.99), quantile_disc(reasoning_length, 0.99)",
        )
        return site.page(
            request,
            "figures.html",
            v=chosen,
            histograms=_histograms(site, kept),
            lengths=[
                pages.histogram(kept, title, expression, 0, float(most))
                for title, expression, most in (
                    ("solution_length", "solution_length", lengths[1]),
                    ("reasoning_length", "reasoning_length", lengths[2]),
                )
                if most
            ],
            shares=[
                (name, pages.grouped(kept, name, _SHARES))
                for name in ("subdomain", "language", "method", "model", "source", "solution_format")
            ],
            questions=pages.one(kept, "count(DISTINCT problem_id), count(*)"),
            duplicates=[line for line in _reasons(site, dropped) if line.code in DUPLICATES],
            verdicts=pages.verdicts(kept),
        )

    return routes


_SHARES: Final = "avg(correctness), avg(solution_length), avg(reasoning_length), count(reasoning), count(DISTINCT problem_id)"


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """How many rows a stage dropped for a reason; `outcome` is that of tasks.viewer.index."""

    code: str
    stage: str | None
    outcome: str
    rows: int


def _reasons(site: Site, dropped: RowScope) -> list[ReasonCount]:
    """Return the reasons for which rows were dropped, the most frequent first."""
    counts = [
        ReasonCount(row[0]["code"], row[0]["stage"], row[0]["outcome"], row[1])
        for row in site.pages.grouped(
            dropped, "struct_pack(code := code, stage := dropped_by, outcome := outcome)", "min(n)", 200
        )
    ]
    return sorted(counts, key=lambda one: (-one.rows, one.code, one.stage or ""))


def _by_outcome(reasons: Sequence[ReasonCount]) -> dict[str, int]:
    """Return how many rows were rejected, not taken, and failed."""
    counts = Counter[str]()
    for one in reasons:
        counts[one.outcome] += one.rows
    return dict(counts)


def _by_stage(reasons: Sequence[ReasonCount]) -> dict[str, tuple[int, int]]:
    """Return how many rows each stage did not take, and how many it rejected."""
    counts = Counter[tuple[str, str]]()
    for one in reasons:
        counts[one.stage or "", one.outcome] += one.rows
    return {stage: (counts[stage, NOT_TAKEN], counts[stage, REJECTED]) for stage, _ in counts}


def _histograms(site: Site, scope: RowScope) -> list[Histogram]:
    named = [(name, column(name)) for name in ("correctness", "difficulty")]
    named += [(f"score.{name}", column(f"score.{name}")) for name in site.pages.scores(scope)]
    histograms = [site.pages.histogram(scope, name, expression, 0.0, 1.0) for name, expression in named]
    return [one for one in histograms if one.rows]
