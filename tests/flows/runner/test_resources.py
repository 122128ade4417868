"""What decides the answers of a model is part of the address of a stage's output, and nothing else is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from flows.nightly import SOLVE
from flows.runner.resources import Tools
from flows.runner.stages import address_of
from flows.settings import Role, Settings
from tasks.llm.learnt_limits import LearntLimit
from tasks.stages.solve import SolveSettings, solve

SERVER: dict[str, Any] = {"model": "big-1", "base_url": ("http://10.0.0.8/v1",)}


def address(home: Path, learnt: Mapping[str, LearntLimit] | None = None, **role: Any) -> str:
    """Return the address of what `solve` makes of nothing, with a reasoner of these settings."""
    tools = Tools(Settings(_env_file=None, home=home, reasoner=Role(**(SERVER | role))))
    if learnt:
        tools.limits = replace(tools.limits, learnt={"reasoner": learnt})
    try:
        return address_of(tools, SOLVE, partial(solve, settings=SolveSettings(), seed=1), [], {})
    finally:
        tools.close()


@pytest.mark.parametrize(
    "role",
    [
        {"temperature": 0.2},
        {"temperature": 0.0},
        {"top_p": 0.9},
        {"max_tokens": 512},
        {"reasoning": True},
        {"extra": {"top_k": 20}},
        {"extra": {"chat_template_kwargs": {"enable_thinking": False}}},
        {"learnt": {"solve-1": LearntLimit(256, 4096, 200, 0)}},
        {"revision": "2"},
        {"model": "big-2"},
    ],
)
def test_a_changed_sampling_setting_runs_a_finished_stage_again(role: dict[str, Any], tmp_path: Path) -> None:
    assert address(tmp_path, **role) != address(tmp_path)
    assert address(tmp_path, **role) == address(tmp_path, **role)


def test_each_value_of_a_sampling_setting_has_an_address_of_its_own(tmp_path: Path) -> None:
    stated: list[dict[str, Any]] = [
        {"temperature": 0.5}, {"top_p": 0.5}, {"temperature": 0.5, "top_p": 0.5}, {"temperature": 0.7},
        {"max_tokens": 512}, {"max_tokens": 1024}, {"extra": {"max_tokens_of_thinking": 512}},
        {"learnt": {"solve-1": LearntLimit(256, 4096, 200, 0)}}, {"learnt": {"solve-2": LearntLimit(256, 4096, 200, 0)}},
        {"learnt": {"solve-1": LearntLimit(320, 4096, 200, 0)}}, {"learnt": {"solve-1": LearntLimit(256, 8192, 200, 0)}},
    ]  # fmt: skip
    assert len({address(tmp_path, **role) for role in stated}) == len(stated)


@pytest.mark.parametrize(
    "role",
    [
        {"temperature": None, "top_p": None, "max_tokens": None, "reasoning": False, "extra": {}},
        {"learnt": {}},
        {"base_url": ("http://10.0.0.9/v1", "http://10.0.0.10/v1")},
        {"api_key": "sk-another-key"},
        {"price_in": 3.0},
    ],
)
def test_what_changes_no_answer_keeps_the_address(role: dict[str, Any], tmp_path: Path) -> None:
    assert address(tmp_path, **role) == address(tmp_path)


def test_the_answers_that_a_limit_was_learnt_from_are_no_part_of_the_address(tmp_path: Path) -> None:
    few, many = LearntLimit(256, 4096, 200, 0), LearntLimit(256, 4096, 900, 5)
    assert address(tmp_path, learnt={"solve-1": few}) == address(tmp_path, learnt={"solve-1": many})


def test_unset_sampling_keeps_the_identity_of_earlier_stores(tmp_path: Path) -> None:
    tools = Tools(Settings(_env_file=None, home=tmp_path, reasoner=Role(**SERVER)))
    assert tools.identity("reasoner") == "big-1@"
    assert tools.identity("teacher") == "embedded@"
    assert tools.identity("student") == "embedded-small@"
    tools.close()
