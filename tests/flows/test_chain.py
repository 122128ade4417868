"""What the chain after a publication checks before it starts, and how tags are taken back."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import yaml

from flows import chain as chain_module
from flows.chain import Plans, as_markdown, rolled_back
from flows.config.chain import Chain
from flows.config.loading import ConfigError
from flows.server.deployments import CHAIN, DECLARED
from storage.datasets.store import Store
from storage.rows import Row, to_table


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(chain_module, "alarm", lambda *_, **__: None)  # there is no Prefect server
    return Store(tmp_path)


def publish(store: Store, text: str) -> str:
    return str(store.publish("d", [to_table([Row(text, "en", solution="1")])], lineage={}))


@pytest.mark.slow
def test_tags_that_point_to_the_version_go_back_and_others_stay(store: Store) -> None:
    first, second = publish(store, "a"), publish(store, "b")
    for tag in ("candidate", "validated"):
        store.promote(first, tag)
    for tag in ("candidate", "production"):
        store.promote(second, tag)
    words = rolled_back(store, store.resolve(second))
    names = [name.partition("@")[2] for name in (first, second)]
    assert store.tags("d") == {"candidate": names[0], "validated": names[0], "production": names[1]}
    assert "d@candidate is" in words
    assert "production stays" in words
    assert rolled_back(store, store.resolve(first)).count("stays") == 2


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"training": {"stepz": 1}}, "setting training.stepz"),
        ({"evaluation": {"limit": 0}}, "setting evaluation.limit"),
        ({"judging": {"seeds": 1}}, "setting judging.seeds"),
    ],
)
def test_a_setting_of_any_step_is_checked_before_the_first_one_starts(
    store: Store, settings: dict[str, object], words: str
) -> None:
    version = store.resolve(publish(store, "a"))
    with pytest.raises(ConfigError, match=rf"{words}: .*Fix: "):
        Plans(Chain.model_validate(settings), version)
    plans = Plans(Chain(training={"steps": 3}), version)
    assert plans.train is not None
    assert plans.train.data[0].dataset == str(version)
    assert plans.verdict.candidate == str(version)
    assert Plans(Chain(train=False), version).train is None


def test_the_deployment_subscribes_to_publications_of_datasets_and_is_off() -> None:
    deployments = yaml.safe_load(DECLARED.read_text(encoding="utf-8"))["deployments"]
    (declared,) = [one for one in deployments if one["entrypoint"] == CHAIN]
    (trigger,) = declared["triggers"]
    assert trigger["expect"] == ["mathmill.version.published"]
    assert trigger["enabled"] is False


def test_a_flow_that_pauses_has_no_limit_of_runs() -> None:
    """Prefect 3.8.8 frees the slot of a run that pauses, and ends the run when its lease cannot be renewed, minutes later."""
    deployments = yaml.safe_load(DECLARED.read_text(encoding="utf-8"))["deployments"]
    pausing = [
        one
        for one in deployments
        if "pause_flow_run("
        in Path(importlib.import_module(one["entrypoint"].rpartition(".")[0]).__file__ or "").read_text()
    ]
    assert [one["name"] for one in pausing] == ["promote"]
    assert all("concurrency_limit" not in one for one in pausing)


def test_results_are_text_in_the_table(store: Store) -> None:
    version = store.resolve(publish(store, "a"))
    text = as_markdown(version, {"train": "a|b<script>"})
    assert "<script>" not in text
    assert "a|b" not in text
