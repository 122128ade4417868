"""Reading files as rows: every convention on planted files, and on real data where it is available."""

from __future__ import annotations

import csv
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from storage.rows import SCHEMA
from tasks.ingestion.columns import read
from tasks.ingestion.values import Unfit
from tasks.stages.ingest import ingest, read_shards
from tasks.text.cleaning import without_hidden
from tests.row_objects import from_table

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"
ROOT = Path(__file__).resolve().parents[3]


def write(path: Path, *records: Any) -> Path:
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    path.write_text(text, encoding="utf-8")
    return path


def real(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip("the shared data is not beside this checkout")
    return path


def test_gsm8k() -> None:
    fields = read(
        {"question": "How many?", "answer": "He has 48/2 = <<48/2=24>>24.\nThen $<<24*1=24>>24.\n#### 1,024"}
    )
    assert fields.solution == "He has 48/2 = 24.\nThen $24.\n#### 1,024"
    assert (fields.answer, fields.reference) == ("1,024", "1,024")


def test_problem_with_boxed_solution() -> None:
    fields = read({"problem": "Find x.", "solution": r"So $x = \boxed{\frac{1}{\sqrt{2}}}$."})
    assert (fields.question, fields.answer, fields.reference) == (
        "Find x.",
        r"\frac{1}{\sqrt{2}}",
        r"\frac{1}{\sqrt{2}}",
    )


def test_a_boxed_letter_is_a_stated_answer() -> None:
    assert read({"problem": "Which?", "solution": r"It is $\boxed{F}.$"}).reference == "F"


def test_trusted_answer_and_the_solutions_own_are_kept_apart() -> None:
    fields = read({"problem": "1+1?", "solution": r"\boxed{3}", "answer": "2"})
    assert (fields.answer, fields.reference) == ("3", "2")


def test_a_guess_at_an_unmarked_answer_is_no_reference() -> None:
    fields = read(
        {"instruction": "Say something about 7 and 12.", "output": "Seven and 12 are numbers. There are 15."}
    )
    assert (fields.answer, fields.reference) == (None, None)


def test_messages() -> None:
    chat = [
        {"role": "system", "content": "Think."},
        {"role": "user", "content": "2+2?"},
        {"role": "assistant", "content": r"\boxed{4}"},
    ]
    assert read({"messages": chat}).question == "2+2?"
    assert read({"messages": chat}).reference == "4"
    asked = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": ""}]
    assert read({"messages": asked, "answer": "4"}).solution is None
    share = [{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": "4"}]
    assert read({"conversations": share}).solution == "4"
    parts = [{"role": "user", "content": [{"type": "text", "text": "2+"}, {"type": "text", "text": "2?"}]}]
    assert read({"messages": parts}).question == "2+\n2?"


def test_verl() -> None:
    prompt = [
        {
            "role": "user",
            "content": "Let's think step by step and output the final answer within \\boxed{}.\n\nFind $x$.",
        }
    ]
    fields = read({"prompt": prompt, "reward_model": {"ground_truth": "98", "style": "rule"}})
    assert (fields.question, fields.reference) == ("Find $x$.", "98")


@pytest.mark.parametrize(
    ("record", "question", "reference"),
    [
        ({"instruction": "Add.", "input": "2 and 3", "output": "The answer is 5."}, "Add.\n\n2 and 3", "5"),
        (
            {"instruction": "Add 1 to 1.", "input": "", "output": None, "golden_answer": "2"},
            "Add 1 to 1.",
            "2",
        ),
        ({"input": "还剩多少页？", "golden": "9"}, "还剩多少页？", "9"),
        ({"query": "1+2?", "response": "The answer is: 3"}, "1+2?", "3"),
        ({"Problem": "Find N.", "Short Answer": "3"}, "Find N.", "3"),
        ({"Body": "He has 3 pens", "Question": "How many?", "Answer": 3.0}, "He has 3 pens. How many?", "3"),
        ({"question": "Q", "answer": 2.5}, "Q", "2.5"),
        ({"question": "Q", "final_answer": ["2", "3"]}, "Q", "2, 3"),
        ({"question": "Which?", "choices": ["x", "y"], "answer": 1}, "Which?\nA) x\nB) y", "B"),
        ({"question": "Which?", "options": ["A)5", "B)6"], "correct": "B"}, "Which?\nA) 5\nB) 6", "B"),
        ({"question": None, "problem": "P?", "answer": "1"}, "P?", "1"),
    ],
)
def test_conventions(record: dict[str, Any], question: str, reference: str) -> None:
    fields = read(record)
    assert (fields.asked, fields.reference) == (question, reference)


BALANCED = st.recursive(
    st.text(
        st.characters(codec="utf-8", exclude_characters="\\{}$\n,", exclude_categories=["Cc", "Cs", "Zs"]),
        min_size=1,
        max_size=6,
    ),
    lambda inner: st.builds("\\frac{{{}}}{{{}}}".format, inner, inner) | st.builds("{{{}}}".format, inner),
    max_leaves=6,
)


@settings(max_examples=60)
@given(
    before=st.sampled_from(["", "So ", "$x = ", "{\\bf hence} "]),
    answer=BALANCED,
    after=st.sampled_from(["", ".", "$.", " units"]),
)
def test_the_content_of_the_box_is_the_answer(before: str, answer: str, after: str) -> None:
    assume(without_hidden(answer)[0] == answer)  # invisible characters are removed first
    assume(
        not re.fullmatch(r"\W*[A-J]\W*", answer)
    )  # the letter of an option is read without its punctuation
    assume(not re.fullmatch(r"[\s_.\u2026?]+", answer))  # the place for an answer in a template is none
    fields = read(
        {"problem": "P", "solution": f"First \\boxed{{wrong}} here.\n\n{before}\\boxed{{{answer}}}{after}"}
    )
    assert fields.answer == answer.strip()


@given(st.text(alphabet="\\boxed{}$ 12\n", max_size=60))
def test_broken_boxes_never_raise(text: str) -> None:
    try:
        fields = read({"problem": "P", "solution": text, "answer": "7"})
    except Unfit:
        return
    assert fields.reference == "7"


def test_numbers_keep_every_digit(tmp_path: Path) -> None:
    path = tmp_path / "big.jsonl"
    path.write_text(
        '{"question": "Q1", "answer": 123456789012345678901234567890}\n'
        '{"question": "Q2", "answer": 3.14159265358979323846}\n'
        '{"question": "Q3", "answer": 1e999999999}\n',
        encoding="utf-8",
    )
    rows = from_table(ingest([path]).table)
    assert [row.reference_answer for row in rows[:2]] == [
        "123456789012345678901234567890",
        "3.14159265358979323846",
    ]
    assert rows[2].rejected is not None
    assert "unreadable number" in rows[2].rejected


def test_every_format_gives_the_same_rows(tmp_path: Path) -> None:
    records = [{"question": f'What is {i} + 1, "exactly"?\nSay it.', "answer": str(i + 1)} for i in range(50)]
    plain = write(tmp_path / "a.jsonl", *records)
    (tmp_path / "a.json").write_text(json.dumps(records, indent=1), encoding="utf-8")
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
    (tmp_path / "bom.jsonl").write_bytes(b"\xef\xbb\xbf" + plain.read_bytes().replace(b"\n", b"\r\n"))
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "c.parquet", row_group_size=7)
    for name, mark in (("d.csv", ","), ("e.tsv", "\t")):
        with (tmp_path / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["question", "answer"], delimiter=mark)
            writer.writeheader()
            writer.writerows(records)
    expected = ingest([plain]).table
    for path in sorted(tmp_path.iterdir()):
        table = ingest([path]).table
        assert table.schema == SCHEMA
        for column in ("id", "question", "reference_answer", "language", "rejected"):
            assert table.column(column).equals(expected.column(column)), (path.name, column)
        assert set(table.column("source").to_pylist()) == {path.name}


def test_what_a_record_says_of_itself_wins(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.jsonl",
        {
            "question": "A",
            "answer": "1",
            "license": "MIT",
            "subdomain": "limits",
            "domain": "?",
            "dataset": "mine",
            "lang": "zh-CN",
        },
        {"question": "B", "answer": "2"},
    )
    first, second = from_table(ingest([path], default_license="CC0").table)
    assert (first.license, first.domain, first.subdomain, first.source, first.language) == (
        "MIT", "calculus", "limits", "mine", "zh",
    )  # fmt: skip
    assert (second.license, second.domain, second.source, second.language) == ("CC0", None, "x.jsonl", "en")


def test_files_of_one_name_are_distinguished(tmp_path: Path) -> None:
    paths = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        paths.append(
            write(tmp_path / folder / "train.jsonl", {"question": folder, "answer": "1"}, {"answer": "2"})
        )
    table = ingest(paths).table
    assert table.column("source").to_pylist() == ["one/train.jsonl"] * 2 + ["two/train.jsonl"] * 2
    assert len(set(table.column("id").to_pylist())) == 4


def test_shards_are_bounded_and_make_up_the_whole(tmp_path: Path) -> None:
    path = write(
        tmp_path / "n.jsonl", *[{"question": f"What is {i}?", "answer": str(i)} for i in range(1000)]
    )
    shards = list(read_shards(path, 64))
    assert [shard.num_rows for shard in shards] == [64] * 15 + [40]
    assert pa.concat_tables(shards).equals(ingest([path]).table)


@pytest.mark.slow
def test_gsm8k_train_whole() -> None:
    path = real("gsm8k/train.jsonl.gz")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        answers = [json.loads(line)["answer"] for line in file]
    ingested = ingest([path], default_license="MIT")
    assert (ingested.files[0].kept, ingested.files[0].rejected) == (7473, 0)
    table = ingested.table
    assert table.column("reference_answer").to_pylist() == [text.split("####")[1].strip() for text in answers]
    assert table.column("answer").equals(table.column("reference_answer"))
    assert set(table.column("language").to_pylist()) == {"en"}
    assert not any("<<" in text for text in table.column("solution").to_pylist())


def test_math_boxes_agree_with_the_published_answers() -> None:
    path = real("math/math500.a.jsonl")
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    table = ingest([path]).table
    assert table.column("reference_answer").to_pylist() == [record["answer"].strip() for record in records]
    squeezed = [
        [re.sub(r"\s", "", text) for text in table.column(name).to_pylist()]
        for name in ("answer", "reference_answer")
    ]
    same = sum(a == b for a, b in zip(*squeezed, strict=True))
    assert same >= 0.97 * len(records)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "rows", "language"),
    [
        ("benchmarks/cmath_dev.a.jsonl", 300, "zh"),
        ("gsm8k/mgsm_zh.a.jsonl", 125, "zh"),
        ("math/train_problems_answers.parquet", 7500, "en"),
        ("benchmarks/svamp.a.jsonl", 500, "en"),
        ("generated/dataflow_pipeline_math.a.jsonl", 148, "en"),
    ],
)
def test_real_files(name: str, rows: int, language: str) -> None:
    ingested = ingest([real(name)])
    assert (ingested.files[0].kept, ingested.files[0].rejected) == (rows, 0)
    assert set(ingested.table.column("language").to_pylist()) == {language}
    assert ingested.table.column("reference_answer").null_count <= rows // 1000
    assert not any("step by step" in text for text in ingested.table.column("question").to_pylist()[:500])


def test_chats_of_several_turns_are_refused_not_cut() -> None:
    ingested = ingest([real("chat/fastchat_dummy_conversation.jsonl")])
    assert ingested.files[0].records == 500
    assert dict(ingested.files[0].reasons) == {
        "a chat of 3 user turns; one question a row": 167,
        "a chat of 2 user turns; one question a row": 166,
    }


def test_own_seeds_come_in_whole() -> None:
    ingested = ingest([ROOT / "seeds" / name for name in ("en.jsonl", "zh.jsonl")])
    rows = from_table(ingested.table)
    assert all(row.rejected is None and row.answer == row.reference_answer and row.subdomain for row in rows)
    assert {row.license for row in rows} == {"Apache-2.0"}
    assert {row.language for row in rows} == {"en", "zh"}
