"""The methods that make puzzles: what they plan, and their rows through the stages of a night."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from storage.rows import SOLUTION_BY, empty, kept, reasons_of
from tasks.answers import Judge
from tasks.answers.extraction import extract
from tasks.llm.engine import Engine
from tasks.methods import Quota, asks_table, makes_rows, plan_of, settings_of, subdomains_of
from tasks.sandbox import Sandbox
from tasks.stages.generate import generate
from tasks.stages.outcome import balance
from tasks.stages.score import score
from tasks.stages.similarity import similarity
from tasks.stages.solve import SolveSettings, solve
from tasks.stages.verify import VerifySettings, verify
from tasks.stages.weigh import WeighSettings, weigh
from tasks.taxonomy import SUBDOMAINS, domain_of
from tasks.voting import prior

METHODS = ("dependency_graph", "formal_logic", "knights_and_knaves", "zebra")


def quota_of(name: str, count: int) -> Quota:
    return {(language, subdomain): count for language in ("en", "zh") for subdomain in subdomains_of(name)}


def no_tick(rows: int) -> None:
    """Ignore the progress."""


@pytest.mark.parametrize("name", METHODS)
def test_asks_are_of_the_methods_own_subdomain_and_equal_seeds_give_equal_rows(name: str) -> None:
    method, plan = makes_rows(name), plan_of(name, None)
    asks = plan(empty(), quota_of(name, 7), per_call=5, examples=3, seed=5)
    assert Counter((ask.language, ask.count) for ask in asks) == {
        (language, count): 1 for language in ("en", "zh") for count in (5, 2)
    }
    assert {(ask.method, ask.prompt, ask.subdomain) for ask in asks} == {(name, "", *subdomains_of(name))}
    assert len({ask.seed for ask in asks}) == len(asks)
    again = plan(empty(), quota_of(name, 7), per_call=5, examples=3, seed=5)
    assert [method.make(ask) for ask in again] == [method.make(ask) for ask in asks]
    (other, *_) = plan(empty(), quota_of(name, 7), per_call=5, examples=3, seed=6)
    assert method.make(other) != method.make(asks[0])


@pytest.mark.parametrize("name", METHODS)
def test_concepts_are_in_the_language_of_the_row(name: str) -> None:
    for ask in plan_of(name, None)(empty(), quota_of(name, 1), per_call=1, examples=0, seed=2):
        for item in makes_rows(name).make(ask):
            assert item.concepts
            assert {point.isascii() for point in item.concepts} == {ask.language == "en"}


@pytest.mark.parametrize("name", METHODS)
def test_the_subdomains_are_known_and_logic_is_in_no_quota_of_other_methods(name: str) -> None:
    assert all(domain_of(subdomain) for subdomain in subdomains_of(name))
    assert "logic" not in {domain for domain, _ in SUBDOMAINS.values()}


@pytest.mark.parametrize("name", METHODS)
def test_bounds_the_wrong_way_round_are_refused(name: str) -> None:
    for field in settings_of(name, {}).model_dump():
        if field.startswith("least_"):
            with pytest.raises(ValueError, match=f"{name}.*{field} is above"):
                settings_of(name, {field: 5, f"most_{field[6:]}": 4})


@pytest.mark.parametrize("name", METHODS)
def test_the_rows_pass_every_stage_without_a_call(
    name: str, engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge
) -> None:
    asks = plan_of(name, None)(empty(), quota_of(name, 6), per_call=3, examples=0, seed=3)
    offline = {"source": name, "license": "Apache-2.0", "tick": no_tick}
    written = generate(asks_table(asks), engine=engine("teacher", offline=True), **offline)
    counts = balance("generate", written)
    assert (counts.asked, counts.kept) == (12, 12)
    unlike = similarity(written.rows, pool=empty())
    assert kept(unlike).num_rows == 12
    solved = solve(
        unlike, engine=engine(offline=True), settings=SolveSettings(), seed=3, own=True, tick=no_tick
    )
    rows = verify(
        solved.rows,
        sandbox=sandbox,
        judge=judge,
        calibration=prior(),
        settings=VerifySettings(),
        tick=no_tick,
    )
    rows = score(kept(rows), name="heuristics", thresholds={"heuristics": 0.5}, tick=no_tick).rows
    rows = weigh(kept(rows), calibration=prior(), settings=WeighSettings(), tick=no_tick)
    assert [why for why in reasons_of(rows) if why] == []
    assert rows.num_rows == 12
    for row in rows.to_pylist():
        assert (row["method"], row["model"], row["prompt"]) == (name, None, None)
        assert (row["domain"], row["subdomain"]) == (domain_of(row["subdomain"]), *subdomains_of(name))
        assert dict(row["verdicts"])[SOLUTION_BY] == "procedure"
        assert dict(row["verdicts"])["equivalent"] == "equal"
        assert row["concepts"]
        if row["solution_format"] == "cot":
            extracted = extract(row["solution"])
            assert extracted is not None
            assert extracted.answer == row["answer"]
