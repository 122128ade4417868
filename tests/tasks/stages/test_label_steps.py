"""Step labels: only what a scorer has looked at, and never a wrong solution as a solution."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from storage.datasets.steps import RIGHT_STEPS, WRONG, labelled_steps, step_pairs
from storage.datasets.store import Store
from storage.rows import WRONG_STEP, Row, kept, to_table
from tasks.stages.label_steps import label_steps
from tasks.stages.pair import WORTH


def row(solution: str, *, right: bool, step: int | None = None, scored: bool = True, **more: Any) -> Row:
    verdicts = {WORTH: "right" if right else "wrong"} | ({WRONG_STEP: str(step)} if step else {})
    scores = {"answer": 0.8} if scored else {}
    return Row(
        "How many?",
        "en",
        solution=solution,
        solution_format="cot",
        answer="12",
        verdicts=verdicts,
        scores=scores,
        **more,
    )


GOOD = "First 3 * 4 = 12.\nSo there are 12."
BAD = "First 3 * 4 = 12.\nThen 12 + 1 = 13.\nSo 13."
OTHER = "It is 3 + 4 = 7.\nSo 7."


def labelled(
    *rows: Row, scorers: tuple[str, ...] = ("critique",), recompute: bool = False
) -> list[dict[str, Any]]:
    done = label_steps(to_table(rows), scorers=scorers, recompute=recompute, tick=lambda n: None)
    assert done.num_rows == len(rows)
    return [one | {"params": orjson.loads(one["params"])} for one in kept(done).to_pylist()]


def test_a_flawless_solution_carries_the_wrong_ones_of_its_question() -> None:
    (one,) = labelled(row(GOOD, right=True), row(BAD, right=False, step=2), row(OTHER, right=False, step=1))
    assert one["solution"] == GOOD
    assert one["params"][RIGHT_STEPS] == ["critique"]
    assert [(worse["solution"], worse["step"]) for worse in one["params"][WRONG]] == [(BAD, 2), (OTHER, 1)]


def test_what_nobody_looked_at_has_no_labels() -> None:
    assert labelled(row(GOOD, right=True, scored=False), row(BAD, right=False)) == []
    assert (
        labelled(row(GOOD, right=True, step=1)) == []
    )  # right answer, and yet a step that the critic objects to
    assert labelled(row(BAD, right=False, step=2)) == []  # no right solution to carry it
    assert labelled(row(GOOD, right=True, scored=False), row(BAD, right=False, step=9)) == []  # no such step


def test_a_line_that_only_repeats_the_answer_is_no_first_wrong_step() -> None:
    """As a critic points that compares the final answer alone."""
    bags = "The first has 300.\nThe third has 312/2 = 156.\nIn total 300 + 312 + 156 = 768.\nA: 768"
    in_json = '{\n"reasoning": "243 / 5 = 48.6",\n"answer": "48.6"\n}'
    for text, answer, step in ((bags, "768", 4), (in_json, "48.6", 3), (in_json, "48.6", 4)):
        (one,) = labelled(row(GOOD, right=True), replace(row(text, right=False, step=step), answer=answer))
        assert WRONG not in one["params"]
    for text, answer, step in ((bags, "768", 3), ("There are 3 rows.\nSo there are 7.", "7", 2)):
        (one,) = labelled(row(GOOD, right=True), replace(row(text, right=False, step=step), answer=answer))
        assert [worse["step"] for worse in one["params"][WRONG]] == [step]


def test_the_labels_come_out_in_the_shapes_of_steps(tmp_path: Any) -> None:
    rows = [row(GOOD, right=True), row(BAD, right=False, step=2), row(OTHER, right=False, step=1)]
    table = kept(label_steps(to_table(rows), scorers=("critique",), recompute=False, tick=lambda n: None))
    store = Store(tmp_path)
    version = store.publish("steps", [table], lineage={})
    labels = [one for batch in labelled_steps(store, version) for one in batch.to_pylist()]
    assert {one["id"]: one["labels"] for one in labels} == {
        rows[0].id: [True, True],
        rows[1].id: [True, False, False],
        rows[2].id: [False, False],
    }
    # the first two begin with the same step, so that the second step of one stands in the place of the other's
    pairs = [one for batch in step_pairs(store, version) for one in batch.to_pylist()]
    assert [(one["chosen"], one["rejected"], one["step"]) for one in pairs] == [
        ("So there are 12.", "Then 12 + 1 = 13.", 2),
        ("First 3 * 4 = 12.", "It is 3 + 4 = 7.", 1),
    ]


def test_the_step_checker_looks_at_what_the_scorers_have_looked_at() -> None:
    wrong_line = "First 3 * 4 = 13.\nThen 13 + 1 = 14.\nSo 14."
    plan = "It is 3 + 4 = 7.\nSo there are 7."
    (one,) = labelled(row(GOOD, right=True), row(wrong_line, right=False, step=2), recompute=True)
    assert one["solution"] == GOOD
    assert one["params"][RIGHT_STEPS] == ["critique", "step_checker"]
    (worse,) = one["params"][WRONG]
    assert (worse["solution"], worse["step"]) == (wrong_line, 1)  # the critic has not seen the first error
    # with scorers, a wrong solution that none of them objects to has no labels: the checker sees no wrong plan
    (one,) = labelled(
        row(GOOD, right=True), row(wrong_line, right=False), row(plan, right=False), recompute=True
    )
    assert WRONG not in one["params"]
    lucky = "First 3 * 4 = 13.\nSo there are 12."
    words = "There are three rows of four.\nSo there are 12."
    assert labelled(row(lucky, right=True), row(words, right=True), recompute=True) == []
    assert len(labelled(row(lucky, right=True), row(words, right=True))) == 2
    assert labelled(row(GOOD, right=True, scored=False), recompute=True) == []


def test_without_scorers_the_checker_labels_what_follows_right_steps() -> None:
    first = "It is 3 * 4 = 13.\nSo 13."
    after = "First  3 * 4 = 12.\nThen 12 + 1 = 14.\nSo 14."
    other_words = "Three rows of four: $3 \\times 4 = 12$.\nThen 12 + 5 = 18.\nSo 18."
    planless = "It is 3 + 4 = 7.\nThen 7 + 1 = 9.\nSo 9."  # its first step is wrong, and nothing shows that
    words = "There are some rows.\nThen 12 + 1 = 14.\nSo 14."
    sound = "It is 3 + 4 = 7.\nSo there are 7."
    rows = [
        row(GOOD, right=True, scored=False),
        *(
            row(text, right=False, scored=False)
            for text in (first, after, other_words, planless, words, sound)
        ),
    ]
    (one,) = labelled(*rows, scorers=(), recompute=True)
    assert one["solution"] == GOOD
    assert one["params"][RIGHT_STEPS] == ["step_checker"]
    assert {worse["solution"]: worse["step"] for worse in one["params"][WRONG]} == {
        first: 1,
        after: 2,
        other_words: 2,
    }
    assert all(worse["by"] == ["step_checker"] for worse in one["params"][WRONG])
    # without a right solution whose steps are right, only a first step is known to be the first wrong one
    unclear = "There are three rows of four.\nSo there are 12."
    (one,) = labelled(
        row(unclear, right=True), row(first, right=False), row(after, right=False), scorers=(), recompute=True
    )
    assert RIGHT_STEPS not in one["params"]
    assert [worse["solution"] for worse in one["params"][WRONG]] == [first]
    assert labelled(*rows, scorers=(), recompute=False) == []
