"""Finds plug-ins by name: each is a module in the folder of its kind, so that a new file adds a new plug-in."""

from __future__ import annotations

import difflib
import functools
import importlib
import pkgutil
from collections.abc import Iterable
from types import ModuleType

from storage.errors import ForPeople

MOST_NAMED = 100  # known names in a message
MOST_COMPARED = 2_000  # known names among which the nearest is searched


class UnknownName(ForPeople, ValueError):
    """A configured name that no module has; the message lists the known names."""


def checked(kind: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise ValueError for the first given name that is not known; the message names the nearest known one, and MOST_NAMED at most."""
    known_names = list(known)
    there = set(known_names)
    for name in given:
        if name not in there:
            # ids of rows are known names too: as many as a dataset has rows
            matches = difflib.get_close_matches(str(name), known_names[:MOST_COMPARED], 1)
            nearest = f", the nearest is {matches[0]!r}" if matches else ""
            more = len(known_names) - MOST_NAMED
            rest = f" and {more:,} more" if more > 0 else ""
            raise ValueError(
                f"unknown {kind} {name!r}{nearest}; there are: {', '.join(known_names[:MOST_NAMED])}{rest}"
            )


def scores_of(package: str) -> list[str]:
    """Return the names of the scores that a package's scorers give: the `scores` of each, or else its module name."""
    return [score for name in names(package) for score in getattr(module(package, name), "scores", (name,))]


@functools.cache
def names(package: str) -> tuple[str, ...]:
    """Return the module names of a package in alphabetical order."""
    imported = importlib.import_module(package)
    return tuple(sorted(info.name for info in pkgutil.iter_modules(imported.__path__)))


def module(package: str, name: str) -> ModuleType:
    """Return the module `name` of `package`. Raises UnknownName if there is none."""
    if name not in names(package):
        raise UnknownName(
            f"no {name!r} in {package.replace('.', '/')}/; there are: {', '.join(names(package))}"
        )
    return importlib.import_module(f"{package}.{name}")
