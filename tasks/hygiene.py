"""Text from outside made fit to store: what is refused, what is removed, and which language it is.

Refused, with a reason: control characters (they drive terminals, and mark text that was decoded
wrongly) and absurd length. Removed, and counted: characters that nobody sees, namely zero-width ones,
direction overrides, tag characters and variation selectors. They carry no mathematics, but they hide
text from readers and make equal questions look different to de-duplication and decontamination.
Everything else is kept, in Unicode normal form NFC, with \\n line ends.
"""

from __future__ import annotations

import re
import unicodedata

MAX_QUESTION = 20_000  # characters
MAX_SOLUTION = 200_000  # long chains of thought are real
MAX_ANSWER = 2_000

# A zero-width joiner is kept between two pictographs, where it makes one picture of them; nowhere else does it
# belong to a text in English or Chinese.
_PICTOGRAPH = "[\U0001f000-\U0001faff\u2190-\u2bff\u3030\u303d]"
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200c\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
    f"|(?<!{_PICTOGRAPH})(?<!{_PICTOGRAPH}\ufe0f)\u200d|\u200d(?!{_PICTOGRAPH})"
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_LINE_END = re.compile("\r\n?|[\x85\u2028\u2029]")
_UNSEEN = re.compile(f"{_INVISIBLE.pattern}|{_CONTROL.pattern}|[\r\x85\u2028\u2029\ud800-\udfff]")
# str.strip() would also take the form feed that "\\frac" becomes in careless JSON, and hide the damage
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
    """The text as it is stored, and how many invisible characters were removed from it."""
    text, removed = without_hidden(text)
    return text.strip(BLANK), removed


def without_hidden(text: str) -> tuple[str, int]:
    """`cleaned` without taking blanks off the ends: the same for seeds and for what models write."""
    if text.isascii():
        return (_LINE_END.sub("\n", text) if "\r" in text else text), 0
    text, removed = _INVISIBLE.subn("", text)
    return _LINE_END.sub("\n", unicodedata.normalize("NFC", text)), removed


def refusal(name: str, text: str, longest: int) -> str | None:
    """Why a (cleaned) text cannot be taken, or None. `name` is what to call it, `longest` in characters."""
    if len(text) > longest:
        return f"{name} of {len(text)} characters, at most {longest} are taken"
    found = _CONTROL.search(text)
    if found:
        return f"control character U+{ord(found.group()):04X} in the {name}"
    return None


def printable(text: str, longest: int = 1000) -> str:
    """The beginning of a refused text, safe to show: control and invisible characters become U+FFFD."""
    text = _INVISIBLE.sub("\ufffd", text[:longest].encode("utf-8", "replace").decode())
    return _CONTROL.sub("\ufffd", text)


def visible(text: str, *, json: bool = False) -> str:
    """The whole text as it can be shown: each control or invisible character as an escape such as \\u202e, tabs and
    line feeds as they are. With `json` the text is JSON, whose values stay the same."""
    if text.isascii() and not _CONTROL.search(text) and "\r" not in text:
        return text
    return _UNSEEN.sub(lambda found: _escape(found.group(), json=json), text)


def _escape(character: str, *, json: bool) -> str:
    if ord(character) < 0x10000:
        return f"\\u{ord(character):04x}"
    if not json:
        return f"\\U{ord(character):08x}"
    units = character.encode("utf-16-be").hex()
    return f"\\u{units[:4]}\\u{units[4:]}"


def language_of(text: str) -> str | None:
    """`zh` or `en` by the share of Chinese characters among the words outside formulas; None where
    another script prevails. It does not tell French from English: both are Latin letters to it."""
    words = text if text.isascii() else _FORMULA.sub(" ", text)
    if words.isascii():
        return "en"
    han, foreign = len(_HAN.findall(words)), len(_FOREIGN.findall(words))
    latin = len(_LATIN.findall(words))
    if foreign > max(han, latin):
        return None
    return "zh" if han and 2 * han >= latin else "en"
