from __future__ import annotations

import random
from pathlib import Path

import pytest

from storage.rows import Row, to_table
from tasks.decontaminate import Benchmarks, Leak, certify, decontaminate
from tasks.decontaminate.certificate import hits_of
from tasks.decontaminate.planting import KINDS, leaks
from tasks.seeding import rng_of

from .conftest import ITEMS

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"


@pytest.mark.parametrize("kind", KINDS)
def test_rewritings_change_what_they_say_and_no_more(kind: str) -> None:
    made = [KINDS[kind](text, rng_of(kind, text)) for text in ITEMS]
    assert made == [KINDS[kind](text, rng_of(kind, text)) for text in ITEMS], "seeded"
    texts = [(a, b) for a, b in zip(ITEMS, made, strict=True) if b is not None]
    assert texts
    for before, after in texts:
        assert (after == before) == (kind == "verbatim")
        if kind in ("embedded", "multiple choice"):
            assert before in after


def test_names_and_numbers() -> None:
    renamed = KINDS["renamed"](ITEMS[1], random.Random(1))
    assert renamed is not None
    assert "Maria" not in renamed
    assert renamed.count(renamed.split()[0]) == 2
    assert KINDS["renamed"](ITEMS[0], random.Random(1)) is None, "nobody in it"
    numbers = KINDS["other numbers"](ITEMS[1], random.Random(1))
    assert numbers is not None
    assert [len(word) for word in numbers.split()] == [len(word) for word in ITEMS[1].split()]
    assert "12" not in numbers


def test_leaks_are_drawn_the_same_way_each_time(benchmarks: Benchmarks) -> None:
    items = benchmarks.items()
    first = list(leaks(items, a_kind=3, seed=1))
    assert first == list(leaks(items, a_kind=3, seed=1))
    assert first != list(leaks(items, a_kind=3, seed=2))
    assert {leak.kind for leak in first} == set(KINDS)
    assert all(sum(leak.kind == kind for leak in first) <= 3 for kind in KINDS)


def test_a_certificate(benchmarks: Benchmarks) -> None:
    rules = ("exact", "ngram13")
    rows = to_table([Row(ITEMS[0], "en"), Row(f"Well. {ITEMS[1]}", "en"), Row("Something else", "en")])
    table = decontaminate(rows, benchmarks=benchmarks, rules=rules)
    found = certify(
        table,
        benchmarks,
        rules,
        clean=["How many apples?", "Where is it?"],
        given=[Leak("paraphrased", "exam#0", "no")],
    )
    assert found.sets == (("exam", benchmarks.files[0][2], 6),)
    assert found.hits == hits_of(table) == {"exact exam": 1, "ngram13 exam": 1}
    assert (found.rows, found.clean_rows, found.false_positives) == (3, 2, 0)
    recall = {part.kind: part for part in found.recall}
    assert recall["verbatim"].share == recall["re-wrapped"].share == 1.0
    assert recall["embedded"].found == 5, "all but the item of three words"
    assert recall["paraphrased"].share == 0.0
    assert found.unmeasured == ("translated",)
    assert all(part.named == part.found for part in found.recall)
    text = "\n".join(found.lines())
    assert "| verbatim | 6 | 6 | 1.000 | exact 6 |" in text
    assert "| translated | 0 | - | not measured: no pairs given | |" in text
    assert "False positives: 0 of 2 clean rows." in text
    assert found.to_dict()["recall"][0]["kind"] == "verbatim"


def test_without_benchmarks_nothing_is_claimed() -> None:
    found = certify(to_table([Row("q", "en")]), Benchmarks(), ("exact",))
    assert (found.sets, found.recall, found.hits, found.false_positives) == ((), (), {}, None)
    assert set(found.unmeasured) == {*KINDS, "paraphrased", "translated"}


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no shared benchmark files in {DATA}")
def test_recall_on_real_benchmarks() -> None:
    paths = [
        "gsm8k/test.a.jsonl.gz",
        "benchmarks/cmath_dev.a.jsonl",
        "benchmarks/olympiadbench_en_oe.a.jsonl.gz",
    ]
    benchmarks = Benchmarks.load([DATA / path for path in paths])
    rules = ("exact", "ngram13", "ngram8", "template", "options", "equations")
    recall = {part.kind: part.share for part in certify(to_table([]), benchmarks, rules, a_kind=60).recall}
    assert recall["verbatim"] == recall["re-wrapped"] == 1.0
    assert min(recall["embedded"], recall["multiple choice"]) > 0.95
    assert min(recall["renamed"], recall["other numbers"]) > 0.75
    assert recall["reworded"] > 0.6
