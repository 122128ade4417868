"""The command deduplicates files of any kind: in = kept + duplicates + unread."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.cli.dedup import RunnerOption, dedup
from tasks.dedup.sketching import CollectionError
from tasks.ingestion.record import IngestError

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
        list(files),
        to,
        memory="256MB",
        on=RunnerOption.threads,
        workers=1,
        address=None,
        json=True,
        **options | more,
    )
    summary: dict[str, Any] = json.loads(capsys.readouterr().out)
    return summary


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
@pytest.mark.parametrize("name", ["question", "problem"])
def test_ids_and_languages_are_optional(
    suffix: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / f"in{suffix}", [{name: text, "answer": str(k)} for k, text in enumerate(TEXTS)])
    summary = run(capsys, file, to=tmp_path / "work")
    assert (summary["rows"], summary["duplicates"], summary["kept"], summary["unread"]) == (4, 2, 2, [])
    kept = [json.loads(line) for line in Path(summary["clean"]).read_text().splitlines()]
    assert [(row[name], row["answer"]) for row in kept] == [(TEXTS[0], "0"), (TEXTS[1], "1")]
    assert run(capsys, file, to=tmp_path / "work") == summary


def test_parquet_with_ids_stays_parquet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"id": f"r{k}", "question": text, "language": "en", "more": [k]} for k, text in enumerate(TEXTS)]
    summary = run(capsys, write(tmp_path / "in.parquet", rows), to=tmp_path / "work")
    kept = pq.read_table(summary["clean"]).to_pylist()
    assert [row["id"] for row in kept] == ["r0", "r1"]
    assert kept[0] == rows[0]


def test_several_files_and_a_quality(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = write(tmp_path / "a.jsonl", [{"question": TEXTS[0], "worth": 1}, {"question": ""}])
    second = write(
        tmp_path / "b.csv", [{"question": TEXTS[2], "worth": 5}, {"question": TEXTS[1], "worth": ""}]
    )
    summary = run(capsys, first, second, to=tmp_path / "work", quality="worth")
    assert (summary["rows"], summary["duplicates"], summary["kept"]) == (3, 1, 2)
    assert [line.removeprefix(str(first)) for line in summary["unread"]] == [
        ", line 2: no text under 'question'"
    ]
    kept = [json.loads(line) for line in Path(summary["clean"]).read_text().splitlines()]
    assert [row["question"] for row in kept] == [TEXTS[2], TEXTS[1]]


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_files_may_use_the_same_ids(suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [
        write(tmp_path / f"{name}{suffix}", [{"id": str(k), "question": text, "language": "en"} for k, text in enumerate(some)])
        for name, some in (("a", TEXTS[:2]), ("b", [*TEXTS[2:], "How long is the river that runs past the old mill?"]))
    ]  # fmt: skip
    summary = run(capsys, *files, to=tmp_path / "out")
    assert (summary["rows"], summary["duplicates"], summary["kept"]) == (5, 2, 3)
    gone = pq.read_table(summary["file"]).to_pylist()
    assert [(one["row"], one["of_row"]) for one in gone] == [(2, 0), (3, 0)]
    clean = Path(summary["clean"])
    kept = (
        pq.read_table(clean).column("question").to_pylist()
        if clean.is_dir()
        else [json.loads(line)["question"] for line in clean.read_text().splitlines()]
    )
    assert kept == [*TEXTS[:2], "How long is the river that runs past the old mill?"]


def test_ready_and_other_files_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ready = write(
        tmp_path / "a.parquet",
        [{"id": "1", "question": text, "language": "en"} for text in (TEXTS[1], None, TEXTS[0])],
    )
    lines = write(tmp_path / "b.jsonl", [{"question": ""}, {"question": TEXTS[2], "worth": 1}])
    summary = run(capsys, ready, lines, to=tmp_path / "out")
    kept = [json.loads(line)["question"] for line in Path(summary["clean"]).read_text().splitlines()]
    assert kept == [TEXTS[1], TEXTS[0]]
    assert summary["duplicates"] == 1


def test_only_the_results_are_left_in_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "in.jsonl", [{"question": text} for text in TEXTS])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("stays")
    run(capsys, file, to=tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == [
        "clean.jsonl", "duplicates.parquet", "mine.txt",
    ]  # fmt: skip


@pytest.mark.slow
def test_the_results_of_other_settings_are_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "in.jsonl", [{"question": text} for text in TEXTS])
    summary = run(capsys, file, to=tmp_path / "out")
    with pytest.raises(CollectionError, match=r"result of other files.*Fix: "):
        run(capsys, file, to=tmp_path / "out", threshold=0.9)
    (tmp_path / "out" / "clean.jsonl").unlink()  # written again if it was deleted
    assert run(capsys, file, to=tmp_path / "out") == summary
    assert Path(summary["clean"]).exists()


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_a_file_without_records_is_refused_and_leaves_nothing(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / f"in{suffix}"
    if suffix == ".parquet":
        columns = {name: pa.array([], pa.string()) for name in ("id", "question", "language")}
        pq.write_table(pa.table(columns), file)
    else:
        file.write_text(" \n\n")
    with pytest.raises((CollectionError, IngestError), match=r"no records\. Fix: "):
        run(capsys, file, to=tmp_path / "out")
    assert not (tmp_path / "out").exists()
