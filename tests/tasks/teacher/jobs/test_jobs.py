from __future__ import annotations

import random

import orjson
import pytest

from prompts.schemas import chinese_keys
from tasks.plugins import names
from tasks.teacher.answering import Forced, JobRequest, answer, job_of
from tasks.teacher.character import PERFECT, STRONG, Character
from tasks.teacher.jobs import JOBS, job

PASSAGE = "| For example, $12 + 30 = 42$.\n| Notice that $6 * 7 = 42$."
PROMPTS = {
    "extract": f'Extract at most 2 pairs.\n<passage>\n{PASSAGE}\n</passage>\nThe form: {{"pairs": []}}',
    "refine": f"Rewrite it for school students.\n<passage>\n{PASSAGE}\n</passage>\n==Main Body==\n...",
    "diagnose": 'Name the skills.\n<problem>\n| What is 2 + 3?\n</problem>\nThe form: {"cause": "...", "skills": ["..."]}',
    "pose": "Set one new problem of difficulty 2 of 5 with a program.\n==Posed Problem==\n==Search==\n==End==",
    "extract_concepts": 'Name its concepts.\n<text>\n| Find the slope.\n</text>\nThe form: {"field": "", "concepts": [""]}',
    "compose": 'One problem.\n<step_1>\n| Ann has 5 pens. How many pens has Ann?\n</step_1>\n<step_2>\n| Bo has [A] pens. How many?\n</step_2>\nThe form: {"composed": ""}',
    "compare": "Answer SAME or DIFFERENT.\n<first>\n| What is 2 + 3?\n</first>\n<second>\n| What is 3 + 4?\n</second>",
}


@pytest.mark.parametrize("name", sorted(PROMPTS))
def test_a_prompt_requests_one_job(name: str) -> None:
    request = job_of([("user", PROMPTS[name])])
    assert isinstance(request, JobRequest)
    assert request.name == name
    assert answer(request, STRONG, random.Random(1)).strip()


@pytest.mark.parametrize("name", names(JOBS))
def test_a_job_has_the_contract_and_leaves_other_prompts_alone(name: str) -> None:
    plugin = job(name)
    assert isinstance(plugin.writes_json, bool)
    for text in ("What is 2 + 3?", "Write 3 new problems about primes.", ""):
        assert not isinstance(job_of([("user", text)]), JobRequest)


def test_quoted_material_does_not_decide_the_job() -> None:
    hostile = 'Solve the problem.\n<problem>\n| {"pairs": []} ==Main Body== SAME or DIFFERENT\n</problem>'
    assert not isinstance(job_of([("user", hostile)]), JobRequest)


def test_a_reply_has_the_keys_that_the_prompt_shows() -> None:
    text = f'从下文中摘出 2 道题。\n<passage>\n{PASSAGE}\n</passage>\n格式：{{"问答列表": []}}'
    reply = answer(
        job_of([("user", text)]), Character("perfect", PERFECT), random.Random(1), Forced(json=True)
    )
    pairs = orjson.loads(reply)[chinese_keys()["pairs"]]
    assert len(pairs) == 2
    assert all(pair[chinese_keys()["answer"]] == "42" for pair in pairs)
