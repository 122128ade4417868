"""Keep questions that two models both get wrong (s1, arXiv:2501.19393, which took a smaller and a larger one)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from pydantic import Field, field_validator

from storage.reasons import Code, Reason, reason
from storage.rows import column
from tasks.answers import Judge
from tasks.llm.engine import Engine
from tasks.llm.model_files import CHECKPOINT
from tasks.pass_rates import known_questions, pass_rates
from tasks.selection import Selection
from tasks.settings import Section
from tasks.stages.outcome import Tick

STAGE = "select"
ROLES = ("teacher", "reasoner", "critic", "student")

whole = False
parents = False


class TwoModelsSettings(Section, title="Two models"):
    models: tuple[str, str] = Field(
        ("student", "reasoner"), description="the two models: roles, or checkpoints hf:NAME"
    )

    @field_validator("models")
    @classmethod
    def _two(cls, models: tuple[str, str]) -> tuple[str, str]:
        for name in models:
            if name not in ROLES and not name.startswith(CHECKPOINT):
                raise ValueError(f"{name!r} is neither a role ({', '.join(ROLES)}) nor {CHECKPOINT}NAME")
        if models[0] == models[1]:
            raise ValueError(f"{models[0]!r} twice: name two models")
        return models


own_settings = TwoModelsSettings


def needs(settings: TwoModelsSettings) -> Mapping[str, str]:
    first, second = settings.models
    return {"first": first, "second": second, "judge": "judge"}


def calls(settings: TwoModelsSettings, methods: Mapping[str, float]) -> Mapping[str, float]:
    return dict.fromkeys(settings.models, 1)


def select(
    rows: pa.Table,
    *,
    settings: TwoModelsSettings,
    seed: int,
    tick: Tick,
    first: Engine,
    second: Engine,
    judge: Judge,
) -> Selection:
    """Ask the first model each question once, greedily, and the second one those that the first gets wrong; keep those that both
    get wrong. A question on which it is not known whether a model is right is kept."""
    left = known_questions(rows)
    dropped: dict[str, Reason] = {}
    bills: list[dict[str, Any]] = []
    deferred = 0
    for name, engine in zip(settings.models, (first, second), strict=True):
        rates, costs = pass_rates(
            left, engine=engine, judge=judge, samples=1, temperature=0.0, seed=seed, tag="two_models"
        )
        bills += costs["bills"]
        deferred += costs["deferred"]
        for problem, rate in rates.items():
            if (failure := rate.failed(STAGE)) is not None:
                dropped[problem] = failure
            elif rate.share == 1:
                dropped[problem] = reason(STAGE, Code.MODEL_RIGHT, name=name)
        left = [one for one in left if one.problem_id not in dropped]
    tick(rows.num_rows)
    return Selection(
        [dropped.get(problem) for problem in column(rows, "problem_id")],
        facts={"bills": bills, "deferred": deferred},
    )
