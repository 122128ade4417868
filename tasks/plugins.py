"""Plug-ins found by name: a folder of modules, each one idea. Adding one is adding a file."""

from __future__ import annotations

import difflib
import functools
import importlib
import pkgutil
from collections.abc import Iterable
from types import ModuleType

from storage.errors import ForPeople


class UnknownName(ForPeople, ValueError):
    """A configured name that no module has; the message lists the names there are."""


def checked(what: str, given: Iterable[str], known: Iterable[str]) -> None:
    """ValueError for the first given name that is not known; it names the nearest known one, and all."""
    there = list(known)
    for name in given:
        if name not in there:
            near = difflib.get_close_matches(str(name), there, 1)
            nearest = f", the nearest is {near[0]!r}" if near else ""
            raise ValueError(f"unknown {what} {name!r}{nearest}; there are: {', '.join(there)}")


def scores_of(package: str) -> list[str]:
    """The names of the scores that a package's scorers give: each one's `scores`, or its own name."""
    return [score for name in names(package) for score in getattr(module(package, name), "scores", (name,))]


@functools.cache
def names(package: str) -> tuple[str, ...]:
    """The module names of a package, in order."""
    found = importlib.import_module(package)
    return tuple(sorted(info.name for info in pkgutil.iter_modules(found.__path__)))


def module(package: str, name: str) -> ModuleType:
    """The module `name` of `package`; UnknownName if there is none."""
    if name not in names(package):
        raise UnknownName(
            f"no {name!r} in {package.replace('.', '/')}/; there are: {', '.join(names(package))}"
        )
    return importlib.import_module(f"{package}.{name}")
