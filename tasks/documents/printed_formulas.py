"""The formulas in a printed line: which of its tokens belong to one, without what belongs to the sentence around it."""

from __future__ import annotations

import re
from typing import Final

from tasks.documents.printed_tokens import CURRENCIES, PrintedToken

_BLANK: Final = 0.22  # the least blank after a comma of a sentence; in a formula it is smaller
_NEUTRAL = re.compile(rf"[{CURRENCIES}]|(?:[{CURRENCIES}](?=\d))?[\d.,+\-=<>()\[\]{{}}|/!:;*'%]+")
_ARITHMETIC = re.compile(rf"\d!?\s*[+=<>]\s*[({CURRENCIES}\d-]")
_PUNCTUATION: Final = frozenset(".,;:!?'\"")
_OPERATOR: Final = frozenset("+-=<>/*^|!([{")


def formulas_in(tokens: list[PrintedToken]) -> list[tuple[int, int]]:
    """Return the parts of a line that are formulas, as (first, after the last) token."""
    parts: list[tuple[int, int]] = []
    number = 0
    while number < len(tokens):
        end = number
        while end < len(tokens) and _may_be_formula(tokens[end]):
            end += 1
        if end > number:
            for begin, stop in _items(tokens, number, end):
                first, last = _trimmed(tokens, begin, stop)
                if begin < first < last and tokens[first - 1].text in CURRENCIES and not tokens[first].apart:
                    first -= 1  # the price $x
                if first < last and (
                    any(token.kind == "math" for token in tokens[first:last])
                    or _ARITHMETIC.search("".join(token.text for token in tokens[first:last]))
                ):
                    parts.append((first, last))
        number = max(end, number + 1)
    return parts


def _items(tokens: list[PrintedToken], first: int, last: int) -> list[tuple[int, int]]:
    """Return the parts between commas and stops of the sentence: those outside of brackets that a blank follows."""
    parts, depth, begin = [], 0, first
    for number in range(first, last):
        text = tokens[number].text
        depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
        after = tokens[number + 1] if number + 1 < last else None
        if text in ",;." and depth <= 0 and after is not None and after.gap > _BLANK:
            parts.append((begin, number))
            begin = number + 1
    return [*parts, (begin, last)]


def _may_be_formula(token: PrintedToken) -> bool:
    return token.kind in ("math", "function") or (
        token.kind == "neutral" and _NEUTRAL.fullmatch(token.text) is not None
    )


def _trimmed(tokens: list[PrintedToken], first: int, last: int) -> tuple[int, int]:
    """Return the part without the punctuation, brackets and numbers at its ends that belong to the sentence."""
    changed = True
    while changed and first < last:
        changed = False
        head, tail = tokens[first], tokens[last - 1]
        after = tokens[first + 1] if first + 1 < last else None
        if head.kind == "neutral" and (
            head.text in _PUNCTUATION
            or head.text in CURRENCIES
            or (head.text in (")", "]", "-")
            and head.text != "-")
            or (head.text in "([" and not _closes(tokens, first, last))
            or (first == 0 and head.text == "(" and last > 2 and tokens[2].text == ")" and last > 3 and tokens[3].apart)
            or (head.text.lstrip(CURRENCIES)[:1].isdigit() and after is not None and after.apart and after.text not in _OPERATOR and after.kind == "math" and not _relation(after))
            or (head.text[0].isdigit() and after is not None and after.text in ".)" and (last == first + 2 or tokens[first + 2].apart))
        ):  # fmt: skip
            first += (
                3
                if head.text == "(" and first == 0 and last > 3 and tokens[2].text == ")" and tokens[3].apart
                else 1
            )
            changed = True
        elif tail.kind == "neutral" and (
            (tail.text in _PUNCTUATION and not (tail.text == "!" and not tail.apart) and not (tail.text == "'" and not tail.apart))
            or tail.text in "(["
            or (tail.text == "-" and last < len(tokens) and tokens[last].kind == "word" and not tokens[last].apart)
            or (tail.text in ")]" and not _opens(tokens, first, last))
            or (tail.text[0].isdigit() and tail.apart and last - 2 >= first and tokens[last - 2].text in _PUNCTUATION)
        ):  # fmt: skip
            last -= 1
            changed = True
    return first, last


def _relation(token: PrintedToken) -> bool:
    """Return whether a token is a sign between two sides."""
    latex = token.boxes[0].latex
    return latex in ("+", "-", "=", "<", ">", "*", "/", "|") or (
        latex.startswith("\\") and not latex[1:2].isupper()
    )


def _closes(tokens: list[PrintedToken], first: int, last: int) -> bool:
    """Return whether the bracket at `first` is closed before `last`."""
    depth = 0
    for token in tokens[first:last]:
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if depth == 0:
            return True
    return False


def _opens(tokens: list[PrintedToken], first: int, last: int) -> bool:
    """Return whether the bracket before `last` is opened at or after `first`."""
    depth = 0
    for token in reversed(tokens[first:last]):
        depth += (token.text in (")", "]")) - (token.text in ("(", "["))
        if depth == 0:
            return True
    return False
