"""A trained critic: the probability that a solution is right, and its first wrong step.

Two models, one on top of the other:

1. A process critic gives each step its hazard, the probability that it is wrong given that all steps before it are right: gradient-boosted
   trees over the step's vector by a sentence encoder, its place, its numbers and words (tasks/critics/step_features.py), and what the
   step checker recomputed. P(no step is wrong) is the product of what the hazards leave; the first wrong step is the likeliest one.
   Wrong solutions of which only the answer is known to be wrong train it by expectation and maximisation: the model of the round before
   says how likely the error is in each step.
2. A logistic head turns the hazards, and the step checker's features of the whole solution, into a probability. It is fitted to questions
   on which the process critic was not trained, so the probability is calibrated (Platt 1999); two thresholds are chosen there as well.

The critic reads no trusted answer. Where other samples of the question are known, a second head adds the share of them that end in the same
answer (self-consistency), since agreement and the look of the steps say different things. It is stored as a folder: `critic.json` has the record (data, code, settings,
thresholds, measures), `critic.npz` the arrays (never pickled), `questions.jsonl` the questions that it has seen, so that an evaluation can
leave them out.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from storage.atomic import replacing
from storage.counting import counted
from storage.errors import ForPeople
from tasks.arrays import Floats, Mask
from tasks.code_commit import code
from tasks.critics import CriticOpinion, WorkedSolution, step_checker, step_features
from tasks.critics.baselines import best_threshold
from tasks.critics.evaluation import NOT_NAMED, Opinion, threshold_for
from tasks.critics.labelled import LabelledSolution, split
from tasks.critics.planting import planted
from tasks.critics.step_checker import Checked, check
from tasks.critics.trees import Trees, train_trees
from tasks.seeding import seed_of

RECORD, ARRAYS, QUESTIONS = "critic.json", "critic.npz", "questions.jsonl"
FOLDER = "critics"  # of the home, with the critics that were trained there
FORMAT = 1
CHECKED = ("step_wrong", "step_right", "step_invented", "wrong_before", "invented_before", "answer_underived", "numbers_unused")  # fmt: skip
LIKE = ("like_question_vector", "like_previous_vector", "like_others_vector")
NAME, NAME_WITH_SAMPLES = "trained critic", "trained critic with samples"
TEXT, SAMPLES = "head", "head_with_samples"  # the names of the two heads among the arrays
HAZARDS = ("log_odds_right", "largest_hazard", "mean_hazard", "log_steps")
BLOCK = 512  # solutions whose steps are in memory at once
_LEAST, _MOST = 1e-5, 1 - 1e-5
_HALF = 1e-3  # weight from which on a row of the expectation trains

EncodeTexts = Callable[[Sequence[str]], npt.NDArray[np.float32]]


class CriticError(ForPeople, ValueError):
    """A trained critic that cannot be loaded or trained; the message names the folder or the data, and the fix."""


@dataclass(frozen=True, slots=True)
class CriticTraining:
    """How a critic is trained.

    `held_out`: the share of the questions that calibrate it. `components`: how many principal components of the encoder's vectors
    are features. `rounds`: trees. `expectations`: rounds of expectation and maximisation. `precision`: the precision of the solutions
    that its threshold `precise` accepts. `planted`: the share of the right training solutions that get an error
    (tasks/critics/planting.py); nothing is planted into those that calibrate.
    """

    held_out: float = 0.2
    components: int = 48
    rounds: int = 150
    expectations: int = 2
    precision: float = 0.9
    planted: float = 0.0
    seed: int = 0


class TrainedCritic:
    """A critic that was trained or loaded. `encode` turns texts into vectors; it must be the encoder of the training."""

    def __init__(
        self, record: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]], encode: EncodeTexts
    ) -> None:
        self.record, self.arrays = dict(record), dict(arrays)
        self._encode = encode
        self._trees = Trees.from_arrays(
            {name: arrays[f"trees.{name}"] for name in Trees.__dataclass_fields__}
        )
        self._basis = _Basis(arrays["basis.mean"], arrays["basis.axes"])

    @property
    def identity(self) -> str:
        """The digest of everything that decides its opinions."""
        return f"trained:{digest_of(self.record, self.arrays)[:16]}"

    @property
    def threshold(self) -> float:
        """The probability from which on a solution counts as right: that of the best balanced accuracy on the calibrating questions."""
        return float(self.record["thresholds"]["balanced"])

    @property
    def precise(self) -> float:
        """The probability from which on the stated share of the accepted solutions was right; above 1 if there is none."""
        return float(self.record["thresholds"]["precise"]["value"])

    def opinion(self, solutions: Sequence[WorkedSolution]) -> Opinion:
        """Return the probabilities, and the first wrong steps of the solutions below `threshold`."""
        return self.opinions(solutions)[0]

    def opinions(self, solutions: Sequence[WorkedSolution], shares: Floats | None = None) -> list[Opinion]:
        """Return the opinion by question and solution, and, with `shares`, the one that reads them besides: the share of the other samples
        of the question with the same answer (n,), NaN where there are none."""
        hazards, checked = self._hazards(solutions)
        inputs = _solution_features(hazards, checked)
        places = [int(np.argmax(first_error(one)[1])) for one in hazards]
        given = [(NAME, inputs, TEXT, self.threshold)]
        if shares is not None:
            more = np.hstack([inputs, _agreement_features(shares)])
            given.append((NAME_WITH_SAMPLES, more, SAMPLES, float(self.record["thresholds"]["with_samples"])))
        listed = []
        for name, rows, head, threshold in given:
            right = _head(self.arrays, head, rows)
            named = np.where(right < threshold, places, NOT_NAMED)
            listed.append(Opinion(name, right, named.astype(np.int64), threshold))
        return listed

    def judge(self, solutions: Sequence[WorkedSolution]) -> list[CriticOpinion]:
        """Return the opinion on each solution; the words name the step and its finding."""
        opinions = self.opinion(solutions)
        return [
            CriticOpinion(
                right=float(right),
                answer=float(right),
                first_wrong=None if place == NOT_NAMED else int(place),
                words=_words(float(right), int(place)),
            )
            for right, place in zip(opinions.right, opinions.first_wrong, strict=True)
        ]

    def _hazards(self, solutions: Sequence[WorkedSolution]) -> tuple[list[Floats], list[Checked]]:
        hazards: list[Floats] = []
        checked: list[Checked] = []
        for start in range(0, len(solutions), BLOCK):
            block = solutions[start : start + BLOCK]
            tables, of_block = step_tables(block, self._encode, self._basis)
            odds = self._trees.log_odds(np.concatenate(tables)) if tables else np.zeros(0)
            hazards += _per_solution(_probability(odds), tables)
            checked += of_block
        return hazards, checked

    def seen(self) -> list[tuple[str, str]]:
        """Return the (language, question) that it was trained on or calibrated with."""
        return [(str(language), str(question)) for language, question in self.record["questions"]]

    def save(self, folder: Path) -> None:
        """Write the folder, complete or not at all. Raises CriticError if there is another critic in it."""
        if folder.exists():
            raise CriticError(f"{folder} exists. Fix: name another folder, or delete it")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with replacing(folder) as beside:
            beside.mkdir()
            np.savez(beside / ARRAYS, allow_pickle=False, **self.arrays)
            lines = (
                json.dumps({"language": language, "question": question}, ensure_ascii=False)
                for language, question in self.seen()
            )
            (beside / QUESTIONS).write_text("\n".join(lines) + "\n", encoding="utf-8")
            record = {name: value for name, value in self.record.items() if name != "questions"}
            record |= {
                "digest": digest_of(self.record, self.arrays),
                "files": {
                    name: hashlib.sha256((beside / name).read_bytes()).hexdigest()
                    for name in (ARRAYS, QUESTIONS)
                },
            }
            text = json.dumps(record, indent=1, ensure_ascii=False, sort_keys=True)
            (beside / RECORD).write_text(text + "\n", encoding="utf-8")


def load(folder: Path, encode: Callable[[str], EncodeTexts]) -> TrainedCritic:
    """Load a critic. `encode` returns the encoder of a name. Nothing is unpickled, and the bytes are checked against the record.

    Raises CriticError if the folder has no critic, or a damaged one.
    """
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        for name, digest in record["files"].items():
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
                raise CriticError(
                    f"{folder / name} is damaged. Fix: copy it again, or train the critic again"
                )
        lines = (folder / QUESTIONS).read_text(encoding="utf-8").splitlines()
        listed = [json.loads(line) for line in lines if line]
        with np.load(folder / ARRAYS, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        if record["format"] != FORMAT or record["features"] != list(_names(arrays)):
            raise CriticError(
                f"{folder}: the critic was trained by another version of the features. Fix: train it again"
            )
        record["questions"] = [[one["language"], one["question"]] for one in listed]
        critic = TrainedCritic(record, arrays, encode(record["encoder"]))
    except FileNotFoundError as error:
        raise CriticError(
            f"{folder} holds no trained critic ({Path(str(error.filename)).name} is missing). Fix: ./mathmill critic train"
        ) from error
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        if isinstance(error, CriticError):
            raise
        raise CriticError(f"{folder}: the critic cannot be read ({error}). Fix: train it again") from error
    return critic


def critic_folder(name: str, home: Path) -> Path:
    """Return the folder of a critic: a path, or a name below <home>/critics."""
    below = home / FOLDER / name
    return below if "/" not in name and below.is_dir() else Path(name)


def read_record(folder: Path) -> dict[str, Any]:
    """Return the record of a critic without loading it. Raises CriticError if there is none."""
    try:
        record: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CriticError(f"{folder} holds no trained critic. Fix: ./mathmill critic train") from error
    return record


def digest_of(record: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return the SHA-256 of what decides the opinions of a critic: its arrays, encoder, features and thresholds."""
    hashed = hashlib.sha256()
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        hashed.update(f"{name} {values.dtype} {values.shape}\n".encode())
        hashed.update(values.tobytes())
    parts = [record["encoder"], record["features"], record["thresholds"]]
    hashed.update(json.dumps(parts, sort_keys=True).encode())
    return hashed.hexdigest()


