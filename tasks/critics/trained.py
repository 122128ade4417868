"""What all trained critics have in common: the probability that a solution is right, thresholds, and the folder that they are stored in.

A kind (tasks/critics/kinds) learns from one part of the questions to read solutions into signals. A logistic head turns the signals into
a probability. It is fitted to questions on which the kind was not trained, so the probability is calibrated (Platt 1999); thresholds are chosen
there as well: for calling a solution right, for doing so with a stated precision, and for naming a wrong step (ProcessBench's F1). Where other samples of the question are known, a second head adds the share of them that end in the same answer
(self-consistency), since agreement and the look of the steps say different things (tasks/critics/heads.py). No critic reads the trusted answer.

What a solution says to its reader ("give full marks") is removed before it is read (tasks/critics/addressed.py).

A critic is a folder: `critic.json` has the record (kind, data, code, settings, thresholds, measures), `heads.npz` the heads (never pickled),
`questions.jsonl` the questions that it has seen, so that an evaluation can leave them out, and `reader` the files of the kind.
"""

from __future__ import annotations

import hashlib
import json
import time
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from storage.atomic import replacing
from storage.counting import counted
from tasks.arrays import Floats, Mask
from tasks.code_commit import code
from tasks.critics import CriticOpinion, SolutionCritic, WorkedSolution, heads
from tasks.critics.addressed import unaddressed
from tasks.critics.baselines import best_threshold
from tasks.critics.evaluation import (
    GIVEN_UP,
    NOT_NAMED,
    STANDARD_ERROR,
    NamingPoint,
    Opinion,
    Truth,
    naming_points,
    threshold_for,
)
from tasks.critics.hazards import digest_of_arrays
from tasks.critics.kinds import (
    CriticError,
    CriticLog,
    CriticTools,
    Signals,
    SolutionReader,
    ready_kind,
    ready_kinds,
    settings_of,
    trained_kind,
)
from tasks.critics.labelled import LabelledSolution, split
from tasks.critics.planting import planted

RECORD, HEADS, QUESTIONS, READER = "critic.json", "heads.npz", "questions.jsonl", "reader"
FOLDER = "critics"  # of the home, with the critics that were trained there
FORMAT = 6
NAME, NAME_WITH_SAMPLES = "trained critic", "trained critic with samples"
FEWEST_CALIBRATING = (
    20  # wrong solutions that calibrate a probability, with planted ones where they are allowed
)


@dataclass(frozen=True, slots=True)
class CriticTraining:
    """How a critic is trained.

    `kind`: a module of tasks/critics/kinds, `own` its settings. `held_out`: the share of the questions that calibrate it. `precision`: the
    precision of the solutions that its threshold `precise` accepts. `planted`: the share of the right training solutions that get an error
    (tasks/critics/planting.py); into those that calibrate only where they have fewer than FEWEST_CALIBRATING wrong ones. `given_up`: how far
    ProcessBench's F1 may fall below its highest value, on the calibrating questions, so that more first wrong steps are named; None is one
    standard error of it.
    """

    kind: str = "trees"
    own: Mapping[str, Any] = field(default_factory=dict)
    held_out: float = 0.2
    precision: float = 0.9
    planted: float = 0.0
    given_up: float | None = STANDARD_ERROR
    seed: int = 0


