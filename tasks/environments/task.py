"""A question as an environment has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from storage.datasets.export import require_new

TRAIN, TEST = "train", "test"


@dataclass(frozen=True, slots=True)
class EnvironmentTask:
    """A question with its trusted answer, as it is asked: `messages` are the turns before the completion. `index` is its place in the file of
    its `split`, `columns` are further columns of its row."""

    index: int
    id: str
    question: str
    answer: str
    language: str
    messages: tuple[Mapping[str, str], ...]
    split: str = TRAIN
    columns: Mapping[str, Any] = field(default_factory=dict)


def with_columns(fields: Mapping[str, Any], task: EnvironmentTask) -> dict[str, Any]:
    """Return the fields of a record, or of the part of it that holds further ones, with the task's columns. Raises StorageError for one
    that is there already."""
    for name in task.columns:
        require_new(name, list(fields))
    return {**fields, **task.columns}
