"""Requests to answer are removed from a question, and text that belongs to the problem stays."""

from __future__ import annotations

import pytest

from tasks.ingestion.instructions import without_instruction

PROBLEM = "Tom has 3 apples and eats one. How many are left?"
CHINESE = "小明有3个苹果，吃了1个。还剩几个？"


@pytest.mark.parametrize(
    "before",
    [
        "Please answer: ", "Please answer:\n", "Kindly respond: ", "Please answer the following question: ",
        "Please answer this. ", "Answer the following.\n", "Here's the question: ", "Here is a math problem:\n\n",
        "Question: ", "Please answer: Think step by step. ", "**Please answer:** ",
    ],
)  # fmt: skip
def test_a_request_before_the_question_is_cut(before: str) -> None:
    assert without_instruction(before + PROBLEM) == PROBLEM


@pytest.mark.parametrize(
    "after",
    [
        " Please answer:", "\nPlease answer:", " Please answer.", " Answer:", " **Answer:**", "\n\n### Answer:", " Your answer:",
        "\nFinal answer:", "\nThe answer is", " Please give your answer.", " Please provide the solution:", " Solution:",
        " Think step by step. Please answer:", "\nA:", " Now answer the question.", " Please answer: ___",
    ],
)  # fmt: skip
def test_a_request_after_the_question_is_cut(after: str) -> None:
    assert without_instruction(PROBLEM + after) == PROBLEM


@pytest.mark.parametrize(("before", "after"), [("请回答：", ""), ("请解答下列问题：", ""), ("", "请回答："), ("", "答案是："), ("", "\n答："), ("", "请回答这个问题。")])  # fmt: skip
def test_the_same_in_chinese(before: str, after: str) -> None:
    assert without_instruction(before + CHINESE + after) == CHINESE


@pytest.mark.parametrize(
    "text",
    [
        "Please solve: $2x + 3 = 7$", "Solve: 2x + 3 = 7", "Complete: 3, 6, 9, __", "Please answer:",
        "Answer: yes or no, is 7 prime?", "Please answer in one word: is 7 prime?", "Is 7 prime? Answer yes or no.",
        "Mix 3 l of a 5 % solution with water. How much of the solution is left?", "Nobody gave an answer. Why?",
        "What is $\\frac{2}{6}$? Give your answer as a common fraction.", "Find x. Give your answer in cm.",
    ],
)  # fmt: skip
def test_what_belongs_to_the_problem_stays(text: str) -> None:
    assert without_instruction(text) == text
