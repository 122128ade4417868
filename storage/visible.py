"""Escapes control and invisible characters.

Such characters control terminals, reorder a line, or make a text look like another one. Every text from rows, models or
files that is shown in a terminal, a report, an artifact or a card passes through `visible`.
"""

from __future__ import annotations

import re

from storage.characters import CONTROLS, HIDDEN, LINE_BREAKS, Use, character_class

# A zero-width joiner is kept between two pictographs, which it joins into one; in English and Chinese texts it has no
# other use.
_PICTOGRAPH = "[\U0001f000-\U0001faff\u2190-\u2bff\u3030\u303d]"
INVISIBLE = re.compile(
    f"[{character_class(HIDDEN, Use.SHOWN)}]"
    f"|(?<!{_PICTOGRAPH})(?<!{_PICTOGRAPH}\ufe0f)\u200d|\u200d(?!{_PICTOGRAPH})"
)
CONTROL = re.compile(f"[{character_class(CONTROLS, Use.SHOWN)}]")
_UNSEEN = re.compile(f"{INVISIBLE.pattern}|{CONTROL.pattern}|[\r{LINE_BREAKS}\ud800-\udfff]")


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
