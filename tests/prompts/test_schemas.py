from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from prompts import schemas
from prompts.schemas import UnknownSchema, by_name, chinese_keys, json_schema, keys_of
from prompts.schemas.critique import Assessment, Critique
from prompts.schemas.problems import ProblemItem

GOOD = {"instruction_score": 8, "answer_score": 2.5, "first_wrong_step": 3, "critique": "Line 3."}


def test_by_name_knows_its_schemas_and_lists_them_otherwise() -> None:
    assert by_name("Critique") is Critique
    with pytest.raises(
        UnknownSchema, match=r"no schema 'Critic'.*Assessment, .*Critique, .*PlannedProblems, Problems"
    ):
        by_name("Critic")


def test_json_schema_is_closed_as_strict_structured_output_asks() -> None:
    assert json_schema(None) is None
    names = [
        (name, language)
        for name in ("Critique", "Assessment", "PlannedProblems", "Problems")
        for language in ("en", "zh")
    ]
    for name, language in names:
        schema = json_schema(name, language)
        assert schema is not None
        for part in (schema, *schema.get("$defs", {}).values()):
            assert sorted(part["required"]) == sorted(part["properties"])
            assert part["additionalProperties"] is False
    changed = json_schema("Critique")
    assert changed is not None
    changed.clear()
    assert json_schema("Critique")  # a caller's change stays with the caller


@pytest.mark.parametrize("score", [True, "8", -0.1, 10.1, math.nan, math.inf, None])
def test_scores_are_numbers_from_0_to_10(score: object) -> None:
    with pytest.raises(ValidationError):
        Critique.model_validate({**GOOD, "answer_score": score})


@pytest.mark.parametrize(("stated", "kept"), [(None, None), (0, None), (-1, None), (1, 1), (7, 7)])
def test_no_wrong_step_in_the_ways_models_say_it(stated: int | None, kept: int | None) -> None:
    assert Critique.model_validate({**GOOD, "first_wrong_step": stated}).first_wrong_step == kept


@pytest.mark.parametrize("step", [1.5, "2", True, -2])
def test_a_wrong_step_is_a_line_number(step: object) -> None:
    with pytest.raises(ValidationError):
        Critique.model_validate({**GOOD, "first_wrong_step": step})


def test_a_problem_has_words() -> None:
    assert ProblemItem(question="  What is 1 + 1?  ").question == "What is 1 + 1?"
    with pytest.raises(ValidationError):
        ProblemItem(question="   ")
    with pytest.raises(ValidationError):
        ProblemItem(question="What is 1 + 1?", difficulty=6)


def test_chinese_prompts_name_no_english_key() -> None:
    for name in ("Assessment", "PlannedProblems"):
        schema = json_schema(name, "zh")
        assert schema is not None
        for part in (schema, *schema.get("$defs", {}).values()):
            assert set(part["properties"]) <= set(chinese_keys().values())
        assert all(key.isascii() for key in json_schema(name, "en")["properties"])  # type: ignore[index]
    # completions of the former prompts are read as they were asked for
    assert json_schema("Critique", "zh") == json_schema("Critique", "en")
    assert keys_of("Assessment", "zh")["critique"] == "评语"
    assert keys_of("Critique", "zh")["critique"] == "critique"


def test_reasons_stand_before_the_scores() -> None:
    for language in ("en", "zh"):
        order = list(json_schema("Assessment", language)["properties"])  # type: ignore[index]
        keys = keys_of("Assessment", language)
        assert order[:3] == [keys["working"], keys["critique"], keys["first_wrong_step"]]


def test_a_question_is_no_better_than_it_is_clear_and_solvable() -> None:
    judged = Assessment.model_validate(
        {"critique": "x", "clarity": 9, "solvability": 2, "value": 10, "answer_score": 0}
    )
    assert judged.instruction_score == 2


def test_every_field_has_one_key_in_chinese_and_no_two_share_one() -> None:
    modules = schemas._modules()
    for module in modules:
        for field, key in module.chinese.items():
            assert chinese_keys()[field] == key, f"{module.__name__} names {field} otherwise"
        assert json_schema(module.schemas[0].__name__, "zh")
    assert len(set(chinese_keys().values())) == len(chinese_keys())
