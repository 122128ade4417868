"""Solutions in words and as programs are right where no error was drawn, and wrong at the stated rates."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from tasks.answers import extract
from tasks.answers.exact import decide
from tasks.critics.error_injection import inject_error
from tasks.critics.recomputing import calculations
from tasks.problems.machinery.family import LANGUAGES, Problem, families, make
from tasks.replies.programs import program
from tasks.seeding import rng_of
from tasks.taxonomy import SUBDOMAINS
from tasks.teacher.character import PERFECT, SMALL, STRONG, Character, Rates
from tasks.teacher.equations import worked_text

Say = Callable[..., list[str]]
Run = Callable[[Sequence[str]], list[str | None]]


def every(per_family: int = 1, salt: str = "solve") -> list[Problem]:
    """Problems of every family in both languages, over the levels."""
    return [
        make(family, rng_of(salt, name, language, index), 1 + index % 3, language)
        for name, family in families().items()
        for language in LANGUAGES
        for index in range(per_family)
    ]


def test_every_family_is_solved_in_words(say: Say) -> None:
    solved = set()
    for problem in every(3):
        for text in say("solve_cot", problem.language, question=problem.question, n=3):
            extraction = extract(text, problem.language)
            assert extraction is not None
            assert (extraction.kind, extraction.answer) == ("boxed", problem.worked.answer)
            assert text.split("\n")[-1] == rf"\boxed{{{problem.worked.answer}}}"
        solved.add((problem.subdomain, problem.language))
    assert {subdomain for subdomain, _ in solved} <= set(SUBDOMAINS)


@pytest.mark.slow
def test_every_family_is_solved_by_a_program_that_runs(say: Say, run_programs: Run) -> None:
    problems = every()[::2] + every()[1::8]  # the programs of both languages are the same
    programs = []
    for index, problem in enumerate(problems):
        (text,) = say("solve_pot", problem.language, question=problem.question, seed=index)
        code = program(text)
        assert code is not None, text
        programs.append(code)
    printed = run_programs(programs)
    assert printed == run_programs([problem.worked.program for problem in problems])
    verdicts = []
    for problem, out in zip(problems, printed, strict=True):
        assert out, (problem.family, problem.question)
        verdicts.append(decide(out, problem.worked.answer))
        assert verdicts[-1] != "different", (problem.family, problem.question, out, problem.worked.answer)
    # the rest needs computer algebra, which the families' own tests have
    assert verdicts.count("equal") > 0.6 * len(verdicts)


def test_samples_of_a_question_differ_in_text_and_agree_in_answer(say: Say) -> None:
    for problem in every()[:12]:
        texts = say("solve_cot", problem.language, question=problem.question, n=16)
        assert len(set(texts)) >= 6
        assert (
            len({extraction.answer for text in texts if (extraction := extract(text, problem.language))}) == 1
        )


def within(count: int, trials: int, rate: float) -> bool:
    """Within 4.5 standard deviations of a binomial count: what is drawn from seeds never changes by itself."""
    return abs(count - trials * rate) <= 4.5 * (trials * rate * (1 - rate)) ** 0.5 + 1


def rates_in_words(say: Say, character: Character, problems: list[Problem], n: int) -> tuple[int, int, int]:
    """(samples, wrong answers, answers without a box)"""
    samples = wrong = unboxed = 0
    for problem in problems:
        for text in say("solve_cot", problem.language, question=problem.question, n=n, character=character):
            samples += 1
            extraction = extract(text, problem.language)
            if extraction is None or extraction.kind != "boxed":
                unboxed += 1
            else:
                wrong += extraction.answer != problem.worked.answer
    return samples, wrong, unboxed


def test_errors_in_words_come_at_the_stated_rates(say: Say) -> None:
    samples, wrong, unboxed = rates_in_words(say, STRONG, every(1, "rates"), 16)
    assert samples >= 700
    assert within(wrong, samples, STRONG.rates.wrong_words)
    assert within(unboxed, samples, (1 - STRONG.rates.wrong_words) * STRONG.rates.malformed)


def test_the_student_is_poor_and_has_weak_spots(say: Say) -> None:
    problems = every(1, "student")
    weak = [problem for problem in problems if problem.subdomain in SMALL.weak]
    strong = [problem for problem in problems if problem.subdomain not in SMALL.weak]
    assert len({problem.subdomain for problem in weak}) >= 3
    samples, wrong, _ = rates_in_words(say, SMALL, strong, 8)
    assert within(wrong, samples, SMALL.rates.wrong_words)
    samples, wrong, _ = rates_in_words(say, SMALL, weak, 8)
    assert within(wrong, samples, SMALL.weak_rate)


@pytest.mark.slow
def test_program_errors_come_at_the_stated_rates(say: Say) -> None:
    samples = wrong = malformed = 0
    for problem in every(1, "programs"):
        rights = {
            text
            for seed in range(6)
            for text in say("solve_pot", problem.language, question=problem.question, n=16, seed=seed)
        }
        codes = {program(text) for text in rights}
        for text in say("solve_pot", problem.language, question=problem.question, n=12, character=STRONG):
            samples += 1
            if not text.rstrip().endswith("```"):
                malformed += 1  # a reader may still find the program
                continue
            wrong += program(text) not in codes
    assert within(wrong, samples, STRONG.rates.wrong_program)
    assert within(malformed, samples, (1 - STRONG.rates.wrong_program) * STRONG.rates.malformed)


@pytest.mark.slow
def test_program_bugs_are_of_every_kind_and_mostly_show(say: Say, run_programs: Run) -> None:
    buggy = Character("embedded", dataclasses.replace(PERFECT, wrong_program=1.0))
    kinds: Counter[str] = Counter()
    shown: dict[str, tuple[str, str]] = {}
    for problem in every(1, "bugs"):
        (right,) = say("solve_pot", problem.language, question=problem.question)
        for text in say("solve_pot", problem.language, question=problem.question, character=buggy, n=4):
            code = program(text) or ""
            if "while True" in code:
                kind = "endless"
            elif "print(" not in code:
                kind = "silent"
            else:
                kind = "raises" if "mathlib" in code or "print(total + " in code else "number"
            kinds[kind] += 1
            if kind != "endless" and kinds[kind] <= 8:
                shown[code] = (kind, program(right) or "")
    assert set(kinds) == {"endless", "silent", "raises", "number"}
    assert kinds["number"] > 3 * kinds["raises"] > 3 * kinds["endless"]
    printed = run_programs([*shown, *(right for _, right in shown.values())])
    expected = printed[len(shown) :]
    outcomes: Counter[tuple[str, str]] = Counter()
    for (kind, _), out, right in zip(shown.values(), printed, expected, strict=False):
        outcomes[
            kind, "none" if out is None else "empty" if out == "" else "same" if out == right else "other"
        ] += 1
    assert {outcome for kind, outcome in outcomes if kind == "silent"} <= {"empty"}
    assert {outcome for kind, outcome in outcomes if kind == "raises"} <= {"none"}
    # a changed number does not always change what is printed
    assert outcomes["number", "other"] > outcomes["number", "same"]


def test_wrong_words_show_one_false_step_or_a_misstated_answer(say: Say) -> None:
    wrong = Character("embedded", dataclasses.replace(PERFECT, wrong_words=1.0))
    for problem in every(1, "wrong"):
        for text in say("solve_cot", problem.language, question=problem.question, n=2, character=wrong):
            extraction = extract(text, problem.language)
            assert extraction is not None
            assert extraction.answer != problem.worked.answer
            false = [line for line in text.split("\n") if any(not s.true for s in calculations(line))]
            assert len(false) <= 2, text


def test_an_unknown_problem_gets_an_honest_try_or_none(say: Say) -> None:
    question = "Natalia sold clips to 48 of her friends in April, and half as many in May. How many in all?"
    texts = say("solve_cot", question=question + " She keeps 7.", n=40, character=STRONG)
    tries = [text for text in texts if "\\boxed" in text]
    assert 10 <= len(tries) <= 36
    assert all("not sure" in text for text in tries)
    assert all("do not know" in text for text in texts if text not in tries)
    assert all(statement.true for text in tries for statement in calculations(text))
    assert say("solve_pot", "zh", question="求证该命题。")[0].startswith("我不会")


PLAIN = {
    "What is 12*7?": "84",
    "What is 12 times 7?": "84",
    "Compute (3+4)*5 - 2^3.": "27",
    "Compute 15% of 80.": "12",
    "Solve for x: 3x+4=19": "5",
    "Solve 2(t - 1) = 7 - t.": "3",
    "3x^2 - 12 = 0 的解是多少？": "-2, 2",
    "计算 1/3 + 1/6。": "1/2",
    r"Simplify \frac{3}{4} + \frac{1}{4}": "1",
    "12 乘以 7 等于多少？": "84",
}


@pytest.mark.slow
def test_plain_questions(run_programs: Run) -> None:
    results = [worked_text(question, "en") for question in PLAIN]
    works = [worked for worked in results if worked is not None]
    assert [worked.answer for worked in works] == list(PLAIN.values())
    printed = run_programs([worked.program for worked in works])
    assert [str(out).replace(" ", "") for out in printed] == [
        answer.replace(" ", "") for answer in PLAIN.values()
    ]
    for worked in works:
        assert inject_error(worked.steps, worked.answer, rng_of(worked.answer))[1] != worked.answer


@pytest.mark.parametrize(
    "question",
    ["Hello", "Solve x + y = 3", "x^2 = 2", "2 + 3 and 4 + 5?", "sin x = 1/2", "1" * 500, "x^2 + 1 = 0"],
)
def test_plain_questions_it_does_not_know(question: str) -> None:
    assert worked_text(question, "en") is None


def test_rates_are_probabilities() -> None:
    for rates in (Rates(), PERFECT, SMALL.rates):
        assert all(0 <= rate <= 1 for rate in dataclasses.astuple(rates))
