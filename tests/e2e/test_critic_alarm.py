"""A night that a trained critic judges: which critic it was stands on the rows, in the lineage and in `why`, a rebuild lets another one judge
again, and a sabotaged one trips the alarm and publishes nothing."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.datasets.store import Store
from storage.rows import JUDGED_BY
from tasks.critics.kinds import CriticTools
from tasks.critics.labelled import LabelledSolution
from tasks.critics.trained import FOLDER, CriticTraining, TrainedCritic, train
from tasks.retrieval.encoder import Encoder
from tasks.seeding import seed_of
from tests.e2e.processes import Home, fetch
from tests.tasks.canaries.test_trained_critics import constant, family_solutions, flipped

pytestmark = [pytest.mark.e2e, pytest.mark.soak]

NIGHT = (
    "nightly", "--target", "16", "--set", "weakness.share=0", "--set", "similarity.semantic=ignore",
    "--set", "score.scorers=[heuristics, critique, trained_critic]", "--set", "generate.languages={en: 1}",
)  # fmt: skip

ENCODING = CriticTools(lambda name: Encoder(name))


@functools.cache
def solutions() -> list[LabelledSolution]:
    """Those of a third of the families' questions: a critic learns wrong calculations from few."""
    return [one for one in family_solutions() if seed_of(3, one.group) % 3 == 0]


def trained(rounds: int) -> TrainedCritic:
    """A critic of the rows that the embedded teacher writes, on the encoder of the installation."""
    settings = CriticTraining(own={"components": 8, "rounds": rounds})
    return train(solutions(), settings, "minilm", ENCODING)


def judged_by(one: Home, version: str) -> set[str]:
    rows = Store(one.path).read(version, ["verdicts", "solution_format"]).to_pylist()
    named = {dict(row["verdicts"]).get(JUDGED_BY) for row in rows if row["solution_format"] == "cot"}
    return {str(name) for name in named}


def refusals(one: Home) -> list[str]:
    """The texts of the artifacts of refused publications, newest first."""
    asked = {"artifacts": {"key": {"any_": ["math-sft-refused"]}}, "sort": "CREATED_DESC"}
    return [each["data"] for each in fetch(f"{one.environment['PREFECT_API_URL']}/artifacts/filter", asked)]


def test_a_trained_critic_judges_a_night_and_a_sabotaged_one_is_refused(home: Callable[..., Home]) -> None:
    one = home()
    folder = Path(one.path) / FOLDER
    honest, other = trained(40), trained(41)
    honest.save(folder / "honest")
    other.save(folder / "other")
    constant(honest).save(folder / "constant")
    flipped(solutions(), "minilm", ENCODING).save(folder / "flipped")

    version = one.json(*NIGHT, "--json", MATHMILL_TRAINED_CRITIC="honest")
    assert version["lineage"]["trained_critic"] == honest.identity
    assert judged_by(one, version["version"]) == {honest.identity}
    (record,) = [each for each in version["lineage"]["canaries"] if each["role"] == "trained_critic"]
    assert record["model"] == honest.identity
    rows = Store(one.path).read(version["version"], ["id", "verdicts"]).to_pylist()
    row = next(each["id"] for each in rows if JUDGED_BY in dict(each["verdicts"]))
    assert f"{JUDGED_BY} {honest.identity}" in " ".join(one.run("why", row).stdout.split())

    again = one.json(
        "rebuild", "--set", "rescore=[trained_critic]", "--set", "force=true", MATHMILL_TRAINED_CRITIC="other"
    )
    assert again["lineage"]["trained_critic"] == other.identity
    assert judged_by(one, again["version"]) == {other.identity}

    (record,) = [each for each in again["lineage"]["canaries"] if each["role"] == "trained_critic"]
    assert (record["model"], record["dropped"]) == (other.identity, 0)
    kept = one.json("rebuild", "--set", "force=true", MATHMILL_TRAINED_CRITIC="")
    assert kept["lineage"]["trained_critic"] == other.identity  # nobody judged again
    assert judged_by(one, kept["version"]) == {other.identity}

    published = one.json("datasets")
    rescore = ("rebuild", "--set", "rescore=[trained_critic]", "--set", "force=true")
    night = (*NIGHT, "--set", "seed=7", "--set", "generate.waves=1")
    for name, command in (("constant", rescore), ("flipped", rescore), ("constant", night)):
        identity = json.loads((folder / name / "critic.json").read_text())["digest"][:16]
        refused = one.run(*command, code=2, MATHMILL_TRAINED_CRITIC=name)
        text = " ".join(refused.stderr.split())
        assert f"the critic trees:{identity} misjudged" in text, text[-2000:]
        assert "Fix: train it on versions like this one" in text
        assert f"{identity} misjudged" in refusals(one)[0]  # as Markdown, with an escaped colon
    assert one.json("datasets") == published
