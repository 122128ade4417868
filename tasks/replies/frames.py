"""Whether a reply is broken: JSON that ends in the middle of a text, a fence or a formula that is never closed, gibberish.

Such a reply may well state the right answer, and a model that is trained on it learns to write broken replies. Only the form is
looked at; whether what it says is true is not.
"""

from __future__ import annotations

import json
import re
from typing import Final

_DECODER: Final = json.JSONDecoder(strict=False)  # models write line ends into JSON strings
_OBJECT: Final = re.compile(r"\s*(?:```[ \t]*(?:json|JSON)?[ \t]*\n\s*)?(?=\{\s*\")")
_FENCE: Final = re.compile(r"^[ \t]*```", re.MULTILINE)
_NO_ESCAPE: Final = re.compile(r"(\\\\)|\\(?!u[0-9a-fA-F]{4})(?![\"\\/bfnrt])")
_DISPLAY: Final = re.compile(r"(?<!\\)\\([\[\]])")
_REPLACEMENT: Final = "\ufffd"  # stands where a character could not be decoded
# Scripts that no solution mixes: Cyrillic, Hebrew, Arabic, Devanagari, Thai, Chinese and Japanese, Korean. Latin and Greek letters are in
# formulas of all languages.
_SCRIPTS: Final = tuple(
    re.compile(f"[{first}-{last}]")
    for first, last in (
        ("\u0400", "\u04ff"), ("\u0590", "\u05ff"), ("\u0600", "\u06ff"), ("\u0900", "\u097f"), ("\u0e00", "\u0e7f"),
        ("\u3041", "\u9fff"), ("\uac00", "\ud7af"),
    )
)  # fmt: skip
_MIXED: Final = 3  # scripts from which on a text is gibberish


def is_broken(text: str) -> bool:
    """Return whether a reply that begins as a JSON object cannot be read as one, even as models write them; or whether a fence or a
    displayed formula is opened and never closed, a character is lost, or the text mixes scripts as no writer does."""
    if _REPLACEMENT in text or (
        not text.isascii() and sum(script.search(text) is not None for script in _SCRIPTS) >= _MIXED
    ):
        return True
    start = _OBJECT.match(text)
    if start is not None:
        return not _is_object(text[start.end() :])
    if len(_FENCE.findall(text)) % 2:
        return True
    displays = [match[1] for match in _DISPLAY.finditer(text)]
    return displays.count("[") > displays.count("]")


def _is_object(text: str) -> bool:
    """Return whether the text begins with a JSON object; backslashes before other letters than those of JSON stand for themselves."""
    readable = _NO_ESCAPE.sub(lambda match: match[1] or r"\\", text)
    try:
        value, _ = _DECODER.raw_decode(readable)
    except (json.JSONDecodeError, RecursionError):
        return False
    return isinstance(value, dict)