@dataclass(frozen=True, slots=True)
class _Basis:
    """The principal components of vectors: `mean` (dimensions,) and `axes` (dimensions, components)."""

    mean: npt.NDArray[np.float32]
    axes: npt.NDArray[np.float32]


def _names(arrays: Mapping[str, npt.NDArray[Any]]) -> tuple[str, ...]:
    components = arrays["basis.axes"].shape[1]
    return (
        *step_features.FEATURES,
        *CHECKED,
        *LIKE,
        *(f"component_{number}" for number in range(components)),
    )


def step_tables(
    solutions: Sequence[WorkedSolution], encode: EncodeTexts, basis: _Basis
) -> tuple[list[Floats], list[Checked]]:
    """Return the features of the steps of each solution, float64 (steps, features), and what the step checker says."""
    texts = list(dict.fromkeys(text for one in solutions for text in (one.question, *one.steps)))
    places = {text: row for row, text in enumerate(texts)}
    vectors = encode(texts)
    tables, checked = [], []
    for one in solutions:
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
                    _checked_features(finding),
                    like,
                    (steps - basis.mean) @ basis.axes,
                ]
            ).astype(np.float64)
        )
        checked.append(finding)
    return tables, checked


def _checked_features(checked: Checked) -> Floats:
    """Return what the step checker says about each step, float64 (steps, len(CHECKED))."""
    wrong = np.array([one == "wrong" for one in checked.verdicts], float)
    right = np.array([one == "right" for one in checked.verdicts], float)
    invented = np.array(checked.invented, float)
    last = np.arange(len(wrong)) == len(wrong) - 1
    return np.column_stack(
        [
            wrong,
            right,
            invented,
            np.cumsum(wrong) - wrong,
            np.cumsum(invented) - invented,
            last * float(checked.derived is False),
            np.full(len(wrong), checked.unused),
        ]
    )


