"""Every family, at every level and in both languages, reads what it writes, and its worked solutions are right."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import random
import re
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import pytest
from math_verify import parse, verify

from tasks.problems.machinery.family import (
    LANGUAGES,
    LEVELS,
    Family,
    Worked,
    families,
    make,
    of_subdomain,
    recognise,
)
from tasks.problems.machinery.notation import Unworkable
from tasks.problems.machinery.slots import (
    Coefficient,
    Fractional,
    Matrix,
    Number,
    Numbers,
    Polynomial,
    Signed,
    Slot,
    compact,
)
from tasks.seeding import rng_of
from tasks.taxonomy import SUBDOMAINS

pytestmark = pytest.mark.slow


def _beside(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


claims = _beside("claims")
NAMES = sorted(families())
CASES = [(name, level, language) for name in NAMES for level in LEVELS for language in LANGUAGES]


def _run(program: str) -> str:
    """Return the last line that a program of a family prints."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(program, {"__name__": "__main__"})
    return output.getvalue().strip().splitlines()[-1]


def _equal(answer: str, printed: str) -> bool:
    """Compare exactly if both are fractions, and otherwise by math-verify."""
    left, right = (re.sub(r"\\frac\{(\d+)\}\{(\d+)\}", r"\1/\2", text) for text in (answer, printed))
    if re.fullmatch(r"-?\d+(/\d+)?", left) and re.fullmatch(r"-?\d+(/\d+)?", right):
        return Fraction(left) == Fraction(right)
    if answer == printed:
        return True
    # no limits of wall time: on a busy machine they would end as "different"
    parsed = [parse(f"${text}$", parsing_timeout=None) for text in (answer, printed)]
    return bool(verify(*parsed, timeout_seconds=None))


def test_every_subdomain_has_a_family() -> None:
    missing = [subdomain for subdomain in SUBDOMAINS if not of_subdomain(subdomain)]
    assert missing == []
    assert len(families()) >= 30
    assert {family.subdomain for family in families().values()} <= set(SUBDOMAINS)


@pytest.mark.parametrize("name", NAMES)
def test_phrasings_and_concepts(name: str) -> None:
    family = families()[name]
    assert family.concepts
    for language, least in (("en", 3), ("zh", 2)):
        for group in family.phrasings[language].values():
            assert len(set(group)) >= least


@pytest.mark.parametrize(("name", "level", "language"), CASES)
def test_reads_what_it_writes(name: str, level: int, language: str) -> None:
    family = families()[name]
    for index in range(20):
        rng = rng_of("read", name, level, language, index)
        values = family.draw(rng, level)
        question = family.write(values, language, index)
        assert family.read(question, language) == values
        assert family.read("\n " + re.sub(r" ", "\n  ", question) + "\t", language) == values
        assert "  " not in question


@pytest.mark.parametrize(("name", "level", "language"), CASES)
def test_work_is_right(name: str, level: int, language: str) -> None:
    """The program agrees with the answer, and every equality in the steps holds."""
    family = families()[name]
    for index in range(8):
        problem = make(family, rng_of("work", name, level, language, index), level, language)
        worked = problem.worked
        assert claims.false_claims(worked.steps) == []
        assert claims.claims(worked.steps), worked.steps
        assert 2 <= len(worked.steps) <= 7
        assert bool(re.search(r"[\u4e00-\u9fff]", " ".join(worked.steps))) == (language == "zh")
        if language == "zh":  # the program speaks no language: it is run for English
            english = family.work(dict(problem.values), "en")
            assert (english.program, english.answer) == (worked.program, worked.answer)
        elif index < 3:
            printed = _run(worked.program)
            assert _equal(worked.answer, printed), (problem.question, worked.answer, printed)


@pytest.mark.parametrize(("name", "level"), sorted({(name, level) for name, level, _ in CASES}))
def test_questions_do_not_run_out(name: str, level: int) -> None:
    """Of 400 draws fewer than a sixth repeat: by the birthday bound, about 1,000 questions or more.

    In Chinese, which has the fewer phrasings.
    """
    family = families()[name]
    rngs = (rng_of("distinct", name, level, index) for index in range(400))
    questions = {family.write(family.draw(rng, level), "zh", rng.randrange(1 << 16)) for rng in rngs}
    assert len(questions) >= 334


@pytest.mark.parametrize("name", NAMES)
def test_levels_differ(name: str) -> None:
    """Level 1 and level 3 hardly share a question, and draws are a function of the seed."""
    family = families()[name]

    def drawn(level: int) -> set[str]:
        rngs = (rng_of("levels", name, index) for index in range(150))
        return {family.write(family.draw(rng, level), "en") for rng in rngs}

    low, middle, high = (drawn(level) for level in LEVELS)
    assert drawn(1) == low
    assert len(low & high) <= 15
    assert len(middle & high) <= 75
    assert len(low & middle) <= 75


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_family_reads_another(language: str) -> None:
    for name, family in families().items():
        for level in LEVELS:
            for phrasing in range(6):
                values = family.draw(rng_of("cross", name, level, phrasing), level)
                question = family.write(values, language, phrasing)
                readers = [
                    other for other in families() if families()[other].read(question, language) is not None
                ]
                assert readers == [name], question
                problem_read = recognise(question, language)
                assert problem_read is not None
                assert dict(problem_read.values) == values


