"""Tables of pages: by the names of their columns, in each kind of file."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.documents.web.page import Page
from tasks.documents.web.page_files import pages, texts_of_file
from tasks.ingestion.record import IngestError


def test_html_comes_before_text_and_addresses_and_licences_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    rows = [
        {"URL": "https://a.org", "Raw HTML": "<p>1</p>", "text": "1", "license": "CC0", "lang": "en"},
        {"URL": None, "Raw HTML": None, "text": "only text", "license": None, "lang": None},
        {"URL": "https://c.org", "Raw HTML": "", "text": None, "license": None, "lang": None},
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    assert list(pages(path)) == [
        Page("row 1", "https://a.org", b"<p>1</p>", encoding="utf-8", license="CC0", language="en"),
        Page("row 2", "", b"only text", plain=True, encoding="utf-8"),
        Page("row 3", "https://c.org", unfit="empty"),
    ]


def test_bytes_of_html_keep_their_own_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"html": [b"<p>caf\xe9</p>"], "url": ["u"]}), path)
    assert list(pages(path)) == [Page("row 1", "u", b"<p>caf\xe9</p>")]


def test_lines_that_are_no_pages_say_why(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        json.dumps({"url": "u", "content": "x"}) + '\n{"url": \n' + json.dumps({"url": "v"}) + "\n"
    )
    first, second, third = pages(path)
    assert first.body == b"x"
    assert first.plain
    assert second.place == "line 2"
    assert second.unfit
    assert third.unfit == "without HTML and text"


def test_a_file_without_such_columns_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"question": "1 + 1"}\n')
    with pytest.raises(IngestError, match=r"line 1: no column of pages\. Fix: name one of html"):
        list(pages(tmp_path / "a.jsonl"))


def test_positives_are_texts_of_pages_or_questions_with_solutions(tmp_path: Path) -> None:
    solved = tmp_path / "solved.jsonl"
    solved.write_text(json.dumps({"problem": "1 + 1?", "solution": "It is 2."}) + "\n")
    assert list(texts_of_file(solved)) == ["1 + 1?\n\nIt is 2."]
    paragraph = "The sum of two even numbers is even, because each of them is two times an integer."
    stored = tmp_path / "pages.jsonl"
    stored.write_text(
        json.dumps({"html": f"<html><body><main><h1>Sums</h1><p>{paragraph}</p></main></body></html>"}) + "\n"
    )
    assert list(texts_of_file(stored)) == [f"# Sums\n\n{paragraph}"]
