"""Writing questions: quotas are met per subdomain and language, with examples of the pool, and the balance holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import orjson
import pyarrow as pa
import pytest

from storage.reasons import Code
from storage.rows import STATED_DIFFICULTY, Row, column, kept, to_table
from tasks.answers import Judge
from tasks.llm.endpoint import Endpoint
from tasks.llm.engine import Engine
from tasks.llm.request import Completion, Usage
from tasks.methods import Ask, asks_of, asks_table, examples_by_topic, rounds, self_instruct, similar
from tasks.plugins import UnknownName, module, names
from tasks.sandbox import Sandbox
from tasks.stages.generate import STATED, _rows_of, generate
from tasks.stages.outcome import balance
from tests import nights


def pool() -> pa.Table:
    topics = [("linear equations", "en"), ("probability", "en"), ("probability", "zh")]
    return to_table(
        [
            Row(f"{subdomain} {language} {i}", language, subdomain=subdomain)
            for subdomain, language in topics
            for i in range(4)
        ]
    )


def test_an_order_is_split_into_calls() -> None:
    assert list(rounds(12, 5)) == [5, 5, 2]
    assert list(rounds(0, 5)) == []


def test_a_plan_orders_the_quota_and_shows_examples_of_its_topic() -> None:
    quota = {("en", "linear equations"): 7, ("zh", "probability"): 3}
    asks = self_instruct.plan(pool(), quota, per_call=5, examples=2, seed=1)
    assert [(a.language, a.subdomain, a.count) for a in asks] == [
        ("en", "linear equations", 5),
        ("en", "linear equations", 2),
        ("zh", "probability", 3),
    ]
    assert all(
        e["question"].startswith("linear equations en") for a in asks[:2] for e in a.variables["examples"]
    )
    assert asks[2].variables["subdomain"] == "概率"
    assert len({ask.seed for ask in asks}) == 3
    assert asks == self_instruct.plan(
        pool().take(list(range(11, -1, -1))), quota, per_call=5, examples=2, seed=1
    )


def test_a_topic_without_examples_borrows_from_its_language() -> None:
    (ask,) = self_instruct.plan(pool(), {("zh", "limits"): 2}, per_call=5, examples=3, seed=1)
    assert len(ask.parent_ids) == 3
    assert all("zh" in example["question"] for example in ask.variables["examples"])


def test_seeds_without_a_topic_are_examples_of_every_topic() -> None:
    own = to_table([Row(f"mine {i}", "en") for i in range(5)])
    both = pa.concat_tables([pool(), own])
    asks = self_instruct.plan(both, {("en", "linear equations"): 50}, per_call=5, examples=3, seed=1)
    for ask in asks:
        mine = [e for e in ask.variables["examples"] if e["question"].startswith("mine")]
        assert (len(mine), len(ask.variables["examples"])) == (1, 3)


def test_examples_show_each_question_once() -> None:
    twice = to_table([Row("q", "en", solution=f"s{i}", subdomain="limits") for i in range(3)])
    assert len(examples_by_topic(twice)["en", "limits"]) == 1


def test_similar_shows_a_failure_with_its_neighbours() -> None:
    failure = Row("failed", "en", subdomain="limits")
    near = [Row(f"near {i}", "en", subdomain="limits", parent_ids=[failure.id]) for i in range(4)]
    far = Row("far", "en", subdomain="limits", parent_ids=["another failure"])
    asks = similar.plan(
        to_table([failure, *near, far]), {("en", "limits"): 4}, per_call=2, examples=3, seed=1
    )
    for ask in asks:
        assert ask.variables["question"] == "failed"
        assert {example["question"] for example in ask.variables["examples"]} < {row.question for row in near}
        assert ask.parent_ids[0] == failure.id


def test_the_teacher_meets_an_order_in_balance(engine: Callable[..., Engine]) -> None:
    quota = {("en", "linear equations"): 40, ("zh", "probability"): 20}
    asks = asks_table(self_instruct.plan(pool(), quota, per_call=5, examples=2, seed=1))
    outcome = generate(
        asks, engine=engine("teacher"), source="self_instruct", license="own", tick=lambda n: None
    )
    counts = balance("self_instruct", outcome)
    assert counts.asked == 60
    assert counts.kept >= 45
    rows = kept(outcome.rows)
    by_topic = Counter(zip(column(rows, "language"), column(rows, "subdomain"), strict=True))
    assert set(by_topic) == set(quota)
    assert all(column(rows, "question"))
    assert set(column(rows, "domain")) == {"algebra", "probability"}
    params = orjson.loads(column(rows, "params")[0])
    assert len(params["completion"]) == 64


def test_a_dead_endpoint_fails_every_question_of_the_order(engine: Callable[..., Engine]) -> None:
    asks = asks_table(self_instruct.plan(pool(), {("en", "probability"): 7}, per_call=5, examples=1, seed=1))
    outcome = generate(
        asks, engine=engine("teacher", offline=True), source="s", license="l", tick=lambda n: None
    )
    counts = balance("self_instruct", outcome)
    assert (counts.asked, counts.failed) == (7, 7)
    assert len(set(column(outcome.rows, "id"))) == 7


def test_methods_are_found_by_name() -> None:
    assert {"self_instruct", "similar"} <= set(names("tasks.methods"))
    assert module("tasks.methods", "similar") is similar
    with pytest.raises(UnknownName, match="no 'evolv' in tasks/methods/; there are: .*self_instruct"):
        module("tasks.methods", "evolv")


@pytest.mark.slow
def test_the_difficulty_that_the_writer_states_stays_with_the_published_rows(
    engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge, tmp_path: Path
) -> None:
    night = nights.night(tmp_path / "home", engine=engine, sandbox=sandbox, judge=judge, seed=1)
    published = night.store.read(night.version).to_pylist()
    stated = [dict(row["verdicts"]).get(STATED_DIFFICULTY) for row in published]
    assert len(stated) >= 20
    # the embedded teacher states one with all but the items that are malformed
    assert set(stated) <= {"1", "2", "3", "4", "5"}
    assert len(set(stated)) > 1
    # it is the writer's: the same for all solutions of a question
    by_question = {(row["problem_id"], one) for row, one in zip(published, stated, strict=True)}
    assert len(by_question) == len({row["problem_id"] for row in published})


def test_an_item_that_states_no_difficulty_has_none() -> None:
    done = Completion(
        "key",
        '{"problems": [{"question": "What is 1 + 1?"}, {"question": "2?", "difficulty": 4}]}',
        "stop",
        Usage(10, 10),
    )
    ask = Ask("self_instruct", "self_instruct", "en", "limits", 2, {}, [], 1)
    rows = _rows_of(ask, done, Endpoint("teacher", "m"), source="s", license="l")
    assert [row.verdicts for row in rows] == [{}, {STATED_DIFFICULTY: "4"}]


def test_each_call_states_conditions_of_its_own() -> None:
    asks = self_instruct.plan(pool(), {("zh", "probability"): 145}, per_call=5, examples=3, seed=1)
    stated = {
        orjson.dumps(
            {key: ask.variables[key] for key in ("concepts", "kind", "context", "level", "answer_type")}
        )
        for ask in asks
    }
    assert (len(asks), len(stated)) == (29, 29)
    assert {ask.variables["level"] for ask in asks} == {1, 2, 3, 4, 5}


def test_a_call_names_accepted_questions_of_its_concepts_that_it_does_not_show() -> None:
    (first,) = self_instruct.plan(pool(), {("en", "limits"): 5}, per_call=5, examples=0, seed=1)
    concepts = first.variables["concepts"]
    near = [Row(f"near {i}", "en", subdomain="limits", concepts=[concepts[0]]) for i in range(4)]
    far = [Row(f"far {i}", "en", subdomain="limits", concepts=["something else"]) for i in range(9)]
    other = [
        Row("other topic", "en", subdomain="probability", concepts=concepts),
        Row("a seed", "en", subdomain="limits"),
    ]
    both = to_table([*near, *far, *other])
    (ask,) = self_instruct.plan(both, {("en", "limits"): 5}, per_call=5, examples=0, seed=1)
    assert {text for text in ask.variables["avoid"] if text.startswith("near")} == {
        f"near {i}" for i in range(4)
    }
    assert len(ask.variables["avoid"]) == self_instruct.AVOIDED
    assert not {"other topic", "a seed"} & set(ask.variables["avoid"])
    (shown,) = self_instruct.plan(both, {("en", "limits"): 5}, per_call=5, examples=6, seed=1)
    assert not {example["question"] for example in shown.variables["examples"]} & set(
        shown.variables["avoid"]
    )
    backwards = both.take(list(range(both.num_rows - 1, -1, -1)))
    assert [ask] == self_instruct.plan(backwards, {("en", "limits"): 5}, per_call=5, examples=0, seed=1)


def test_the_conditions_are_stored_with_the_questions(engine: Callable[..., Engine]) -> None:
    asks = self_instruct.plan(pool(), {("zh", "probability"): 10}, per_call=5, examples=2, seed=1)
    outcome = generate(
        asks_table(asks), engine=engine("teacher"), source="s", license="l", tick=lambda n: None
    )
    stated = {tuple(ask.variables["concepts"]): ask.variables for ask in asks}
    for row in kept(outcome.rows).to_pylist():
        variables = stated[tuple(row["concepts"])]
        conditions = orjson.loads(row["params"])["conditions"]
        assert conditions["version"].startswith("conditions@")
        assert {name: conditions[name] for name in STATED} == {name: variables[name] for name in STATED}
    assert outcome.facts["variety"]["calls"] == 2
    assert len(outcome.facts["variety"]["combinations"]) == 2


def test_a_prompt_that_states_no_conditions_stores_none(
    engine: Callable[..., Engine], tmp_path: Path
) -> None:
    own = """---
