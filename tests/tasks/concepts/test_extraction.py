"""Which texts a model is asked about, and rows with what it named."""

from __future__ import annotations

from storage.rows import CHAT, TEXT, Row, to_table
from tasks.concepts.extraction import Extracted, with_concepts, without_concepts

ROWS = [
    Row("A bag holds 3 red balls.", "en", solution="a"),
    Row("A bag holds 3 red balls.", "en", solution="b"),
    Row("Find the slope.", "en", subdomain="coordinate geometry", concepts=["slope"]),
    Row("一般地，这个数列叫做等差数列。", "zh", kind=TEXT),
    Row("Hello", "en", kind=CHAT),
]


def test_a_text_is_asked_about_once_and_not_if_its_concepts_are_known() -> None:
    texts = without_concepts(to_table(ROWS))
    assert sorted(texts["question"].to_pylist()) == sorted([ROWS[0].question, ROWS[3].question])
    assert set(texts["problem_id"].to_pylist()) == {ROWS[0].problem_id, ROWS[3].problem_id}
    assert texts["solution"].null_count == texts.num_rows
    assert without_concepts(to_table(ROWS[::-1])).equals(texts)
    assert (
        without_concepts(to_table([Row("q", "en"), Row("q", "en", solution="s", concepts=["c"])])).num_rows
        == 0
    )


def test_concepts_are_filled_in_where_there_are_none() -> None:
    known = {row.problem_id: Extracted(("urns", "combinations"), "probability") for row in ROWS}
    filled = with_concepts(to_table(ROWS), known).to_pylist()
    assert [row["concepts"] for row in filled[:2]] == [["urns", "combinations"]] * 2
    assert {(row["subdomain"], row["domain"]) for row in filled[:2]} == {("probability", "probability")}
    assert (filled[2]["concepts"], filled[2]["subdomain"]) == (["slope"], "coordinate geometry")
    untouched = to_table(ROWS)
    assert with_concepts(untouched, {}) is untouched
