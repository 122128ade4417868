"""Documents as a user starts them: a folder of a book becomes a version, once, with spans that point into its files."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.datasets.store import Store
from storage.rows import reasons_of
from tests.e2e.processes import Home, Teacher
from tests.tasks.documents.test_scans import DATA, file_of, needs_tesseract, scanned
from tests.tasks.documents.web.warcs import written

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


def large_warc(path: Path, least: int) -> int:
    """Write a WARC file of at least so many bytes, of pages of a quarter of a megabyte in gzip members, and return how many. Most of a
    page is data in a script, which is stored as it is: to compress it would be half the time of the test."""
    rng = random.Random(0)
    words = "the number of a group is proof that every prime integer set function sum limit we have theorem let then"
    data, size, pages = rng.randbytes(500_000).hex(), 250_000, 0
    with path.open("wb") as file:
        while file.tell() < least:
            pages += 1
            begin = rng.randrange(len(data) - size)
            text = "".join(
                f"<p>This is one of the facts of page {pages} that we need: {' '.join(rng.choices(words.split(), k=60))}.</p>"
                for _ in range(4)
            )
            script = f"<script>var data = '{data[begin : begin + size]}'</script>"
            body = f"<html><head>{script}</head><body><h1>Page {pages}</h1>{text}</body></html>".encode()
            block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + body
            head = (
                f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: https://h{pages % 50}.org/{pages}\r\n"
                f"Content-Type: application/http\r\nContent-Length: {len(block)}\r\n\r\n"
            )
            file.write(gzip.compress(head.encode() + block + b"\r\n\r\n", 0))
    return pages


@pytest.mark.soak
def test_a_warc_of_two_gigabytes_in_bounded_memory(home: Callable[..., Home], tmp_path: Path) -> None:
    warc, log, one = tmp_path / "large.warc.gz", tmp_path / "log", home()
    pages = large_warc(warc, 2_000_000_000)
    words = ("documents", str(warc), "--dataset", "web", "--license", "CC0", "--set", "near=false")
    with log.open("w") as output:
        process = one.start(*words, to=output)
        _, status, used = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, log.read_text()[-3000:]
    warc.unlink()
    version = Store(one.path).resolve("web")
    assert version.lineage["inputs"][0]["records"] == pages
    assert version.rows > 0.9 * pages
    peak_mb = used.ru_maxrss / 1024  # of the largest process of the command
    assert peak_mb < 2_048


@pytest.mark.soak  # a run more; tests/tasks/documents/web has pages
def test_pages_of_a_warc_are_screened_recalled_and_published_once(
    home: Callable[..., Home], tmp_path: Path
) -> None:
    def page(text: str, number: int, style: str = "article") -> bytes:
        return f"<html><body><nav>Home</nav><main class={style}><h1>Page {number}</h1><p>{text}</p></main></body></html>".encode()

    def mathematics(n: int) -> str:
        return (
            f"Let x be a root of the equation <math><mi>x</mi><mo>=</mo><mn>{n}</mn></math> and let p be the {n}th prime. We prove "
            f"that the sum of the integers up to {n} is a product of integers divided by two, by induction on the integer {n}; "
            "hence the theorem holds for every polynomial with integer coefficients."
        )

    def everyday(n: int) -> str:
        return (
            f"On day {n} of our holiday we walked along the beach, had lunch with {n} friends from the village, watched the football match "
            "on television and bought postcards; the weather was sunny, and the children played in the garden until the evening."
        )

    one = home()
    responses = [
        (f"https://math{n % 7}.org/{n}", "text/html", page(mathematics(n), n)) for n in range(100, 112)
    ]
    responses += [(f"https://blog.com/{n}", "text/html", page(everyday(n), n)) for n in range(300, 400)]
    responses += [("https://blog.com/login", "text/html", page(everyday(7), 7, "login"))]
    responses += [
        ("https://a.org/x.png", "image/png", b"PNG"),
        ("https://a.org/deep", "text/html", b"<div>" * 10_000),
    ]
    warc = written(tmp_path / "pages.warc.gz", responses)
    positives = tmp_path / "positives.jsonl"
    positives.write_text(
        "".join(json.dumps({"html": page(mathematics(n), n).decode()}) + "\n" for n in range(500, 600))
    )
    words = ("documents", str(warc), "--dataset", "web", "--license", "unknown", "--set", "near=false",
             "--set", f"recall.positives=[{positives}]", "--set", "shard_pages=40")  # fmt: skip
    assert "of the first 115 pages, 113 rows kept" in one.run(*words, "--dry-run").stdout
    one.run(*words)
    store = Store(one.path)
    version = store.resolve("web")
    rows = store.read(version).to_pylist()
    assert len(rows) == 12
    assert all("\\(x = 1" in row["question"] and dict(row["scores"])["mathematics"] > 0 for row in rows)
    assert {row["source"] for row in rows} == {url for url, _, _ in responses[:12]}
    codes = Counter(why.code for why in reasons_of(store.dropped(version.lineage["run"])) if why)
    assert codes == {"not_mathematics": 100, "no_page": 1, "unreadable": 1, "rare_template": 1}
    assert version.lineage["pages"]["recall"]["recall"] >= 0.95
    assert version.lineage["inputs"][0]["records"] == 115
    for line in version.lineage["funnel"]:
        assert line["asked"] == line["kept"] + line["rejected"] + line["failed"]
    one.run(*words)
    assert [str(each) for each in store.versions("web")] == [str(version)]


@pytest.mark.soak  # a run more; tests/tasks/documents has scans
@needs_tesseract
def test_a_scan_is_transcribed_by_the_role_ocr_within_its_budget_and_paid_for_once(
    home: Callable[..., Home], teacher: Callable[..., Teacher], tmp_path: Path
) -> None:
    model = teacher()
    one = home(MATHMILL_OCR__MODEL="embedded", MATHMILL_OCR__BASE_URL=model.url, MATHMILL_OCR__PRICE_IN="10",
               MATHMILL_OCR__PRICE_OUT="10")  # fmt: skip
    scan = tmp_path / "scan.pdf"
    scan.write_bytes(file_of(scanned((DATA / "chapter.pdf").read_bytes(), pages=2), "PDF"))
    words = ("documents", str(scan), "--license", "CC0", "--ocr", "endpoint", "--dataset")
    assert "2 calls of embedded, about" in one.run(*words, "scans", "--dry-run").stdout
    stopped = one.run(*words, "scans", "--budget-tokens", "2000", code=3)
    assert "stopped by --budget-tokens: 0 of 2000 tokens" in stopped.stderr
    assert model.stats()["calls"] == 0
    assert "Transcribed 2 pages by embedded" in one.run(*words, "scans").stderr
    assert model.stats()["calls"] == 2
    version = Store(one.path).resolve("scans")
    (costs,) = version.lineage["costs"]
    assert (costs["role"], costs["completions"], costs["cached"]) == ("ocr", 2, 0)
    assert costs["usd"] > 0.01
    assert version.lineage["transcribed"]["pages"] == 2
    assert version.lineage["prompts"][0].startswith("ocr.en@")
    rows = Store(one.path).read(version).to_pylist()
    assert any("An efficient way of counting" in row["question"] for row in rows)
    shutil.rmtree(one.path / "shards")
    one.run(*words, "again")
    assert Store(one.path).resolve("again").digest == version.digest
    assert model.stats()["calls"] == 2
