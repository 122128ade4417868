"""Records as well-known data sets of the hub write them, by the names and values of their columns: what is kept, and why not."""

from __future__ import annotations

from typing import Any

import pytest

from storage.reasons import Code
from storage.rows import Row
from tasks.ingestion.record import IngestError, Record
from tasks.stages.import_dataset import RecordReading, check_names, common_of, not_read, rows_of

ADD = "What is 4+5?"
BOXED = "It is \\boxed{9}."
GPQA = {
    "Pre-Revision Question": "Old?", "Question": "Which energy?", "Correct Answer": "10^-4 eV", "Incorrect Answer 1": "10^-11 eV",
    "Incorrect Answer 2": "10^-8 eV\n", "Incorrect Answer 3": "10^-9 eV", "Explanation": "By the uncertainty principle.", "Record ID": "r",
}  # fmt: skip
SHEPHERD = "Eggs: 3 and 2. How many? Step 1: 3+2=<<3+2=5>>5. {0}\nStep 2: The answer is: 5 {1}"


def rows(*fields: dict[str, Any]) -> list[Row]:
    how = RecordReading()
    every = [Record(f"line {number}", one) for number, one in enumerate(fields, 1)]
    common = common_of(every, how)
    return [row for record in every for row in rows_of(record, how, "file", common)]


def summary(one: Row) -> tuple[str | None, str | None, Code | str | None]:
    return one.solution, one.reference_answer, one.reason.code if one.reason else None


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        pytest.param(
            {"question": ADD, "final_answer": "9", "difficulty": 4.5, "r1_solution_1": f"Hm.\n</think>\n\n{BOXED}", "r1_solution_2": "\\boxed{9}"},
            [(BOXED, "9", None), ("\\boxed{9}", "9", None)], id="DeepMath",
        ),
        pytest.param(
            {"problem": ADD, "deepseek_reasoning": "add", "deepseek_solution": BOXED, "ground_truth_solution": "4+5=9, \\boxed{9}", "test_cases": None},
            [("4+5=9, \\boxed{9}", "9", None), (BOXED, "9", None)], id="OpenThoughts metadata",
        ),
        pytest.param(
            {"question": ADD, "solution": "9", "cot": None, "thinking_trajectories": ["Add."], "attempt": BOXED}, [(BOXED, "9", None)], id="s1K"
        ),
        pytest.param(
            {"prompt": ADD, "solution": "9", "data_source": "math_dapo", "ability": "MATH", "reward_model": {"ground_truth": "9"}},
            [(None, "9", None)], id="DAPO, processed",
        ),
        pytest.param(
            {"prompt": [{"role": "user", "content": ADD}], "reward_model": {"ground_truth": '["\\\\frac{1}{2}"]', "style": "rule"}},
            [(None, "\\frac{1}{2}", None)], id="Skywork-OR1",
        ),
        pytest.param(
            {"prompt": ADD, "gold_standard_solution": BOXED, "verification_info": "{'ground_truth': '9'}", "task_type": "verifiable_math"},
            [(BOXED, "9", None)], id="SYNTHETIC-1",
        ),
        pytest.param(
            {"instruction": ADD, "completions": [{"model": "a", "response": "9 it is.", "overall_score": 8.0}, {"model": "b", "response": "8 it is."}]},
            [("9 it is.", None, None), ("8 it is.", None, None)], id="UltraFeedback",
        ),
        pytest.param(
            {"problem": "Show it.", "solution": "Clear.", "answer": "proof", "problem_is_valid": "Yes", "solution_is_valid": "Yes"},
            [("Clear.", None, None)], id="NuminaMath-1.5, a proof",
        ),
        pytest.param(
            {"problem": ADD, "solution": "4+5=9.", "answer": "notfound", "problem_is_valid": "Yes"}, [("4+5=9.", None, None)], id="NuminaMath-1.5, no answer"
        ),
        pytest.param(
            {"problem": "As in the figure?", "solution": "So 2.", "answer": "2", "problem_is_valid": "Incomplete", "solution_is_valid": "Yes"},
            [(None, None, Code.UNREADABLE)], id="NuminaMath-1.5, incomplete",
        ),
        pytest.param(
            {"input": SHEPHERD.format("ки", "ки"), "label": SHEPHERD.format("+", "+"), "task": "GSM8K"},
            [("Step 1: 3+2=5.\nStep 2: The answer is: 5", "5", None)], id="Math-Shepherd, right",
        ),
        pytest.param(
            {"input": SHEPHERD.format("ки", "ки"), "label": SHEPHERD.format("+", "-"), "task": "GSM8K"},
            [("Step 1: 3+2=5.\nStep 2: The answer is: 5", "5", Code.FLAGGED_WRONG)], id="Math-Shepherd, wrong",
        ),
        pytest.param(
            {"question": ADD, "options": ["8", "9"], "answer": "B", "answer_index": 1, "cot_content": "A: We add. The answer is (B).", "src": "x"},
            [("A: We add. The answer is (B).", "B", None)], id="MMLU-Pro",
        ),
        pytest.param(
            {"id": "M", "question": ADD, "choices": {"text": ["8", "9"], "label": ["1", "2"]}, "answerKey": "2"}, [(None, "B", None)], id="ARC"
        ),
        pytest.param(GPQA, [("By the uncertainty principle.", "D", None)], id="GPQA"),
        pytest.param(
            {"question": ADD, "options": ["A)8", "B)9"], "rationale": "4+5=9.\nAnswer:B", "correct": "B"},
            [("4+5=9.\nAnswer:B", "B", None)], id="AQuA-RAT",
        ),
        pytest.param(
            {"question": "Which gas?", "distractor3": "x", "distractor1": "y", "distractor2": "z", "correct_answer": "w", "support": "It is w."},
            [(None, "C", None)], id="SciQ",
        ),
        pytest.param(
            {"problem": ADD, "answer": "9", "source": "orca_math", "domain": ["Mathematics -> Algebra"], "llama8b_solve_rate": None},
            [(None, "9", None)], id="Big-Math",
        ),
        pytest.param(
            {"type": "GSM_Rephrased", "query": ADD, "original_question": "Old?", "response": "4+5=9.\n#### 9\nThe answer is: 9"},
            [("4+5=9.\n#### 9\nThe answer is: 9", "9", None)], id="MetaMathQA",
        ),
        pytest.param(
            {"problem": ADD, "expected_answer": None, "generated_solution": f"<think>add</think>{BOXED}", "pass_rate_72b_tir": "n/a"},
            [(BOXED, "9", None)], id="OpenMathReasoning",
        ),
    ],
)  # fmt: skip
def test_a_shape_of_the_hub(record: dict[str, Any], expected: list[tuple[Any, ...]]) -> None:
    assert [summary(one) for one in rows(record)] == expected


