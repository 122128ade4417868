"""The proof's problems: eight families, short enough for a small student to learn on a CPU, each with an exact answer, worked
steps and a program. Their questions take fewer tokens than those of the families in tasks/problems.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProofProblem:
    """`steps` are the equations of a worked solution, `program` prints the answer."""

    subdomain: str
    question: str
    steps: tuple[str, ...]
    program: str
    answer: str

    @property
    def cot(self) -> str:
        return worked_solution(self.steps, self.answer)


def worked_solution(steps: Sequence[str], answer: str) -> str:
    """Return a worked solution in words: the steps, then the answer in the format of GSM8K."""
    return f"{', '.join(steps)} #### {answer}"


def _arithmetic(rng: random.Random) -> ProofProblem:
    a, b, c = rng.randint(1, 20), rng.randint(2, 9), rng.randint(2, 5)
    product = b * c
    steps = (f"{b} * {c} = {product}", f"{a} + {product} = {a + product}")
    return _problem(
        "multi-step arithmetic", f"{a} + {b} * {c}", steps, f"print({a} + {b} * {c})", a + product
    )


def _linear(rng: random.Random) -> ProofProblem:
    a, x, b = rng.randint(2, 9), rng.randint(2, 9), rng.randint(1, 20)
    c = a * x + b
    steps = (f"{c} - {b} = {c - b}", f"{c - b} / {a} = {x}")
    return _problem("linear equations", f"{a} x + {b} = {c}", steps, f"print(({c} - {b}) // {a})", x)


def _series(rng: random.Random) -> ProofProblem:
    first, gap, n = rng.randint(1, 15), rng.randint(2, 9), rng.randint(4, 8)
    second, rise = first + gap, gap * (n - 1)
    steps = (f"{second} - {first} = {gap}", f"{gap} * {n - 1} = {rise}", f"{first} + {rise} = {first + rise}")
    question, program = f"term {n} of {first} , {second}", f"print({first} + ({second} - {first}) * {n - 1})"
    return _problem("sequences and series", question, steps, program, first + rise)


def _mean(rng: random.Random) -> ProofProblem:
    a, b = rng.randint(1, 12), rng.randint(1, 12)
    mean = (a + b) // 3 + rng.randint(1, 6)
    c = 3 * mean - a - b
    steps = (f"{a} + {b} = {a + b}", f"{a + b} + {c} = {3 * mean}", f"{3 * mean} / 3 = {mean}")
    question, program = f"mean of {a} , {b} , {c}", f"print(({a} + {b} + {c}) // 3)"
    return _problem("descriptive statistics", question, steps, program, mean)


def _remainder(rng: random.Random) -> ProofProblem:
    by, times = rng.randint(3, 9), rng.randint(2, 9)
    rest = rng.randrange(by)
    whole = by * times + rest
    steps = (f"{by} * {times} = {whole - rest}", f"{whole} - {whole - rest} = {rest}")
    return _problem("modular arithmetic", f"{whole} mod {by}", steps, f"print({whole} % {by})", rest)


def _share(rng: random.Random) -> ProofProblem:
    a, b = rng.sample(range(1, 8), 2)
    parts, unit = a + b, rng.randint(2, 9)
    total = parts * unit
    steps = (f"{a} + {b} = {parts}", f"{total} / {parts} = {unit}", f"{unit} * {a} = {unit * a}")
    question, program = f"share {total} by {a} : {b}", f"print({total} // ({a} + {b}) * {a})"
    return _problem("ratios and proportions", question, steps, program, unit * a)


def _percent(rng: random.Random) -> ProofProblem:
    part, whole = rng.randint(1, 9) * 10, rng.randint(2, 20) * 10
    tenth = whole // 10
    total = tenth * (part // 10)
    steps = (f"{whole} / 10 = {tenth}", f"{tenth} * {part // 10} = {total}")
    question, program = f"{part} % of {whole}", f"print({part} * {whole} // 100)"
    return _problem("fractions and percentages", question, steps, program, total)


def _perimeter(rng: random.Random) -> ProofProblem:
    a, b = rng.randint(2, 20), rng.randint(2, 20)
    steps = (f"{a} + {b} = {a + b}", f"{a + b} * 2 = {2 * (a + b)}")
    return _problem("plane geometry", f"around {a} by {b}", steps, f"print(2 * ({a} + {b}))", 2 * (a + b))


# the common ones first (SKEWED in tasks/proof/lab.py)
FAMILIES: dict[str, Callable[[random.Random], ProofProblem]] = {
    "multi-step arithmetic": _arithmetic,
    "linear equations": _linear,
    "sequences and series": _series,
    "descriptive statistics": _mean,
    "modular arithmetic": _remainder,
    "ratios and proportions": _share,
    "fractions and percentages": _percent,
    "plane geometry": _perimeter,
}


def _problem(
    subdomain: str, question: str, steps: tuple[str, ...], program: str, answer: int
) -> ProofProblem:
    return ProofProblem(subdomain, question, steps, program, str(answer))
