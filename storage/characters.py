"""The characters that readers do not see, each with its meaning and the uses that handle it.

Three uses read this table: texts that are shown or stored (`storage.visible`, `tasks.text.cleaning`), texts that are compared
(`tasks.text.folding`) and answers that are judged (`tasks.answers.spelling`). Where the uses differ, the entry says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag, auto


class Use(Flag):
    SHOWN = auto()
    """Escaped where a text is shown, and removed from a text before it is stored."""
    COMPARED = auto()
    """Removed before two texts are compared."""
    JUDGED = auto()
    """Removed from an answer before it is judged."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """Characters without a glyph of their own. `characters` may hold ranges, as the class of a regular expression does."""

    meaning: str
    characters: str
    uses: Use


_EVERY = Use.SHOWN | Use.COMPARED | Use.JUDGED
# What nobody writes into an answer is no reason to change how stored answers were judged, so answers lose only the
# characters that editors, web pages and models leave in them.
_TEXTS = Use.SHOWN | Use.COMPARED

HIDDEN = (
    Hidden("soft hyphen", "\u00ad", _TEXTS),
    Hidden("combining grapheme joiner", "\u034f", _TEXTS),
    Hidden("Arabic letter mark", "\u061c", _TEXTS),
    Hidden("Hangul fillers", "\u115f\u1160\u3164\uffa0", _TEXTS),
    Hidden("inherent vowels of Khmer", "\u17b4\u17b5", _TEXTS),
    Hidden("variation selectors of Mongolian", "\u180b-\u180f", _TEXTS),
    Hidden("zero-width space and non-joiner", "\u200b\u200c", _EVERY),
    # Where a text is shown or stored, the joiner stays between two pictographs, which it joins into one (storage.visible).
    Hidden("zero-width joiner", "\u200d", Use.COMPARED | Use.JUDGED),
    Hidden("marks of direction", "\u200e\u200f", _EVERY),
    Hidden("embeddings and overrides of direction", "\u202a-\u202e", _EVERY),
    Hidden("word joiner", "\u2060", _EVERY),
    Hidden("invisible operators", "\u2061-\u2065", _TEXTS),
    Hidden("isolates of direction", "\u2066-\u2069", _EVERY),
    Hidden("deprecated format characters", "\u206a-\u206f", _TEXTS),
    # A comparison reads it as a space: see BLANKS.
    Hidden("blank Braille pattern", "\u2800", Use.SHOWN),
    Hidden("variation selectors", "\ufe00-\ufe0f", _TEXTS),
    Hidden("byte order mark", "\ufeff", _EVERY),
    Hidden("unassigned specials and interlinear annotation", "\ufff0-\ufffb", _TEXTS),
    # Readers see a box or a question mark, so it is shown and stored; it is no letter of the text that was damaged.
    Hidden("replacement characters and noncharacters", "\ufffc-\uffff", Use.COMPARED),
    # A comparison keeps them: no question is written in hieroglyphs, and its stored keys were computed so.
    Hidden("format controls of hieroglyphs", "\U00013430-\U0001343f", Use.SHOWN),
    Hidden("format controls of shorthand", "\U0001bca0-\U0001bca3", _TEXTS),
    Hidden("format controls of music", "\U0001d173-\U0001d17a", _TEXTS),
    Hidden("tags and supplementary variation selectors", "\U000e0000-\U000e0fff", _TEXTS),
)

CONTROLS = (
    Hidden("null", "\x00", _EVERY),
    Hidden("C0 controls that are no white space", "\x01-\x08\x0e-\x1f", _TEXTS),
    # A comparison reads them as the white space that they are.
    Hidden("vertical tab and form feed", "\x0b\x0c", Use.SHOWN),
    Hidden("delete and C1 controls without the next line", "\x7f-\x84\x86-\x9f", _TEXTS),
)

LINE_BREAKS = "\x85\u2028\u2029"
"""The line breaks other than CR and LF: escaped where a text is shown, LF where it is stored, a space where it is compared."""

BLANKS = "\u2800\u1680" + LINE_BREAKS
"""The characters that look like a space and that no white space class or NFKC turns into one; a comparison reads them as a space."""


def character_class(entries: tuple[Hidden, ...], use: Use) -> str:
    """Return the characters of the entries that have this use, for a regular expression: what stands between its [ and ]."""
    return "".join(entry.characters for entry in entries if use in entry.uses)


def characters(entries: tuple[Hidden, ...], use: Use) -> str:
    """Return the characters of the entries that have this use, one by one."""
    ranges = character_class(entries, use).split("-")
    expanded = ranges[0]
    for following in ranges[1:]:
        expanded += "".join(map(chr, range(ord(expanded[-1]) + 1, ord(following[0])))) + following
    return expanded
