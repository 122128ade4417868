"""Escapes control and invisible characters.

Such characters control terminals, reorder a line, or make a text look like another one. Every text from rows, models or
files that is shown in a terminal, a report, an artifact or a card passes through `visible`.
"""

from __future__ import annotations

import re

# A zero-width joiner is kept between two pictographs, which it joins into one; in English and Chinese texts it has no
# other use.
_PICTOGRAPH = "[\U0001f000-\U0001faff\u2190-\u2bff\u3030\u303d]"
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200c\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
    f"|(?<!{_PICTOGRAPH})(?<!{_PICTOGRAPH}\ufe0f)\u200d|\u200d(?!{_PICTOGRAPH})"
)
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_UNSEEN = re.compile(f"{INVISIBLE.pattern}|{CONTROL.pattern}|[\r\x85\u2028\u2029\ud800-\udfff]")


def visible(text: str, *, json: bool = False) -> str:
    """Return the text with each control or invisible character as an escape such as \\u202e; tabs and line feeds stay.

    With `json` the text is JSON, and the escapes keep its values the same.
    """
    if text.isascii() and not CONTROL.search(text) and "\r" not in text:
        return text
    return _UNSEEN.sub(lambda match: _escape(match.group(), json=json), text)


def _escape(character: str, *, json: bool) -> str:
    if ord(character) < 0x10000:
        return f"\\u{ord(character):04x}"
    if not json:
        return f"\\U{ord(character):08x}"
    units = character.encode("utf-16-be").hex()
    return f"\\u{units[:4]}\\u{units[4:]}"
