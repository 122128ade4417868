"""Documents as a user starts them: a folder of a book becomes a version, once, with spans that point into its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.datasets.store import Store
from storage.rows import reasons_of
from tests.e2e.processes import Home

pytestmark = pytest.mark.e2e

CHAPTER = r"""\chapter{Sums}
A sum of two numbers $a+b$ does not depend on their order, which is why we write it either way in this book.
\section{Exercises}
\begin{exercise} What is the sum of $2$ and $3$? \end{exercise}
\begin{exercise} What is the sum of $4$ and $5$? \end{exercise}
\input{more}
"""
MORE = "\\begin{exercise} What is the sum of the first ten numbers? \\end{exercise}\n"
ANSWERS = "\\begin{enumerate}\n% 1\n\\end{enumerate}\n% 1\n\\begin{answer} Five. \\end{answer}\n% 3\n\\begin{answer} It is 55. \\end{answer}\n"
LEAKED = (
    "A farmer has seventeen sheep and sells all but nine of them to a neighbour. How many sheep are left?"
)


def test_a_book_is_published_once_and_accounts_for_every_document(
    home: Callable[..., Home], tmp_path: Path
) -> None:
    one = home()
    book = tmp_path / "book"
    book.mkdir()
    files = {"sums.tex": CHAPTER, "more.tex": MORE, "sums_answers.tex": ANSWERS}
    files["leaked.md"] = f"# Farms\n\n{LEAKED}\n"
    files["damaged.ipynb"] = "{"
    files["garbled.txt"] = "The \ufffd\ufffd\ufffd of \ufffd\ufffd\ufffd is in the \ufffd\ufffd."
    for name, text in files.items():
        (book / name).write_text(text, encoding="utf-8")
    benchmark = tmp_path / "held.jsonl"
    benchmark.write_text(json.dumps({"question": LEAKED, "answer": "9"}) + "\n")
    words = (
        "documents",
        str(book),
        "--dataset",
        "books",
        "--license",
        "CC0",
        "--set",
        f"decontaminate.benchmarks=[{benchmark}]",
    )
    shown = one.run(*words, "--dry-run").stdout
    assert "3 exercises: 2 with a printed answer or solution, 1 without" in shown
    assert "damaged.ipynb: refused" in shown
    assert one.json("datasets") == []
    one.run(*words)
    store = Store(one.path)
    version = store.resolve("books")
    rows = store.read(version).to_pylist()
    assert {row["kind"] for row in rows} == {"text"}
    assert {row["license"] for row in rows} == {"CC0"}
    blocks = [(json.loads(row["params"]), block) for row in rows for block in row["blocks"]]
    assert [(block["kind"], block["label"]) for _, block in blocks if block["kind"] != "text"] == [
        ("exercise", "Exercise 1"),
        ("answer", "Exercise 1"),
        ("exercise", "Exercise 2"),
        ("exercise", "Exercise 3"),
        ("answer", "Exercise 3"),
    ]
    for params, block in blocks:
        data = (book / (block["part"] or params["path"])).read_bytes()
        assert block["text"].split()[-1].strip("\\()$.?") in data[block["start"] : block["end"]].decode()
        assert params["sha256"] == hashlib.sha256((book / params["path"]).read_bytes()).hexdigest()
        assert params["headings"][0] == "Sums"
    codes = sorted(why.code for why in reasons_of(store.dropped(version.lineage["run"])) if why)
    assert codes == ["below_threshold", "contaminated", "unreadable"]
    for line in version.lineage["funnel"]:
        assert line["asked"] == line["kept"] + line["rejected"] + line["failed"]
    assert [source["file"] for source in version.lineage["inputs"]] == [
        "damaged.ipynb",
        "garbled.txt",
        "leaked.md",
        "sums.tex",
    ]
    one.run(*words)
    assert [str(each) for each in store.versions("books")] == [str(version)]
