"""Every module of tasks/methods and tasks/scorers keeps the contract of its folder."""

from __future__ import annotations

import inspect
import typing
from itertools import chain
from typing import Any, cast

import pytest

from flows.settings import ROLES
from prompts import load
from storage.rows import SCHEMA
from tasks.concepts.graph import ConceptGraph
from tasks.methods import (
    PLUGINS,
    AsksModel,
    Converses,
    DrawsFromGraphs,
    HasSettings,
    Makes,
    MakesRows,
    Method,
    StatesConditions,
    Takes,
    TakesSeveralCalls,
    asks_model,
    calls_per_row,
    columns_of,
    converses,
    makes_rows,
    method,
    role_of,
)
from tasks.plugins import names
from tasks.retrieval.encoder import StoredEncoder
from tasks.scorers import Scored, scorer
from tasks.selection import Selection, selector
from tasks.selection import settings_of as selector_settings
from tasks.settings import Section
from tasks.stages.generate import LANGUAGES

METHODS = names(PLUGINS)
LAZY = {"ConceptGraph": ConceptGraph, "StoredEncoder": StoredEncoder}  # imported for type checkers only


def check_signature(given: Any, contract: Any) -> None:
    """Assert that a module's function has the parameters and types of a method of a protocol."""
    expected = list(inspect.signature(contract).parameters.values())[1:]  # a module has no `self`
    parameters = inspect.signature(given).parameters.values()
    assert [(p.name, p.kind, p.default) for p in parameters] == [
        (p.name, p.kind, p.default) for p in expected
    ]
    assert typing.get_type_hints(given, localns=LAZY) == typing.get_type_hints(contract, localns=LAZY)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_keeps_the_contract(name: str) -> None:
    plugin = method(name)
    assert plugin.makes in typing.get_args(Makes)
    assert plugin.takes in typing.get_args(Takes)
    states_conditions = "overlay" in inspect.signature(plugin.plan).parameters
    settings = hasattr(plugin, "own_settings")
    if hasattr(plugin, "graphs"):
        check_signature(plugin.plan, DrawsFromGraphs.plan)
        check_signature(plugin.graphs, DrawsFromGraphs.graphs)
    else:
        contract = StatesConditions if states_conditions else HasSettings if settings else Method
        check_signature(plugin.plan, contract.plan)
    assert not settings or issubclass(cast(HasSettings, plugin).own_settings, Section)
    assert set(columns_of([name])) <= set(SCHEMA.names)
    assert role_of(name) in ROLES
    asks, makes = hasattr(plugin, "prompt"), hasattr(plugin, "make")
    conversing = converses(name)
    assert asks or makes or conversing
    if conversing is not None:
        check_signature(conversing.converse, Converses.converse)
        assert set(conversing.needs) <= {"sandbox", "judge", "student", "reasoner"}
        if hasattr(plugin, "calls_per_row"):
            check_signature(plugin.calls_per_row, TakesSeveralCalls.calls_per_row)
            stated = calls_per_row(name, {}) or {}
            assert sum(stated.values()) > 1
            assert set(stated) <= {role_of(name), *conversing.needs} & set(ROLES)
    elif asks:
        check_signature(asks_model(name).read, AsksModel.read)
        check_signature(asks_model(name).check, AsksModel.check)
    if makes:
        check_signature(makes_rows(name).make, MakesRows.make)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", [name for name in METHODS if hasattr(method(name), "prompt")])
def test_a_method_that_asks_a_model_names_a_prompt_in_every_language(name: str, language: str) -> None:
    assert load(asks_model(name).prompt, language).body


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


# settings that together need every tool of a selector
EVERY_TOOL: dict[str, list[dict[str, str]]] = {
    "naturalness": [{"model": "hf:smollm2"}],
    "traces": [{"model": "hf:smollm2"}],
    "subjects": [{"by": "encoder"}, {"by": "model"}],
}


@pytest.mark.parametrize("name", names("tasks.selection"))
def test_a_selector_keeps_the_contract(name: str) -> None:
    plugin = selector(name)
    every = [selector_settings(name, given) for given in EVERY_TOOL.get(name, [{}])]
    assert all(isinstance(settings, plugin.own_settings) for settings in every)
    assert isinstance(plugin.whole, bool)
    assert not (plugin.whole and plugin.parents)
    rows, *keywords = inspect.signature(plugin.select).parameters.values()
    assert rows.name == "rows"
    assert all(keyword.kind is keyword.KEYWORD_ONLY for keyword in keywords)
    tools = {*chain.from_iterable(map(plugin.needs, every)), *(["parents"] if plugin.parents else [])}
    assert {keyword.name for keyword in keywords} == {"settings", "seed", "tick", *tools}
    assert typing.get_type_hints(plugin.select)["return"] is Selection