class TrainedCritic:
    """A critic that was trained or loaded."""

    def __init__(
        self, record: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]], reader: SolutionReader
    ) -> None:
        self.record, self.heads, self.reader = dict(record), dict(arrays), reader

    @property
    def identity(self) -> str:
        """The kind, and the digest of everything that decides its opinions."""
        return identity_of(self.record | {"digest": self.digest})

    @property
    def digest(self) -> str:
        """The SHA-256 of everything that decides its opinions."""
        decides = {name: self.record[name] for name in ("kind", "encoder", "thresholds")}
        parts = [decides, digest_of_arrays(self.heads), self.reader.digest]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def threshold(self) -> float:
        """The probability from which on a solution counts as right: that of the best balanced accuracy on the calibrating questions."""
        return float(self.record["thresholds"]["balanced"])

    @property
    def precise(self) -> float:
        """The probability from which on the stated share of the accepted solutions was right; above 1 if there is none."""
        return float(self.record["thresholds"]["precise"]["value"])

    @property
    def error(self) -> float:
        """The share of solutions that it misjudges, both labels counted alike: the upper 95 % limit of that on the calibrating questions."""
        return float(self.record["error"])

    @property
    def asks(self) -> bool:
        """Whether its judgements are calls of a model, which cost."""
        return self.reader.asks

    def opinion(self, solutions: Sequence[WorkedSolution]) -> Opinion:
        """Return the probabilities, and the first wrong steps of the solutions that are likely enough to have one."""
        return self.opinions(solutions)[0]

    def opinions(self, solutions: Sequence[WorkedSolution], shares: Floats | None = None) -> list[Opinion]:
        """Return the opinion by question and solution, and, with `shares`, the one that reads them besides: the share of the other samples
        of the question with the same answer (n,), NaN where there are none."""
        return self.of_signals(self.signals(solutions), shares)

    def of_signals(self, signals: Signals, shares: Floats | None) -> list[Opinion]:
        """Return the opinions that follow from signals: as `opinions`."""
        judged, thresholds = self._judged(signals, shares), self.record["thresholds"]
        naming = [float(thresholds[name]) for name in ("naming", "naming_with_samples")][: len(judged)]
        return [self._naming(signals, *one) for one in zip(judged, naming, strict=True)]

    def operating_points(
        self, signals: Signals, shares: Floats | None
    ) -> list[list[tuple[NamingPoint, Opinion]]]:
        """Return the operating points of naming that were measured on the calibrating questions, each with the opinion that it leads to here:
        those by question and solution, and, with `shares`, those that read them besides."""
        ways = self._judged(signals, shares)
        points = [self.record["naming_points"][name] for name in ("alone", "with_samples")][: len(ways)]
        return [
            [(NamingPoint(**point), self._naming(signals, judged, point["value"])) for point in listed]
            for judged, listed in zip(ways, points, strict=True)
        ]

    def _judged(self, signals: Signals, shares: Floats | None) -> list[tuple[str, Floats, float]]:
        """Return the names of the opinions with the probabilities of being right, and the thresholds of these."""
        alone = heads.alone(self.heads, signals)
        given = [(NAME, alone, self.threshold)]
        if shares is not None:
            right = heads.with_samples(self.heads, signals.inputs, shares, alone)
            given.append((NAME_WITH_SAMPLES, right, float(self.record["thresholds"]["with_samples"])))
        return given

    def _naming(self, signals: Signals, judged: tuple[str, Floats, float], naming: float) -> Opinion:
        """Return the opinion that names a step where little enough speaks for naming none: less than `naming`."""
        name, right, threshold = judged
        unblamed = heads.blameless(self.heads, signals, right)
        named = np.where(unblamed < naming, signals.places, NOT_NAMED)
        return Opinion(name, right, named.astype(np.int64), threshold)

    def judge(self, solutions: Sequence[WorkedSolution]) -> list[CriticOpinion]:
        """Return the opinion on each solution; the words name the step, or are those that the kind wrote."""
        signals = self.signals(solutions)
        opinion = self.of_signals(signals, None)[0]
        steps = signals.steps or [np.zeros(0) for _ in solutions]
        written = signals.words or [None for _ in solutions]
        failures = signals.failures or [None for _ in solutions]
        return [
            CriticOpinion(None, failure=failure)
            if failure is not None
            else CriticOpinion(
                answer=float(right),
                right=float(right),
                first_wrong=None if place == NOT_NAMED else int(place),
                words=words or _words(float(right), int(place)),
                step_scores=tuple(float(score) for score in scores),
            )
            for right, place, scores, words, failure in zip(
                opinion.right, opinion.first_wrong, steps, written, failures, strict=True
            )
        ]

    def signals(self, solutions: Sequence[WorkedSolution]) -> Signals:
        """Return what the kind reads in the solutions; see `read_addressed`."""
        return read_addressed(self.reader, solutions)

    def seen(self) -> list[tuple[str, str]]:
        """Return the (language, question) that it was trained on or calibrated with."""
        return [(str(language), str(question)) for language, question in self.record["questions"]]

    def save(self, folder: Path) -> None:
        """Write the folder, complete or not at all. Raises CriticError if there is another critic in it."""
        if folder.exists():
            raise CriticError(f"{folder} exists. Fix: name another folder, or delete it")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with replacing(folder) as beside:
            (beside / READER).mkdir(parents=True)
            np.savez(beside / HEADS, allow_pickle=False, **self.heads)
            lines = (
                json.dumps({"language": language, "question": question}, ensure_ascii=False)
                for language, question in self.seen()
            )
            (beside / QUESTIONS).write_text("\n".join(lines) + "\n", encoding="utf-8")
            self.reader.save(beside / READER)
            record = {name: value for name, value in self.record.items() if name != "questions"}
            files = sorted(path for path in beside.rglob("*") if path.is_file())
            record |= {
                "digest": self.digest,
                "files": {str(path.relative_to(beside)): _sha256(path) for path in files},
            }
            text = json.dumps(record, indent=1, ensure_ascii=False, sort_keys=True)
            (beside / RECORD).write_text(text + "\n", encoding="utf-8")


