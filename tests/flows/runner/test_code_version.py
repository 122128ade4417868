"""The version of a stage's code: what it reads, and that it imports nothing for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flows.runner import code_version as module
from flows.runner.code_version import _file, code_version
from tasks.stages.solve import solve


def test_a_name_is_the_file_of_its_module() -> None:
    assert _file("tasks.stages.solve") == module.ROOT / "tasks" / "stages" / "solve.py"
    assert _file("tasks.stages") == module.ROOT / "tasks" / "stages" / "__init__.py"
    assert _file("tasks.stages.solve.solve") is None
    assert _file("tasks.no_such_module") is None


@pytest.mark.slow
def test_nothing_is_imported_for_it() -> None:
    """In a process of its own, since this one may have imported everything before."""
    code = (
        "import sys; from tasks.stages.solve import solve; from flows.runner.code_version import code_version; "
        "before = set(sys.modules); code_version(solve); print(sorted(set(sys.modules) - before))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=module.ROOT, capture_output=True, text=True)
    assert ran.stdout == "[]\n", ran.stderr


def test_it_changes_with_a_source_that_the_stage_reaches_and_with_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in {
        "tasks/__init__.py": "",
        "tasks/stages/__init__.py": "",
        "tasks/stages/solve.py": "from tasks.reached import (\n    one,\n)\nimport json\n",
        "tasks/reached.py": "one = 1\n",
        "tasks/methods/__init__.py": "",
        "tasks/apart.py": "two = 2\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(module, "ROOT", tmp_path)

    def version() -> str:
        _file.cache_clear()
        code_version.cache_clear()
        return code_version(solve)

    first = version()
    (tmp_path / "tasks" / "apart.py").write_text("two = 3\n")
    assert version() == first
    (tmp_path / "tasks" / "reached.py").write_text("one = 2\n")
    assert version() != first
    _file.cache_clear()
    code_version.cache_clear()
