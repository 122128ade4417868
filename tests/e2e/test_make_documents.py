"""The methods on documents as a user starts them, on a real book and on a WARC of its pages: documents, then make; and a night of all
of them at once."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from storage.datasets.store import Store
from storage.rows import SOLUTION_BY, TEXT
from tasks.documents.formats import ReadOptions, reader
from tasks.documents.omissions import kept_of
from tasks.documents.quotations import find_quotation
from tasks.methods.refine import AUDIENCES, COVERAGE, STYLES
from tests.e2e.processes import DATA, Home, balanced
from tests.tasks.documents.web.warcs import written

BOOK = DATA / "textbooks" / "discrete_math_open_intro"
SECTIONS = ("counting-combperm", "seq-arithgeom", "seq-growth")
QUICK = (
    *("--set", "similarity.semantic=ignore", "--set", "solve.samples=2", "--set", "score.canaries=0"),
    *("--set", "verify.known=0"),
)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(not BOOK.exists(), reason="the textbooks of ../shared/data are not here"),
]


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three sections of the book and their exercises."""
    folder = tmp_path_factory.mktemp("part")
    for section in SECTIONS:
        shutil.copyfile(BOOK / f"sec_{section}.ptx", folder / f"sec_{section}.ptx")
    (folder / "exercises").mkdir()
    for section in SECTIONS:
        if (exercises := BOOK / "exercises" / f"{section}.ptx").exists():
            shutil.copyfile(exercises, folder / "exercises" / exercises.name)
    return folder


@pytest.fixture(scope="module")
def with_book(home: Callable[..., Home], part: Path) -> Home:
    """A home with these sections as the dataset `book`."""
    one = home()
    one.run("documents", str(part), "--dataset", "book", "--license", "CC-BY-SA-4.0")
    return one


def rows_of(one: Home, dataset: str) -> list[dict[str, Any]]:
    store = Store(one.path)
    rows: list[dict[str, Any]] = store.read(store.resolve(dataset)).to_pylist()
    return rows


def passages(one: Home, dataset: str) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in rows_of(one, dataset)}


def test_exercises_of_a_real_book_become_rows_with_its_own_solutions(with_book: Home, part: Path) -> None:
    version = with_book.json("make", "textbook_qa", "book", "--dataset", "book-qa", *QUICK)
    lineage = version["lineage"]
    balanced(lineage)
    assert lineage["licenses"] == {"CC-BY-SA-4.0": version["rows"]}
    rows, sources = rows_of(with_book, "book-qa"), passages(with_book, "book")
    printed = [row for row in rows if dict(row["verdicts"]).get(SOLUTION_BY) == "source"]
    written_by_model = [row for row in rows if row["model"]]
    assert len(printed) > 15
    assert written_by_model
    for row in printed:
        params = orjson.loads(row["params"])
        # the words of the solution stand in the bytes that its spans point at
        source = "\n".join(
            (part / (span.get("part") or params["document"]["path"]))
            .read_bytes()[span["start"] : span["end"]]
            .decode()
            for span in params["spans"]
        )
        last = re.findall(r"[A-Za-z]{4,}", re.sub(r"\\\(.*?\\\)|\\\[.*?\\\]", "", row["solution"]))[-1]
        assert last in source
        assert {params["document"]["path"]} == {row["source"].rpartition("/")[2]}
    for row in written_by_model:
        params = orjson.loads(row["params"])
        (parent,) = row["parent_ids"]
        if "quote" in params:
            assert find_quotation(params["quote"], sources[parent]["question"])


@pytest.mark.soak  # runs of one method; tests/tasks/methods has it
def test_passages_of_a_real_book_become_articles_that_keep_what_it_states(with_book: Home) -> None:
    version = with_book.json("make", "refine", "book", "--dataset", "articles", "--set", "verify.known=0")
    lineage = version["lineage"]
    balanced(lineage)
    rows, sources = rows_of(with_book, "articles"), passages(with_book, "book")
    assert len(rows) > 3
    assert {row["kind"] for row in rows} == {TEXT}
    for row in rows:
        params = orjson.loads(row["params"])
        assert (params["audience"] in AUDIENCES, params["style"] in STYLES) == (True, True)
        assert dict(row["scores"])[COVERAGE] >= 0.8
        assert not re.search(r"==|^#|!\[", row["question"], re.MULTILINE)
        (parent,) = row["parent_ids"]
        whole = kept_of(sources[parent]["question"], row["question"])
        assert whole.share > 0.3  # of the whole passage, with the exercises that an article leaves out
    assert len({row["question"] for row in rows}) == len(rows)


