"""What is asked after an unusable completion: the English text never changes, and a Chinese prompt goes on in Chinese."""

from __future__ import annotations

import re

import pytest

import prompts
from prompts.asking_again import BEGINNINGS, again
from tasks.llm.request import Request

ENGLISH = "You are a careful teacher. 题"
CHINESE = "你是一位严谨的数学老师，用简短而精确的 Python 程序解题。"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("the writer's own check failed", "自己的检验没有通过"),
        ("no JSON list of problems in the completion", "没有 JSON 列表“题目列表”"),
        ("question: string should have at least 1 character", "“题目”一项是空的"),
        ("the JSON of the critique is broken or cut off", "JSON 有语法错误或不完整"),
        ("item is a JSON int, not an object", "列表中有一项不是 JSON 对象"),
        ("no program in the completion", "没有写出程序"),
        ("difficulty: input should be less than or equal to 5", "“难度”一项不符合要求"),
        ("something that nobody has thought of: in English", "不符合所要的格式"),
    ],
)
def test_a_chinese_prompt_goes_on_in_chinese(error: str, words: str) -> None:
    text = again(error, CHINESE)
    assert text == f"{BEGINNINGS[1]}：{words}。请只改正这一处，重新作答。"
    assert not re.search(r"[A-Za-z]{2,}", text.replace("JSON", ""))
    assert again(error, ENGLISH) == f"That answer cannot be used: {error}. Answer again, mending only that."


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_request_is_asked_again_in_the_language_of_its_prompt(language: str) -> None:
    messages = prompts.load("solve_cot", language).messages(question="求 1 + 1。")
    last = Request(messages, "m").reask("two", "no final answer in the completion").messages[-1]["content"]
    assert last.startswith(BEGINNINGS[language == "zh"])
    pictures = [{"role": "user", "content": [{"type": "text", "text": "Read it."}, {"type": "image_url"}]}]
    assert Request(pictures, "m").reask("", "empty").messages[-1]["content"].startswith(BEGINNINGS[0])


@pytest.mark.parametrize("name", ["self_instruct", "concepts"])
def test_one_problem_is_asked_for_in_the_singular(name: str) -> None:
    shown = {"subdomain": "s", "concepts": ["a"], "difficulty": 3, "examples": []}
    one, five = (prompts.load(name, "en").messages(**shown, count=count)[1]["content"] for count in (1, 5))
    assert "Write 1 new mathematics problem " in one
    assert "exactly 1 entry." in one
    assert "Write 5 new mathematics problems " in five
    assert "exactly 5 entries." in five
