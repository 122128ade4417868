"""The exact fast path: verdicts that need no computer algebra, on rationals, lists of them and plain words.

It decides a pair only where the decision is certain, and otherwise says None (ask math-verify). Where it
contradicts math-verify, math-verify is wrong: the faults are listed and re-proved in tests/tasks/answers.
"""

from __future__ import annotations

import re
from collections import Counter
from fractions import Fraction
from typing import Literal

from tasks.answers.numerals import Quantity, read
from tasks.answers.spelling import MAX_LENGTH, canonical, split_top

Verdict = Literal["equal", "different", "unknown"]

_INTEGER = re.compile(r"-?[1-9][0-9]{0,17}|0")
_CHOICE = re.compile(r"\(?([A-Ja-j])\)?")
_OPTION = re.compile(r"\(?([A-J])(?:[).:]\s*|\)\s+).+", re.DOTALL)
_AND = re.compile(
    r"\s*(?:,\s*)?(?:\\(?:text|mathrm)\s*\{\s*(?:and|or)\s*\}|(?<![a-zA-Z\\])(?:and|or)(?![a-zA-Z])|或者?|和|以及|及)\s*"
)
_COMMA_DECIMAL = re.compile(r"[-+]?0\d*,\d+")
_READABLE = re.compile(r"\w|\\[a-zA-Z]")


def decide(candidate: str, gold: str) -> Verdict | None:
    """The verdict on one pair, or None where only computer algebra can tell."""
    if _INTEGER.fullmatch(candidate) and _INTEGER.fullmatch(gold):
        return "equal" if candidate == gold else "different"
    if len(candidate) > MAX_LENGTH or len(gold) > MAX_LENGTH:
        same = candidate.strip() == gold.strip() and bool(_READABLE.search(gold))
        return "equal" if same else "unknown"
    return decide_canonical(canonical(candidate), canonical(gold))


def decide_canonical(a: str, b: str) -> Verdict | None:
    """`decide` for texts that `spelling.canonical` has been over."""
    if not _READABLE.search(a) or not _READABLE.search(b):
        return "unknown"
    if a == b or a.replace(" ", "") == b.replace(" ", ""):
        return "equal"
    x, y = read(a), read(b)
    if x is not None and y is not None:
        return compare(x, y)
    for rule in (_choices, _bases, _ratios, _lists, _words):
        verdict = rule(a, b)
        if verdict is not None:
            return verdict
    return None


def compare(x: Quantity, y: Quantity) -> Verdict:
    """Equality of two quantities, x the candidate.

    Units count when both sides name one. A percent sign on one side only is read both ways (50% is 0.5, and is
    50 where the question asked for percent). A decimal equals what it rounds: a value with more digits, at
    six decimals or more (math-verify's precision), or as a printed float.
    """
    u, v = x.value, y.value
    if x.unit is not None and y.unit is not None:
        if x.unit.dimension != y.unit.dimension:
            return "different"
        if x.unit.factor != y.unit.factor:
            u, v = u * x.unit.factor, v * y.unit.factor
            return "equal" if _close(u, v, x, y) else "different"
    if _close(u, v, x, y):
        return "equal"
    if x.percent != y.percent:
        u, v = (u / 100, v) if x.percent else (u, v / 100)
        shifted = [
            Quantity(q.value, None if q.decimals is None else q.decimals + 2 * q.percent, q.significant)
            for q in (x, y)
        ]
        return "equal" if _close(u, v, *shifted) else "different"
    return "different"


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
        if short.decimals is not None and short.decimals >= 6 and 2 * gap * 10**short.decimals <= 1:
            exact = long.decimals is None and _repeats(long.value)
            if (exact or long.significant >= 15) and short.significant >= 5:
                return True
    return False


def _repeats(value: Fraction) -> bool:
    """Whether the decimal expansion never ends (a denominator with a prime other than 2 and 5)."""
    denominator = value.denominator
    for prime in (2, 5):
        while denominator % prime == 0:
            denominator //= prime
    return denominator != 1


def _choices(a: str, b: str) -> Verdict | None:
    """Letters of multiple choice; a letter with its option ("B) 12") counts as the letter."""
    letters = []
    for text in (a, b):
        match = _CHOICE.fullmatch(text) or _OPTION.fullmatch(text)
        if match is None:
            return None
        letters.append(match.group(1).upper())
    if all(_OPTION.fullmatch(text) for text in (a, b)):
        return None
    return "equal" if letters[0] == letters[1] else "different"


_BASE = re.compile(r"([0-9A-Za-z]{1,60})_\{?(\d{1,2})\}?")


def _bases(a: str, b: str) -> Verdict | None:
    """120_5 and 35: numerals in a written base, by value (math-verify drops the base)."""
    x, y = _BASE.fullmatch(a), _BASE.fullmatch(b)
    if x is None or y is None:
        return None
    try:
        values = [int(match.group(1), int(match.group(2))) for match in (x, y)]
    except ValueError:
        return None  # a_1, or a digit the base does not have
    return "equal" if values[0] == values[1] else "different"


