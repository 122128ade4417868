from __future__ import annotations

import pytest

from storage.counting import be, counted, was


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (1, "record", "1 record"), (0, "record", "0 records"), (2, "row", "2 rows"), (1204, "row", "1,204 rows"),
        (2, "query", "2 queries"), (2, "key", "2 keys"), (2, "match", "2 matches"), (1, "match", "1 match"),
    ],
)  # fmt: skip
def test_the_noun_has_the_form_that_its_number_asks_for(count: int, noun: str, text: str) -> None:
    assert counted(count, noun) == text


def test_irregular_nouns_and_verbs() -> None:
    assert counted(2, "index", "indices") == "2 indices"
    assert [be(1), be(2), was(1), was(0)] == ["is", "are", "was", "were"]
