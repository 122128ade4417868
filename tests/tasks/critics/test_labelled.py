"""Labelled solutions: each shape of record, and the splits by question."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.critics.labelled import (
    HUMAN,
    PLANTED,
    LabelledError,
    LabelledSolution,
    grouped,
    read,
    shared,
    split,
)

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "critique"


def written(path: Path, *records: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def only(path: Path) -> LabelledSolution:
    (one,) = read([path]).solutions
    return one


STEPS = ["Two and two are 4.", "4 times 3 is 13.", "The answer is 13."]


@pytest.mark.parametrize(
    ("record", "first_error", "reference"),
    [
        (
            {
                "Question": "What is (2+2)*3?",
                "Model_Solution_Steps": STEPS,
                "Model_Solution_Correctness": "incorrect",
                "Model_Solution_First_Error_Step": "2",
                "Ground_Truth_Answer": "12",
            },
            1,
            "12",
        ),
        (
            {
                "Question": "What is (2+2)*3?",
                "Model_Solution_Steps": STEPS,
                "Model_Solution_Correctness": "correct",
                "Model_Solution_First_Error_Step": "N/A",
                "Ground_Truth_Answer": "12",
            },
            None,
            "12",
        ),
        (
            {
                "question": "What is (2+2)*3?",
                "model_output_steps": STEPS,
                "model_output_solution_correctness": "wrong",
                "model_output_solution_first_error_step": 2,
                "ground_truth_answer": 12,
            },
            1,
            "12",
        ),
        ({"input": "What is (2+2)*3?", "steps": STEPS, "target": "12", "mistake_index": 1}, 1, "12"),
        ({"input": "What is (2+2)*3?", "steps": STEPS, "target": "12", "mistake_index": None}, None, "12"),
        ({"question": "What is (2+2)*3?", "steps": STEPS, "first_error": 0, "reference": "12"}, 0, "12"),
    ],
)
def test_the_place_is_counted_from_zero_in_every_shape(
    tmp_path: Path, record: dict[str, Any], first_error: int | None, reference: str
) -> None:
    one = only(written(tmp_path / "set.a.jsonl", record))
    assert one.steps == tuple(STEPS)
    assert one.first_error == first_error
    assert one.correct == (first_error is None)
    assert one.reference == reference
    assert (one.source, one.by) == ("set", HUMAN)


@pytest.mark.parametrize(
    ("worked", "reference"),
    [
        ("Let's think step by step.\nWe have x + 2 = 7.\nThe answer is: 5", "5"),
        ("Let's think step by step.\nWe subtract 2 from both sides.\nThe value of x is 5.", None),
        ("Add 2 and 3.\nLet's think step by step.", "Let's think step by step."),
    ],
)
def test_a_sentence_of_the_trusted_solution_is_no_trusted_answer(
    tmp_path: Path, worked: str, reference: str | None
) -> None:
    """MR-GSM8K states "Let's think step by step." as the answer of 44 of 428 records."""
    record = {
        "question": "What is x, if x + 2 = 7 and Ann has x apples?",
        "model_output_steps": STEPS,
        "model_output_solution_correctness": "wrong",
        "model_output_solution_first_error_step": 2,
        "ground_truth_solution": worked,
        "ground_truth_answer": "Let's think step by step.",
    }
    assert only(written(tmp_path / "set.jsonl", record)).reference == reference


def test_a_line_without_a_number_belongs_to_the_step_above(tmp_path: Path) -> None:
    """MR-Ben lists lines, and names the first wrong step by the number that is written before it."""
    lines = ["Step 1: Check 67.", "67 = 4*16 + 3, so no.", "Step 2: Check 43.", "43 = 4*10 + 1, so yes.", "Solution: Choice_B"]  # fmt: skip
    record = {
        "Question": "Which number leaves the remainder 1 when it is divided by 4?",
        "Model_Solution_Steps": lines,
        "Model_Solution_Correctness": "incorrect",
        "Model_Solution_First_Error_Step": "2",
    }
    one = only(written(tmp_path / "lines.jsonl", record))
    assert one.steps == ("\n".join(lines[:2]), "\n".join(lines[2:4]), lines[4])
    assert one.first_error == 1
    again = record | {
        "Model_Solution_Steps": ["Step 1: a", "b", "Step 1: c"]
    }  # numbers of lines, or of nothing
    assert only(written(tmp_path / "again.jsonl", again)).steps == ("Step 1: a", "b", "Step 1: c")


def test_an_original_process_is_a_right_solution_besides_the_planted_one(tmp_path: Path) -> None:
    path = written(
        tmp_path / "p.jsonl",
        {
            "original_question": "What is 1+1?",
            "modified_question": "What is 1+1?",
            "original_process": ["1+1=2"],
            "modified_process": ["Let us add.", "1+1=3"],
            "error_steps": [2],
            "classification": "counterfactual",
        },
    )
    wrong, right = read([path]).solutions
    assert (wrong.first_error, wrong.kind, wrong.by) == (1, "counterfactual", PLANTED)
    assert right.correct
    assert right.kind is None
    assert wrong.group == right.group


def test_a_valid_answer_with_an_invalid_chain_is_wrong(tmp_path: Path) -> None:
    record = {"question": "What is 1+1?", "answer": "#1. add\n#2. 1+1=2", "final_answer": 2, "correct": True}
    one = only(written(tmp_path / "v.jsonl", record | {"flag": 0}))
    assert not one.correct
    assert one.first_error is None
    assert len(one.steps) == 2


def test_several_graded_solutions_of_one_question_are_several(tmp_path: Path) -> None:
    fields = written(
        tmp_path / "fields.jsonl",
        {
            "question": "What is 1+1?",
            "ground_truth": "A: 2",
            "small": {"is_correct": False, "solution": "1+1=3\nA: 3"},
            "large": {"is_correct": True, "solution": "1+1=2\nA: 2"},
        },
    )
    lists = written(
        tmp_path / "lists.jsonl", {"question": "What is 2+1?", "code": ["3", "4"], "score": [True, False]}
    )
    assert [one.correct for one in read([fields]).solutions] == [False, True]
    assert [one.correct for one in read([lists]).solutions] == [True, False]


def test_a_plain_record_and_what_cannot_be_read(tmp_path: Path) -> None:
    path = written(
        tmp_path / "plain.jsonl",
        {"question": "What is 1+1?", "solution": "1+1=2\nThe answer is 2.", "correct": True},
        {"question": "What is 1+1?", "solution": "1+1=2\nThe answer is 2.", "correct": True},
        {"question": "What is 1+1?"},
        {"question": "What is 1+1?", "steps": ["a"], "mistake_index": 3},
    )
    labelled = read([path])
    assert [one.correct for one in labelled.solutions] == [True]
    assert labelled.repeated == 1
    assert [line.split(", ")[1].split(":")[0] for line in labelled.unread] == ["line 3", "line 4"]


def test_a_file_without_labels_is_refused_with_a_fix(tmp_path: Path) -> None:
    with pytest.raises(LabelledError, match=r"no labelled solution .* Fix: "):
        read([written(tmp_path / "none.jsonl", {"question": "What is 1+1?", "answer": "2"})])


def solution(question: str, step: str = "x", **fields: Any) -> LabelledSolution:
    return LabelledSolution(question, (step,), True, **fields)


LONG = "A farmer has {} cows and buys {} more at the market on Monday, then sells {} of them; how many cows are left?"


def test_near_duplicates_are_one_group_and_other_numbers_are_another() -> None:
    same = [
        solution(LONG.format(3, 4, 2)),
        solution(LONG.format(3, 4, 2).replace("A farmer", "One farmer")),
        solution(LONG.format(3, 4, 2), "y"),
    ]
    other = solution("How many primes are there below 30?")
    groups = [one.group for one in grouped([*same, other])]
    assert len(set(groups[:3])) == 1
    assert groups[3] != groups[0]
    assert [one.group for one in grouped([other, *reversed(same)])] == [groups[3], *groups[2::-1]]


def test_questions_of_symbols_only_are_equal_to_their_own_text() -> None:
    groups = {
        one.group for one in grouped([solution("< < > ["), solution("{ ( ["), solution("< < > [", "y")])
    }
    assert len(groups) == 2


def test_a_split_shares_no_question_and_is_stable() -> None:
    solutions = grouped([solution(f"What is {n} plus {n * n}?", step) for n in range(200) for step in "ab"])
    rest, held = split(solutions, 0.3, 7, "report")
    assert len(rest) + len(held) == 400
    assert 60 < len(held) < 180
    assert not shared(rest, held)
    again = split(solutions[50:], 0.3, 7, "report")[1]
    assert {one.id for one in again} == {one.id for one in held if one in solutions[50:]}


def test_a_shared_question_is_recognised_without_trusting_groups() -> None:
    train = [solution(LONG.format(3, 4, 2), group="t")]
    report = [
        solution(LONG.format(3, 4, 2).replace("A farmer", "One farmer"), group="r"),
        solution("How many primes are there below 30?", group="s"),
    ]
    assert shared(train, report) == {"r"}


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="the labelled sets of ../shared/data are not here")
def test_the_real_sets_are_read_with_their_labels() -> None:
    labelled = read(sorted(DATA.iterdir()))
    counts: dict[str, list[int]] = {}
    for one in labelled.solutions:
        counts.setdefault(one.source, [0, 0])[one.correct] += 1
    assert counts["mr_ben_math"] == [485, 85]
    assert counts["bigbench_mistake_dyck_languages"] == [333, 160]
    assert counts["verify_cot_human_gsm8k"] == [25, 25]
    # every record is a solution, a repetition, or named; records of PRMBench hold two
    assert len(labelled.solutions) + labelled.repeated + len(labelled.unread) == 3764 + 1422 - 3
    assert len(labelled.unread) == 3


@pytest.mark.parametrize("field", ["first_error", "mistake_index"])
@pytest.mark.parametrize(
    ("value", "right", "place"),
    [
        (0, False, 0),
        ("0", False, 0),
        (1, False, 1),
        ("1", False, 1),
        (1.0, False, 1),
        (None, True, None),
        (-1, True, None),
        ("-1", True, None),
    ],
)
def test_a_place_as_text_or_float_is_the_same_place(
    tmp_path: Path, field: str, value: Any, right: bool, place: int | None
) -> None:
    record = {"question": "What is 1 + 1?", "steps": ["Add one.", "The answer is 3."], field: value}
    (tmp_path / "one.jsonl").write_text(json.dumps(record))
    (one,) = read([tmp_path / "one.jsonl"]).solutions
    assert (one.correct, one.first_error) == (right, place)


@pytest.mark.parametrize(
    "changed",
    [
        {"first_error": "²"},
        {"first_error": "9" * 5_000},
        {"first_error": True},
        {"first_error": "second"},
        {"first_error": 1.5},
        {"steps": [None, {"a": 1}]},
        {"steps": "Add one."},
    ],
)
def test_a_record_whose_place_or_steps_are_none_is_named(tmp_path: Path, changed: dict[str, Any]) -> None:
    good = {"question": "What is 1 + 1?", "steps": ["Add one.", "The answer is 3."], "first_error": 1}
    file = tmp_path / "two.jsonl"
    file.write_text("\n".join(json.dumps(one) for one in (good, good | {"question": "And 2 + 2?"} | changed)))
    labelled = read([file])
    assert len(labelled.solutions) == 1
    (unread,) = labelled.unread
    assert "two.jsonl" in unread
    assert len(unread) < 200 + len(str(file))


def test_a_flag_as_text_says_that_a_solution_is_wrong(tmp_path: Path) -> None:
    record = {"question": "Why?", "steps": ["Because.", "So 4."], "first_error": None, "correct": "False"}
    (tmp_path / "one.jsonl").write_text(json.dumps(record))
    (one,) = read([tmp_path / "one.jsonl"]).solutions
    assert (one.correct, one.first_error) == (False, None)


def test_a_correctness_that_is_neither_is_not_read_as_wrong(tmp_path: Path) -> None:
    record = {
        "question": "What is (2+2)*3?",
        "model_output_steps": STEPS,
        "model_output_solution_correctness": "perhaps",
        "model_output_solution_first_error_step": 2,
    }
    with pytest.raises(
        LabelledError, match="line 1: the correctness is 'perhaps', neither correct nor wrong"
    ):
        read([written(tmp_path / "set.jsonl", record)])
    unstated = record | {"model_output_solution_correctness": None}
    assert only(written(tmp_path / "unstated.jsonl", unstated)).first_error == 1
