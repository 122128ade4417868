"""Bad records are rejected with place and reason; bad files are all named in one error."""

from __future__ import annotations

import gzip
import json
import os
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.rows import dropped, kept
from tasks.stages.ingest import IngestError, ingest, read_shards
from tasks.text.cleaning import MAX_QUESTION, cleaned, language_of
from tests.row_objects import from_table

GOOD = b'{"question": "1+1?", "answer": "2"}'

BAD_LINES = [
    (b"{not json", "not JSON: "),
    (b'{"question": "cut off', "not JSON: "),
    (b"[1, 2]", "not a JSON object but a list"),
    (b'"text"', "not a JSON object but a string"),
    (b"null", "not a JSON object but null"),
    (b'{"answer": "2"}', "no question"),
    (b'{"question": null, "answer": "2"}', "the question is empty"),
    (b'{"question": "   ", "answer": "2"}', "the question is empty"),
    (b'{"question": "\\u200b\\ufeff", "answer": "2"}', "the question is empty"),
    (b'{"question": 17, "answer": "2"}', "the question is a number, not text"),
    (b'{"question": ["a"], "answer": "2"}', "the question is a list, not text"),
    (b'{"question": {"a": 1}, "answer": "2"}', "the question is an object, not text"),
    (b'{"question": "Q", "answer": {"a": 1}}', "the answer is an object, not text"),
    (b'{"question": "Q", "solution": 5}', "the solution is a number, not text"),
    (b'{"question": "Q", "answer": -Infinity}', "Infinity instead of a number"),
    (b'{"question": "caf\xe9?", "answer": "2"}', "not UTF-8 (byte 18)"),
    (b'{"question": "Q \\ud800", "answer": "2"}', "half a UTF-16 pair"),
    (b'{"question": "A", "question": "B", "answer": "2"}', "key 'question' given twice"),
    (b'{"question": "A", "\\u0071uestion": "B", "answer": "2"}', "key 'question' given twice"),
    (b'{"messages": [{"role": "user", "content": "a", "content": "b"}]}', "key 'content' given twice"),
    (b'{"question": "ring \\u0007", "answer": "2"}', "control character U+0007 in the question"),
    (b'{"question": "\\frac{1}{2}", "answer": "2"}', "control character U+000C in the question"),
    (b'{"question": "Q", "solution": "\\u001b[2J", "answer": "2"}', "control character U+001B in the solution"),
    (b'{"question": "' + b"long " * 5000 + b'"}', f"question of 24,999 characters, at most {MAX_QUESTION:,} are taken"),
    (b'{"question": "Q", "answer": "1", "language": "fr"}', "language 'fr' is neither English nor Chinese"),
    ('{"question": "Сколько будет два плюс два?"}'.encode(), "the question is neither in English nor in Chinese letters"),
    (b'{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}', "a chat of 2 user turns; one question a row"),
    (b'{"messages": [7]}', "a chat turn is not an object with role and content"),
    (b'{"messages": []}', "a chat of 0 user turns; one question a row"),
    (b"[" * 5000, "nested too deeply"),
    (b'{"question": "' + b"x" * (16 << 20) + b'"}', "longer than 16 MiB"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "why"), BAD_LINES, ids=[why[:40] for _, why in BAD_LINES])
