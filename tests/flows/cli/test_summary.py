"""What the summary says of a run that published fewer rows than it was to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from flows.cli.summary import _next_steps, _why_fewer


@pytest.mark.parametrize(
    ("added", "mixed", "accepted", "words"),
    [
        (40, 40, 41, ""),
        (12, 12, 30, ""),  # too few were accepted: what ended the run says so
        (1, 1, 41, "; the shares of the mix left 1 of 41 accepted"),
        (30, 40, 41, "; another run published the rest in the meantime"),
    ],
)
def test_why_fewer_rows_were_published(added: int, mixed: int, accepted: int, words: str) -> None:
    funnel = [{"stage": "mix", "kept": mixed}, {"stage": "certify", "kept": mixed}]
    version = cast(Any, SimpleNamespace(added=added, lineage={"funnel": funnel}))
    assert _why_fewer(version, {"target": 40, "accepted": accepted}) == words


def test_what_selection_took_out_is_stated_where_too_few_rows_are_left() -> None:
    funnel = [
        {"stage": "select", "title": "Select by pass_rate, wave 1", "rejected": 3},
        {"stage": "select", "title": "Select by naturalness, all waves", "rejected": 13},
        {"stage": "mix", "kept": 8},
    ]
    version = cast(Any, SimpleNamespace(added=8, lineage={"funnel": funnel}))
    assert _why_fewer(version, {"target": 24, "accepted": 8}) == "; selection took out 16 accepted rows"
    enough = cast(Any, SimpleNamespace(added=24, lineage={"funnel": funnel}))
    assert _why_fewer(enough, {"target": 24, "accepted": 24}) == ""


def test_a_version_of_texts_is_not_exported_as_chats() -> None:
    class Named(SimpleNamespace):
        def __str__(self) -> str:
            return f"{self.dataset}@1"

    books = cast(Any, Named(dataset="books", lineage={"flow": "documents"}))
    assert _next_steps(books)[1:] == [
        ("use", "./mathmill make textbook_qa books@1 --dataset books-qa"),
        ("train", "./mathmill train books@1 --method cpt"),
    ]
    night = cast(Any, Named(dataset="math", lineage={"flow": "nightly"}))
    assert [name for name, _ in _next_steps(night)] == ["look", "query", "train", "schedule"]
