"""Any file gives rows or one error and never a traceback, and in = kept + rejected for every reader."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.decontamination.benchmarks import BenchmarkError, Benchmarks
from tasks.decontamination.reading import parts
from tasks.evaluation.items import load
from tasks.ingestion.column_names import ANSWERS, CHATS, FLAGS, QUESTIONS, SOLUTIONS
from tasks.ingestion.records import records
from tasks.stages.ingest import IngestError, ingest
from tests.row_objects import from_table

NAMES = st.sampled_from(
    [*QUESTIONS, *CHATS, *SOLUTIONS, *ANSWERS, *FLAGS, "options", "choices", "A", "B", "premises", "conclusion", "quiz", "reward_model",
     "steps", "mistake_index", "error_steps", "modified_process", "model_solution_first_error_step", "model_solution_steps", "flag", "text"]
)  # fmt: skip
TEXTS = st.sampled_from(["What is 2+2?", "A", "(B) 4", "[1", "{'a': 1}", "['3' '4']", "<|im_start|>user\nx", "A) 3 B) 4", "\\boxed{4}", "```python\n1\n```", "#### 4", "true", ""]) | st.text(max_size=12)  # fmt: skip
VALUES = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["role", "from", "content", "value", "text", "label", "type", "ground_truth", "A", "replies"]), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
RECORDS = st.lists(st.dictionaries(NAMES, VALUES, max_size=5), min_size=1, max_size=4)


def one_line(error: Exception) -> None:
    assert "\n" not in str(error)


def counted(path: Path, count: int) -> None:
    try:
        ingested = ingest([path])
    except IngestError as error:
        one_line(error)
    else:
        assert ingested.files[0].kept + ingested.files[0].rejected == count
    read = list(parts(path))
    assert sum(part.table.num_rows + len(part.unread) for part in read) == count
    try:
        assert load([path]).num_rows == count
    except BenchmarkError as error:
        one_line(error)
    try:
        benchmarks = Benchmarks.load([path])
        assert len(benchmarks.items()) + len(benchmarks.unread()) == count
    except BenchmarkError as error:
        one_line(error)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(rows=RECORDS)
def test_records_of_any_values(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(
        "".join(json.dumps(row) + "\n" for row in rows) + '{"question": "Fine?", "answer": "1"}\n'
    )
    counted(path, len(rows) + 1)


DEEP = "[" * 900 + "]" * 900


@pytest.mark.parametrize(
    "line",
    [
        '{"messages": [{"role": ["user"], "content": "Q"}]}',
        '{"messages": [{"role": "user", "content": [["Q"]]}]}',
        '{"messages": [{"role": {"a": 1}, "content": {"b": 2}}]}',
        '{"messages": [{"from": 5, "value": 6}]}',
        '{"messages": [["user"]]}',
        '{"conversations": {"a": [1]}}',
        '{"question": "Q?", "options": ' + DEEP + "}",
        '{"question": "Q?", "answer": ' + DEEP + "}",
        '{"messages": ' + DEEP + "}",
        '{"question": "Q?", "answer": 1' + "0" * 5000 + "}",
        '{"question": "Q?", "reward": NaN, "answer": NaN}',
        '{"question": "Q?", "options": "' + "[" * 3000 + '"}',
        '{"question": "Q?", "label": 1e400}',
        '{"question": "Q?", "reward_model": {"ground_truth": [1, {"a": 2}]}}',
    ],
)
def test_odd_records_are_one_row(line: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(line + '\n{"question": "Fine?", "answer": "1"}\n')
    counted(path, 2)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([2**62, 5], pa.timestamp("us")),
        pa.array([2**62, 5], pa.timestamp("us", tz="Nowhere/Land")),
        pa.array([-(2**62), 5], pa.timestamp("ms", tz="+99:99")),
        pa.array([2**31 - 1, 5], pa.date32()),
        pa.array([2**62, 5], pa.duration("s")),
        pa.array([dt.time(1, 2), None]),
        pa.array([[2**62], [5]], pa.list_(pa.timestamp("us", tz="Nowhere/Land"))),
        pa.array([float("nan"), 1.0]),
        pa.array([[float("nan")], [1.0]]),
        pa.array([b"\xff", b"x"]),
        pa.array([{"a": {"b": [1]}}, None]),
        pa.array(["x", "y"]).dictionary_encode(),
        pa.array([None, None]),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["answer", "created", "solution", "Source"])
def test_odd_columns_of_parquet(column: pa.Array, name: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"question": ["What is 2+2?", "And 3+3?"], name: column}), path)
    counted(path, 2)


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_every_compression(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows.jsonl{suffix}"
    plain = b'{"question": "What is 2+2?", "answer": "4"}\n' * 50
    if suffix == ".zst":
        path.write_bytes(pa.Codec("zstd").compress(plain, asbytes=True))
    else:
        with pa.input_stream(pa.py_buffer(plain)) as stream:
            data = stream.read()
        module = __import__({".gz": "gzip", ".bz2": "bz2", ".xz": "lzma"}[suffix])
        path.write_bytes(module.compress(data))
    assert len(list(records(path))) == 50
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(IngestError, match="damaged"):
        list(records(path))


SHAPES = {
    "one.json": '{\n "question": "Q1?",\n "answer": "1"\n}',
    "lines.json": '{"question": "Q1?", "answer": "1"}\n{"question": "Q2?", "answer": "2"}\n',
    "array.jsonl": '[\n{"question": "Q1?", "answer": "1"},\n{"question": "Q2?", "answer": "2"}\n]',
    "bom.json": '\ufeff{"question": "Q1?", "answer": "1"}',
    "pretty.jsonl": '{\n"question": "Q1?",\n"answer": "1"\n}\n{\n"question": "Q2?",\n"answer": "2"\n}\n',
    "data.json": '{"version": 1, "data": [{"question": "Q1?", "answer": "1"}, {"question": "Q2?", "answer": "2"}]}',
    "splits.json": '{"train": [{"question": "Q1?", "answer": "1"}], "test": [{"question": "Q2?", "answer": "2"}]}',
    "keyed.json": '{"a": {"question": "Q1?", "answer": "1"}, "b": {"question": "Q2?", "answer": "2"}}',
    "columns.json": '{"question": ["Q1?", "Q2?"], "answer": ["1", "2"]}',
    "pandas.json": '{"question": {"0": "Q1?", "1": "Q2?"}, "answer": {"0": "1", "1": "2"}}',
    "semicolons.csv": "question;answer\nQ1?;1\nQ2?;2\n",
    "index.csv": ",question,answer\n0,Q1?,1\n1,Q2?,2\n",
    "edges.csv": "question,answer,,\nQ1?,1,,\nQ2?,2\n".replace("Q2?,2\n", "Q2?,2,,,\n"),
    "spaced.csv": " Question , Final Answer \nQ1?,1\nQ2?,2\n",
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_shapes_and_encodings(name: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(SHAPES[name].lstrip("\ufeff").encode(encoding))
    rows = from_table(ingest([path]).table)
    expected = [("Q1?", "1"), ("Q2?", "2")][: len(rows)]
    assert [(row.question, row.reference_answer) for row in rows] == expected
    assert len(rows) == SHAPES[name].count("?")
    counted(path, len(rows))
