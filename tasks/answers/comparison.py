"""Compares two quantities as exactly as they were written."""

from __future__ import annotations

from fractions import Fraction

from tasks.answers.numerals import Quantity
from tasks.answers.verdicts import Judgement


def compare(x: Quantity, y: Quantity) -> Judgement:
    """Return the verdict on two quantities, x being the candidate.

    Units count when both sides name one. A percent sign on one side only is read both ways (50% is 0.5, and is
    50 where the question asked for percent). A decimal equals what it rounds: a value with more digits, at
    six decimals or more (math-verify's precision), or as a printed float.
    """
    u, v = x.value, y.value
    if x.unit is not None and y.unit is not None:
        if x.unit.dimension != y.unit.dimension:
            if x.unit.dimension != y.unit.also and y.unit.dimension != x.unit.also:
                return "different"
        elif x.unit.factor != y.unit.factor:
            u, v = u * x.unit.factor, v * y.unit.factor
            return _counted(x, y) if _close(u, v, x, y) else "different"
    if _close(u, v, x, y):
        return _counted(x, y)
    if rounds(x, v, endless(y)) or rounds(y, u, endless(x)):
        return "unknown"
    if x.percent != y.percent:
        u, v = (u / 100, v) if x.percent else (u, v / 100)
        shifted = [
            Quantity(q.value, None if q.decimals is None else q.decimals + 2 * q.percent, q.significant)
            for q in (x, y)
        ]
        return "equal" if _close(u, v, *shifted) else "different"
    return "different"


def _counted(x: Quantity, y: Quantity) -> Judgement:
    """Return the verdict on equal values: equal, unless the two count different things.

    Different nouns are "unknown": "12 pupils" may be "12 students".
    """
    one, other = ((set(q.noun.split()) or set(q.unit.counted.split() if q.unit else ())) for q in (x, y))
    if not one and not other:
        return "equal"
    if (x.unit is None) != (y.unit is None):
        named = x if x.unit is not None else y
        # 5 hours and 5 workers; "per" on one side only adds detail
        return "equal" if (y if named is x else x).noun == "" else "unknown"
    return "equal" if one <= other or other <= one else "unknown"


def _close(u: Fraction, v: Fraction, x: Quantity, y: Quantity) -> bool:
    if u == v:
        return True
    gap = abs(u - v)
    if gap * 10**5 > 1 and gap * 10**9 > abs(u) + abs(v):
        return False
    for short, long in ((x, y), (y, x)):
        # 2.4000000000000004 is a printed 2.4
        if long.significant >= 15 and gap * 10**12 <= max(abs(u), abs(v)):
            return True
        # 0.333333 is 1/3 rounded, while 2.5 is not 2.5000001 rounded: it claims one digit only
        fits = short.decimals is not None and short.decimals >= 6 and 2 * gap * 10**short.decimals <= 1
        if fits and short.significant >= 5 and (endless(long) or long.significant >= 15):
            return True
    return False


def rounds(short: Quantity, value: Fraction, unending: bool) -> bool:
    """Return whether `short` is `value` rounded to four digits or more, where `value` has no finite expansion.

    An example is 85.71 for 600/7. Whether the question allowed rounding cannot be seen in its answer.
    """
    if not unending or short.decimals is None or short.decimals < 2 or short.significant < 4:
        return False
    return bool(2 * abs(short.value - value) * 10**short.decimals <= 1)


def endless(quantity: Quantity) -> bool:
    """Return whether the value was written exactly, and no finite decimal equals it (1/3, not 1/4 or 0.3333)."""
    return quantity.decimals is None and _repeats(quantity.value)


def _repeats(value: Fraction) -> bool:
    """Return whether the decimal expansion never ends: the denominator has a prime factor other than 2 and 5."""
    denominator = value.denominator
    for prime in (2, 5):
        while denominator % prime == 0:
            denominator //= prime
    return denominator != 1
