"""What a rewritten text leaves out of its source: formulas, numbers and named theorems.

Each of them has to occur again in the rewritten text. Blanks, the signs around a formula and commands that only space or size it do
not count; the order of a sum or another notation does, so that a low share can also mean a text that says the same otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

# the signs around a formula; a dollar is one if its pair is near
_OPENINGS: Final = (("\\[", "\\]"), ("\\(", "\\)"), ("$$", "$$"), ("$", "$"))
_SIGN: Final = re.compile(r"\\\\|\\[\[\](){}]|\\\$|\$\$?")
_LONGEST_FORMULA: Final = 4000  # characters
_LONGEST_IN_DOLLARS: Final = 400
_LAYOUT: Final = re.compile(
    r"\\(?:left|right|displaystyle|textstyle|limits|nolimits|quad|qquad|,|;|:|!|>|\s|cancel|big[lrgm]*|Big[lrgm]*)(?![A-Za-z])"
    r"|\\(?:begin|end)\{[a-z]+\*?\}(?:\{[lcr|]*\})?|[\s~&]"
    r"|\\tag\*?\{[^{}]*\}|\\text\{\(\d+(?:\.\d+)*[a-z]?\)\}"  # the number beside it
)
_LINE: Final = re.compile(r"\\\\(?:\[[^\]]*\])?|\\(?:q?quad)(?![A-Za-z])")
_SAME: Final = (
    ("dfrac", "frac"),
    ("tfrac", "frac"),
    (r"\lt", "<"),
    (r"\gt", ">"),
    (r"\leq", r"\le"),
    (r"\geq", r"\ge"),
)
_ENDING: Final = ".,;:。，；："
_NUMBER: Final = re.compile(r"(?<![\w.,])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\w])|(?<![\w.])\d+(?:\.\d+)?(?!\w)")
# digits of another text, also those of "3x"
_DIGITS: Final = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)|\d+(?:\.\d+)?")
# marks of lists and headings, and the numbers by which a document refers to its own parts
_MARKER: Final = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]+)?(?:\(?\d{1,3}(?:\.\d{1,3}){0,4}[.)]?[ \t])?", re.MULTILINE
)
_REFERENCE: Final = re.compile(
    r"\b(?:Theorem|Lemma|Corollary|Proposition|Definition|Example|Exercise|Figure|Table|Section|Chapter|Equation|Page|Part|Step)s?"
    r"[ \t]\(?\d{1,4}(?:\.\d{1,4}){0,4}\)?|(?:定理|引理|推论|定义|例|习题|图|表|公式|第)[ \t]?\d{1,4}(?:\.\d{1,4}){0,4}[ \t]?[章节页]?",
    re.IGNORECASE,
)
_KINDS: Final = (
    r"Theorem|Lemma|Corollary|Proposition|Principle|Identity|Inequality|Formula|Law|Rule|Algorithm|Conjecture"
)
_NAMED: Final = re.compile(
    rf"\b((?:(?:[A-Z][\w’'–-]{{1,30}}|[a-z]{{2,20}}(?:ial|al|ic|ive|ean))\s){{1,3}}(?:{_KINDS}|{_KINDS.lower()}))\b"
    rf"|\b((?:{_KINDS}|{_KINDS.lower()})\sof\s[A-Z][\w’'-]{{1,30}})\b"
    r"|([\u4e00-\u9fff·]{2,8}?(?:定理|引理|推论|公式|法则|原理|不等式|恒等式))"
)
_BEFORE_NAME: Final = re.compile(
    r"^.*?(?:根据|利用|应用|使用|按照|依据|通过|运用|由|用|据|的|是|和|与|及|即|这个|该|此|为|叫做|称为)(?=..)"
)
_ARTICLES: Final = re.compile(
    r"^(?:(?:the|a|an|this|that|by|using|use|our|its|another|of|and|so|called|see|from|then|with|in|for|recall|apply|applying|prove|proving|state|first|main|following|next)\s)+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Kept:
    """How many of the things to keep occur again, and those that do not, as they are written in the source."""

    count: int
    of: int
    missing: tuple[str, ...]

    @property
    def share(self) -> float:
        """Return the share from 0 to 1; 1 if there was nothing to keep."""
        return self.count / self.of if self.of else 1.0


def kept_of(source: str, rewritten: str) -> Kept:
    """Return what of the source occurs again in the rewritten text."""
    whole = _plain(rewritten)
    numbers = {number.replace(",", "") for number in _DIGITS.findall(rewritten)}
    words = " ".join(rewritten.casefold().split())
    written = formulas(source)
    missing = [text for text in written if _plain(text) not in whole]
    prose = _REFERENCE.sub(" ", _MARKER.sub("", _without_formulas(source)))
    stated = sorted(set(_numbers(prose)))
    missing += [number for number in stated if number not in numbers]
    names = theorems(prose)
    missing += [name for name in names if name.casefold() not in words]
    of = len(written) + len(stated) + len(names)
    return Kept(of - len(missing), of, tuple(missing))


def formulas(text: str) -> list[str]:
    """Return the formulas of a text, each once; a display of several lines is one per line."""
    lines: dict[str, str] = {}
    for start, end in _spans(text):
        for line in _LINE.split(text[start:end]):
            plain = _plain(line)
            if plain and re.search(r"\w", plain):
                lines.setdefault(plain, line.strip())
    return list(lines.values())


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the inside of each formula, from left to right."""
    closing_of = dict(_OPENINGS)
    at = 0
    for sign in _SIGN.finditer(text):
        if sign.start() < at or sign[0] not in closing_of:
            continue
        closing = closing_of[sign[0]]
        most = _LONGEST_IN_DOLLARS if closing == "$" else _LONGEST_FORMULA
        end = text.find(closing, sign.end(), sign.end() + most)
        if end >= 0:
            yield sign.end(), end
            at = end + len(closing)


def _without_formulas(text: str) -> str:
    pieces, at = [], 0
    for start, end in _spans(text):
        pieces.append(text[at:start])
        at = end
    return " ".join([*pieces, text[at:]])


def theorems(text: str) -> list[str]:
    """Return the names of theorems in a text, such as "binomial theorem" or "勾股定理", each once."""
    names: dict[str, str] = {}
    for match in _NAMED.finditer(text):
        if match[3]:
            name = _BEFORE_NAME.sub("", match[3])
        else:
            name = _ARTICLES.sub("", " ".join((match[1] or match[2]).split()))
        if match[3] or " " in name:
            names.setdefault(name.casefold(), name)
    return list(names.values())


def _numbers(text: str) -> list[str]:
    return [number.replace(",", "") for number in _NUMBER.findall(text)]


def _plain(text: str) -> str:
    """Return a formula, or a text with formulas, in the form in which it is compared."""
    plain = _LAYOUT.sub("", re.sub(r"\\[()\[\]]|\$|\*\*", "", text))
    for written, same in _SAME:
        plain = plain.replace(written, same)
    return plain.strip(_ENDING)
