"""The printed words that begin a theorem, an example, an exercise or a solution, in English and Chinese."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tasks.documents.document import ElementKind

_WORDS: Final[dict[str, ElementKind]] = {
    "theorem": "theorem", "lemma": "theorem", "proposition": "theorem", "corollary": "theorem", "axiom": "theorem",
    "definition": "definition", "proof": "proof", "example": "example", "exercise": "exercise", "problem": "exercise",
    "guided practice": "exercise", "hint": "hint", "answer": "answer", "solution": "solution",
    "定理": "theorem", "引理": "theorem", "命题": "theorem", "推论": "theorem", "公理": "theorem", "定义": "definition", "证明": "proof",
    "证": "proof", "例题": "example", "例": "example", "习题": "exercise", "练习": "exercise", "提示": "hint", "答案": "answer", "答": "answer",
    "解答": "solution", "解": "solution",
}  # fmt: skip
_NUMBER: Final = r"(?:[A-Z]\.)?\d{1,3}(?:[.\-–]\d{1,3}){0,3}[a-z]?"
_LABEL: Final = re.compile(
    rf"(?P<word>{'|'.join(sorted(_WORDS, key=len, reverse=True))})(?P<blank>\s*)(?P<number>{_NUMBER})?"
    r"(?P<title>\s*[(（][^()（）]{1,80}[)）])?(?P<end>\s*[.:：．。、])?(?P<after>\s*)",
    re.IGNORECASE,
)
_NUMBERED: Final = re.compile(rf"(?P<number>{_NUMBER})(?P<end>[.)．、])?\s+(?=\S)")
_SECTIONS: Final = (
    ("solution", re.compile(r"\b(?:solutions|answers)\b|(?:习题|练习)?(?:解答|答案)", re.IGNORECASE)),
    ("exercise", re.compile(r"\b(?:exercises|problems|practice)\b|习题|练习", re.IGNORECASE)),
)
_ASCII_WORD: Final = re.compile(r"[A-Za-z]")
QED: Final = re.compile(r"(?:\\\(\\(?:square|Box|blacksquare|qed)\s*\\\)|[□■∎◻◼]|Q\.E\.D\.)\s*\Z")


@dataclass(frozen=True, slots=True)
class Label:
    """A printed label: what it begins, its number, and the length of its text."""

    kind: ElementKind
    number: str | None
    length: int


def label_of(text: str, lead: str = "") -> Label | None:
    """Return the label with which a paragraph begins, None if it begins with none.

    `lead` are the first words that are printed in another style; without it a label is recognised by a stop after it, by a title in
    brackets, or by a capital letter after its number, so that "Theorem 3 shows" is none.
    """
    match = _LABEL.match(text)
    if match is None:
        return None
    word, number = match["word"], match["number"]
    latin = _ASCII_WORD.match(word) is not None
    rest = text[match.end() :]
    styled = len(lead.strip()) >= len(word) and word[0].isupper()
    if latin and not word[0].isupper():
        return None
    if latin and not match["end"] and rest[:1].isalpha() and not match["after"] and not number:
        return None  # "Proofs", "Answering"
    if latin:
        sure = bool(match["end"] or match["title"] or not rest) or (
            number is not None
            and (styled or rest[:1].isupper() or not rest[:1].isascii() or rest.startswith("\\("))
        )
        sure = sure or (styled and number is None and len(lead.strip()) <= len(word) + 1)
    else:
        sure = bool(
            number or match["end"] or ((match["blank"] or match["after"]) and len(word) == 1) or not rest
        )
    return Label(_WORDS[word.lower()], number, match.end()) if sure else None


def number_of(text: str) -> tuple[str, int] | None:
    """Return the number with which an item of a list of exercises begins, and the length of its text; None without one."""
    match = _NUMBERED.match(text)
    if match is None or not (match["end"] or "." in match["number"] or "-" in match["number"]):
        return None
    return match["number"], match.end()


def section_kind(title: str) -> ElementKind | None:
    """Return what the numbered paragraphs under a heading are: exercises, solutions, or nothing of these."""
    for kind, pattern in _SECTIONS:
        if pattern.search(title):
            return "solution" if kind == "solution" else "exercise"
    return None
