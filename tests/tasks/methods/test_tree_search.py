"""The method `tree_search`: whole searches through the embedded teacher, their budget, their repetition, and the labels that leave."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from storage.datasets.export import export
from storage.datasets.steps import APART, GOOD, VALUES
from storage.datasets.store import Store
from storage.reasons import Code
from storage.rows import Row, kept, reasons_of, to_table
from tasks.answers import Judge
from tasks.llm.engine import Engine
from tasks.llm.request import Completion, Request
from tasks.methods import Ask, asks_table, tree_search
from tasks.methods.tree_search import TreeSearchSettings
from tasks.problems.machinery.family import families, make
from tasks.sandbox import Sandbox
from tasks.seeding import rng_of
from tasks.stages.generate import generate
from tasks.stages.outcome import Outcome, balance
from tasks.stages.verify import VerifySettings, verify
from tasks.voting import prior

NAMES = ("urn_draw", "remaining_fraction", "age_problem", "linear_system", "gcd_lcm", "derivative_at_point")


def questions(count: int, *, trusted: bool) -> list[Row]:
    rows = []
    for number in range(count):
        family = families()[NAMES[number % len(NAMES)]]
        problem = make(family, rng_of("search", number), 2, ("en", "zh")[number % 2])
        answer = problem.worked.answer if trusted else None
        rows.append(
            Row(
                problem.question,
                problem.language,
                subdomain=problem.subdomain,
                reference_answer=answer,
                license="CC0",
            )
        )
    return rows


def planned(rows: list[Row], **own: Any) -> list[Ask]:
    quota = Counter((row.language, str(row.subdomain)) for row in rows)
    settings = TreeSearchSettings(**own)
    return tree_search.plan(to_table(rows), quota, per_call=5, examples=0, seed=1, settings=settings)


def no_tick(rows: int) -> None:
    """Ignore the progress."""


def searched(asks: list[Ask], engine: Engine, sandbox: Sandbox, judge: Judge) -> Outcome:
    outcome = generate(
        asks_table(asks),
        engine=engine,
        source="s",
        license="l",
        tick=no_tick,
        sandbox=sandbox,
        judge=judge,
    )
    balance("generate", outcome)
    return outcome


@pytest.mark.slow
@pytest.mark.parametrize("trusted", [True, False])
def test_the_best_solution_of_a_search_is_right_and_has_a_value_per_step(
    trusted: bool, engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge
) -> None:
    asks = planned(questions(10, trusted=trusted), rounds=4, width=3)
    outcome = searched(asks, engine("reasoner"), sandbox, judge)
    rows = kept(outcome.rows).to_pylist()
    assert len(rows) >= 8
    answers = {row.question: row.reference_answer for row in questions(10, trusted=True)}
    judgements = judge.equal([(row["answer"], answers[row["question"]]) for row in rows])
    assert judgements.count("equal") >= len(rows) - (0 if trusted else 2)
    labelled = 0
    for row in rows:
        params = orjson.loads(row["params"])
        steps, search = params[VALUES], params["search"]
        assert "\n".join(step["text"] for step in steps) == row["solution"]
        assert "check" not in row["solution"]
        assert "检查" not in row["solution"]
        assert all(0 <= step["value"] <= 1 for step in steps)
        assert steps[-1]["value"] > 0
        assert search["right"] >= 1
        assert 1 <= search["rounds"] <= 4
        labelled += any(step["others"] for step in steps)
        assert row["license"] == "CC0"
    assert labelled >= 4
    checks = sum(orjson.loads(row["params"])["search"]["checks"] for row in rows)
    assert checks >= 20


def test_the_budget_is_exceeded_by_the_calls_in_flight_alone(
    engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge
) -> None:
    class Counting:
        """An engine that counts the tokens of each run."""

        def __init__(self) -> None:
            self.engine = engine("reasoner")
            self.endpoint = self.engine.endpoint
            self.asked_of = self.engine.asked_of
            self.tokens: list[int] = []

        def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
            received = list(self.engine.run(requests))
            self.tokens.append(sum(one.usage.prompt_tokens + one.usage.completion_tokens for one in received))
            return iter(received)

    for row in questions(3, trusted=True):
        for budget in (1, 1_500, 3_000):
            counting: Any = Counting()
            outcome = searched(planned([row], rounds=50, width=2, tokens=budget), counting, sandbox, judge)
            assert counting.tokens
            assert sum(counting.tokens[:-1]) < budget
            for kept_row in kept(outcome.rows).to_pylist():
                search = orjson.loads(kept_row["params"])["search"]
                assert (search["tokens"], search["rounds"]) == (sum(counting.tokens), len(counting.tokens))


@pytest.mark.slow
def test_a_search_that_was_stopped_is_repeated_from_the_ledger(
    engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge
) -> None:
    rows = questions(6, trusted=True)
    few = searched(planned(rows, rounds=2), engine("reasoner"), sandbox, judge)
    more = engine("reasoner")
    whole = searched(planned(rows, rounds=4), more, sandbox, judge)
    (bill,) = whole.facts["bills"]
    assert bill["cached"] == few.facts["bills"][0]["completions"]
    assert bill["completions"] > bill["cached"]
    offline = searched(planned(rows, rounds=4), engine("reasoner", offline=True), sandbox, judge)
    assert offline.rows.equals(whole.rows)
    cut = searched(planned(rows, rounds=8), engine("reasoner", offline=True), sandbox, judge)
    codes = {why.code for why in reasons_of(cut.rows) if why}
    assert codes <= {Code.CALL_FAILED, Code.DIFFERENT, Code.NO_ANSWER}


def test_an_unknown_problem_ends_without_a_solution_or_with_another_answer(
    engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge
) -> None:
    row = Row(
        "How many quorbs of size 17 fit into 4 wimbles?",
        "en",
        subdomain="counting",
        reference_answer="999983",
    )
    outcome = searched(planned([row], rounds=2), engine("reasoner"), sandbox, judge)
    (why,) = reasons_of(outcome.rows)
    assert why is not None
    assert why.code in (Code.DIFFERENT, Code.NO_ANSWER)
    assert not why.failed


@pytest.mark.slow
def test_values_leave_as_labels_and_pairs_of_steps(
    engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge, tmp_path: Path
) -> None:
    asks = planned(questions(8, trusted=True), rounds=6, width=4)
    rows = verify(
        kept(searched(asks, engine("reasoner"), sandbox, judge).rows),
        sandbox=sandbox,
        judge=judge,
        calibration=prior(),
        settings=VerifySettings(),
        tick=no_tick,
    )
    store = Store(tmp_path / "home")
    version = store.publish("math", [kept(rows)], lineage={}, date=datetime.date(2026, 11, 20))

    def records(shape: str) -> list[dict[str, Any]]:
        export(store, version, tmp_path / shape, shape)
        (path,) = (tmp_path / shape / "data").iterdir()
        return [orjson.loads(line) for line in path.read_bytes().splitlines()]

    labelled = records("stepwise-supervision")
    ids = {row["id"] for row in kept(rows).to_pylist()}
    assert ids <= {one["id"] for one in labelled}
    assert any(False in one["labels"] for one in labelled)
    for one in labelled:
        assert len(one["completions"]) == len(one["labels"]) == len(one["values"])
        assert one["labels"] == [value >= GOOD for value in one["values"]]
    pairs = records("step-preference")
    assert pairs
    for pair in pairs:
        assert pair["chosen"] != pair["rejected"]
        assert pair["margin"] >= APART - 1e-6
        assert pair["prompt"].count("\n") >= pair["step"] - 1
