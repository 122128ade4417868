from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.decontamination.benchmarks import BenchmarkError, Benchmarks

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"


def test_column_conventions_are_those_of_ingestion(tmp_path: Path) -> None:
    records = [
        {"question": "Q?", "answer": "1", "options": ["1", "2"]},
        {"Problem": "P.", "Short Answer": "s"},
        {"Body": "Two boxes.", "Question": "How many?"},
        {"messages": [{"role": "user", "content": "U?"}]},
        {"prompt": [{"role": "user", "content": "V?"}], "reward_model": {"ground_truth": "1"}},
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    assert Benchmarks.load([tmp_path / "a.jsonl"]).items().texts == [
        "Q?", "P.", "Two boxes. How many?", "U?", "V?",
    ]  # fmt: skip


def test_every_kind_of_file(tmp_path: Path) -> None:
    records = [{"question": "one?"}, {"question": "two?"}]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (tmp_path / "a.jsonl").write_text(lines)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    (tmp_path / "c.json").write_text(json.dumps(records))
    (tmp_path / "d.csv").write_text("question,answer\none?,1\ntwo?,2\n")
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "e.parquet")
    benchmarks = Benchmarks.load(sorted(tmp_path.iterdir()))
    assert benchmarks.names == ["a", "b", "c", "d", "e"]
    items = benchmarks.items()
    assert items.names == [f"{name}#{k}" for name in "abcde" for k in (0, 1)]
    assert items.texts == ["one?", "two?"] * 5


def test_names(tmp_path: Path) -> None:
    for folder in ("gsm8k", "math"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "test.jsonl").write_text('{"question": "x?"}\n')
    paths = [tmp_path / folder / "test.jsonl" for folder in ("gsm8k", "math")]
    assert Benchmarks.load(paths).names == ["gsm8k_test", "math_test"]
    assert Benchmarks.load({"all": paths}).names == ["all/gsm8k_test", "all/math_test"]
    with pytest.raises(BenchmarkError, match="two benchmark files are named 'math_test'"):
        Benchmarks.load([paths[1], paths[1]])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("no.jsonl", None, "cannot read .*no.jsonl .*check the path"),
        ("bad.jsonl", b"{not json}\n", "bad.jsonl has no items: line 1: not JSON"),
        ("bad.parquet", b"PAR", "bad.parquet: not Parquet, in spite of its name"),
        ("bad.jsonl.gz", b"not gzip", "bad.jsonl.gz: not gzip, in spite of its name"),
        ("empty.jsonl", b"\n", "no records"),
        (
            "odd.jsonl",
            b'{"answer": 1}\n',
            "has no items: line 1: no question. Fix: correct or drop it .question columns: question, problem",
        ),
        ("list.jsonl", b"[1, 2]\n", "has no items: line 1: not a JSON object but a list"),
    ],
)
def test_a_bad_file_is_named_before_any_work(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BenchmarkError, match=message):
        Benchmarks.load([tmp_path / name])


def test_a_folder_represents_its_files(tmp_path: Path) -> None:
    (tmp_path / "sets" / "math").mkdir(parents=True)
    for name in ("gsm 8k.jsonl", "math/test.jsonl", "README.md"):
        (tmp_path / "sets" / name).write_text('{"question": "x?"}\n')
    benchmarks = Benchmarks.load([tmp_path / "sets"])
    assert benchmarks.names == ["gsm_8k", "math_test"], "a name is one word"
    moved = tmp_path / "moved"
    (tmp_path / "sets").rename(moved)
    assert Benchmarks.load([moved]).digest == benchmarks.digest
    (moved / "gsm 8k.jsonl").write_text('{"question": "y?"}\n')
    assert Benchmarks.load([moved]).digest != benchmarks.digest
    (tmp_path / "empty").mkdir()
    with pytest.raises(BenchmarkError, match="benchmark folder .* holds no .jsonl"):
        Benchmarks.load([tmp_path / "empty"])


def test_a_file_that_changes_after_it_was_registered(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"question": "x?"}\n')
    benchmarks = Benchmarks.load([path])
    benchmarks.items()
    path.write_text('{"question": "y?"}\n')
    assert benchmarks.items().texts == ["x?"], "this process has read the registered content"
    other = Benchmarks(((benchmarks.files[0][0], benchmarks.files[0][1], "0" * 64),))
    with pytest.raises(BenchmarkError, match="changed since it was registered"):
        other.items()


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no shared benchmark files in {DATA}")
def test_all_shared_benchmarks_are_read() -> None:
    paths = sorted((DATA / "benchmarks").iterdir())
    benchmarks = Benchmarks.load(
        [*paths, DATA / "gsm8k" / "test.a.jsonl.gz", DATA / "math" / "test.a.jsonl.gz"]
    )
    items = benchmarks.items()
    assert len(items) > 7000
    assert "gsm8k_test.a#0" in items.names
    assert all(text.strip() for text in items.texts)
    assert any("oranges and 290 bananas" in text and "How big is each group" in text for text in items.texts)
