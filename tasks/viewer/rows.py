"""Pages of rows, counts of their values and distributions, out of the database of tasks.viewer.index."""

from __future__ import annotations

import functools
import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from storage.datasets.candidates import SCHEMA as CANDIDATE
from tasks.viewer.conditions import FACETS, REASONS, BadAddress, View, search
from tasks.viewer.index import RowIndex, RowScope
from tasks.viewer.search import LISTED, WordSearch

PAGE: Final = 25  # rows of a page
VALUES: Final = 12  # values of a facet that are shown
MOST_VALUES: Final = 200  # of a facet, with those that are opened
BINS: Final = 20
MOST_NEAR: Final = 200  # nearest questions that a search finds
_CACHED: Final = 256  # results of counts that are kept
_SEARCHES: Final = (
    32  # searches whose rows are kept; a search with too many of them reads the texts at each query
)

# the ids of the nearest questions of a text, best first, each with its cosine
Nearest = Callable[[str], Sequence[tuple[str, float]]]


@dataclass(frozen=True, slots=True)
class RowsPage:
    """One page of rows. `after` is the place of the next one, "" if this is the last; `cosines` has one per problem id."""

    rows: Sequence[dict[str, Any]]
    after: str
    cosines: dict[str, float]


@dataclass(frozen=True, slots=True)
class FacetCount:
    """How many rows have a value; "" stands for none."""

    value: str
    rows: int
    chosen: bool


