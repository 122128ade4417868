"""The tokens of a worked solution: numbers, signs of operations and relations, words, brackets, units. A step is read as tokens once, from left
to right."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

LONGEST: Final = 4_000  # characters of a step that are read

SIGNS: Final = {
    "×": "*", "·": "*", "∙": "*", "•": "*", "✕": "*", "✖": "*", "∗": "*", "*": "*", "÷": "/", "/": "/", "−": "-", "–": "-", "-": "-",
    "+": "+", "^": "^", "**": "^", "±": "±", "\\times": "*", "\\cdot": "*", "\\div": "/", "\\pm": "±", "乘以": "*",
    "乘": "*", "加上": "+", "加": "+", "减去": "-", "减": "-", "除以": "/",
    "times": "*", "plus": "+", "minus": "-", "divided by": "/", "multiplied by": "*", "over": "/",
}  # fmt: skip
RELATIONS: Final = {
    "=": "=", "==": "=", "＝": "=", "等于": "=", "equals": "=", "is equal to": "=", "equal to": "=", "≈": "≈", "≒": "≈", "\\approx": "≈",
    "\\simeq": "≈", "约等于": "≈", "约为": "≈", "<": "<", "\\lt": "<", ">": ">", "\\gt": ">", "<=": "≤", "≤": "≤", "\\le": "≤",
    "\\leq": "≤", "⩽": "≤", ">=": "≥", "≥": "≥", "\\ge": "≥", "\\geq": "≥", "⩾": "≥", "!=": "≠", "≠": "≠", "\\ne": "≠", "\\neq": "≠",
}  # fmt: skip
# words first, since most tokens are words; those that are relations or signs are excepted
_WORD: Final = (
    r"(?P<w>(?<!\\)(?!(?:equals|is equal to|equal to|times|plus|minus|divided by|multiplied by)\b|sqrt\()"
    r"(?:[a-zA-Z]{2,}(?:['’-][a-zA-Z]{1,20})*\.?(?=/[a-zA-Z])|[a-zA-Z]{2,}(?:['’][a-z]{1,3})?(?:-[a-zA-Z]{1,20})*))"
)
_TOKEN: Final = re.compile(
    _WORD + r"|(?P<a><<[^<>\n]{0,200}>>)"
    r"|(?P<n>\d{1,3}(?:(?:,|\{,\}|,\\!)\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|(?<![\d.])\.\d+)"
    r"|(?P<r>\\(?:approx|simeq|leq?|geq?|neq?|lt|gt)(?![a-zA-Z])|<=|>=|==|(?<=\s)!=|(?<![-=])>(?!>)|(?<!<)<(?![-a-zA-Z/<])|[=＝≈≒≤≥⩽⩾≠]|约?等于|约为"
    r"|\bequals\b|\b(?:is )?equal to\b)"
    r"|(?P<s>(?:\\(?:left|right|displaystyle)(?![a-zA-Z])|\\[,;:! ]|&|(?<![\w)\]])\*\*|\*\*(?![\w(\[])))"
    r"|(?P<o>\*\*|[-+/^×·∙•✕✖∗*÷−–±]|\\(?:times|cdot|div|pm)(?![a-zA-Z])|乘以?|加上?|减去?|除以"
    r"|\b(?:times|plus|minus|divided by|multiplied by)\b)"
    r"|(?P<f>\\[dt]?frac(?![a-zA-Z]))"
    r"|(?P<q>\\sqrt(?![a-zA-Z])|√|\bsqrt(?=\())"
    r"|(?P<p>\\pi(?![a-zA-Z])|π)"
    r"|(?P<t>\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox|operatorname)\s*\{[^{}\n]{0,80}\}(?:\^\{?[23]\}?)?)"
    r"|(?P<d>\^\s*\{?\s*\\circ\s*\}?|°)"
    r"|(?P<z>\\?[%％])"
    r"|(?P<c>\\?\$|[€£¥￥₹])"
    r"|(?P<l>(?<![a-zA-Z\\])[a-zA-Z](?![a-zA-Z]))"
    r"|(?P<b>[(\[（{]|\\\{)|(?P<e>[)\]）}]|\\\})"
    r"|(?P<h>[\u4e00-\u9fff])"
    r"|(?P<m>!(?=\s*[-+*/^=)(<>\\×·÷$]))"
    r"|(?P<j>\n|\\\\(?![a-zA-Z]))"
    r"|(?P<x>\\[a-zA-Z]+|\\.|\.\.\.|[^\s\w]|\w)"
)


class ReadToken(NamedTuple):
    """A token: its kind (the group's letter in `_TOKEN`), its text and its place."""

    kind: str
    text: str
    start: int
    end: int


def tokenized(text: str) -> list[ReadToken]:
    """Return the tokens of a text, without blanks, spacing commands and the annotations of a calculator (<<48/2=24>>)."""
    tokens: list[ReadToken] = []
    new, append = tuple.__new__, tokens.append  # ReadToken(...) takes three times as long
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind not in "as":  # type: ignore[operator]
            append(new(ReadToken, (kind, match.group(), *match.span())))
    return tokens