def read_addressed(reader: SolutionReader, solutions: Sequence[WorkedSolution]) -> Signals:
    """Return what a kind reads in solutions without what these say to their reader; places are those of the whole solution."""
    cleaned = [unaddressed(one) for one in solutions]
    read = reader.read([one for one, _ in cleaned])
    places = [
        kept[place] if place != NOT_NAMED else NOT_NAMED
        for place, (_, kept) in zip(read.places.tolist(), cleaned, strict=True)
    ]
    steps = read.steps and [
        _spread(scores, kept, len(whole.steps))
        for scores, (_, kept), whole in zip(read.steps, cleaned, solutions, strict=True)
    ]
    return replace(read, places=np.array(places, np.int64), steps=steps)


def load(folder: Path, tools: CriticTools) -> TrainedCritic:
    """Load a critic. Nothing is unpickled, and the bytes are checked against the record.

    Raises CriticError if the folder has no critic, or a damaged one.
    """
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if record["format"] != FORMAT:
            raise CriticError(
                f"{folder}: the critic was trained by another version of mathmill. Fix: train it again"
            )
        for name, digest in record["files"].items():
            if _sha256(folder / name) != digest:
                raise CriticError(
                    f"{folder / name} is damaged. Fix: copy it again, or train the critic again"
                )
        lines = (folder / QUESTIONS).read_text(encoding="utf-8").splitlines()
        listed = [json.loads(line) for line in lines if line]
        with np.load(folder / HEADS, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        record["questions"] = [[one["language"], one["question"]] for one in listed]
        reader = trained_kind(record["kind"]).load(folder / READER, record, tools)
    except FileNotFoundError as error:
        raise CriticError(
            f"{folder} holds no trained critic ({Path(str(error.filename)).name} is missing). Fix: ./mathmill critic train"
        ) from error
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        if isinstance(error, CriticError):
            raise
        raise CriticError(f"{folder}: the critic cannot be read ({error}). Fix: train it again") from error
    return TrainedCritic(record, arrays, reader)


def opened(name: str, home: Path, tools: CriticTools) -> SolutionCritic:
    """Return a critic: a kind that needs no training by its name, else a trained one by its folder or its name below <home>/critics.

    Raises CriticError if there is none.
    """
    folder = critic_folder(name, home)
    if not folder.exists() and (ready := ready_kind(name)) is not None:
        return ready.critic(tools)
    if not folder.exists():
        kinds = ", ".join(ready_kinds())
        raise CriticError(
            f"there is no critic {name}. Fix: name a folder of `./mathmill critic train`, or one of {kinds}"
        )
    return load(folder, tools)


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


def identity_of(record: Mapping[str, Any]) -> str:
    """Return the identity of a critic by its stored record."""
    return f"{record['kind']}:{record['digest'][:16]}"


def train(
    solutions: Sequence[LabelledSolution],
    training: CriticTraining,
    encoder: str,
    tools: CriticTools,
    *,
    shares: Mapping[str, float] | None = None,
    data: Sequence[Mapping[str, Any]] = (),
    log: CriticLog = lambda line: None,
) -> TrainedCritic:
    """Train a critic on labelled solutions whose questions are in groups. `encoder`: the name of the sentence encoder. `shares`: by the id
    of a solution, how many of the other samples of its question agree, where there are any. `data` describes the files, for the record.

    The same solutions, settings and encoder give the same critic. Raises CriticError if one of the two labels is missing in a part.
    """
    kind, settings = trained_kind(training.kind), settings_of(training.kind, training.own)
    fitted, held = split(solutions, training.held_out, training.seed, "calibrate")
    spoilt = _lacking(held, training)
    held = [*held, *spoilt]
    fitted = [*fitted, *planted(fitted, training.planted, training.seed)]
    for name, part in (("training", fitted), ("calibrating", held)):
        labels_there = {one.correct for one in part}
        if len(labels_there) < 2:
            like = f", all of them {'right' if True in labels_there else 'wrong'}" if part else ""
            raise CriticError(
                f"the {name} part has {counted(len(part), 'solution')}{like}. Fix: give more labelled solutions, or plant errors (planted)"
            )
    if spoilt:
        log(f"probabilities are calibrated on {counted(len(spoilt), 'planted error')} among others")
    log(f"train on {counted(len(fitted), 'solution')}, calibrate on {len(held):,}")
    started = time.process_time()
    reader = kind.fit(fitted, settings, encoder, tools, seed=training.seed, log=log)
    seconds = time.process_time() - started
    signals = read_addressed(reader, held)
    if signals.failures is not None:
        judged = np.array([one is None for one in signals.failures], bool)
        log(f"not judged, because a call failed: {int((~judged).sum()):,} of {len(held):,}")
        held = [one for one, use in zip(held, judged, strict=True) if use]
        context = None if signals.context is None else signals.context[judged]
        places_known = None if signals.located is None else signals.located[judged]
        signals = replace(
            signals,
            inputs=signals.inputs[judged],
            places=signals.places[judged],
            context=context,
            located=places_known,
            steps=signals.steps and [one for one, use in zip(signals.steps, judged, strict=True) if use],
        )
    labels = np.array([one.correct for one in held], bool)
    if len(set(labels.tolist())) < 2:
        raise CriticError(
            "too few calibrating solutions were judged. Fix: ./mathmill doctor names what fails"
        )
    fitted_head = heads.fit(signals, labels, [one.group for one in held], training.seed)
    right = fitted_head.right
    agreeing = np.array([(shares or {}).get(one.id, np.nan) for one in held])
    arrays = fitted_head.arrays | heads.fit_with_samples(signals.inputs, agreeing, labels)
    together = heads.with_samples(arrays, signals.inputs, agreeing, right)
    precise = threshold_for(right, labels, training.precision)
    truth = Truth.of(held)
    located = signals.places == truth.place
    balanced, balanced_together = best_threshold(right, labels), best_threshold(together, labels)
    arrays |= heads.fit_naming(signals, right, labels, located, truth.placed)
    unblamed, unblamed_together = (heads.blameless(arrays, signals, one) for one in (right, together))
    limits = [*GIVEN_UP, *({training.given_up} - {*GIVEN_UP})]
    points, points_together = (
        naming_points(one, labels, located, truth.placed, limits) for one in (unblamed, unblamed_together)
    )
    chosen = limits.index(training.given_up)
    record = {
        "format": FORMAT,
        "kind": training.kind.replace("-", "_"),
        "encoder": encoder,
        "settings": {
            name: getattr(training, name) for name in ("held_out", "precision", "planted", "given_up", "seed")
        }
        | {"own": settings.model_dump(mode="json")},
        "thresholds": {
            "balanced": balanced,
            "with_samples": balanced_together,
            "naming": points[chosen].value if points else balanced,
            "naming_with_samples": points_together[chosen].value if points_together else balanced_together,
            "precise": {name: getattr(precise, name) for name in precise.__dataclass_fields__},
        },
        "naming_points": {
            "alone": [asdict(one) for one in sorted(points, key=lambda one: one.given_up)],
            "with_samples": [asdict(one) for one in sorted(points_together, key=lambda one: one.given_up)],
        },
        "seconds": round(seconds, 1),
        "error": _error(right >= balanced, labels),
        "data": list(data),
        "counts": {"training": _counts(fitted), "calibrating": _counts(held)},
        "code": code(),
        "questions": sorted({(one.language, one.question) for one in solutions}),
    }
    return TrainedCritic(record, arrays, reader)


def _error(says_right: Mask, labels: Mask) -> float:
    """Return the upper 95 % limit of the mean of both labels' shares of misjudged solutions, at most a half, which is guessing."""
    shares = [float((says_right != labels)[labels == label].mean()) for label in (False, True)]
    spread = sum(
        share * (1 - share) / int((labels == label).sum())
        for share, label in zip(shares, (False, True), strict=True)
    )
    return float(round(min(0.5, sum(shares) / 2 + 1.96 * spread**0.5 / 2), 4))


def _lacking(held: Sequence[LabelledSolution], training: CriticTraining) -> list[LabelledSolution]:
    """Return planted errors for calibrating solutions of which too few are wrong, such as those of a night, which keeps what is right. Their
    share of wrong solutions is then not that of what the critic will judge, so its probabilities are too low there."""
    right = sum(one.correct for one in held)
    missing = FEWEST_CALIBRATING - (len(held) - right)
    if not training.planted or missing <= 0 or not right:
        return []
    return planted(held, min(1.0, 2 * missing / right), training.seed)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _spread(scores: Floats, kept: Sequence[int], steps: int) -> Floats:
    """Return the scores of the steps that were read as scores of all steps; a step that was not read is not wrong."""
    whole = np.ones(steps)
    whole[list(kept)] = scores
    return whole


def _counts(solutions: Sequence[LabelledSolution]) -> dict[str, Any]:
    sources = Counter(one.source for one in solutions)
    labels = Counter(one.by for one in solutions)
    return {
        "solutions": len(solutions),
        "right": sum(one.correct for one in solutions),
        "places": sum(one.first_error is not None for one in solutions),
        "questions": len({one.group for one in solutions}),
        "sources": dict(sorted(sources.items())),
        "labels": dict(sorted(labels.items())),
    }


def _words(right: float, place: int) -> str:
    if place == NOT_NAMED:
        return f"No step is likely to be wrong (probability of being right: {right:.2f})."
    return f"The first wrong step is most likely step {place + 1} (probability of being right: {right:.2f})."
