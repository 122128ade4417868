"""A quotation is in a text if the text has its words, numbers and operators in this order."""

from __future__ import annotations

import pytest

from tasks.documents.quotations import find_quotation

TEXT = (
    "Notice that *every* number in the triangle is the “sum of the two numbers above it”.\n"
    "The entry is \\(\\binom{6}{3} = 20\\), since that – as we said – is in row 6."
)


@pytest.mark.parametrize(
    ("quote", "covered"),
    [
        ("every number in the triangle", "every* number in the triangle"),
        ('is the "sum of the two numbers above it"', "is the “sum of the two numbers above it”"),
        ("the two numbers\n  above it. The entry", None),
        ("$\\binom{6}{3} = 20$", "binom{6}{3} = 20"),
        ("since that - as we said - is in row 6", "since that – as we said – is in row 6"),
        (
            "Every number ... two numbers above",
            "every* number in the triangle is the “sum of the two numbers above",
        ),
        ("Notice that [...] row 6.", None),
    ],
)
def test_what_a_careful_copyist_changes_does_not_count(quote: str, covered: str | None) -> None:
    span = find_quotation(quote, TEXT)
    assert span is not None or covered is None
    if span and covered:
        assert TEXT[span[0] : span[1]] == covered


@pytest.mark.parametrize(
    "quote",
    [
        "",
        "...",
        "number",  # too short to be found by anything but chance
        "every number in the square",
        "\\binom{6}{3} = 21",
        "\\binom{6}{3} + 20 = 40",
        "numbers above it ... every number in",  # not in this order
        "two ... above",
    ],
)
def test_other_words_are_no_quotation(quote: str) -> None:
    assert find_quotation(quote, TEXT) is None


def test_chinese_is_quoted_without_blanks() -> None:
    assert find_quotation("所以共有 210 种选法", "由乘法原理，所以共有210种选法。") == (6, 16)
