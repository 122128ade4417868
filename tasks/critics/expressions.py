"""Reads the expressions of a worked solution: text -> tokens -> an expression in one spelling -> its value.

"48 clips / 2", "50% of $20", "3个苹果加5个苹果" and "\\frac{1}{2} \\times 8" are expressions: numbers, operations in signs or words, brackets,
fractions, roots and pi, with units and counted things behind the numbers. A step is read as tokens once, from left to right.

Values are exact fractions. Where irrational roots or pi stand, they are floating-point numbers.
"""

from __future__ import annotations

import functools
import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, NamedTuple

from tasks.answers.units import UNITS
from tasks.text.arithmetic import number
from tasks.text.expressions import (
    Beside,
    Bracketed,
    Digits,
    Factor,
    Letter,
    Node,
    NotAnExpression,
    Notation,
    Postfix,
    Power,
    Quotient,
    Root,
    Sum,
    Token,
    parse,
)

ExactOrFloat = Fraction | float

LONGEST: Final = 4_000  # characters of a step that are read
_TOKENS: Final = 160  # tokens of one side


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
_TOKEN: Final = re.compile(
    r"(?P<a><<[^<>\n]{0,200}>>)"
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
    r"|(?P<w>(?<!\\)[a-zA-Z]{2,}(?:['’-][a-zA-Z]{1,20})*\.?(?=/[a-zA-Z])|(?<!\\)[a-zA-Z]{2,}(?:['’][a-z]{1,3})?(?:-[a-zA-Z]{1,20})*)"
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


@functools.lru_cache(maxsize=65536)
def value_of(expression: str) -> ExactOrFloat | None:
    """Return the value of an expression in one spelling (digits, + - * / ^ ( ) % ! √ \\pi), None if it has none.

    The value is a fraction if there are no irrational roots and no pi, otherwise a floating-point number.
    """
    if len(expression) > 400:
        return None
    irrational = "\\pi" in expression
    if not irrational and (exact := number(expression)) is not None:
        return exact
    if not irrational and "√" not in expression and "^" not in expression:
        return None
    try:
        approximate = _float(parse(expression, _IRRATIONAL))
    except (NotAnExpression, OverflowError, ZeroDivisionError, ValueError):
        return None
    return approximate if math.isfinite(approximate) else None


def _beside(before: Token, token: Token, divided: bool) -> Beside:
    return "multiply"


_IRRATIONAL: Final = Notation(
    signs={sign: sign for sign in "-+*/^(){}!%√"},
    commands={"pi": "\\pi"},
    numbers=r"\d+(?:\.\d+)?",
    letters="none",
    beside=_beside,
    minus="one",
    arguments="({",
    bare_roots=True,
    towers=True,
    tokens=400,
    depth=24,
)


def _float(tree: Sum) -> float:
    total = 0.0
    for term in tree.terms:
        product = _float_factor(term.factors[0])
        for factor in term.factors[1:]:
            value = _float_factor(factor)
            product = product / value if factor.operator == "/" else product * value
        total += -product if term.negative else product
    return total


def _float_factor(factor: Factor) -> float:
    value = _float_node(factor.value)
    return -value if factor.negative else value


def _float_node(node: Node) -> float:
    match node:
        case Digits(digits=digits):
            return float(digits)
        case Letter():
            return math.pi
        case Bracketed(inner=inner):
            return _float(inner)
        case Quotient(numerator=numerator, denominator=denominator):
            return _float(numerator.inner) / _float(denominator.inner)
        case Root(radicand=radicand):
            return math.sqrt(_float_node(radicand))
        case Power(base=base, exponent=exponent, negative=negative):
            power = _float_node(exponent)
            raised = _float_node(base) ** (-power if negative else power)
            if isinstance(raised, complex):
                raise NotAnExpression("a root of a negative number")
            return float(raised)
        case Postfix(sign="%", value=inner_value):
            return _float_node(inner_value) / 100
    raise NotAnExpression("a factorial")


@dataclass(frozen=True, slots=True)
class Side:
    """An expression at text[start:end]; what is counted behind its last number is not in it.

    key: the expression in one spelling, "" if it has no value. letters: the variables in it, "" for none. operations: how many it has. nouns:
    what stands behind its numbers, in their order, "" behind a number alone. decimals: the digits behind the point if it is one number.
    loose: whether parts of it can be read in two ways.
    """

    start: int
    end: int
    key: str
    letters: str
    operations: int
    nouns: tuple[str, ...]
    decimals: int | None
    loose: bool = False

    @property
    def lone(self) -> bool:
        """Whether it is one number."""
        return self.operations == 0


# words that end what is counted: verbs, conjunctions and the like
_ENDING_WORDS = (
    "is are was were be been equals equal and or so then which that has have had he she it they we i "
    "you his her their its because since if when while but as at in on from to by with for into than "
    "after before until means makes gives get gets got do does did can could will would should must "
    "may might let therefore thus hence where there this these those what who how not no yes also "
    "only just again now once each altogether total remainder mod rem modulo left remaining more "
    "less fewer plus minus times of over per cent percent million billion thousand hundred dozen "
    "trillion both either all about approximately around roughly using step answer"
)
WORD_ENDS: Final = frozenset(_ENDING_WORDS.split())
SCALES: Final = {
    "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12, "dozens": 12, "万": 10**4, "亿": 10**8,
}  # fmt: skip
HAN_ENDS: Final = frozenset(
    "是有为共和的了在从用需约即则故所以得到与及或比还剩余又再而因由把被将可能等乘除加减每第不只就都也要去"
)
OPERAND_FIRST: Final = frozenset("nfqpbc")


def scanned_side(tokens: list[ReadToken], at: int, end: int, text: str) -> tuple[int, Side] | None:
    """Return the longest expression in tokens[at:end] that begins at its first token, and the index behind it, None if there is none."""
    pieces: list[str] = []
    nouns: list[str] = []
    letters = ""
    closers: list[
        tuple[str, int]
    ] = []  # what ends each open bracket, and how many arguments of a fraction follow it
    operand, operations, loose, currency = False, 0, False, ""
    in_words = in_signs = False  # "3 times 6 / 2" may be 3 times what follows
    begin = value_end = next((token.start for token in tokens[at:end] if token.kind != "c"), tokens[at].start)
    best: tuple[int, int, int, int, str, bool, int] | None = None
    stop = min(end, at + _TOKENS)
    while at < stop:
        kind, written, start, _ = tokens[at]
        at += 1
        if not operand:
            if kind == "n":
                pieces.append(_digits(written))
                nouns.append(currency)
                currency = ""
                operand = True
            elif kind == "c":
                currency = written.removeprefix("\\")
                continue
            elif kind == "o" and SIGNS[written] in "+-":
                if SIGNS[written] == "-":
                    if pieces and pieces[-1] == "-":
                        break
                    pieces.append("-")
                continue
            elif kind == "b":
                pieces.append("(")
                closers.append((")", 0))
                continue
            elif kind == "f":
                if at < stop and tokens[at].text == "{":
                    pieces.append("((")
                    closers.append((")/(", 1))
                    at += 1
                    operations += 1
                    continue
                if at < stop and tokens[at].kind == "n" and len(tokens[at].text) == 2:  # \frac12
                    pieces.append(f"({tokens[at].text[0]}/{tokens[at].text[1]})")
                    nouns.append("")
                    at += 1
                    operand = True
                else:
                    break
            elif kind == "q":
                if at < stop and tokens[at].kind == "b" and tokens[at].text != "[":
                    pieces.append("√(")
                    closers.append((")", 0))
                    at += 1
                    operations += 1
                    continue
                if at < stop and tokens[at].kind == "n":
                    pieces.append(f"√({_digits(tokens[at].text)})")
                    nouns.append("")
                    at += 1
                    operand = True
                else:
                    break
            elif kind == "p":
                pieces.append("\\pi ")
                operand = True
                operations += 1
            elif kind == "l":
                if written not in letters:
                    letters += written
                pieces.append(written)
                operand = True
            else:
                break
        elif kind == "o":
            sign = SIGNS[written]
            following = tokens[at] if at < stop else None
            if sign == "±" or following is None:
                loose = True  # an expression that is broken over lines
                break
            if written[0].isalpha() and _is_factor(tokens, at, stop):
                break
            if sign == "/" and (
                following.kind in "wht" or (following.text in _UNIT_LETTERS and nouns and nouns[-1])
            ):
                at += 1  # 10 dollars/hour
                nouns[-1:] = [f"{nouns[-1] if nouns else ''}/{following.text}".strip()]
                if not closers:
                    best = (at, len(pieces), len(nouns), operations, letters, loose, value_end)
                continue
            if following.kind not in "nfqpbcl" and not (
                following.kind == "o" and SIGNS[following.text] == "-"
            ):
                loose |= following.kind in "twh" and not written[0].isalpha()  # 6 apples - Bob's
                break
            word = written[0].isalpha()
            in_words, in_signs = in_words or word, in_signs or not word
            pieces.append(sign)
            operations += 1
            operand = False
            continue
        elif kind == "e":
            if not closers:
                break
            closing, arguments = closers.pop()
            pieces.append(closing)
            if arguments:
                if at < stop and tokens[at].text == "{":
                    closers.append(("))", 0))
                    at += 1
                    operand = False
                    continue
                break
        elif kind == "z":
            pieces.append("%")
        elif kind == "m":
            pieces.append("!")
            operations += 1
        elif kind == "d":
            nouns[-1:] = ["°"]
        elif kind == "c":
            # the end of a formula, or the currency of what follows an operation
            continue
        elif kind == "b":
            if text[tokens[at - 2].end : start] in ("", "\\left") or tokens[at - 2].kind == "e":
                pieces.append("*(")
                closers.append((")", 0))
                operations += 1
                operand = False
                continue
            break
        elif kind in "fqpn":
            mixed = _mixed(tokens, at - 2, stop)
            if mixed is not None:  # 3 1/2, 3\\frac{1}{2}
                part, length = mixed
                pieces[-1:] = [f"({pieces[-1]}+{part})"]
                at += length - 1
            elif kind == "n":
                break
            else:
                pieces.append("*")
                operations += 1
                operand = False
                at -= 1
                continue
        elif kind == "l":
            if (
                written in "xX"
                and at < stop
                and tokens[at].kind in OPERAND_FIRST
                and tokens[at - 2].kind != "o"
            ):
                pieces.append("*")
                operations += 1
                operand = False
                continue
            if start == tokens[at - 2].end:
                if written not in letters:
                    letters += written
                pieces.append("*" + written)
                operations += 1
            else:
                break
        elif kind == "w":
            scale = SCALES.get(written.lower())
            if scale is not None and tokens[at - 2].kind == "n":
                pieces[-1:] = [f"({pieces[-1]}*{scale})"]
                best = (
                    (at, len(pieces), len(nouns), operations, letters, loose, value_end)
                    if not closers
                    else best
                )
                continue
            if is_name(tokens, at - 1):
                loose = True
                break
            behind = _noun(tokens, at - 1, stop)
            if behind is None:
                break
            if behind == -1:  # "50% of 20"
                if not _is_part(pieces):
                    break
                pieces.append("*")
                operations += 1
                operand = False
                continue
            nouns[-1:] = [" ".join([*nouns[-1:], *(token.text for token in tokens[at - 1 : behind])]).strip()]
            at = behind
        elif kind == "t":
            nouns[-1:] = [written]
        elif kind == "h":
            if written == "的" and _is_part(pieces) and at < stop and tokens[at].kind in OPERAND_FIRST:
                pieces.append("*")
                operations += 1
                operand = False
                continue
            behind = at - 1
            while (
                behind < stop
                and tokens[behind].kind == "h"
                and tokens[behind].text not in HAN_ENDS
                and behind < at + 3
            ):
                behind += 1
            if behind == at - 1:
                break
            nouns[-1:] = [
                (nouns[-1] if nouns else "") + "".join(token.text for token in tokens[at - 1 : behind])
            ]
            at = behind
        else:
            break
        if kind not in "wth":
            value_end = tokens[at - 1].end
        if operand and not closers:
            best = (at, len(pieces), len(nouns), operations, letters, loose, value_end)
    if best is None:
        return None
    at, count, named, operations, letters, loose_before, value_end = best
    while at < end and tokens[at].kind == "c" and tokens[at].text[-1] == "$":
        at += 1  # the end of a formula
    key = "".join(pieces[:count])
    decimals = None
    if operations == 0 and not letters:
        digits = key.rstrip("%").lstrip("-(").rstrip(")")
        decimals = len(digits.partition(".")[2]) if digits.replace(".", "", 1).isdigit() else None
    return at, Side(
        begin,
        value_end,
        key,
        letters,
        operations,
        tuple(nouns[:named]),
        decimals,
        loose or loose_before or (in_words and in_signs),
    )


def _digits(written: str) -> str:
    """Return a number without the marks between its thousands."""
    if written[0] == ".":
        return "0" + written
    return written.replace("{,}", "").replace(",\\!", "").replace(",", "") if "," in written else written


def _mixed(tokens: list[ReadToken], at: int, stop: int) -> tuple[str, int] | None:
    """Return the fraction of the mixed number whose integer is tokens[at], and its number of tokens, None if it is none."""
    if tokens[at].kind != "n" or "." in tokens[at].text or at + 2 >= stop:
        return None
    if tokens[at + 1].kind == "n":
        one, slash, other = tokens[at + 1 : at + 4] if at + 3 < stop else (None, None, None)
        if (
            one is None
            or slash is None
            or other is None
            or slash.text != "/"
            or other.kind != "n"
            or slash.start != one.end
        ):
            return None
        length = 3
    elif tokens[at + 1].kind == "f":
        group = tokens[at + 2 : min(at + 8, stop)]
        if [token.text if token.kind in "be" else token.kind for token in group] != [
            "{",
            "n",
            "}",
            "{",
            "n",
            "}",
        ]:
            return None
        one, other, length = group[1], group[4], 7
    else:
        return None
    if not (one.text.isdigit() and other.text.isdigit()) or not 0 < int(one.text) < int(other.text) < 10_000:
        return None
    return f"{one.text}/{other.text}", length


def _is_part(pieces: list[str]) -> bool:
    """Whether the last piece is a percentage or a fraction, of which "of" makes a product."""
    return bool(pieces) and (
        pieces[-1] == "%"
        or pieces[-1] == "))"
        or (len(pieces) > 2 and pieces[-2] == "/" and pieces[-3].isdigit())
    )


_UNIT_LETTERS: Final = ("h", "s", "m", "g", "L", "l")  # 105/2 km/h


def _is_factor(tokens: list[ReadToken], at: int, stop: int) -> bool:
    """Whether tokens[at] is pi or a root, as in "2 * 31 = 62 times $\\pi$", where the words give the result its factor."""
    if tokens[at].kind == "c" and at + 1 < stop:
        at += 1
    return tokens[at].kind in "pq"


def is_name(tokens: list[ReadToken], at: int) -> bool:
    """Whether the word tokens[at] is a product of variables or the name of a segment: the ab of 2ab, the BC of 4BC."""
    word = tokens[at].text
    if word in UNITS or word.lower() in UNITS or word.lower() in WORD_ENDS or word.lower() in SCALES:
        return False
    if len(word) < 3 or (len(word) < 5 and word.isupper()) or not _VOWEL.search(word):
        return True
    before = tokens[at - 1] if at else None
    return len(word) < 5 and before is not None and before.end == tokens[at].start and before.kind in "ne"


_VOWEL: Final = re.compile(r"[aeiouyAEIOUY]")


def _noun(tokens: list[ReadToken], at: int, stop: int) -> int | None:
    """Return the index behind the words at tokens[at] that say what is counted, -1 for an "of" between a part and its whole, None for
    other words."""
    if tokens[at].text == "of" and at + 1 < stop and tokens[at + 1].kind in OPERAND_FIRST:
        return -1
    behind = at
    while behind < stop and behind < at + 5:
        kind, word, _, _ = tokens[behind]
        if kind == "l" and word in "aA" and behind + 1 < stop and tokens[behind + 1].kind == "w":
            behind += 1
        elif kind != "w" or word.lower() in WORD_ENDS:
            if word == "of" and behind > at and behind + 1 < stop and tokens[behind + 1].kind == "w":
                behind += 1
                continue
            break
        else:
            behind += 1
    return behind if behind > at else None


def tokenized(text: str) -> list[ReadToken]:
    """Return the tokens of a text, without blanks, spacing commands and the annotations of a calculator (<<48/2=24>>)."""
    tokens = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind not in "as":  # type: ignore[operator]
            tokens.append(ReadToken(kind, match.group(), match.start(), match.end()))  # type: ignore[arg-type]
    return tokens


def side_of(text: str) -> Side | None:
    """Return the expression that a whole text is, with its unit or currency, None if it is none."""
    tokens = tokenized(text[:LONGEST])
    scanned = scanned_side(tokens, 0, len(tokens), text) if tokens else None
    return (
        scanned[1]
        if scanned is not None and all(token.kind in "xc" for token in tokens[scanned[0] :])
        else None
    )
