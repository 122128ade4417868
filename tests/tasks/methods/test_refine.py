"""Passages rewritten as articles: their parts, their manners, and what they may not leave out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson
import pyarrow as pa
import pytest

from storage.reasons import Code
from storage.rows import TEXT, Row, kept, reasons_of, to_table
from tasks.llm.engine import Engine
from tasks.methods import asks_table, refine
from tasks.methods.refine import AUDIENCES, STYLES, RefineSettings
from tasks.stages.generate import generate
from tasks.stages.outcome import balance
from tests.tasks.documents.test_exercises import block
from tests.tasks.methods.test_textbook_qa import CHINESE, EXPLANATION, passage


def planned(rows: list[Row], settings: RefineSettings | None = None, questions: int = 10**6) -> list[Any]:
    return refine.plan(
        to_table(rows),
        {("", ""): questions},
        per_call=5,
        examples=0,
        seed=1,
        settings=settings or RefineSettings(),
    )


def refined(rows: list[Row], engine: Engine, settings: RefineSettings | None = None) -> pa.Table:
    asks = asks_table(planned(rows, settings))
    outcome = generate(asks, engine=engine, source="s", license="l", tick=lambda rows: None)
    balance("generate", outcome)
    return outcome.rows


def test_readers_and_styles_are_dealt_over_the_passages() -> None:
    asks = planned([passage(number) for number in range(24)])
    manners = Counter((ask.variables["audience"], ask.variables["style"]) for ask in asks)
    assert set(manners.values()) == {2}
    assert len(manners) == len(AUDIENCES) * len(STYLES)
    assert len(planned([passage(number) for number in range(24)], questions=7)) == 7


def test_what_is_rewritten_has_no_exercises_and_no_pictures() -> None:
    blocks = [
        block("text", "First."),
        block("text", "[Figure: a triangle]"),
        block("caption", "A triangle."),
        block("example", "How many?"),
        block("solution", "Three."),
        block("exercise", "And how many here?"),
        block("solution", "Four."),
        block("text", "Last ![x](y.png) words."),
    ]
    assert refine.article("unused", blocks) == "First.\n\nHow many?\n\nThree.\n\nLast  words."
    assert refine.article("Plain [Figure 3] text.\n\n[Figure: x]", None) == "Plain [Figure 3] text."


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_embedded_teacher_rewrites_passages_and_leaves_out_little(
    language: str, engine: Callable[..., Engine]
) -> None:
    rows = [passage(number, language) for number in range(60)]
    for row in rows:
        assert row.blocks is not None
        # CHINESE has each sentence three times: an article that leaves one out would lack nothing
        if language == "zh":
            row.blocks[0]["text"] = CHINESE[: len(CHINESE) // 3] + "这一句不含任何数据，只是为了篇幅。" * 8
    table = refined(rows, engine("teacher"))
    codes = Counter(None if why is None else why.code for why in reasons_of(table))
    assert codes[None] >= 50
    assert codes[Code.NO_END] + codes[Code.NO_PARTS] + codes[Code.BELOW_THRESHOLD] >= 1
    for row in kept(table).to_pylist():
        params = orjson.loads(row["params"])
        assert (row["kind"], row["license"], row["source"], row["solution"]) == (
            TEXT,
            "CC-BY-4.0",
            "a book",
            None,
        )
        assert dict(row["scores"])["coverage"] >= 0.8
        assert "==" not in row["question"]
        assert "5050" in row["question"] or params["missing"]
        assert params["audience"] in AUDIENCES
        assert params["style"] in STYLES
        assert params["document"]["file"] == "a.tex"


def test_an_article_that_leaves_out_too_much_is_refused_with_its_score() -> None:
    (ask,) = planned([passage()])
    text = "==Background Knowledge==\nCounting.\n==Main Body==\nThere are some words.\n==End=="
    (item,) = refine.read(text, cut=False)
    checked = refine.check(item, ask)
    assert checked.code == Code.BELOW_THRESHOLD
    assert (checked.values["name"], checked.values["threshold"]) == ("coverage", "0.80")
    assert checked.scores["coverage"] < 0.2
    assert "101\\cdot 50 = 5050" in checked.params["missing"]
    assert checked.question == "Counting.\n\nThere are some words."
    (lenient,) = planned([passage()], RefineSettings(coverage=0.0))
    assert refine.check(item, lenient).code is None


def test_thoughts_follow_their_passage(engine: Callable[..., Engine]) -> None:
    (ask,) = planned([passage()], RefineSettings(thinking=True))
    assert ask.prompt == "refine_thinking"
    table = refined(
        [passage(number, "zh") for number in range(4)], engine("teacher"), RefineSettings(thinking=True)
    )
    rows = kept(table).to_pylist()
    assert rows
    for row in rows:
        assert CHINESE in row["question"]
        assert row["question"].rstrip().endswith("这一步成立。")
        assert row["prompt"].startswith("refine_thinking.zh@")


def test_parts_of_the_other_form_are_refused() -> None:
    (ask,) = planned([passage()])
    (thinking,) = refine.read("==Thinking==\nHm.\n==End==", cut=False)
    assert refine.check(thinking, ask).code == Code.NO_PARTS
    (body,) = refine.read("==Main Body==\n" + EXPLANATION + "\n==End==", cut=False)
    assert refine.check(body, ask).code == Code.NO_PARTS


def test_hostile_replies_are_read_in_linear_time() -> None:
    for text in (
        "==End==" * 20_000,
        "==Main Body" * 20_000,
        "=" * 200_000,
        "# \n" * 50_000,
        "![" * 50_000,
        "*" * 100_000,
    ):
        (item,) = refine.read(f"==Main Body==\n{text}\n==End==", cut=False)
        assert item.code is None or item.code in Code
