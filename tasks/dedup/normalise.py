"""One spelling per text: looks (tasks.text.folding), Unicode, LaTeX variants, number formats and
whitespace.

`canonical` is the key of exact duplicates and the text that tokens are cut from; case is kept, because `A`
and `a` are two quantities. `template` is the canonical text with its numbers masked. Both are idempotent.
Number words ("three", "三") are left as words.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.text import notation
from tasks.text.folding import folded
from tasks.text.notation import (
    DEGREE_PLAIN,
    DIGIT_FRACTION,
    GROUPED_COMMA,
    SIZES,
    SPACE_SIGNS,
    SPACES,
    STYLES,
    WORDS,
    Font,
    fonts,
    plain_rules,
    raised,
)

Texts: TypeAlias = Sequence[str | None] | pa.Array | pa.ChunkedArray

_SYMBOLS = str.maketrans(notation.plain_characters())

# (pattern, replacement); RE2, applied in this order
_LATEX: tuple[tuple[str, str], ...] = (
    (r"\\\\(\[[^\]]*\])?", " "),
    GROUPED_COMMA,
    (r"(\d)\\[,;!: ](\d\d\d)", r"\1,\2"),
    (rf"\\[{SPACE_SIGNS}]|\\({'|'.join(SPACES.commands)})\b|~", " "),
    (r"\\[()\[\]]|\\\$|\$", " "),
    (r"\\(%|&|#|_|\{|\})", r"\1"),
    (rf"\\({'|'.join(SIZES.commands + STYLES.commands)})\b\.?", " "),
    *plain_rules("fraction"),
    DIGIT_FRACTION,
    (rf"\\(?:{fonts(Font.WORDS)})\*?\s*\{{([^{{}}]*)\}}", r" \1 "),
    *plain_rules("times", "dot", "asterisk", "divided", "less or equal", "greater or equal", "not equal", "ellipsis", "arrow", "vertical bar"),
    DEGREE_PLAIN,
    *plain_rules("pi", "infinity", "root", *WORDS),
    (r"_(\d)(\d)", r"_\1 \2"),  # \log_381 is \log_3 81
    (r"([\^_])\s*\{\s*([\pL\pN])\s*\}", r"\1\2"),
)  # fmt: skip
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?!\d|,\d)")
_DECIMAL = re.compile(r"(?<![\w.])(\d*)\.(\d+)(?!\d|\.\d)")
_NUMBER = r"\d+(?:\.\d+)?"
FEW, SHORT = 8, 4_096  # texts and characters of each that are normalised one at a time
_NOT_PLAIN = re.compile(r"[^\t-\r -~]|[&<\\$~{}^_]")
# what \s, \pL and \pN of a column's expressions are in such a text
_WHITE = re.compile(r"[\t\n\f\r ]+")
_AROUND_SIGNS = re.compile(r" *([^A-Za-z0-9 ]) *")
_ENDS = re.compile(r"^ +|[ .]+\Z")


def canonical(texts: Texts, languages: Sequence[str] | None = None) -> list[str]:
    """Return the normal form of each text (None becomes "").

    Its rules are the same for every language; `languages` is accepted as everywhere in this package and may
    be left out.
    """
    if languages is not None and len(languages) != len(texts):
        raise ValueError(f"{len(texts)} texts but {len(languages)} languages: give one language per text")
    if not isinstance(texts, pa.Array | pa.ChunkedArray) and _are_few(texts):
        return [_alone(text or "") for text in texts]
    canonical_texts: list[str] = canonical_array(texts).to_pylist()
    return canonical_texts


def _are_few(texts: Sequence[str | None]) -> bool:
    return len(texts) <= FEW and all(len(text or "") <= SHORT for text in texts)


@functools.lru_cache(maxsize=1024)  # who compares a text with others asks for it several times
def _alone(text: str) -> str:
    """Compute `canonical` of one text. A column's expressions are compiled anew for each column, 4 ms for one text; plain English, which no
    rule of LaTeX and none of other scripts applies to, needs only these."""
    if _NOT_PLAIN.search(text) is None:
        text = _AROUND_SIGNS.sub(r"\1", _WHITE.sub(" ", _fold_number(text)))
        return _ENDS.sub("", text)
    normal: str = canonical_array([text])[0].as_py()
    return normal


def canonical_array(texts: Texts) -> pa.Array:
    """Compute `canonical` by columns: a large_string array of the same length."""
    # spaces matter only between two words: "x + 1" is "x+1", a line break is a space
    array = folded_array(texts)
    array = pc.replace_substring_regex(array, r"\s*([^\pL\pN\s]|\p{Han})\s*", r"\1")
    return pc.replace_substring_regex(array, r"^\s+|[\s.]+$", "")


def folded_array(texts: Texts) -> pa.Array:
    """Return the normal form except for spaces around signs: all that tokens need, at half the cost."""
    array = plain_array(texts)
    odd = pc.invert(pc.string_is_ascii(array))
    array = _only(array, odd, _fold_unicode)
    array = _only(array, pc.match_substring_regex(array, r"[\\$~]|\{,\}|[\^_]\s*\{"), _fold_latex)
    array = _only(array, pc.match_substring_regex(array, r"\d,\d\d\d|\.\d"), _fold_numbers)
    return _only(array, pc.match_substring_regex(array, r"[\t\n\r\f\v]|  "), _fold_spaces)


def plain_array(texts: Texts) -> pa.Array:
    """Return each text as it looks to a reader (tasks.text.folding.folded); plain ASCII without HTML is
    unchanged.
    """
    array = as_array(texts)
    return _only(array, _odd(array), _fold_looks)


def _odd(array: pa.Array) -> pa.Array:
    """Return which texts have a byte that folding handles: no ASCII, a control character, & or <.

    It is one pass over the bytes: most rows of most sets have none.
    """
    _, offset_buffer, data_buffer = array.buffers()
    mask = np.zeros(len(array), dtype=bool)
    if len(array) and data_buffer is not None:
        offsets = np.frombuffer(offset_buffer, np.int64, len(array) + 1, array.offset * 8)
        begin, end = int(offsets[0]), int(offsets[-1])
        kind = np.frombuffer(data_buffer[begin:end].to_pybytes().translate(_ODD), np.uint8)
        mask[np.searchsorted(offsets - begin, np.flatnonzero(kind), side="right") - 1] = True
    return pa.array(mask)


_ODD = bytes(
    byte > 0x7E or byte in b"&<" or (byte < 0x20 and byte not in b"\t\n\v\f\r") for byte in range(256)
)


def template(text: str) -> str:
    """Return the canonical text with every number masked as #."""
    masked: str = template_array(canonical_array([text]))[0].as_py()
    return masked


