"""Plug-ins found by name: a folder of modules, each one idea. Adding one is adding a file."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from types import ModuleType

from storage.errors import ForPeople


class UnknownName(ForPeople, ValueError):
    """A configured name that no module has; the message lists the names there are."""


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
