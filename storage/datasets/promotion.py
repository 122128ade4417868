"""Tags: names that point to a version, such as `production`, and can be moved and rolled back.

`math-sft@production` resolves to the version that has the tag now. A tag is a stack in the log of marks: promoting pushes a
version, rolling back pops the newest; both append a mark, nothing is overwritten.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from storage.datasets.annotations import Mark, mark, marks
from storage.errors import StorageError
from storage.location import Location

TAGS = ("candidate", "validated", "production")
_TAG = re.compile(r"[a-z][a-z0-9_-]{0,39}")


def stacks(log: Iterable[Mark]) -> dict[str, list[str]]:
    """Return, per tag, the versions that it has pointed to, with the present one last; tags without a version are left out."""
    by_tag: dict[str, list[str]] = {}
    for one in log:
        if one.kind == "tag":
            stack = by_tag.setdefault(one.value["tag"], [])
            if one.value.get("back"):
                stack.pop()
            elif not stack or stack[-1] != one.version:
                stack.append(one.version)
    return {tag: stack for tag, stack in by_tag.items() if stack}


def tags_of(where: Location, dataset: str) -> dict[str, str]:
    """Return, per tag, the name of the version that it points to now."""
    return tags_in(marks(where, dataset, "tag"))


def tags_in(log: Iterable[Mark]) -> dict[str, str]:
    """Return, per tag, the name of the version that it points to by these marks of one dataset."""
    return {tag: stack[-1] for tag, stack in sorted(stacks(log).items())}


def promote(where: Location, dataset: str, version: str, tag: str) -> None:
    """Move the tag to that version. Raises StorageError if `tag` is not a valid name."""
    if not _TAG.fullmatch(tag):
        raise StorageError(
            f"{tag!r} is no tag. Fix: use small letters, digits, '-' and '_', such as {', '.join(TAGS)}"
        )
    mark(where, dataset, version, "tag", {"tag": tag})


def rollback(where: Location, dataset: str, tag: str) -> tuple[str, str]:
    """Move the tag back to its version before; return (the version that it left, the version that it points to).

    Raises StorageError if the tag has no version before.
    """
    stack = stacks(marks(where, dataset, "tag")).get(tag, [])
    if len(stack) < 2:
        state = f"has pointed to {dataset}@{stack[0]} only" if stack else "points to no version"
        raise StorageError(
            f"tag {tag!r} of {dataset} {state}: there is nothing to go back to. Fix: promote the version you want"
        )
    mark(where, dataset, stack[-1], "tag", {"tag": tag, "back": True})
    return stack[-1], stack[-2]
