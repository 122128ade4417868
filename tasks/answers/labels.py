"""Compares answers in words (names, yes and no, weekdays), and recognises prose, which cannot be compared.

math-verify reads words as products of letters, so that "on" equals "no": words never reach it.
"""

from __future__ import annotations

import re

from tasks.answers.numerals import read
from tasks.answers.verdicts import Judgement

NOTHING = frozenset(("nan", "none", "null", "n/a", "error", "unknown"))
_LETTERS = re.compile(r"[a-z]{3,8}|[A-Z]{3,8}")
_COMMAND = re.compile(r"\\[a-zA-Z]+")
_LONG_WORD = re.compile(r"[a-zA-Z]{3,}|[\u4e00-\u9fff]+")
_LABEL = re.compile(r"[^\W\d_]+(?:[\s'’-]+[^\W\d_]+){0,4}")
_TEXT = re.compile(r"\\(?:text|mathrm|textbf|mbox|textrm|operatorname)\s*\{([^{}]*)\}")
_FUNCTIONS = (
    "sin cos tan cot sec csc log ln exp sqrt pi max min gcd lcm mod det arcsin arccos arctan sinh cosh tanh "
    "abs floor ceil infty oo inf"
)
_MATH_WORDS = frozenset(_FUNCTIONS.split())
_SAME = {
    "true": "yes", "correct": "yes", "是": "yes", "对": "yes", "正确": "yes", "false": "no", "incorrect": "no",
    "否": "no", "错": "no", "错误": "no", "不是": "no", "不对": "no",
    "infinitely many": "infinite", "infinity": "infinite", "无数": "infinite", "无穷多": "infinite",
    "empty set": "no solution", "no real solution": "no solution", "no real solutions": "no solution", "none exist": "no solution",
    "dne": "does not exist", "不存在": "does not exist", "无解": "no solution", "no solutions": "no solution", "no real roots": "no solution", "no real root": "no solution", "no roots": "no solution",
    "无实数解": "no solution", "无实数根": "no solution", "无实根": "no solution", "没有实数根": "no solution", "没有实数解": "no solution",
    "没有解": "no solution", "方程无解": "no solution", "infinitely many solutions": "infinite", "infinite solutions": "infinite",
    "infinite number": "infinite", "无穷多个": "infinite", "无数个": "infinite", "undefined": "does not exist", "not defined": "does not exist",
}  # fmt: skip
_WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday"
_MONTHS = "january february march april may june july august september october november december"
for _number, _day in enumerate(_WEEKDAYS.split()):
    for _week in ("星期", "周", "礼拜"):
        _SAME |= {_week + _char: _day for _char in ("一", "二", "三", "四", "五", "六", "日天")[_number]}
    _SAME |= {_day[:3]: _day, f"on {_day}": _day}
_SAME |= {"tues": "tuesday", "thur": "thursday", "thurs": "thursday"}
for _number, _month in enumerate(_MONTHS.split()):
    _SAME |= {
        (["一", "二", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二"])[_number]
        + "月": _month,
        f"in {_month}": _month,
    }
    if _number != 4:
        _SAME[_month[:3]] = _month


def label(text: str) -> str | None:
    """Return a plain-word answer (a name, yes, Tuesday) folded for comparison, None if the text is mathematics."""
    plain = _TEXT.sub(r"\1", text).strip(" .'\"")
    if not _LABEL.fullmatch(plain):
        return None
    words = plain.casefold().split()
    if any(word in _MATH_WORDS for word in words):
        return None
    short = plain.isascii() and plain == text and max(map(len, " ".join(words).replace("-", " ").split())) < 4
    if short and " ".join(words) not in ("yes", "no", "odd", "may") and " ".join(words) not in _SAME:
        return None  # ab, xyz: products of variables
    if words[0] in ("the", "a", "an") and len(words) > 1:
        words = words[1:]
    folded = " ".join(words)
    return _SAME.get(folded, folded)


def compare_words(a: str, b: str) -> Judgement | None:
    """Return the verdict where at least one answer is in words, None where both are mathematics."""
    x, y = label(a), label(b)
    if x is None and y is None:
        # abc and bca: words, orders and names of angles far more often than products
        spelled = _LETTERS.fullmatch(a) and _LETTERS.fullmatch(b) and a.casefold() != b.casefold()
        return "different" if spelled else None
    if x is not None and y is not None:
        if x == y:
            return "equal"
        # two labels differ; two phrases may mean the same
        return "different" if max(len(x.split()), len(y.split())) <= 2 else "unknown"
    other = b if x is not None else a
    quantity = read(other)
    word = x if x is not None else y
    if quantity is not None and word in ("yes", "no", "infinite"):
        return "different"
    return "unknown"


def is_prose(text: str) -> bool:
    """Return whether a text is a sentence or a formula in one: math-verify would read its letters as variables."""
    words = [word for word in _LONG_WORD.findall(_COMMAND.sub(" ", text)) if word.lower() not in _MATH_WORDS]
    return len(words) > 2 or any(word > "\u4e00" for word in words)
