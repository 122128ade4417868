"""A night that a trained critic judges: which critic it was stands on the rows, in the lineage and in `why`, a rebuild lets another one judge
again, and a sabotaged one trips the alarm and publishes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.datasets.store import Store
from storage.rows import JUDGED_BY
from tasks.critics.kinds import CriticTools
from tasks.critics.trained import FOLDER, CriticTraining, TrainedCritic, train
from tasks.retrieval.encoder import Encoder
from tests.e2e.processes import Home
from tests.tasks.canaries.test_trained_critics import constant, family_solutions, flipped

pytestmark = [pytest.mark.e2e, pytest.mark.soak]

NIGHT = (
    "nightly", "--target", "16", "--set", "weakness.share=0", "--set", "similarity.semantic=ignore",
    "--set", "score.scorers=[heuristics, critique, trained_critic]", "--set", "generate.languages={en: 1}",
)  # fmt: skip

ENCODING = CriticTools(lambda name: Encoder(name))


def trained(rounds: int) -> TrainedCritic:
    """A critic of the rows that the embedded teacher writes, on the encoder of the installation."""
    settings = CriticTraining(own={"components": 8, "rounds": rounds})
    return train(family_solutions(), settings, "minilm", ENCODING)


def judged_by(one: Home, version: str) -> set[str]:
    rows = Store(one.path).read(version, ["verdicts", "solution_format"]).to_pylist()
    named = {dict(row["verdicts"]).get(JUDGED_BY) for row in rows if row["solution_format"] == "cot"}
    return {str(name) for name in named}


def test_a_trained_critic_judges_a_night_and_a_sabotaged_one_is_refused(home: Callable[..., Home]) -> None:
    one = home()
    folder = Path(one.path) / FOLDER
    honest, other = trained(40), trained(41)
    honest.save(folder / "honest")
    other.save(folder / "other")
    constant(honest).save(folder / "constant")
    flipped(family_solutions(), "minilm", ENCODING).save(folder / "flipped")

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

    published = len(one.json("datasets"))
    for name in ("constant", "flipped"):
        refused = one.script(*NIGHT, "--set", "seed=7", MATHMILL_TRAINED_CRITIC=name)
        text = " ".join(refused.stderr.split())
        assert refused.returncode == 2, text[-2000:]
        identity = json.loads((folder / name / "critic.json").read_text())["digest"][:16]
        assert f"the critic trees:{identity} misjudged" in text
        assert "Fix: train it on versions like this one" in text
    assert len(one.json("datasets")) == published
