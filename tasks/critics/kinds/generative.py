"""A generative critic: a model that writes its judgement, calibrated on labelled solutions.

The model is a checkpoint of `mathmill train --method critic`, which learns judgements in the prompt of the critic, or whatever serves the role critic.
It is asked like the prompted critic (tasks/critics/kinds/prompted.py), and its words are the critic's. Its scores are steps of a scale
and not probabilities, so the head is fitted to what it says of held-out solutions, with the features of the step checker beside. Nothing of
the model is trained here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from tasks.critics import WorkedSolution, step_checker
from tasks.critics.evaluation import NOT_NAMED
from tasks.critics.kinds import CriticError, CriticLog, CriticTools, Signals
from tasks.critics.kinds.prompted import PromptedCritic
from tasks.critics.labelled import LabelledSolution
from tasks.critics.step_checker import check
from tasks.settings import Section

MODEL = "model.json"


class GenerativeSettings(Section, title="Generative critic"):
    model: str = Field(
        "critic", description="what judges: hf: and the folder of a checkpoint, or a role, such as critic"
    )


own_settings = GenerativeSettings


class GenerativeReader:
    """Reads what a model writes about a solution; a solution that it fails to judge has a failure."""

    asks = True

    def __init__(self, model: str, tools: CriticTools) -> None:
        if tools.engine is None:
            raise CriticError(
                "a generative critic asks a model, which is not allowed here. Fix: name another"
            )
        self._name = model
        self._critic = PromptedCritic(tools.engine(model))

    @property
    def digest(self) -> str:
        return hashlib.sha256(self._critic.identity.encode()).hexdigest()

    def read(self, solutions: Sequence[WorkedSolution]) -> Signals:
        opinions = self._critic.judge(solutions)
        features = [
            step_checker.features(check(one.steps, question=one.question, answer=one.answer))
            for one in solutions
        ]
        judged = [
            (one.answer or 0.0, float(one.first_wrong is not None), one.instruction or 0.0)
            for one in opinions
        ]
        inputs = np.hstack(
            [
                np.array(judged).reshape(len(solutions), 3),
                np.array(features).reshape(len(solutions), len(step_checker.FEATURES)),
            ]
        )
        return Signals(
            inputs.astype(np.float64),
            np.array(
                [NOT_NAMED if one.first_wrong is None else one.first_wrong for one in opinions], np.int64
            ),
            words=[one.words for one in opinions],
            failures=[one.failure for one in opinions],
        )

    def save(self, folder: Path) -> None:
        (folder / MODEL).write_text(json.dumps({"model": self._name}), encoding="utf-8")


def load(folder: Path, record: Mapping[str, Any], tools: CriticTools) -> GenerativeReader:
    return GenerativeReader(str(json.loads((folder / MODEL).read_text(encoding="utf-8"))["model"]), tools)


def fit(
    solutions: Sequence[LabelledSolution],
    settings: GenerativeSettings,
    encoder: str,
    tools: CriticTools,
    *,
    seed: int,
    log: CriticLog,
) -> GenerativeReader:
    return GenerativeReader(settings.model, tools)
