"""Reads the statements of a worked solution that can be recomputed: equations, approximations and inequalities between values.

"Natalia sold 48 clips / 2 = 24 clips" states 48 / 2 = 24; "a = b = c" states two equations; "25% of 80 is 20" states one. What
surrounds a statement may make it a part of something else ("half of 80 = 40", "17 / 5 = 3 remainder 2"): it is doubtful then, and
a doubtful statement is never called wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tasks.critics.expressions import (
    HAN_ENDS,
    OPERAND_FIRST,
    SCALES,
    WORD_ENDS,
    Side,
    is_name,
    scanned_side,
)
from tasks.critics.step_tokens import LONGEST, RELATIONS, SIGNS, ReadToken, tokenized


@dataclass(frozen=True, slots=True)
class StepStatement:
    """`left relation right` at text[start:end]; the right side is text[right.start:end].

    relation: one of = ≈ < > ≤ ≥ ≠. doubtful: whether the words around it may make it a part of something else. chained: whether its left side is
    the right side of the statement before it. ends_chain: whether no further relation follows.
    """

    start: int
    end: int
    relation: str
    left: Side
    right: Side
    left_text: str
    right_text: str
    doubtful: bool
    chained: bool


_HAS_RELATION: Final = re.compile(
    r"[=＝≈≒<>≤≥⩽⩾≠]|\\(?:approx|simeq|leq?|geq?|neq?|lt|gt)(?![a-zA-Z])|等于|约为|\bequals?\b|\d[^.\n]{0,80}\bis\b|(?:[%％]|/\s?\d+)\s?的|\\end"
)
# words and signs that make what follows them an operand of something else
_OPERATED_WORDS = "of times plus minus mod over than log ln sin cos tan gcd lcm max min"
_NUMBERED_WORDS = (
    "day days week weeks month months year years step steps room rooms page pages grade grades chapter chapters exercise question "
    "problem case part level number floor row column between from until"
)
_NUMBERED: Final = frozenset(_NUMBERED_WORDS.split())  # "on day 1 * 2"
_OPERATED_BY: Final = frozenset(("divided", "multiplied", "increased", "decreased", "reduced"))
_OPERATED: Final = frozenset(_OPERATED_WORDS.split())
_CLEAN_BEFORE: Final = frozenset(",:;.(（，。：；、→⇒⟹∴[#>-*\"'“$")
_CONTINUES_WORDS = (
    "remainder mod modulo rem r R times plus minus over of thousand million billion trillion hundred"
)
_CONTINUES: Final = frozenset(_CONTINUES_WORDS.split())
_CLOCK: Final = re.compile(r"(?<![\d.])0\d{2,}")  # 0900 - 0130 are times
_SEPARATORS_WORDS = (
    "\\) \\] \\( \\[ \\quad \\qquad \\Rightarrow \\implies \\to \\rightarrow \\Longrightarrow "
    "\\therefore \\because \\iff \\end \\tag \\checkmark"
)
_SEPARATORS: Final = frozenset(_SEPARATORS_WORDS.split())


def read(text: str) -> list[StepStatement]:
    """Return the statements of a text from left to right; a chain "a = b = c" gives one for each relation."""
    if "=" not in text and _HAS_RELATION.search(text) is None:
        return []
    tokens = tokenized(text[:LONGEST])
    statements: list[StepStatement] = []
    line = 0  # the first token of the line
    last = -1  # the relation before this one, if only an expression stands between
    right: tuple[int, Side] | None = None
    count = len(tokens)
    for at in range(count):
        kind, written, _, _ = tokens[at]
        if kind == "j":
            line, last = at + 1, -1
            continue
        if kind == "r":
            relation = RELATIONS[written]
        elif (kind == "w" and written in ("is", "are")) or (kind == "h" and written == "是"):
            relation = "is"
        else:
            continue
        if right is not None and last >= 0 and right[0] == at:
            left, doubtful = right[1], False
        else:
            bounds = _left(tokens, max(line, last + 1), at, text, chained=last >= 0)
            if bounds is None:
                if relation != "is":
                    right, last = _right_of(tokens, at, count, text), at
                continue
            left, doubtful = bounds
        chained = right is not None and last >= 0 and right[1] is left
        if relation == "is" and (left.letters or not left.operations):
            continue
        right, last = _right_of(tokens, at, count, text), at
        if right is None:
            continue
        behind, side = right
        if relation == "is" and not side.lone:
            right, last = None, -1
            continue
        doubtful |= _doubtful_behind(tokens, behind, count, side)
        statements.append(
            StepStatement(
                left.start,
                side.end,
                "=" if relation == "is" else relation,
                left,
                side,
                text[left.start : tokens[at].start].strip(),
                text[side.start : side.end],
                doubtful
                or left.loose
                or side.loose
                or relation == "is"
                # 3/8 is equal to $375, 55 is equal to 110% of x
                or (written[0].isalpha() and ((left.operations == 1 and "/" in left.key) or "%" in side.key))
                or _CLOCK.search(left.key) is not None,
                chained,
            )
        )
    return statements


def _right_of(tokens: list[ReadToken], at: int, count: int, text: str) -> tuple[int, Side] | None:
    return scanned_side(tokens, at + 1, count, text) if at + 1 < count else None


def _left(
    tokens: list[ReadToken], low: int, at: int, text: str, *, chained: bool
) -> tuple[Side, bool] | None:
    """Return the expression that ends before tokens[at], and whether it may be a part of something else."""
    start = _start(tokens, low, at)
    for _ in range(4):
        while (start < at and tokens[start].kind in "exw") or (
            start < at and tokens[start].kind == "o" and SIGNS[tokens[start].text] not in "-"
        ):
            start += 1
            # an operation without what it operates on
        if start >= at:
            return None
        scanned = scanned_side(tokens, start, at, text)
        if scanned is None:
            start += 1
            continue
        if scanned[0] == at:
            return scanned[1], _doubtful_before(tokens, low, start, scanned[1], chained)
        start = scanned[0]
    return None


def _start(tokens: list[ReadToken], low: int, at: int) -> int:
    """Return the index of the first token that may belong to the expression before tokens[at]."""
    depth = 0
    while at > low:
        kind, written, _, _ = tokens[at - 1]
        if kind in "nofqpzmdt" or kind == "c":
            at -= 1
        elif kind == "e":
            depth += 1
            at -= 1
        elif kind == "b":
            if depth == 0:
                break
            depth -= 1
            at -= 1
        elif kind == "l":
            if written in "aAI" and at - 2 >= low and tokens[at - 2].kind in "wn" and tokens[at].kind == "w":
                at -= 1
                continue
            at -= 1
        elif kind == "w" or kind == "h":
            first = at - 1
            while first > low and tokens[first - 1].kind == kind and at - first < (5 if kind == "w" else 4):
                first -= 1
            if (
                kind == "w"
                and tokens[at - 1].text == "of"
                and first == at - 1
                and tokens[first - 1].kind in "zne"
            ):
                at -= 1
                continue
            words = [token.text for token in tokens[first:at]]
            ends = WORD_ENDS if kind == "w" else HAN_ENDS
            if (
                kind == "w"
                and first == at - 1
                and tokens[first].text.lower() in SCALES
                and tokens[first - 1].kind == "n"
            ):
                at -= 1
                continue
            if (
                first == low
                or not _is_counted(tokens, first - 1)
                or any(word.lower() in ends and word not in ("a", "的") for word in words)
            ):
                # words that count nothing: the expression begins behind them, or behind the last of them that ends a phrase
                break
            at = first
        else:
            break
    return at


def _is_counted(tokens: list[ReadToken], at: int) -> bool:
    """Whether words behind tokens[at] can say what it counts: it ends a number, perhaps at the end of a formula."""
    if tokens[at].kind == "c" and at > 0:
        at -= 1
    return tokens[at].kind in "nzedot"


def _doubtful_before(tokens: list[ReadToken], low: int, start: int, side: Side, chained: bool) -> bool:
    """Whether what stands before the left side at tokens[start] makes it a part of something else."""
    first = tokens[start]
    spaced_sign = start + 1 < len(tokens) and tokens[start + 1].start > first.end
    while start > low and tokens[start - 1].kind == "c":
        start -= 1  # a formula or an amount begins
    before = tokens[start - 1] if start > 0 and tokens[start - 1].kind != "j" else None
    if before is None:  # a line that continues an expression
        return start > 1 and tokens[start - 1].kind == "j" and tokens[start - 2].kind in "or"
    if before.kind == "r":
        return False
    if first.kind == "o" and (before.kind in "nezlfqpd" or spaced_sign):
        return True  # a minus that subtracts from something
    earlier = tokens[start - 2] if start > 1 else None
    if before.kind == "w":
        word = before.text.lower()
        if (
            before.end == first.start
            or is_name(tokens, start - 1)
            or (earlier is not None and earlier.kind == "o")
        ):
            return True  # 25 classmates + his 1 teacher + 1
        if word == "and":  # 3 and 1/4 * 2
            return (
                earlier is not None
                and earlier.kind == "n"
                and (side.lone or _is_fraction(tokens, start, len(tokens)))
            )
        if word == "by":
            return side.lone or (earlier is not None and earlier.text.lower() in _OPERATED_BY)
        return word in _OPERATED or (word in _NUMBERED and first.kind == "n") or side.lone
    if before.kind == "h":
        return before.text in "的以每" or (before.text == "第" and first.kind == "n") or side.lone
    if before.kind == "x":
        if earlier is not None and earlier.kind in "no" and before.text in ":,.":
            spaced = first.start > before.end
            if before.text == ":":
                return not spaced and earlier.kind == "n"  # 3:4
            # 0,2 and 13, 200 and . 84 are numbers
            return (
                not spaced
                or earlier.kind == "o"
                or (before.text == "," and len(first.text) == 3 and first.text.isdigit())
            )
        return (before.text == "." and before.end == first.start) or (
            before.text not in _CLEAN_BEFORE and before.text not in _SEPARATORS
        )
    return before.kind != "b" or (earlier is not None and earlier.kind == "o")


def _is_fraction(tokens: list[ReadToken], at: int, count: int) -> bool:
    """Whether tokens[at] begins a proper fraction, as behind the "and" of a mixed number."""
    if tokens[at].kind == "f":
        return True
    one, sign, other = tokens[at : at + 3] if at + 2 < count else (None, None, None)
    if (
        one is None
        or sign is None
        or other is None
        or sign.text != "/"
        or not one.text.isdigit()
        or not other.text.isdigit()
    ):
        return False
    return len(one.text) < 9 > len(other.text) and int(one.text) < int(other.text)


def _doubtful_behind(tokens: list[ReadToken], behind: int, count: int, side: Side) -> bool:
    """Whether what follows the right side at tokens[behind] makes it a part of something else."""
    if behind >= count:
        return False
    kind, written, start, _ = tokens[behind]
    following = tokens[behind + 1] if behind + 1 < count else None
    if kind in "rjehc":
        return kind == "h" and written in "余万亿千百半多几"
    if kind == "w":
        if written.lower() == "and" and following is not None:  # 1 and 1/3; 3 and 5
            return following.kind in "nf" and (
                _is_fraction(tokens, behind + 1, count) or _is_list(tokens, behind, count)
            )
        if is_name(tokens, behind):
            return True
        if written == "of":
            return (
                following is not None and following.kind in OPERAND_FIRST
            )  # 60 = 75% of 80, and not 1/2 of the cups
        if written == "to":
            return following is not None and following.kind in OPERAND_FIRST
        return written in _CONTINUES
    if kind == "o" and written[0].isalpha():
        return following is not None and following.kind in "nfb"  # and not 15 times the size, 62 times pi
    if kind == "b":
        adjacent = start == tokens[behind - 1].end and written != "（"
        return (
            adjacent
            or (following is not None and following.kind in "nfqpclobw" and not following.text.isalpha())
            or (following is not None and following.kind == "w" and is_name(tokens, behind + 1))
        )
    if kind == "x":
        if written == ":":
            return following is not None and following.kind == "n" and following.start == tokens[behind].end
        if written == ",":
            return (
                following is not None
                and following.kind == "n"
                and side.lone
                and _is_list(tokens, behind, count)
            )
        return written == "_" or (
            written[0] == "\\" and written not in _SEPARATORS and written[1:2].isalpha()
        )
    return True


def _is_list(tokens: list[ReadToken], at: int, count: int) -> bool:
    """Whether the comma at tokens[at] separates numbers: "= 3, 4" and not "= 3, 4 + 1 = 5"."""
    return at + 2 >= count or tokens[at + 2].kind in "xjw"
