"""The language of a short text that is not the one that was asked for."""

from __future__ import annotations

import pytest

from tasks.text.cleaning import other_language


@pytest.mark.parametrize(
    ("text", "language", "written"),
    [
        ("Find the larger root of $x^2 = 4$.", "en", None),
        ("一元二次方程 $x^2 = 4$ 的较大的根是多少？", "en", "zh"),
        ("一元二次方程 $x^2 = 4$ 的较大的根是多少？", "zh", None),
        ("Find the larger root of the equation $x^2 = 4$.", "zh", "en"),
        ("计算 $\\frac{1}{2} + \\frac{1}{3}$。", "zh", None),
        ("The character 山 means mountain. How many strokes has it?", "en", None),
        ("Alice 和 Bob 各有 3 个苹果，一共有几个？", "zh", None),
        ("$x^2$", "zh", None),
    ],
)
def test_the_larger_part_decides(text: str, language: str, written: str | None) -> None:
    assert other_language(text, language) == written
