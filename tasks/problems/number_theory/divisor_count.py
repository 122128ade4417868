"""Divisors of an integer, from its prime factorisation.

Level 1: the number of divisors. Level 2: the sum of the divisors. Level 3: the number of divisors that are multiples of a
given number. There are about 1,500 questions in each phrasing at level 1.
"""

from __future__ import annotations

import random
from math import prod

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import prime_powers, require
from tasks.problems.machinery.slots import Number

subdomain = "primes and factorization"
concepts = ("prime factorization", "number of divisors", "sum of divisors")
templates = {
    "en": {
        1: [
            "How many positive divisors does {n} have?",
            "Find the number of positive integers that divide {n}.",
            "Determine the number of positive factors of {n}.",
        ],
        2: [
            "What is the sum of all positive divisors of {n}?",
            "Find the sum of all positive integers that divide {n}.",
            "Add up all positive factors of {n}. What is the result?",
        ],
        3: [
            "How many positive divisors of {n} are multiples of {k}?",
            "Find the number of positive divisors of {n} that are divisible by {k}.",
            "Among the positive factors of {n}, how many are divisible by {k}?",
        ],
    },
    "zh": {
        1: ["{n} 有多少个正因数？", "求能整除 {n} 的正整数的个数。"],
        2: ["{n} 的所有正因数之和是多少？", "求能整除 {n} 的所有正整数之和。"],
        3: ["{n} 的正因数中，有多少个是 {k} 的倍数？", "求 {n} 的能被 {k} 整除的正因数的个数。"],
    },
}
slots = {"n": Number(2, 10**7), "k": Number(2, 10**6)}


def draw(rng: random.Random, level: int) -> Values:
    while True:
        n = rng.randint(12, 2500) if level < 3 else _smooth(rng)
        powers = prime_powers(n)
        if level < 3 and sum(powers.values()) > 2:
            return {"form": level, "n": n}
        k = prod(prime ** rng.randint(0, min(power, 2)) for prime, power in powers.items())
        if level == 3 and n <= 10**6 and 1 < k < n:
            return {"form": 3, "n": n, "k": k}


def _smooth(rng: random.Random) -> int:
    return int(
        2 ** rng.randint(1, 6)
        * 3 ** rng.randint(1, 4)
        * 5 ** rng.randint(0, 3)
        * rng.choice((1, 7, 11, 13, 49))
    )


def work(values: Values, language: str) -> Worked:
    form, n = int(values["form"]), int(values["n"])
    steps = Steps(language)
    target = n
    head = "from sympy import divisors\n"
    if form == 3:
        k = int(values["k"])
        require(n % k == 0, "no divisor is a multiple")
        target = n // k
        line = f"{n} / {k} = {target}"
        steps.say(
            f"Such a divisor is {k} times a divisor of {line}.",
            f"这样的因数等于 {k} 乘以 {line} 的一个因数。",
        )
        program = f"{head}print(sum(1 for d in divisors({n}) if d % {k} == 0))"
    powers = prime_powers(target)
    if powers:
        written = " * ".join(f"{prime}^{power}" for prime, power in powers.items())
        steps.say(f"The prime factorisation is {target} = {written}.", f"分解质因数：{target} = {written}。")
    if form == 2:
        sums, total = [], 1
        for prime, power in powers.items():
            terms = [prime**i for i in range(power + 1)]
            sums.append(f"{' + '.join(map(str, terms))} = {sum(terms)}")
            total *= sum(terms)
        steps.say(
            f"Each prime contributes a sum of its powers: {'; '.join(sums)}.",
            f"每个质数贡献它的各次幂之和：{'；'.join(sums)}。",
        )
        factors = " * ".join(str(sum(prime**i for i in range(power + 1))) for prime, power in powers.items())
        steps.say(f"The sum of the divisors is {factors} = {total}.", f"因数之和：{factors} = {total}。")
        return Worked(str(total), steps.all(), f"{head}print(sum(divisors({n})))")
    count = prod(power + 1 for power in powers.values())
    factors = " * ".join(f"({power} + 1)" for power in powers.values()) or "1"
    steps.say(
        f"Every exponent may be chosen from 0 on: {factors} = {count}.",
        f"每个指数都可从 0 取起：{factors} = {count}。",
    )
    if form == 1:
        program = f"{head}print(len(divisors({n})))"
    return Worked(str(count), steps.all(), program)
