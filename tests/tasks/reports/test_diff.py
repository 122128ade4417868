"""The comparison of versions counts every row once, escapes hostile text, and does not read shared files."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.reasons import Code, Reason, reason
from storage.rows import Row, to_table
from tasks.reports.diff import compare, to_html, to_text
from tasks.reports.diff.figures import WIDTH
from tasks.reports.figures import Dropped

DAY = datetime.date(2026, 11, 20)
HOSTILE = "</td><script>alert(1)</script>|x"


def row(number: int, **fields: object) -> Row:
    values: dict[str, object] = {
        "question": f"q{number}",
        "language": "en",
        "solution": "s",
        "subdomain": "limits" if number % 2 else HOSTILE,
        "difficulty": number / 10,
        "verdicts": {"decontaminated": "clean"},
    }
    return Row(**(values | fields))  # type: ignore[arg-type]


def under(score: str) -> Reason:
    return reason("rebuild", Code.BELOW_THRESHOLD, name="answer", score=score, threshold="0.70")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


@pytest.fixture
def versions(store: Store) -> tuple[Version, Version]:
    """Rows 0 to 7; then without 0, 1 and 2, with 3 changed and 8 and 9 new."""
    costs = [{"usd": 1.5, "prompt_tokens": 10, "completion_tokens": 5}]
    one = store.publish(
        "d", [to_table([row(n) for n in range(8)])], lineage={"run": "n1", "costs": costs}, date=DAY
    )
    gone = [
        row(0, reason=under("0.50")),
        row(1, reason=under("0.60")),
    ]
    store.append_candidates(to_table(gone), run="r1", stage="rebuild")
    rows = [row(3, difficulty=0.9, scores={"answer": 0.9}), *(row(n) for n in range(4, 10))]
    funnel = [{"stage": "decontaminate", "title": "x", "asked": 9, "kept": 7, "rejected": 2, "failed": 0}]
    lineage = {
        "run": "r1",
        "funnel": funnel,
        "parameters": {"decontaminate": {"benchmarks": ["gsm8k.jsonl"]}},
    }
    two = store.publish("d", [to_table(rows)], mode="overwrite", lineage=lineage, date=DAY)
    return one, two


def test_every_row_is_counted_once_with_its_reason(store: Store, versions: tuple[Version, Version]) -> None:
    diff = compare(store, *versions)
    assert (diff.added, diff.dropped, diff.changed, diff.unchanged) == (2, 3, 1, 4)
    assert diff.rows_before + diff.added - diff.dropped == diff.rows_after
    gone = [row(number).id for number in range(3)]
    assert list(diff.reasons) == [
        Dropped("rebuild", "answer … is under 0.70", 2, tuple(sorted(gone[:2]))),
        Dropped("unknown", "not written down", 1, (gone[2],)),
    ]
    assert diff.columns == {"difficulty": 1, "scores": 1}
    assert diff.usd == (1.5, 0.0)
    assert diff.tokens == (15, 0)
    assert diff.contaminated == (0, 2)
    assert diff.benchmarks == ([], ["gsm8k.jsonl"])
    assert diff.clean == (1.0, 1.0)
    assert diff.verdict == ("none yet", "none yet")
    shift = {s.value: (s.before, s.after) for s in diff.subdomain}
    assert shift == {"limits": (4, 4), HOSTILE: (4, 3)}
    assert sum(s.after for s in diff.difficulty) == 7


def test_rows_are_shown_with_why_they_went_and_what_changed(
    store: Store, versions: tuple[Version, Version]
) -> None:
    diff = compare(store, *versions)
    assert {one.id: one.question for one in diff.added_rows} == {row(n).id: f"q{n}" for n in (8, 9)}
    assert {one.question: one.reason for one in diff.dropped_rows} == {
        "q0": "rebuild: answer 0.50 is under 0.70",
        "q1": "rebuild: answer 0.60 is under 0.70",
        "q2": "not written down",
    }
    (change,) = diff.changed_rows
    assert change.question == "q3"
    assert change.cells == {
        "difficulty": ("0.3", "0.9"),
        "scores": ("[]", '[["answer", 0.8999999761581421]]'),
    }
    for page in (to_html(diff), to_text(diff)):
        for part in ("q8", "q2", row(0).id, "answer 0.50 is under 0.70", "2 of 2", "3 of 3", "1 of 1"):
            assert part in page
    assert "<td>0.3</td><td>0.9</td>" in to_html(diff)
    assert "difficulty: 0\\.3 → 0\\.9" in to_text(diff).replace("\\:", ":")
    assert json.loads(json.dumps(diff.to_dict()))["changed_rows"][0]["cells"]["difficulty"] == ["0.3", "0.9"]


def test_as_many_rows_are_shown_as_asked_for_and_always_the_same(store: Store) -> None:
    one = store.publish("d", [to_table([row(n) for n in range(40)])], lineage={"run": "n1"}, date=DAY)
    kept = [row(n, solution="t" if n < 30 else "s", id=row(n).id) for n in range(20, 60)]
    two = store.publish("d", [to_table(kept)], mode="overwrite", lineage={"run": "n2"}, date=DAY)
    diff = compare(store, one, two)
    groups = (diff.added_rows, diff.dropped_rows, diff.changed_rows)
    assert [len(rows) for rows in groups] == [10, 10, 10]
    assert (diff.added, diff.dropped, diff.changed) == (20, 20, 10)
    again, fewer = compare(store, one, two), compare(store, one, two, rows=3)
    assert again == diff
    assert list(fewer.added_rows) == list(diff.added_rows)[:3]
    none = compare(store, one, two, rows=0)
    assert not none.added_rows
    assert "Added rows" not in to_text(none)


def test_a_long_text_is_shown_about_the_place_where_it_differs(store: Store) -> None:
    steps = " ".join(f"step {n}." for n in range(400))
    texts = [steps, steps.replace("step 350.", "STEP 350.")]
    one, two = (
        store.publish(
            "d",
            [to_table([row(1, solution=text, id="r1")])],
            mode="overwrite",
            lineage={"run": text[-9:]},
            date=DAY,
        )
        for text in texts
    )
    (change,) = compare(store, one, two).changed_rows
    before, after = change.cells["solution"]
    assert "step 350." in before
    assert "STEP 350." in after
    assert before.startswith("…")
    assert len(after) <= WIDTH + 2


def test_rows_that_carry_markup_are_shown_as_text(store: Store) -> None:
    evil = HOSTILE + " [a](javascript:1) ![b](https://example.com/x.png) `</table>` \n# x"
    one = store.publish("d", [to_table([row(1, question=evil, answer=evil)])], lineage={"run": "a"}, date=DAY)
    rows = [row(2, question=evil + "2", answer=evil)]
    two = store.publish("d", [to_table(rows)], mode="overwrite", lineage={"run": "b"}, date=DAY)
    changed = [row(2, question=evil + "2", answer=evil, critique=evil)]
    three = store.publish("d", [to_table(changed)], mode="overwrite", lineage={"run": "c"}, date=DAY)
    for pair in ((one, two), (two, three)):
        diff = compare(store, *pair)
        assert "<script" not in to_html(diff)
        shown = MarkdownIt("commonmark").enable("table").render(to_text(diff))
        assert not re.search(r"<script|<img|<a[ >]|<h1>x", shown)
        assert "alert(1)" in shown


def test_the_other_way_round_and_with_itself(store: Store, versions: tuple[Version, Version]) -> None:
    one, two = versions
    back = compare(store, two, one)
    assert (back.added, back.dropped, back.changed, back.unchanged) == (3, 2, 1, 4)
    same = compare(store, one, one)
    assert (same.added, same.dropped, same.changed, same.unchanged) == (0, 0, 0, 8)


def test_files_of_both_versions_are_not_read(
    store: Store, versions: tuple[Version, Version], monkeypatch
) -> None:
    _, two = versions
    three = store.publish("d", [to_table([row(20)])], lineage={}, date=DAY)
    asked: list[list[str]] = []
    batches = Store.batches

    def watched(self: Store, version, columns=None, *args, files=None, **kwargs):
        if files is not None:
            asked.append(list(files))
        return batches(self, version, columns, *args, files=files, **kwargs)

    monkeypatch.setattr(Store, "batches", watched)
    diff = compare(store, two, three)
    assert (diff.added, diff.dropped, diff.unchanged) == (1, 0, 7)
    assert asked == [[], [path for path in three.files if path not in two.files]]


def test_hostile_text_stays_text_on_both_pages(store: Store, versions: tuple[Version, Version]) -> None:
    store.mark(versions[1], "verdict", {"verdict": "effective", "better": True})
    diff = compare(store, *versions)
    html, text = to_html(diff), to_text(diff)
    assert "<script>" not in html
    assert "<script>" not in text
    for page in (html, text):
        assert "answer … is under 0.70" in page
        assert "+2" in page
        assert "gsm8k.jsonl" in page
        assert "effective" in page
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.replace("\\|", "").count("|") in (3, 4, 5), line
    json.dumps(diff.to_dict())
