"""The flow `evaluate`: a model answers benchmark items, a baseline too, and their scores are compared."""

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
    flow_run_name="{config.shown_model}",
    description="Scores of a model on benchmarks by domain, and their difference from a baseline, with confidence intervals.",
    task_runner=task_runner(),
    on_failure=[on_failure],
)
def evaluate(config: Evaluate = Evaluate()) -> str:
    """Read the items, let the models answer them, judge the answers, compare and report.

    Returns the name of the evaluation, whose record, items and plots are below <home>/evaluations.
    """
    with opened(load_settings()) as tools, Bars() as bars:
        evaluation = Evaluation.begin(config, tools, bars)
        candidate = evaluation.answer(config.model)
        baseline = evaluation.answer(config.baseline) if config.baseline else None
        models = [model for model in (config.model, config.baseline) if model]
        return evaluation.report(candidate, baseline, {model: evaluation.ends(model) for model in models})
