"""The kinds whose model was trained elsewhere: a reward model, and a model that writes its judgement."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tasks.critics.kinds import CriticError, CriticTools
from tasks.critics.kinds.generative import GenerativeReader
from tasks.critics.labelled import LabelledSolution, grouped
from tasks.critics.trained import CriticTraining, TrainedCritic, load, train
from tasks.llm.engine import Engine
from tasks.training.reward import RewardModel
from tests.tasks.critics.test_trained import TOOLS
from tests.tasks.critics.test_trained import labelled as solutions_of_critic
from tests.tasks.scorers.test_scorers import solved
from tests.tasks.training.conftest import student

__all__ = ["student"]  # a fixture


@pytest.mark.slow
def test_a_reward_model_is_a_critic(student: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(0)
    folder = tmp_path / "reward"
    tokenizer = AutoTokenizer.from_pretrained(student)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    model = AutoModelForSequenceClassification.from_pretrained(student, num_labels=1)
    model.config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    training = CriticTraining(kind="reward", own={"checkpoint": str(folder)})
    solutions = solutions_of_critic(80)
    critic = train(solutions, training, "words", TOOLS)
    inputs = critic.signals(solutions[:3]).inputs
    asked = [[{"role": "user", "content": one.question}] for one in solutions[:3]]
    rewards = RewardModel(str(folder)).rewards(asked, [one.text for one in solutions[:3]])
    assert np.allclose(inputs[:, 0], rewards, atol=1e-4)
    critic.save(tmp_path / "c")
    again = load(tmp_path / "c", TOOLS)
    assert again.identity == critic.identity
    assert np.allclose(again.opinion(solutions).right, critic.opinion(solutions).right, atol=1e-4)
    assert all(one.first_wrong is None and one.failure is None for one in again.judge(solutions[:3]))


def test_a_reward_model_has_to_be_named() -> None:
    with pytest.raises(CriticError, match=r"own.checkpoint: .* Fix: "):
        train(solutions_of_critic(60), CriticTraining(kind="reward"), "words", TOOLS)


def labelled() -> list[LabelledSolution]:
    return grouped(
        [
            LabelledSolution(row.question, tuple((row.solution or "").splitlines()), right)
            for right in (True, False)
            for row in solved(40, wrong=not right)
        ]
    )


def test_a_model_that_writes_is_calibrated(engine: Callable[..., Engine], tmp_path: Path) -> None:
    tools = CriticTools(TOOLS.encoder, engine)
    solutions = labelled()
    critic = train(solutions, CriticTraining(kind="generative", held_out=0.5), "words", tools)
    opinion = critic.opinion(solutions)
    labels = np.array([one.correct for one in solutions])
    assert (opinion.says_right == labels).mean() > 0.8  # the embedded critic errs at its own seeded rate
    assert all(one.words for one in critic.judge(solutions[:4]))
    critic.save(tmp_path / "c")
    assert load(tmp_path / "c", tools).identity == critic.identity
    with pytest.raises(CriticError, match="asks a model"):
        load(tmp_path / "c", TOOLS)


def test_failed_calls_are_no_opinions(engine: Callable[..., Engine]) -> None:
    offline = CriticTools(TOOLS.encoder, lambda role: engine(role, offline=True))
    training = CriticTraining(kind="generative", held_out=0.5)
    with pytest.raises(CriticError, match="too few calibrating solutions were judged"):
        train(labelled(), training, "words", offline)
    asked = train(labelled(), training, "words", CriticTools(TOOLS.encoder, engine))
    critic = TrainedCritic(asked.record, asked.heads, GenerativeReader("critic", offline))
    other = LabelledSolution("How many are 5 and 8 more?", ("5 + 8 = 13",), True)
    opinion = critic.judge([other])[0]
    assert opinion.failure is not None
    assert (opinion.answer, opinion.right, opinion.first_wrong) == (None, None, None)