@dataclass(frozen=True, slots=True)
class Facet:
    """The most frequent values of a column, those that come next, and how many values beyond them there are."""

    name: str
    counts: Sequence[FacetCount]
    more: Sequence[FacetCount]
    further: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many rows have a value in each of BINS equal bins from `low` to `high`; `mean` and `rows` are of the rows with a value."""

    name: str
    low: float
    high: float
    counts: Sequence[int]
    mean: float
    rows: int


class RowPages:
    """Reads pages and counts. Results of counts are kept until rows that are in the database change (later scores of critics)."""

    def __init__(
        self, index: RowIndex, words: WordSearch, nearest: Callable[[RowScope], Nearest] | None = None
    ) -> None:
        self._index = index
        self._words = words
        self._nearest = nearest
        self._kept = functools.lru_cache(_CACHED)(self._query)
        self._matched = functools.lru_cache(_SEARCHES)(self._search)

    def page(self, scope: RowScope, view: View, size: int = PAGE) -> RowsPage:
        """Return the rows of a page: first which they are, by the columns that decide it, then their texts.

        Raises BadAddress if the place or the search cannot be used.
        """
        if view.q and not (view.conditions or view.near or view.sort):
            numbers = self._matched(scope, view.q)
            if numbers is not None:
                start = bisect_right(numbers, _whole(view.after)) if view.after else 0
                after = str(numbers[start + size - 1]) if len(numbers) > start + size else ""
                return RowsPage(self.rows(numbers[start : start + size]), after, {})
        where, values, cosines = self._where(scope, view)
        expression, down = view.order()
        if cosines and not view.sort:
            return self._near_page(where, values, cosines, view, size)
        key = f"{expression}" if expression else "n"
        place, given = _behind(view.after, expression, down)
        order = f"{expression} {'DESC' if down else 'ASC'} NULLS LAST, n" if expression else "n"
        chosen = self._index.query(
            f"SELECT n, {key} FROM rows WHERE {where} AND {place} ORDER BY {order} LIMIT {size + 1}",
            [*values, *given],
        )
        after = _token(chosen[size - 1], bool(expression)) if len(chosen) > size else ""
        return RowsPage(self.rows([n for n, _ in chosen[:size]]), after, cosines)

    def rows(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Return whole rows by their numbers, in this order."""
        if not numbers:
            return []
        by_number = {
            row["n"]: row
            for row in self._index.records(
                f"SELECT * EXCLUDE (text) FROM rows WHERE n {LISTED}", [list(numbers)]
            )
        }
        return [by_number[n] for n in numbers]

    def count(self, scope: RowScope, view: View) -> int:
        """Return how many rows the filters leave."""
        where, values, _ = self._where(scope, view)
        return int(self._counted(f"SELECT count(*) FROM rows WHERE {where}", tuple(values))[0][0])

    def facets(self, scope: RowScope, view: View) -> tuple[list[Facet], int]:
        """Return the counts of the values of each facet under the filters of the others, and how many rows pass all filters.

        A facet without values is left out.
        """
        names = [*(REASONS if scope.dropped else ()), *FACETS]
        filtered = [name for name in names if any(one.name == name for one in view.conditions)]
        free = [name for name in names if name not in filtered]
        counts: dict[str, list[tuple[Any, int]]] = {name: [] for name in names}
        where, values, _ = self._where(scope, view)
        # rows are read once, into one group per combination of values
        sets = ", ".join(f"({name})" for name in names)
        listed = ", ".join(names)
        total = 0
        for row in self._counted(
            f"WITH grouped AS MATERIALIZED (SELECT {listed}, count(*) AS rows FROM rows WHERE {where} GROUP BY ALL) "
            f"SELECT grouping({listed}), {listed}, sum(rows)::BIGINT FROM grouped GROUP BY GROUPING SETS ({sets})",
            tuple(values),
        ):
            place = _of_grouping(row[0], len(names))
            total += row[-1] if place == 0 else 0
            if names[place] in free:
                counts[names[place]].append((row[1 + place], row[-1]))
        for name in filtered:
            where, values, _ = self._where(scope, view, without=name)
            counts[name] = [
                (value, rows)
                for value, rows in self._counted(
                    f"SELECT {name}, count(*) FROM rows WHERE {where} GROUP BY 1", tuple(values)
                )
            ]
        facets = [
            facet
            for name in names
            if (facet := _facet(name, counts[name], view)).counts
            and (len(facet.counts) > 1 or name in filtered or facet.counts[0].value)
        ]
        return facets, total

    def scores(self, scope: RowScope) -> list[str]:
        """Return the names of the scores that rows of the scope have."""
        rows = self._counted(
            f"SELECT DISTINCT unnest(map_keys(scores)) FROM rows WHERE {scope.where}",
            scope.values,
        )
        return sorted(name for (name,) in rows)

    def verdicts(self, scope: RowScope) -> list[tuple[str, str, int]]:
        """Return (name, value, rows) of the verdicts of the scope, the most frequent values of each name first."""
        rows = self._counted(
            "SELECT e.key, e.value, count(*) FROM (SELECT unnest(map_entries(verdicts)) AS e FROM rows "
            f"WHERE {scope.where}) GROUP BY e.key, e.value QUALIFY row_number() OVER (PARTITION BY e.key ORDER BY count(*) DESC, e.value) <= 8 "
            "ORDER BY 1, 3 DESC, 2",
            scope.values,
        )
        return [(name, value, count) for name, value, count in rows]

    def histogram(self, scope: RowScope, name: str, expression: str, low: float, high: float) -> Histogram:
        """Return the distribution of a numeric expression; values outside of `low` to `high` count in the first or last bin."""
        width = (high - low) / BINS
        rows = self._counted(
            f"SELECT least({BINS - 1}, greatest(0, floor((x - {low!r}) / {width!r})))::INTEGER, count(*), sum(x) "
            f"FROM (SELECT {expression} AS x FROM rows WHERE {scope.where}) WHERE x IS NOT NULL AND NOT isnan(x::DOUBLE) GROUP BY 1",
            scope.values,
        )
        counts = [0] * BINS
        for place, count, _ in rows:
            counts[place] = count
        total = sum(counts)
        mean = math.fsum(float(part) for _, _, part in rows) / total if total else 0.0
        return Histogram(name, low, high, counts, mean, total)

    def grouped(self, scope: RowScope, column: str, figures: str, most: int = 20) -> list[tuple[Any, ...]]:
        """Return `figures` (SQL aggregates) per value of a column, the most frequent values first."""
        return self._counted(
            f"SELECT {column}, count(*), {figures} FROM rows WHERE {scope.where} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {most}",
            scope.values,
        )

    def one(self, scope: RowScope, figures: str) -> tuple[Any, ...]:
        """Return `figures` (SQL aggregates) over the scope."""
        return self._counted(f"SELECT {figures} FROM rows WHERE {scope.where}", scope.values)[0]

    def export(self, scope: RowScope, view: View) -> tuple[str, list[Any]]:
        """Return the query, and its values, of all rows under the filters with the columns of a candidate, in the view's order."""
        where, values, _ = self._where(scope, view)
        expression, down = view.order()
        order = f"{expression} {'DESC' if down else 'ASC'} NULLS LAST, n" if expression else "n"
        columns = ", ".join(f'"{name}"' for name in CANDIDATE.names)
        return f"SELECT {columns} FROM rows WHERE {where} ORDER BY {order}", values

    def ids(self, scope: RowScope, view: View, most: int) -> list[str]:
        """Return the ids of at most `most` rows under the filters."""
        where, values, _ = self._where(scope, view)
        return [
            one
            for (one,) in self._index.query(
                f"SELECT id FROM rows WHERE {where} ORDER BY n LIMIT {most}", values
            )
        ]

    def _where(
        self, scope: RowScope, view: View, *, without: str = ""
    ) -> tuple[str, list[Any], dict[str, float]]:
        condition, given = view.where(without=without)
        where, values = f"{scope.where} AND {condition}", [*scope.values, *given]
        if view.q:
            numbers = self._matched(scope, view.q)
            if numbers is None:
                condition, words = search(view.q)
                where, values = f"{where} AND {condition}", [*values, *words]
            else:
                where, values = f"{where} AND n {LISTED}", [*values, numbers]
        if not view.near:
            return where, values, {}
        if self._nearest is None:
            raise BadAddress("there is no encoder to search with. Fix: search for words instead")
        cosines = dict(self._nearest(scope)(view.near))
        return f"{where} AND problem_id IN (SELECT unnest(?::VARCHAR[]))", [*values, tuple(cosines)], cosines

    def _search(self, scope: RowScope, query: str) -> tuple[int, ...] | None:
        numbers = self._words.matching(scope, query)
        return None if numbers is None else tuple(numbers)

    def _near_page(
        self, where: str, values: list[Any], cosines: dict[str, float], view: View, size: int
    ) -> RowsPage:
        there = self._index.query(f"SELECT n, problem_id FROM rows WHERE {where}", values)
        there.sort(key=lambda row: (-cosines[row[1]], row[0]))
        numbers = [n for n, _ in there]
        start = _whole(view.after) if view.after else 0
        after = str(start + size) if len(numbers) > start + size else ""
        return RowsPage(self.rows(numbers[start : start + size]), after, cosines)

    def _counted(self, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        return self._kept(self._index.revision, sql, values)

    def _query(self, revision: int, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        return self._index.query(sql, values)


def _of_grouping(bits: int, count: int) -> int:
    """Return which column a row of GROUPING SETS is grouped by: that of the only bit that is 0, the first column is the highest."""
    return next(place for place in range(count) if not bits >> (count - 1 - place) & 1)


def _facet(name: str, counts: Sequence[tuple[Any, int]], view: View) -> Facet:
    ordered = sorted(
        (
            FacetCount(
                "" if value is None else str(value), rows, view.has(name, "" if value is None else str(value))
            )
            for value, rows in counts
        ),
        key=lambda one: (not one.chosen, -one.rows, one.value),
    )
    return Facet(name, ordered[:VALUES], ordered[VALUES:MOST_VALUES], max(0, len(ordered) - MOST_VALUES))


def _token(row: tuple[Any, ...], ordered: bool) -> str:
    """Return the place of a row: its number, behind the value that it is ordered by."""
    n, value = row
    if not ordered:
        return str(n)
    if value is None:
        return f"{n}!"
    return f"{n}~{value!r}" if isinstance(value, float) else f"{n}~{value}"


def _behind(after: str, expression: str, down: bool) -> tuple[str, list[Any]]:
    """Return the condition that a row comes behind a place. Raises BadAddress if it is none."""
    if not after:
        return "true", []
    if not expression:
        return "n > ?", [_whole(after)]
    if after.endswith("!") and "~" not in after:
        return f"{expression} IS NULL AND n > ?", [_whole(after[:-1])]
    number, sign, value = after.partition("~")
    if not sign:
        raise BadAddress(f"{quote(after[:40])} is no place in this order. Fix: begin at the first page")
    compared = f"CAST(? AS {_kind(expression)})"
    beyond = f"{expression} {'<' if down else '>'} {compared}"
    return (
        f"({beyond} OR ({expression} = {compared} AND n > ?) OR {expression} IS NULL)",
        [value, value, _whole(number)],
    )


def _kind(expression: str) -> str:
    if expression.startswith("scores["):
        return "FLOAT"
    name = expression.strip('"')
    if name in ("correctness", "difficulty", "loss_weight", "order"):
        return "FLOAT"
    return "BIGINT" if name in ("n", "sample_index", "solution_length", "reasoning_length") else "VARCHAR"


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise BadAddress(f"{quote(text[:40])} is no place in a list. Fix: begin at the first page")
    return int(text)