purpose: New problems.
system: You are a teacher.
schema_name: Problems
temperature: 0.9
max_tokens: 2048
longer: 4096
---
Write {{ count }} problems about {{ subdomain }} as JSON: {"problems": [{"question": "..."}]}
"""
    (tmp_path / "self_instruct.en.md").write_text(own)
    teacher = engine("teacher")
    plan = asks_table(self_instruct.plan(pool(), {("en", "probability"): 5}, per_call=5, examples=2, seed=1))
    (ask,) = asks_of(plan)
    done = Completion("key", '{"problems": [{"question": "What is 1 + 1?"}]}', "stop", Usage(10, 10))
    row, *_ = _rows_of(ask, done, replace(teacher.endpoint, prompts=tmp_path), source="s", license="l")
    assert row.concepts == []
    assert "conditions" not in orjson.loads(row.params or "")


def test_a_question_in_another_language_than_the_requested_one_is_dropped() -> None:
    (ask,) = self_instruct.plan(pool(), {("en", "linear equations"): 2}, per_call=5, examples=0, seed=1)
    written = [
        {"question": "一元一次方程 $2x + 3 = 11$ 的解是多少？", "difficulty": 2},
        {"question": "What is the solution of $2x + 3 = 11$?", "difficulty": 2},
    ]
    done = Completion("key", orjson.dumps({"problems": written}).decode(), "stop", Usage(1, 1))
    rows = _rows_of(ask, done, Endpoint(role="teacher", model="m"), source="s", license="l")
    assert [(row.question, row.reason and row.reason.code) for row in rows] == [
        ("What is the solution of $2x + 3 = 11$?", None),
        ("", Code.OTHER_LANGUAGE),
    ]


def test_neighbours_in_another_language_are_no_examples() -> None:
    failure = Row("failed", "en", subdomain="limits")
    near = [Row(f"near {i}", "zh" if i else "en", parent_ids=[failure.id]) for i in range(4)]
    (ask,) = similar.plan(to_table([failure, *near]), {("en", "limits"): 2}, per_call=2, examples=3, seed=1)
    assert [one["question"] for one in ask.variables["examples"]] == ["near 0"]