def pages() -> list[tuple[str, str, bytes]]:
    """The sections of the book as pages of the web, as MathJax shows them, and pages that are no use."""
    outcomes = []
    files = {str(path.relative_to(BOOK)): path.read_bytes() for path in BOOK.rglob("*.ptx")}
    for name in sorted(one for one in files if "/" not in one)[:12]:
        document = reader("pretext").read(files[name], name, ReadOptions(files))
        body = "".join(f"<p>{marked(one.text)}</p>" for one in document.elements[:40] if one.kind == "text")
        title = html.escape(document.title or name)
        page = f"<html lang=en><head><title>{title}</title></head><body><nav><a href=/>Home</a></nav><main><h1>{title}</h1>{body}</main><footer>Contact</footer></body></html>"
        outcomes.append((f"https://book{len(outcomes) % 4}.org/{name}.html", "text/html", page.encode()))
    return [
        *outcomes,
        ("https://a.org/x.png", "image/png", b"PNG"),
        ("https://a.org/empty", "text/html", b"<html><body><p>Nothing.</p></body></html>"),
    ]


def marked(text: str) -> str:
    """The text as HTML with the scripts of MathJax."""
    return re.sub(
        r"\\\((.*?)\\\)",
        lambda one: f'<script type="math/tex">{html.unescape(one[1])}</script>',
        html.escape(text, quote=False),
        flags=re.DOTALL,
    )


def with_pages(one: Home, folder: Path) -> None:
    """Publish the pages as the dataset `pages`."""
    warc = written(folder / "pages.warc.gz", pages())
    one.run("documents", str(warc), "--dataset", "pages", "--license", "CC-BY-SA-4.0", "--set", "near=false")


@pytest.mark.soak  # runs of one method; tests/tasks/methods has it
def test_pages_of_a_warc_become_pairs_that_quote_them(home: Callable[..., Home], tmp_path: Path) -> None:
    one = home()
    with_pages(one, tmp_path)
    version = one.json("make", "web_qa", "pages", "--dataset", "web", *QUICK)
    balanced(version["lineage"])
    rows, sources = rows_of(one, "web"), passages(one, "pages")
    assert len(sources) >= 10
    assert len(rows) > 10
    extracted = [row for row in rows if "quote" in orjson.loads(row["params"])]
    assert extracted
    for row in extracted:
        (parent,) = row["parent_ids"]
        quote = orjson.loads(row["params"])["quote"]
        assert find_quotation(quote, sources[parent]["question"])
        assert row["source"] == sources[parent]["source"]
        numbers = set(re.findall(r"\d+", sources[parent]["question"]))
        assert set(re.findall(r"\d+", row["question"])) <= numbers
    assert {row["license"] for row in rows} == {"CC-BY-SA-4.0"}


@pytest.mark.soak  # a night more; test_every_method.py has shares
def test_a_night_with_shares_of_all_methods_on_documents(
    home: Callable[..., Home], part: Path, tmp_path: Path
) -> None:
    one = home()
    one.run("documents", str(part), "--dataset", "book", "--license", "CC-BY-SA-4.0")
    with_pages(one, tmp_path)
    methods = '{"self_instruct": 1, "textbook_qa": 1, "web_qa": 2, "refine": 1}'
    version = one.json(
        *("nightly", "--target", "60", "--set", f"generate.methods={methods}"),
        *("--set", "material.versions=[book, pages]", "--set", "weakness.share=0", *QUICK),
    )
    lineage = version["lineage"]
    balanced(lineage)
    records = {record["method"]: record for record in lineage["methods"]}
    assert set(records) == {"self_instruct", "textbook_qa", "web_qa", "refine"}
    assert [name for name, record in records.items() if not record["accepted"]] == []
    assert sum(record["published"] for record in records.values()) == version["rows"]
    assert [one["version"].partition("@")[0] for one in lineage["material"]] == ["book", "pages"]
    kinds = {row["kind"] for row in rows_of(one, "math-sft")}
    assert kinds == {None, TEXT}
    page = (one.path / "reports" / f"{Store(one.path).resolve('math-sft')}.html").read_text()
    assert all(name in page for name in records)
