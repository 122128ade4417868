"""Marks of footnotes on formulas, which look like powers: a checked-in file with notes on formulas, among powers with their numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.documents.document import Document
from tasks.documents.formats import ReadOptions, reader
from tests.tasks.documents.typesetting import texts_of

DATA = Path(__file__).parents[2] / "data" / "documents"


@pytest.fixture(scope="module")
def pages() -> Document:
    return reader("pdf").read((DATA / "marks.pdf").read_bytes(), "marks.pdf", ReadOptions())


def test_a_mark_on_a_formula_is_no_power(pages: Document) -> None:
    text = pages.elements[0].text
    for formula in (r"\(x\) be given", r"\(n\) is", r"\(2n + 1\) the", r"\(f(x)\) its", r"\(x_{1}\) and", r"\(z^{2}\) are", "137 kinds"):  # fmt: skip
        assert formula in text


def test_powers_with_the_number_of_a_note_stay(pages: Document) -> None:
    text = "\n".join(texts_of(pages))
    for formula in (r"x^{2} + 3x = 10", r"y^{3} = 8", r"a^{4} + b^{5} = c^{6}", r"x^{2} = 4", r"2^{9}", r"2^{10} = 1024"):  # fmt: skip
        assert formula in text


def test_of_two_places_that_may_have_a_mark_none_loses_its_power(pages: Document) -> None:
    text = "\n".join(texts_of(pages))
    assert r"n^{8}" in text
    assert r"3^{8}" in text


def test_notes_are_elements_of_what_has_their_mark(pages: Document) -> None:
    owners = {
        one.label: None if one.of is None else pages.elements[one.of].kind
        for one in pages.elements
        if one.kind == "footnote"
    }
    assert [owners[str(number)] for number in (1, 2, 3, 4, 5, 6, 7, 9, 10)] == ["text"] * 9


def test_a_power_below_a_sum_is_no_limit_of_it(pages: Document) -> None:
    text = "\n".join(texts_of(pages))
    assert r"\sum_{i = 1}^{k}i^{2}" in text
    assert r"\(e^{11}\) is large" in text
