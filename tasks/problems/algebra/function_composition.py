"""Composed functions.

Level 1: f(g(n)) of two linear functions. Level 2: of two quadratics. Level 3: f(g(x)) and f are given,
a value of g is asked. There are over 100,000 questions at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Steps, Values, Worked, factors, nonzero
from tasks.problems.machinery.notation import (
    coefficients,
    evaluate,
    fraction,
    plain,
    polynomial,
    python_polynomial,
    require,
    substituted,
)
from tasks.problems.machinery.slots import Number, Polynomial

subdomain = "functions"
concepts = ("composition of functions", "evaluating functions")
templates = {
    "en": {
        1: [
            "Let $f(x) = {p}$ and $g(x) = {q}$. Find $f(g({n}))$.",
            "If $f(x) = {p}$ and $g(x) = {q}$, what is the value of $f(g({n}))$?",
            "For the functions $f(x) = {p}$ and $g(x) = {q}$, compute $f(g({n}))$.",
        ],
        3: [
            "Let $f(x) = {p}$ and $f(g(x)) = {q}$. Find $g({n})$.",
            "If $f(x) = {p}$ and $f(g(x)) = {q}$ for all real $x$, what is the value of $g({n})$?",
            "The functions $f$ and $g$ satisfy $f(x) = {p}$ and $f(g(x)) = {q}$. Compute $g({n})$.",
        ],
    },
    "zh": {
        1: [
            "已知 $f(x) = {p}$，$g(x) = {q}$，求 $f(g({n}))$ 的值。",
            "设函数 $f(x) = {p}$，$g(x) = {q}$，则 $f(g({n}))$ 等于多少？",
        ],
        3: [
            "已知 $f(x) = {p}$，$f(g(x)) = {q}$，求 $g({n})$ 的值。",
            "设函数 $f(x) = {p}$，且对任意实数 $x$ 有 $f(g(x)) = {q}$，则 $g({n})$ 等于多少？",
        ],
    },
}
slots = {"p": Polynomial(degree=3), "q": Polynomial(degree=3), "n": Number(-1000, 1000)}


def draw(rng: random.Random, level: int) -> Values:
    n = rng.randint(-6, 9)
    if level < 3:
        p, q = factors(rng, level, 9), factors(rng, level, 9 if level == 1 else 4)
        return {"form": 1, "p": polynomial(p), "q": polynomial(q), "n": n}
    return {
        "form": 3,
        "p": polynomial([nonzero(rng, 9), nonzero(rng, 20)]),
        "q": polynomial(factors(rng, 2, 15)),
        "n": n,
    }


def work(values: Values, language: str) -> Worked:
    p, q, n = coefficients(values["p"]), coefficients(values["q"]), int(values["n"])
    steps = Steps(language)
    f, g = (python_polynomial(side) for side in (p, q))
    middle = int(evaluate(q, n))
    if values["form"] == 1:
        line = f"{substituted(q, n)} = {middle}"
        steps.say(f"The inner value is g({n}): {line}.", f"先求内层 g({n})：{line}。")
        value = evaluate(p, middle)
        line = f"{substituted(p, middle)} = {value}"
        steps.say(f"The outer value is f({middle}): {line}.", f"再求外层 f({middle})：{line}。")
        return Worked(str(value), steps.all(), f"f = lambda x: {f}\ng = lambda x: {g}\nprint(f(g({n})))")
    require(len(p) == 2, "f is not linear")
    a, b = p
    value_g = Fraction(middle - b, a)
    line = f"{substituted(q, n)} = {middle}"
    steps.say(f"The composed function at {n}: {line}.", f"复合函数在 {n} 处的值：{line}。")
    steps.say(
        f"So y = g({n}) satisfies {polynomial(p, 'y')} = {middle}.",
        f"所以 y = g({n}) 满足 {polynomial(p, 'y')} = {middle}。",
    )
    line = f"y = ({middle} - {plain(b)}) / {plain(a)} = {value_g}"
    steps.say(f"Then {line}.", f"于是 {line}。")
    program = f"from fractions import Fraction\nh = lambda x: {g}\nprint(Fraction(h({n}) - {plain(b)}, {a}))"
    return Worked(fraction(value_g), steps.all(), program)
