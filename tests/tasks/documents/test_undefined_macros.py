r"""Macros that no file defines are counted and named, and those of LaTeX, AMS and KaTeX are not."""

from __future__ import annotations

import pytest

from tasks.documents.undefined_macros import in_words, nearest, undefined_macros


def test_only_macros_in_formulas_that_nobody_defines_are_counted() -> None:
    texts = [
        r"\(a \imp b \iff c\) and \imp",
        r"\[\card A \le \imp\]",
        r"\(\text{x} \lvert y \rvert \coloneqq z\)",
    ]
    assert undefined_macros(texts) == {"imp": 2, "card": 1}


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("imp", r"\implies"),
        ("N", r"\mathbb{N}"),
        ("fracc", r"\frac"),
        ("inv", "..."),
        ("y", "..."),
        ("twoline", "..."),
    ],
)
def test_the_nearest_known_macro_is_the_fix(name: str, fix: str) -> None:
    assert nearest(name) == fix


def test_the_most_frequent_are_named_and_the_others_counted() -> None:
    first, second, last = in_words({"imp": 7, "card": 1, "st": 1, "a": 2, "b": 2}, most=2)
    assert first.startswith(r"\imp (7 times)")
    assert first.endswith(r"add \newcommand{\imp}{\implies} to one")
    assert second.startswith(r"\a (2 times)")
    assert last.startswith("3 further macros (4 times)")
