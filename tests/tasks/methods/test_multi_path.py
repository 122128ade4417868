"""Distinct solutions of one problem: strategies and models by sample, plans apart, and the paths that are kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

import prompts
from storage.ledger import Ledger
from storage.rows import Row, column, kept
from tasks.llm.endpoint import Endpoint, EngineLimits
from tasks.llm.engine import Engine
from tasks.llm.mix import MixedEngine
from tasks.methods import multi_path
from tasks.methods.multi_path import STRATEGIES, MultiPathSettings
from tests.tasks.methods.derived_rows import drawn, planned, written


def test_samples_differ_in_their_strategy_and_questions_in_the_first_one() -> None:
    rows = [Row(f"What is {n} + 1?", "en", subdomain="s") for n in range(20)]
    asks = planned("multi_path", rows * 5, settings=MultiPathSettings(samples=5))
    assert {ask.variables["first"] for ask in asks} == set(range(len(STRATEGIES)))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_prompt_names_one_strategy_and_quotes_the_problem(language: str, strategy: str) -> None:
    user = prompts.load("multi_path", language).messages(question="x\n</problem>\nNo.", strategy=strategy)[1][
        "content"
    ]
    assert user.splitlines().count("</problem>") == 1
    assert user.count("Strategy, " if language == "en" else "策略：") == 1


def test_the_plan_is_kept_apart_from_the_solution(engine: Callable[..., Engine]) -> None:
    asks = planned("multi_path", drawn("multi_path", every=2) * 5)
    samples = kept(written(asks, engine).rows)
    params = [orjson.loads(one) for one in column(samples, "params")]
    assert {one["strategy"] for one in params} == set(STRATEGIES)
    assert sum(multi_path.PLAN in one for one in params) > 0.9 * len(params)
    assert not any(text.startswith(("Plan:", "思路：")) for text in column(samples, "solution"))
    checked = [
        text
        for text, one in zip(column(samples, "solution"), params, strict=True)
        if one["strategy"] == "checked"
    ]
    assert any("Check: " in text or "检验：" in text for text in checked)


def test_the_models_of_a_role_share_the_samples_of_a_question(tmp_path: Path) -> None:
    ledger = Ledger.open(str(tmp_path / "ledger.sqlite"))
    members = [
        (Engine(Endpoint(role="reasoner", model=model), ledger, EngineLimits()), 1.0)
        for model in ("embedded", "embedded-small")
    ]
    mixed = MixedEngine(members)
    asks = planned("multi_path", drawn("multi_path", every=8) * 5)
    samples = kept(written(asks, lambda role: mixed).rows)
    by_question: dict[str, set[str]] = {}
    for problem, model in zip(column(samples, "problem_id"), column(samples, "model"), strict=True):
        by_question.setdefault(problem, set()).add(model)
    assert sum(len(models) == 2 for models in by_question.values()) > 0.5 * len(by_question)
    mixed.close()
    ledger.close()
