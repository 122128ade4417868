"""A wave's questions are shared out over languages and topics."""

from __future__ import annotations

from collections import Counter

import pytest

from flows.runner.planning import shared_out

TOPICS = [f"topic {number}" for number in range(32)]


@pytest.mark.parametrize("questions", [1, 4, 7, 20, 33, 100, 1000])
@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
def test_languages_get_their_shares_of_few_questions_too(questions: int, share: float) -> None:
    quota = shared_out({"en": 1 - share, "zh": share}, TOPICS, questions, turn=3)
    by_language = Counter[str]()
    for (language, _), count in quota.items():
        by_language[language] += count
    assert by_language.total() == questions
    assert abs(by_language["zh"] - share * questions) < 1
    assert all(count > 0 for count in quota.values())
    for language in by_language:
        counts = [quota.get((language, topic), 0) for topic in TOPICS]
        assert max(counts) - min(counts) <= 1


def test_topics_take_turns() -> None:
    first, second = (shared_out({"en": 1.0}, TOPICS, 5, turn) for turn in (1, 2))
    assert first.keys() != second.keys()
    assert first == shared_out({"en": 1.0}, TOPICS, 5, 1)


def test_a_language_without_a_share_has_no_question() -> None:
    assert {language for language, _ in shared_out({"en": 1.0, "zh": 0.0}, TOPICS, 50, 1)} == {"en"}
