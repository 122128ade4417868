"""The kinds of critics, one module each, found by their names. `steps` is the example to copy: it needs nothing.

A module either has `critic(tools)`, for a kind that is ready as it is, or `fit` and `load`, for a kind that is trained by
`./mathmill critic train --kind NAME` (tasks/critics/trained.py calibrates, stores and loads it).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, cast

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from storage.errors import ForPeople
from tasks.arrays import Floats
from tasks.critics import SolutionCritic, Unjudged, WorkedSolution
from tasks.critics.labelled import LabelledSolution
from tasks.plugins import UnknownName, module, names
from tasks.settings import Section, unfit_settings

PLUGINS: Final = "tasks.critics.kinds"
EncodeTexts = Callable[[Sequence[str]], npt.NDArray[np.float32]]
CriticLog = Callable[[str], None]


class CriticError(ForPeople, ValueError):
    """A critic that cannot be trained, loaded or opened; the message names the folder, the data or the kind, and the fix."""


@dataclass(frozen=True, slots=True)
class CriticTools:
    """What kinds may ask for. `encoder`: returns the sentence encoder of a name. `engine`: returns the engine that calls the model of a role,
    None where no model may be called."""

    encoder: Callable[[str], EncodeTexts]
    engine: Callable[[str], Any] | None = None


@dataclass(frozen=True, slots=True)
class Signals:
    """What a trained kind reads in n solutions, before it is calibrated.

    `inputs`: float64 (n, features), finite; the logistic head that is fitted on held-out questions turns them into a probability. `places`:
    the likeliest first wrong step of each, from 0, -1 where the kind knows no steps, int64 (n,). `steps`: per solution and step the
    probability that the step is right given that those before are, None where the kind knows no steps. `words`: what a kind that
    writes has written, None for others. `context`: further inputs, float64 (n, more), that boosted trees read beside the logistic head, None
    where the kind has none. `located`: the probability that `places` is the first wrong step if any is, float64 (n,), None where the kind
    does not say so. `failures`: why a solution could not be judged, None for those that were; None where the kind
    cannot fail.
    """

    inputs: Floats
    places: npt.NDArray[np.int64]
    steps: list[Floats] | None = None
    words: list[str | None] | None = None
    failures: list[Unjudged | None] | None = None
    context: Floats | None = None
    located: Floats | None = None


class SolutionReader(Protocol):
    """A trained kind, fitted or loaded. `digest` is the SHA-256 of all that its signals depend on. `asks`: whether it calls a model."""

    @property
    def asks(self) -> bool: ...
    @property
    def digest(self) -> str: ...
    def read(self, solutions: Sequence[WorkedSolution]) -> Signals: ...
    def save(self, folder: Path) -> None:
        """Write its files into a folder that exists; tasks/critics/trained.py guards them by their digests."""
        ...


class TrainedKind(Protocol):
    """The contract of a kind that is trained."""

    own_settings: type[Section]
    """The class of its settings, which a user gives as `own.NAME`."""

    def fit(
        self,
        solutions: Sequence[LabelledSolution],
        settings: Any,
        encoder: str,
        tools: CriticTools,
        *,
        seed: int,
        log: CriticLog,
    ) -> SolutionReader:
        """Learn from labelled solutions. The same arguments give the same reader. `encoder`: the name of the run's encoder."""
        ...

    def load(self, folder: Path, record: Mapping[str, Any], tools: CriticTools) -> SolutionReader:
        """Load what `SolutionReader.save` wrote. Raises ValueError, KeyError or OSError for what cannot be read."""
        ...


class ReadyKind(Protocol):
    """The contract of a kind that needs no training."""

    def critic(self, tools: CriticTools) -> SolutionCritic: ...


def trained_kinds() -> list[str]:
    """Return the names of the kinds that are trained, in alphabetical order, without importing what they need."""
    return [name for name in names(PLUGINS) if hasattr(module(PLUGINS, name), "fit")]


def ready_kinds() -> list[str]:
    return [name for name in names(PLUGINS) if hasattr(module(PLUGINS, name), "critic")]


def trained_kind(name: str) -> TrainedKind:
    """Return the trained kind of that name. Raises CriticError if there is none."""
    plain = name.replace("-", "_")
    if plain not in trained_kinds():
        raise CriticError(f"no kind of critic {name!r} is trained. Fix: one of {', '.join(trained_kinds())}")
    return cast(TrainedKind, module(PLUGINS, plain))


def ready_kind(name: str) -> ReadyKind | None:
    """Return the kind of that name if it needs no training, else None."""
    try:
        kind = module(PLUGINS, name.replace("-", "_"))
    except UnknownName:
        return None
    return cast(ReadyKind, kind) if hasattr(kind, "critic") else None


def settings_of(name: str, given: Mapping[str, Any]) -> Section:
    """Return the settings of a trained kind. Raises CriticError for a setting that it does not have or a value that does not fit."""
    kind = trained_kind(name)
    try:
        return kind.own_settings.model_validate(dict(given))
    except ValidationError as error:
        known = ", ".join(kind.own_settings.model_fields)
        raise CriticError(
            *(
                f"setting {place}: {what}. Fix: the kind {name} has {known}"
                for place, what in unfit_settings(error, "own")
            )
        ) from error
