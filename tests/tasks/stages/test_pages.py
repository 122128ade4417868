"""Pages as rows: what is kept and why not, the formats of hosts, the score of the classifier."""

from __future__ import annotations

import numpy as np
import orjson

from storage.reasons import Code
from storage.rows import TEXT, reasons_of, to_table
from tasks.documents.document import Document, Element, Heading
from tasks.documents.formats import UnreadableDocument
from tasks.documents.web.page import Page
from tasks.documents.web.reading import PageText
from tasks.documents.web.recall import Classifier
from tasks.documents.web.screens import ScreenSettings
from tasks.stages.documents import DocumentReading
from tasks.stages.pages import page_counts, page_formats, page_recall, page_texts, rows_of_pages

PARAGRAPH = (
    "The sum of two even numbers is even, because each of them is two times an integer and the sum of integers is an integer. "
    "In the same way the product of an even number with any integer is even, which we use below without further mention."
)


def page(number: int, text: str = PARAGRAPH, **given: str) -> PageText:
    heads = [Heading(f"Page {number}", 1), Heading("Question", 2), Heading("Answer", 2)]
    elements = [Element("text", f"What is {number}?", 1), Element("text", text, 2)]
    document = Document("Sums", "web", heads, elements, license="CC0-1.0")
    own = Page(f"record {number}", f"https://www.a.org/{number}", b"x", license=given.get("license"))
    return PageText(own, document, visible=len(text), template=given.get("template", "usual"))


def rows(*texts: PageText) -> list[dict[str, object]]:
    return to_table(rows_of_pages(texts, "a.warc", DocumentReading(), ScreenSettings())).to_pylist()


def test_a_page_is_one_row_with_its_address_and_licence() -> None:
    first, second = rows(page(1), page(2, license="MIT"))
    assert (first["kind"], first["source"], first["license"], first["language"]) == (
        TEXT,
        "https://www.a.org/1",
        "CC0-1.0",
        "en",
    )
    assert second["license"] == "MIT"  # what the file states comes before what the page states
    assert str(first["question"]).startswith("# Page 1\n\n## Question\n\nWhat is 1?\n\n## Answer")
    params = orjson.loads(str(first["params"]))
    assert (params["path"], params["record"], params["host"], params["chunk"]) == (
        "a.warc",
        "record 1",
        "a.org",
        1,
    )


def test_each_page_that_is_not_kept_has_a_typed_reason() -> None:
    unfit = PageText(Page("record 1", "u", unfit="status 404"))
    refused = PageText(
        Page("record 2", "u"), refusal=UnreadableDocument("record 2: nested. Fix: no", "nesting")
    )
    empty = PageText(Page("record 3", "u"), Document("", "web"))
    short = page(4, "Short.")
    french = page(
        5, "Soit la fonction définie sur les réels, on veut montrer que la suite est dans un intervalle. " * 4
    )
    garbled = page(6, "The \ufffd\ufffd\ufffd of the \ufffd\ufffd\ufffd is here. " * 20)
    table = to_table(
        rows_of_pages(
            [unfit, refused, empty, short, french, garbled], "a.warc", DocumentReading(), ScreenSettings()
        )
    )
    whys = [why for why in reasons_of(table) if why is not None]
    assert [why.code for why in whys] == [
        Code.NO_PAGE, Code.UNREADABLE, Code.NO_PAGE, Code.TOO_SHORT, Code.OTHER_LANGUAGE, Code.BELOW_THRESHOLD,
    ]  # fmt: skip
    assert whys[1].values == {"place": "record 2 of a.warc", "why": "nested."}
    assert len(set(table.column("id").to_pylist())) == 6


def test_pages_of_a_rare_format_are_dropped() -> None:
    table = to_table(
        rows_of_pages(
            [page(1), page(2), page(3, template="login")], "a.warc", DocumentReading(), ScreenSettings()
        )
    )
    assert page_counts(table) == {("a.org", "usual"): 2, ("a.org", "login"): 1}
    judged = page_formats(table, rare={"a.org": {"login": 0.01}}, threshold=0.02, tick=lambda n: None)
    assert [why.code if why else None for why in reasons_of(judged)] == [None, None, Code.RARE_TEMPLATE]


def test_a_page_of_several_rows_is_scored_once() -> None:
    long = page(1, (PARAGRAPH + "\n") * 40)
    reading = DocumentReading(max_tokens=500)
    table = to_table(
        rows_of_pages(
            [long, page(2)],
            "a.warc",
            reading,
            ScreenSettings(max_repeated_lines=1, max_common_phrase=1, max_repeated_phrases=1),
        )
    )
    assert table.num_rows > 2
    assert [host for _, host in page_texts(table)] == ["a.org", "a.org"]
    never = Classifier(np.zeros(1 << 18, np.float32), 0.0, threshold=0.9)
    judged = page_recall(table, classifier=never, tick=lambda n: None)
    assert {why.code for why in reasons_of(judged) if why} == {Code.NOT_MATHEMATICS}
    assert [dict(scores) for scores in judged.column("scores").to_pylist()] == [
        {"mathematics": 0.5}
    ] * table.num_rows
    always = Classifier(np.zeros(1 << 18, np.float32), 0.0, threshold=0.5)
    assert reasons_of(page_recall(table, classifier=always, tick=lambda n: None)) == [None] * table.num_rows
