"""The flow `attribution`: which source, method or teacher of a version earned or cost points on held-out items."""

from __future__ import annotations

from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact

from flows.config.attribution import GroupAttribution
from flows.runner.artifacts import key_of
from flows.runner.attribution_inputs import AttributionInputs
from flows.runner.events import on_failure
from flows.runner.page_links import version_path, with_link
from flows.runner.resources import opened
from flows.settings import load_settings
from tasks.reports.attribution import ATTRIBUTION, conclusion, to_markdown
from tasks.training.attribution import attribute


@flow(
    name="attribution",
    flow_run_name="{config.version}",
    description="Which source, method or teacher of a version earned or cost points: gradients on a small student, and trainings without the suspects.",
    on_failure=[on_failure],
)
def attribution(config: GroupAttribution = GroupAttribution()) -> dict[str, Any]:
    """Train a small student on groups of the version, compare, train again without the suspects, and mark the version.

    Returns the value of the mark.
    """
    with opened(load_settings()) as tools:
        inputs = AttributionInputs.of(config, tools.store, tools.home)
        result = attribute(
            inputs.groups,
            inputs.items,
            base=inputs.base,
            steps=config.steps,
            check=inputs.check,
            seed=config.seed,
        )
        value = {
            "version": str(inputs.version),
            "by": config.by,
            "base": config.base or "student",
            "items": config.items or "worked problems of the version's subdomains",
            "steps": config.steps,
            "seed": config.seed,
            "worst": result.worst,
            "harmful": result.harmful,
            **result.record(),
        }
        tools.store.mark(inputs.version, ATTRIBUTION, value)
        get_run_logger().info(conclusion(value))
        create_markdown_artifact(
            key=f"{key_of(inputs.version.dataset)}-attribution",
            markdown=with_link(to_markdown(value), tools.settings, version_path(inputs.version)),
            description=f"`{inputs.version}`",
        )
        return value
