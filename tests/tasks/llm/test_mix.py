"""A role with several models: who answers which call, and that order, keys, rows and costs are those of each model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from flows.config.nightly import Nightly
from flows.runner.forecast_inputs import inputs_of
from flows.runner.night_inputs import borrowed, unpriced
from flows.runner.publication import _models
from flows.runner.resources import Tools
from flows.settings import Role, Settings, SettingsError, load_settings
from prompts.asking_again import FaultKind, ReplyFault
from storage.ledger import Ledger
from storage.rows import column
from tasks.answers import Judge
from tasks.forecast import forecast
from tasks.llm.costs import RoleCosts, total
from tasks.llm.endpoint import Endpoint, EngineLimits
from tasks.llm.engine import Engine
from tasks.llm.mix import MixedEngine, chosen, identity
from tasks.llm.request import Request
from tasks.sandbox import Sandbox
from tests import nights
from tests.tasks.reports.test_report import figures

WEIGHTS = {"a": 2.0, "b": 1.0, "c": 1.0}


def request(seed: int | None, text: str = "2 + 2?") -> Request:
    return Request([{"role": "user", "content": text}], "m", seed=seed)


CALLS = [request(seed) for seed in range(8000)]


def test_models_get_calls_by_their_weights_whatever_their_order() -> None:
    names = [chosen(WEIGHTS, call) for call in CALLS]
    assert names == [chosen(dict(reversed(WEIGHTS.items())), call) for call in CALLS]
    for name, weight in WEIGHTS.items():
        assert names.count(name) / len(CALLS) == pytest.approx(weight / 4, abs=0.02)


@pytest.mark.parametrize(
    "changed",
    [WEIGHTS | {"a": 3.0}, WEIGHTS | {"a": 0.5}, WEIGHTS | {"d": 1.0}, {"b": 1.0, "c": 1.0}],
    ids=["more", "less", "added", "removed"],
)
def test_a_change_of_one_weight_moves_only_calls_of_that_model(changed: dict[str, float]) -> None:
    different = {name for name in {*WEIGHTS, *changed} if WEIGHTS.get(name) != changed.get(name)}
    moved = [
        (before, after)
        for call in CALLS
        if (before := chosen(WEIGHTS, call)) != (after := chosen(changed, call))
    ]
    assert moved
    (name,) = different
    grows = changed.get(name, 0) > WEIGHTS.get(name, 0)
    assert all((after if grows else before) == name for before, after in moved)


def test_calls_without_a_seed_are_divided_by_their_messages() -> None:
    names = {text: chosen(WEIGHTS, request(None, text)) for text in map(str, range(200))}
    assert set(names.values()) == set(WEIGHTS)
    assert names == {text: chosen(WEIGHTS, request(None, text)) for text in names}
    # a re-ask, which has the same seed, goes to the model whose answer it quotes
    assert chosen(WEIGHTS, CALLS[7]) == chosen(
        WEIGHTS, CALLS[7].reask("5", ReplyFault(FaultKind.OTHER, "wrong"))
    )


@pytest.fixture
def mixed(tmp_path: Path) -> Iterator[Callable[..., MixedEngine]]:
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    engines: list[MixedEngine] = []

    def make(role: str = "reasoner", **limits: Any) -> MixedEngine:
        members = [
            (Engine(Endpoint(role, model), ledger, EngineLimits(**limits)), weight)
            for model, weight in (("embedded", 2.0), ("embedded-small", 1.0))
        ]
        engines.append(MixedEngine(members))
        return engines[-1]

    yield make
    for one in engines:
        one.close()
    ledger.close()


def asked(count: int) -> list[Request]:
    return [
        Request([{"role": "user", "content": f"What is {n} + 7?"}], "embedded", seed=n, tag="test")
        for n in range(count)
    ]


@pytest.mark.parametrize("window", [0, 4])
def test_completions_come_in_order_each_from_its_model(
    mixed: Callable[..., MixedEngine], window: int
) -> None:
    engine, requests = mixed(window=window), asked(300)
    completions = list(engine.run(iter(requests)))
    weights = {"embedded": 2.0, "embedded-small": 1.0}
    models = [chosen(weights, one) for one in requests]
    assert [done.asked for done in completions] == [done.model for done in completions] == models
    assert set(models) == set(weights)
    # the key is the one that the model has alone, and so is the answer
    alone = [replace(one, model=model) for one, model in zip(requests, models, strict=True)]
    assert [done.key for done in completions] == [one.key() for one in alone]
    assert engine.asked_of(completions[0]).model == models[0]
    stats = engine.stats()
    assert (stats.calls, stats.by_tag["test"].calls, stats.failed) == (300, 300, 0)
    again = list(engine.run(requests))
    assert all(done.cached for done in again)
    assert [done.text for done in again] == [done.text for done in completions]
    assert engine.check() == ["embedded", "embedded-small"] or engine.check() == []


def test_a_run_that_is_left_early_ends(mixed: Callable[..., MixedEngine]) -> None:
    run = mixed(window=8).run(iter(asked(5000)))
    assert [next(run).kind for _ in range(20)] == [None] * 20
    run.close()  # type: ignore[attr-defined]


def test_an_error_of_the_source_reaches_the_caller(mixed: Callable[..., MixedEngine]) -> None:
    def source() -> Iterator[Request]:
        yield from asked(10)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(mixed().run(source()))
    assert list(mixed().run(iter([]))) == []


def test_costs_are_summed_by_model(mixed: Callable[..., MixedEngine]) -> None:
    engine = mixed()
    costs = RoleCosts.of(engine.endpoint)
    for done in engine.run(asked(90)):
        costs.add(done)
    sums = {line["model"]: line for line in total([costs.facts()])}
    assert set(sums) == {"embedded", "embedded-small"}
    assert sum(line["completions"] for line in sums.values()) == 90
    assert all("others" not in line and line["completion_tokens"] > 0 for line in sums.values())


@pytest.mark.slow
def test_rows_of_a_night_say_who_wrote_them(
    mixed: Callable[..., MixedEngine], sandbox: Sandbox, judge: Judge, tmp_path: Path
) -> None:
    engines = {role: mixed(role) for role in ("teacher", "reasoner", "critic")}
    night = nights.night(
        tmp_path / "home",
        engine=lambda role="reasoner": engines[role],
        sandbox=sandbox,
        judge=judge,
        seed=3,
    )
    rows = night.published.to_pylist() + night.dropped.to_pylist()
    assert set(column(night.published, "model")) == {"embedded", "embedded-small"}
    for row in rows:
        if row["solution"] and row["params"]:
            key = json.loads(row["params"])["completion"]
            (stored,) = engines["reasoner"].ledger.get_many([key])[key]
            assert stored.call.model == row["model"]


MIX = ({"model": "big-1", "weight": 2}, {"model": "other-7b", "base_url": ["http://10.0.0.8/v1"]})
TEACHER: dict[str, Any] = {
    "models": MIX, "base_url": ("https://gateway.example.org/v1",), "api_key": "sk-0123456789", "temperature": 0.6,
    "extra": {"top_k": 20},
}  # fmt: skip


def settings(**roles: Any) -> Settings:
    return Settings(_env_file=None, **{name: Role(**stated) for name, stated in roles.items()})


def test_settings_of_a_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATHMILL_TEACHER__MODELS", json.dumps(MIX))
    monkeypatch.setenv("MATHMILL_TEACHER__BASE_URL", "https://gateway.example.org/v1")
    monkeypatch.setenv("MATHMILL_TEACHER__API_KEY", "sk-0123456789")
    monkeypatch.setenv("MATHMILL_TEACHER__TEMPERATURE", "0.6")
    monkeypatch.setenv("MATHMILL_TEACHER__EXTRA", '{"top_k": 20}')
    loaded = load_settings()
    assert loaded.mix("teacher") == settings(teacher=TEACHER).mix("teacher")
    (big, two), (other, one) = loaded.mix("teacher")
    assert (big.model, two, other.model, one) == ("big-1", 2, "other-7b", 1)
    assert big.sampling.temperature == other.sampling.temperature == 0.6
    assert big.api_key is not None
    # a key and the fields of one provider are not sent to another
    assert (other.base_urls, other.api_key, other.sampling.extra) == (("http://10.0.0.8/v1",), None, {})
    assert [one.configured_by for one, _ in loaded.mix("critic")] == ["teacher", "teacher"]
    assert identity(loaded.mix("teacher")) == (
        '2 big-1@ (temperature 0.6, extra {"top_k":20}), 1 other-7b@ (temperature 0.6)'
    )
    assert "price_in of big-1 in MATHMILL_TEACHER__MODELS" in unpriced(["teacher", "reasoner"], loaded)
    assert unpriced(["teacher", "reasoner"], loaded).count("\n") == 0
    assert "sk-0123456789" in loaded.mix("teacher")[1][0].secrets


def test_one_model_is_what_it_was(tmp_path: Path) -> None:
    alone = settings(teacher={"model": "big-1", "base_url": ["http://10.0.0.8/v1"], "revision": "r"})
    listed = settings(
        teacher={"models": [{"model": "big-1", "revision": "r"}], "base_url": ["http://10.0.0.8/v1"]}
    )
    assert identity(alone.mix("teacher")) == identity(listed.mix("teacher")) == "big-1@r"
    with Ledger.open(tmp_path / "ledger.sqlite"):
        tools = Tools(Settings(_env_file=None, home=tmp_path))
        engine = tools.engine("teacher")
        assert not isinstance(engine, MixedEngine)
        assert tools.engines() == {"teacher": engine}
        tools.close()


def test_the_engine_of_a_mix_is_built_from_settings(tmp_path: Path) -> None:
    pair = [{"model": "embedded"}, {"model": "embedded-small", "weight": 0.5}]
    tools = Tools(Settings(_env_file=None, home=tmp_path, teacher=Role(models=pair)))
    try:
        completions = list(tools.engine("teacher").run(asked(60)))
        assert {done.asked for done in completions} == {"embedded", "embedded-small"}
        assert set(tools.engines()) == {"teacher embedded", "teacher embedded-small"}
    finally:
        tools.close()


@pytest.mark.parametrize(
    ("stated", "complaint"),
    [
        ({"models": [{"model": "a"}, {"model": "a"}]}, "a more than once"),
        ({"models": [{"model": "a"}], "model": "b"}, "leave one out"),
        ({"models": [{"model": "a", "weight": 0}]}, "greater than 0"),
        ({"models": [{"model": "a", "wieght": 1}]}, "Extra inputs"),
        ({"models": [{"model": "a"}, {"model": "b"}], "limit_risk": 0.1}, "learnt for one model"),
    ],
)
def test_a_mix_that_cannot_be_used_is_refused(
    stated: dict[str, Any], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Role(**stated)
    for name, value in stated.items():
        text = value if isinstance(value, str) else json.dumps(value)
        monkeypatch.setenv(f"MATHMILL_TEACHER__{name.upper()}", text)
    with pytest.raises(SettingsError, match=r"^MATHMILL_TEACHER.*Fix: "):
        load_settings()


def test_a_model_of_a_mix_without_an_address_is_named() -> None:
    with pytest.raises(
        SettingsError, match=r"MATHMILL_TEACHER__MODELS is 'a' .*Fix: set MATHMILL_TEACHER__BASE_URL"
    ):
        settings(teacher={"models": [{"model": "a"}]}).mix("teacher")


def test_the_warning_of_shared_models_understands_mixes() -> None:
    text = borrowed(Nightly(), settings(teacher=TEACHER))
    assert text.startswith(
        "big-1 is the teacher and also the reasoner, the critic, the student; other-7b is the teacher"
    )
    critic = {"models": [{"model": "other-7b"}, {"model": "judge-1"}], "base_url": ["http://10.0.0.8/v1"]}
    own = {"model": "own", "base_url": ["http://10.0.0.8/v1"]}
    text = borrowed(Nightly(), settings(teacher=TEACHER, reasoner=own, critic=critic, student=own))
    assert text == "other-7b is the teacher and also the critic; it judges its own solutions"
    assert borrowed(Nightly(), settings(teacher=TEACHER, reasoner=own, critic=own, student=own)) == ""


def test_lineage_and_report_name_every_model() -> None:
    pair = settings(teacher=TEACHER, critic={"model": "other-7b", "base_url": ["http://10.0.0.8/v1"]})
    models = {role: _models(pair.mix(role)) for role in ("teacher", "critic")}
    assert models["critic"] == {"model": "other-7b", "revision": ""}
    assert models["teacher"]["model"] == "big-1, other-7b"
    assert [one["weight"] for one in models["teacher"]["models"]] == [2, 1]
    report = figures(lineage={"models": models})
    assert report.shared_model.startswith("other-7b is the teacher, the critic")


def test_a_forecast_divides_calls_and_prices_by_weight() -> None:
    there = {"base_url": ["http://10.0.0.8/v1"]}
    dear = {"model": "dear", "price_in": 10, "price_out": 10}
    free = {"model": "free", "weight": 3, "price_in": 0, "price_out": 0}

    def usd(*models: dict[str, Any]) -> tuple[float, list[dict[str, Any]]]:
        inputs = inputs_of(Nightly(), settings(teacher={"models": models, **there}), nights=[], calls=[])
        forecasted = forecast(inputs, seed=1)
        return forecasted.figures["usd"][1], [line for line in forecasted.stages if line["stage"] == "solve"]

    whole, _ = usd(dear)
    part, lines = usd(dear, free)
    assert part == pytest.approx(whole / 4, rel=0.15)
    assert [line["model"] for line in lines] == ["dear", "free"]
    assert lines[1]["calls"] == pytest.approx(3 * lines[0]["calls"], rel=0.1)
