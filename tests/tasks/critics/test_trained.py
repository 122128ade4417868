"""The trained critic, on made solutions whose errors can be learned."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tasks.critics.evaluation import Truth, measure
from tasks.critics.hazards import first_error
from tasks.critics.kinds import CriticError, CriticTools
from tasks.critics.kinds.trees import ARRAYS
from tasks.critics.labelled import LabelledSolution, grouped, split
from tasks.critics.step_features import FEATURES, step_features
from tasks.critics.trained import (
    HEADS,
    QUESTIONS,
    READER,
    RECORD,
    CriticTraining,
    TrainedCritic,
    load,
    train,
)
from tasks.critics.trees import Trees, train_trees
from tasks.seeding import seed_of

SETTINGS = CriticTraining(own={"components": 8, "rounds": 30})


def encode(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return vectors that depend on the words of a text, as an encoder's do: the mean of one random vector per word."""
    rows = [
        np.mean(
            [
                np.random.default_rng(seed_of(word) % 2**32).standard_normal(16)
                for word in text.split() or ["-"]
            ],
            axis=0,
        )
        for text in texts
    ]
    return np.array([row / np.linalg.norm(row) for row in rows], np.float32)


TOOLS = CriticTools(lambda name: encode)


def labelled(count: int = 300, seed: int = 1) -> list[LabelledSolution]:
    """Return solutions of additions. Wrong ones use a number that the question does not have, some at a place that is not known."""
    rng = random.Random(seed)
    solutions = []
    for number in range(count):
        values = [rng.randrange(20, 900) for _ in range(4)]
        place = rng.randrange(3) if rng.random() < 0.6 else None
        total, steps = values[0], []
        for at, value in enumerate(values[1:]):
            used = value if at != place else value + rng.randrange(1000, 2000)
            steps.append(f"Add the next one: {total} + {used} = {total + used}.")
            total += used
        known = place if rng.random() < 0.7 else None
        solutions.append(
            LabelledSolution(
                f"Problem {number}: what is the sum of {', '.join(map(str, values))}?",
                (*steps, f"The answer is {total}."),
                place is None,
                known,
                source="made",
            )
        )
    return grouped(solutions)


@pytest.fixture(scope="module")
def parts() -> tuple[list[LabelledSolution], list[LabelledSolution]]:
    return split(labelled(), 0.3, 0, "report")


@pytest.fixture(scope="module")
def critic(parts: tuple[list[LabelledSolution], list[LabelledSolution]]) -> TrainedCritic:
    return train(parts[0], SETTINGS, "words", TOOLS)


@pytest.mark.slow
def test_it_learns_what_makes_a_step_wrong_and_where(
    critic: TrainedCritic, parts: tuple[list[LabelledSolution], list[LabelledSolution]]
) -> None:
    held = parts[1]
    measured = measure(Truth.of(held), critic.opinion(held), resamples=100)
    assert measured.estimates["balanced_accuracy"].low > 0.9
    assert measured.estimates["first_error_found"].value > 0.8
    assert measured.estimates["ece"].value < 0.1


def test_agreement_of_samples_is_read_where_there_are_some(
    parts: tuple[list[LabelledSolution], list[LabelledSolution]],
) -> None:
    def agreement(solutions: list[LabelledSolution]) -> list[float]:
        rng = random.Random(4)
        return [
            float("nan") if rng.random() < 0.3 else (0.8 if one.correct else 0.2) + rng.random() / 5
            for one in solutions
        ]

    fitted = [
        replace(one, steps=(f"The answer is {len(one.question)}.",), first_error=None) for one in parts[0]
    ]
    held = [
        replace(one, steps=(f"The answer is {len(one.question)}.",), first_error=None) for one in parts[1]
    ]
    shares = dict(zip((one.id for one in fitted), agreement(fitted), strict=True))
    trained = train(fitted, SETTINGS, "words", TOOLS, shares=shares)
    given = np.array(agreement(held))
    alone, with_samples = trained.opinions(held, given)
    right = np.array([one.correct for one in held])
    known = ~np.isnan(given)
    assert (alone.says_right == right).mean() < 0.8  # the text says nothing
    assert (with_samples.says_right == right)[known].mean() > 0.95


def test_a_right_solution_has_no_wrong_step_and_words_name_one(critic: TrainedCritic) -> None:
    right, wrong = critic.judge(
        [
            LabelledSolution(
                "What is the sum of 31, 52, 77, 20?",
                ("31 + 52 = 83.", "83 + 77 = 160.", "160 + 20 = 180.", "The answer is 180."),
                True,
            ),
            LabelledSolution(
                "What is the sum of 31, 52, 77, 20?",
                (
                    "Add the next one: 31 + 52 = 83.",
                    "Add the next one: 83 + 1544 = 1627.",
                    "Add the next one: 1627 + 20 = 1647.",
                    "The answer is 1647.",
                ),
                True,
            ),
        ]
    )
    assert right.first_wrong is None
    assert wrong.first_wrong == 1
    assert right.right > wrong.right
    assert wrong.words is not None
    assert "step 2" in wrong.words


def test_more_first_errors_are_named_where_f1_may_fall(
    critic: TrainedCritic, parts: tuple[list[LabelledSolution], list[LabelledSolution]]
) -> None:
    held = parts[1]
    truth, signals = Truth.of(held), critic.signals(held)
    (points,) = critic.operating_points(signals, None)
    best, *others = [point.value for point, _ in points]
    assert best == critic.record["thresholds"]["naming"]
    assert all(value >= best for value in others)
    named = [measure(truth, one, resamples=9).estimates["first_error_found"].value for _, one in points]
    assert named == sorted(named)
    own = critic.of_signals(signals, None)[0]
    assert (points[0][1].first_wrong == own.first_wrong).all()


