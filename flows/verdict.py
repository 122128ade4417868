"""The verdict, top to bottom: train a student with the version and without it, on several seeds; compare; write it down."""

from __future__ import annotations

from typing import Any

from prefect import flow
from pydantic import Field, field_validator

from flows.config import Section
from flows.runner.events import on_failure
from flows.runner.progress import Bars
from flows.runner.resources import opened
from flows.runner.task_runners import task_runner
from flows.runner.verdict_trials import Trial
from flows.settings import load_settings
from tasks.plugins import checked
from tasks.stages.rejudge import CHOSEN_BY


class Verdict(Section):
    """Two trainings a seed from one base, of equal steps and tokens: on the validated version alone, and on the
    validated version with the candidate at its weight."""

    candidate: str = Field("math-sft", description="version to be judged, NAME or NAME@VERSION")
    validated: str = Field(
        "",
        description="version to train beside; empty: NAME@validated, else the version before the candidate",
    )
    base: str = Field(
        "student", description="checkpoint that both start from; student: a fresh small one a seed"
    )
    weight: float = Field(
        0.2, gt=0, lt=1, description="share of the tokens that the candidate has in the mixture"
    )
    seeds: int = Field(
        5, ge=2, le=100, description="trainings of each kind; few seeds show large effects only"
    )
    training: dict[str, Any] = Field(
        {}, description="further settings of both trainings, as of `train`, such as {steps: 1000, lr: 0.001}"
    )
    benchmarks: list[str] = Field(
        [],
        description="files of benchmark items; empty: fresh problems of the candidate's subdomains, none of them in either version",
    )
    items: int = Field(400, ge=10, description="items asked at most")
    max_tokens: int = Field(256, ge=1, description="cap of an answer")
    without: str = Field(
        "", description="column whose values are left out one by one, such as source or method; empty: none"
    )
    seed: int = Field(0, description="same seed, same data, same machine, same verdict")

    @field_validator("without")
    @classmethod
    def _column(cls, name: str) -> str:
        checked("column", [name] if name else [], CHOSEN_BY)
        return name


@flow(
    name="verdict",
    flow_run_name="{config.candidate}",
    description="Whether a version makes a better model: paired trainings, paired answers, written into its record.",
    task_runner=task_runner(),
    on_failure=[on_failure],
)
def verdict(config: Verdict = Verdict()) -> dict[str, Any]:
    """Pin the versions, train, answer, compare, mark. Returns the mark's value.

    Killed, it goes on from the trainings and answers that are there.
    """
    with opened(load_settings()) as tools, Bars() as bars:
        trial = Trial.begin(config, tools, bars)
        candidate, baseline = trial.scores(trial.mixture()), trial.scores(trial.alone())
        without = {name: trial.scores(trial.mixture(name)) for name in trial.left_out()}
        return trial.conclude(candidate, baseline, without)
