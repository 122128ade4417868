"""The verdict, top to bottom: train a student with the version and without it, on several seeds; compare; write it down."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.config.verdict import Verdict
from flows.runner.events import on_failure
from flows.runner.progress import Bars
from flows.runner.resources import opened
from flows.runner.task_runners import task_runner
from flows.runner.verdict_trials import Trial
from flows.settings import load_settings


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
