"""The documentation site builds without a broken link, and its pages are all in the navigation."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
BUILD = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]

needs_zensical = pytest.mark.skipif(
    importlib.util.find_spec("zensical") is None, reason="the extra `docs` (zensical) is not installed"
)


def copied(to: Path) -> Path:
    """A copy of what the site is built from: the build writes a cache beside it."""
    shutil.copytree(DOCS, to / "docs")
    shutil.copy(ROOT / "mkdocs.yml", to)
    return to


def navigated(entries: list[Any]) -> list[str]:
    """Return the pages of a navigation, in order."""
    pages: list[str] = []
    for entry in entries:
        for value in entry.values():
            pages += navigated(value) if isinstance(value, list) else [value]
    return pages


@pytest.mark.slow
@needs_zensical
def test_the_site_builds_strictly(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    done = subprocess.run(BUILD, cwd=folder, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for page in ("index.html", "guide/index.html", "decisions/index.html"):
        assert (folder / "build" / "site" / page).is_file()


@pytest.mark.slow
@needs_zensical
@pytest.mark.parametrize("link", ["[x](nosuch.md)", "[x](guide.md#nosuch)"])
def test_a_broken_link_fails_the_build(tmp_path: Path, link: str) -> None:
    folder = copied(tmp_path)
    with (folder / "docs" / "index.md").open("a", encoding="utf-8") as page:
        page.write(f"\n{link}\n")
    done = subprocess.run(BUILD, cwd=folder, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode != 0


def test_every_page_is_in_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    # the one tag in it is for the generator
    navigation = navigated(yaml.safe_load(re.sub(r"!!python/name:\S+", "", text))["nav"])
    listed = set(navigation) | {
        f"decisions/{name}"
        for name in re.findall(r"\]\((\d+-[\w-]+\.md)\)", (DOCS / "decisions" / "index.md").read_text())
    }
    assert listed == {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}


def test_links_between_pages_lead_somewhere() -> None:
    for path in [
        *DOCS.rglob("*.md"),
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "examples" / "README.md",
    ]:
        text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)", text):
            assert (path.parent / target).exists(), f"{path.relative_to(ROOT)}: {target}"


def test_files_that_the_pages_name_are_there() -> None:
    pages = [
        DOCS / "architecture.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "AGENTS.md",
        ROOT / "examples" / "README.md",
    ]
    named = {
        path
        for page in pages
        for path in re.findall(
            r"`((?:flows|tasks|prompts|storage|tests|docs)/[\w/.-]+)`", page.read_text(encoding="utf-8")
        )
        if "NAME" not in path
    }
    assert len(named) > 20
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
