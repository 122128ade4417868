r"""Macros in the formulas of a document that nothing defines: neither the document nor LaTeX, AMS or KaTeX.

They come of definitions in files that were not given, and no reader of a formula can show them: `\imp` where a file of the book says
`\newcommand{\imp}{\rightarrow}`.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from tasks.documents.latex_math import KNOWN, is_known
from tasks.documents.quality import divided

MOST: Final = 1_000  # different macros that are counted
_NAME: Final = re.compile(r"\\([A-Za-z]{1,40})(?![A-Za-z])")
_SHORTEST: Final = 3  # letters of a name that says what it may stand for
_ALIKE: Final = 0.87
_SETS: Final = frozenset("NZQRCFPEH")  # letters that books define as \mathbb


def undefined_macros(texts: Iterable[str]) -> Counter[str]:
    r"""Return how often each macro that nobody knows stands in the formulas of texts, which are between \( and \) or \[ and \]."""
    counts: Counter[str] = Counter()
    for text in texts:
        for formula in divided(text)[0]:
            names = [name for name in _NAME.findall(formula) if not is_known(name)]
            counts.update(name for name in names if name in counts or len(counts) < MOST)
    return counts


def in_words(counts: Mapping[str, int], most: int = 5) -> list[str]:
    """Return a line per undefined macro, the most frequent first, with its fix; at most `most` and one for the others."""
    order = sorted(counts, key=lambda name: (-counts[name], name))
    lines = [
        f"\\{name} ({counts[name]} {'time' if counts[name] == 1 else 'times'}) is defined in no file that was given. Fix: give the "
        f"file that defines it, or add \\newcommand{{\\{name}}}{{{nearest(name)}}} to one"
        for name in order[:most]
    ]
    if len(order) > most:
        others = sum(counts[name] for name in order[most:])
        lines.append(
            f"{len(order) - most} further macros ({others} times) are defined in no file that was given"
        )
    return lines


def nearest(name: str) -> str:
    r"""Return the known macro that a name may stand for, with its backslash: the shortest that begins with it, or one that is
    nearly spelt alike; "..." if there is none."""
    if name in _SETS:
        return rf"\mathbb{{{name}}}"
    if len(name) < _SHORTEST:
        return "..."
    longer = sorted((one for one in KNOWN if one.startswith(name)), key=lambda one: (len(one), one))
    alike = longer or difflib.get_close_matches(name, sorted(KNOWN), 1, _ALIKE)
    return f"\\{alike[0]}" if alike else "..."