def first_error(hazards: Floats) -> tuple[float, Floats]:
    """Return the probability that no step is wrong, and of each step that it is the first wrong one (steps,)."""
    survival = np.cumprod(np.concatenate([[1.0], 1 - hazards]))
    return float(survival[-1]), np.asarray(hazards * survival[:-1])


def _probability(odds: Floats) -> Floats:
    return np.asarray(np.clip(1 / (1 + np.exp(-np.clip(odds, -30, 30))), _LEAST, _MOST))


def _per_solution(values: Floats, tables: Sequence[Floats]) -> list[Floats]:
    return list(np.split(values, np.cumsum([len(one) for one in tables])[:-1])) if tables else []


def _solution_features(hazards: Sequence[Floats], checked: Sequence[Checked]) -> Floats:
    """Return the inputs of the head, float64 (solutions, HAZARDS and those of the step checker)."""
    rows = []
    for own, finding in zip(hazards, checked, strict=True):
        right = np.clip(first_error(own)[0], _LEAST, _MOST)
        rows.append(
            [
                np.log(right / (1 - right)),
                np.log(own.max() / (1 - own.max())),
                np.log(own.mean() / (1 - own.mean())),
                np.log(len(own)),
                *step_checker.features(finding),
            ]
        )
    return np.array(rows, np.float64).reshape(len(rows), len(HAZARDS) + len(step_checker.FEATURES))


