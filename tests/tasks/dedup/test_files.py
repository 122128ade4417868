"""Files of any kind de-duplicated by the command: in = kept + duplicates + unread."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.dedup_cli import On, dedup

TEXTS = [
    "How many apples are left in the basket after Tom eats three of the twelve apples in it?",
    "A train travels sixty miles in two hours; what is its average speed in miles per hour?",
    "How many apples are left in the basket after Tom eats three of the twelve apples in it?",
    "How many apples are left in the basket after Tom eats three of the twelve apples in it today?",
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run(capsys: pytest.CaptureFixture[str], *files: Path, to: Path, **more: Any) -> dict[str, Any]:
    options: dict[str, Any] = {
        "text": "question",
        "id": "id",
        "language": "language",
        "quality": "",
        "threshold": 0.7,
    }
    dedup(
        list(files), to, memory="256MB", on=On.threads, workers=1, address=None, json=True, **options | more
    )
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
@pytest.mark.parametrize("name", ["question", "problem"])
def test_ids_and_languages_are_optional(
    suffix: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / f"in{suffix}", [{name: text, "answer": str(k)} for k, text in enumerate(TEXTS)])
    found = run(capsys, file, to=tmp_path / "work")
    assert (found["rows"], found["duplicates"], found["kept"], found["unread"]) == (4, 2, 2, [])
    kept = [json.loads(line) for line in Path(found["clean"]).read_text().splitlines()]
    assert [(row[name], row["answer"]) for row in kept] == [(TEXTS[0], "0"), (TEXTS[1], "1")]
    assert run(capsys, file, to=tmp_path / "work") == found


def test_parquet_with_ids_stays_parquet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"id": f"r{k}", "question": text, "language": "en", "more": [k]} for k, text in enumerate(TEXTS)]
    found = run(capsys, write(tmp_path / "in.parquet", rows), to=tmp_path / "work")
    kept = pq.read_table(found["clean"]).to_pylist()
    assert [row["id"] for row in kept] == ["r0", "r1"]
    assert kept[0] == rows[0]


def test_several_files_and_a_quality(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = write(tmp_path / "a.jsonl", [{"question": TEXTS[0], "worth": 1}, {"question": ""}])
    second = write(
        tmp_path / "b.csv", [{"question": TEXTS[2], "worth": 5}, {"question": TEXTS[1], "worth": ""}]
    )
    found = run(capsys, first, second, to=tmp_path / "work", quality="worth")
    assert (found["rows"], found["duplicates"], found["kept"]) == (3, 1, 2)
    assert [line.removeprefix(str(first)) for line in found["unread"]] == [
        ", line 2: no text under 'question'"
    ]
    kept = [json.loads(line) for line in Path(found["clean"]).read_text().splitlines()]
    assert [row["question"] for row in kept] == [TEXTS[2], TEXTS[1]]
