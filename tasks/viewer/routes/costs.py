"""What calls cost: by day, run, dataset, model, role and method, from the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from storage.ledger.service import DayUsage
from tasks.viewer.site import Site

NO_RUN: Final = "outside of the runs: verdicts, and what commands measure"
NO_VERSION: Final = "other runs, such as evaluations"
GROUPS: Final = ("day", "dataset", "run", "model", "role", "method or stage")


@dataclass(frozen=True, slots=True)
class CostLine:
    """The sums of the calls with one value; `address` is a link to what it is about, "" if there is none."""

    value: str
    address: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    usd: float


def router(site: Site) -> APIRouter:
    """Return the routes of this topic."""
    routes = APIRouter()

    @routes.get("/costs")
    def costs(request: Request) -> Response:
        usage = site.ledger().daily()
        # a version that was made without a run, such as by a program, has none: calls outside of all runs are not its own
        of_runs = {
            str(run): version for version in reversed(site.versions()) if (run := version.lineage.get("run"))
        }
        by_dataset = {run: version.dataset for run, version in of_runs.items()}
        groups = []
        for title in GROUPS:
            keyed: dict[str, list[DayUsage]] = defaultdict(list)
            for line in usage:
                keyed[_value(line, title, by_dataset)].append(line)
            lines = [
                _sum(
                    value, f"/versions/{of_runs[value]}" if title == "run" and value in of_runs else "", part
                )
                for value, part in keyed.items()
            ]
            lines.sort(key=lambda line: line.value, reverse=title == "day")
            if title != "day":
                lines.sort(key=lambda line: (-line.usd, -line.completion_tokens))
            groups.append((title, lines[:60]))
        return site.page(request, "costs.html", groups=groups, total=_sum("", "", usage))

    return routes


def _value(line: DayUsage, title: str, by_dataset: dict[str, str]) -> str:
    match title:
        case "dataset":
            if not line.run:
                return NO_RUN
            return by_dataset.get(line.run, NO_VERSION)
        case "run":
            return line.run or NO_RUN
        case "method or stage":
            return line.tag
    return str(getattr(line, title))


def _sum(value: str, address: str, usage: Sequence[DayUsage]) -> CostLine:
    return CostLine(
        value,
        address,
        sum(line.calls for line in usage),
        sum(line.prompt_tokens for line in usage),
        sum(line.completion_tokens for line in usage),
        sum(line.usd for line in usage),
    )
