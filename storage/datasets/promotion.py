"""Tags: names that move from version to version, such as `production`, and can be taken back.

`math-sft@production` resolves to the version that has the tag now. A tag is a stack in the log of marks:
promoting puts a version on it, rolling back takes the top one off; both are marks, nothing is overwritten.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from storage.datasets.annotations import Mark, mark, marks
from storage.errors import StorageError
from storage.location import Location

TAGS = ("candidate", "validated", "production")
_TAG = re.compile(r"[a-z][a-z0-9_-]{0,39}")


def stacks(found: Iterable[Mark]) -> dict[str, list[str]]:
    """For each tag the versions it stood for, the one it stands for now last; tags that stand for none are left out."""
    stood: dict[str, list[str]] = {}
    for one in found:
        if one.kind == "tag":
            stack = stood.setdefault(one.value["tag"], [])
            if one.value.get("back"):
                stack.pop()
            elif not stack or stack[-1] != one.version:
                stack.append(one.version)
    return {tag: stack for tag, stack in stood.items() if stack}


def tags_of(where: Location, dataset: str) -> dict[str, str]:
    """Tag to the name of the version that it stands for now."""
    return {tag: stack[-1] for tag, stack in sorted(stacks(marks(where, dataset, "tag")).items())}


def promote(where: Location, dataset: str, version: str, tag: str) -> None:
    """The tag stands for that version from now on. StorageError if the tag's name cannot be one."""
    if not _TAG.fullmatch(tag):
        raise StorageError(
            f"{tag!r} is no tag: use small letters, digits, '-' and '_', such as {', '.join(TAGS)}"
        )
    mark(where, dataset, version, "tag", {"tag": tag})


def rollback(where: Location, dataset: str, tag: str) -> tuple[str, str]:
    """The tag stands again for the version before; returns (the one it left, the one it stands for).
    StorageError where there is none before."""
    stack = stacks(marks(where, dataset, "tag")).get(tag, [])
    if len(stack) < 2:
        stands = f"stands for {dataset}@{stack[0]} since it was made" if stack else "stands for no version"
        raise StorageError(
            f"tag {tag!r} of {dataset} {stands}: there is nothing to go back to; promote the version you want"
        )
    mark(where, dataset, stack[-1], "tag", {"tag": tag, "back": True})
    return stack[-1], stack[-2]
