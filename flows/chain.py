"""The flow `chain`: what follows a publication, as one run in Prefect's UI with a run below it per step.

publish -> train (the pinned version) -> evaluate -> verdict -> promote or roll back. The deployment `after-publishing` of prefect.yaml
subscribes to the event of a publication and starts it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from pydantic import BaseModel, ValidationError

from flows.config.chain import Chain
from flows.config.evaluate import Evaluate
from flows.config.loading import ConfigError
from flows.config.promote import Promote
from flows.config.verdict import Verdict
from flows.evaluate import evaluate
from flows.promote import promote
from flows.runner.artifacts import key_of
from flows.runner.events import ROLLED_BACK, alarm, on_failure
from flows.runner.gates import promote as promote_version
from flows.runner.page_links import version_path, with_link
from flows.settings import load_settings
from flows.train import train
from flows.verdict import verdict
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.errors import StorageError
from storage.markdown import code, inline
from tasks.evaluation.verdict import in_a_line
from tasks.llm.model_files import CHECKPOINT
from tasks.settings import unfit_settings
from tasks.training.config import Train
from tasks.training.run import read

CANDIDATE = "candidate"
S = TypeVar("S", bound=BaseModel)


@flow(
    name="chain",
    flow_run_name="{config.version}",
    description="What follows a publication: train, evaluate, verdict, then promote or roll back; each step has a switch.",
    on_failure=[on_failure],
)
def chain(config: Chain = Chain()) -> dict[str, str]:
    """Run the steps that are switched on, one after the other, and return what each led to, by the name of the step.

    A step that fails ends the chain, and no tag is moved afterwards. Started again with the same settings it continues: trainings
    and answers that are finished are not made again.
    """
    settings = load_settings()
    store, home = Store(settings.tables), settings.home.absolute()
    version = store.resolve(config.version)
    results: dict[str, str] = {}
    if config.datasets and version.dataset not in config.datasets:
        return {"chain": f"nothing: {version.dataset} is not among the datasets"}
    plans = Plans(config, version)
    if config.candidate:
        promote_version(store, version, CANDIDATE, home)
        results["candidate"] = f"{version.dataset}@{CANDIDATE} is {version}"
    if plans.train is not None:
        checkpoint = read(Path(train(plans.train))).checkpoint
        results["train"] = str(checkpoint)
        if config.evaluate:
            results["evaluate"] = evaluate(plans.evaluate_of(checkpoint))
    better = None
    if config.verdict:
        before = [one for one in store.versions(version.dataset) if one.table_version < version.table_version]
        if plans.verdict.validated or before:
            value = verdict(plans.verdict)
            better, results["verdict"] = bool(value["better"]), in_a_line(value)
        else:
            results["verdict"] = "not reached: it is the first version, there is nothing to train beside"
    if config.promote and (better or not config.verdict):
        promoted = promote(Promote(version=str(version), tag=config.tag, wait_hours=config.wait_hours))
        results["promote"] = f"{version.dataset}@{config.tag} is {promoted}"
    elif config.roll_back and better is False:
        results["roll back"] = rolled_back(store, version)
    create_markdown_artifact(
        key=f"{key_of(version.dataset)}-chain",
        markdown=with_link(as_markdown(version, results), settings, version_path(version)),
        description=f"`{version}`",
    )
    for name, result in results.items():
        get_run_logger().info("%s: %s", name, result)
    return results


class Plans:
    """The configurations of the steps, checked before the first one starts. Raises ConfigError for a setting that does not fit."""

    def __init__(self, config: Chain, version: Version) -> None:
        self._config = config
        data = {"data": [{"dataset": str(version)}]}
        self.train = _as(Train, "training", config.training | data) if config.train else None
        self.verdict = _as(Verdict, "judging", config.judging | {"candidate": str(version)})
        self.evaluate_of(Path("checked"))

    def evaluate_of(self, checkpoint: Path) -> Evaluate:
        """Return the evaluation of a checkpoint."""
        return _as(Evaluate, "evaluation", self._config.evaluation | {"model": f"{CHECKPOINT}{checkpoint}"})


def rolled_back(store: Store, version: Version) -> str:
    """Take every tag that points to the version back to the version before, and return what was done, for people."""
    done = []
    for tag, name in store.tags(version.dataset).items():
        if name == version.name:
            try:
                _, now = store.rollback(version.dataset, tag)
            except StorageError:  # it is the first version that has the tag
                done.append(f"{tag} stays, as it has pointed to no other version")
                continue
            done.append(f"{version.dataset}@{tag} is {version.dataset}@{now} again")
    words = "; ".join(done) or "no tag points to the version"
    alarm(ROLLED_BACK, f"dataset.{version.dataset}", words, version=str(version))
    return words


def as_markdown(version: Version, results: dict[str, str]) -> str:
    """Return a table of the steps and what each led to."""
    lines = [f"After publishing {code(version)}", "", "| step | result |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {inline(result)} |" for name, result in results.items())]) + "\n"


def _as(kind: type[S], setting: str, values: dict[str, Any]) -> S:
    """Return the configuration of a step. Raises ConfigError, which names a setting that does not fit."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ConfigError(
            *(
                f"setting {name}: {what}. Fix: one that `./mathmill {kind.__name__.lower()} --show-config` prints"
                for name, what in unfit_settings(error, setting)
            )
        ) from error
