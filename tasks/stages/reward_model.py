"""The stage `reward_model`: score right solutions by a reward model, and drop those below a threshold."""

from __future__ import annotations

import math
from typing import Final

import pyarrow as pa

from storage.reasons import Code, Reason, reason
from storage.rows import column, reject, replace
from tasks.stages.outcome import Tick

STAGE: Final = "reward_model"
REWARD_SCORE: Final = "reward"  # score: the logistic function of the model's reward
BATCH: Final = 16  # solutions per forward pass


def reward_model(rows: pa.Table, *, checkpoint: str, revision: str, least: float, tick: Tick) -> pa.Table:
    """Return the rows with the score REWARD_SCORE, from 0 to 1, rejected where it is below `least`.

    checkpoint: of the training method `reward`. revision: what decides its scores besides its name, for the address of the output.
    """
    if not rows.num_rows:
        return rows
    from tasks.training.reward import RewardModel

    model = RewardModel(checkpoint)
    questions, solutions = column(rows, "question"), column(rows, "solution")
    scores = [dict(pairs or ()) for pairs in column(rows, "scores")]
    reasons: list[Reason | None] = [None] * rows.num_rows
    for start in range(0, rows.num_rows, BATCH):
        part = range(start, min(start + BATCH, rows.num_rows))
        prompts = [[{"role": "user", "content": questions[i]}] for i in part]
        for i, value in zip(part, model.rewards(prompts, [solutions[i] for i in part]), strict=True):
            scores[i][REWARD_SCORE] = score = 1 / (1 + math.exp(-max(-60.0, min(60.0, value))))
            if score < least:
                reasons[i] = reason(
                    STAGE,
                    Code.BELOW_THRESHOLD,
                    name=REWARD_SCORE,
                    score=f"{score:.2f}",
                    threshold=f"{least:.2f}",
                )
        tick(len(part))
    return reject(replace(rows, scores=scores), reasons)
