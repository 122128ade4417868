"""Rules for changed items: other things, another language, a table, other letters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from storage.rows import Row, column, to_table
from tasks.decontamination.benchmarks import Benchmarks
from tasks.decontamination.matching import mark_contaminated
from tasks.decontamination.planting import KINDS, chinese
from tasks.decontamination.quantities import bits, quantities, share
from tasks.seeding import rng_of

from .conftest import ITEMS, Look


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Tom has twenty-five apples and 3 pears, a third of 1,200", ("25", "3", "1/3", "1200")),
        ("half of the 16 eggs, twice a day, one dozen", ("1/2", "16", "2", "12")),
        ("$\\frac{2}{3}$ of 4.50 dollars and 1/4 of 30%", ("2/3", "4.5", "1/4", "30")),
        ("二十五个苹果和三个梨，一千二百元的三分之一", ("25", "3", "1200", "1/3")),
        ("16颗蛋的一半，两次，百分之三十，3.5万元", ("16", "1/2", "2", "30", "35000")),
        ("nobody at all", ()),
    ],
)
def test_numbers_of_both_languages_are_values(text: str, numbers: tuple[str, ...]) -> None:
    (parsed,) = quantities([text])
    assert parsed.numbers == numbers


def test_what_numbers_say() -> None:
    assert bits("3") < bits("30") < bits("37") < bits("375")
    assert share(("3", "37", "5"), ("3", "37", "5")) == 1.0
    assert share(("3", "37"), ("37", "3")) < 0.8, "in order"
    assert share((), ("3",)) == 0.0


def test_other_names_and_other_things(look: Look) -> None:
    retold = (
        ITEMS[1]
        .replace("Maria", "Yusuf")
        .replace("notebooks", "clay bowls")
        .replace("school fair", "summer market")
    )
    assert look([retold], "retold")[0].startswith("decontaminate: retold exam#1")  # type: ignore[union-attr]
    assert look([retold.replace("12", "16")], "retold") == [None], "other numbers are for the rule template"
    other = "In 12 boxes there are 3 bolts, in 9 others 5 screws, and the rest of the shelf is empty. What is heavier?"
    assert look([other], "retold") == [None], "the same numbers in another problem"


@pytest.mark.parametrize(
    "text",
    [
        "| 1 | How much money did Maria earn in all? |\n| 2 | Maria bought 12 notebooks for 3 dollars each and sold 9 of them for 5 dollars each at the school fair. |",
        "Facts: (a) Maria bought 12 notebooks for 3 dollars each and sold 9 of them for 5 dollars each at the school fair. (b) It rained. "
        "How much money did Maria earn in all?",
    ],
)
def test_sentences_in_any_order_and_apart(look: Look, text: str) -> None:
    assert look([text], "sentences")[0].startswith("decontaminate: sentences exam#1")  # type: ignore[union-attr]
    assert look(["Maria bought 12 notebooks. How much money did Maria earn in all?"], "sentences") == [None]


def test_word_problems_in_the_other_language(tmp_path: Path) -> None:
    items = [
        "Janet's ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes muffins for her friends every day with four. "
        "She sells the rest at the market for $2 per egg. How much does she make every day?",
        "小红的书有240页，她每天读15页，读了6天，还剩多少页？",
    ]
    path = tmp_path / "exam.jsonl"
    path.write_text("".join(json.dumps({"question": text}) + "\n" for text in items), encoding="utf-8")
    benchmarks = Benchmarks.load({"exam": path})
    rows = [
        "珍妮特的鸭子每天下16颗蛋。她每天早餐吃三颗，每天用四颗给朋友做松饼，剩下的每颗卖2美元。她每天赚多少钱？",
        "Ann's book has 240 pages. She reads 15 pages a day and has read for 6 days. How many pages are left?",
        "珍妮特的鸭子每天下17颗蛋。她每天早餐吃五颗，每天用六颗给朋友做松饼，剩下的每颗卖9美元。她每天赚多少钱？",
        "A train of 240 tons passes 15 stations in 6 hours at a speed that rises. How fast is it?",
    ]
    table = to_table([Row(text, "zh" if chinese(text) else "en", id=str(k)) for k, text in enumerate(rows)])
    hits = column(mark_contaminated(table, benchmarks=benchmarks, rules=("translation",)), "rejected")
    assert [why and why.split()[2] for why in hits] == ["exam#0", "exam#1", None, None]


@pytest.mark.parametrize("kind", ["homoglyphs", "HTML", "traditional characters", "sentences in a table"])
def test_disguises_of_letters_and_tables(look: Look, kind: str) -> None:
    texts = {
        k: KINDS[kind](text, rng_of(kind, text))
        for k, text in enumerate(ITEMS)
        if len(text.split()) > 8 or chinese(text)
    }
    rewritten = {k: text for k, text in texts.items() if text is not None}
    assert rewritten
    hits = look(list(rewritten.values()), "exact", "ngram13", "ngram8", "sentences")
    for number, why in zip(rewritten, hits, strict=True):
        assert why is not None
        assert f" exam#{number} " in why
