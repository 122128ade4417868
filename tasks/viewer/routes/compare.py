"""Two versions side by side, and the results of evaluations by item."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow.parquet as pq
from fastapi import APIRouter, Request
from starlette.responses import Response

from storage.errors import StorageError, VersionNotFound, in_one_line
from tasks.reports.diff import compare
from tasks.viewer.conditions import BadAddress
from tasks.viewer.facts import timelines
from tasks.viewer.quality import shifts
from tasks.viewer.site import Site

EXAMPLES: Final = 30  # added, dropped and changed rows that are shown
ITEMS: Final = 50  # items of a page
LATEST: Final = 20  # evaluations of the list whose worst subdomain is computed
FOLDER: Final = "evaluations"


def router(site: Site) -> APIRouter:
    """Return the routes of this topic."""
    routes = APIRouter()
    compared = functools.lru_cache(16)(
        lambda a, b: compare(site.store, site.store.resolve(a), site.store.resolve(b), EXAMPLES)
    )

    @routes.get("/compare")
    def versions(request: Request, a: str = "", b: str = "") -> Response:
        names = [str(version) for version in site.versions()]
        if not a or not b:
            return site.page(request, "compare.html", names=names, a=a, b=b, d=None)
        first, second = site.store.resolve(a), site.store.resolve(b)
        return site.page(
            request,
            "compare.html",
            names=names,
            a=str(first),
            b=str(second),
            d=compared(str(first), str(second)),
            quality=shifts(site.index, first, second),
        )

    @routes.get("/trends")
    def trends(request: Request) -> Response:
        lines = {name: list(reversed(own)) for name, own in timelines(site.store).items() if own}
        return site.page(
            request,
            "trends.html",
            datasets=[
                (name, facts, _trends(site, [fact.version for fact in facts]))
                for name, facts in lines.items()
                if len(facts) > 1
            ],
            single=[facts[0].version for facts in lines.values() if len(facts) == 1],
        )

    @routes.get("/evaluations")
    def evaluations(request: Request) -> Response:
        records = _records(site.home)
        return site.page(
            request,
            "evaluations.html",
            records=[
                record
                | {"worst": _by_subdomain(_items(site.home, record, ""))[:1] if number < LATEST else []}
                for number, record in enumerate(records)
            ],
        )

    @routes.get("/evaluations/{name}")
    def evaluation(
        request: Request, name: str, beside: str = "", only: str = "", benchmark: str = "", start: int = 0
    ) -> Response:
        records = {record["name"]: record for record in _records(site.home)}
        if name not in records or (beside and beside not in records):
            raise VersionNotFound(f"there is no evaluation {name!r}. Fix: see the list of evaluations")
        items = _items(site.home, records[name], beside)
        benchmarks = sorted({item["benchmark"] for item in items})
        chosen = [
            item
            for item in items
            if (not benchmark or item["benchmark"] == benchmark) and (not only or item["kind"] == only)
        ]
        start = max(0, start)
        return site.page(
            request,
            "evaluation.html",
            record=records[name],
            beside=beside,
            others=[other for other in records if other != name],
            only=only,
            benchmark=benchmark,
            benchmarks=benchmarks,
            kinds=_kinds(items),
            subdomains=_by_subdomain(items),
            total=len(chosen),
            items=chosen[start : start + ITEMS],
            start=start,
            more=start + ITEMS if len(chosen) > start + ITEMS else 0,
        )

    return routes


def _records(home: Path) -> list[dict[str, Any]]:
    """Return the records of all evaluations of a home, the newest first."""
    records = []
    for path in (home / FOLDER).glob("*/record.json"):
        try:
            record = orjson.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise StorageError(
                f"{path} cannot be read ({in_one_line(error)}). Fix: ./mathmill verify, or run the evaluation again"
            ) from error
        records.append(record | {"name": path.parent.name})
    return sorted(records, key=lambda record: (record.get("created", ""), record["name"]), reverse=True)


def _items(home: Path, record: Mapping[str, Any], beside: str) -> list[dict[str, Any]]:
    """Return the items of an evaluation with the answers of both models, regressions first.

    The second model is the evaluation's own baseline, or the candidate of the evaluation `beside`.
    """
    folder = home / FOLDER / record["name"]
    after = _answers(folder / "candidate.parquet")
    before: dict[tuple[str, str], dict[str, Any]] = {}
    if beside:
        before = _answers(home / FOLDER / beside / "candidate.parquet")
    elif (folder / "baseline.parquet").is_file():
        before = _answers(folder / "baseline.parquet")
    items = []
    for key, item in after.items():
        other = before.get(key)
        if before and other is None:
            continue
        items.append(item | {"other": other, "kind": _kind(item, other)})
    order = {"worse": 0, "wrong": 1, "better": 2, "right": 3}
    return sorted(
        items, key=lambda item: (order[item["kind"]], item["benchmark"], item["id"], item["form"] or "")
    )


def _kind(item: Mapping[str, Any], other: Mapping[str, Any] | None) -> str:
    """Return whether an item got worse or better beside the other model, else whether it is right."""
    score = item["score"] or 0.0
    if other is not None and (other["score"] or 0.0) != score:
        return "worse" if score < (other["score"] or 0.0) else "better"
    return "right" if score >= 0.5 else "wrong"


@dataclass(frozen=True, slots=True)
class SubdomainScores:
    """The mean scores of the items of a subdomain, before and after."""

    name: str
    items: int
    before: float
    after: float

    @property
    def change(self) -> float:
        return self.after - self.before


def _by_subdomain(items: Sequence[Mapping[str, Any]]) -> list[SubdomainScores]:
    """Return the scores by subdomain of the items that both models answered, the largest loss first."""
    groups: dict[str, list[tuple[float, float]]] = {}
    for item in items:
        if item["other"] is not None:
            pair = (float(item["other"]["score"] or 0.0), float(item["score"] or 0.0))
            groups.setdefault(item["subdomain"] or "none", []).append(pair)
    each = [
        SubdomainScores(name, len(pairs), *(sum(side) / len(pairs) for side in zip(*pairs, strict=True)))
        for name, pairs in groups.items()
    ]
    return sorted(each, key=lambda one: (one.change, one.name))


def _kinds(items: Sequence[Mapping[str, Any]]) -> list[tuple[str, int]]:
    return [
        (kind, sum(item["kind"] == kind for item in items)) for kind in ("worse", "better", "wrong", "right")
    ]


def _answers(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the judged items of a file by id and form. Raises BadAddress if it is missing."""
    try:
        rows = pq.read_table(path).to_pylist()
    except (OSError, ValueError) as error:
        raise BadAddress(
            f"{path} cannot be read ({in_one_line(error)}). Fix: run the evaluation again"
        ) from error
    return {(row["id"], row["form"] or ""): row for row in rows if row["rejected"] is None}


def _trends(site: Site, versions: Sequence[Any]) -> list[tuple[str, list[tuple[str, float | None]]]]:
    """Return (title, points) of the shares of the subdomains over the newest versions that were not overwritten."""
    shares: dict[str, dict[str, float]] = {}
    shown = list(versions)[-20:]
    for version in shown:
        counts = site.pages.grouped(site.index.kept(version), "subdomain", "min(n)", 100)
        for name, rows, _ in counts:
            shares.setdefault(name or "none", {})[version.name] = rows / max(1, version.rows)
    largest = sorted(shares, key=lambda name: -max(shares[name].values()))[:8]
    return [
        (name, [(version.name, shares[name].get(version.name, 0.0)) for version in shown]) for name in largest
    ]
