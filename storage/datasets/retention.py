"""Retention: which versions are kept, which are retired, and which files nobody needs any more.

In two steps with a grace between them. Retiring is a mark: the version is listed no more and cannot be
leased. Files go when every version that has them was retired longer ago than the grace, so that whoever
had found the version just before can finish reading. A killed run of either step is finished by the next.

The newest version, tagged and leased ones are always kept, whatever the rules say.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from storage.datasets import delta, tags
from storage.datasets.annotations import Mark, mark, marks
from storage.datasets.promotion import stacks
from storage.datasets.versions import Version
from storage.errors import StorageError
from storage.location import Location

ALWAYS = 2  # newest versions that no rule retires: the next night still compares with them


@dataclass(frozen=True, slots=True)
class Rules:
    """A version is kept if it is among the newest `last`, younger than `days`, or the newest of one of the
    last `months` months. `grace_hours`: between retiring a version and deleting its files, and before an
    orphan is swept."""

    last: int = 30
    days: int = 30
    months: int = 12
    grace_hours: float = 24.0


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a version; `why` names the rule, tag or lease that keeps it."""

    version: Version
    keep: bool
    why: str


def fates(where: Location, dataset: str, rules: Rules, now: datetime.datetime) -> list[Fate]:
    """Every version that is not retired yet, oldest first."""
    said = marks(where, dataset)
    gone = retired(said)
    versions = [v for v in tags.versions_of(where, dataset) if v.name not in gone]
    tagged = {stack[-1]: tag for tag, stack in stacks(said).items()}
    held = leases(said, now)
    monthly = {v.created[:7]: v.name for v in versions}
    months = sorted(monthly, reverse=True)[: rules.months]
    found = []
    for number, version in enumerate(reversed(versions)):
        age = now - datetime.datetime.fromisoformat(version.created)
        why = ""
        if version.name in tagged:
            why = f"tagged {tagged[version.name]}"
        elif version.name in held:
            why = f"leased by {', '.join(held[version.name])}"
        elif number < max(rules.last, ALWAYS):
            why = f"among the newest {max(rules.last, ALWAYS)}"
        elif age < datetime.timedelta(days=rules.days):
            why = f"younger than {rules.days} days"
        elif any(monthly[month] == version.name for month in months):
            why = f"the newest of {version.created[:7]}"
        found.append(Fate(version, bool(why), why or "no rule keeps it"))
    return found[::-1]


def retire(where: Location, found: Sequence[Fate]) -> int:
    """Mark as retired what is not kept; returns how many."""
    going = [fate.version for fate in found if not fate.keep]
    for version in going:
        mark(where, version.dataset, version.name, "retired", {})
    return len(going)


def unneeded(where: Location, dataset: str, rules: Rules, now: datetime.datetime) -> list[str]:
    """Files of versions retired longer ago than the grace that no other version has, nor the table now."""
    said = marks(where, dataset)
    gone = retired(said)
    held = leases(said, now)
    limit = now - datetime.timedelta(hours=rules.grace_hours)
    needed: set[str] = set()
    going: set[str] = set()
    for version in tags.versions_of(where, dataset):
        at = gone.get(version.name)
        old = at is not None and at <= limit and version.name not in held
        (going if old else needed).update(version.files)
    table = delta.open_table(where.url(dataset))
    now_there = set() if table is None else set(delta.files_of(table))
    return sorted(path for path in going - needed - now_there if where.exists(dataset, path))


def retired(said: Sequence[Mark]) -> dict[str, datetime.datetime]:
    """Name of each retired version, and when it was retired."""
    return {one.version: datetime.datetime.fromisoformat(one.at) for one in said if one.kind == "retired"}


def leases(said: Sequence[Mark], now: datetime.datetime) -> dict[str, list[str]]:
    """Name of each version that is leased now, and by whom."""
    until: dict[tuple[str, str], datetime.datetime] = {}
    for one in said:
        if one.kind == "lease":
            until[one.version, one.value["holder"]] = datetime.datetime.fromisoformat(one.value["until"])
    held: dict[str, list[str]] = {}
    for (version, holder), end in sorted(until.items()):
        if end > now:
            held.setdefault(version, []).append(holder)
    return held


def lease(where: Location, version: Version, holder: str, until: datetime.datetime) -> None:
    """`holder` reads the version until then; a moment that has passed ends the lease. StorageError if it is
    retired."""
    mark(where, version.dataset, version.name, "lease", {"holder": holder, "until": until.isoformat()})
    # asked after the mark: of a lease and a retirement at once, one sees the other
    if version.name in retired(marks(where, version.dataset, "retired")):
        raise StorageError(f"{version} was retired by retention: take a newer version")
