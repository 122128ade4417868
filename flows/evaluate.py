"""Evaluation, top to bottom: items, a model's answers to them, a baseline's, their scores side by side."""

from __future__ import annotations

from prefect import flow

from flows.config.evaluate import Evaluate
from flows.runner.evaluation import Evaluation
from flows.runner.events import on_failure
from flows.runner.progress import Bars
from flows.runner.resources import opened
from flows.runner.task_runners import task_runner
from flows.settings import load_settings


@flow(
    name="evaluate",
    flow_run_name="{config.model}",
    description="A model's scores on benchmarks by domain, and their difference from a baseline with intervals.",
    task_runner=task_runner(),
    on_failure=[on_failure],
)
def evaluate(config: Evaluate = Evaluate()) -> str:
    """Read the items, have them answered and judged, compare, report.

    Returns the name of the evaluation: its record, items and plots lie below <home>/evaluations.
    """
    with opened(load_settings()) as tools, Bars() as bars:
        work = Evaluation.begin(config, tools, bars)
        candidate = work.answer(config.model)
        baseline = work.answer(config.baseline) if config.baseline else None
        return work.report(candidate, baseline)
