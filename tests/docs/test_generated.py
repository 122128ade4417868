"""docs/cli.md, docs/settings.md and docs/prompts.md are what docs/generate.py writes from the code."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import BaseModel, Field

import prompts

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["cli.md", "settings.md", "prompts.md"])
def test_the_page_is_up_to_date(generate: ModuleType, name: str) -> None:
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert generate.pages()[name] == page, f"docs/{name} is stale. Fix: .venv/bin/python docs/generate.py"


def test_every_command_has_a_section_and_every_option_a_meaning(generate: ModuleType) -> None:
    page = generate.cli_page()
    sections = re.findall(r"^## (.+)$", page, re.MULTILINE)
    assert {"nightly", "ledger import", "teacher serve", "plan nightly"} <= set(sections)
    assert len(sections) == len(set(sections))
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) > 100
    assert [row for row in rows if row.endswith("|  |")] == []


def test_every_prompt_is_listed_with_its_version_and_variables(generate: ModuleType) -> None:
    page = generate.prompts_page()
    for entry in prompts.names():
        name, _, language = entry.rpartition(".")
        prompt = prompts.load(name, language)
        section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert prompt.ref in section
        assert all(f"`{variable}`" in section for variable in prompt.variables)


def test_every_setting_has_a_meaning(generate: ModuleType) -> None:
    rows = [line for line in generate.settings_page().splitlines() if line.startswith("| `")]
    assert len(rows) > 200
    assert [row for row in rows if row.endswith("|  |")] == []


def test_a_changed_setting_makes_the_page_stale(generate: ModuleType) -> None:
    class Inner(BaseModel):
        depth: int = Field(3, ge=1, description="how deep")

    class Outer(BaseModel):
        inner: Inner | None = Field(None, description="a group")
        many: tuple[Inner, ...] = Field((), description="groups")

    rows = list(generate._keys(Outer, "", ()))
    assert rows == [
        "| `inner` | group |  | A group. |",
        "| `inner.depth` | integer | `3` | How deep; at least 1. |",
        "| `many` | list of groups |  | Groups. |",
        "| `many[].depth` | integer | `3` | How deep; at least 1. |",
    ]