def test_thinking_in_a_column_beside_a_solution_is_kept() -> None:
    _, generated = rows(
        {
            "problem": ADD,
            "deepseek_reasoning": "add",
            "deepseek_solution": BOXED,
            "ground_truth_solution": "So \\boxed{9}",
        }
    )
    assert generated.reasoning == "add"


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ({"question": ADD, "options": ["8", "9"], "answer": "E"}, "the answer is E, but there are 2 options"),
        ({"question": ADD, "A": "8", "B": "9", "answer": "(D)"}, "the answer is (D), but there are 2 options"),
        ({"question": ADD, "choices": ["8", "9"], "answer_idx": 7}, "the answer_idx is 7, but there are 2 options"),
        ({"question": ADD, "choices": ["8", "9"], "answer": "A, C"}, "the answer is A, C, but there are 2 options"),
        ({"id": "1", "data": [ADD]}, "a chat without a turn of the assistant"),
        (
            {"problem": ADD, "generations": ["8", "9"], "correctness_math_verify": [True]},
            "the column correctness_math_verify has 1 value for 2 generations",
        ),
        ({"problem": ADD, "responses": ["8", "9"], "is_correct": [True, False, True]}, "the column is_correct has 3 values for 2 responses"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused_with_the_reason(record: dict[str, Any], why: str) -> None:
    every = rows(record)
    assert every
    for one in every:
        assert one.reason is not None
        assert one.reason.values["why"] == why


@pytest.mark.parametrize("answer", ["10", "none of these", "9.0"])
def test_an_answer_in_words_beside_options_is_kept(answer: str) -> None:
    (one,) = rows({"question": ADD, "options": ["8", "9"], "answer": answer})
    assert one.reason is None


@pytest.mark.parametrize("empty", [None, []])
def test_generations_without_flags_are_kept(empty: Any) -> None:
    every = rows(
        {"problem": ADD, "generations": [BOXED, "So \\boxed{8}"], "correctness_llama": empty, "answer": "9"}
    )
    assert [one.reason for one in every] == [None, None]


@pytest.mark.parametrize(
    ("chosen", "rejected"),
    [
        ("It is 9.", " It is 9.\n"),
        ([{"role": "user", "content": ADD}, {"role": "assistant", "content": "9"}], [{"from": "human", "value": ADD}, {"from": "gpt", "value": "9 "}]),
    ],
)  # fmt: skip
def test_a_preference_for_an_equal_answer_is_none(chosen: Any, rejected: Any) -> None:
    every = rows({"prompt": ADD, "chosen": chosen, "rejected": rejected})
    assert [one.reason.code if one.reason else None for one in every] == [Code.NO_PREFERENCE] * 2


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (
            {"qestion": ADD, "anwser": "9"},
            "f.jsonl: no column with a question, a chat or a text: qestion, anwser; 'qestion' is near 'question'. Fix: --map qestion=question",
        ),
        (
            {"mesages": [{"role": "user", "content": ADD}]},
            "f.jsonl: no column with a question, a chat or a text: mesages; 'mesages' is near 'messages'. Fix: --map mesages=messages",
        ),
        (
            {"uuid": "1", "payload": ADD},
            "f.jsonl: no column with a question, a chat or a text: uuid, payload. Fix: --map COLUMN=question, or --convert FILE.py",
        ),
    ],
)  # fmt: skip
def test_a_source_whose_columns_are_not_read_is_one_line(record: dict[str, Any], message: str) -> None:
    with pytest.raises(IngestError) as error:
        check_names("f.jsonl", [Record("line 1", record)])
    assert str(error.value) == message


def test_misspelled_columns_beside_a_question_are_named() -> None:
    beginning = [
        Record(
            "line 1",
            {
                "question": ADD,
                "anwser": "9",
                "soluton": BOXED,
                "problem_type": "x",
                "question_id": 1,
                "uuid": "u",
            },
        )
    ]
    check_names("f", beginning)
    assert not_read(beginning) == {"anwser": "answer", "soluton": "solution"}


@pytest.mark.parametrize(
    ("answer", "reference"),
    [("Unknown", "Unknown"), ("none", "none"), ("n/a", None), ("Proof", None), ("NotFound", None)],
)
def test_words_for_a_missing_answer_are_no_answers(answer: str, reference: str | None) -> None:
    (one,) = rows({"question": "Is the cat kind, from what is said?", "answer": answer})
    assert one.reference_answer == reference
