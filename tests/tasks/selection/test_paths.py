"""Distinct paths: when solutions are the same one, and that rare ones come first."""

from __future__ import annotations

import orjson
import pytest

from storage.reasons import Code
from storage.rows import Row, to_table
from tasks.selection.paths import PathsSettings, select
from tasks.solution_paths import calculation, paths_of

SUM = "There are 18 trays of 24 rolls, which are 18 * 24 = 432 rolls in all.\nOf these 37 are burnt, so 432 - 37 = 395 are good."
OTHER_WORDS = "First I multiply: 18 * 24 = 432. Then the burnt ones go away: 432 - 37 = 395."
EQUATION = "Let g be the number of good rolls and b that of burnt ones.\nThen g + b = 18 * 24 and b = 37, so g = 395."
BACKWARDS = "What is asked is what remains of all rolls after 37 are gone. All rolls: 20 * 24 - 2 * 24 = 432. What remains: 395."


def row(solution: str, plan: str = "", form: str = "cot", **columns: object) -> Row:
    params = orjson.dumps({"plan": plan} if plan else {}).decode()
    return Row("How many rolls?", "en", solution=solution, solution_format=form, params=params, **columns)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rows", "paths"),
    [
        ([row(SUM), row(OTHER_WORDS)], 1),  # the same equations
        ([row(SUM), row(EQUATION)], 2),
        (
            [row(SUM), row(SUM.replace("432 rolls", "many, 432, rolls").replace("18 * 24 = 432 ", ""))],
            1,
        ),  # nearly the same text
        (
            [
                row(SUM, "multiply, then subtract the burnt"),
                row(EQUATION, "multiply, then subtract the burnt ones"),
            ],
            1,
        ),
        ([row(SUM, "multiply, then subtract"), row(EQUATION, "set up an equation")], 2),
        ([row("print(18*24-37)", form="pot"), row("print( 18*24 - 37 )", form="pot")], 1),
        ([row("print(18*24-37)", form="pot"), row("n = 18*24\nprint(n-37)", form="pot")], 2),
    ],
)
def test_solutions_of_one_path(rows: list[Row], paths: int) -> None:
    assert len(paths_of(to_table(rows).to_pylist(), PathsSettings())) == paths


def test_what_is_compared_is_a_setting() -> None:
    rows = to_table([row(SUM), row(OTHER_WORDS)]).to_pylist()
    off = PathsSettings(equations=False, plan=0, jaccard=0, rouge_l=0)
    assert len(paths_of(rows, off)) == 2


def test_the_rarest_paths_are_kept_and_the_likeliest_solution_of_each() -> None:
    rows = [
        row(SUM, correctness=0.8),
        row(OTHER_WORDS, correctness=0.9),
        row(EQUATION, correctness=0.7),
        row(BACKWARDS, correctness=0.6),
    ]
    table = to_table(rows)
    chosen = select(table, settings=PathsSettings(most=2), seed=1, tick=lambda n: None)
    codes = [why and why.code for why in chosen.reasons]
    assert codes == [Code.SAME_PATH, Code.NOT_CHOSEN, None, None]
    assert chosen.reasons[0] is not None
    assert chosen.reasons[0].values["other"] == rows[1].id
    all_paths = select(table, settings=PathsSettings(most=3), seed=1, tick=lambda n: None)
    assert [why and why.code for why in all_paths.reasons] == [Code.SAME_PATH, None, None, None]


def test_each_question_and_format_has_paths_of_its_own() -> None:
    other = Row("Another question?", "en", solution=SUM, solution_format="cot")
    chosen = select(
        to_table([row(SUM), row(SUM, form="pot"), other]),
        settings=PathsSettings(most=1),
        seed=1,
        tick=lambda n: None,
    )
    assert chosen.reasons == [None, None, None]


@pytest.mark.parametrize(
    ("text", "equations"),
    [
        ("So 30 x 25 = $<<30*25=750>>750 a month.", "30*25=750"),
        ("It is \\(30 \\times 25 = 750\\).", "30*25=750"),
        ("The cost is 12 × 216 = $2,592.", "12*216=2592"),
        ('```json\n{"reasoning": "First 3 + 4 = 7.", "answer": "7"}\n```', "3+4=7"),
        ("```python\nprint(3 + 4)\n```", "```pythonprint(3+4)```"),
        ("There are seven.", "There are seven."),
    ],
)
def test_equations_are_compared_in_one_notation(text: str, equations: str) -> None:
    assert calculation(text) == equations
