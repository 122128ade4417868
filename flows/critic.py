"""The flows `critic-train` and `critic-evaluate`: a critic is trained on labelled solutions, and measured on others."""

from __future__ import annotations

import sys

from prefect import flow, get_run_logger

from flows.config.critic import EvaluateCritic, TrainCritic
from flows.runner.critics import run_evaluation, run_training
from flows.runner.events import on_failure
from flows.runner.resources import opened
from flows.settings import load_settings


@flow(
    name="critic-train",
    description="A critic that learns from labelled solutions, reported on questions that it has not seen, beside baselines.",
    on_failure=[on_failure],
)
def train_critic(config: TrainCritic = TrainCritic()) -> str:
    """Split the questions, train on one part, calibrate on another, report on the rest. Returns the critic's folder."""
    with opened(load_settings()) as tools:
        return run_training(config, tools, _log)


@flow(
    name="critic-evaluate",
    description="A critic's measures on labelled solutions with confidence intervals, beside baselines.",
    on_failure=[on_failure],
)
def evaluate_critic(config: EvaluateCritic = EvaluateCritic()) -> str:
    """Judge the solutions of questions that the critic has not seen. Returns the report's name below <home>/critic-evaluations."""
    with opened(load_settings()) as tools:
        return run_evaluation(config, tools, _log)


def _log(line: str) -> None:
    get_run_logger().info(line)  # on the run's page
    print(line, file=sys.stderr, flush=True)  # at the terminal, where Prefect shows warnings only
