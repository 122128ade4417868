"""The printed words that begin a theorem, an example, an exercise or a solution, in English and Chinese.

All formats that do not mark such elements recognise them here: "Theorem 3 (Euler).", "**Exercise 2**", "Solution:", "例 3", "【解】",
and the numbers of the items in a list of exercises.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tasks.documents.document import ElementKind
from tasks.documents.sections import kind_of_name

_WORDS: Final = (
    "theorem|lemma|proposition|corollary|axiom|claim|conjecture|definition|worked example|example|exercise|problem|question|"
    "guided practice|hint|answer|solution|proof|定理|引理|命题|推论|公理|定义|证明|证|例题|例|习题|练习|问题|提示|答案|答|解答|解"
)
_CHINESE: Final[dict[str, ElementKind]] = {"证": "proof", "问题": "exercise", "答": "answer"}
_NUMBER: Final = r"(?:[A-Z]\.)?\d{1,3}(?:[.\-–]\d{1,3}){0,3}[a-z]?"
_LABEL: Final = re.compile(
    rf"(?P<mark>[*_#\s]*)[【\[]?(?P<word>{_WORDS})(?P<plural>s?(?![a-z]))[*_]*(?P<blank>\s*)"
    rf"(?:[(（](?P<enclosed>{_NUMBER})[)）]|(?P<number>{_NUMBER}))?(?P<bracket>[】\]]?)"
    r"(?:\s*[*_]*(?P<title>[(（][^()（）\n]{1,80}[)）]))?(?P<end>\s*[*_]*[.:：．。、]|[*_]+)?[.:：*_]*(?P<after>\s*)",
    re.IGNORECASE,
)
_ITEM: Final = re.compile(
    rf"[*_]*(?P<open>[(（]?)(?P<number>{_NUMBER})[*†‡]?(?P<end>[.)）．、])?[*_]*\s+(?=\S)"
)
_ASCII_WORD: Final = re.compile(r"[A-Za-z]")
QED: Final = re.compile(
    r"(?:\\\(\\(?:square|Box|blacksquare|qed)\s*\\\)|[□■∎◻◼]|\\(?:qed\w*|blacksquare|square|Box)|Q\.\s?E\.\s?D\.?|证毕)[\s*_\\)$]*\Z"
)


@dataclass(frozen=True, slots=True)
class Label:
    """A printed label: what it begins, its word and number, the title in brackets behind them, and the length of its text. plural:
    its word is "Exercises", which heads several."""

    kind: ElementKind
    word: str
    number: str | None
    title: str | None
    length: int
    plural: bool = False

    @property
    def text(self) -> str:
        """The label as it is shown: "Theorem 2 (Euler)"."""
        word = self.word.capitalize() if self.word.isascii() else self.word
        return " ".join(part for part in (word, self.number, self.title) if part)


def label_of(text: str, lead: str = "") -> Label | None:
    """Return the label with which a paragraph begins, None if it begins with none.

    `lead` are the first words that are printed in another style, which Markdown has between asterisks; without it a label is
    recognised by a stop after it, by a title in brackets, or by a capital letter after its number, so that "Theorem 3 shows" is none.
    """
    match = _LABEL.match(text)
    if match is None:
        return None
    word, number = match["word"], match["number"] or match["enclosed"]
    latin = _ASCII_WORD.match(word) is not None
    rest = text[match.end() :]
    mark = match["mark"].strip()
    stopped = match["end"] is not None and match["end"].strip("*_ \t\n") != ""
    if latin and not word[0].isupper() and not mark and (match["end"] or "").strip() not in (":", "："):
        return None
    if match["plural"] and not (mark or stopped or not rest):
        return None
    if mark:  # of Markdown: the label ends with its emphasis, or with a stop
        sure = match["end"] is not None or not rest
    elif latin:
        styled = len(lead.strip()) >= len(word) and word[0].isupper()
        capital = rest[:1].isupper() or not rest[:1].isascii() or rest.startswith("\\(")
        sure = stopped or not rest or (number is not None and (styled or capital))
        sure = sure or (match["title"] is not None and (styled or capital))
        sure = sure or (styled and number is None and len(lead.strip()) <= len(word) + 1)
    else:
        apart = bool(match["bracket"] or ((match["blank"] or match["after"]) and len(word) == 1))
        sure = bool(number or match["end"] or match["title"] or apart or not rest)
    kind = _CHINESE.get(word) or kind_of_name(word)
    plural = match["plural"] != "" and number is None
    return (
        Label(kind, word, number, match["title"], match.end(), plural) if sure and kind is not None else None
    )


def item_number(text: str, lead: str = "") -> tuple[str, int] | None:
    """Return the number with which an item of a list of exercises begins, and the length of its text; None without one. A number
    without a stop is one if it is the `lead`: what is printed in another style than the rest."""
    match = _ITEM.match(text)
    if match is None or (match["open"] and match["end"] not in (")", "）")):
        return None
    styled = lead.strip() == match["number"]
    if not (match["end"] or "." in match["number"] or "-" in match["number"] or styled):
        return None
    return match["number"], match.end()
