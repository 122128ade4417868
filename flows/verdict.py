"""The flow `verdict`: train a student with and without a version on several random seeds, compare, record the result."""

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
    description="Whether a version makes a better model: paired trainings and answers; the result becomes a mark of the version.",
    task_runner=task_runner(),
    on_failure=[on_failure],
)
def verdict(config: Verdict = Verdict()) -> dict[str, Any]:
    """Pin the versions, train, answer, compare and mark the version. Returns the value of the mark.

    A run that was killed is continued by a run with the same configuration, from the trainings and answers that exist.
    """
    with opened(load_settings()) as tools, Bars() as bars:
        trial = Trial.begin(config, tools, bars)
        base = trial.base_seen()
        candidate, baseline = trial.scores(trial.mixture()), trial.scores(trial.alone())
        without = {name: trial.scores(trial.mixture(name)) for name in trial.left_out()}
        return trial.conclude(candidate, baseline, without, base)
