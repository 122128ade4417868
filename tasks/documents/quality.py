"""The quality of a document as it was read: how legible it is, how many of its formulas are whole, and its language."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from storage.reasons import Code, Reason, reason
from tasks.documents.document import Document

MIN_LEGIBLE: Final = 0.98
MIN_WHOLE: Final = 0.9
LANGUAGES: Final = ("en", "zh")

_DELIMITER = re.compile(r"\\\\|\\[()\[\]]")
_TOKEN = re.compile(r"\\(?:begin|end)\s*\{[^{}]*\}|\\(?:left|right)(?![A-Za-z])|\\.|[{}]", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]+")
_HAN = re.compile(r"[\u3400-\u9fff]")
_KANA_HANGUL = re.compile(r"[\u3040-\u30ff\uac00-\ud7af]")
# typical of UTF-8 that was decoded as Latin-1 or Windows-1252
_MOJIBAKE = re.compile(r"[ÃÂâ][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|ï»¿|\(cid:\d+\)")
_COMMON: Final = {
    "en": ["the", "of", "and", "to", "a", "in", "is", "that", "for", "are", "we", "if", "with", "be", "this", "let", "then"],
    "de": ["der", "die", "und", "das", "ist", "ein", "eine", "nicht", "wir", "mit", "von", "den", "für", "sei", "dann"],
    "fr": ["le", "la", "les", "de", "et", "des", "est", "une", "un", "dans", "que", "pour", "on", "soit", "alors"],
    "es": ["el", "la", "los", "de", "y", "que", "es", "una", "un", "en", "para", "las", "por", "sea", "entonces"],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DocumentQuality:
    """How well a document was read.

    legible: the share of its characters that are not garbled: replacement and control characters, private use, mojibake. whole:
    the share of its formulas whose braces, environments and \\left and \\right match, 1 if it has none. formulas: their
    number. language: "en", "zh", another code, or "unknown".
    """

    legible: float
    whole: float
    formulas: int
    language: str


def quality_of(document: Document) -> DocumentQuality:
    """Return the quality of a document."""
    return quality_of_text("\n".join(element.text for element in document.elements))


def quality_of_text(text: str) -> DocumentQuality:
    r"""Return the quality of a text whose formulas stand between \( and \) or \[ and \]."""
    formulas, words = divided(text)
    balanced = sum(map(is_whole, formulas))
    return DocumentQuality(
        legible(text), balanced / len(formulas) if formulas else 1.0, len(formulas), language_in(words)
    )


def refusal(
    quality: DocumentQuality,
    stage: str,
    *,
    min_legible: float = MIN_LEGIBLE,
    min_whole: float = MIN_WHOLE,
    languages: tuple[str, ...] = LANGUAGES,
) -> Reason | None:
    """Return why a document is not good enough, None if it is."""
    for name, share, least in (
        ("legible characters", quality.legible, min_legible),
        ("whole formulas", quality.whole, min_whole),
    ):
        if share < least:
            return reason(stage, Code.BELOW_THRESHOLD, name=name, score=f"{share:.3f}", threshold=least)
    if quality.language not in languages:
        return reason(stage, Code.OTHER_LANGUAGE, language=quality.language)
    return None


def divided(text: str) -> tuple[list[str], str]:
    r"""Return (formulas, text without them), in linear time. A formula is between \( and \) or \[ and \], on one level."""
    formulas: list[str] = []
    words: list[str] = []
    place, begin, closing = 0, 0, ""
    for match in _DELIMITER.finditer(text):
        sign = match[0]
        if not closing and sign in ("\\(", "\\["):
            words.append(text[place : match.start()])
            begin, closing = match.end(), "\\)" if sign == "\\(" else "\\]"
        elif closing and sign == closing:
            formulas.append(text[begin : match.start()])
            place, closing = match.end(), ""
    words.append(text[begin if closing else place :])
    return formulas, " ".join(words)


def legible(text: str) -> float:
    """Return the share of the characters of a text that are not garbled, 1 of an empty text."""
    garbled = sum(map(len, _MOJIBAKE.findall(text)))
    garbled += sum(
        one == "\ufffd" or (one not in "\n\t\r" and unicodedata.category(one) in ("Cc", "Co", "Cn", "Cs"))
        for one in text
    )
    return 1 - min(1.0, garbled / len(text)) if text else 1.0


def is_whole(formula: str) -> bool:
    r"""Return whether braces, environments, and \left and \right of a formula match."""
    open_: list[str] = []
    for match in _TOKEN.finditer(formula):
        token = match[0]
        name = re.sub(r"\s", "", token)
        if token == "{" or name.startswith("\\begin") or name == "\\left":
            open_.append(name.replace("\\begin", "\\end") if name.startswith("\\begin") else name)
        elif token == "}" or name.startswith("\\end") or name == "\\right":
            expected = {"}": "{", "\\right": "\\left"}.get(name, name)
            if not open_ or open_.pop() != expected:
                return False
    return not open_


def language_in(text: str) -> str:
    """Return the language of a text by its letters and its most common words: a code, or "unknown"."""
    letters = sum(map(len, _WORD.findall(text)))
    if not letters:
        return "unknown"
    if len(_KANA_HANGUL.findall(text)) > 0.1 * letters:
        return "ja" if re.search(r"[\u3040-\u30ff]", text) else "ko"
    if len(_HAN.findall(text)) > 0.2 * letters:
        return "zh"
    words = [word.lower() for word in _WORD.findall(text)]
    shares = {code: sum(word in common for word in words) / len(words) for code, common in _SETS.items()}
    best = max(shares, key=lambda code: shares[code])
    if shares[best] >= 0.06:
        return best
    # short texts and lists of exercises have few such words: letters of English are taken for English
    return "en" if len(words) < 200 and text.isascii() else "unknown"


_SETS: Final = {code: frozenset(words) for code, words in _COMMON.items()}