def _ratios(a: str, b: str) -> Verdict | None:
    """Continued ratios (6:1:2), up to a common factor (math-verify divides them out to one number)."""
    if a.count(":") < 2 or b.count(":") < 2:
        return None
    x, y = ([read(part.strip()) for part in text.split(":")] for text in (a, b))
    if None in x or None in y:
        return None
    u, v = ([quantity.value for quantity in side if quantity] for side in (x, y))
    same = len(u) == len(v) and all(p * v[0] == q * u[0] for p, q in zip(u, v, strict=True))
    return "equal" if same else "different"


def elements(text: str) -> list[str]:
    """The answers of "a, b and c" (one element if it is one answer)."""
    return split_top(_AND.sub(", ", text))


def _lists(a: str, b: str) -> Verdict | None:
    """Several answers, in any order; tuples and points, in their order; where every part is a number."""
    a, b = _bare(a, b), _bare(b, a)
    opened = {text[:1] + text[-1:] for text in (a, b)}
    if opened == {"()"} and _one_bracket(a) and _one_bracket(b):
        first, second = split_top(a[1:-1]), split_top(b[1:-1])
        if len(first) < 2 or len(second) < 2:
            return None
        if len(first) != len(second):
            return "different" if _all_numbers(first + second) else None
        verdicts = [decide_number(p, q) for p, q in zip(first, second, strict=True)]
        if None in verdicts:
            return None
        return "equal" if all(verdict == "equal" for verdict in verdicts) else "different"
    if _COMMA_DECIMAL.fullmatch(a) or _COMMA_DECIMAL.fullmatch(b):
        return None  # 0,125: a decimal to some, two answers to others; math-verify's reading stands
    first, second = elements(a), elements(b)
    if len(first) < 2 or len(second) < 2 or not _all_numbers(first + second):
        return None
    values = [
        Counter((q.value, q.percent, q.unit) for part in side if (q := read(part)))
        for side in (first, second)
    ]
    if values[0] == values[1]:
        return "equal"
    if max(len(values[0]), len(values[1])) < max(len(first), len(second)):
        return None  # repeated values: a set or a list, which the text does not say
    pairs = [[decide_number(p, q) for q in second] for p in first]
    if len(first) == len(second) and all("equal" in row for row in pairs):
        return "equal"
    return "different"


def _bare(text: str, other: str) -> str:
    """Without the brackets of a printed list or set, where the other side lists its answers without any."""
    if other[:1] in "[({\\" or not text.endswith(("]", "}")):
        return text
    for left, right in (("[", "]"), ("\\{", "\\}"), ("{", "}")):
        if text.startswith(left) and text.endswith(right) and text.count(left[-1]) == 1:
            return text[len(left) : -len(right)]
    return text


def _one_bracket(text: str) -> bool:
    return len(split_top(text)) == 1 and text.count("(") == text.count(")") == 1


def _all_numbers(parts: list[str]) -> bool:
    return all(read(part) is not None for part in parts)


def decide_number(a: str, b: str) -> Verdict | None:
    if a == b:
        return "equal"
    x, y = read(a), read(b)
    return None if x is None or y is None else compare(x, y)


_LABEL = re.compile(r"[^\W\d_]+(?:[\s'’-]+[^\W\d_]+){0,4}")
_FUNCTIONS = (
    "sin cos tan cot sec csc log ln exp sqrt pi max min gcd lcm mod det arcsin arccos arctan sinh cosh tanh "
    "abs floor ceil infty oo inf"
)
_MATH_WORDS = frozenset(_FUNCTIONS.split())
_SAME = {
    "true": "yes", "correct": "yes", "是": "yes", "对": "yes", "正确": "yes", "false": "no", "incorrect": "no",
    "否": "no", "错": "no", "错误": "no", "不是": "no", "不对": "no",
    "infinitely many": "infinite", "infinity": "infinite", "无数": "infinite", "无穷多": "infinite",
    "dne": "does not exist", "不存在": "does not exist", "无解": "no solution", "no solutions": "no solution",
}  # fmt: skip


def label(text: str) -> str | None:
    """The text as a plain-word answer (a name, yes, Tuesday), folded for comparison; None if it is mathematics.

    math-verify reads words as products of letters, so that "on" equals "no"; words never reach it.
    """
    plain = re.sub(r"\\(?:text|mathrm|textbf|mbox|textrm|operatorname)\s*\{([^{}]*)\}", r"\1", text).strip(
        " .'\""
    )
    if not _LABEL.fullmatch(plain):
        return None
    words = plain.casefold().split()
    if any(word in _MATH_WORDS for word in words):
        return None
    if (
        plain.isascii()
        and plain == text
        and max(map(len, words)) < 4
        and " ".join(words) not in ("yes", "no", "odd")
    ):
        return None  # ab, xyz: products of variables
    if words[0] in ("the", "a", "an") and len(words) > 1:
        words = words[1:]
    folded = " ".join(words)
    return _SAME.get(folded, folded)


def _words(a: str, b: str) -> Verdict | None:
    x, y = label(a), label(b)
    if x is None and y is None:
        return None
    if x is not None and y is not None:
        if x == y:
            return "equal"
        # two labels differ; whether two phrases mean the same, nobody here can read
        return "different" if max(len(x.split()), len(y.split())) <= 2 else "unknown"
    other = b if x is not None else a
    quantity = read(other)
    word = x if x is not None else y
    if quantity is not None and word in ("yes", "no"):
        return "different"
    return "unknown"
