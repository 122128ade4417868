"""The Unicode signs of mathematics by name: one table for everything that folds them.

The judge of answers spells them in LaTeX (`×` is `\\times`), deduplication in plain text (`×` is `*`). Which characters are
one sign is stated here once; each use says how it spells the signs that it folds.
"""

from __future__ import annotations

import re

SIGNS = {
    "minus": "−–",
    "dash": "—",
    "times": "×",
    "dot": "⋅·∙",
    "divided": "÷",
    "slash": "∕⁄",
    "le": "≤⩽",
    "ge": "≥⩾",
    "ne": "≠",
    "pi": "π",
    "infinity": "∞",
    "degree": "°",
    "double_quote": "“”",
    "single_quote": "‘’",
    "full_stop": "。",
    "listing_comma": "、",
}
"""Name of a sign to the characters that are written for it."""

_SUPERSCRIPT = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n", strict=True))
_SUPERSCRIPTS = re.compile("[" + "".join(_SUPERSCRIPT) + "]+")


def spelled(spellings: dict[str, str]) -> dict[str, str]:
    """Return the spelling of each character of the named signs. Raises KeyError for an unknown name."""
    return {character: spelling for name, spelling in spellings.items() for character in SIGNS[name]}


def raised(text: str) -> str:
    """Return the text with runs of superscripts as exponents: x² is x^{2}."""
    return _SUPERSCRIPTS.sub(lambda run: "^{" + "".join(_SUPERSCRIPT[c] for c in run.group()) + "}", text)
