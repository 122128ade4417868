"""Gives texts that look the same one spelling: invisible characters, look-alike letters, HTML, traditional Chinese.

Folded texts are only compared and never stored, because they are not what the author wrote. Full-width forms and
other compatibility characters are left to NFKC (tasks.dedup.normalise). All steps are linear in the length of the text.
"""

from __future__ import annotations

import functools
import hashlib
import html
import inspect
import re
import sys
import unicodedata
from pathlib import Path

from storage import characters
from storage.characters import BLANKS, CONTROLS, HIDDEN, Use, character_class

_HERE = Path(__file__).resolve().parent

_INVISIBLE_RUN = re.compile(f"[{character_class(HIDDEN + CONTROLS, Use.COMPARED)}]+")
_BLANK = str.maketrans(dict.fromkeys(BLANKS, " "))

_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_LAYERS = 3  # "&amp;amp;lt;" has three
_INLINE = "abbr|b|bdi|bdo|big|code|del|em|font|i|ins|kbd|label|mark|mi|mn|mo|mrow|ms|mtext|nobr|q|s|samp|small|span|strike|strong|tt|u|var|wbr"
_BLOCK = (
    "a|address|article|aside|blockquote|body|br|button|caption|center|cite|col|colgroup|dd|details|div|dl|dt|figcaption|figure|"
    "footer|form|h[1-6]|head|header|hr|html|img|input|li|main|math|nav|ol|option|p|pre|section|select|summary|table|tbody|td|"
    "textarea|tfoot|th|thead|title|tr|ul|semantics|annotation"
)
_TAG = re.compile(rf"<(/?)({_INLINE}|{_BLOCK}|su[bp])(?:\s[^<>]{{0,1000}})?\s?/?>", re.IGNORECASE)
_COMMENT = re.compile(r"<!--[^<>]{0,1000}-->")
_INLINE_NAME = re.compile(_INLINE, re.IGNORECASE)

# runs of letters and digits that are no ideographs or kana
_WORD = re.compile(r"[^\W_\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
# a letter or digit that is neither ASCII nor an ideograph, kana, or a form of them
_FOREIGN = re.compile(r"[^\W\x00-\x7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_GREEK_VARIABLES = frozenset("αβγδεηθικμνρστυχω")


def folded(text: str) -> str:
    """Return the text as it looks: without invisible characters, with HTML converted, and with look-alike letters and
    traditional characters replaced. Idempotent, except for entities nested more than three deep."""
    if "&" in text or "<" in text:
        text = without_html(text)
    if text.isascii() and text.isprintable():
        return text
    return simplified(without_lookalikes(without_invisible(text)))


def without_invisible(text: str) -> str:
    """Return the text without characters that no reader sees (zero-width, direction-changing, tags, fillers, controls);
    line breaks and tabs stay."""
    return _INVISIBLE_RUN.sub("", text).translate(_BLANK)


def without_html(text: str) -> str:
    """Return the text with entities as characters and without HTML tags.

    `<sup>` and `<sub>` become ^{} and _{}; "a < b" and tags of other languages stay. A tag of one letter counts only where the
    text closes it, because "x<b>y" may be algebra.
    """
    for _ in range(_LAYERS):
        unescaped = _ENTITY.sub(lambda match: html.unescape(match.group()), text)
        if unescaped == text:
            break
        text = unescaped
    if "<" not in text:
        return text
    closed = {match.group(2).lower() for match in _TAG.finditer(text) if match.group(1)}

    def cut(match: re.Match[str]) -> str:
        name = match.group(2).lower()
        if len(name) == 1 and name not in closed:
            return match.group()
        if name in ("sup", "sub"):
            return "}" if match.group(1) else ("^{" if name == "sup" else "_{")
        return "" if _INLINE_NAME.fullmatch(name) else " "

    return _TAG.sub(cut, _COMMENT.sub(" ", text))


def without_lookalikes(text: str) -> str:
    """Return the text with look-alike letters of other alphabets as Latin letters: "Н\u043ew m\u0430ny" becomes "How many".

    A word is changed only if each of its foreign letters looks like a Latin one, so a Russian or Greek word stays
    (unless all of it looks Latin: then it is the same on both sides of a comparison). A Greek letter that mathematics
    uses as a variable changes only within a word of Latin letters; a letter turns into a digit only among digits.
    Decimal digits of other scripts become ASCII digits by value.
    """
    if not _FOREIGN.search(text):
        return text
    return _WORD.sub(_latin, unicodedata.normalize("NFC", text))


def simplified(text: str) -> str:
    """Return the text with each traditional Chinese character replaced by its simplified one."""
    return text.translate(_simplified())


def as_traditional(text: str) -> str:
    """Return the text with each simplified character replaced by its first traditional one, as a text that needs folding. It is not
    meant for readers."""
    return text.translate(_traditional())


@functools.cache
def _traditional() -> dict[int, int]:
    table: dict[int, int] = {}
    for traditional, simple in _simplified().items():
        table.setdefault(simple, traditional)
    return table


@functools.cache
def digest() -> str:
    """Return a digest of this code and its tables. Stored data that was derived from folded texts is stale under another digest."""
    tables = b"".join((_HERE / name).read_bytes() for name in ("lookalikes.txt", "simplified.txt"))
    code = "".join(map(inspect.getsource, (sys.modules[__name__], characters)))
    return hashlib.sha256(code.encode() + tables).hexdigest()[:16]


def _latin(match: re.Match[str]) -> str:
    word = match.group()
    if word.isascii():
        return word
    letters = [c for c in word if c > "\x7f"]
    plain = sum(c.isascii() and c.isalpha() for c in word)
    targets = {c: _target(c, word, letters, plain) for c in letters}
    if not all(targets.values()):
        return word
    return "".join(targets.get(c, c) for c in word)


def _target(character: str, word: str, letters: list[str], plain: int) -> str:
    """Return the Latin letter or digit that replaces a foreign letter of a word, "" if none does."""
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    target = _lookalikes().get(character, "") or (_accent(character) if len(word) > 1 else "")
    if target.isdigit() and not _number(word, letters):
        return ""
    if character in _GREEK_VARIABLES and plain < 2:
        return ""
    return target


def _number(word: str, letters: list[str]) -> bool:
    """Return whether all characters of a word except these letters are digits."""
    return sum(c.isascii() and c.isdigit() for c in word) + len(letters) == len(word)


def _accent(character: str) -> str:
    """Return the ASCII letter under an accent, "" if there is none."""
    base = unicodedata.normalize("NFD", character)[0] if character > "\x7f" else ""
    return base if base.isascii() and base.isalpha() else ""


@functools.cache
def _lookalikes() -> dict[str, str]:
    table = {}
    for line in (_HERE / "lookalikes.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            target, _, others = line.partition(" ")
            table.update(dict.fromkeys(others, target))
    return table


@functools.cache
def _simplified() -> dict[int, int]:
    lines = [
        line
        for line in (_HERE / "simplified.txt").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    table = {}
    for traditional, simple in zip(lines[::2], lines[1::2], strict=True):
        table.update(dict(zip(map(ord, traditional), map(ord, simple), strict=True)))
    return table
