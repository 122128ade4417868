"""Canaries are what they are known to be, read like the rows around them, and are the same for the same rows."""

from __future__ import annotations

import pytest

from storage.rows import Row, to_table
from tasks.answers import extract
from tasks.canaries.solutions import INJECTIONS, Canary, CanaryKind, canaries
from tasks.problems.machinery.family import families, make, recognise
from tasks.seeding import rng_of
from tasks.teacher.comparing import same_answer
from tasks.teacher.solving import laid_out_program, laid_out_words

MANY = 120


def judged_rows(count: int, *, sure: bool, language: str = "en") -> list[Row]:
    """Solutions of family problems, half of them programs; the first is one that the critic is asked about."""
    rows = []
    for i in range(count):
        rng = rng_of("canary rows", language, i)
        problem = make(rng.choice(list(families().values())), rng, 1, language)
        program = i % 2 == 1
        text = (
            laid_out_program(problem.worked.program, 0)
            if program
            else laid_out_words(problem.worked, language, rng)
        )
        rows.append(
            Row(
                problem.question,
                language,
                solution=text,
                solution_format="pot" if program else "cot",
                answer=problem.worked.answer,
                subdomain=problem.subdomain,
                correctness=0.99 if sure and i > 1 else 0.6,
                verdicts={"settled": "yes" if sure and i > 1 else "no"},
            )
        )
    return rows


def truth(canary: Canary) -> bool:
    """Whether the canary's own answer is that of its question, by the family that wrote it."""
    problem = recognise(canary.row.question, canary.row.language)
    assert problem is not None
    answer = canary.row.answer
    if canary.row.solution_format == "cot":
        stated = extract(canary.row.solution or "", canary.row.language)
        assert stated is not None
        answer = stated.answer
    same = same_answer(answer or "", problem.worked.answer)
    return bool(same)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("sure", [True, False])
def test_canaries_are_what_they_are_known_to_be(language: str, sure: bool) -> None:
    """From the batch's own rows on which the votes are sure, and from the families where there are none."""
    rows = judged_rows(60, sure=sure, language=language)
    asked = [i for i, row in enumerate(rows) if row.verdicts["settled"] == "no"]
    hidden = [one for turn in range(MANY) for one in canaries(to_table(rows), asked[:2], 2, "shard", turn)]
    assert len(hidden) == 2 * MANY
    kinds = {kind: [one for one in hidden if one.kind is kind] for kind in CanaryKind}
    assert all(len(some) > MANY // 5 for some in kinds.values())
    for canary in hidden:
        assert canary.row.language == language
        assert truth(canary) == (canary.kind is CanaryKind.RIGHT), canary.row.solution
        injected = any(words in (canary.row.solution or "") for words in INJECTIONS[language])
        assert injected == (canary.kind is CanaryKind.INJECTED)
    formats = {one.row.solution_format for one in hidden}
    assert formats == {"cot", "pot"}


def test_right_canaries_are_rows_of_the_batch() -> None:
    rows = judged_rows(40, sure=True)
    texts = {row.solution for row in rows[2:]}
    hidden = [one for turn in range(60) for one in canaries(to_table(rows), [0, 1], 2, turn)]
    assert {one.row.solution for one in hidden if one.kind is CanaryKind.RIGHT} <= texts
    wrong = [one for one in hidden if one.kind is CanaryKind.WRONG]
    assert not {one.row.solution for one in wrong} & texts
    questions = {row.question for row in rows}
    assert sum(one.row.question in questions for one in wrong) > 0.8 * len(wrong)


def test_rows_that_the_votes_call_wrong_are_wrong_canaries() -> None:
    """Errors that models hidden themselves are the best ones; a trusted answer overrules the votes."""
    rows = judged_rows(30, sure=True)
    for row in rows[2:]:
        row.correctness = 0.01
    rows[2].verdicts["equivalent"] = "equal"
    hidden = [one for turn in range(60) for one in canaries(to_table(rows), [0, 1], 2, turn)]
    wrong = {one.row.solution for one in hidden if one.kind is CanaryKind.WRONG}
    assert wrong <= {row.solution for row in rows[3:]}


def test_equal_rows_give_equal_canaries_with_ids_of_their_own() -> None:
    rows = judged_rows(20, sure=True)
    first, second = (canaries(to_table(rows), [0, 1], 2, "shard") for _ in range(2))
    assert first == second
    assert canaries(to_table(rows), [0, 1], 2, "another") != first
    known = {row.id for row in rows} | {row.problem_id for row in rows}
    assert not known & {one.row.id for one in first}
    assert not known & {one.row.problem_id for one in first}


def test_no_more_canaries_than_rows_that_are_asked_about() -> None:
    rows = judged_rows(4, sure=True)
    assert canaries(to_table(rows), [], 2, "none") == []
    assert len(canaries(to_table(rows), [0], 9, "one")) == 1


@pytest.mark.parametrize("sure", [True, False])
def test_a_canary_has_a_trusted_answer_where_the_other_rows_have_one(sure: bool) -> None:
    """A critic that is shown trusted answers must not know a canary by the lack of one."""
    rows = judged_rows(40, sure=sure)
    for row in rows:
        row.reference_answer = row.answer
    for turn in range(40):
        for one in canaries(to_table(rows), [0, 1], 2, turn):
            assert one.row.reference_answer
            same = same_answer(one.row.answer or "", one.row.reference_answer)
            assert same == (one.kind is CanaryKind.RIGHT)


def judged(question: str, correctness: float) -> Row:
    text = "It is 2 + 3 = 5.\nThe answer is \\boxed{5}."
    return Row(question, "en", solution=text, solution_format="cot", answer="5", correctness=correctness)


def test_half_of_the_canaries_are_rows_that_people_judged() -> None:
    rows = to_table([judged(f"What is {n} + 1?", 0.5) for n in range(4)])
    of_gold = [judged(f"Judged {n}: what is {n} + 2?", float(n % 2)) for n in range(20)]
    gold = to_table(of_gold)
    by_text = {one.question: one.correctness == 1 for one in of_gold}
    hidden = [one for turn in range(60) for one in canaries(rows, [0, 1], 2, turn, gold=gold)]
    of_people = [one for one in hidden if one.row.question in by_text]
    assert 0.35 < len(of_people) / len(hidden) < 0.65
    for one in of_people:
        assert by_text[one.row.question] == (one.kind is CanaryKind.RIGHT)
        assert one.row.id not in {two.id for two in of_gold}  # no request or score is that of the row
    none = [one for turn in range(60) for one in canaries(rows, [0, 1], 2, turn)]
    same = [(a, b) for a, b in zip(hidden, none, strict=True) if a.row.question not in by_text]
    assert all(a == b for a, b in same)  # the others are those of a night without judgements