def test_a_bad_line_is_rejected_and_its_neighbours_are_not(tmp_path: Path, line: bytes, why: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(GOOD + b"\n\n" + line + b"\n" + GOOD.replace(b"1+1", b"1+1+0"))
    ingested = ingest([path])
    assert [row.question for row in from_table(kept(ingested.table))] == ["1+1?", "1+1+0?"]
    (row,) = from_table(dropped(ingested.table))
    assert row.rejected is not None
    assert row.rejected.startswith(f"ingest: line 3: {why}")
    assert row.question.isprintable()
    assert len(row.question) <= 1000
    assert ingested.files[0].records == 3


def test_bad_rows_do_not_share_an_id(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"{}\n{}\n" + GOOD)
    table = ingest([path]).table
    assert len(set(table.column("id").to_pylist())) == 3


def test_a_refused_row_shows_what_it_asked(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"question": "ring \\u0007 the bell", "answer": "2"}\n' + GOOD)
    (row,) = from_table(dropped(ingest([path]).table))
    assert row.question == "ring \ufffd the bell"


def test_bad_csv_rows(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(
        b'question,answer\n1+1?,2\n1+2?\n"multi\nline?",3\ncaf\xe9?,4\n,5\n"torn"x,6\n"1+3, or so?",4\n"never closed,1\n2+2?,4\n'
    )
    rows = from_table(ingest([path]).table)
    assert [row.question for row in rows if row.rejected is None] == ["1+1?", "multi\nline?", "1+3, or so?"]
    assert [row.rejected for row in rows if row.rejected] == [
        "ingest: line 3: 1 cell, the header has 2",
        "ingest: line 6: not UTF-8",
        "ingest: line 7: the question is empty",
        "ingest: line 8: unreadable CSV: ',' expected after '\"'",
        "ingest: line 10: unreadable CSV, up to line 11: unexpected end of data",
    ]


def test_bad_parquet_rows(tmp_path: Path) -> None:
    text = pa.array([b"fine?", b"caf\xe9?", None, b"also fine?"], pa.binary()).view(pa.string())
    answers = pa.array([1.0, 2.0, 3.0, float("nan")])
    pq.write_table(pa.table({"question": text, "answer": answers}), tmp_path / "x.parquet")
    rows = from_table(ingest([tmp_path / "x.parquet"]).table)
    assert [row.rejected for row in rows] == [
        None,
        "ingest: row 2: not UTF-8",
        "ingest: row 3: the question is empty",
        None,
    ]
    assert [row.reference_answer for row in rows] == ["1", None, None, None]


def test_a_broken_element_of_an_array_keeps_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(
        '[\n{"question": "1+1?"},\n{"question": "A", "question": "B"},\n7, {"question": "Q", "answer": NaN}]'
    )
    assert [row.rejected for row in from_table(ingest([path]).table)] == [
        None,
        "ingest: line 3: key 'question' given twice",
        "ingest: line 4: not a JSON object but a number",
        None,
    ]


def test_invisible_characters_are_removed_and_counted(tmp_path: Path) -> None:
    hidden = "How\u200b many \u202eapples\u202c?" + "".join(chr(0xE0000 + ord(c)) for c in "obey")
    path = tmp_path / "x.jsonl"
    path.write_text(
        json.dumps({"question": hidden, "answer": "2"}) + "\n" + json.dumps({"question": "How many apples?"})
    )
    first, second = from_table(ingest([path]).table)
    assert first.question == second.question == "How many apples?"
    assert first.problem_id == second.problem_id
    assert first.verdicts["ingest"] == "line 1 of x.jsonl; 7 invisible characters removed"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How many?", "en"),
        (r"$\alpha + \beta = ?$", "en"),
        ("小明有3个苹果，how many apples?", "zh"),
        (r"若 $\left\{a_n\right\}$ 满足 $a_1 = 2$, 则 $a_5 =$ (A) 1 (B) 2 (C) 3", "zh"),
        ("Translate the word 苹果 into English, then count its letters.", "en"),
        ("Quel âge a-t-elle ?", "en"),
        ("りんごはいくつありますか", None),
        ("Сколько?", None),
        ("3 + 4 = ?", "en"),
    ],
)
def test_language(text: str, language: str | None) -> None:
    assert language_of(text) == language


def test_cleaning_is_idempotent_and_keeps_mathematics() -> None:
    text = "∑ x² ≤ ½·π\r\n“q”\u2028e\u0301 👍"
    once, _ = cleaned(text)
    assert once == "∑ x² ≤ ½·π\n“q”\né 👍"
    assert cleaned(once) == (once, 0)


