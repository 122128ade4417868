"""The version of a stage's code: a hash over its module and every project module that it imports."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

PACKAGES = ("tasks", "prompts", "storage")
ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def code_version(function: Callable[..., Any]) -> str:
    """16 hex digits; they change when any project source that the function's module reaches changes.

    A whole package counts where one of its modules is imported: plug-ins are imported by name, so an
    import statement does not name them.
    """
    seen: set[Path] = set()
    waiting = [_file(function.__module__)]
    while waiting:
        path = waiting.pop()
        if path is None or path in seen:
            continue
        seen.add(path)
        if path.name == "__init__.py" and path.parent.parent != ROOT:
            waiting += sorted(path.parent.rglob("*.py"))
        for name in _imports(path):
            waiting.append(_file(name))
    digest = hashlib.sha256()
    for path in sorted(seen):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<module>[\w.]+)[ \t]+import[ \t]+(?P<names>\([^)]*\)|[^\n]+)|import[ \t]+(?P<plain>[^\n]+))",
    re.MULTILINE,
)


def _imports(path: Path) -> list[str]:
    # not ast: parsing to a tree in several threads at once raises SystemError in CPython 3.11
    imported: list[str] = []
    for match in _IMPORT.finditer(path.read_text(encoding="utf-8")):
        module = match["module"]
        names = re.findall(r"[\w.]+", match["plain"] or match["names"])
        imported += [module, *(f"{module}.{name}" for name in names)] if module else names
    return [name for name in imported if name.split(".")[0] in PACKAGES]


@functools.cache
def _file(module: str) -> Path | None:
    """Return the file of a project module, None for a name in a module. Nothing is imported: `importlib.util.find_spec` imports what a name
    is in, and so all that a training needs."""
    place = ROOT.joinpath(*module.split("."))
    return next((one for one in (place.with_suffix(".py"), place / "__init__.py") if one.is_file()), None)