@pytest.mark.slow
def test_the_same_solutions_and_seed_give_the_same_critic(
    critic: TrainedCritic, parts: tuple[list[LabelledSolution], list[LabelledSolution]]
) -> None:
    assert train(parts[0], SETTINGS, "words", TOOLS).identity == critic.identity
    other = CriticTraining(own={"components": 8, "rounds": 31})
    assert train(parts[0], other, "words", TOOLS).identity != critic.identity


def test_a_stored_critic_says_the_same(
    critic: TrainedCritic, parts: tuple[list[LabelledSolution], list[LabelledSolution]], tmp_path: Path
) -> None:
    critic.save(tmp_path / "c")
    again = load(tmp_path / "c", TOOLS)
    assert again.identity == critic.identity
    one, other = critic.opinion(parts[1]), again.opinion(parts[1])
    assert (one.right == other.right).all()
    assert (one.first_wrong == other.first_wrong).all()
    assert {question for _, question in again.seen()} == {solution.question for solution in parts[0]}
    with pytest.raises(CriticError, match="exists"):
        critic.save(tmp_path / "c")


@pytest.mark.parametrize("name", [HEADS, QUESTIONS, f"{READER}/{ARRAYS}"])
def test_a_damaged_critic_is_refused(critic: TrainedCritic, tmp_path: Path, name: str) -> None:
    critic.save(tmp_path / "c")
    data = (tmp_path / "c" / name).read_bytes()
    (tmp_path / "c" / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(CriticError, match="damaged"):
        load(tmp_path / "c", TOOLS)


def test_a_folder_without_a_critic_and_one_of_other_features_are_refused(
    critic: TrainedCritic, tmp_path: Path
) -> None:
    with pytest.raises(CriticError, match=r"Fix: ./mathmill critic train"):
        load(tmp_path, TOOLS)
    critic.save(tmp_path / "c")
    path = tmp_path / "c" / RECORD
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(record | {"format": 1}), encoding="utf-8")
    with pytest.raises(CriticError, match="another version of mathmill"):
        load(tmp_path / "c", TOOLS)
    arrays = dict(np.load(tmp_path / "c" / READER / ARRAYS))
    np.savez(tmp_path / "c" / READER / ARRAYS, **arrays | {"names": arrays["names"][1:]})  # type: ignore[arg-type]
    del record["files"][f"{READER}/{ARRAYS}"]
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(CriticError, match="another version of the features"):
        load(tmp_path / "c", TOOLS)


def test_arrays_are_never_unpickled(critic: TrainedCritic, tmp_path: Path) -> None:
    critic.save(tmp_path / "c")
    arrays = dict(np.load(tmp_path / "c" / READER / ARRAYS)) | {"basis.mean": np.array([print], dtype=object)}
    np.savez(tmp_path / "c" / READER / ARRAYS, **arrays)  # type: ignore[arg-type]
    record = json.loads((tmp_path / "c" / RECORD).read_text(encoding="utf-8"))
    del record["files"][f"{READER}/{ARRAYS}"]
    (tmp_path / "c" / RECORD).write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(CriticError, match="cannot be read"):
        load(tmp_path / "c", TOOLS)


def test_one_label_trains_nothing() -> None:
    right_only = [one for one in labelled(60) if one.correct]
    with pytest.raises(CriticError, match=r"the training part has \d+ solutions, all of them right\. Fix: "):
        train(right_only, SETTINGS, "words", TOOLS)


def test_the_places_share_what_is_left_of_being_right() -> None:
    right, places = first_error(np.array([0.5, 0.0, 0.5]))
    assert right == 0.25
    assert places.tolist() == [0.5, 0.0, 0.25]


def test_stored_trees_are_those_that_were_trained_and_damaged_ones_are_refused() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((400, 3))
    trees = train_trees(rows, (rows[:, 0] > 0).astype(np.int64), np.ones(400), seed=1, rounds=10)
    arrays = trees.arrays()
    assert (Trees.from_arrays(arrays).log_odds(rows) == trees.log_odds(rows)).all()
    assert ((trees.log_odds(rows) > 0) == (rows[:, 0] > 0)).mean() > 0.97
    with pytest.raises(ValueError, match="points outside"):
        Trees.from_arrays(arrays | {"left": arrays["left"] + len(arrays["left"])})  # type: ignore[operator]
    with pytest.raises(ValueError, match="own ancestor"):
        Trees.from_arrays(arrays | {"left": np.zeros_like(arrays["left"])})
    with pytest.raises(ValueError, match="finite"):
        trees.log_odds(np.full((1, 3), np.nan))


def test_features_count_numbers_that_come_from_nowhere() -> None:
    table = step_features("Ann has 3 apples and buys 4.", ("3 + 4 = 7", "7 + 90 = 97", "3 + 4 = 7"))
    column = FEATURES.index
    assert table[:, column("numbers_unsourced")].tolist() == [0, 1, 0]
    assert table[:, column("same_as_earlier")].tolist() == [0, 0, 1]
    assert table[:, column("last")].tolist() == [0, 0, 1]
    assert np.isfinite(step_features("", ("", "1" * 5000, "=" * 9999))).all()
