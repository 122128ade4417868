"""What an import refuses before it reads anything whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.config.import_dataset import Import
from flows.import_dataset import check, preview
from tasks.ingestion.record import IngestError


def test_a_folder_is_read_if_one_of_its_files_is(tmp_path: Path) -> None:
    (tmp_path / "stats.json").write_text('{"bytes": 12}')
    given = Import(paths=[str(tmp_path)], license="MIT", dry_run=True)
    with pytest.raises(IngestError, match=r"stats\.json: no column with a question, a chat or a text: bytes"):
        check(given)
    (tmp_path / "train.jsonl").write_text(json.dumps({"question": "What is 4+5?", "answer": "9"}) + "\n")
    every, _ = check(given)
    assert len(every) == 2


def test_a_preview_names_columns_that_are_nearly_read(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text(json.dumps({"question": "What is 4+5?", "anwser": "9"}) + "\n")
    text = preview(Import(paths=[str(file)], license="MIT", dry_run=True))
    assert "  not read: the column 'anwser', which is nearly 'answer'; --map reads it" in text.splitlines()
