"""The fields of a record: flags, programs and prose are no answers; roles and instructions have many names."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.ingestion.columns import habits, question, read
from tasks.ingestion.instructions import without_instruction
from tasks.ingestion.solution_texts import is_program
from tasks.ingestion.values import Unfit

PENS = "A shop sells 3 pens for 6 dollars. How much do 5 pens cost?"


@pytest.mark.parametrize(
    ("record", "reference"),
    [
        ({"question": PENS, "answer": "10", "correct": True}, "10"),
        ({"prompt": PENS, "completion": "One costs 2, five cost 10. \\boxed{10}", "label": True}, "10"),
        ({"question": PENS, "solution": "Five cost 10. \\boxed{10}", "label": "algebra"}, "10"),
        ({"prompt": PENS, "completion": "One costs 3. \\boxed{15}", "label": False}, None),
        ({"question": PENS, "solution": "\\boxed{10}", "is_correct": True}, "10"),
        ({"question": PENS, "solution": "\\boxed{15}", "is_correct": False}, None),
        ({"question": PENS, "solution": "\\boxed{15}", "correct": "false"}, None),
        ({"question": PENS, "solution": "\\boxed{15}", "verdict": "incorrect"}, None),
        ({"question": PENS, "solution": "\\boxed{10}", "verdict": "correct"}, "10"),
        ({"question": PENS, "solution": "\\boxed{15}", "passed": 0}, None),
        ({"question": PENS, "solution": "\\boxed{15}", "reward": 0.0}, None),
        ({"question": PENS, "solution": "\\boxed{15}", "label": 0, "ground_truth": "10"}, "10"),
        ({"question": PENS, "solution": "\\boxed{15}", "answer": "15", "correct": False}, None),
        ({"question": PENS, "solution": "\\boxed{10}", "label": 1}, "10"),
        ({"question": PENS, "label": "geometry"}, None),
        ({"question": PENS, "label": 3}, None),
        ({"question": PENS, "correct": "10"}, "10"),
        ({"question": PENS, "correct": "yes", "answer": "10"}, "10"),
        ({"question": PENS, "options": ["9", "10"], "correct": "B"}, "B"),
        ({"question": PENS, "options": ["9", "10"], "label": 1}, "B"),
        ({"question": "Is it so?", "answer": True}, "True"),
        ({"question": PENS, "gt_answer": "So <<2*5=10>>10.\n#### 10", "final_answer": "12", "correct": False}, "10"),
    ],
)  # fmt: skip
def test_a_flag_is_never_an_answer(record: dict[str, Any], reference: str | None) -> None:
    assert read(record).reference == reference


@pytest.mark.parametrize(("ending", "reference"), [("The answer is: 10", "10"), ("It is ten then.", None)])
def test_a_sentence_of_the_trusted_solution_is_no_answer(ending: str, reference: str | None) -> None:
    """MR-GSM8K states "Let's think step by step." as the answer of 44 of 428 records."""
    worked = f"Let's think step by step.\nOne pen costs 2 dollars.\n{ending}"
    record = {
        "question": PENS,
        "ground_truth_solution": worked,
        "ground_truth_answer": "Let's think step by step.",
    }
    assert read(record).reference == reference


def test_a_solution_called_wrong_is_left_out() -> None:
    fields = read({"question": PENS, "solution": "\\boxed{15}", "correct": False})
    assert (fields.solution, fields.answer, fields.wrong) == (None, None, True)


PROGRAMS = [
    "```python\nprice = 6/3\nanswer = price*5\nprint(answer)\n```",
    'price=2\nprint(f"The answer is {price*5}")',
    "price = 6/3\nanswer = price*5",
    "def solution():\n    price = 2\n    return price * 5",
    "import math\nanswer = math.sqrt(100)\nprint(answer)",
    "```\nanswer = 2*total\n```",
    "~~~python\nresult = price*5\n~~~",
    "let price = 2;\nconsole.log(price * 5);",
    "#include <iostream>\nint main() {\n  std::cout << answer;\n}",
    "for i in range(3):\n    total = i\nprint('The answer is', total)",
    "x = 5\nprint('\\\\boxed{%d}' % x)",
]


@pytest.mark.parametrize("solution", PROGRAMS)
def test_a_program_states_no_answer(solution: str) -> None:
    fields = read({"question": PENS, "solution": solution})
    assert (fields.solution, fields.answer, fields.reference) == (solution, None, None)
    assert is_program(solution)


@pytest.mark.parametrize(
    "answer", ["price*5", "{price*5}", "total_cost / 5", 'print("10")', "```python\nprint(10)\n```"]
)
def test_code_under_answer_is_no_reference(answer: str) -> None:
    assert read({"question": PENS, "answer": answer}).reference is None


def test_prose_around_a_program_is_read() -> None:
    fields = read({"question": PENS, "solution": f"{PROGRAMS[0]}\nSo the answer is \\boxed{{10}}."})
    assert fields.reference == "10"
    assert (
        read(
            {"question": PENS, "solution": "```python\nprint(10)\n```\n```output\n10\n```\n#### 10"}
        ).reference
        == "10"
    )
    assert read({"question": "Q", "solution": "x = 3\ny = 4\n#### 12"}).reference == "12"
    assert read({"question": "Q", "solution": "We return home.\n#### 15"}).reference == "15"


@pytest.mark.parametrize(
    ("answer", "reference", "solution"),
    [
        ("One pen costs 2 dollars, so 5 pens cost 10 dollars.", None, True),
        ("5 pens cost 10 dollars because one costs 2", None, True),
        ("She pays 2 dollars for each pen and thus 10 for all five.", None, True),
        ("每支笔2元，所以5支笔一共10元。", None, True),
        ("Divide 6 by 3.\nMultiply the result by 5 to get the cost of five pens.\n#### 10", "10", True),
        ("The answer is 10.", "10", False),
        ("10", "10", False),
        ("10 dollars", "10 dollars", False),
        ("all real numbers", "all real numbers", False),
        ("no solution", "no solution", False),
        ("x = 2 or x = -3", "x = 2 or x = -3", False),
        ("x=1\ny=2", "x=1\ny=2", False),
        ("n is prime\n", "n is prime", False),
        ("3 hours and 20 minutes", "3 hours and 20 minutes", False),
        ("\\begin{pmatrix} 1 \\\\\n 2 \\end{pmatrix}", "\\begin{pmatrix} 1 \\\\\n 2 \\end{pmatrix}", False),
        ("being bellyache betelgeuse cider daunt decant depression euripides have hugh", "being bellyache betelgeuse cider daunt decant depression euripides have hugh", False),
    ],
)  # fmt: skip
def test_prose_under_answer_is_a_worked_solution(answer: str, reference: str | None, solution: bool) -> None:
    fields = read({"question": PENS, "answer": answer})
    assert (fields.reference, fields.solution is not None) == (reference, solution)


USERS = ["human", "user", "User", "USER", "prompter", "Human", "customer", "student", "用户", "<|user|>"]
REPLIES = ["gpt", "chatgpt", "bot", "model", "assistant", "Assistant", "ai", "AI", "gpt-4", "claude-3", "llama", "chatbot", "助手", "<|assistant|>", "assistant_response"]  # fmt: skip


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("keys", [("role", "content"), ("from", "value"), ("speaker", "text")])
def test_user_roles(user: str, keys: tuple[str, str]) -> None:
    turns = [{keys[0]: user, keys[1]: PENS}, {keys[0]: "assistant", keys[1]: "\\boxed{10}"}]
    fields = read({"conversations": turns})
    assert (fields.question, fields.solution, fields.reference) == (PENS, "\\boxed{10}", "10")


@pytest.mark.parametrize("reply", REPLIES)
def test_reply_roles(reply: str) -> None:
    fields = read(
        {"messages": [{"role": "user", "content": PENS}, {"role": reply, "content": "\\boxed{10}"}]}
    )
    assert fields.solution == "\\boxed{10}"


def test_an_unknown_role_is_named_and_not_left_out() -> None:
    with pytest.raises(Unfit, match="a chat turn of an unknown role 'wizard'"):
        read({"messages": [{"role": "user", "content": PENS}, {"role": "wizard", "content": "x"}]})


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": PENS, "chosen": "\\boxed{10}", "rejected": "\\boxed{9}"},
        {"prompt": [{"role": "user", "content": PENS}], "completion": [{"role": "assistant", "content": "\\boxed{10}"}]},
        {"prompt": [{"role": "user", "content": PENS}], "chosen": [{"role": "assistant", "content": "\\boxed{10}"}], "rejected": []},
        {"chosen": [{"role": "user", "content": PENS}, {"role": "assistant", "content": "\\boxed{10}"}], "rejected": []},
        {"messages": [], "question": PENS, "response": "\\boxed{10}"},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": PENS}]}, {"role": "assistant", "content": ["\\boxed{10}"]}]},
        {"messages": str([{"role": "user", "content": PENS}, {"role": "assistant", "content": "\\boxed{10}"}])},
        {"conversation": [["human", PENS], ["assistant", "\\boxed{10}"]]},
        {"conversations": [PENS, "\\boxed{10}"]},
        {"conversations": [{"human": PENS}, {"assistant": "\\boxed{10}"}]},
        {"prompt": f"<|im_start|>system\nThink.<|im_end|>\n<|im_start|>user\n{PENS}<|im_end|>\n<|im_start|>assistant\n", "response": "\\boxed{10}"},
        {"prompt": f"\n\nHuman: {PENS}\n\nAssistant: \\boxed{{10}}"},
        {"instruction": f"### Instruction:\n{PENS}\n\n### Response:\n", "output": "\\boxed{10}"},
    ],
)  # fmt: skip
def test_chats_of_every_shape(record: dict[str, Any]) -> None:
    fields = read(record)
    assert (fields.question, fields.solution) == (PENS, "\\boxed{10}")


INSTRUCTED = [
    "Solve the following math problem step by step. The last line of your response should be of the form Answer: $Answer (without quotes) where $Answer is the answer to the problem.\n\n%s\n\nRemember to put your answer on its own line after \"Answer:\".",
    "%s\nPlease reason step by step, and put your final answer within \\boxed{}.",
    "%s Let's think step by step and output the final answer after \"####\".",
    "Let's think step by step and output the final answer within \\boxed{}.\n\n%s",
    "Solve the following math problem efficiently and clearly.  The last line of your response should be of the following format: 'Therefore, the final answer is: $\\boxed{{ANSWER}}$. I hope it is correct' (without quotes) where ANSWER is just the final number or expression that solves the problem. Think step by step before answering.\n\n%s",
    "Solve the following math problem. Make sure to put the answer (and only answer) inside \\boxed{}.\n\n%s",
    "%s\n\nPresent the answer in LaTex format: \\boxed{Your answer}",
    "%s\nYou must put your answer inside <answer> </answer> tags, i.e., <answer> answer here </answer>. And your final answer will be extracted automatically by the \\boxed{} tag.",
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n%s",
    "You are a helpful math assistant. Answer the following question. Think step by step before answering. Put the final answer in \\boxed{}.\n\nQuestion: %s\nAnswer:",
    "%s\n请逐步推理，并将最终答案放在\\boxed{}中。",
    "%s 请一步一步思考，把最终答案写在\\boxed{}里。",
    "Question: %s\nAnswer: Let's think step by step.",
    "%s\n\nTranslate the above text into English, please retain the original text's line breaks and format, and output the translation result directly.",
    "Solve the problem below. Show your work.\n%s",
    "%s Answer the following question. Think step by step before answering. Put the final answer in \\boxed{}.",
    "Return your final response within \\boxed{}. %s",
]  # fmt: skip


@pytest.mark.parametrize("form", INSTRUCTED)
def test_instructions_are_cut(form: str) -> None:
    assert without_instruction(form % PENS) == PENS
    assert question({"prompt": [{"role": "user", "content": form % PENS}]}) == PENS


@pytest.mark.parametrize(
    "text",
    [
        "Solve the following equation: x + 2 = 5.",
        "Find x. Express your answer as a common fraction.",
        "A shop tags 5 shirts. Her final answer was 3. What is it?",
        "Solve for x: 2x=6. Round your answer to the nearest tenth.",
        "Step by step, Ann climbs 40 stairs. How many?",
        "The output of the machine is 5. Find the input.",
        "You are a student with 5 apples. How many?",
        "Write the number 5 in base 2.",
        "Let's think of a number. Twice it is 8. What is it?",
        "Please reason step by step.",
        "水位逐步上升3米。现在多高？",
    ],
)
def test_what_belongs_to_the_problem_stays(text: str) -> None:
    assert without_instruction(text) == text


BEFORE = "Work through the task below one step at a time. Finish with a single closing line that reads Result: $R, where $R stands for what was asked for and nothing else is on that line."
AFTER = 'Do not forget: the closing line begins with "Result:" and stands alone.'
ASKED = ["Find x if 2x=6.", "How many sides does a hexagon have?", "A train travels 60 miles in 2 hours. What is its speed?", "What is 15% of 80?"]  # fmt: skip


def test_an_instruction_that_a_file_shares_is_cut() -> None:
    records = [{"prompt": [{"role": "user", "content": f"{BEFORE}\n\n{one}\n\n{AFTER}"}]} for one in ASKED]
    common = habits(records)
    assert [read(record, common).question for record in records] == ASKED


@pytest.mark.parametrize("ending", ["Find its area.", "What is the area?", "Round your answer to the nearest tenth.", "Express the result as a common fraction."])  # fmt: skip
def test_what_many_questions_end_with_may_be_their_question(ending: str) -> None:
    records = [{"question": f"A rectangle has sides {k} and {k + 1}. {ending}"} for k in range(10)]
    common = habits(records)
    assert [read(record, common).question for record in records] == [record["question"] for record in records]


@pytest.mark.parametrize(
    "record",
    [
        {"question": "2 + 2?", "solution": "So \\boxed{4}", "reasoning": "because"},
        {"question": "2 + 2?", "solution": "<think>\nbecause\n</think>\n\nSo \\boxed{4}"},
        {"prompt": "2 + 2?", "completion": "So \\boxed{4}", "reasoning_content": "because"},
        {"prompt": "2 + 2?", "chosen": "So \\boxed{4}", "rejected": "5", "chosen_reasoning": "because"},
        {
            "messages": [
                {"role": "user", "content": "2 + 2?"},
                {"role": "assistant", "content": "So \\boxed{4}", "reasoning_content": "because"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "2 + 2?"},
                {"role": "assistant", "content": "<think>because</think>So \\boxed{4}"},
            ]
        },
    ],
)
def test_thinking_is_read_apart_from_the_solution(record: dict[str, Any]) -> None:
    fields = read(record)
    assert (fields.reasoning, fields.solution) == ("because", "So \\boxed{4}")
    assert fields.answer == "4"


def test_thinking_without_a_solution_is_not_taken_for_one() -> None:
    fields = read({"question": "2 + 2?", "answer": "4", "reasoning": "because"})
    assert (fields.reasoning, fields.solution, fields.reference) == (None, None, "4")