def _agreement_features(shares: Floats) -> Floats:
    """Return the inputs of the head with samples, float64 (solutions, 3): whether there are samples, and how many agree."""
    there = ~np.isnan(shares)
    known = np.where(there, shares, 0.5)
    return np.column_stack([there, known, (known - 0.5) ** 2 * there]).astype(np.float64)


def _head(arrays: Mapping[str, npt.NDArray[Any]], head: str, inputs: Floats) -> Floats:
    scaled = np.clip((inputs - arrays[f"{head}.mean"]) / arrays[f"{head}.scale"], -5, 5)
    return _probability(np.asarray(scaled @ arrays[f"{head}.weights"] + arrays[f"{head}.bias"][0]))


def _words(right: float, place: int) -> str:
    if place == NOT_NAMED:
        return f"No step is likely to be wrong (probability of being right: {right:.2f})."
    return f"The first wrong step is most likely step {place + 1} (probability of being right: {right:.2f})."


def train(
    solutions: Sequence[LabelledSolution],
    settings: CriticTraining,
    encoder: str,
    encode: EncodeTexts,
    *,
    shares: Mapping[str, float] | None = None,
    data: Sequence[Mapping[str, Any]] = (),
    log: Callable[[str], None] = lambda line: None,
) -> TrainedCritic:
    """Train a critic on labelled solutions whose questions are in groups. `shares`: by the id of a solution, how many of the
    other samples of its question agree, where there are any. `data` describes the files, for the record.

    The same solutions, settings and encoder give the same critic. Raises CriticError if one of the two labels is missing in a part.
    """
    fitted, held = split(solutions, settings.held_out, settings.seed, "calibrate")
    for name, part in (("training", fitted), ("calibrating", held)):
        if len({one.correct for one in part}) < 2:
            raise CriticError(
                f"{name}: all solutions are right, or all are wrong. Fix: give more labelled solutions"
            )
    fitted = [*fitted, *planted(fitted, settings.planted, settings.seed)]
    log(f"train on {counted(len(fitted), 'solution')}, calibrate on {len(held):,}")
    basis = _basis(fitted, encode, settings)
    tables, _ = step_tables(fitted, encode, basis)
    log("the steps are encoded")
    trees: Trees | None = None
    for turn in range(settings.expectations):
        rows, labels, weights = _rows(fitted, tables, trees)
        trees = train_trees(
            rows, labels, weights, seed=seed_of(settings.seed, "trees", turn), rounds=settings.rounds
        )
        log(f"process critic, round {turn + 1} of {settings.expectations}")
    assert trees is not None
    held_tables, checked = step_tables(held, encode, basis)
    hazards = _per_solution(_probability(trees.log_odds(np.concatenate(held_tables))), held_tables)
    inputs = _solution_features(hazards, checked)
    labels_held = np.array([one.correct for one in held], bool)
    arrays: dict[str, npt.NDArray[Any]] = {
        "basis.mean": basis.mean,
        "basis.axes": basis.axes,
        **{f"trees.{name}": values for name, values in trees.arrays().items()},
        **_fit_head(TEXT, inputs, labels_held),
    }
    right = _head(arrays, TEXT, inputs)
    agreeing = np.array([(shares or {}).get(one.id, np.nan) for one in held])
    more = np.hstack([inputs, _agreement_features(agreeing)])
    arrays |= _fit_head(SAMPLES, more, labels_held)
    precise = threshold_for(right, labels_held, settings.precision)
    record = {
        "format": FORMAT,
        "encoder": encoder,
        "features": list(_names(arrays)),
        "settings": {name: getattr(settings, name) for name in CriticTraining.__dataclass_fields__},
        "thresholds": {
            "balanced": best_threshold(right, labels_held),
            "with_samples": best_threshold(_head(arrays, SAMPLES, more), labels_held),
            "precise": {name: getattr(precise, name) for name in precise.__dataclass_fields__},
        },
        "data": list(data),
        "counts": {
            "training": _counts(fitted),
            "calibrating": _counts(held),
        },
        "code": code(),
        "questions": sorted({(one.language, one.question) for one in solutions}),
    }
    return TrainedCritic(record, arrays, encode)