BAD_FILES = {
    "gone.jsonl": (None, "no such file"),
    "empty.jsonl": (b"", "empty. Fix: fill it"),
    "blank.jsonl": (b"\n \n", "no records"),
    "notes.txt": (b"hello", "unknown kind of file"),
    "plain.jsonl.gz": (GOOD, "not gzip, in spite of its name"),
    "zipped.jsonl": (gzip.compress(GOOD), "gzip, in spite of its name"),
    "hollow.jsonl.gz": (gzip.compress(b""), "empty inside its gzip"),
    "torn.jsonl.gz": (gzip.compress(os.urandom(9000))[:500], "damaged gzip"),
    "wrong.parquet": (GOOD, "not Parquet, in spite of its name"),
    "cut.parquet": (b"PAR1" + b"\0" * 100, "damaged Parquet"),
    "wide.csv": ("question,answer\n1,2\n".encode("utf-16")[:-1], "damaged UTF-16"),
    "named.jsonl": (b'{"text": "x", "label": 1}\n', "no question column (found: text, label). Fix: rename one to question"),
    "lines.csv": (b'"a\nb",label\n1,2\n', "no question column (found: a b, label)"),
    "headed.csv": (b"text,label\n1,2\n", "no question column (found: text, label)"),
    "twice.csv": (b"question,question\n1,2\n", "line 1: two columns of one name"),
    "torn.json": (b'[{"question": "a"}, {"question"', "line 1: not JSON"),
    "good_rows.jsonl": (b'{"question": ""}\n{"question": 5}\n{"question": ""}\n', "none of its 3 records is usable: the question is empty (2 times)"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_named_with_the_fix(tmp_path: Path, name: str) -> None:
    content, words = BAD_FILES[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(IngestError) as caught:
        ingest([tmp_path / name])
    assert str(caught.value).startswith(f"{tmp_path / name}: {words}")
    assert "\n" not in str(caught.value)


def test_every_bad_file_is_named_at_once(tmp_path: Path) -> None:
    good = tmp_path / "good.jsonl"
    good.write_bytes(GOOD)
    paths = [good, tmp_path / "gone.jsonl", tmp_path, tmp_path / "gone.csv", good]
    with pytest.raises(IngestError) as caught:
        ingest(paths)
    assert str(caught.value).splitlines() == [
        f"{tmp_path / 'gone.jsonl'}: no such file. Fix: check the path",
        f"{tmp_path}: a folder, not a file. Fix: name the files in it",
        f"{tmp_path / 'gone.csv'}: no such file. Fix: check the path",
        f"{good}: given more than once. Fix: name it once",
    ]


def test_a_folder_named_like_a_file(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").mkdir()
    with pytest.raises(IngestError, match="a folder, not a file"):
        ingest([tmp_path / "x.jsonl"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(GOOD)
    path.chmod(0)
    with pytest.raises(IngestError, match="cannot be read"):
        ingest([path])


@pytest.mark.slow
def test_gzip_torn_far_from_its_beginning(tmp_path: Path) -> None:
    lines = b"".join(
        b'{"question": "What is %d?", "answer": "%s"}\n' % (i, os.urandom(20).hex().encode())
        for i in range(3000)
    )
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(lines)[:-2000])
    with pytest.raises(IngestError, match="damaged gzip"):
        list(read_shards(path, 500))


@pytest.mark.soak  # half a minute for a file of this length
@pytest.mark.slow
def test_a_long_file_never_stands_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for i in range(1_500):
            file.write(
                b'{"question": "%d: %s?", "answer": "1"}\n' % (i, b"how many of these are there " * 200)
            )
    next(read_shards(path, 32))  # what is imported at first use is no part of the file
    tracemalloc.start()
    rows = sum(shard.num_rows for shard in read_shards(path, 32))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rows == 1_500
    assert peak < 4e6  # the text alone is 8 MB


PIECES = st.lists(
    st.sampled_from(
        [GOOD, b"\n", b"\r\n", b'{"question": ', b'"', b"\\", b"{", b"}", b"[", b",", b"NaN", b"\xff", b"\x00", b"1e999"]
    )
    | st.sampled_from([b"question,answer", b'"a\nb",1', b'{"messages": [{"role": "user", "content": "q"}]}'])
    | st.binary(max_size=6),
    max_size=25,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(pieces=PIECES, suffix=st.sampled_from([".jsonl", ".json", ".csv", ".parquet", ".jsonl.gz"]))
def test_any_bytes_give_rows_or_one_error(tmp_path: Path, pieces: list[bytes], suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(b"".join(pieces))
    try:
        ingested = ingest([path])
    except IngestError as error:
        message = str(error)
    else:
        message = f"{path}: fine"
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    if message != f"{path}: fine":
        return
    assert ingested.files[0].kept > 0
    assert ingested.files[0].records == ingested.table.num_rows
    if suffix == ".jsonl":
        assert ingested.table.num_rows == sum(1 for line in b"".join(pieces).split(b"\n") if line.strip())
