"""Real problems and solutions (GSM8K) are read completely, never mistaken for another job, and rarely called wrong."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

import prompts
from tasks.teacher.equations import worked_text
from tasks.teacher.reading import read
from tasks.teacher.statements import statements

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


def test_the_arithmetic_of_human_solutions_is_seldom_doubted(rows: list[dict[str, str]]) -> None:
    stated = [statement for row in rows for statement in statements(row["answer"])]
    assert len(stated) > 600
    # the few are loose writing of the annotators ("3/4 * 2 = 1 1/2") and errors of theirs
    assert sum(not statement.true for statement in stated) <= 0.005 * len(stated)
