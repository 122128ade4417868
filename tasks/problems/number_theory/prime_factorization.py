"""Prime factorisations.

Level 1: of a number below 3,000. Level 2: of a larger number with repeated primes. Level 3: the
exponent of a prime in a factorial (Legendre). There are about 2,000 questions in each phrasing at level
1.
"""

from __future__ import annotations

import random

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import prime_powers, require
from tasks.problems.machinery.slots import Number

subdomain = "primes and factorization"
concepts = ("prime factorization", "Legendre's formula")
templates = {
    "en": {
        1: [
            "Write {n} as a product of powers of primes.",
            "Find the prime factorization of {n}.",
            "Factor {n} into primes.",
        ],
        3: [
            "What is the exponent of {p} in the prime factorization of ${n}!$?",
            "Find the largest integer $k$ for which ${p}^k$ divides ${n}!$.",
            "How many times can ${n}!$ be divided by {p} without remainder?",
        ],
    },
    "zh": {
        1: ["将 {n} 分解质因数。", "把 {n} 写成质数幂的乘积。"],
        3: ["${n}!$ 的质因数分解中，{p} 的指数是多少？", "求使 ${p}^k$ 整除 ${n}!$ 的最大整数 $k$。"],
    },
}
slots = {"n": Number(2, 10**7), "p": Number(2, 1000)}


def draw(rng: random.Random, level: int) -> Values:
    if level == 3:
        return {"form": 3, "p": rng.choice((2, 3, 5, 7, 11, 13)), "n": rng.randint(30, 900)}
    while True:
        n = rng.randint(24, 3000)
        if level == 2:
            n = (
                2 ** rng.randint(1, 6)
                * 3 ** rng.randint(0, 4)
                * 5 ** rng.randint(0, 3)
                * rng.choice(_LARGER)
                * rng.choice((1, *_LARGER))
            )
        if len(prime_powers(n)) > 1 and (level == 1 or 3000 < n <= 10**6):
            return {"form": 1, "n": n}


_LARGER = (7, 11, 13, 17, 19, 23, 29, 31)


def work(values: Values, language: str) -> Worked:
    n = int(values["n"])
    steps = Steps(language)
    if values["form"] == 3:
        p = int(values["p"])
        require(prime_powers(p) == {p: 1} and n >= p, f"{p} is no prime, or above {n}")
        steps.say(
            f"Count the multiples of {p}, of {p}^2 and so on up to {n}.",
            f"分别数出 {n} 以内 {p}、{p}^2 等的倍数的个数。",
        )
        counts, lines, power = [], [], p
        while power <= n:
            counts.append(n // power)
            lines.append(f"{n} = {n // power} * {power} + {n % power}")
            power *= p
        steps.say(f"Divide with remainder: {'; '.join(lines)}.", f"带余除法：{'；'.join(lines)}。")
        require(len(counts) <= 12, "too long a count")
        total = " + ".join(map(str, counts))
        steps.say(f"The exponent is {total} = {sum(counts)}.", f"指数：{total} = {sum(counts)}。")
        program = f"from sympy import factorial, multiplicity\nprint(multiplicity({p}, factorial({n})))"
        require(n <= 5000, "a factorial out of bounds")
        return Worked(str(sum(counts)), steps.all(), program)
    powers = prime_powers(n)
    require(sum(powers.values()) > 1, "a prime")
    rest, lines = n, []
    for prime, power in powers.items():
        for _ in range(power):
            lines.append(f"{rest} / {prime} = {rest // prime}")
            rest //= prime
    steps.say(
        f"Divide by the smallest prime possible each time: {'; '.join(lines)}.",
        f"每次除以最小的质因数：{'；'.join(lines)}。",
    )
    plain = " * ".join(f"{prime}^{power}" if power > 1 else str(prime) for prime, power in powers.items())
    steps.say(f"Collecting equal primes, {n} = {plain}.", f"合并相同的质数：{n} = {plain}。")
    answer = r" \cdot ".join(
        f"{prime}^{{{power}}}" if power > 1 else str(prime) for prime, power in powers.items()
    )
    program = (
        f"from sympy import factorint\nparts = factorint({n}).items()\n"
        r"print(r' \cdot '.join(f'{p}^' + '{' + f'{k}' + '}' if k > 1 else str(p) for p, k in parts))"
    )
    return Worked(answer, steps.all(), program)