def test_unknown_text_is_not_recognised() -> None:
    assert recognise("Prove that there are infinitely many primes.", "en") is None
    assert recognise("", "en") is None
    assert recognise("7" * 100_000, "zh") is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_altered_numbers_are_worked_or_refused(language: str) -> None:
    """Questions with other numbers, as a model would write them, never raise and never get a wrong solution."""
    checked = 0
    for name, family in families().items():
        for index in range(9):
            rng = rng_of("altered", name, language, index)
            question = family.write(family.draw(rng, 1 + index % 3), language, index)
            altered = "".join(_other(part, rng) for part in re.split(r"(\d+)", question))
            problem = recognise(altered, language)
            if problem is None:
                continue
            assert claims.false_claims(problem.worked.steps) == [], altered
            if index < 3 and language == "en":
                printed = _run(problem.worked.program)
                assert _equal(problem.worked.answer, printed), (altered, problem.worked.answer, printed)
                checked += 1
    assert language == "zh" or checked >= len(families())


def _other(number: str, rng: random.Random) -> str:
    if not number.isdigit() or rng.random() < 0.6:
        return number
    return str(rng.choice((0, 1, 2, 7, 10, rng.randint(0, 50), int(number) + 1, 10**9, 10**15)))


def test_a_planted_error_is_caught() -> None:
    """The checks above fail on a wrong answer and on a wrong step."""
    for name, family in families().items():
        problem = make(family, rng_of("planted", name), 2, "en")
        printed = _run(problem.worked.program)
        wrong = re.sub(r"\d+", lambda match: str(int(match[0]) + 1), problem.worked.answer, count=1)
        assert _equal(problem.worked.answer, printed)
        assert not _equal(wrong, printed), name
        plain = family.work(dict(problem.values), "en")
        assert _wrong_step_found(plain), (name, plain.steps)


def _wrong_step_found(worked: Worked) -> bool:
    """Add 1 to the right side of every claim in turn; all must be noticed."""
    for number, step in enumerate(worked.steps):
        for _, right in claims.claims([step]):
            wrong = step.replace(f"= {right}", f"= {right} + 1", 1)
            steps = [*worked.steps[:number], wrong, *worked.steps[number + 1 :]]
            if wrong == step or not claims.false_claims(steps):
                return False
    return True


def test_refusals_name_the_reason() -> None:
    family = families()["linear_equation"]
    with pytest.raises(Unworkable, match="coefficients of x"):
        family.work({"form": 2, "a": 3, "b": 1, "c": 3, "d": 2}, "en")
    assert recognise("Solve for $x$: $3x + 1 = 3x + 2$.", "en") is None


def test_a_phrasing_needs_literal_text() -> None:
    module = ModuleType("broken")
    vars(module).update(subdomain="functions", concepts=("x",), templates={"en": ["{a} {b} {c}"]})
    with pytest.raises(ValueError, match="more words"):
        Family("broken", module)


def test_slots_refuse_what_they_would_not_write() -> None:
    """Numbers out of bounds, other spellings of a number, ragged matrices, parts of nothing."""
    refused: list[tuple[Slot, str]] = [
        (Number(1, 9), "10"),
        (Number(0, 99), "07"),
        (Signed(), "+0"),
        (Coefficient(), "1"),
        (Coefficient(later=True), "+1"),
        (Polynomial(), "x^2+x^2"),
        (Polynomial(), "0x+1"),
        (Polynomial(degree=2), "x^3"),
        (Polynomial(), "x++1"),
        (Matrix(), r"1&2\\3"),
        (Matrix(2), "1&2&3"),
        (Fractional(), r"\frac{0}{3}"),
        (Fractional(), r"\frac{1}{0}"),
        (Numbers(2, 3), "1,2,3,4"),
    ]
    for slot, text in refused:
        with pytest.raises(Unworkable):
            slot.parse(text, "en")


def test_a_hostile_question_costs_nothing() -> None:
    """Slots refuse numbers that would make `work` take very long."""
    assert recognise("Compute $7^{999999999} \\bmod 1000003$.", "en") is None
    assert recognise("What is the exponent of 2 in the prime factorization of $9999999999!$?", "en") is None
    assert recognise("Factor 999999999999999999 into primes.", "en") is None
    assert recognise("Find the greatest common divisor of " + "9" * 1500 + " and 3.", "en") is None


def test_compact_removes_every_white_space() -> None:
    assert compact(" a\u3000b\n\tc\u00a0d ") == "abcd"
