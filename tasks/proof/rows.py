"""The rows of the proof: problems of eight families of tasks/problems in English at level 1, solved in words or by a program,
and small talk, which is no mathematics."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence

from storage.counting import counted
from storage.rows import Row
from tasks.critics import recomputing
from tasks.critics.error_injection import inject_error
from tasks.problems.machinery.family import Problem, families, make
from tasks.seeding import rng_of
from tasks.taxonomy import domain_of

# subdomain -> family, those with the shortest solutions; the common ones first
FAMILIES = {
    "multi-step arithmetic": "shopping_change",
    "linear equations": "linear_equation",
    "ratios and proportions": "ratio_share",
    "exponents and logarithms": "logarithm_value",
    "functions": "function_composition",
    "descriptive statistics": "list_statistics",
    "sequences and series": "arithmetic_series",
    "rates and units": "travel_speed",
}
# shares of the subdomains in rows that no retrieval has chosen: four are common, four are rare
COMMON, RARE = 0.21, 0.04
SKEWED = dict(zip(FAMILIES, [COMMON] * 4 + [RARE] * 4, strict=True))
EVEN = dict.fromkeys(FAMILIES, 1.0)

LANGUAGE, LEVEL = "en", 1
# ends a question that is to be answered by a program, as in MAmmoTH (arXiv:2309.05653)
BY_PROGRAM = " Write a program."
_SUMS = 4  # calculations per row
_WORDS = ["red", "blue", "green", "black", "white", "gold", "pink", "grey", "brown", "silver", "tin", "lead"]


def draw(
    rng: random.Random, count: int, shares: Mapping[str, float], *, without: Collection[str] = ()
) -> list[Problem]:
    """Draw `count` problems with different questions, none of them in `without`; `shares` are those of the subdomains.

    Raises ValueError if the families have too few questions.
    """
    problems: dict[str, Problem] = {}
    names, weights = list(shares), list(shares.values())
    for _ in range(200 * count):
        if len(problems) == count:
            break
        problem = make(families()[FAMILIES[rng.choices(names, weights)[0]]], rng, LEVEL, LANGUAGE)
        if problem.question not in without:
            problems.setdefault(problem.question, problem)
    else:
        raise ValueError(
            f"only {len(problems)} of {counted(count, 'different question')} could be drawn; ask for fewer"
        )
    return list(problems.values())


def words(problems: Sequence[Problem]) -> list[Row]:
    """Return each problem with its worked solution in words, which ends with the answer in a box."""
    return [
        _solved(one, one.question, _boxed(one.worked.steps, one.worked.answer), "cot") for one in problems
    ]


def programs(problems: Sequence[Problem]) -> list[Row]:
    """Return each problem with its program. The question ends with BY_PROGRAM."""
    return [_solved(one, one.question + BY_PROGRAM, one.worked.program, "pot") for one in problems]


def spoiled(problem: Problem, seed: int) -> Row:
    """Return the problem solved in words with one wrong calculation, from which the later steps and the answer follow."""
    rng = rng_of("proof", seed, "slip", problem.question)
    steps, answer = inject_error(problem.worked.steps, problem.worked.answer, rng)
    row = _solved(problem, problem.question, _boxed(steps, answer), "cot")
    row.answer = row.reference_answer = answer
    return row


def chat(rng: random.Random, count: int, *, without: Collection[str] = ()) -> list[Row]:
    """Draw small talk, lists of words that are to be repeated in reverse order, with different questions, none of them in
    `without`."""
    rows: dict[str, Row] = {}
    while len(rows) < count:
        listed = rng.sample(_WORDS, rng.randint(2, 4))
        question, answer = f"Turn around: {' '.join(listed)}.", " ".join(reversed(listed))
        if question not in without:
            rows.setdefault(question, _row(question, _boxed((), answer), "cot", answer, "small talk"))
    return list(rows.values())


def calculations(rng: random.Random, count: int) -> list[Row]:
    """Draw calculations without a question, those of worked solutions of all families in random order."""
    sums: list[tuple[str, str]] = []
    while len(sums) < count * _SUMS:
        problem = make(families()[rng.choice(list(FAMILIES.values()))], rng, LEVEL, LANGUAGE)
        sums += [
            (one.left_text.strip(), step[one.start : one.end].strip())
            for step in problem.worked.steps
            for one in recomputing.calculations(step)
        ]
    rng.shuffle(sums)
    rows: dict[str, Row] = {}
    for i in range(0, count * _SUMS, _SUMS):
        part = sums[i : i + _SUMS]
        question, solution = "; ".join(left for left, _ in part), "\n".join(whole for _, whole in part)
        rows.setdefault(question, _row(question, solution, "cot", None, "calculations"))
    return list(rows.values())


def _boxed(steps: Sequence[str], answer: str) -> str:
    return "\n".join([*steps, rf"\boxed{{{answer}}}"])


def _solved(problem: Problem, question: str, solution: str, kind: str) -> Row:
    return _row(question, solution, kind, problem.worked.answer, problem.subdomain)


def _row(question: str, solution: str, kind: str, answer: str | None, subdomain: str) -> Row:
    return Row(
        question,
        LANGUAGE,
        solution=solution,
        solution_format=kind,
        answer=answer,
        reference_answer=answer,
        domain=domain_of(subdomain),
        subdomain=subdomain,
        source="proof",
        license="CC0-1.0",
    )
