"""Which datasets the flow weakness looks for neighbours in: those of problems, by what their lineage records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from flows.config.loading import ConfigError
from flows.config.weakness import Weakness
from flows.runner import weakness_search
from flows.runner.derived import HOLDS, SETS, holds
from flows.runner.weakness_search import check, left_out, parts_of
from storage.datasets.store import Store
from storage.rows import Row, to_table

MATERIAL = [{"version": "math-sft@2026.11.20", "digest": "", "rows": 1}]
BEFORE = {  # the stage that chose the rows of a version that states nothing else
    "rft": "allocate",
    "dpo": "pair",
    "steps": "label_steps",
    "prompts": "prompt_band",
}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(weakness_search, "check_evaluation", lambda config: None)
    return Store(tmp_path)


def publish(store: Store, dataset: str, **lineage: Any) -> None:
    store.publish(dataset, [to_table([Row(f"What is {dataset}?", "en")])], lineage=lineage)


def test_what_the_loop_makes_is_in_no_pool(store: Store) -> None:
    publish(store, "math-sft", flow="nightly")
    publish(store, "my-dpo", flow="import")  # names decide nothing
    for name in SETS:
        publish(store, f"set-{name[0]}", flow="rft", **{HOLDS: name}, material=MATERIAL)
    publish(store, "other-skills", flow="weakness", parameters={"arm": "skills"})
    publish(store, "other-retrieval", flow="weakness", weakness={"arm": "math-retrieval"})
    publish(store, "weakness-skills", flow="weakness")  # an arm of this run
    config = Weakness()
    assert [one.dataset for one in check(config, store)] == ["math-sft", "my-dpo"]
    left = left_out(config, store)
    assert {name.partition("@")[0] for name in left} == {
        "set-r",
        "set-d",
        "set-s",
        "set-p",
        "other-skills",
        "other-retrieval",
    }
    assert "preference pairs" in left.values()


@pytest.mark.parametrize("name", SETS)
def test_versions_that_state_nothing_are_known_by_the_stage_that_chose_their_rows(
    store: Store, name: str
) -> None:
    funnel = [{"stage": stage} for stage in ("sample", "verify", BEFORE[name])]
    publish(store, "old", flow="restore", paths=[], rounds=1, funnel=funnel)
    assert holds(store.resolve("old")) == name


def test_a_named_pool_may_have_samples_but_no_pairs_and_no_prompts(store: Store) -> None:
    for name in SETS:
        publish(store, f"set-{name}", flow="rft", **{HOLDS: name}, material=MATERIAL)
    (version,) = check(Weakness(pool=["set-rft"]), store)
    assert version.dataset == "set-rft"
    for name in ("dpo", "steps", "prompts"):
        with pytest.raises(ConfigError, match=rf"setting pool: set-{name}@.* holds .*\. Fix: name math-sft@"):
            check(Weakness(pool=[f"set-{name}"]), store)
    with pytest.raises(ConfigError, match="setting pool: no dataset is published in which"):
        check(Weakness(), store)


def test_a_probe_of_which_one_part_is_empty_is_refused() -> None:
    items = pa.table({"question": [f"What is {number} + 1?" for number in range(40)]})
    drives, measures = parts_of(items, 0.5)
    assert drives.num_rows + measures.num_rows == 40
    assert drives.num_rows
    with pytest.raises(ConfigError, match="none of 40 probe items is left to drive .*Fix: lower it"):
        parts_of(items, 1.0)
    alone = drives.slice(0, 1)
    with pytest.raises(ConfigError, match="none of 1 probe item is left to measure .*Fix: give a larger"):
        parts_of(alone, 0.5)
    assert parts_of(alone, 0.0)[0].num_rows == 1
