"""The house rules that a machine can read: layers and names."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# who may import whom
MAY = {
    "flows": {"flows", "tasks", "prompts", "storage"},
    "tasks": {"tasks", "prompts", "storage"},
    "prompts": {"prompts"},
    "storage": {"storage"},
}


def sources(package: str) -> list[Path]:
    return sorted(path for path in (ROOT / package).rglob("*.py") if "__pycache__" not in path.parts)


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("package", MAY)
def test_imports_point_one_way(package: str) -> None:
    wrong = {
        str(path.relative_to(ROOT)): sorted(names)
        for path in sources(package)
        if (names := (imported(path) & set(MAY)) - MAY[package])
    }
    assert not wrong


@pytest.mark.parametrize("package", ["tasks", "prompts", "storage"])
def test_only_flows_imports_prefect(package: str) -> None:
    assert not [path for path in sources(package) if {"prefect", "flows"} & imported(path)]


def test_the_rule_would_see_a_wrong_import(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("import os\nfrom prefect.artifacts import x\n")
    assert "prefect" in imported(wrong)


def test_no_top_level_module_shadows_a_library() -> None:
    libraries = {name.split(".")[0] for name in metadata.packages_distributions()} - set(MAY)
    ours = {
        path.name.removesuffix(".py") for path in ROOT.iterdir() if path.suffix == ".py" or path.name in MAY
    }
    assert not ours & (libraries | set(sys.stdlib_module_names))


def test_no_module_is_named_by_no_idea() -> None:
    names = [path for package in MAY for path in sources(package)]
    assert not [path for path in names if path.stem in {"utils", "helpers", "common", "misc"}]


def test_no_key_or_environment_file_is_tracked() -> None:
    tracked = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=False
    )
    if tracked.returncode:
        pytest.skip("not a git checkout")
    assert not [name for name in tracked.stdout.split() if Path(name).name == ".env"]
