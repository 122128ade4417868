"""The hand-written pages use the terms of docs/glossary.md: none of the words that it replaces."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
WORDS = re.compile(
    r"\b(?:mend(?:s|ed|ing)?|settle[sd]?|begun|told|whoever|booking|bill|hygiene|lanes?|tonight|goes? on|lives|town|tap|house|picked|surroundings|nothing twice)\b",
    re.IGNORECASE,
)
MACHINES = re.compile(r"/work/|/root/|/home/\w")
# the glossary names the words; the references follow the code
PAGES = sorted(
    [
        path
        for path in DOCS.rglob("*.md")
        if path.name not in {"glossary.md", "cli.md", "settings.md", "prompts.md"}
    ]
    + [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "AGENTS.md", "SECURITY.md", "CHANGELOG.md")]
    + [path for path in (ROOT / "examples").iterdir() if path.is_file()]
    + [path for path in (ROOT / ".github").rglob("*") if path.is_file()]
)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_page_keeps_to_the_terms(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if WORDS.search(line)] == []
    assert [line for line in lines if MACHINES.search(line)] == []


def test_the_words_would_be_seen() -> None:
    assert WORDS.search("Nothing twice")
    assert WORDS.search("which was mended")
    assert not WORDS.search("billed, landed, recommended")


def test_each_term_of_the_glossary_is_defined_once() -> None:
    page = (DOCS / "glossary.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \*\*(.+?)\*\* \| (.+?) \|", page, re.MULTILINE)
    terms = [term for term, _ in rows]
    assert len(terms) >= 40
    assert len(terms) == len(set(terms))
    assert [term for term, meaning in rows if not meaning.endswith(".")] == []
