"""Real problems and solutions (GSM8K) are read completely, never mistaken for another job, and rarely called wrong."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

import prompts
from tasks.critics.recomputing import calculations
from tasks.teacher.equations import worked_text
from tasks.teacher.reading import read

GSM8K = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "gsm8k" / "train.jsonl.gz"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    if not GSM8K.is_file():
        pytest.skip("the GSM8K training file is not beside the checkout")
    with gzip.open(GSM8K, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for _, line in zip(range(250), lines, strict=False)]


@pytest.mark.slow
def test_every_job_on_real_questions(rows: list[dict[str, str]]) -> None:
    for row in rows:
        for language in ("en", "zh"):
            question, solution = row["question"], row["answer"]
            for prompt, kind, variables in (
                ("solve_cot", "words", {"question": question}),
                ("solve_pot", "program", {"question": question}),
                ("critique", "judge", {"question": question, "solution": solution}),
            ):
                system, user = prompts.load(prompt, language).messages(**variables)
                job = read(system["content"], user["content"])
                assert (job.kind, job.question) == (kind, question.strip())
            shown = [{"question": question}]
            system, user = prompts.load("self_instruct", language).messages(
                subdomain="multi-step arithmetic", examples=shown, count=4, difficulty=2
            )
            job = read(system["content"], user["content"])
            assert (job.kind, job.count, job.examples) == ("write", 4, (question.strip(),))


def test_a_story_is_not_taken_for_an_expression(rows: list[dict[str, str]]) -> None:
    assert [row["question"] for row in rows if worked_text(row["question"], "en")] == []


def test_of_the_arithmetic_of_human_solutions_only_errors_are_doubted(rows: list[dict[str, str]]) -> None:
    stated = [statement for row in rows for statement in calculations(row["answer"])]
    assert len(stated) > 600
    # errors of the annotators, each of them: the answers of their calculators differ, or 6 / 3 is not .5
    assert {f"{one.left_text} = {one.right_text}" for one in stated if not one.true} == {
        "192*100 = 1920",
        "6*2.5 = 18.00",
        "6/3 = .5",
        "4080 + 4080 / 2 = 4000 + 2040",
        "4000 + 2040 = 6120",
    }
