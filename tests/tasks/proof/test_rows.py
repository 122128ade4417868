"""The rows of the proof are right: words, program and answer agree, and an injected error gives a wrong answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storage.rows import to_table
from tasks.answers import Judge, extract
from tasks.critics import recomputing
from tasks.evaluation.items import of_rows
from tasks.problems.machinery.family import families
from tasks.proof.lab import Lab
from tasks.proof.rows import (
    BY_PROGRAM,
    EVEN,
    FAMILIES,
    LANGUAGE,
    SKEWED,
    calculations,
    chat,
    draw,
    programs,
    spoiled,
    words,
)
from tasks.proof.seed import held_out
from tasks.proof.sizes import QUICK, WHOLE
from tasks.sandbox import Sandbox
from tasks.seeding import rng_of
from tasks.taxonomy import SUBDOMAINS


def test_each_subdomain_is_that_of_its_family() -> None:
    assert {name: families()[family].subdomain for name, family in FAMILIES.items()} == {
        n: n for n in FAMILIES
    }
    assert set(FAMILIES) <= set(SUBDOMAINS)


@pytest.mark.slow
def test_words_programs_and_answers_agree(judge: Judge, sandbox: Sandbox) -> None:
    problems = draw(rng_of("agree"), 48, EVEN)
    in_words = [extract(row.solution or "", LANGUAGE) for row in words(problems)]
    assert [one.answer if one else None for one in in_words] == [one.worked.answer for one in problems]
    assert all(one is not None and one.marked for one in in_words)
    coded = programs(problems)
    assert all(row.question.endswith(BY_PROGRAM) for row in coded)
    printed = [result.answer or "" for result in sandbox.run([row.solution or "" for row in coded])]
    answers = [row.reference_answer or "" for row in coded]
    assert set(judge.equal(list(zip(printed, answers, strict=True)))) == {"equal"}


def test_a_spoiled_row_has_a_wrong_step_or_answer_and_states_it_consistently(judge: Judge) -> None:
    problems = draw(rng_of("spoiled"), 80, EVEN)
    rows = [spoiled(problem, 0) for problem in problems]
    for row, problem in zip(rows, problems, strict=True):
        extracted = extract(row.solution or "", LANGUAGE)
        assert extracted
        assert extracted.answer == row.answer == row.reference_answer
        assert row.question == problem.question
    pairs = [(row.answer or "", one.worked.answer) for row, one in zip(rows, problems, strict=True)]
    assert "equal" not in judge.equal(pairs)
    wrong = [not all(one.true for one in recomputing.calculations(row.solution or "")) for row in rows]
    assert sum(wrong) > 0.8 * len(
        rows
    )  # where no calculation leads to the answer, the answer alone is changed


def test_what_is_held_out_is_in_nothing_that_is_drawn(tmp_path: Path) -> None:
    nothing: Any = None
    for sizes in (QUICK, WHOLE):
        items = held_out(sizes)
        assert [one.subdomain for one in items] == [name for name in FAMILIES for _ in range(sizes.items)]
        questions = {one.question for one in items}
        assert len(questions) == len(items)
        lab = Lab(sizes, 3, tmp_path, tmp_path, nothing, nothing, nothing, items)
        for count, shares in ((sizes.rows, SKEWED), (sizes.pool, SKEWED), (sizes.probes, EVEN)):
            drawn = lab.draw("rows", count, shares)
            assert len({one.question for one in drawn}) == count
            assert not questions & {one.question for one in drawn}


def test_items_keep_their_order_and_subdomain() -> None:
    items = of_rows(to_table(words(held_out(QUICK))), "proof")
    assert items.column("subdomain").to_pylist() == [name for name in FAMILIES for _ in range(QUICK.items)]
    assert items.column("question").to_pylist() == [one.question for one in held_out(QUICK)]


def test_small_talk_is_reversed_and_avoids_what_is_held_out() -> None:
    held = chat(rng_of("held out talk"), 100)
    drawn = chat(rng_of("talk"), 100, without={row.question for row in held})
    assert not {row.question for row in held} & {row.question for row in drawn}
    for row in drawn:
        listed = row.question.removeprefix("Turn around: ").removesuffix(".").split()
        assert row.solution == rf"\boxed{{{' '.join(reversed(listed))}}}"


def test_calculations_are_true() -> None:
    for row in calculations(rng_of("sums"), 50):
        lines = (row.solution or "").split("\n")
        assert [line.partition(" = ")[0] for line in lines] == row.question.split("; ")
        assert all([one.true for one in recomputing.calculations(line)] == [True] for line in lines)


def test_too_many_different_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="ask for fewer"):
        draw(rng_of("many"), 3, {"rates and units": 1.0}, without=_EveryQuestion())


def test_the_rare_subdomains_are_rare() -> None:
    drawn = draw(rng_of("rare"), 500, SKEWED)
    assert sum(one.subdomain in list(FAMILIES)[4:] for one in drawn) < 130


class _EveryQuestion(frozenset[str]):
    def __contains__(self, question: object) -> bool:
        return True
