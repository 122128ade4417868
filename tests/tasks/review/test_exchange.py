"""Judgements go to files and come back: JSONL, and records as Argilla 2.8 writes and reads them."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from storage.datasets.judgements import RowJudgement, RowOpinion
from storage.datasets.store import Store
from storage.errors import StorageError
from storage.rows import Row, to_table
from tasks.review import exchange
from tasks.review.session import Review

# what `rg.Record.to_dict` of Argilla 2.8.0 has
KEYS = ["id", "fields", "metadata", "suggestions", "responses", "vectors", "status", "_server_id"]


@pytest.fixture
def review(tmp_path: Path) -> Review:
    rows = [
        Row(f"What is {n} + 1?", "en", solution=f"It is {n + 1}.", answer=f"{n + 1}", correctness=0.9)
        for n in range(6)
    ]
    store = Store(tmp_path / "home")
    opened = Review.open(store, store.publish("d", [to_table(rows)], lineage={}), second=0.5)
    first, second, third, *_ = opened.drawn.ids
    opened.record(
        RowJudgement(first, "ada", RowOpinion.RIGHT),
        RowJudgement(second, "ada", RowOpinion.WRONG, comment="off by one\n\x1b[2J", answer="7"),
        RowJudgement(second, "ben", RowOpinion.UNCLEAR),
        RowJudgement(third, "ben", RowOpinion.SKIP),
    )
    return opened


def elsewhere(review: Review, tmp_path: Path) -> Review:
    """Return the review of the same rows in another store."""
    store = Store(tmp_path / "other")
    rows = review.store.read(review.version)
    return Review.open(store, store.publish("d", [rows], lineage={}), second=0.5)


def judgements_of(review: Review) -> list[tuple[object, ...]]:
    return sorted((one.row, one.reviewer, one.opinion, one.comment, one.answer) for one in review.judgements)


def test_lines_come_back_as_they_were_and_only_once(review: Review, tmp_path: Path) -> None:
    path = tmp_path / "judgements.jsonl"
    path.write_bytes(b"".join(exchange.to_lines(review)))
    other = elsewhere(review, tmp_path)
    assert exchange.bring_in(other, exchange.read(path)) == 4
    assert exchange.bring_in(other, exchange.read(path)) == 0
    assert judgements_of(other) == judgements_of(review)
    assert {one.at for one in other.judgements} == {one.at for one in review.judgements}
    assert other.progress() == review.progress()


def test_records_of_argilla_have_its_keys_and_come_back_with_the_names(
    review: Review, tmp_path: Path
) -> None:
    records = exchange.to_argilla(review)
    assert all(list(record) == KEYS for record in records)
    assert [record["id"] for record in records] == review.drawn.ids
    second = records[1]
    user = exchange.user_of("ada")
    assert second["status"] == "completed"
    assert second["responses"]["opinion"][0] == {"value": "wrong", "user_id": user}
    assert second["responses"]["corrected_answer"] == [{"value": "7", "user_id": user}]
    assert records[2]["responses"] == {}  # a skipped row is open for others
    path = tmp_path / "records.json"
    path.write_bytes(orjson.dumps(records))
    other = elsewhere(review, tmp_path)
    assert exchange.bring_in(other, exchange.read(path)) == 3
    assert exchange.bring_in(other, exchange.read(path)) == 0
    assert judgements_of(other) == [one for one in judgements_of(review) if one[2] is not RowOpinion.SKIP]
    # Argilla's own export lacks nothing of this but the metadata that it was not asked for
    for record in records:
        record["metadata"] = {}
    path.write_bytes(orjson.dumps(records))
    assert exchange.bring_in(review, exchange.read(path)) == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"row": "ROW", "reviewer": "ada"}', "line 1: None is no opinion"),
        ('{"row": "ROW", "reviewer": "ada", "opinion": "fine"}', "line 1: 'fine' is no opinion"),
        ('{"row": "ROW", "opinion": "right"}', "line 1: it has no reviewer"),
        ('\n{"row": 3, "reviewer": "ada", "opinion": "right"}', "line 2: it has no row"),
        ('{"row": "ROW", "reviewer": "ada", "opinion": "right", "comment": 4}', "comment is no text"),
        ("[1]", "record 1: it is no record of Argilla"),
        ("[{", "it is no JSON"),
        ("right", "line 1: it is no JSON"),
        ('{"row": "nosuch", "reviewer": "ada", "opinion": "right"}', "has no row nosuch"),
        (
            '[{"id": "ROW", "responses": {"opinion": [{"value": "good", "user_id": "1"}]}}]',
            "'good' is no opinion",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_one_line_and_leaves_nothing(
    review: Review, tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "file.json"
    path.write_text(text.replace("ROW", review.drawn.ids[0]))
    before = judgements_of(review)
    with pytest.raises(StorageError, match="Fix: ") as refused:
        exchange.bring_in(review, exchange.read(path))
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
    review.refresh()
    assert judgements_of(review) == before
