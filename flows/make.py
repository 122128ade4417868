"""The flow `make`: one method of generation, alone, over the rows of published versions.

It is a night with a single method: its rows pass the same stages, gates and limits, and a run that was killed is continued by
the same command. Documents are used up: a passage is given to the method once per dataset, so that the same command given
again publishes nothing.
"""

from __future__ import annotations

from prefect import flow

from flows.config.loading import ConfigError
from flows.config.make import Make
from flows.nightly import run_night
from flows.runner.after_publication import finish, latest
from flows.runner.events import on_failure
from flows.runner.material import Material
from flows.runner.progress import Bars
from flows.runner.resources import Tools, opened
from flows.runner.run_notes import ended
from flows.runner.task_runners import task_runner
from flows.settings import load_settings
from tasks.methods import method, plan_of

ALL = 10_000_000  # rows: more than the documents give


@flow(
    name="make",
    flow_run_name="{config.method}, {config.dataset}",
    description="One method of generation alone, over the rows of published versions.",
    task_runner=task_runner(),
    on_failure=[on_failure],
    on_completion=[ended],
)
def make(config: Make = Make()) -> str:
    """Make rows by one method, judge and publish them.

    Returns the name of the published version; that of the dataset's newest version if the method has made rows of every passage
    before. Raises as `flows.nightly.nightly`.
    """
    check(config)
    with opened(load_settings()) as tools, Bars() as bars:
        night = night_of(config, tools)
        if isinstance(night, str):
            bars.say(
                f"{config.method} has made rows of every passage: {night} has them, and nothing was published"
            )
            return night
    return run_night(night)


def check(config: Make) -> None:
    """Raise ConfigError if a setting is missing that the flow needs."""
    if not config.method:
        raise ConfigError(
            "setting method: none is given. Fix: name a file of tasks/methods/, such as textbook_qa"
        )
    if not config.dataset:
        raise ConfigError("setting dataset: no name is given. Fix: --dataset NAME, such as textbook-qa")
    if not config.target and method(config.method).takes != "documents":
        raise ConfigError(
            f"setting target: {config.method} can make any number of rows, and none is given. Fix: --target 500"
        )


def night_of(config: Make, tools: Tools) -> Make | str:
    """Return the configuration of the night that makes the rows, with a target; or the name of the version that has all of them.

    Raises VersionNotFound or ConfigError for a version that cannot be used.
    """
    name = config.method
    config = config.alone()
    if method(name).takes != "documents":
        return config
    base = latest(tools, config.dataset)
    if base is not None:
        finish(tools, base)
    material = Material.of(config.material, [name], tools, base)
    passages = material.unused(name, material.of_kind("documents"))
    plan = plan_of(name, tools.settings.overlay(), config.generate.settings.get(name))(
        passages,
        {("", ""): ALL},
        per_call=config.generate.per_call,
        examples=config.generate.examples,
        seed=config.seed,
    )
    if not plan and base is not None:
        return str(base)
    if not plan:
        named = ", ".join(config.material.versions)
        raise ConfigError(
            f"setting material.versions: {name} can make nothing of the passages of {named}. Fix: name another version"
        )
    most = 1 if method(name).makes == "texts" else config.mix.per_problem
    return config.model_copy(update={"target": config.target or most * sum(ask.count for ask in plan)})
