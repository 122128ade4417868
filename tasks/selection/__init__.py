"""Selectors: plug-ins that choose among accepted rows, one module each, found by its name in the setting `select.by`.

A selector gives rows scores and verdicts, and says which of them are not taken, each with a typed reason. It sees solutions
only; chats and documents pass. `consistency` is the example to copy: it needs no model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, cast

from pydantic import ValidationError

from storage.reasons import Reason
from tasks.plugins import module
from tasks.settings import Section

PLUGINS: Final = "tasks.selection"
ANCESTOR: Final = [
    "id", "problem_id", "question", "language", "parent_ids", "answer", "reference_answer", "correctness"
]  # fmt: skip
"""The columns of the rows that a selector with `parents` is given."""
PASS_RATE: Final = "pass_rate"  # the score of a row that is the student's pass rate on its question


@dataclass(slots=True)
class Selection:
    """What a selector returns for rows. Each list has one entry per row, in the order of the rows.

    reasons: why a row is not taken, None for one that is. scores and verdicts: by name, None for a row that has none. facts:
    counts for the report.
    """

    reasons: list[Reason | None]
    scores: dict[str, list[float | None]] = field(default_factory=dict)
    verdicts: dict[str, list[str | None]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


class Selector(Protocol):
    """The contract of a module of this folder."""

    own_settings: type[Section]
    """The class of its settings, which a user gives as `select.by.<name>`."""

    whole: bool
    """Whether it compares rows with each other. It then sees all rows of a night at once, after the last wave; another
    one sees the rows of each wave, so that the night writes more rows in place of those that it drops."""

    parents: bool
    """Whether `select` takes the keyword `parents`: the rows (columns ANCESTOR) that this night's rows may be made from."""

    def needs(self, settings: Any) -> Mapping[str, str]:
        """Return the tools that `select` takes: keyword -> a role, the name `hf:FOLDER` of a checkpoint, judge or encoder."""
        ...

    @property
    def select(self) -> Callable[..., Selection]:
        """The function `select(rows: pa.Table, *, settings, seed: int, tick: Tick, **tools) -> Selection`.

        The same rows, settings and seed give the same selection, in whatever order the rows are. It calls `tick` with the
        number of rows that were finished since the last call.
        """
        ...


class RequestsCompletions(Selector, Protocol):
    """A selector that requests completions, which the forecast of a night counts."""

    def calls(self, settings: Any, methods: Mapping[str, float]) -> Mapping[str, float]:
        """Return the completions that it requests per question, at most, by role or checkpoint. methods: those of the night with
        their weights."""
        ...


def selector(name: str) -> Selector:
    """Return the selector `name`. Raises UnknownName if there is none; a test holds every module to the contract."""
    return cast(Selector, module(PLUGINS, name))


def calls_of(name: str, given: Mapping[str, Any], methods: Mapping[str, float]) -> Mapping[str, float]:
    """Return what `RequestsCompletions.calls` returns, nothing for a selector that requests no completions. Raises as `settings_of`."""
    plugin = selector(name)
    if not hasattr(plugin, "calls"):
        return {}
    return cast(RequestsCompletions, plugin).calls(settings_of(name, given), methods)


def settings_of(name: str, given: Mapping[str, Any]) -> Section:
    """Return the settings of the selector `name`. Raises ValueError for a setting that cannot be used, and as `selector`."""
    try:
        return selector(name).own_settings.model_validate(dict(given))
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)
        raise ValueError(
            "; ".join(f"{'.'.join([name, *map(str, one['loc'])])}: {one['msg'].lower()}" for one in wrong)
        ) from None
