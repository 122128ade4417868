"""Prepares text from outside for storage: refuses and removes characters, and detects the language.

Refused, with a reason: control characters (they drive terminals, and mark text that was decoded
wrongly) and absurd length. Removed, and counted: invisible characters, namely zero-width ones,
direction overrides, tag characters and variation selectors. They carry no mathematics, but they hide
text from readers and make equal questions look different to deduplication and decontamination.
Everything else is kept, in Unicode normal form NFC, with \\n line ends.
"""

from __future__ import annotations

import re
import unicodedata

from storage.characters import LINE_BREAKS
from storage.counting import counted
from storage.visible import CONTROL as _CONTROL
from storage.visible import INVISIBLE as _INVISIBLE
from storage.visible import visible

__all__ = [
    "BLANK",
    "LANGUAGE_NAMES",
    "MAX_ANSWER",
    "MAX_QUESTION",
    "MAX_SOLUTION",
    "cleaned",
    "language_of",
    "printable",
    "refusal",
    "visible",
    "without_hidden",
]

MAX_QUESTION = 20_000  # characters
MAX_SOLUTION = 200_000  # characters; chains of thought are long
MAX_ANSWER = 2_000  # characters

_LINE_END = re.compile(f"\r\n?|[{LINE_BREAKS}]")
# str.strip() would also remove the form feed that "\\frac" becomes in JSON with missing escapes, and hide the damage
BLANK = " \t\n\u00a0\u3000"
_FORMULA = re.compile(r"\$[^$]*\$|\\[a-zA-Z]+")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]{2,}")  # single letters are variables and choices
_FOREIGN = re.compile("[\u0370-\u03ff]{2}|[\u0400-\u1cff\u3040-\u30ff\uac00-\ud7af]")

_LANGUAGES = {
    "en": ("en", "eng", "english", "en-us", "en-gb", "en_us"),
    "zh": ("zh", "zho", "chi", "chinese", "cn", "zh-cn", "zh_cn", "zh-hans", "中文", "汉语", "简体中文"),
}
LANGUAGE_NAMES = {alias: code for code, aliases in _LANGUAGES.items() for alias in aliases}


def cleaned(text: str) -> tuple[str, int]:
    """Return the text as it is stored, and how many invisible characters were removed from it."""
    text, removed = without_hidden(text)
    return text.strip(BLANK), removed


def without_hidden(text: str) -> tuple[str, int]:
    """Return what `cleaned` does, without stripping blanks; used for seed problems and for completions alike."""
    if text.isascii():
        return (_LINE_END.sub("\n", text) if "\r" in text else text), 0
    text, removed = _INVISIBLE.subn("", text)
    return _LINE_END.sub("\n", unicodedata.normalize("NFC", text)), removed


def refusal(name: str, text: str, longest: int) -> str | None:
    """Return why a cleaned text is refused, None if it is not.

    `name` is the name of the text in the reason, `longest` its limit in characters.
    """
    if len(text) > longest:
        return f"{name} of {counted(len(text), 'character')}, at most {longest:,} are taken"
    control = _CONTROL.search(text)
    if control:
        return f"control character U+{ord(control.group()):04X} in the {name}"
    return None


def printable(text: str, longest: int = 1000) -> str:
    """Return the beginning of a refused text, safe to print: control and invisible characters become U+FFFD."""
    text = _INVISIBLE.sub("\ufffd", text[:longest].encode("utf-8", "replace").decode())
    return _CONTROL.sub("\ufffd", text)


FEWEST_WORDS = 5  # words and Chinese characters from which a text is in a language


def language_of(text: str) -> str | None:
    """Return `zh` or `en` by the share of Chinese characters among the words outside formulas, None for other scripts.

    It does not distinguish languages in Latin letters: French counts as `en`.
    """
    words = text if text.isascii() else _FORMULA.sub(" ", text)
    if words.isascii():
        return "en"
    han, foreign = len(_HAN.findall(words)), len(_FOREIGN.findall(words))
    latin = len(_LATIN.findall(words))
    if foreign > max(han, latin):
        return None
    return "zh" if han and 2 * han >= latin else "en"


def other_language(text: str, language: str) -> str | None:
    """Return the language that a text is in if that is not `language`, None if it is or if it has too few words to tell."""
    written = language_of(text)
    if written is None or written == language:
        return None
    words = _FORMULA.sub(" ", text)
    return written if len(_HAN.findall(words)) + len(_LATIN.findall(words)) >= FEWEST_WORDS else None
