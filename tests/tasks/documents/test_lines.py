"""Lines that many documents have: what is counted, what is removed, what is left alone."""

from __future__ import annotations

from pathlib import Path

from tasks.documents.lines import documents_per_line, frequent_lines, without_lines

NOTICE = "All rights of this page are those of the library."
OTHER_SPELLING = "All  rights of this page are those of the library"
LEAST = 20


def frequent(shards: list[list[str]], most: int, folder: Path) -> set[int]:
    tables = [documents_per_line(texts, LEAST) for texts in shards]
    return set(frequent_lines(tables, most, folder, "100MB").column("line").to_pylist())


def test_a_line_counts_once_per_document_over_all_shards(tmp_path: Path) -> None:
    often = "\n".join([NOTICE] * 5)  # five times in one document
    one, two = [often, "The sum of two even numbers is even."], [f"Another text.\n{OTHER_SPELLING}"]
    assert len(frequent([one, two], 2, tmp_path)) == 1
    assert frequent([one, two], 3, tmp_path) == set()
    assert frequent([one], 2, tmp_path) == set()


def test_frequent_lines_are_removed_in_every_spelling_and_others_stay(tmp_path: Path) -> None:
    texts = [f"# Sums\n\nText number {n} is about sums.\n\n{NOTICE}\n\nIts end, {n}." for n in range(3)]
    texts += [OTHER_SPELLING, "Exercises\n\n\n\nNone"]
    lines = frequent([texts], 3, tmp_path)
    cleaned = without_lines(texts, lines, LEAST)
    assert cleaned[0] == ("# Sums\n\nText number 0 is about sums.\n\nIts end, 0.", 1)
    assert cleaned[3] == ("", 1)
    assert cleaned[4] == (texts[4], 0)  # untouched to the character


def test_short_lines_stay_however_many_documents_have_them(tmp_path: Path) -> None:
    texts = [f"Exercises\n\\end{{align}}\nWhat is the half of {n} and twenty?" for n in range(9)]
    assert frequent([texts], 2, tmp_path) == set()


def test_no_documents_have_no_lines(tmp_path: Path) -> None:
    assert frequent([], 2, tmp_path) == set()
    assert frequent([[]], 2, tmp_path) == set()
