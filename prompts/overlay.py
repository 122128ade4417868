"""Overlays: folders of a user's own prompts and conditions, which are used instead of those of the project."""

from __future__ import annotations

import hashlib
from pathlib import Path

from prompts import Prompt, PromptError, conditions, load, names


def overlaid(overlay: Path | None) -> list[str]:
    """Return the names and hashes of the prompts and conditions that an overlay replaces, such as `solve_cot.en@3f2a91bc`.

    Raises PromptError if one of its files cannot be used, or has the name of no prompt.
    """
    if overlay is None:
        return []
    replaced = names(overlay)
    if unknown := [name for name in replaced if name not in names()]:
        raise PromptError(
            f"{overlay / unknown[0]}.md: there is no prompt of that name. Fix: use one of {', '.join(names())}"
        )
    refs = [_by_full_name(name, overlay).ref for name in replaced]
    return [*refs, conditions.load(overlay)[1]] if conditions.replaced(overlay) else refs


def digest(overlay: Path | None) -> str:
    """Return a hash of all prompts and conditions as they are used with this overlay."""
    total = hashlib.sha256()
    for name in names():
        total.update(_by_full_name(name, overlay).ref.encode() + b"\n")
    version = conditions.load(overlay)[1]
    if (
        version != conditions.load()[1]
    ):  # of the project's own, the plans of the calls already depend on the content
        total.update(version.encode() + b"\n")
    return total.hexdigest()[:16]


def _by_full_name(full: str, overlay: Path | None) -> Prompt:
    name, language = full.rsplit(".", 1)
    return load(name, language, overlay)
