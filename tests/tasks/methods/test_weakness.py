"""Methods that write for failures: what their prompts show, and what the embedded teacher makes of them."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

import prompts
from storage.rows import Row, column, kept, to_table
from tasks.llm.engine import Engine
from tasks.methods import asks_table, missing_skills, weakness
from tasks.problems.machinery.family import families, make
from tasks.seeding import rng_of
from tasks.stages.generate import generate

TOPIC = ("en", "ratios and proportions")


def pool(language: str = "en") -> pa.Table:
    """Two failures with wrong answers, the second without one, and two neighbours of the first."""
    rng = rng_of("methods of weakness", language)
    problems = [make(families()["ratio_share"], rng, 1, language) for _ in range(4)]
    rows = [
        Row(
            one.question,
            language,
            subdomain=one.subdomain,
            reference_answer=one.worked.answer,
            concepts=["sharing in a ratio", "unit fractions"]
            if language == "en"
            else ["按比分配", "unit rates"],
        )
        for one in problems
    ]
    for neighbour in rows[2:]:
        neighbour.parent_ids = [rows[0].id]
        neighbour.concepts = []
    return to_table(rows).append_column("wrong_answers", pa.array([["36", "7"], [], [], []]))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_prompt_has_the_wrong_and_the_right_answer(language: str) -> None:
    asks = weakness.plan(pool(language), {(language, TOPIC[1]): 12}, per_call=4, examples=2, seed=1)
    assert [ask.count for ask in asks] == [4, 4, 4]
    wrong = {ask.variables["wrong"] for ask in asks}
    assert wrong == {"36", ""}
    for ask in asks:
        user = prompts.load(ask.prompt, language).messages(**ask.variables)[1]["content"]
        assert ("<mistake>\n| 36\n</mistake>" in user) == (ask.variables["wrong"] == "36")
        assert f"<reference_answer>\n| {ask.variables['reference']}\n</reference_answer>" in user
        assert len(ask.parent_ids) == (3 if ask.variables["wrong"] else 1)


def test_a_failure_without_a_trusted_answer_is_not_shown() -> None:
    rows = pool()
    place = rows.schema.get_field_index("reference_answer")
    rows = rows.set_column(place, "reference_answer", pa.nulls(4, pa.string()))
    assert weakness.plan(rows, {TOPIC: 8}, per_call=4, examples=2, seed=1) == []


def test_missing_skills_are_what_is_asked_for() -> None:
    asks = missing_skills.plan(pool(), {TOPIC: 8, ("en", "limits"): 4}, per_call=4, examples=2, seed=1)
    assert [ask.variables["concepts"] for ask in asks] == [["sharing in a ratio", "unit fractions"]] * 2
    assert len({ask.parent_ids[0] for ask in asks}) == 2
    chinese = missing_skills.plan(pool("zh"), {("zh", TOPIC[1]): 4}, per_call=4, examples=2, seed=1)
    assert [ask.variables["concepts"] for ask in chinese] == [["按比分配", "归一问题"]]
    without = pool().set_column(
        pool().schema.get_field_index("concepts"), "concepts", pa.array([[]] * 4, pa.list_(pa.string()))
    )
    assert missing_skills.plan(without, {TOPIC: 8}, per_call=4, examples=2, seed=1) == []


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("method", [weakness, missing_skills])
def test_the_embedded_teacher_writes_for_the_topic(
    method: object, language: str, engine: Callable[..., Engine]
) -> None:
    plan = method.plan(pool(language), {(language, TOPIC[1]): 12}, per_call=4, examples=2, seed=1)  # type: ignore[attr-defined]
    outcome = generate(
        asks_table(plan), engine=engine(), source="test", license="Apache-2.0", tick=lambda _: None
    )
    rows = kept(outcome.rows)
    assert outcome.asked == 12
    assert rows.num_rows >= 8
    assert set(column(rows, "subdomain")) == {TOPIC[1]}
    assert all(column(rows, "parent_ids"))
