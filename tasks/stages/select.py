"""The stage `select`: choose among accepted rows by the selectors of tasks/selection, one after the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator

from storage.reasons import Reason
from storage.rows import column, reject, replace
from tasks.plugins import checked, names
from tasks.selection import PASS_RATE, PLUGINS, selector, settings_of
from tasks.settings import Section
from tasks.stages.outcome import Outcome, Tick

STAGE = "select"
SELECTOR = "selector"  # the value of every reason that names the selector
# selectors that read the pass rates which an earlier one has measured
BY_PASS_RATE = ("mirrored_j",)


class SelectSettings(Section, title="Select"):
    by: dict[str, dict[str, Any]] = Field(
        {},
        description="files of tasks/selection/ with their settings, in the order in which they choose, such as "
        "pass_rate: {samples: 8}; empty: every accepted row stays",
    )

    @field_validator("by")
    @classmethod
    def _by(cls, given: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        checked("selector", given, names(PLUGINS))
        order = list(given)
        for place, name in enumerate(order):
            settings_of(name, given[name])
            if name in BY_PASS_RATE and PASS_RATE not in order[:place]:
                raise ValueError(f"{name} reads pass rates: put {PASS_RATE} before it")
        return given

    def names(self, *, whole: bool) -> list[str]:
        """Return the selectors that compare rows with each other, or those that do not, in order."""
        return [name for name in self.by if selector(name).whole == whole]


def select(
    rows: pa.Table,
    *,
    name: str,
    settings: Mapping[str, Any],
    seed: int,
    tick: Tick,
    parents: pa.Table | None = None,
    **tools: Any,
) -> Outcome:
    """Return the rows with the scores and verdicts of the selector `name`, rejected where it does not take them.

    settings: its own. parents: the rows that these may be made from, of a selector that reads them. Rows of another kind than
    a solution are not shown to it, and stay.
    """
    plugin = selector(name)
    shown = pc.and_(pc.is_null(rows.column("kind")), pc.is_valid(rows.column("solution")))
    places = pc.indices_nonzero(shown).to_pylist()
    if not places:
        tick(rows.num_rows)
        return Outcome(rows, rows.num_rows)
    if parents is not None:
        tools["parents"] = parents
    chosen = plugin.select(
        rows.filter(shown), settings=settings_of(name, settings), seed=seed, tick=tick, **tools
    )
    reasons: list[Reason | None] = [None] * rows.num_rows
    for place, why in zip(places, chosen.reasons, strict=True):
        if why is not None:
            reasons[place] = dataclasses.replace(why, values={**why.values, SELECTOR: name})
    columns = {
        of: _extended(rows, of, places, added)
        for of, added in (("scores", chosen.scores), ("verdicts", chosen.verdicts))
        if added
    }
    return Outcome(reject(replace(rows, **columns), reasons), rows.num_rows, chosen.facts)


def _extended(
    rows: pa.Table, name: str, places: list[int], added: Mapping[str, list[Any]]
) -> list[dict[str, Any]]:
    """Return the maps of a column with the added entries."""
    maps = [dict(pairs or ()) for pairs in column(rows, name)]
    for key, values in added.items():
        for place, value in zip(places, values, strict=True):
            if value is not None:
                maps[place][key] = value
    return maps
