"""Remainders of powers.

Level 1: a small power. Level 2: a larger power, by repeated squaring. Level 3: a huge power modulo a
prime, by Fermat's little theorem. There are over 5,000 questions at level 1.
"""

from __future__ import annotations

import random

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import require
from tasks.problems.machinery.slots import Number

subdomain = "modular arithmetic"
concepts = ("modular exponentiation", "repeated squaring", "Fermat's little theorem")
templates = {
    "en": [
        "What is the remainder when ${a}^{{{n}}}$ is divided by {m}?",
        "Find the remainder of ${a}^{{{n}}}$ on division by {m}.",
        "Compute ${a}^{{{n}}} \\bmod {m}$.",
    ],
    "zh": ["求 ${a}^{{{n}}}$ 除以 {m} 的余数。", "${a}^{{{n}}}$ 被 {m} 除，余数是多少？"],
}
slots = {"a": Number(2, 10**6), "n": Number(2, 10**6), "m": Number(2, 10**6)}
_PRIMES = (7, 11, 13, 17, 19, 23, 29, 31)


def draw(rng: random.Random, level: int) -> Values:
    if level == 1:
        m = rng.randint(5, 30)
        return {"a": _base(rng, 25, m), "n": rng.randint(3, 9), "m": m}
    if level == 2:
        m = rng.randint(11, 99)
        return {"a": _base(rng, 60, m), "n": rng.randint(12, 60), "m": m}
    m = rng.choice(_PRIMES)
    return {"a": _base(rng, 79, m), "n": rng.randint(200, 9999), "m": m}


def _base(rng: random.Random, bound: int, m: int) -> int:
    return rng.choice([base for base in range(2, bound + 1) if base % m > 1])


def _prime(number: int) -> bool:
    return number > 1 and all(number % factor for factor in range(2, int(number**0.5) + 1))


def work(values: Values, language: str) -> Worked:
    a, n, m = int(values["a"]), int(values["n"]), int(values["m"])
    steps = Steps(language)
    base, exponent = a % m, n
    if a >= m:
        line = f"{a} = {a // m} * {m} + {base}"
        steps.say(f"As {line}, work with {base}.", f"因为 {line}，可用 {base} 代替底数。")
    require(base > 1, "a trivial remainder")
    if n > 60:
        require(_prime(m), "a large exponent needs a prime modulus")
        exponent = n % (m - 1)
        line = f"{n} = {n // (m - 1)} * {m - 1} + {exponent}"
        steps.say(
            f"{m} is prime, so by Fermat the power with exponent {m - 1} leaves 1; as {line}, the exponent may be replaced by {exponent}.",
            f"{m} 是质数，由费马小定理，{m - 1} 次幂余 1；{line}，所以指数可换成 {exponent}。",
        )
    # from the leading binary digit on: square, and multiply by the base where the digit is 1
    result, lines = (base, []) if exponent else (1, [])
    for digit in bin(exponent)[3:]:
        lines.append(_reduced(f"{result}^2", result**2, m))
        result = result**2 % m
        if digit == "1":
            lines.append(_reduced(f"{result} * {base}", result * base, m))
            result = result * base % m
    if lines:
        steps.say(
            f"Square, and multiply by {base} where the exponent {exponent} needs it, keeping remainders: {'; '.join(lines)}.",
            f"按指数 {exponent} 反复平方，需要时再乘 {base}，只保留余数：{'；'.join(lines)}。",
        )
    steps.say(f"The remainder is {result}.", f"余数是 {result}。")
    require(len(lines) <= 24, "too long a computation")
    return Worked(str(result), steps.all(), f"print(pow({a}, {n}, {m}))")


def _reduced(left: str, value: int, m: int) -> str:
    return f"{left} = {value}" if value < m else f"{left} = {value} = {value // m} * {m} + {value % m}"
