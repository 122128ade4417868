"""Reads and checks `conditions.yaml`: what the writer of a problem has to vary. tasks/conditions.py chooses from it.

A file of that name in an overlay replaces the one of this folder. Its version is the hash of its content, like a prompt's.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from prompts import HERE, PromptError, in_short

NAME = "conditions.yaml"

_Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[^\r\n]*$")]
WordPair = tuple[_Words, _Words]  # English, Chinese
_Pairs = Annotated[tuple[WordPair, ...], Field(min_length=1)]


class ConditionLists(BaseModel):
    """The keys of conditions.yaml, which explains them. `stories` may be empty: then no problem is set in a context."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kinds: _Pairs
    stories: tuple[WordPair, ...]
    bare: WordPair
    contexts: _Pairs
    answers: dict[str, _Pairs]
    concepts: dict[str, _Pairs]


def replaced(overlay: Path | None) -> bool:
    """Return whether the overlay has conditions of its own."""
    return overlay is not None and (overlay / NAME).is_file()


@functools.cache
def load(overlay: Path | None = None) -> tuple[ConditionLists, str]:
    """Return the conditions, those of the overlay if it has some, and their version, such as `conditions@3f2a91bc`.

    A process reads a file once. Raises PromptError if the file is malformed, or names other domains or subdomains than the
    one of this folder.
    """
    shipped, version = _read(HERE / NAME)
    if overlay is None or not replaced(overlay):
        return shipped, version
    own, version = _read(overlay / NAME)
    for key in ("answers", "concepts"):
        known, stated = getattr(shipped, key), getattr(own, key)
        if unknown := sorted(stated.keys() - known.keys()):
            raise PromptError(
                f"{overlay / NAME}: {key}: there is no {unknown[0]!r}. Fix: use {', '.join(sorted(known))}"
            )
        if missing := sorted(known.keys() - stated.keys()):
            raise PromptError(
                f"{overlay / NAME}: {key}: without {', '.join(missing)}. Fix: copy them from {HERE / NAME}"
            )
    return own, version


def _read(path: Path) -> tuple[ConditionLists, str]:
    data = path.read_bytes()
    try:
        lists = ConditionLists.model_validate(yaml.safe_load(data))
    except (yaml.YAMLError, UnicodeDecodeError, ValidationError) as error:
        raise PromptError(f"{path}: {in_short(error)}. Fix: correct it as in {HERE / NAME}") from error
    return lists, f"{path.stem}@{hashlib.sha256(data).hexdigest()[:8]}"
