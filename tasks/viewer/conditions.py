"""The filters, the order and the place of a list of rows, as they stand in an address, and the SQL that they mean.

An address names columns: `subdomain=circles` (several: one of them; empty: rows without a value), `not.subdomain=circles`,
`wrong=yes`, `correctness.min=0.5`, `score.critique.max=0.4`, `verdict.executed=ok`, `question.has=triangle`. `q` is a search for words, `near` one for
nearest questions, `sort` a column (`-correctness`: the largest first) and `after` the place behind which the page begins. Values
reach the database as parameters only, and names only if they are known or checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode

from storage.errors import StorageError

CHOICES: Final = (
    "language", "domain", "subdomain", "source", "method", "model", "solution_format", "kind", "license", "prompt", "run", "version",
    "outcome", "code", "dropped_by", "answer", "reference_answer", "id", "problem_id", "stage",
)  # fmt: skip
NUMBERS: Final = (
    "correctness", "difficulty", "loss_weight", "order", "sample_index", "solution_length", "reasoning_length",
)  # fmt: skip
TEXTS: Final = ("question", "solution", "reasoning", "critique", "rejected", "params")
LISTS: Final = ("concepts", "parent_ids")
FACETS: Final = ("subdomain", "method", "source", "solution_format", "language", "domain", "model", "kind")
REASONS: Final = ("outcome", "code", "dropped_by")  # facets of dropped rows
VIEWS: Final = ("cards", "table")
WRONG: Final = (
    "wrong"  # filter: whether the answer differs from a trusted one, or is less likely right than wrong
)
_IS_WRONG: Final = "(verdicts['equivalent'] = 'different' OR correctness < 0.5)"
CONTROLS: Final = ("q", "near", "sort", "after", "view")
# what people see instead of the names in the database
LABELS: Final = {"outcome": "rejected or not taken", "code": "reason", "dropped_by": "dropped by"}
_KEY = re.compile(r"[A-Za-z0-9_.:/ -]{1,80}")
_WORD = re.compile(r'(-?)(?:"([^"]*)"|(\S+))')
MOST_WORDS = 12
LONGEST_QUERY = 2_000


class BadAddress(StorageError):
    """An address asks for something that there is not."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One filter: `name` as in the address, with the values given for it."""

    name: str
    values: tuple[str, ...]

    @property
    def label(self) -> str:
        """Return the filter in words."""
        shown = " or ".join(value or "none" for value in self.values)
        base, _, end = self.name.rpartition(".")
        if self.name.startswith("not."):
            return f"{_label(self.name[4:])} is not {shown}"
        if end in ("min", "max", "has") and base:
            words = {"min": "at least", "max": "at most", "has": "has"}
            return f"{_label(base)} {words[end]} {shown}"
        return f"{_label(self.name)} is {shown}"

    def sql(self) -> tuple[str, list[Any]]:
        """Return the condition and its values. Raises BadAddress if there is no such column or a value is no number."""
        name = self.name
        if name.startswith("not."):
            condition, values = Condition(name[4:], self.values).sql()
            return f"NOT coalesce({condition}, false)", values
        base, _, end = name.rpartition(".")
        if end in ("min", "max") and base:
            number = _number(name, self.values[-1])
            return f"{column(base)} {'>=' if end == 'min' else '<='} ?", [number]
        if end == "has" and base in (*TEXTS, *CHOICES):
            return f"contains(lower({column(base)}), lower(?))", [self.values[-1]]
        if name.startswith("verdict."):
            return _one_of("verdicts[?]", self.values, [_key(name.partition(".")[2])])
        if name == WRONG:
            if set(self.values) - {"yes", "no"}:
                raise BadAddress(f"{WRONG}: {self.values[-1][:40]!r} is no answer. Fix: use yes or no")
            parts = [
                f"coalesce({_IS_WRONG}, false)" if value == "yes" else f"NOT coalesce({_IS_WRONG}, false)"
                for value in self.values
            ]
            return " OR ".join(parts), []
        if name in LISTS:
            return " OR ".join([f"list_contains({name}, ?)"] * len(self.values)), list(self.values)
        if name in CHOICES:
            return _one_of(name, self.values, [])
        raise BadAddress(f"there is no filter {name!r}. Fix: use one of {', '.join((*CHOICES, *LISTS))}")