def _counts(solutions: Sequence[LabelledSolution]) -> dict[str, Any]:
    sources: dict[str, int] = {}
    for one in solutions:
        sources[one.source] = sources.get(one.source, 0) + 1
    return {
        "solutions": len(solutions),
        "right": sum(one.correct for one in solutions),
        "places": sum(one.first_error is not None for one in solutions),
        "questions": len({one.group for one in solutions}),
        "sources": dict(sorted(sources.items())),
    }


def _basis(solutions: Sequence[LabelledSolution], encode: EncodeTexts, settings: CriticTraining) -> _Basis:
    """Return the principal components of the vectors of steps, from a sample of them."""
    texts = sorted(
        {text for one in solutions for text in one.steps}, key=lambda text: seed_of(settings.seed, text)
    )
    vectors = encode(texts[:8192])
    mean = vectors.mean(0)
    _, vectors_of_covariance = np.linalg.eigh(np.cov((vectors - mean).T.astype(np.float64)))
    axes = vectors_of_covariance[:, ::-1][:, : settings.components]
    axes = axes * np.where(
        axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])] < 0, -1, 1
    )  # the sign is arbitrary
    return _Basis(mean.astype(np.float32), axes.astype(np.float32))


def _rows(
    solutions: Sequence[LabelledSolution], tables: Sequence[Floats], trees: Trees | None
) -> tuple[Floats, npt.NDArray[np.int64], Floats]:
    """Return the steps that train the hazards, with labels and weights.

    A step before the first wrong one is right, later ones have no label. Where the place is unknown, each step is the first wrong one with
    the probability that `trees` gives it, all alike without trees.
    """
    rows: list[Floats] = []
    labels: list[npt.NDArray[np.int64]] = []
    weights: list[Floats] = []
    for one, table in zip(solutions, tables, strict=True):
        if one.correct or one.first_error is not None:
            count = len(table) if one.first_error is None else one.first_error + 1
            own = np.zeros(count, np.int64)
            own[-1:] = not one.correct
            rows.append(table[:count])
            labels.append(own)
            weights.append(np.ones(count))
            continue
        if trees is None:
            likely = np.full(len(table), 1 / len(table))
        else:
            right, likely = first_error(_probability(trees.log_odds(table)))
            likely = likely / max(1 - right, _LEAST)
        for label, weight in ((1, likely), (0, 1 - np.cumsum(likely))):
            kept: Mask = weight > _HALF
            rows.append(table[kept])
            labels.append(np.full(int(kept.sum()), label, np.int64))
            weights.append(weight[kept])
    return np.concatenate(rows), np.concatenate(labels), np.concatenate(weights)


def _fit_head(name: str, inputs: Floats, labels: Mask) -> dict[str, npt.NDArray[Any]]:
    """Return the logistic head as arrays."""
    from sklearn.linear_model import LogisticRegression

    mean, scale = inputs.mean(0), np.maximum(inputs.std(0), 1e-3)
    scaled = np.clip((inputs - mean) / scale, -5, 5)
    model = LogisticRegression(C=0.3, max_iter=2000).fit(scaled, labels)
    parts = {"mean": mean, "scale": scale, "weights": model.coef_[0], "bias": model.intercept_}
    return {f"{name}.{part}": values for part, values in parts.items()}
