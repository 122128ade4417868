"""Atomic replacement of files: their mode, the state after a failure, and that readers never see an incomplete file."""

from __future__ import annotations

import ast
import shutil
import threading
from pathlib import Path

import pytest

from storage.atomic import remove_remains, replacing, write_bytes, write_text

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


def test_a_stream_replaces_the_file_when_it_ends_and_leaves_nothing_when_it_fails(tmp_path: Path) -> None:
    path = tmp_path / "file.parquet"
    path.write_bytes(b"old")
    with replacing(path) as temporary:
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    with pytest.raises(TypeError), replacing(path) as temporary, temporary.open("wb") as file:
        file.writelines([b"half", "no bytes"])  # type: ignore[list-item]
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def failing(source: str, target: str) -> None:
    raise FileNotFoundError(source)


def test_a_folder_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    with pytest.raises(shutil.Error), replacing(path) as temporary:
        shutil.copytree(ROOT / "docs" / "decisions", temporary, copy_function=failing)
    assert list(tmp_path.iterdir()) == []
    path.mkdir()
    with replacing(path) as temporary:
        (temporary / "deep").mkdir(parents=True)
        (temporary / "deep" / "weights").write_bytes(b"whole")
    assert (path / "deep" / "weights").read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError, match="not empty"), replacing(path) as temporary:
        temporary.mkdir()
    assert (path / "deep" / "weights").read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]


def test_what_killed_writers_left_is_removed(tmp_path: Path) -> None:
    path, other = tmp_path / "a[b]", tmp_path / ".a.0.tmp"
    (tmp_path / ".a[b].0.tmp").mkdir()
    (tmp_path / ".a[b].1.tmp").write_bytes(b"half")
    for kept in (path, other):
        kept.write_bytes(b"")
    remove_remains(path)
    assert sorted(tmp_path.iterdir()) == sorted([path, other])


def renames(tree: ast.AST) -> bool:
    """Whether the code calls a function that gives a file another name: `replace` and `rename` of one argument, which is
    neither `str.replace` nor `dataclasses.replace`; `os.replace`, `os.rename`, `shutil.move`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of = getattr(node.func.value, "id", "")
            if (of, node.func.attr) in {
                ("os", "replace"),
                ("os", "rename"),
                ("os", "renames"),
                ("shutil", "move"),
            }:
                return True
            if node.func.attr in ("replace", "rename") and len(node.args) == 1 and not node.keywords:
                return True
    return False


@pytest.mark.slow
def test_files_are_renamed_and_synced_in_one_module() -> None:
    """All else writes through it, streams too."""
    modules = {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for room in ("storage", "tasks", "flows", "prompts")
        for path in (ROOT / room).rglob("*.py")
    }
    assert {name for name, tree in modules.items() if renames(tree)} == {"storage/atomic.py"}
    syncing = {
        name
        for name, tree in modules.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "fsync"
    }
    assert syncing == {"storage/atomic.py"}
