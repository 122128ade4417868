"""Atomic replacement of files: their mode, the state after a failure, and that readers never see an incomplete file."""

from __future__ import annotations

import ast
import threading
from pathlib import Path

import pytest

from storage.atomic import write_bytes, write_text

ROOT = Path(__file__).resolve().parents[2]


def test_a_file_is_made_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_bytes(path, b"old")
    write_bytes(path, memoryview(b"new"))
    assert path.read_bytes() == b"new"
    write_text(path, "\u6570")
    assert path.read_text(encoding="utf-8") == "\u6570"
    assert list(tmp_path.iterdir()) == [path]


def test_the_mode_replaces_that_of_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("open to all")
    path.chmod(0o644)
    write_text(path, "secret", mode=0o600)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with pytest.raises(TypeError):
        write_bytes(path, "no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_bytes(tmp_path / "folder", b"data")
    assert sorted(tmp_path.iterdir()) == [path, tmp_path / "folder"]


def test_a_reader_sees_one_file_or_the_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = [bytes([number]) * 100_000 for number in range(4)]
    write_bytes(path, contents[0])
    over = threading.Event()
    torn: list[int] = []

    def read() -> None:
        while not over.is_set():
            if (data := path.read_bytes()) not in contents:
                torn.append(len(data))

    reading = threading.Thread(target=read)
    reading.start()
    for number in range(60):
        write_bytes(path, contents[number % 4])
    over.set()
    reading.join()
    assert torn == []


def test_no_other_module_writes_bytes_durably_by_hand() -> None:
    """`os.fsync` of bytes from memory is called in one module only; streams (Parquet, Arrow) flush their own files."""
    streams = {"storage/atomic.py", "storage/indexes/vectors.py", "storage/indexes/sketches.py"}
    modules = {
        path.relative_to(ROOT).as_posix()
        for room in ("storage", "tasks", "flows")
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "fsync"
    }
    assert modules == streams
