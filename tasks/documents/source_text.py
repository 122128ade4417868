"""The text of a file, and the offset in bytes of each of its characters."""

from __future__ import annotations

import codecs
import re
from typing import Final

_STEP: Final = 512  # characters between offsets that are kept
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_FEW: Final = 0.01  # share of bytes that are not UTF-8 in a text that is UTF-8 all the same
_ESCAPED = re.compile("[\ud800-\udfff]")


class SourceText:
    """The characters of a file in `text`, with U+FFFD for bytes that are not of its encoding."""

    def __init__(self, data: bytes, encoding: str | None = None) -> None:
        """Decode a file. `encoding` is the one that the file itself states, which its first bytes overrule."""
        self._start, self.encoding = _encoding_of(data, encoding)
        raw = data[self._start :].decode(self.encoding, "surrogateescape")
        self.text = _ESCAPED.sub("\ufffd", raw)
        self._raw = raw
        self._known: list[int] | None = None
        if not (raw.isascii() and self.encoding in ("utf-8", "ascii")):
            self._known = [self._start]
            for place in range(0, len(raw), _STEP):
                self._known.append(self._known[-1] + self._size(raw[place : place + _STEP]))

    def byte(self, place: int) -> int:
        """Return the offset in bytes of the character at `place`, which may be the length of the text."""
        place = min(place, len(self._raw))
        if self._known is None:
            return self._start + place
        block = place // _STEP
        return self._known[block] + self._size(self._raw[block * _STEP : place])

    def _size(self, text: str) -> int:
        return len(text.encode(self.encoding, "surrogateescape"))


def _encoding_of(data: bytes, declared: str | None) -> tuple[int, str]:
    """Return (bytes of the byte order mark, encoding)."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return len(mark), encoding
    for stated in ("utf-8", declared):
        if stated and _decodes(data, stated):
            return 0, stated
    escaped = data.decode("utf-8", "surrogateescape")
    if len(_ESCAPED.findall(escaped)) > _FEW * max(1, len(data)):
        from charset_normalizer import from_bytes

        guess = from_bytes(data[:100_000]).best()
        if guess is not None and _decodes(data, guess.encoding):
            return 0, guess.encoding
    return 0, "utf-8"


def _decodes(data: bytes, encoding: str) -> bool:
    """Return whether the bytes are text in an encoding in which the parts of a text have the lengths of the whole."""
    try:
        if codecs.lookup(encoding).name.startswith(("utf-16", "utf-32", "utf_16", "utf_32", "iso2022", "hz")):
            return False  # without a byte order mark, or with a state
        data.decode(encoding)
    except (LookupError, UnicodeDecodeError):
        return False
    return True
