"""Known traps of Prefect in production are avoided, as far as this can be checked without a server."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import yaml
from prefect.cache_policies import NO_CACHE

from flows.config.rebuild import Rebuild
from flows.maintain import Maintain, maintain
from flows.nightly import nightly
from flows.rebuild import rebuild
from flows.runner.stages import Place, run_shard
from flows.runner.task_runners import task_runner
from flows.server.automations import HEARTBEAT_S, SILENT_FOR, _automations
from flows.settings import SettingsError

ROOT = Path(__file__).resolve().parents[2]
SECRETS = ("key", "secret", "password", "url", "address")


def test_model_calls_are_never_cached_by_prefect_and_results_stay_references() -> None:
    assert run_shard.cache_policy == NO_CACHE
    assert run_shard.persist_result is False
    assert not run_shard.log_prints
    assert set(inspect.signature(run_shard.fn).parameters) == {
        "place",
        "stage",
        "inputs",
        "reads",
        "call",
        "bar",
    }
    assert set(Place.__dataclass_fields__) == {"home", "words_only"}


@pytest.mark.parametrize("flow", [nightly, rebuild, maintain])
def test_no_parameter_can_hold_a_secret_and_each_is_described(flow) -> None:
    schema = flow.parameters.model_dump()
    for name, section in (schema["definitions"] or {}).items():
        for field, entry in section.get("properties", {}).items():
            assert not any(word in field.lower() for word in SECRETS), (name, field)
            assert entry.get("description") or "$ref" in str(entry) or entry.get("type") == "object", (
                name,
                field,
            )
    assert flow.on_failure_hooks


def test_a_silent_run_is_crashed_within_ten_minutes() -> None:
    zombie = _automations(None)[0]
    assert zombie.trigger.within == SILENT_FOR
    assert 3 * HEARTBEAT_S <= SILENT_FOR.total_seconds() <= 600 - HEARTBEAT_S
    assert zombie.actions[0].type == "change-flow-run-state"
    assert zombie.actions[0].state == "CRASHED"
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    assert compose["services"]["worker"]["environment"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == str(
        HEARTBEAT_S
    )


def test_a_cluster_is_not_given_a_server_that_only_this_machine_has(monkeypatch) -> None:
    monkeypatch.setenv("MATHMILL_RUNNER", "dask")
    monkeypatch.setenv("MATHMILL_RUNNER_ADDRESS", "tcp://127.0.0.1:1")
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with pytest.raises(SettingsError, match="set PREFECT_API_URL"):
        task_runner()


def test_the_defaults_of_the_forms_are_valid() -> None:
    for kind in (Rebuild, Maintain):
        assert kind.model_validate(kind().model_dump(mode="json")) == kind()
    assert not Maintain().apply
