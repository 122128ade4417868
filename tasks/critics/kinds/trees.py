"""Boosted trees over the steps: the hazard of each step, the probability that it is wrong given that all steps before it are right.

The trees read the step's vector by a sentence encoder, its place, its numbers and words (tasks/critics/step_features.py), how it is worded
(tasks/critics/step_phrases.py) and how surprising that is (tasks/critics/step_surprise.py), and what the step checker recomputed. P(no step is wrong) is the product of what the hazards leave.
Which step of a wrong solution is the first wrong one is read by trees of their own, which learn from all steps of the wrong solutions whose
place is known, each beside its neighbours: hazards learn nothing of the steps behind an error, and so do not know what these look like.
Wrong solutions of which only the answer is known to be wrong train it by expectation and maximisation: the model of the round before says how
likely the error is in each step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from tasks.arrays import Floats
from tasks.critics import WorkedSolution, step_features
from tasks.critics.hazards import (
    CHECKED,
    checked_features,
    digest_of_arrays,
    first_error,
    per_solution,
    probability,
    solution_features,
    step_labels,
)
from tasks.critics.kinds import CriticLog, CriticTools, EncodeTexts, Signals
from tasks.critics.labelled import LabelledSolution
from tasks.critics.step_checker import Checked, check
from tasks.critics.step_phrases import PHRASES, StepPhrases, fit_phrases, stored
from tasks.critics.step_surprise import SURPRISES, StepSurprise, fit_surprise
from tasks.critics.trees import Trees, train_trees
from tasks.seeding import seed_of
from tasks.settings import Section

ARRAYS = "trees.npz"
WORDED = (*PHRASES, *SURPRISES)
LIKE = ("like_question_vector", "like_previous_vector", "like_others_vector")
RISKY = 0.3  # hazard from which on a step counts as risky
CONTEXT_COMPONENTS = 24  # components of the vectors that describe a whole solution
NEXT_COMPONENTS = 12  # components of which a step is compared with the next one
PLACING = 8  # sets of trees of the place with different seeds, whose mean counts: with three, two trainings differ by one to two points
# they learn at half the rate of the hazards with twice as many trees, which finds more first errors of questions that they have not seen
PLACING_RATE, PLACING_ROUNDS = 0.04, 2
FEWEST_PLACED = (
    40  # wrong solutions with a known place that train the trees of the place; with fewer the hazards say it
)
BLOCK = 512  # solutions whose steps are in memory at once


class TreesSettings(Section, title="Boosted trees"):
    components: int = Field(
        48, ge=1, le=384, description="principal components of the step vectors that are features"
    )
    rounds: int = Field(150, ge=1, le=2000, description="trees")
    expectations: int = Field(
        2,
        ge=1,
        le=10,
        description="passes that locate the error in solutions of which only the answer is known to be wrong",
    )


own_settings = TreesSettings


class TreesReader:
    """Reads the hazards of steps by boosted trees. `encode` must be the encoder of the training."""

    asks = False

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]], encode: EncodeTexts) -> None:
        self._arrays, self._encode = dict(arrays), encode
        self._trees = Trees.from_arrays(
            {name: arrays[f"trees.{name}"] for name in Trees.__dataclass_fields__}
        )
        self._basis = _Basis(arrays["basis.mean"], arrays["basis.axes"])
        self._phrases = StepPhrases(arrays["phrases.weights"], arrays["phrases.bias"])
        self._surprise = StepSurprise.from_arrays(arrays)
        self._places = [
            Trees.from_arrays({name: arrays[f"places{number}.{name}"] for name in Trees.__dataclass_fields__})
            for number in range(PLACING)
            if f"places{number}.roots" in arrays
        ]

    @property
    def digest(self) -> str:
        return digest_of_arrays(self._arrays)

    def read(self, solutions: Sequence[WorkedSolution]) -> Signals:
        hazards: list[Floats] = []
        checked: list[Checked] = []
        contexts: list[Floats] = []
        places: list[Floats] = []
        for start in range(0, len(solutions), BLOCK):
            block = solutions[start : start + BLOCK]
            worded = [
                np.hstack([self._phrases.columns(one.steps), self._surprise.columns(one)]) for one in block
            ]
            tables, of_block = step_tables(block, self._encode, self._basis, worded)
            odds = self._trees.log_odds(np.concatenate(tables))
            own = per_solution(probability(odds), [len(table) for table in tables])
            contexts += [_context(*pair) for pair in zip(own, tables, strict=True)]
            hazards += own
            checked += of_block
            places += self._first_errors(own, tables)
        inputs = solution_features(hazards, checked)
        context = np.hstack([inputs, np.array(contexts).reshape(len(inputs), -1)]) if contexts else None
        named = np.array([int(np.argmax(one)) for one in places], np.int64)
        located = np.array([float(one.max()) for one in places])
        return Signals(inputs, named, [1 - one for one in hazards], context=context, located=located)

    def _first_errors(self, hazards: Sequence[Floats], tables: Sequence[Floats]) -> list[Floats]:
        """Return, per solution, the probability of each step that it is the first wrong one if any is (steps,)."""
        if not self._places:
            return [one / one.sum() for one in (first_error(own)[1] for own in hazards)]
        rows = np.concatenate([beside_neighbours(table) for table in tables])
        odds = np.mean([trees.log_odds(rows) for trees in self._places], axis=0)
        likely = np.exp(np.clip(odds, -30, 30))
        return [one / one.sum() for one in per_solution(likely, [len(table) for table in tables])]

    def save(self, folder: Path) -> None:
        columns = np.array(feature_names(self._basis))
        np.savez(folder / ARRAYS, allow_pickle=False, **self._arrays, names=columns)


def load(folder: Path, record: Mapping[str, Any], tools: CriticTools) -> TreesReader:
    """Load the trees. Raises ValueError for arrays that are none, and for those of other features."""
    with np.load(folder / ARRAYS, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    names = arrays.pop("names").tolist()
    reader = TreesReader(arrays, tools.encoder(record["encoder"]))
    if names != list(feature_names(reader._basis)):
        raise ValueError("it was trained by another version of the features")
    return reader


def fit(
    solutions: Sequence[LabelledSolution],
    settings: TreesSettings,
    encoder: str,
    tools: CriticTools,
    *,
    seed: int,
    log: CriticLog,
) -> TreesReader:
    """Train the trees in passes of expectation and maximisation."""
    encode = tools.encoder(encoder)
    basis = _basis(solutions, encode, settings.components, seed)
    phrases, by_phrases = fit_phrases(solutions, seed)
    surprise, by_surprise = fit_surprise(solutions, seed)
    worded = [np.hstack(pair) for pair in zip(by_phrases, by_surprise, strict=True)]
    tables, _ = step_tables(solutions, encode, basis, worded)
    log("the steps are encoded")
    trees: Trees | None = None
    for turn in range(settings.expectations):
        rows, labels, weights = _rows(solutions, tables, trees)
        trees = train_trees(rows, labels, weights, seed=seed_of(seed, "trees", turn), rounds=settings.rounds)
        log(f"trees, pass {turn + 1} of {settings.expectations}")
    assert trees is not None
    arrays: dict[str, npt.NDArray[Any]] = {
        "basis.mean": basis.mean,
        "basis.axes": basis.axes,
        **stored(phrases),
        **surprise.arrays(),
    }
    arrays |= {f"trees.{name}": one for name, one in trees.arrays().items()}
    for number, places in enumerate(_trained_places(solutions, tables, seed, settings.rounds)):
        arrays |= {f"places{number}.{name}": one for name, one in places.arrays().items()}
    return TreesReader(arrays, encode)


def _trained_places(
    solutions: Sequence[LabelledSolution], tables: Sequence[Floats], seed: int, rounds: int
) -> list[Trees]:
    """Train the trees that tell the first wrong step from the others of its solution; none where too few places are known."""
    placed = [row for row, one in enumerate(solutions) if one.first_error is not None]
    if len(placed) < FEWEST_PLACED:
        return []
    rows = np.concatenate([beside_neighbours(tables[row]) for row in placed])
    labels = [np.arange(len(tables[row])) == solutions[row].first_error for row in placed]
    first, weights = np.concatenate(labels).astype(np.int64), np.ones(len(rows))
    return [
        train_trees(
            rows,
            first,
            weights,
            seed=seed_of(seed, "places", number),
            rounds=PLACING_ROUNDS * rounds,
            rate=PLACING_RATE,
        )
        for number in range(PLACING)
    ]


def beside_neighbours(table: Floats) -> Floats:
    """Return the features of the steps of one solution (steps, features) with those of the steps before and after each, and its
    distance from the mean of the solution, float64 (steps, more)."""
    own, vectors = table[:, :SHOWN], table[:, SHOWN:][:, :NEXT_COMPONENTS]
    none = np.zeros((1, SHOWN))
    after = np.vstack([vectors[1:], np.zeros((1, vectors.shape[1]))])
    parts = [
        table,
        np.vstack([own[1:], none]),
        np.vstack([none, own[:-1]]),
        own - own.mean(0),
        vectors - after,
    ]
    return np.hstack(parts)


@dataclass(frozen=True, slots=True)
class _Basis:
    """The principal components of vectors: `mean` (dimensions,) and `axes` (dimensions, components)."""

    mean: npt.NDArray[np.float32]
    axes: npt.NDArray[np.float32]


def feature_names(basis: _Basis) -> tuple[str, ...]:
    """Return the names of the columns of `step_tables`."""
    components = (f"component_{number}" for number in range(basis.axes.shape[1]))
    return (*step_features.FEATURES, *CHECKED, *LIKE, *WORDED, *components)


SHOWN = len(step_features.FEATURES) + len(CHECKED) + len(LIKE) + len(WORDED)  # columns before the components


def step_tables(
    solutions: Sequence[WorkedSolution], encode: EncodeTexts, basis: _Basis, worded: Sequence[Floats]
) -> tuple[list[Floats], list[Checked]]:
    """Return the features of the steps of each solution, float64 (steps, features), and what the step checker says. `worded`: the columns
    WORDED of each."""
    texts = list(dict.fromkeys(text for one in solutions for text in (one.question, *one.steps)))
    places = {text: row for row, text in enumerate(texts)}
    vectors = encode(texts)
    tables, checked = [], []
    for one, phrases in zip(solutions, worded, strict=True):
        finding = check(one.steps, question=one.question)
        question = vectors[places[one.question]]
        steps = vectors[[places[text] for text in one.steps]]
        before = np.vstack([question[None], steps[:-1]])
        others = (steps.sum(0) - steps) / max(1, len(steps) - 1)
        like = np.column_stack([steps @ question, (steps * before).sum(1), (steps * others).sum(1)])
        tables.append(
            np.hstack(
                [
                    step_features.step_features(one.question, one.steps),
                    checked_features(finding),
                    like,
                    phrases,
                    (steps - basis.mean) @ basis.axes,
                ]
            ).astype(np.float64)
        )
        checked.append(finding)
    return tables, checked


def _context(hazards: Floats, table: Floats) -> Floats:
    """Return how the hazards and the features of the steps are spread over a solution, and what its steps and its last step are like."""
    ranked = np.zeros(3)
    highest = np.sort(hazards)[::-1][:3]
    ranked[: len(highest)] = highest
    middle = len(hazards) // 2
    halves = [hazards[middle:].mean(), hazards[: max(1, middle)].mean()]
    risky = hazards > RISKY
    steps, vectors = table[:, :SHOWN], table[:, SHOWN : SHOWN + CONTEXT_COMPONENTS]
    return np.concatenate(
        [
            ranked,
            [hazards[-1], hazards[0], *halves, len(hazards), risky.sum(), risky.mean()],
            *(steps.mean(0), steps.max(0), steps[-1], vectors.mean(0), vectors[-1]),
        ]
    )


def _basis(solutions: Sequence[LabelledSolution], encode: EncodeTexts, components: int, seed: int) -> _Basis:
    """Return the principal components of the vectors of steps, from a sample of them."""
    texts = sorted({text for one in solutions for text in one.steps}, key=lambda text: seed_of(seed, text))
    vectors = encode(texts[:8192])
    mean = vectors.mean(0)
    _, vectors_of_covariance = np.linalg.eigh(np.cov((vectors - mean).T.astype(np.float64)))
    axes = vectors_of_covariance[:, ::-1][:, :components]
    axes = axes * np.where(
        axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])] < 0, -1, 1
    )  # the sign is arbitrary
    return _Basis(mean.astype(np.float32), axes.astype(np.float32))


def _rows(
    solutions: Sequence[LabelledSolution], tables: Sequence[Floats], trees: Trees | None
) -> tuple[Floats, npt.NDArray[np.int64], Floats]:
    """Return the steps that train the hazards, with labels and weights, by what `trees` say of places that are unknown."""
    parts = []
    for one, table in zip(solutions, tables, strict=True):
        unknown = not one.correct and one.first_error is None
        hazards = probability(trees.log_odds(table)) if unknown and trees is not None else None
        numbers, labels, weights = step_labels(one, hazards)
        parts.append((table[numbers], labels.astype(np.int64), weights))
    rows, labels_of, weights_of = zip(*parts, strict=True)
    return np.concatenate(rows), np.concatenate(labels_of), np.concatenate(weights_of)
