"""Records as well-known data sets of the hub write them, by the names and values of their columns: what is kept, and why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.reasons import Code
from storage.rows import Row
from tasks.ingestion.record import IngestError, Record
from tasks.ingestion.records import records
from tasks.stages.import_dataset import RecordReading, check_names, common_of, not_read, rows_of, table_of

ADD = "What is 4+5?"
BOXED = "It is \\boxed{9}."
GPQA = {
    "Pre-Revision Question": "Old?", "Question": "Which energy?", "Correct Answer": "10^-4 eV", "Incorrect Answer 1": "10^-11 eV",
    "Incorrect Answer 2": "10^-8 eV\n", "Incorrect Answer 3": "10^-9 eV", "Explanation": "By the uncertainty principle.", "Record ID": "r",
}  # fmt: skip
THOUGHT = "<|begin_of_thought|>\n\nAdd.\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\nIt is 9.\n\n<|end_of_solution|>"
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
        pytest.param(
            {"question": ADD, "solution": "9", "gemini_attempt": "It is 8.", "gemini_grade": "No", "deepseek_attempt": BOXED, "deepseek_grade": "Yes"},
            [("It is 8.", "9", Code.FLAGGED_WRONG), (BOXED, "9", None)], id="s1K-1.1 with grades",
        ),
        pytest.param(
            {"question": ADD, "expected_answer": "9", "is_correct": True, "generated_solution": f"Code:\n<llm-code>\n4 + 5\n</llm-code>\n<llm-code-output>\n9\n</llm-code-output>\n{BOXED}"},
            [(f"Code:\n```python\n4 + 5\n```\n```output\n9\n```\n{BOXED}", "9", None)], id="OpenMathInstruct-1",
        ),
        pytest.param(
            {"messages": [{"role": "user", "content": [{"type": "text", "content": ADD}]}, {"role": "assistant", "content": [
                {"type": "code", "content": "print(4+5)"}, {"type": "execution", "content": "9"}, {"type": "text", "content": BOXED}]}]},
            [(f"```python\nprint(4+5)\n```\n```output\n9\n```\n{BOXED}", "9", None)], id="MathCodeInstruct",
        ),
        pytest.param(
            {"messages": [{"role": "user", "content": ADD, "info": {"reference_answer": "9.0"}},
                {"role": "assistant", "content": f"<think>Add.</think><answer>{BOXED}</answer>", "info": {"think_content": "Add."}}]},
            [(BOXED, "9.0", None)], id="AM-DeepSeek-R1-Distilled",
        ),
        pytest.param(
            {"prompt": ADD, "initial_reason_steps": "Step 1: Add.\nStep 2:", "chosen": " 9", "rejected": " 8", "full_chosen": f"Step 1: Add.\nStep 2: {BOXED}", "answer": "9"},
            [(f"Step 1: Add.\nStep 2: {BOXED}", "9", None), ("Step 1: Add.\nStep 2: 8", "9", Code.NOT_PREFERRED)], id="Step-DPO",
        ),
        pytest.param(
            {"conversations": [{"from": "human", "value": ADD}], "chosen": {"from": "gpt", "value": "9!"}, "rejected": {"from": "gpt", "value": "8!"}},
            [("9!", None, None), ("8!", None, Code.NOT_PREFERRED)], id="LLaMA-Factory preferences",
        ),
        pytest.param(
            {"prompt": ADD, "completions": ["Four.\nFive.", "So 8."], "labels": [True, False]}, [("Four.\nFive.\nSo 8.", None, Code.FLAGGED_WRONG)], id="TRL steps"
        ),
        pytest.param(
            {"prompt": ADD, "completions": ["Four and five.", BOXED], "labels": [True, True]}, [(f"Four and five.\n{BOXED}", "9", None)], id="TRL steps, right"
        ),
        pytest.param(
            {"conversations": [{"role": "user", "content": f"{ADD} Step 1: Add."}, {"role": "assistant", "content": "+"},
                {"role": "user", "content": "Step 2: 8."}, {"role": "assistant", "content": "-"}]},
            [("Step 1: Add.\nStep 2: 8.", None, Code.FLAGGED_WRONG)], id="RLHFlow",
        ),
        pytest.param(
            {"messages": [{"role": "user", "content": ADD}], "reasoning": "Add.", "answer": "The sum is 9.", "model": "x"}, [("The sum is 9.", None, None)], id="Dolphin-R1"
        ),
        pytest.param(
            {"question": ADD, "reference_answer": "It is their sum, since one counts on from four.", "responses": [{"response_model": "x", "response": "\\boxed{8}"}]},
            [("\\boxed{8}", None, None)], id="NaturalReasoning",
        ),
        pytest.param({"problem": ADD, "answer": "9", "solution": "<think>Add, and"}, [(None, "9", Code.TRUNCATED)], id="thinking that never ends"),
        pytest.param(
            {"conversations": [{"from": "human", "value": ADD}, {"from": "gpt", "value": "<think>Add.</think>\n\nIt is 8."}], "correct": False},
            [("It is 8.", None, Code.FLAGGED_WRONG)], id="a chat that is called wrong",
        ),
        pytest.param({"context": "Passage.", "question": "What follows?", "answers": ["a", "b", "c"], "label": 1}, [(None, "B", None)], id="ReClor"),
        pytest.param(
            {"instruction": "Add.", "instances": [{"input": "4, 5", "output": "9"}, {"input": "1, 1", "output": "2"}]}, [("9", None, None), ("2", None, None)],
            id="Self-Instruct",
        ),
        pytest.param({"role_1": "Teacher", "message_1": ADD, "message_2": "It is 9."}, [("It is 9.", None, None)], id="CAMEL"),
    ],
)  # fmt: skip
def test_a_shape_of_the_hub(record: dict[str, Any], expected: list[tuple[Any, ...]]) -> None:
    assert [summary(one) for one in rows(record)] == expected


@pytest.mark.parametrize(
    ("reply", "thinking"),
    [
        (THOUGHT, "Add."),
        ("<think>\nAdd.\n</think>\n\nIt is 9.", "Add."),
        ("Add.\n</think>\n\nIt is 9.", "Add."),
        ("<think>\n\n</think>\n\nIt is 9.", None),
        ("It is 9.", None),
    ],
)
@pytest.mark.parametrize("table", [False, True])
def test_thinking_in_the_turns_of_a_chat_is_kept_apart(reply: str, thinking: str | None, table: bool) -> None:
    turns = [{"from": "human", "value": ADD}, {"from": "gpt", "value": reply}]
    records: list[dict[str, Any]] = [
        {"system": "Think first.", "conversations": turns},
        {"conversations": turns * 2},
    ]
    if table:
        how = RecordReading()
        every = [Record(f"line {number}", one) for number, one in enumerate(records, 1)]
        messages = table_of(every, how, "file", common_of(every, how)).column("messages").to_pylist()
    else:
        messages = [one.messages or [] for one in rows(*records)]
    for one in messages:
        spoken = [turn for turn in one if turn["role"] == "assistant"]
        assert spoken
        assert {(turn["content"], turn["reasoning"]) for turn in spoken} == {("It is 9.", thinking)}


@pytest.mark.parametrize(
    "text",
    [
        "The tag `<think>` opens it and `</think>` ends it.",
        "A dialogue:\nUser: Hi!\n</thinking",
        "<reasoning>\nIt is 9.\n</reasoning>",
    ],
)
def test_a_reply_that_only_mentions_thinking_is_kept_whole(text: str) -> None:
    (one,) = rows(
        {
            "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": ADD},
                {"role": "assistant", "content": text},
            ]
        }
    )
    assert one.messages is not None
    assert [(turn["content"], turn["reasoning"]) for turn in one.messages[-1:]] == [(text, None)]


def test_a_reply_of_thinking_and_a_call_has_no_text() -> None:
    calls = [{"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}}]
    (one,) = rows(
        {
            "messages": [
                {"role": "user", "content": ADD},
                {"role": "assistant", "content": "<think>Use it.</think>", "tool_calls": calls},
                {"role": "tool", "content": "9", "tool_call_id": "1"},
                {"role": "assistant", "content": "<think>Fine.</think>9"},
            ]
        }
    )
    assert one.messages is not None
    spoken = [turn for turn in one.messages if turn["role"] == "assistant"]
    assert [(turn["content"], turn["reasoning"]) for turn in spoken] == [("", "Use it."), ("9", "Fine.")]


def test_thinking_of_a_chat_that_never_ends_is_cut_off() -> None:
    (one,) = rows(
        {
            "system": "Think.",
            "conversations": [{"from": "human", "value": ADD}, {"from": "gpt", "value": "<think>Add"}],
        }
    )
    assert one.reason is not None
    assert one.reason.code is Code.TRUNCATED


@pytest.mark.parametrize("switch", ["on", "off", "True"])
def test_a_switch_is_no_reasoning(switch: str) -> None:
    (one,) = rows(
        {
            "reasoning": switch,
            "messages": [{"role": "user", "content": ADD}, {"role": "assistant", "content": BOXED}],
        }
    )
    assert one.reasoning is None


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (
            {
                "input": [{"role": "user", "content": ADD}],
                "output": "<think>Add.</think>9",
                "system_prompt": "detailed thinking on",
            },
            [("system", "detailed thinking on"), ("user", ADD), ("assistant", "9")],
        ),
        (
            {
                "trajectory": [
                    {"from": "user", "value": ADD},
                    {"from": "gpt", "value": "9"},
                    {"from": "user", "value": "Sure?"},
                ],
                "chosen": "Yes.",
                "rejected": "No.",
            },
            [("user", ADD), ("assistant", "9"), ("user", "Sure?"), ("assistant", "Yes.")],
        ),
        (
            {
                "prompt": [
                    {"role": "user", "content": ADD},
                    {"role": "assistant", "content": "9"},
                    {"role": "user", "content": "Sure?"},
                ],
                "response": "Yes.",
            },
            [("user", ADD), ("assistant", "9"), ("user", "Sure?"), ("assistant", "Yes.")],
        ),
    ],
    ids=["Llama-Nemotron", "UltraInteract", "a reply in a column of its own"],
)
def test_a_reply_beside_a_chat_is_its_last_turn(
    before: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    one = rows(before)[0]
    assert [(turn["role"], turn["content"]) for turn in one.messages or ()] == expected


@pytest.mark.parametrize("name", ["orz.json", "orz.jsonl", "orz.parquet"])
def test_lists_of_turns_are_records(tmp_path: Path, name: str) -> None:
    lists = [
        [
            {"from": "human", "value": f"What is 4+{n}?"},
            {"from": "assistant", "ground_truth": {"value": str(4 + n)}},
        ]
        for n in (5, 6)
    ]
    text = json.dumps(lists, indent=1) if name.endswith("json") else "\n".join(map(json.dumps, lists))
    if name.endswith("parquet"):  # as `datasets` reads them
        pq.write_table(
            pa.Table.from_pylist([dict(zip("01", one, strict=True)) for one in lists]), tmp_path / name
        )
    else:
        (tmp_path / name).write_text(text)
    every = list(records(tmp_path / name))
    common = common_of(every, RecordReading())
    imported = [row for one in every for row in rows_of(one, RecordReading(), name, common)]
    assert [(one.question, one.reference_answer) for one in imported] == [
        ("What is 4+5?", "9"),
        ("What is 4+6?", "10"),
    ]


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
