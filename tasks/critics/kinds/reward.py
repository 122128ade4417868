"""A reward model as a critic: a checkpoint of `mathmill train --method reward` scores the solution as a reply to the question.

A reward is a logit without bounds that only compares replies to one question, so the calibrated head turns it into a probability, with the
features of the step checker beside. Its weights are those of the training; nothing of it is trained here. It names no step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from tasks.critics import WorkedSolution, step_checker
from tasks.critics.evaluation import NOT_NAMED
from tasks.critics.kinds import CriticError, CriticLog, CriticTools, Signals
from tasks.critics.labelled import LabelledSolution
from tasks.critics.step_checker import check
from tasks.settings import Section

CHECKPOINT = "checkpoint"
BATCH = 16  # solutions that are scored at once


class RewardSettings(Section, title="Reward model"):
    checkpoint: str = Field(
        "", description="folder of a checkpoint of the training method reward; it is copied"
    )


own_settings = RewardSettings


class RewardReader:
    """Reads the reward of a solution. `folder`: of the checkpoint."""

    asks = False

    def __init__(self, folder: Path) -> None:
        from tasks.training.reward import RewardModel

        self._folder = folder
        self._model = RewardModel(str(folder))

    @property
    def digest(self) -> str:
        from tasks.critics.kinds.cross_encoder import digest_of_weights

        return digest_of_weights(self._model.model)

    def read(self, solutions: Sequence[WorkedSolution]) -> Signals:
        rewards = np.zeros(len(solutions))
        # of similar length together, so that there is little padding
        order = sorted(range(len(solutions)), key=lambda row: -len(solutions[row].text))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            prompts = [[{"role": "user", "content": solutions[row].question}] for row in rows]
            rewards[rows] = self._model.rewards(prompts, [solutions[row].text for row in rows])
        features = [
            step_checker.features(check(one.steps, question=one.question, answer=one.answer))
            for one in solutions
        ]
        inputs = np.column_stack([rewards, np.array(features).reshape(len(solutions), -1)])
        return Signals(inputs.astype(np.float64), np.full(len(solutions), NOT_NAMED, np.int64))

    def save(self, folder: Path) -> None:
        from tasks.llm.model_files import no_progress_bar

        with no_progress_bar():
            self._model.model.save_pretrained(folder / CHECKPOINT)
            self._model.tokenizer.save_pretrained(folder / CHECKPOINT)


def load(folder: Path, record: Mapping[str, Any], tools: CriticTools) -> RewardReader:
    return RewardReader(folder / CHECKPOINT)


def fit(
    solutions: Sequence[LabelledSolution],
    settings: RewardSettings,
    encoder: str,
    tools: CriticTools,
    *,
    seed: int,
    log: CriticLog,
) -> RewardReader:
    """Return the reward model of the settings. Raises CriticError if they name none."""
    if not settings.checkpoint or not Path(settings.checkpoint).is_dir():
        raise CriticError(
            f"own.checkpoint: there is no folder {settings.checkpoint!r}. Fix: ./mathmill train --set method=reward, and name its folder"
        )
    return RewardReader(Path(settings.checkpoint))
