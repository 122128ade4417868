"""docs/security.md names tests that exist; nothing unpickles; names from outside stay inside."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from storage.datasets.promotion import promote
from storage.errors import StorageError
from storage.location import Location, checked_name
from storage.stage_cache.shards import ShardStore
from tasks.plugins import UnknownName, module

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("flows", "tasks", "prompts", "storage")
UNPICKLING = {
    ("pickle", "load"), ("pickle", "loads"), ("cloudpickle", "load"), ("cloudpickle", "loads"), ("dill", "load"),
    ("joblib", "load"), ("marshal", "loads"), ("shelve", "open"), ("yaml", "load"), ("yaml", "unsafe_load"),
}  # fmt: skip
NAMES = ["../x", "a/../b", "/etc/passwd", "a\x00b", "..", "x" * 500, "a b", "ä", "os", "CON:", "a;b", ""]


def test_every_test_that_the_page_names_is_there() -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page)
    assert len(named) >= 25
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert missing == []
    rows = [line for line in page.splitlines() if line.startswith("| ")][2:]
    assert not [row for row in rows if "`tests/" not in row and "`.ci/" not in row]


def unpickled(source: str) -> list[str]:
    uses = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
        words = {keyword.arg: keyword.value for keyword in node.keywords}
        if (owner, node.func.attr) in UNPICKLING:
            uses.append(f"{owner}.{node.func.attr}")
        if owner == "torch" and node.func.attr == "load":
            only = words.get("weights_only")
            if not (isinstance(only, ast.Constant) and only.value is True):
                uses.append("torch.load without weights_only=True")
        if owner in ("np", "numpy") and node.func.attr == "load":
            allowed = words.get("allow_pickle")
            if allowed is not None and not (isinstance(allowed, ast.Constant) and allowed.value is False):
                uses.append("numpy.load with pickles")
    return uses


def test_nothing_unpickles() -> None:
    sources = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    uses = {
        str(p.relative_to(ROOT)): bad for p in sources if (bad := unpickled(p.read_text(encoding="utf-8")))
    }
    assert uses == {}


@pytest.mark.parametrize(
    "source",
    ["import pickle\npickle.loads(x)", "torch.load(p)", "torch.load(p, weights_only=False)", "yaml.load(x)",
     "np.load(p, allow_pickle=True)"],
)  # fmt: skip
def test_the_rule_would_see_it(source: str) -> None:
    assert unpickled(source)


@pytest.mark.parametrize("name", NAMES)
def test_names_from_outside_stay_inside(tmp_path: Path, name: str) -> None:
    if name != "os":
        with pytest.raises(StorageError):
            checked_name(name)
        with pytest.raises(StorageError):
            promote(Location.of(tmp_path), "d", "2026.11.20", name)
    with pytest.raises(StorageError):
        ShardStore(tmp_path).get(name)
    with pytest.raises(UnknownName):
        module("tasks.methods", name)
    assert list(tmp_path.rglob("*")) == []
