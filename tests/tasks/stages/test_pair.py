"""Pairs of right and wrong solutions: plausible, of one length, and never two equal answers."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from storage.datasets.steps import WRONG
from storage.reasons import Code
from storage.rows import WRONG_STEP, Row, kept, reasons_of, to_table
from tasks.answers import Judge
from tasks.rft.pairing import PairSettings
from tasks.stages.pair import WORTH, pair

RIGHT = "There are 3 boxes of 4 pens, so 3 * 4 = 12 pens.\n\\boxed{12}"
WRONG_ONE = "There are 3 boxes of 4 pens, so 3 + 4 = 7 pens in all.\n\\boxed{7}"


def row(
    solution: str,
    answer: str | None,
    *,
    right: bool,
    form: str = "cot",
    question: str = "How many pens?",
    **more: Any,
) -> Row:
    return Row(
        question,
        "en",
        solution=solution,
        solution_format=form,
        answer=answer,
        reference_answer="12",
        verdicts={WORTH: "right" if right else "wrong"} | more.pop("verdicts", {}),
        correctness=0.99 if right else 0.01,
        **more,
    )


def paired(judge: Judge, *rows: Row, **settings: Any) -> list[tuple[str, str, float]]:
    """Return chosen, rejected and margin of each pair."""
    done = pair(to_table(rows), settings=PairSettings(**settings), judge=judge, tick=lambda n: None)
    assert done.num_rows == len(rows)
    result = []
    for one in kept(done).to_pylist():
        (worse,) = orjson.loads(one["params"])[WRONG]
        result.append((one["solution"], worse["solution"], worse["margin"]))
    return result


def test_a_right_solution_gets_a_wrong_one_beside_it(judge: Judge) -> None:
    assert paired(judge, row(RIGHT, "12", right=True), row(WRONG_ONE, "7", right=False)) == [
        (RIGHT, WRONG_ONE, 0.98)
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        row(
            WRONG_ONE.replace("{7}", "{12.0}"), "12.0", right=False
        ),  # the same answer, whatever it was taken for
        row(
            WRONG_ONE.replace("{7}", "{a dozen}"), "a dozen", right=False
        ),  # an answer that cannot be compared
        row("7", "7", right=False),  # no working
        row(WRONG_ONE * 5, "7", right=False),  # far longer
        row(WRONG_ONE.replace("\\boxed{7}", "So there are 7 left"), "7", right=False),  # marks no answer
        row("print(3 + 4)  # boxes and pens of every kind", "7", right=False, form="pot"),
        row(WRONG_ONE, None, right=False),
        row('{"reasoning": "So 3 + 4 = 7 pens."\n "answer": "\\boxed{7}"}', "7", right=False),  # broken JSON
        row(WRONG_ONE, "7", right=False, question="How many pencils?"),
    ],
)
def test_what_is_no_partner(judge: Judge, wrong: Row) -> None:
    assert paired(judge, row(RIGHT, "12", right=True), wrong) == []


def test_the_frequent_wrong_answer_is_the_plausible_one_and_a_critic_knows_better(judge: Judge) -> None:
    frequent = [WRONG_ONE, WRONG_ONE.replace("in all", "by sum"), WRONG_ONE.replace("boxes", "cartons")]
    rare = WRONG_ONE.replace("7", "8")
    rows = [
        row(RIGHT, "12", right=True),
        row(rare, "8", right=False),
        *(row(text, "7", right=False) for text in frequent),
    ]
    ((_, rejected, _),) = paired(judge, *rows)
    assert rejected in frequent
    scored = [
        row(RIGHT, "12", right=True, scores={"answer": 0.9}),
        row(rare, "8", right=False, scores={"answer": 0.8}),
    ]
    scored += [row(text, "7", right=False, scores={"answer": 0.1}) for text in frequent]
    ((_, rejected, margin),) = paired(judge, *scored)
    assert (rejected, margin) == (rare, 0.1)


def test_each_solution_is_in_one_pair_and_a_question_has_no_more_than_allowed(judge: Judge) -> None:
    right = [
        row(RIGHT.replace("pens.", f"pens {word}."), "12", right=True)
        for word in ("so", "now", "then", "thus")
    ]
    wrong = [
        row(WRONG_ONE.replace("in all", f"in all {word}"), "7", right=False) for word in ("so", "now", "then")
    ]
    pairs = paired(judge, *right, *wrong)
    assert len(pairs) == 3
    assert len({side for one in pairs for side in one[:2]}) == 6
    assert len(paired(judge, *right, *wrong, most=2)) == 2
    assert sorted(paired(judge, *reversed(wrong), *reversed(right))) == sorted(pairs)


def test_reasons_say_what_became_of_the_others_and_the_step_is_kept(judge: Judge) -> None:
    rows = [
        row(RIGHT, "12", right=True),
        row(WRONG_ONE, "7", right=False, verdicts={WRONG_STEP: "1"}, critique="Step 1: it adds"),
        row(WRONG_ONE.replace("in all", "altogether, then"), "7", right=False),
    ]
    done = pair(to_table(rows), settings=PairSettings(), judge=judge, tick=lambda n: None)
    assert sorted(str(why.code) for why in reasons_of(done) if why) == [Code.NO_PARTNER, Code.WORSE_SIDE]
    (params,) = [orjson.loads(one["params"]) for one in kept(done).to_pylist()]
    if params[WRONG][0]["id"] == rows[1].id:
        assert (params[WRONG][0]["step"], params[WRONG][0]["critique"]) == (1, "Step 1: it adds")
