"""What an import reads: files in every format, folders, what `datasets` saved, and names of the hub."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.ingestion.json_records import LineBatch
from tasks.ingestion.record import IngestError
from tasks.ingestion.sources import sources

RECORDS = [{"question": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(5)]
LINES = "".join(json.dumps(record) + "\n" for record in RECORDS).encode()


def read(path: Path) -> list[Any]:
    return [record.fields for source in sources([str(path)]) for record in source.records()]


def test_every_format_gives_the_same_records(tmp_path: Path) -> None:
    table = pa.Table.from_pylist(RECORDS)
    (tmp_path / "a.jsonl").write_bytes(LINES)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(LINES))
    with pa.CompressedOutputStream(str(tmp_path / "c.jsonl.zst"), "zstd") as file:
        file.write(LINES)
    (tmp_path / "d.csv").write_text(
        "question,answer\n" + "".join(f"{r['question']},{r['answer']}\n" for r in RECORDS)
    )
    (tmp_path / "e.tsv").write_text(
        "question\tanswer\n" + "".join(f"{r['question']}\t{r['answer']}\n" for r in RECORDS)
    )
    pq.write_table(table, tmp_path / "f.parquet")
    with pa.OSFile(str(tmp_path / "g.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    with pa.OSFile(str(tmp_path / "h.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as whole:
        whole.write_table(table)
    for path in sorted(tmp_path.iterdir()):
        assert read(path) == RECORDS, path.name
    every = sources([str(tmp_path)])
    assert [source.name for source in every] == [
        f"{tmp_path.name}/{path.name}" for path in sorted(tmp_path.iterdir())
    ]
    assert every[0].digest == hashlib.sha256(LINES).hexdigest()


def test_a_folder_that_datasets_saved_is_read_without_its_cache(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    data = datasets.Dataset.from_list(RECORDS)
    datasets.DatasetDict({"train": data, "test": data.select(range(2))}).save_to_disk(str(tmp_path / "saved"))
    with pa.OSFile(str(tmp_path / "saved" / "train" / "cache-1.arrow"), "wb") as sink:
        sink.write(b"no arrow")
    assert len(read(tmp_path / "saved")) == 7
    assert read(tmp_path / "saved" / "train") == RECORDS


def test_a_damaged_arrow_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.arrow").write_bytes(b"no arrow at all")
    with pytest.raises(
        IngestError, match=r"bad\.arrow: damaged Arrow after row 0 .*Fix: write the file again"
    ):
        read(tmp_path / "bad.arrow")


def test_what_cannot_be_read_is_named_with_a_fix(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "nothing.jsonl").write_text("")
    with pytest.raises(IngestError) as error:
        sources([str(tmp_path / name) for name in ("empty", "nothing.jsonl", "missing.jsonl")])
    lines = str(error.value).splitlines()
    assert ["a folder without data files" in lines[0], "empty" in lines[1], "no such file" in lines[2]] == [
        True
    ] * 3
    assert all("Fix: " in line for line in lines)


def test_a_name_of_the_hub_that_is_not_reached_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setitem(os.environ, "HF_HUB_OFFLINE", "1")
    for name, words in (
        ("hf:owner/name", "the hub cannot be read"),
        ("owner/name", "no such file, and no data set of the hub"),
    ):
        with pytest.raises(IngestError, match=words) as error:
            sources([name])
        assert "\n" not in str(error.value)
        assert "Fix: " in str(error.value)


def test_batches_are_the_records_in_order(tmp_path: Path) -> None:
    fields = [{"question": f"What is {number} + 1?", "answer": str(number + 1)} for number in range(7)]
    lines = tmp_path / "lines.jsonl"
    lines.write_text("\n\n".join(json.dumps(one) for one in fields))
    pq.write_table(pa.Table.from_pylist(fields), tmp_path / "rows.parquet")
    (tmp_path / "list.json").write_text(json.dumps(fields))
    for name in ("lines.jsonl", "rows.parquet", "list.json"):
        (source,) = sources([str(tmp_path / name)])
        batches = list(source.batches(3))
        assert [len(batch) for batch in batches] == [3, 3, 1]
        records = [
            record
            for batch in batches
            for record in (batch.records(range(len(batch))) if isinstance(batch, LineBatch) else batch)
        ]
        assert records == list(source.records())
        assert [record.fields for record in records] == fields
