"""The rows of an import: every known shape of a data set, its ugly variants, what is refused and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from storage.reasons import Code
from storage.rows import CHAT, TEXT, Row
from tasks.ingestion.record import IngestError, Record
from tasks.ingestion.records import records
from tasks.stages.import_dataset import (
    RecordReading,
    check_mapping,
    checked_columns,
    common_of,
    converter,
    rows_of,
)


def rows(*fields: dict[str, Any], **reading: Any) -> list[Row]:
    how = RecordReading(**reading)
    every = [Record(f"line {number}", one) for number, one in enumerate(fields, 1)]
    common = common_of(every, how)
    return [row for record in every for row in rows_of(record, how, "file.jsonl", common)]


def row(fields: dict[str, Any], **reading: Any) -> Row:
    (one,) = rows(fields, **reading)
    return one


def spoken(one: Row) -> list[tuple[str, str | None]]:
    assert one.kind == CHAT, one.rejected
    return [(turn["role"], turn["content"]) for turn in one.messages or ()]


def code(one: Row) -> str | None:
    return None if one.reason is None else one.reason.code


def why(one: Row) -> str:
    assert one.reason is not None
    assert one.reason.code == Code.UNREADABLE
    return one.reason.values["why"]


USER, BOT = {"role": "user", "content": "What is 2+2?"}, {"role": "assistant", "content": "It is \\boxed{4}."}
PROMPT = "Solve: what is 3 + 4?"


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"question": PROMPT, "answer": "3+4=<<3+4=7>>7\n#### 7"}, id="gsm8k"),
        pytest.param(
            {"problem": PROMPT, "level": "Level 1", "type": "Algebra", "solution": "\\boxed{7}"}, id="math"
        ),
        pytest.param(
            {
                "query": PROMPT,
                "response": "It is 7. The answer is: 7",
                "type": "GSM_SV",
                "original_question": "x",
            },
            id="metamath",
        ),
        pytest.param(
            {
                "source": "cn_k12",
                "problem": PROMPT,
                "solution": "So \\boxed{7}",
                "messages": [
                    {"role": "user", "content": PROMPT},
                    {"role": "assistant", "content": "So \\boxed{7}"},
                ],
            },
            id="numina-cot",
        ),
        pytest.param(
            {
                "question": PROMPT,
                "expected_answer": "7",
                "generated_solution": "So \\boxed{7}",
                "is_correct": True,
            },
            id="openmathinstruct",
        ),
        pytest.param({"instruction": PROMPT, "input": "", "output": "So \\boxed{7}"}, id="alpaca"),
        pytest.param(
            {
                "instruction": PROMPT,
                "response": "So \\boxed{7}",
                "conversations": [
                    {"from": "human", "value": PROMPT},
                    {"from": "gpt", "value": "So \\boxed{7}"},
                ],
            },
            id="magpie",
        ),
        pytest.param(
            {"id": "1", "system_prompt": "", "question": PROMPT, "response": "So \\boxed{7}"}, id="openorca"
        ),
    ],
)
def test_a_question_with_one_solution_is_a_solution(fields: dict[str, Any]) -> None:
    one = row(fields)
    assert (one.kind, one.question, one.answer, one.reason) == (None, PROMPT, "7", None)
    assert one.solution


def test_sharegpt_is_a_chat() -> None:
    turns = [
        {"from": "system", "value": "Be kind."},
        {"from": "human", "value": "Hi"},
        {"from": "gpt", "value": "Hello"},
        {"from": "human", "value": "2+2?"},
        {"from": "gpt", "value": "4"},
    ]
    one = row({"id": "x", "conversations": turns})
    assert spoken(one) == [
        ("system", "Be kind."),
        ("user", "Hi"),
        ("assistant", "Hello"),
        ("user", "2+2?"),
        ("assistant", "4"),
    ]
    assert one.question == "Hi\n\n2+2?"
    assert one.language == "en"
    assert one.solution is None


def test_a_system_prompt_in_a_column_comes_first() -> None:
    one = row({"system_prompt": "You teach.", "question": "2+2?", "response": "4"})
    assert spoken(one) == [("system", "You teach."), ("user", "2+2?"), ("assistant", "4")]
    turns = [{"from": "human", "value": "a?"}, {"from": "gpt", "value": "b"}]
    assert spoken(row({"system": "You teach.", "conversations": turns}))[0] == ("system", "You teach.")


def test_messages_keep_parts_tools_and_reasoning() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "python", "arguments": '{"code": "2+2"}'}}
    one = row(
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "2+2?"}, {"type": "text", "text": "Be exact."}],
                },
                {
                    "role": "assistant",
                    "content": None,
                    "reasoning_content": "I compute.",
                    "tool_calls": [call],
                },
                {"role": "tool", "tool_call_id": "c1", "name": "python", "content": "4"},
                {"role": "assistant", "content": "It is 4."},
            ]
        }
    )
    assert spoken(one) == [
        ("user", "2+2?\nBe exact."),
        ("assistant", ""),
        ("tool", "4"),
        ("assistant", "It is 4."),
    ]
    calling, tool = (one.messages or [])[1:3]
    assert json.loads(calling["tool_calls"] or "") == [call]
    assert calling["reasoning"] == "I compute."
    assert (tool["tool_call_id"], tool["name"]) == ("c1", "python")


def test_calls_of_sharegpt_are_turns_of_the_assistant() -> None:
    turns = [
        {"from": "human", "value": "2+2?"},
        {"from": "function_call", "value": '{"name": "add", "arguments": {"a": 2, "b": 2}}'},
        {"from": "observation", "value": "4"},
        {"from": "gpt", "value": "It is 4."},
    ]
    one = row({"conversations": turns})
    assert [role for role, _ in spoken(one)] == ["user", "assistant", "tool", "assistant"]
    (call,) = json.loads((one.messages or [])[1]["tool_calls"] or "")
    assert call["function"] == {"name": "add", "arguments": '{"a": 2, "b": 2}'}


def test_tool_integrated_reasoning_keeps_its_tool_turns() -> None:
    turns = [
        {"role": "user", "content": "2+2?"},
        {"role": "assistant", "content": "```python\nprint(2+2)\n```"},
        {"role": "tool", "content": "4"},
        {"role": "assistant", "content": "\\boxed{4}"},
    ]
    assert len(spoken(row({"problem": "2+2?", "messages": turns}))) == 4


def test_ultrachat_and_alpaca_with_a_history_are_chats() -> None:
    one = row({"id": "0", "data": ["Hi", "Hello", "2+2?", "4"]})
    assert [role for role, _ in spoken(one)] == ["user", "assistant"] * 2
    one = row({"instruction": "And 3+3?", "input": "", "output": "6", "history": [["2+2?", "4"]]})
    assert spoken(one) == [("user", "2+2?"), ("assistant", "4"), ("user", "And 3+3?"), ("assistant", "6")]


def test_dolly_keeps_its_context() -> None:
    one = row(
        {"instruction": "How old is Ann?", "context": "Ann is 7.", "response": "She is 7.", "category": "qa"}
    )
    assert one.question == "How old is Ann?\n\nAnn is 7."


def test_openr1_has_a_row_per_generation_with_its_flag() -> None:
    record = {
        "problem": PROMPT,
        "solution": "The book says \\boxed{7}",
        "answer": "7",
        "generations": ["<think>\na\n</think>\n\\boxed{7}", "\\boxed{8}", "I think that", "\\boxed{7} again"],
        "is_reasoning_complete": [True, True, False, True],
        "correctness_math_verify": [True, False, False, None],
        "correctness_llama": [None, False, None, True],
        "messages": [{"role": "user", "content": PROMPT}, {"role": "assistant", "content": "\\boxed{7}"}],
    }
    every = rows(record)
    assert [(one.sample_index, code(one)) for one in every] == [
        (None, None),
        (0, None),
        (1, Code.FLAGGED_WRONG),
        (2, Code.TRUNCATED),
        (3, None),
    ]
    assert every[1].reasoning == "a"
    assert {one.problem_id for one in every} == {every[0].problem_id}
    assert {one.reference_answer for one in every} == {"7"}
    assert every[2].answer == "8"


def test_a_generation_that_is_null_leaves_the_others_with_their_flags() -> None:
    generations = [None, "\\boxed{7}", "\\boxed{8}"]
    flags = [True, True, False]
    every = rows(
        {"problem": PROMPT, "answer": "7", "generations": generations, "correctness_math_verify": flags}
    )
    assert [(one.sample_index, code(one)) for one in every] == [(1, None), (2, Code.FLAGGED_WRONG)]


def test_a_solution_that_the_file_calls_wrong_is_kept_apart() -> None:
    one = row(
        {"question": PROMPT, "expected_answer": "7", "generated_solution": "\\boxed{8}", "is_correct": False}
    )
    assert (code(one), one.solution, one.answer, one.reference_answer) == (
        Code.FLAGGED_WRONG,
        "\\boxed{8}",
        "8",
        "7",
    )


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": PROMPT, "chosen": "\\boxed{7}", "rejected": "\\boxed{8}"},
        {
            "prompt": PROMPT,
            "chosen": [{"role": "user", "content": PROMPT}, {"role": "assistant", "content": "\\boxed{7}"}],
            "rejected": [{"role": "user", "content": PROMPT}, {"role": "assistant", "content": "\\boxed{8}"}],
            "score_chosen": 9.0,
        },
        {
            "prompt": [{"role": "user", "content": PROMPT}],
            "chosen": [{"role": "assistant", "content": "\\boxed{7}"}],
            "rejected": [{"role": "assistant", "content": "\\boxed{8}"}],
        },
    ],
    ids=["text", "messages", "messages-after-a-prompt"],
)
def test_a_preference_pair_is_two_rows(record: dict[str, Any]) -> None:
    chosen, rejected = rows(record)
    assert (chosen.question, chosen.answer, chosen.reason) == (PROMPT, "7", None)
    assert (rejected.question, rejected.answer, code(rejected)) == (PROMPT, "8", Code.NOT_PREFERRED)
    assert chosen.problem_id == rejected.problem_id


def test_a_preference_of_chats_is_two_chats() -> None:
    shared = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "2+2?"},
    ]
    sides = {
        name: [*shared, {"role": "assistant", "content": text}]
        for name, text in (("chosen", "4"), ("rejected", "5"))
    }
    chosen, rejected = rows(sides)
    assert spoken(chosen)[-1] == ("assistant", "4")
    assert (spoken(rejected)[-1], code(rejected)) == (("assistant", "5"), Code.NOT_PREFERRED)
    assert code(
        rows({"chosen": "\n\nHuman: Hi\n\nAssistant: Hello", "rejected": "\n\nHuman: Hi\n\nAssistant: No"})[1]
    ) == (Code.NOT_PREFERRED)


def test_prm800k_has_the_first_wrong_step() -> None:
    def record(rating: int, reason: str) -> dict[str, Any]:
        steps = [
            {
                "completions": [{"text": "3 + 4 = 7.", "rating": 1}],
                "chosen_completion": 0,
                "human_completion": None,
            },
            {
                "completions": [{"text": "So \\boxed{7}", "rating": rating}],
                "chosen_completion": 0 if rating > 0 else None,
            },
        ]
        question = {"problem": PROMPT, "ground_truth_answer": "7"}
        return {"labeler": "x", "question": question, "label": {"steps": steps, "finish_reason": reason}}

    right, wrong, gave_up = rows(record(1, "solution"), record(-1, "found_error"), record(0, "give_up"))
    assert (right.solution, right.reference_answer, right.reason) == ("3 + 4 = 7.\nSo \\boxed{7}", "7", None)
    assert (code(wrong), wrong.verdicts["wrong_step"]) == (Code.FLAGGED_WRONG, "2")
    assert why(gave_up) == "labelled as give_up"


def test_prmbench_and_processbench_have_the_wrong_step() -> None:
    right, wrong = rows(
        {
            "original_question": PROMPT,
            "modified_question": PROMPT,
            "original_process": ["3+4=7", "\\boxed{7}"],
            "modified_process": ["3+4=8", "\\boxed{8}"],
            "error_steps": [2, 1],
        }
    )
    assert (right.reason, code(wrong), wrong.verdicts["wrong_step"]) == (None, Code.FLAGGED_WRONG, "1")
    changed = {"original_question": PROMPT, "original_process": ["3+4=7"], "modified_process": ["3+4=8"]}
    _, wrong = rows(changed | {"error_steps": ["1"]})
    assert (code(wrong), wrong.verdicts["wrong_step"]) == (Code.FLAGGED_WRONG, "1")
    _, unclear = rows(changed | {"error_steps": ["first"]})
    assert why(unclear) == "the column error_steps is not a list of the numbers of steps"
    steps = {"problem": PROMPT, "steps": ["3+4=7", "\\boxed{7}"]}
    right, wrong = rows(steps | {"label": -1, "final_answer_correct": True}, steps | {"label": 1})
    assert (right.reason, code(wrong), wrong.verdicts["wrong_step"]) == (None, Code.FLAGGED_WRONG, "2")


def test_multiple_choice_has_its_options_in_the_question() -> None:
    one = row({"question": "2+2?", "choices": {"text": ["3", "4"], "label": ["A", "B"]}, "answerKey": "B"})
    assert one.question.endswith("B. 4") or "B" in one.question
    assert one.reference_answer == "B"


def test_plain_text_is_a_document() -> None:
    one = row(
        {"text": "A group is a set.\r\nIt has an operation.", "url": "https://example.org", "source": "notes"}
    )
    assert (one.kind, one.question, one.solution, one.source) == (
        TEXT,
        "A group is a set.\nIt has an operation.",
        None,
        "notes",
    )
    assert row({"question": PROMPT, "text": "A text."}, kind="text").question == "A text."


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ([], "a chat without a turn of the assistant"),
        ([USER], "a chat without a turn of the assistant"),
        ([BOT, USER], "a chat that begins with the assistant, not the user"),
        ([USER, BOT, {"role": "user", "content": "  "}, BOT], "turn 3 (user) is empty"),
        ([USER, {"role": "assistant", "content": ""}, USER, BOT], "turn 2 (assistant) is empty"),
        ([USER, BOT, {"role": "wizard", "content": "x"}], "a chat turn of an unknown role 'wizard'"),
        ([USER, BOT, "and then"], "a chat turn is not an object with role and content"),
        (
            [
                {"role": "user", "content": [{"type": "image_url"}, {"type": "text", "text": "What is it?"}]},
                BOT,
            ],
            "the user turn has a part that is no text: image",
        ),
        ([USER, {"role": "assistant", "content": 4}, USER, BOT], "the assistant turn is a number, not text"),
        (
            [USER, {"role": "assistant", "content": "a\x00b"}, USER, BOT],
            "control character U+0000 in the turn 2 (assistant)",
        ),
    ],
)
def test_a_chat_that_cannot_be_used_says_why(turns: list[Any], reason: str) -> None:
    assert why(row({"messages": turns}, kind="chat")) == reason


def test_an_empty_system_turn_is_left_out_and_others_keep_their_order() -> None:
    one = row({"messages": [{"role": "system", "content": ""}, USER, BOT, USER, BOT]})
    assert [role for role, _ in spoken(one)] == ["user", "assistant"] * 2


def test_a_kind_can_be_forced() -> None:
    pair = {"question": PROMPT, "response": "7"}
    assert spoken(row(pair, kind="chat")) == [("user", PROMPT), ("assistant", "7")]
    system = {"messages": [{"role": "system", "content": "Be short."}, USER, BOT]}
    assert spoken(row(system))[0] == ("system", "Be short.")
    assert (row(system, kind="solution").kind, row(system, kind="solution").answer) == (None, "4")
    assert why(row(pair, kind="text")).startswith("no text in the columns text")


def test_columns_are_mapped_also_inside_objects() -> None:
    record = {"meta": {"q": PROMPT}, "resp": "\\boxed{7}", "problem": "another", "license": "MIT"}
    one = row(record, columns={"meta.q": "question", "resp": "solution"}, license="CC0")
    assert (one.question, one.answer, one.license) == (PROMPT, "7", "MIT")


def test_a_wrong_mapping_names_what_is_near() -> None:
    beginning = [Record("line 1", {"instruction": "a", "responses": "b", "meta": {"lang": "en"}})]
    with pytest.raises(
        IngestError,
        match=r"--map response=solution: f has no column 'response'; the nearest are responses\. Fix",
    ):
        check_mapping("f", {"response": "solution"}, beginning)
    check_mapping("f", {"meta.lang": "language"}, beginning)
    with pytest.raises(
        ValueError, match=r"instruction=quesiton: there is no field 'quesiton'; the nearest is question"
    ):
        checked_columns({"instruction": "quesiton"})
    with pytest.raises(ValueError, match="two columns are mapped to question"):
        checked_columns({"a": "question", "b": "question"})


def test_a_function_of_the_user_converts_records(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "def convert(record):\n"
        "    if record['n'] == 0: return None\n"
        "    if record['n'] == 1: return {'question': 'What is 1 + 1?', 'solution': '\\\\boxed{2}'}\n"
        "    if record['n'] == 2: return [{'question': f'What is {i} + 2?', 'solution': 'x'} for i in (1, 2)]\n"
        "    if record['n'] == 3: return 'text'\n"
        "    raise KeyError('gone')\n"
    )
    function, digest = converter(path)
    every = rows(*({"n": n} for n in range(5)), convert=function, code=digest)
    assert [one.question for one in every[1:4]] == ["What is 1 + 1?", "What is 1 + 2?", "What is 2 + 2?"]
    assert why(every[0]) == "left out by convert"
    failures = [one.reason for one in every[4:]]
    assert [(one.code, one.failed) for one in failures if one] == [(Code.NOT_CONVERTED, True)] * 2
    assert "KeyError: 'gone'" in str(every[-1].rejected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def convert(record) return", "SyntaxError"),
        ("1/0", "ZeroDivisionError"),
        ("x = 1", "no function `convert`"),
    ],
)
def test_a_file_without_a_usable_function_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(IngestError, match=message) as error:
        converter(path)
    assert "Fix: " in str(error.value)
    assert "\n" not in str(error.value)


def read_file(path: Path) -> list[Row]:
    every = list(records(path))
    common = common_of(every, RecordReading())
    return [one for record in every for one in rows_of(record, RecordReading(), path.name, common)]


def test_files_with_marks_line_ends_nulls_and_mixed_types(tmp_path: Path) -> None:
    path = tmp_path / "ugly.jsonl"
    lines = [
        {"question": PROMPT, "answer": 7, "extra": None},
        {"question": "What is 3 + 5?\r\nSay it.", "answer": "8"},
        {"question": None, "answer": "9"},
        {"question": ["a", "b"], "answer": "9"},
        {"question": 5, "answer": {"x": 1}},
    ]
    text = "\r\n".join(
        [*(json.dumps(line) for line in lines), '{"question": "a", "question": "b"}', "[1]", "", "nonsense"]
    )
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    every = read_file(path)
    assert [one.question for one in every if one.reason is None] == [PROMPT, "What is 3 + 5?\nSay it."]
    assert [one.reference_answer for one in every[:2]] == ["7", "8"]
    assert [why(one) for one in every[2:]] == [
        "the question is empty",
        "the question is a list, not text",
        "the question is a number, not text",
        "key 'question' given twice",
        "not a JSON object but a list",
        "not JSON: invalid literal, expected 'null' at column 1",
    ]
    assert len({one.id for one in every}) == len(every)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.csv"
    path.write_text("question,answer,question\na,b,c\n")
    with pytest.raises(IngestError, match="two columns of one name"):
        read_file(path)


def test_an_exchange_with_an_empty_reply_is_refused_and_not_a_question() -> None:
    turns = [USER, {"role": "assistant", "content": " "}]
    assert why(row({"messages": turns})) == "turn 2 (assistant) is empty"
    assert row({"messages": turns, "solution": "4"}).solution == "4"
