"""Every posed problem has exactly one answer by its own search, and several when its last condition is left out."""

from __future__ import annotations

import contextlib
import io
import random
import re

import pytest

from tasks.posing.searches import degenerate
from tasks.taxonomy import SUBDOMAINS
from tasks.teacher.posed_problems import Posed, posed


def answers(problem: Posed, *, vague: bool) -> list[object]:
    """Return the different answers that the program of a problem finds. It is code of this repository, so it is executed here."""
    names: dict[str, object] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(problem.program(vague=vague), names)
    listed = names["answers"]
    assert isinstance(listed, list)
    return list(dict.fromkeys(listed))


def drawn(subdomain: str, draws: int) -> list[Posed]:
    return [posed(subdomain, 1 + draw % 5, random.Random(f"{subdomain} {draw}")) for draw in range(draws)]


@pytest.mark.parametrize("subdomain", SUBDOMAINS)
def test_a_problem_has_one_answer_and_a_vague_one_several(subdomain: str) -> None:
    problems = drawn(subdomain, 40)
    for problem in problems:
        assert len(answers(problem, vague=False)) == 1, problem
        for language in ("en", "zh"):
            assert degenerate(problem.words(language, vague=False), problem.program(vague=False)) is None
            assert "[[" not in problem.words(language, vague=False) + problem.words(language, vague=True)
    several = sum(len(answers(problem, vague=True)) > 1 for problem in problems)
    assert several >= 36, subdomain


@pytest.mark.parametrize("subdomain", SUBDOMAINS)
def test_both_languages_state_the_same_numbers(subdomain: str) -> None:
    for problem in drawn(subdomain, 10):
        stated = [
            sorted(set(re.findall(r"\d+", problem.words(language, vague=False)))) for language in ("en", "zh")
        ]
        assert stated[0] == stated[1]


def test_no_problem_asks_for_a_value_that_it_states() -> None:
    for draw in range(400):
        rng = random.Random(draw)
        text = posed("functions", 1 + draw % 5, rng).words("en", vague=False)
        stated, asked = re.findall(r"f\((\d+)\) =", text), re.findall(r"What is f\((\d+)\)", text)
        once = re.findall(r"f\(\d+\) = (\d+)", text)
        assert not {*stated, *once} & {*asked}, text
        text = posed("sequences and series", 1 + draw % 5, rng).words("en", vague=False)
        stated, asked = re.findall(r"number (\d+) is \d", text), re.findall(r"term number (\d+)\?", text)
        assert len(stated) == len(asked) == 1
        assert stated != asked, text
