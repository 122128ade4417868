from __future__ import annotations

import random

import orjson
import pytest

import prompts
from prompts.schemas import keys_of
from tasks.taxonomy import local_name
from tasks.teacher.answering import Forced, answer, job_of
from tasks.teacher.character import PERFECT, Character
from tasks.teacher.reading import known


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_wider_problem_is_of_the_field_that_the_prompt_names(language: str) -> None:
    unknown = "A drawer contains socks of many colours." if language == "en" else "抽屉里有各种颜色的袜子。"
    messages = prompts.load("evolve", language).messages(
        question=unknown, subdomain=local_name("vectors", language), strategy="wider"
    )
    job = job_of([(message["role"], message["content"]) for message in messages])
    key = keys_of("EvolvedProblem", language)["evolved"]
    for seed in range(8):
        reply = answer(job, Character("perfect", PERFECT), random.Random(seed), Forced(json=True))
        problem = known(orjson.loads(reply)[key])
        assert problem is not None
        assert problem.subdomain == "vectors"
