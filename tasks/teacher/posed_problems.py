"""Problems that the embedded teacher poses with a program that searches for the answer: one per subdomain of the taxonomy.

The parameters of a problem are drawn so that its conditions leave one possibility. The part of its text in double brackets states its last
condition: without both, a careless problem, several possibilities are left.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import comb, gcd, lcm
from typing import Final

_LAST: Final = re.compile(r"\[\[(.*?)\]\]")


@dataclass(frozen=True, slots=True)
class Posed:
    """A problem in both languages, with its search.

    tried: (name, range) of every variable, outermost first. holds: the conditions, as Python expressions. value: of what is asked for.
    imports: the lines that the expressions need.
    """

    en: str
    zh: str
    tried: tuple[tuple[str, str], ...]
    holds: tuple[str, ...]
    value: str
    imports: str = ""

    def words(self, language: str, *, vague: bool) -> str:
        """Return the problem; without its last condition if `vague`."""
        return _LAST.sub("" if vague else r"\1", self.zh if language == "zh" else self.en)

    def program(self, *, vague: bool) -> str:
        """Return the program that tries everything and prints the list of what holds."""
        lines = [*([self.imports] if self.imports else []), "answers = []"]
        for depth, (name, numbers) in enumerate(self.tried):
            lines.append("    " * depth + f"for {name} in {numbers}:")
        depth = len(self.tried)
        holds = self.holds[:-1] if vague else self.holds
        lines.append("    " * depth + f"if {' and '.join(holds)}:")
        lines.append("    " * (depth + 1) + f"answers.append({self.value})")
        return "\n".join([*lines, "print(answers)"])


def posed(subdomain: str, level: int, rng: random.Random) -> Posed:
    """Draw a problem of a subdomain of the taxonomy, of a difficulty from 1 to 5. Raises KeyError for another subdomain."""
    return _DRAWN[subdomain](level, rng)


def _upto(bound: int, first: int = 1) -> str:
    """Return the range of the whole numbers from `first` to `bound`."""
    return f"range({first}, {bound + 1})"


def _multi_step_arithmetic(level: int, rng: random.Random) -> Posed:
    birds, beasts = rng.randint(4, 10 * level), rng.randint(3, 8 * level)
    heads, legs = birds + beasts, 2 * birds + 4 * beasts
    return Posed(
        f"Ducks and goats on a farm have {heads} heads, and there is more than one goat[[; together they have {legs} legs]]. "
        "How many ducks are there?",
        f"农场里的鸡和兔共有 {heads} 个头，兔不止一只[[，它们共有 {legs} 条腿]]。鸡有多少只？",
        (("ducks", _upto(heads, 0)),),
        (f"{heads} - ducks > 1", f"2 * ducks + 4 * ({heads} - ducks) == {legs}"),
        "ducks",
    )


def _fractions_and_percentages(level: int, rng: random.Random) -> Posed:
    below = rng.choice((3, 4, 5, 8))
    above = rng.choice([n for n in range(1, below) if gcd(n, below) == 1])
    percent = rng.choice([p for p in range(5, 100, 5) if Fraction(p, 100) < Fraction(above, below)] or [5])
    number = below * 20 * rng.randint(1, 2 * level)
    bound = number + 20 * below * rng.randint(1, 3)
    more = number * Fraction(above, below) - number * Fraction(percent, 100)
    return Posed(
        f"A positive integer is at most {bound} and divisible by {below}[[, and {above}/{below} of it is larger by {more} than {percent}% of it]]. "
        "Find the integer.",
        f"一个正整数不超过 {bound}，能被 {below} 整除[[，它的 {above}/{below} 比它的 {percent}% 大 {more}]]。求这个数。",
        (("n", _upto(bound)),),
        (
            f"n % {below} == 0",
            f"n * Fraction({above}, {below}) - n * Fraction({percent}, 100) == {more}",
        ),
        "n",
        "from fractions import Fraction",
    )


def _ratios_and_proportions(level: int, rng: random.Random) -> Posed:
    less, more = sorted(rng.sample(range(2, 10), 2))
    common = gcd(less, more)
    less, more = less // common, more // common
    times = rng.randint(2, 4 * level)
    bound = more * (times + rng.randint(1, 5))
    return Posed(
        f"Two positive integers, neither above {bound}, are in the ratio {less} : {more}[[, and their product is {less * more * times**2}]]. "
        "What is the larger of them?",
        f"两个不超过 {bound} 的正整数之比是 {less} : {more}[[，它们的积是 {less * more * times**2}]]。较大的数是多少？",
        (("x", _upto(bound)), ("y", _upto(bound))),
        (f"x * {more} == y * {less}", f"x * y == {less * more * times**2}"),
        "max(x, y)",
    )


def _rates_and_units(level: int, rng: random.Random) -> Posed:
    slow, fast = sorted(rng.sample(range(11, 30), 2))
    hours = rng.randint(3, 3 + 2 * level)
    quick = rng.randrange(1, hours)
    way = quick * fast + (hours - quick) * slow
    return Posed(
        f"A cyclist rides for {hours} hours, a whole number of them at {fast} km/h, at least one, and the others at {slow} km/h[[, and covers {way} km]]. "
        f"For how many hours does the cyclist ride at {fast} km/h?",
        f"某人骑车 {hours} 小时，其中整数个小时（至少一小时）的速度是每小时 {fast} 千米，其余时间的速度是每小时 {slow} 千米[[，共行 {way} 千米]]。"
        f"速度为每小时 {fast} 千米的时间是多少小时？",
        (("h", _upto(hours)),),
        ("h >= 1", f"h * {fast} + ({hours} - h) * {slow} == {way}"),
        "h",
    )


def _linear_equations(level: int, rng: random.Random) -> Posed:
    less, more = sorted(rng.sample(range(3, 10 + level), 2))
    lost = rng.randint(2, 9 * level)
    number = lost // (more - less) + rng.randint(2, 10 * level)
    bound = number + rng.randint(5, 30)
    gain = more * number - lost - less * number
    return Posed(
        f"A positive integer is at most {bound}. {more} times the integer, reduced by {lost}, is larger than {less} times the integer[[, namely by {gain}]]. "
        "What is the integer?",
        f"一个正整数不超过 {bound}，它的 {more} 倍减去 {lost} 大于它的 {less} 倍[[，且恰好大 {gain}]]。这个数是多少？",
        (("n", _upto(bound)),),
        (f"{more} * n - {lost} > {less} * n", f"{more} * n - {lost} == {less} * n + {gain}"),
        "n",
    )


def _quadratic_equations(level: int, rng: random.Random) -> Posed:
    small, large = sorted(rng.sample(range(3, 12 * level), 2))
    total, product = small + large, small * large
    return Posed(
        f"Two different positive integers have the sum {total}[[ and the product {product}]]. By how much does the larger one exceed the smaller one?",
        f"两个不同的正整数的和是 {total}[[，积是 {product}]]。较大的数比较小的数大多少？",
        (("a", f"range(1, {total})"),),
        (f"a < {total} - a", f"a * ({total} - a) == {product}"),
        f"{total} - a - a",
    )


def _systems_of_equations(level: int, rng: random.Random) -> Posed:
    x, y, z = sorted(rng.sample(range(2, 6 + 3 * level), 3))
    total, pairs, product = x + y + z, x * y + y * z + z * x, x * y * z
    return Posed(
        f"Positive integers satisfy x < y < z and x + y + z = {total}[[, xy + yz + zx = {pairs} and xyz = {product}]]. Find z.",
        f"正整数满足 x < y < z，x + y + z = {total}[[，xy + yz + zx = {pairs}，xyz = {product}]]。求 z。",
        (("x", f"range(1, {total})"), ("y", f"range(x + 1, {total})")),
        (
            f"{total} - x - y > y",
            f"x * y + (x + y) * ({total} - x - y) == {pairs} and x * y * ({total} - x - y) == {product}",
        ),
        f"{total} - x - y",
    )


def _polynomials(level: int, rng: random.Random) -> Posed:
    bound = 6 + 2 * level
    a, b = rng.randint(2, bound), rng.randint(2, bound - 1)
    first, second, third = rng.sample(range(1, 7), 3)
    return Posed(
        f"The polynomial p(x) = x^2 + ax + b has positive integers a and b, neither above {bound + first * (bound - 2)}, "
        f"as coefficients. p({first}) = {first**2 + a * first + b}[[ and p({second}) = {second**2 + a * second + b}]]. What is p({third})?",
        f"多项式 p(x) = x^2 + ax + b 的系数 a、b 都是不超过 {bound + first * (bound - 2)} 的正整数，"
        f"p({first}) = {first**2 + a * first + b}[[，p({second}) = {second**2 + a * second + b}]]。求 p({third})。",
        (("a", _upto(bound + first * (bound - 2))), ("b", _upto(bound + first * (bound - 2)))),
        (
            f"{first}**2 + {first} * a + b == {first**2 + a * first + b}",
            f"{second}**2 + {second} * a + b == {second**2 + a * second + b}",
        ),
        f"{third}**2 + {third} * a + b",
    )


def _inequalities(level: int, rng: random.Random) -> Posed:
    number = rng.randint(8, 20 * level)
    bound = number + rng.randint(5, 20)
    many, few = rng.sample(range(3, 10), 2)
    low = many * number - rng.randint(1, many)
    high = few * number + rng.randint(1, few)
    return Posed(
        f"A positive integer n is at most {bound}, and {many}n is larger than {low}[[, while {few}n is smaller than {high}]]. Find n.",
        f"正整数 n 不超过 {bound}，且 {many}n 大于 {low}[[，{few}n 小于 {high}]]。求 n。",
        (("n", _upto(bound)),),
        (f"{many} * n > {low}", f"{few} * n < {high}"),
        "n",
    )


def _sequences_and_series(level: int, rng: random.Random) -> Posed:
    first, step = rng.randint(4, 6 + 6 * level), rng.randint(2, 3 + level)
    place = rng.randint(3, 6)
    many = rng.choice([k for k in range(4, 12) if k - 1 != 2 * (place - 1)])
    asked = rng.choice([n for n in range(many + 1, many + 10) if n != place])
    term, total = first + (place - 1) * step, many * first + many * (many - 1) // 2 * step
    return Posed(
        f"An arithmetic sequence has a positive integer as its first term and a positive integer as its common difference. Its term number {place} is {term}"
        f"[[, and its first {many} terms add up to {total}]]. What is its term number {asked}?",
        f"一个等差数列的首项和公差都是正整数，第 {place} 项是 {term}[[，前 {many} 项的和是 {total}]]。求第 {asked} 项。",
        (("a", f"range(1, {term})"), ("d", f"range(1, {term})")),
        (
            f"a + ({place} - 1) * d == {term}",
            f"sum(a + k * d for k in range({many})) == {total}",
        ),
        f"a + ({asked} - 1) * d",
    )


def _exponents_and_logarithms(level: int, rng: random.Random) -> Posed:
    base, exponent = rng.choice(
        ((2, 6), (2, 8), (3, 4), (2, 10), (3, 6), (2, 12), (5, 4), (6, 4), (7, 4), (10, 6))
    )
    inner = rng.choice([k for k in range(1, exponent) if exponent % k == 0])
    a, b = base**inner, exponent // inner
    power = base**exponent
    return Posed(
        f"Positive integers a and b, neither above {power}, satisfy a^b = {power} and b > 1[[, and a + b = {a + b}]]. Find b.",
        f"不超过 {power} 的正整数 a、b 满足 a^b = {power}，b > 1[[，且 a + b = {a + b}]]。求 b。",
        (("b", "range(1, 40)"), ("a", f"range(2, int({power} ** (1 / b)) + 2)")),
        (f"a**b == {power} and b > 1", f"a + b == {a + b}"),
        "b",
    )


def _functions(level: int, rng: random.Random) -> Posed:
    a, b = rng.randint(2, 3 + level), rng.randint(2, 6 + level)
    at = rng.randint(1, 9)
    once = a * at + b
    asked = rng.choice([x for x in range(1, 10) if x not in (at, once)])
    twice = a * once + b
    return Posed(
        f"A function f(x) = ax + b has positive integers a and b. f({at}) = {once}[[ and f(f({at})) = {twice}]]. What is f({asked})?",
        f"函数 f(x) = ax + b 中 a、b 是正整数，f({at}) = {once}[[，f(f({at})) = {twice}]]。求 f({asked})。",
        (("a", f"range(1, {once})"), ("b", f"range(1, {once})")),
        (f"{at} * a + b == {once}", f"a * ({at} * a + b) + b == {twice}"),
        f"{asked} * a + b",
    )


def _matrix_operations(level: int, rng: random.Random) -> Posed:
    bound = 8 + 3 * level
    x, y = rng.randint(3, bound), rng.randint(3, bound)
    p, q, r, s = _regular(rng)
    return Posed(
        f"The column (x, y) has positive integers x and y as its entries, neither above {p * x + q * y}. The matrix with the rows ({p}, {q}) and ({r}, {s}) "
        f"takes it to a column whose first entry is {p * x + q * y}[[ and whose second entry is {r * x + s * y}]]. Find xy.",
        f"列向量 (x, y) 的分量都是不超过 {p * x + q * y} 的正整数。以 ({p}, {q}) 和 ({r}, {s}) 为两行的矩阵与它相乘，"
        f"所得列向量的第一个分量是 {p * x + q * y}[[，第二个分量是 {r * x + s * y}]]。求 xy。",
        (("x", _upto(p * x + q * y)), ("y", _upto(p * x + q * y))),
        (f"{p} * x + {q} * y == {p * x + q * y}", f"{r} * x + {s} * y == {r * x + s * y}"),
        "x * y",
    )


def _regular(rng: random.Random) -> tuple[int, int, int, int]:
    """Draw two rows of a matrix whose determinant is not zero, the first of ones and small numbers, so that it alone decides nothing."""
    p, q = rng.choice(((1, 1), (1, 2), (2, 1), (1, 3)))
    r, s = rng.choice([(r, s) for r in range(2, 8) for s in range(2, 8) if p * s != q * r])
    return p, q, r, s


def _determinants(level: int, rng: random.Random) -> Posed:
    x, y = sorted(rng.sample(range(3, 10 + 4 * level), 2))
    p, q = rng.randint(2, 9), rng.randint(2, 9)
    determinant = x * y - p * q
    return Posed(
        f"Positive integers x < y have the sum {x + y}, and the matrix with the rows (x, {p}) and ({q}, y) has a determinant other than 0"
        f"[[, namely {determinant}]]. Find y.",
        f"正整数 x < y 的和是 {x + y}，以 (x, {p}) 和 ({q}, y) 为两行的矩阵的行列式不为 0[[，而等于 {determinant}]]。求 y。",
        (("x", f"range(1, {x + y})"),),
        (
            f"x < {x + y} - x and x * ({x + y} - x) - {p} * {q} != 0",
            f"x * ({x + y} - x) - {p} * {q} == {determinant}",
        ),
        f"{x + y} - x",
    )


def _vectors(level: int, rng: random.Random) -> Posed:
    bound = 6 + 2 * level
    x, y = rng.randint(3, bound), rng.randint(3, bound)
    p, q, r, s = _regular(rng)
    return Posed(
        f"The vector (x, y) has positive integers as its components. Its dot product with ({p}, {q}) is {p * x + q * y}"
        f"[[, and that with ({r}, {s}) is {r * x + s * y}]]. What is the square of its length?",
        f"向量 (x, y) 的分量是正整数，它与 ({p}, {q}) 的数量积是 {p * x + q * y}[[，与 ({r}, {s}) 的数量积是 {r * x + s * y}]]。求它的模的平方。",
        (("x", f"range(1, {p * x + q * y})"), ("y", f"range(1, {p * x + q * y})")),
        (f"{p} * x + {q} * y == {p * x + q * y}", f"{r} * x + {s} * y == {r * x + s * y}"),
        "x**2 + y**2",
    )


def _derivatives(level: int, rng: random.Random) -> Posed:
    a, b = rng.randint(2, 3 + level), rng.randint(5, 8 + 2 * level)
    at = rng.randint(1, 5)
    other = rng.choice([v for v in range(1, 8) if v not in (at, 2 * at)])
    asked = rng.randint(8, 12)
    slope, value = 2 * a * at + b, a * other**2 + b * other
    return Posed(
        f"The function f(x) = ax^2 + bx has positive integers a and b. Its derivative at x = {at} is {slope}[[, and f({other}) = {value}]]. "
        f"What is its derivative at x = {asked}?",
        f"函数 f(x) = ax^2 + bx 中 a、b 是正整数，它在 x = {at} 处的导数是 {slope}[[，f({other}) = {value}]]。求它在 x = {asked} 处的导数。",
        (("a", f"range(1, {slope})"), ("b", f"range(1, {slope})")),
        (f"2 * a * {at} + b == {slope}", f"a * {other}**2 + b * {other} == {value}"),
        f"2 * a * {asked} + b",
    )


def _integrals(level: int, rng: random.Random) -> Posed:
    a, b = 2 * rng.randint(1, 1 + level), rng.randint(5, 8 + 2 * level)
    to = rng.randint(2, 6)
    at = rng.choice([v for v in range(1, 12) if v * 2 != to])
    area, value = a * to**2 // 2 + b * to, a * at + b
    return Posed(
        f"The function f(x) = ax + b has positive integers a and b. Its integral from 0 to {to} is {area}[[, and f({at}) = {value}]]. Find a times b.",
        f"函数 f(x) = ax + b 中 a、b 是正整数，它从 0 到 {to} 的定积分是 {area}[[，且 f({at}) = {value}]]。求 a 与 b 的积。",
        (("a", f"range(1, {area})"), ("b", f"range(1, {area})")),
        (f"Fraction(a * {to}**2, 2) + b * {to} == {area}", f"a * {at} + b == {value}"),
        "a * b",
        "from fractions import Fraction",
    )


def _limits(level: int, rng: random.Random) -> Posed:
    limit, b = rng.randint(3, 4 + level), rng.randint(3, 5 + 3 * level)
    total = (limit + 1) * b
    bound = total + rng.randint(5, 20)
    return Posed(
        f"For positive integers a and b, neither above {bound}, the fraction (ax^2 + x)/(bx^2 + 1) tends to {limit} as x grows without bound"
        f"[[, and a + b = {total}]]. Find a.",
        f"a、b 是不超过 {bound} 的正整数，当 x 趋于无穷大时，(ax^2 + x)/(bx^2 + 1) 的极限是 {limit}[[，且 a + b = {total}]]。求 a。",
        (("a", _upto(bound)), ("b", _upto(bound))),
        (f"Fraction(a, b) == {limit}", f"a + b == {total}"),
        "a",
        "from fractions import Fraction",
    )


def _divisibility_and_gcd(level: int, rng: random.Random) -> Posed:
    common = rng.randint(2, 3 + level)
    first, second = rng.choice([(s, t) for s in range(2, 12) for t in range(s + 1, 13) if gcd(s, t) == 1])
    x, y = common * first, common * second
    return Posed(
        f"Two positive integers x < y have the greatest common divisor {common} and the least common multiple {lcm(x, y)}[[, and their sum is {x + y}]]. Find y.",
        f"两个正整数 x < y 的最大公约数是 {common}，最小公倍数是 {lcm(x, y)}[[，它们的和是 {x + y}]]。求 y。",
        (("x", _upto(lcm(x, y))), ("y", _upto(lcm(x, y), 2))),
        (f"x < y and gcd(x, y) == {common} and x * y == {common} * {lcm(x, y)}", f"x + y == {x + y}"),
        "y",
        "from math import gcd",
    )


def _modular_arithmetic(level: int, rng: random.Random) -> Posed:
    divisors = rng.sample((5, 7, 8, 9, 11, 13), 2 if level < 4 else 3)
    bound = lcm(*divisors)
    number = rng.randrange(3, bound)
    *firsts, last = [(divisor, number % divisor) for divisor in divisors]
    left = ", ".join(f"of {rest} when divided by {divisor}" for divisor, rest in firsts)
    rests = "，".join(f"除以 {divisor} 余 {rest}" for divisor, rest in firsts)
    return Posed(
        f"A positive integer that is at most {bound} leaves a remainder {left}[[, and of {last[1]} when divided by {last[0]}]]. Find this integer.",
        f"一个正整数不超过 {bound}，{rests}[[，除以 {last[0]} 余 {last[1]}]]。求这个数。",
        (("n", _upto(bound)),),
        (" and ".join(f"n % {divisor} == {rest}" for divisor, rest in firsts), f"n % {last[0]} == {last[1]}"),
        "n",
    )


_PRIMES: Final = tuple(n for n in range(3, 200) if all(n % d for d in range(2, n)))


def _primes_and_factorization(level: int, rng: random.Random) -> Posed:
    p, q = sorted(rng.sample(_PRIMES[: 8 + 6 * level], 2))
    bound = q + rng.randint(2, 40)
    gap = q - p
    return Posed(
        f"Two prime numbers, neither above {bound}, differ by {gap}[[, and their product is {p * q}]]. What is the larger one?",
        f"两个不超过 {bound} 的质数相差 {gap}[[，它们的积是 {p * q}]]。较大的质数是多少？",
        (("q", _upto(bound, 2)),),
        (f"isprime(q) and isprime(q - {gap})", f"q * (q - {gap}) == {p * q}"),
        "q",
        "from sympy import isprime",
    )


# hypotenuse -> the legs of its right triangles, of which several have the same one
_RIGHT: Final = {
    25: ((7, 24), (15, 20)),
    50: ((14, 48), (30, 40)),
    65: ((16, 63), (25, 60), (33, 56), (39, 52)),
    75: ((21, 72), (45, 60)),
    85: ((13, 84), (36, 77), (40, 75), (51, 68)),
}


def _plane_geometry(level: int, rng: random.Random) -> Posed:
    longest = rng.choice(tuple(_RIGHT))
    a, b = rng.choice(_RIGHT[longest])
    return Posed(
        f"A right triangle has sides of whole-number lengths, and its hypotenuse is {longest}[[; its perimeter is {a + b + longest}]]. What is its area?",
        f"一个直角三角形的边长都是整数，斜边长 {longest}[[，周长是 {a + b + longest}]]。求它的面积。",
        (("a", f"range(1, {longest})"), ("b", f"range(a, {longest})")),
        (f"a**2 + b**2 == {longest}**2", f"a + b + {longest} == {a + b + longest}"),
        "a * b // 2",
    )


def _coordinate_geometry(level: int, rng: random.Random) -> Posed:
    half = rng.randint(3, 4 + 2 * level)
    left = rng.randint(1, half - 1)
    right = 2 * half - left
    slope, height = rng.randint(2, 3 + level), rng.randint(3, 12)
    bound = slope * half + height + rng.randint(5, 20)
    return Posed(
        f"A point (x, y) lies on the line y = {slope}x + {height}, its coordinates are positive integers and at most {bound}"
        f"[[, and it is as far from ({left}, 0) as from ({right}, 0)]]. Find y.",
        f"点 (x, y) 在直线 y = {slope}x + {height} 上，坐标是不超过 {bound} 的正整数[[，它到 ({left}, 0) 和到 ({right}, 0) 的距离相等]]。求 y。",
        (("x", _upto(bound)), ("y", _upto(bound))),
        (
            f"y == {slope} * x + {height}",
            f"(x - {left})**2 + y**2 == (x - {right})**2 + y**2",
        ),
        "y",
    )


def _solid_geometry(level: int, rng: random.Random) -> Posed:
    a, b, c = (rng.randint(2, 4 + 2 * level) for _ in range(3))
    edges, surface, volume = a + b + c, 2 * (a * b + b * c + c * a), a * b * c
    return Posed(
        f"The edges of a rectangular box have whole-number lengths, and the three edges at a corner add up to {edges} cm"
        f"[[; its surface area is {surface} square centimetres and its volume {volume} cubic centimetres]]. How long is its longest edge, in cm?",
        f"一个长方体的棱长都是整厘米数，从一个顶点出发的三条棱长之和是 {edges} 厘米[[，表面积是 {surface} 平方厘米，体积是 {volume} 立方厘米]]。最长的棱是多少厘米？",
        (("a", f"range(1, {edges})"), ("b", f"range(a, {edges})")),
        (
            f"{edges} - a - b >= b",
            f"2 * (a * b + (a + b) * ({edges} - a - b)) == {surface} and a * b * ({edges} - a - b) == {volume}",
        ),
        f"{edges} - a - b",
    )


def _trigonometry(level: int, rng: random.Random) -> Posed:
    a, b, c = rng.choice(((3, 4, 5), (4, 3, 5), (5, 12, 13), (12, 5, 13), (8, 15, 17), (15, 8, 17)))
    times = rng.randint(2, 2 + 2 * level)
    bound = 17 * (times + 2)
    return Posed(
        f"The sides of a right triangle are whole numbers, its legs are at most {bound}, and {b} times the tangent of one of its acute angles is {a}"
        f"[[; its perimeter is {(a + b + c) * times}]]. How long is the leg opposite this angle?",
        f"一个直角三角形的边长是整数，直角边不超过 {bound}，一个锐角的正切的 {b} 倍是 {a}[[，周长是 {(a + b + c) * times}]]。这个角的对边长是多少？",
        (("a", _upto(bound)), ("b", _upto(bound))),
        (
            f"{b} * a == {a} * b and isqrt(a * a + b * b) ** 2 == a * a + b * b",
            f"a + b + isqrt(a * a + b * b) == {(a + b + c) * times}",
        ),
        "a",
        "from math import isqrt",
    )


def _counting(level: int, rng: random.Random) -> Posed:
    people, chosen = rng.randint(8, 9 + 2 * level), rng.randint(3, 4)
    bound = people + rng.randint(3, 9)
    least = comb(people - 2, chosen)
    return Posed(
        f"A club has at most {bound} members. A committee of {chosen} can be chosen from them in more than {least} ways"
        f"[[, and a chair and a deputy in exactly {people * (people - 1)} ways]]. How many members has the club?",
        f"一个社团至多有 {bound} 名成员，从中选出 {chosen} 人的选法多于 {least} 种[[，选出一名正会长和一名副会长的选法恰有 {people * (people - 1)} 种]]。社团有多少名成员？",
        (("n", _upto(bound)),),
        (f"comb(n, {chosen}) > {least}", f"n * (n - 1) == {people * (people - 1)}"),
        "n",
        "from math import comb",
    )


def _probability(level: int, rng: random.Random) -> Posed:
    red, blue = rng.randint(4, 5 + 2 * level), rng.randint(2, 3 + 2 * level)
    if red <= blue:
        red, blue = blue + 1, red
    balls = red + blue
    chance = Fraction(2 * red * blue, balls * (balls - 1))
    return Posed(
        f"A bag has {balls} balls, red and blue ones, more of them red than blue, and at least one is blue"
        f"[[; two balls drawn together have different colours with probability {chance.numerator}/{chance.denominator}]]. How many red balls are there?",
        f"袋中有红球和蓝球共 {balls} 个，红球比蓝球多，至少有一个蓝球[[，同时摸出的两个球颜色不同的概率是 {chance.numerator}/{chance.denominator}]]。红球有多少个？",
        (("red", f"range(1, {balls})"),),
        (
            f"red > {balls} - red",
            f"Fraction(2 * red * ({balls} - red), {balls} * ({balls} - 1)) == Fraction({chance.numerator}, {chance.denominator})",
        ),
        "red",
        "from fractions import Fraction",
    )


def _expected_value(level: int, rng: random.Random) -> Posed:
    x, y = sorted(rng.sample(range(3, 8 + 4 * level), 2))
    third = 3 * rng.randint(2, 6) - (x + y) % 3
    mean = (x + y + third) // 3
    return Posed(
        f"A spinner stops at each of three numbers with the same probability: at {third} and at two positive integers x < y. The expected value is {mean}"
        f"[[, and xy = {x * y}]]. Find y.",
        f"转盘以相同的概率停在三个数上：{third} 和两个正整数 x < y，期望是 {mean}[[，且 xy = {x * y}]]。求 y。",
        (("x", f"range(1, 3 * {mean})"), ("y", f"range(x + 1, 3 * {mean})")),
        (f"x + y + {third} == 3 * {mean}", f"x * y == {x * y}"),
        "y",
    )


def _descriptive_statistics(level: int, rng: random.Random) -> Posed:
    x, y = sorted(rng.sample(range(3, 8 + 4 * level), 2))
    p = rng.randint(2, 15)
    q = p + 4 * rng.randint(1, 4) - (x + y + 2 * p) % 4
    mean, squares = (x + y + p + q) // 4, x * x + y * y + p * p + q * q
    return Posed(
        f"The numbers {p}, {q}, x and y, with positive integers x < y, have the mean {mean}[[, and the sum of their squares is {squares}]]. Find y.",
        f"四个数 {p}、{q}、x、y 的平均数是 {mean}，其中 x < y 是正整数[[，它们的平方和是 {squares}]]。求 y。",
        (("x", f"range(1, 4 * {mean})"), ("y", f"range(x + 1, 4 * {mean})")),
        (
            f"{p} + {q} + x + y == 4 * {mean}",
            f"{p}**2 + {q}**2 + x**2 + y**2 == {squares}",
        ),
        "y",
    )


_DRAWN: Final[dict[str, Callable[[int, random.Random], Posed]]] = {
    "multi-step arithmetic": _multi_step_arithmetic,
    "fractions and percentages": _fractions_and_percentages,
    "ratios and proportions": _ratios_and_proportions,
    "rates and units": _rates_and_units,
    "linear equations": _linear_equations,
    "quadratic equations": _quadratic_equations,
    "systems of equations": _systems_of_equations,
    "polynomials": _polynomials,
    "inequalities": _inequalities,
    "sequences and series": _sequences_and_series,
    "exponents and logarithms": _exponents_and_logarithms,
    "functions": _functions,
    "matrix operations": _matrix_operations,
    "determinants": _determinants,
    "vectors": _vectors,
    "derivatives": _derivatives,
    "integrals": _integrals,
    "limits": _limits,
    "divisibility and gcd": _divisibility_and_gcd,
    "modular arithmetic": _modular_arithmetic,
    "primes and factorization": _primes_and_factorization,
    "plane geometry": _plane_geometry,
    "coordinate geometry": _coordinate_geometry,
    "solid geometry": _solid_geometry,
    "trigonometry": _trigonometry,
    "counting": _counting,
    "probability": _probability,
    "expected value": _expected_value,
    "descriptive statistics": _descriptive_statistics,
}
