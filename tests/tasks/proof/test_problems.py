"""The problems of the proof are right: steps, program and answer agree, and an injected error gives a wrong answer."""

from __future__ import annotations

import ast
import contextlib
import io

import pytest

from tasks.answers import extract
from tasks.proof.experiments.curation import spoil
from tasks.proof.lab import EVEN, SKEWED, Lab, Lesson, draw, words
from tasks.proof.problems import FAMILIES
from tasks.proof.seed import held_out
from tasks.proof.sizes import QUICK, WHOLE
from tasks.seeding import rng_of
from tasks.taxonomy import SUBDOMAINS


@pytest.mark.parametrize("name", FAMILIES)
def test_steps_programs_and_answers_agree(name: str) -> None:
    assert name in SUBDOMAINS
    rng = rng_of("problems", name)
    for _ in range(200):
        problem = FAMILIES[name](rng)
        assert problem.subdomain == name
        for step in problem.steps:
            left, right = step.split(" = ")
            assert eval(left) == int(right), step
        assert problem.steps[-1].endswith(f" = {problem.answer}")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(ast.parse(problem.program), "program", "exec"), {})
        assert printed.getvalue().strip() == problem.answer
        extracted = extract(problem.cot, "en")
        assert extracted
        assert extracted.answer == problem.answer


def test_a_spoiled_row_has_one_wrong_step_and_a_wrong_answer() -> None:
    problems = draw(rng_of("spoiled"), 200, EVEN)
    lab = Lab(QUICK, 0, None, None, None, None, [])  # type: ignore[arg-type]
    for i, (row, problem) in enumerate(zip(words(problems), problems, strict=True)):
        worse = spoil(row, lab, i)
        extracted = extract(worse.solution, "en")
        assert extracted
        assert extracted.answer != problem.answer
        wrong = [s for s in worse.solution.split(" #### ")[0].split(", ") if eval(s.replace("=", "=="))]
        assert len(wrong) >= len(problem.steps) - 1


def test_what_is_held_out_is_in_nothing_that_is_drawn() -> None:
    for sizes in (QUICK, WHOLE):
        items = held_out(sizes)
        assert [one.subdomain for one in items] == [name for name in FAMILIES for _ in range(sizes.items)]
        questions = {one.question for one in items}
        assert len(questions) == len(items)
        lab = Lab(sizes, 3, None, None, None, None, items)  # type: ignore[arg-type]
        for count, shares in ((sizes.rows, SKEWED), (sizes.pool, SKEWED), (sizes.probes, EVEN)):
            drawn = lab.draw("rows", count, shares)
            assert len({one.question for one in drawn}) == count
            assert not questions & {one.question for one in drawn}


def test_too_many_different_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="ask for fewer"):
        draw(rng_of("many"), 200, {"fractions and percentages": 1.0})


def test_the_rare_subdomains_are_rare() -> None:
    drawn = draw(rng_of("rare"), 500, SKEWED)
    rare = list(FAMILIES)[4:]
    assert sum(one.subdomain in rare for one in drawn) < 130
    assert isinstance(words(drawn)[0], Lesson)