@dataclass(frozen=True, slots=True)
class View:
    """Which rows of a scope a page shows, in which order, from which place on, and how."""

    conditions: tuple[Condition, ...] = ()
    q: str = ""
    near: str = ""
    sort: str = ""
    after: str = ""
    view: str = "cards"

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> View:
        """Return the view of an address. Raises BadAddress for names that are not known."""
        controls: dict[str, str] = {}
        values: dict[str, list[str]] = {}
        for name, value in pairs:
            if len(value) > LONGEST_QUERY:
                raise BadAddress(
                    f"the value of {name[:40]!r} is too long. Fix: give {LONGEST_QUERY:,} characters or fewer"
                )
            if name in CONTROLS:
                controls[name] = value
            elif value or not name.endswith(
                (".min", ".max", ".has")
            ):  # an empty field of the form is no filter
                values.setdefault(name, []).append(value)
        conditions = tuple(Condition(name, tuple(dict.fromkeys(given))) for name, given in values.items())
        for condition in conditions:
            condition.sql()
        view = cls(
            conditions,
            q=controls.get("q", ""),
            near=controls.get("near", ""),
            sort=controls.get("sort", ""),
            after=controls.get("after", ""),
            view=controls.get("view", VIEWS[0]),
        )
        if view.view not in VIEWS:
            view = replace(view, view=VIEWS[0])
        if view.sort:
            column(view.sort.removeprefix("-"))
        return view

    def where(self, *, without: str = "") -> tuple[str, list[Any]]:
        """Return the condition of all filters, but not of those on the column `without`; the search for words is apart."""
        parts: list[str] = []
        values: list[Any] = []
        for condition in self.conditions:
            if condition.name != without:
                text, given = condition.sql()
                parts.append(f"({text})")
                values += given
        return " AND ".join(parts) or "true", values

    def order(self) -> tuple[str, bool]:
        """Return the expression by which the rows are ordered, and whether the largest come first; "" for the stored order."""
        if not self.sort:
            return "", False
        return column(self.sort.removeprefix("-")), self.sort.startswith("-")

    def address(self, **changes: str | None) -> str:
        """Return the query of this view with other controls; None takes one out. The place is that of the first page."""
        controls = {name: getattr(self, name) for name in CONTROLS} | {"after": ""} | changes
        pairs = [(condition.name, value) for condition in self.conditions for value in condition.values]
        pairs += [
            (name, value) for name, value in controls.items() if value and (name, value) != ("view", VIEWS[0])
        ]
        return f"?{urlencode(pairs)}"

    def toggled(self, name: str, value: str) -> View:
        """Return the view with a value of a filter added, or taken out if it is there."""
        values = next((one.values for one in self.conditions if one.name == name), ())
        new = tuple(one for one in values if one != value) if value in values else (*values, value)
        rest = [one for one in self.conditions if one.name != name]
        return replace(self, conditions=(*rest, *([Condition(name, new)] if new else [])), after="")

    def without(self, name: str) -> View:
        """Return the view without a filter."""
        return replace(self, conditions=tuple(one for one in self.conditions if one.name != name), after="")

    def has(self, name: str, value: str) -> bool:
        """Return whether a filter has the value."""
        return any(one.name == name and value in one.values for one in self.conditions)

    def first(self, name: str) -> str:
        """Return the first value of a filter, "" if there is none."""
        return next((one.values[0] for one in self.conditions if one.name == name), "")


def words(query: str) -> list[tuple[bool, str]]:
    """Return the words and quoted phrases of a search in small letters, each with whether a row must have it or (-word) not."""
    parsed = [
        (not match[1], (match[2] if match[2] is not None else match[3]).lower())
        for match in _WORD.finditer(query)
    ]
    return [(needed, word) for needed, word in parsed if word][:MOST_WORDS]


def search(query: str) -> tuple[str, list[str]]:
    """Return the condition of a search for words, and its values."""
    asked = words(query)
    parts = [f"{'' if needed else 'NOT '}contains(text, ?)" for needed, _ in asked]
    return " AND ".join(parts) or "true", [word for _, word in asked]


def column(name: str) -> str:
    """Return the expression of a column or of a score (`score.critique`) that numbers and order are of. Raises BadAddress."""
    if name.startswith("score."):
        key = _key(name.partition(".")[2]).replace("'", "''")
        return f"scores['{key}']"
    if name in ("n", *CHOICES, *NUMBERS, *TEXTS):
        return f'"{name}"'
    raise BadAddress(
        f"there is no column {name!r}. Fix: use one of {', '.join((*CHOICES, *NUMBERS))} or score.NAME"
    )


def _label(name: str) -> str:
    return LABELS.get(
        name, name.replace("_", " ").replace("score.", "score ").replace("verdict.", "verdict ")
    )


def label(name: str) -> str:
    """Return the name of a column as people read it."""
    return _label(name)


def _key(name: str) -> str:
    if not _KEY.fullmatch(name):
        raise BadAddress(
            f"{name[:80]!r} is no name of a score or verdict. Fix: use a name of the list of filters"
        )
    return name


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise BadAddress(f"{name}: {text[:40]!r} is no number. Fix: give one such as 0.5") from None
    if number != number:
        raise BadAddress(f"{name}: it is no number. Fix: give one such as 0.5")
    return number


def _one_of(expression: str, given: Sequence[str], before: list[Any]) -> tuple[str, list[Any]]:
    there = [value for value in given if value]
    parts, values = [], list[Any]()
    if there:
        parts.append(f"{expression} IN ({', '.join('?' * len(there))})")
        values += [*before, *there]
    if "" in given:
        parts.append(f"{expression} IS NULL")
        values += before
    return " OR ".join(parts), values
