"""A review over a store: the queue is resumed, shared by reviewers, and leaves its estimate with the version."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.datasets.judgements import RowJudgement, RowOpinion
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.errors import StorageError
from storage.rows import Row, to_table
from tasks.review.session import ERROR_RATE, QUEUE, Review


@pytest.fixture
def version(tmp_path: Path) -> Version:
    rows = [
        Row(
            f"What is {n} + 1?",
            "en",
            solution=f"{n + 1}",
            answer=f"{n + 1}",
            correctness=0.9,
            subdomain="sums",
        )
        for n in range(40)
    ]
    return Store(tmp_path).publish("d", [to_table(rows)], lineage={})


def judge(review: Review, name: str, opinion: RowOpinion = RowOpinion.RIGHT) -> str | None:
    asked = review.next(name)
    if asked is None:
        return None
    review.record(RowJudgement(asked.row["id"], name, opinion))
    return str(asked.row["id"])


def test_a_review_that_was_left_continues_with_the_rows_that_are_left(
    tmp_path: Path, version: Version
) -> None:
    review = Review.open(Store(tmp_path), version, rows=10, second=0.0)
    first = [judge(review, "ada") for _ in range(4)]
    again = Review.open(Store(tmp_path), str(version))
    assert again.settings == review.settings
    assert again.drawn.ids[:4] == first
    assert again.progress().judged == 4
    while judge(again, "ada"):
        pass
    assert again.progress().done
    assert again.progress().reviewers == {"ada": 10}
    assert len(Store(tmp_path).marks("d", QUEUE)) == 1


@pytest.mark.slow
def test_a_second_reviewer_gets_their_share_and_what_the_first_one_skipped(
    tmp_path: Path, version: Version
) -> None:
    review = Review.open(Store(tmp_path), version, rows=20, second=0.3)
    skipped = judge(review, "ada", RowOpinion.SKIP)
    while judge(review, "ada"):
        pass
    twice = {row for row, both in zip(review.drawn.ids, review.drawn.second, strict=True) if both}
    assert 0 < len(twice) < 20
    assert not review.progress().done
    shown = set()
    while (row := judge(review, "ben", RowOpinion.WRONG)) is not None:
        shown.add(row)
    assert shown == twice | {skipped}
    (agreement,) = review.agreements()
    assert agreement.rows == len(twice - {skipped})
    assert agreement.same == 0
    # the skipped row needs a second reviewer only where it is one of those
    assert review.progress().judged == 20 - (skipped in twice)


def test_the_estimate_is_a_mark_of_the_version_once(tmp_path: Path, version: Version) -> None:
    store = Store(tmp_path)
    review = Review.open(store, version, rows=10, second=0.0, uniform=1.0)
    judge(review, "ada", RowOpinion.WRONG)
    while judge(review, "ada"):
        pass
    value = review.keep_estimate()
    review.keep_estimate()
    (mark,) = store.marks("d", ERROR_RATE)
    assert mark.value == value
    assert value["whole"]["rate"] == pytest.approx(0.1)
    assert value["acceptance"]["words"].startswith("10 rows, 1 wrong: at most 35.0 %")
    assert value["subdomains"]["sums"]["judged"] == 10


@pytest.mark.slow
def test_judgements_stay_with_the_rows_in_the_next_version(tmp_path: Path, version: Version) -> None:
    store = Store(tmp_path)
    review = Review.open(store, version, rows=40, second=0.0)
    while judge(review, "ada"):
        pass
    later = store.publish("d", [to_table([Row("New?", "en", solution="1", answer="1")])], lineage={})
    progress = Review.open(store, later, rows=41, second=0.0).progress()
    assert (progress.asked, progress.judged) == (41, 40)


def test_a_row_of_another_version_and_a_wrong_setting_are_refused(tmp_path: Path, version: Version) -> None:
    review = Review.open(Store(tmp_path), version)
    with pytest.raises(StorageError, match="has no row"):
        review.record(RowJudgement("0" * 24, "ada", RowOpinion.RIGHT))
    with pytest.raises(StorageError, match=r"the review's rows: .*Fix"):
        Review.open(Store(tmp_path), version, rows=0)
    assert review.store.judgements("d") == []