def template_array(canonical_texts: pa.Array) -> pa.Array:
    """Return the templates of texts that are canonical already."""
    return pc.replace_substring_regex(canonical_texts, _NUMBER, "#")


def as_array(texts: Texts) -> pa.Array:
    """Return any column of text as one large_string array without nulls.

    Offsets are 64-bit, because columns of a million rows exceed 2 GiB.
    """
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    array = texts if isinstance(texts, pa.Array) else pa.array(texts, type=pa.large_string())
    if array.type != pa.large_string():
        array = array.cast(pa.large_string())
    if array.null_count:
        array = pc.fill_null(array, "")
    return array


def _only(array: pa.Array, mask: pa.Array, step: object) -> pa.Array:
    """Apply `step` to the masked rows: most rows of a plain-text set need none of the costly ones."""
    chosen = array.filter(mask)
    if not len(chosen):
        return array
    return pc.replace_with_mask(array, mask, step(chosen))  # type: ignore[operator]


def _fold_looks(array: pa.Array) -> pa.Array:
    return pa.array([folded(text) for text in array.to_pylist()], type=pa.large_string())


def _fold_unicode(array: pa.Array) -> pa.Array:
    return pa.array([_fold_one(text) for text in array.to_pylist()], type=pa.large_string())


def _fold_one(text: str) -> str:
    # NFKC alone would turn x² into x2
    folded = unicodedata.normalize("NFKC", raised(text).translate(_SYMBOLS)).translate(_SYMBOLS)
    return unicodedata.normalize("NFKC", folded)


def _fold_latex(array: pa.Array) -> pa.Array:
    for pattern, replacement in _LATEX:
        array = pc.replace_substring_regex(array, pattern, replacement)
    return array


def _fold_spaces(array: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(array, r"\s+", " ")


def _fold_numbers(array: pa.Array) -> pa.Array:
    return pa.array([_fold_number(text) for text in array.to_pylist()], type=pa.large_string())


def _fold_number(text: str) -> str:
    text = _THOUSANDS.sub(lambda match: match.group().replace(",", ""), text)
    return _DECIMAL.sub(_decimal, text)


def _decimal(match: re.Match[str]) -> str:
    whole, fraction = match.group(1) or "0", match.group(2).rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole
