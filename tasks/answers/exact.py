"""The exact fast path: verdicts that need no computer algebra, on rationals, lists of them and plain words.

It decides a pair only where the decision is certain, and otherwise says None (ask math-verify). Where it
contradicts math-verify, math-verify is wrong: the faults are listed and re-proved in tests/tasks/answers.
"""

from __future__ import annotations

import re
from collections import Counter

from tasks.answers.arithmetic import decide_arithmetic
from tasks.answers.comparison import compare
from tasks.answers.labels import NOTHING, compare_words, is_prose
from tasks.answers.numerals import read
from tasks.answers.spelling import MAX_LENGTH, canonical, split_top
from tasks.answers.verdicts import Verdict

_INTEGER = re.compile(r"-?[1-9][0-9]{0,17}|0")
_CHOICE = re.compile(r"\(?([A-Ja-j])\)?")
_OPTION = re.compile(r"\(?([A-J])(?:[).:]\s*|\)\s+).+", re.DOTALL)
_AND = re.compile(
    r"\s*(?:,\s*)?(?:\\(?:text|mathrm)\s*\{\s*(?:and|or)\s*\}|(?<![a-zA-Z\\])(?:and|or)(?![a-zA-Z])|或者?|和|以及|及)\s*"
)
_COMMA_DECIMAL = re.compile(r"[-+]?0\d*,\d+")
_SPACE = re.compile(r"(?<![0-9A-Za-z]) | (?![0-9A-Za-z])")  # 1 1/2 is not 11/2
_READABLE = re.compile(r"[^\W_]|\\[a-zA-Z]")


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
    if a == b or ((" " in a or " " in b) and _SPACE.sub("", a) == _SPACE.sub("", b)):
        return "equal"
    if a.casefold() in NOTHING or b.casefold() in NOTHING:
        return "unknown"
    dates = _dates(a, b)
    if dates is not None:
        return dates
    x, y = read(a), read(b)
    if x is not None and y is not None:
        return compare(x, y)
    for rule in (_choices, _congruences, _bases, _ratios, _lists, compare_words):
        verdict = rule(a, b)
        if verdict is not None:
            return verdict
    verdict = decide_arithmetic(a, b)
    if verdict is not None:
        return verdict
    return "unknown" if any(is_prose(_AND.sub(", ", text)) for text in (a, b)) else None


_DATE = re.compile(r"(?<![\d/])(?:(\d{1,2})/(\d{1,2})/(\d{4})|(\d{4})[-/](\d{1,2})[-/](\d{1,2}))(?![\d/])")


def _dates(a: str, b: str) -> Verdict | None:
    """07/08/1971 and 7/8/1971; as fractions 10/10/2000 would be 1/1/2000. Whether the day or the month comes first,
    two dates in one order share. A sentence with one date in it says that date."""
    found = [list(_DATE.finditer(text)) for text in (a, b)]
    if [len(dates) for dates in found] != [1, 1] or not any(_DATE.fullmatch(text) for text in (a, b)):
        return None
    x, y = found[0][0], found[1][0]
    if x.lastindex != y.lastindex:
        return "unknown"
    same = [int(part) for part in x.groups() if part] == [int(part) for part in y.groups() if part]
    return "equal" if same else "different"


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


_BASE = re.compile(r"(-?[0-9A-Za-z]{1,60})\s*_\s*\{?(?:\\text\{)?(\d{1,2})\}*")


_CONGRUENCE = re.compile(
    r"(?:[a-zA-Z]\s*(?:\\equiv|≡)\s*)?(-?\d{1,60})\s*\(?\s*(?:\\[pb]?mod|mod)\s*\{?\s*(\d{1,60})\s*[})]*"
)


def _congruences(a: str, b: str) -> Verdict | None:
    """x = 1 mod 5 and 6 mod 5: residue classes (math-verify compares the moduli alone)."""
    x, y = _CONGRUENCE.fullmatch(a), _CONGRUENCE.fullmatch(b)
    if x is None or y is None or int(x.group(2)) == 0:
        return None
    modulus = int(x.group(2))
    same = modulus == int(y.group(2)) and (int(x.group(1)) - int(y.group(1))) % modulus == 0
    return "equal" if same else "different"


def _bases(a: str, b: str) -> Verdict | None:
    """120_5 and 1020_3, numerals in a written base, by value (math-verify drops the base). A numeral without
    its base is taken to be in the other's: the question names it."""
    x, y = _BASE.fullmatch(a), _BASE.fullmatch(b)
    if x is None and y is None:
        return None
    if x is None or y is None:
        plain, based = (a, y) if x is None else (b, x)
        if based is None or not re.fullmatch(r"-?[0-9]+", plain) or not based.group(1).lstrip("-").isdigit():
            return None
        return "equal" if int(plain) == int(based.group(1)) else "different"
    try:
        values = [int(match.group(1), int(match.group(2))) for match in (x, y)]
    except ValueError:
        return None  # a_1, or a digit the base does not have
    return "equal" if values[0] == values[1] else "different"


def _ratios(a: str, b: str) -> Verdict | None:
    """Continued ratios (6:1:2), up to a common factor (math-verify divides them out to one number)."""
    if a.count(":") < 2 and b.count(":") < 2:
        return None
    u, v = ([q.value for part in text.split(":") if (q := read(part.strip()))] for text in (a, b))
    if len(u) <= a.count(":") or len(v) <= b.count(":"):
        return None
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
