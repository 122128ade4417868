"""What is asked after an unusable completion: the English text never changes, and a Chinese prompt goes on in Chinese."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from pydantic import BaseModel, Field

import prompts
from prompts.asking_again import BEGINNINGS, FaultKind, ReplyFault, again
from prompts.schemas.evolved_problem import EvolvedProblem
from tasks.llm.request import Request
from tasks.replies.items import critique, problems, single
from tasks.rewriting.replies import written_question

ENGLISH = "You are a careful teacher. 题"
CHINESE = "你是一位严谨的数学老师，用简短而精确的 Python 程序解题。"


class Paired(BaseModel):
    question: str = Field(min_length=1)
    difficulty: int = Field(le=5)


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (written_question('{"evolved": "x", "plan": "p", "check": "c", "sound": false}', EvolvedProblem, "evolved")[0].fault,
         "the writer's own check failed", "自己的检验没有通过"),
        (problems("None.")[0].fault, "no JSON list of problems in the completion", "没有 JSON 列表“题目列表”"),
        (problems('{"problems": []}')[0].fault, "the list of problems is empty", "列表是空的"),
        (single("None.", Paired, key="question"), "no JSON object with question in the completion", "没有含“题目”一项的 JSON 对象"),
        (single("None.", Paired, key="unknown"), "no JSON object with unknown in the completion", "不符合所要的格式"),
        (single('{"question": "x', Paired, key="question"), "the JSON of the completion is broken or cut off", "JSON 有语法错误或不完整"),
        (single('{"question": "", "difficulty": 1}', Paired, key="question"), "question: string should have at least 1 character", "“题目”一项是空的"),
        (single('{"question": "?!", "difficulty": 1}', Paired, key="question"), "question: has no words", "“题目”一项是空的"),
        (single('{"question": "What?"}', Paired, key="question"), "difficulty: field required", "缺少“难度”一项"),
        (single('{"question": "What?", "difficulty": 9}', Paired, key="question"),
         "difficulty: input should be less than or equal to 5", "“难度”一项不符合要求"),
        (critique("It is right."), "no JSON critique in the completion", "没有写出评判的 JSON"),
        (critique('{"answer_score": 3'), "the JSON of the critique is broken or cut off", "JSON 有语法错误或不完整"),
        (problems('{"problems": [3]}')[0].fault, "item is a JSON int, not an object", "列表中有一项不是 JSON 对象"),
        (problems('{"problems": [{"question": "What')[0].fault, "item is broken JSON or cut off", "JSON 有语法错误或不完整"),
        (ReplyFault(FaultKind.NO_PROGRAM, "no program in the completion"), "no program in the completion", "没有写出程序"),
        (ReplyFault(FaultKind.OTHER, "something in English, with no program"), "something in English, with no program", "不符合所要的格式"),
    ],
)  # fmt: skip
def test_a_chinese_prompt_goes_on_in_chinese(fault: object, error: str, words: str) -> None:
    """By the kind of the fault: its English words are those of the re-ask of an English prompt, and enter no decision."""
    assert isinstance(fault, ReplyFault)
    text = again(fault, CHINESE)
    assert text == f"{BEGINNINGS[1]}：{words}。请只改正这一处，重新作答。"
    assert not re.search(r"[A-Za-z]{2,}", text.replace("JSON", ""))
    assert again(fault, ENGLISH) == f"That answer cannot be used: {error}. Answer again, mending only that."
    assert again(replace(fault, words="other words"), CHINESE) == text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_request_is_asked_again_in_the_language_of_its_prompt(language: str) -> None:
    messages = prompts.load("solve_cot", language).messages(question="求 1 + 1。")
    fault = ReplyFault(FaultKind.NO_FINAL_ANSWER, "no final answer in the completion")
    last = Request(messages, "m").reask("two", fault).messages[-1]["content"]
    assert last.startswith(BEGINNINGS[language == "zh"])
    pictures = [{"role": "user", "content": [{"type": "text", "text": "Read it."}, {"type": "image_url"}]}]
    reask = Request(pictures, "m").reask("", ReplyFault(FaultKind.OTHER, "empty"))
    assert reask.messages[-1]["content"].startswith(BEGINNINGS[0])


@pytest.mark.parametrize("name", ["self_instruct", "concepts"])
def test_one_problem_is_asked_for_in_the_singular(name: str) -> None:
    shown = {"subdomain": "s", "concepts": ["a"], "difficulty": 3, "examples": []}
    one, five = (prompts.load(name, "en").messages(**shown, count=count)[1]["content"] for count in (1, 5))
    assert "Write 1 new mathematics problem " in one
    assert "exactly 1 entry." in one
    assert "Write 5 new mathematics problems " in five
    assert "exactly 5 entries." in five
