"""Every module of tasks/methods and tasks/scorers keeps the contract of its folder."""

from __future__ import annotations

import inspect
import typing

import pytest

from prompts import load
from tasks.methods import Method, method
from tasks.plugins import names
from tasks.scorers import Scored, scorer
from tasks.stages.generate import LANGUAGES, Ask


@pytest.mark.parametrize("name", names("tasks.methods"))
def test_a_method_has_the_signature_of_the_contract(name: str) -> None:
    plugin = method(name)
    contract = list(inspect.signature(Method.plan).parameters.values())[1:]  # a module has no `self`
    given = inspect.signature(plugin.plan).parameters.values()
    assert [(p.name, p.kind, p.default) for p in given] == [(p.name, p.kind, p.default) for p in contract]
    assert typing.get_type_hints(plugin.plan) == typing.get_type_hints(Method.plan)
    assert typing.get_type_hints(plugin.plan)["return"] == list[Ask]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", names("tasks.methods"))
def test_a_method_names_a_prompt_in_every_language(name: str, language: str) -> None:
    assert load(method(name).prompt, language).front.schema_name


@pytest.mark.parametrize("name", names("tasks.scorers"))
def test_a_scorer_takes_rows_tick_and_what_it_needs(name: str) -> None:
    plugin = scorer(name)
    rows, *keywords = inspect.signature(plugin.score).parameters.values()
    assert rows.name == "rows"
    assert all(keyword.kind is keyword.KEYWORD_ONLY for keyword in keywords)
    assert {keyword.name for keyword in keywords} == {"tick", *plugin.needs}
    assert typing.get_type_hints(plugin.score)["return"] is Scored


@pytest.mark.parametrize("name", names("tasks.scorers"))
def test_a_scorer_names_its_scores(name: str) -> None:
    listed = getattr(scorer(name), "scores", (name,))
    assert isinstance(listed, tuple)
    assert listed
    assert all(isinstance(score, str) for score in listed)
