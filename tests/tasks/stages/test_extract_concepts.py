"""The concepts of texts by the embedded teacher, asked for once per text, and the balance of what it could not name."""

from __future__ import annotations

from collections.abc import Callable

from storage.reasons import Code
from storage.rows import Row, kept, reasons_of, to_table
from tasks.concepts.extraction import without_concepts
from tasks.llm.engine import Engine
from tasks.stages.extract_concepts import extract_concepts
from tasks.stages.outcome import balance
from tasks.teacher.topics import vocabulary
from tests.tasks.methods.derived_rows import drawn, no_tick

PROBLEMS = list(drawn("extract", every=4))
TEXTS = to_table(
    [
        *(Row(row.question, row.language, subdomain=row.subdomain) for row in PROBLEMS),
        Row(
            "## 2.1 Arithmetic sequences\n\nA list of numbers with a fixed step is called an arithmetic sequence.",
            "en",
        ),
        Row("## 第三章 等差数列\n\n相邻两项的差是常数，这样的数列叫做等差数列。", "zh"),
        Row("The editors thank everybody for their patience.", "en"),
    ]
)


def test_texts_get_the_concepts_that_their_problems_need(engine: Callable[..., Engine]) -> None:
    texts = without_concepts(TEXTS)
    outcome = extract_concepts(texts, engine=engine("teacher"), tick=no_tick)
    counts = balance("extract_concepts", outcome)
    assert counts.asked == texts.num_rows
    assert counts.failed == 0
    # a family names its concepts in English, the teacher those of a Chinese text in Chinese
    local = {name: {name, vocabulary().get(name, (name,))[0]} for row in PROBLEMS for name in row.concepts}
    known = {row.problem_id: set().union(*(local[name] for name in row.concepts)) for row in PROBLEMS}
    named = {row["problem_id"]: row for row in kept(outcome.rows).to_pylist()}
    shared = [
        bool(known[problem] & set(row["concepts"])) for problem, row in named.items() if problem in known
    ]
    assert sum(shared) > 0.9 * len(known)
    by_text = {row["question"][:5]: row for row in named.values()}
    assert any("arithmetic sequence" in name.lower() for name in by_text["## 2."]["concepts"])
    assert by_text["## 第三"]["subdomain"] == "sequences and series"
    assert "等差数列" in by_text["## 第三"]["concepts"]
    assert Code.NO_CONCEPTS in {why.code for why in reasons_of(outcome.rows) if why is not None}
    assert set(outcome.rows["id"].to_pylist()).isdisjoint(TEXTS["id"].to_pylist())


def test_a_text_is_paid_for_once(engine: Callable[..., Engine]) -> None:
    texts = without_concepts(TEXTS)
    first = extract_concepts(texts, engine=engine("teacher"), tick=no_tick)
    again = extract_concepts(texts.slice(3), engine=engine("teacher"), tick=no_tick)
    (bill,) = again.facts["bills"]
    assert bill["cached"] == bill["completions"] == texts.num_rows - 3
    assert again.rows.equals(first.rows.slice(3))


def test_a_call_that_is_not_answered_is_a_failed_row(engine: Callable[..., Engine]) -> None:
    texts = without_concepts(TEXTS).slice(0, 4)
    outcome = extract_concepts(texts, engine=engine("teacher", offline=True), tick=no_tick)
    assert balance("extract_concepts", outcome).failed == 4
    assert outcome.facts["deferred"] == 4
