"""Which questions are sampled, and which answer their samples are compared with."""

from __future__ import annotations

from pathlib import Path

from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.reasons import Code
from storage.rows import Row, to_table
from tasks.rft.questions import ACCEPTED, REFERENCE, TRUSTED, QuestionSettings, questions_of


def published(home: Path) -> tuple[Store, Version]:
    store = Store(home)
    rows = [
        Row(
            "trusted?",
            "en",
            solution="so 1",
            answer="1",
            reference_answer="1",
            license="MIT",
            subdomain="counting",
        ),
        Row("trusted?", "en", solution="hence 1", answer="1", correctness=0.99),
        Row("accepted?", "en", solution="so 2", answer="2", correctness=0.95),
        Row("accepted?", "en", solution="so 3", answer="3", correctness=0.4),
        Row("doubtful?", "en", solution="so 4", answer="4", correctness=0.6),
        Row("open?", "en"),
        Row("blank?", "en", reference_answer=" "),
        Row("blank beside?", "en", reference_answer=" "),
        Row("blank beside?", "en", solution="so 5", answer="5", correctness=0.95),
        Row("a page of a book", "en", kind="text"),
    ]
    return store, store.publish("mine", [to_table(rows)], lineage={})


def asked(store: Store, version: Version, **settings: object) -> dict[str, Row]:
    chosen = QuestionSettings.model_validate(settings)
    return {row.question: row for part in questions_of(store, version, chosen, 1) for row in part}


def test_every_question_once_with_its_best_answer(tmp_path: Path) -> None:
    store, version = published(tmp_path)
    rows = asked(store, version)
    assert set(rows) == {"trusted?", "accepted?", "doubtful?", "open?", "blank?", "blank beside?"}
    usable = {
        name: (row.reference_answer, row.verdicts[REFERENCE]) for name, row in rows.items() if not row.reason
    }
    assert usable == {
        "trusted?": ("1", TRUSTED),
        "accepted?": ("2", ACCEPTED),
        "blank beside?": ("5", ACCEPTED),
    }
    codes = {name: row.reason.code for name, row in rows.items() if row.reason}
    assert codes == {
        "doubtful?": Code.BELOW_THRESHOLD,
        "open?": Code.NO_TRUSTED_ANSWER,
        "blank?": Code.NO_TRUSTED_ANSWER,
    }
    assert (rows["trusted?"].license, rows["trusted?"].subdomain) == ("MIT", "counting")
    assert rows["trusted?"].solution is None


def test_settings_say_which_answers_count(tmp_path: Path) -> None:
    store, version = published(tmp_path)
    assert [name for name, row in asked(store, version, answers="trusted").items() if not row.reason] == [
        "trusted?"
    ]
    assert not asked(store, version, min_correctness=0.5)["doubtful?"].reason
    two, three = (set(asked(store, version, most=count)) for count in (2, 3))
    assert len(two) == 2
    assert two < three
