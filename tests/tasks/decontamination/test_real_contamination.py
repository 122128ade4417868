"""Real contamination: items that public benchmarks share with each other."""

from __future__ import annotations

import gzip
import json
import re
import unicodedata
from pathlib import Path

import pytest

from storage.rows import Row, column, to_table
from tasks.decontamination.benchmarks import Benchmarks
from tasks.decontamination.matching import mark_contaminated

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no shared data in {DATA}")


def records(name: str) -> list[dict[str, str]]:
    opened = gzip.open if name.endswith(".gz") else open
    with opened(DATA / name, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def letters(text: str) -> str:
    """A spelling of its own: nothing but letters and digits."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).lower())


def rejected(texts: list[str], benchmarks: Benchmarks, *rules: str) -> list[str | None]:
    rows = to_table([Row(text, "en", id=str(k)) for k, text in enumerate(texts)])
    return column(mark_contaminated(rows, benchmarks=benchmarks, rules=rules), "rejected")


@pytest.mark.soak
def test_mmlu_questions_that_are_math_items_are_all_found() -> None:
    """Of 1,537 MMLU-STEM questions 108 are, letter for letter, items of the MATH halves that are here."""
    benchmarks = Benchmarks.load(
        [DATA / "math" / "test.a.jsonl.gz", DATA / "math" / "train_problems_answers.parquet"]
    )
    known = {letters(text) for text in benchmarks.items().texts}
    mmlu = [row["question"] for row in records("benchmarks/mmlu_stem.a.jsonl.gz")]
    verbatim = [letters(text) in known for text in mmlu]
    assert sum(verbatim) == 108
    hits = rejected(mmlu, benchmarks, "exact", "ngram13")
    assert all(why is not None for why, copied in zip(hits, verbatim, strict=True) if copied)
    exactly = rejected(mmlu, benchmarks, "exact")
    assert sum(why is not None for why in exactly) >= sum(verbatim)


@pytest.mark.slow
def test_training_questions_that_are_not_test_questions_are_left_alone() -> None:
    benchmarks = Benchmarks.load([DATA / "gsm8k" / "test.a.jsonl.gz", DATA / "benchmarks" / "svamp.a.jsonl"])
    train = [row["question"] for row in records("gsm8k/train.jsonl.gz")][:2500]
    hits = rejected(train, benchmarks, "exact", "ngram13", "ngram8", "options")
    # two are there with other numbers: Bella's stamps are Max's in the test set, and the train is a plane
    assert sorted(
        text.split()[0] + " " + text.split()[1] for text, why in zip(train, hits, strict=True) if why
    ) == [
        "A train",
        "Bella bought",
    ]


@pytest.mark.slow
def test_chinese_and_english_versions_of_one_problem() -> None:
    rows = records("benchmarks/olymmath.a.jsonl")
    english = {row["unique_id"][:-3]: row["problem"] for row in rows if row["unique_id"].endswith("EN")}
    chinese = {row["unique_id"][:-3]: row["problem"] for row in rows if row["unique_id"].endswith("ZH")}
    both = sorted(set(english) & set(chinese))
    path = DATA / "benchmarks" / "olymmath.a.jsonl"
    benchmarks = Benchmarks.load({"olymmath": path})
    items = benchmarks.items()
    number = {text: name for name, text in zip(items.names, items.texts, strict=True)}
    rows_zh = to_table([Row(chinese[key] + "（改编）", "zh", id=key) for key in both])
    hits = column(mark_contaminated(rows_zh, benchmarks=benchmarks, rules=("translation",)), "rejected")
    right = sum(
        why is not None and why.split()[2] == number[english[key]]
        for key, why in zip(both, hits, strict=True)
    )
    wrong = sum(why is not None for why in hits) - right
    assert right / len(both) > 0.75
    assert wrong == 0


@pytest.mark.soak
def test_rephrased_questions_by_the_encoder() -> None:
    from tasks.retrieval.encoder import Encoder

    benchmarks = Benchmarks.load({"gsm8k": DATA / "gsm8k" / "test.a.jsonl.gz"})
    texts = [
        row["text"].split("\nAnswer:")[0].removeprefix("Question: ")
        for row in records("dedup/rephrased_gsm8k_test.a.jsonl")
    ]
    encode = Encoder()
    table = to_table([Row(text, "en", id=str(k)) for k, text in enumerate(texts[:200])])
    hits = column(
        mark_contaminated(table, benchmarks=benchmarks, rules=("paraphrase",), encode=encode), "rejected"
    )
    assert sum(why is not None for why in hits) / 200 > 0.9
    train = to_table(
        [Row(row["question"], "en", id=str(k)) for k, row in enumerate(records("gsm8k/train.jsonl.gz")[:200])]
    )
    alarms = column(
        mark_contaminated(train, benchmarks=benchmarks, rules=("paraphrase",), encode=encode), "rejected"
    )
    assert sum(why is not None for why in alarms) / 200 < 0.05
