"""Retention: decides which versions are kept or retired, and which files can be deleted.

There are two steps with a grace period between them. Retiring is a mark: the version is no longer listed and cannot be
leased. Files are deleted once all versions that refer to them have been retired for longer than the grace period, so that a
process that resolved the version just before can finish reading. If a run of either step is killed, the next one finishes
it.

The newest versions and those with a tag or a lease are always kept, whatever the rules say.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from storage.counting import counted
from storage.datasets import delta, tags
from storage.datasets.annotations import Mark, mark, marks
from storage.datasets.promotion import stacks
from storage.datasets.versions import Version
from storage.errors import StorageError
from storage.location import Location

ALWAYS = 2  # newest versions that are never retired, since the next night compares with them


@dataclass(frozen=True, slots=True)
class Rules:
    """The retention rules.

    A version is kept if it is among the newest `last`, younger than `days`, or the newest of one of the last `months`
    months. `grace_hours` pass between retiring a version and deleting its files, and before an orphan is deleted.
    """

    last: int = 30
    days: int = 30
    months: int = 12
    grace_hours: float = 24.0


@dataclass(frozen=True, slots=True)
class Fate:
    """Whether a version is kept; `why` names the rule, tag or lease that keeps it."""

    version: Version
    keep: bool
    why: str


def fates(where: Location, dataset: str, rules: Rules, now: datetime.datetime) -> list[Fate]:
    """Return the decision on every version that is not retired yet, oldest first."""
    log = marks(where, dataset)
    gone = retired(log)
    versions = [v for v in tags.versions_of(where, dataset) if v.name not in gone]
    tagged = {stack[-1]: tag for tag, stack in stacks(log).items()}
    held = leases(log, now)
    monthly = {v.created[:7]: v.name for v in versions}
    months = sorted(monthly, reverse=True)[: rules.months]
    decisions = []
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
            why = f"younger than {counted(rules.days, 'day')}"
        elif any(monthly[month] == version.name for month in months):
            why = f"the newest of {version.created[:7]}"
        decisions.append(Fate(version, bool(why), why or "no rule keeps it"))
    return decisions[::-1]


def retire(where: Location, decisions: Sequence[Fate]) -> int:
    """Mark the versions that are not kept as retired, and return how many there are."""
    going = [fate.version for fate in decisions if not fate.keep]
    for version in going:
        mark(where, version.dataset, version.name, "retired", {})
    return len(going)


def unneeded(where: Location, dataset: str, rules: Rules, now: datetime.datetime) -> list[str]:
    """Return the files of versions that were retired before the grace period, unless another version or the table needs them."""
    log = marks(where, dataset)
    gone = retired(log)
    held = leases(log, now)
    limit = now - datetime.timedelta(hours=rules.grace_hours)
    needed: set[str] = set()
    going: set[str] = set()
    for version in tags.versions_of(where, dataset):
        at = gone.get(version.name)
        old = at is not None and at <= limit and version.name not in held
        (going if old else needed).update(version.files)
    table = delta.open_table(where.url(dataset))
    present = set() if table is None else set(delta.files_of(table))
    return sorted(path for path in going - needed - present if where.exists(dataset, path))


def retired(log: Sequence[Mark]) -> dict[str, datetime.datetime]:
    """Return the names of the retired versions, each with the time of its retirement."""
    return {one.version: datetime.datetime.fromisoformat(one.at) for one in log if one.kind == "retired"}


def leases(log: Sequence[Mark], now: datetime.datetime) -> dict[str, list[str]]:
    """Return the names of the versions that are leased at `now`, each with its holders."""
    until: dict[tuple[str, str], datetime.datetime] = {}
    for one in log:
        if one.kind == "lease":
            until[one.version, one.value["holder"]] = datetime.datetime.fromisoformat(one.value["until"])
    held: dict[str, list[str]] = {}
    for (version, holder), end in sorted(until.items()):
        if end > now:
            held.setdefault(version, []).append(holder)
    return held


def lease(where: Location, version: Version, holder: str, until: datetime.datetime) -> None:
    """Lease a version to `holder` until a time; a time that has passed ends the lease.

    Raises StorageError if the version is retired.
    """
    mark(where, version.dataset, version.name, "lease", {"holder": holder, "until": until.isoformat()})
    # checked after the mark, so that of a lease and a retirement at the same time one sees the other
    if version.name in retired(marks(where, version.dataset, "retired")):
        raise StorageError(f"{version} was retired by retention. Fix: take a newer version")
