"""The main text of pages: what is kept, hostile pages, and pages that end their process."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.documents import reading as process
from tasks.documents.formats import UnreadableDocument
from tasks.documents.reading import ReaderReply, ReadingFailed
from tasks.documents.web import reading
from tasks.documents.web.page import Page
from tasks.documents.web.reading import batches, read_pages

ARTICLE = """<html lang="en"><head><title>Quadratics | Site</title><meta charset="utf-8"></head><body>
<nav><a href="/">Home</a> <a href="/x">Sign in to your account</a></nav>
<main><article><h1>Quadratic equations</h1>
<p>To solve <math alttext="x^2+bx+c=0"><mi>x</mi></math> we use the formula below, which every student should know by heart.</p>
<p><script type="math/tex; mode=display">x=\\frac{-b\\pm\\sqrt{b^2-4c}}{2}</script></p>
<h2>Example</h2>
<p>Question: Solve x<sup>2</sup> - 5x + 6 = 0. The roots are found by factoring the polynomial, thus x is 2 or 3 — naïve.</p>
<ul><li>First point of the list</li><li>Second point of the list</li></ul>
<table><tr><th>n</th><th>n^2</th></tr><tr><td>1</td><td>1</td></tr></table>
<pre><code>print(1)
print(2)</code></pre></article></main>
<footer>Copyright 2020. <a rel="license" href="https://creativecommons.org/licenses/by-sa/4.0/">CC</a></footer></body></html>"""


def page(body: bytes, number: int = 1, **given: Any) -> Page:
    return Page(f"record {number}", f"https://a.org/{number}", body, **given)


def test_the_main_text_is_kept_with_its_formulas_and_structure() -> None:
    (text,) = read_pages([page(ARTICLE.encode())])
    document = text.document
    assert document is not None
    assert document.title == "Quadratic equations"
    assert (document.license, document.language) == ("CC-BY-SA-4.0", "en")
    assert [heading.title for heading in document.headings] == ["Quadratic equations", "Example"]
    texts = [element.text for element in document.elements]
    assert (
        texts[0]
        == r"To solve \(x^2+bx+c=0\) we use the formula below, which every student should know by heart."
    )
    assert texts[1] == r"\[x=\frac{-b\pm\sqrt{b^2-4c}}{2}\]"
    assert "x^2 - 5x + 6 = 0" in texts[2]
    assert "naïve" in texts[2]
    assert texts[3] == "- First point of the list\n- Second point of the list"
    assert texts[4] == "| n | n^2 |\n| --- | --- |\n| 1 | 1 |"
    assert texts[5] == "print(1)\nprint(2)"
    assert [element.kind for element in document.elements] == [
        "text",
        "formula",
        "text",
        "text",
        "table",
        "code",
    ]
    assert not any("Sign in" in text or "Copyright" in text for text in texts)
    assert text.visible > sum(map(len, texts))


@pytest.mark.parametrize(
    ("encoding", "given"),
    [("utf-8", None), ("latin-1", "iso-8859-1"), ("gb18030", "gb2312"), ("utf-16", None)],
)
def test_a_page_is_decoded_by_what_it_states(encoding: str, given: str | None) -> None:
    sentence = (
        "The naïve proof is short."
        if encoding != "gb18030"
        else "这个证明很短，因为三角形的内角和等于一百八十度。"
    )
    body = f"<html><body><article><p>{sentence * 5}</p></article></body></html>".encode(encoding)
    (text,) = read_pages([page(body, encoding=given)])
    assert text.document is not None
    assert sentence in text.document.elements[0].text


def test_a_page_without_a_main_element_keeps_its_headings() -> None:
    paragraph = (
        "The binomial theorem expands a power of a sum, and its coefficients are those of the triangle of Pascal. "
        * 2
    )
    sections = "".join(
        f"<h2>Section {number}</h2><div><p>{paragraph}{number}</p></div>" for number in range(1, 5)
    )
    whole = (
        "<html><body><nav><a href='/'>Home</a> <a href='/x'>Sign in to your account</a></nav>"
        f"<h1>Pascal</h1>{sections}<footer><p>Copyright 2020. All rights reserved.</p></footer></body></html>"
    )
    (text,) = read_pages([page(whole.encode())])
    document = text.document
    assert document is not None
    assert [one.title for one in document.headings][-4:] == [f"Section {number}" for number in range(1, 5)]
    assert not any("Copyright" in one.text or "Sign in" in one.text for one in document.elements)
    assert [one.text[-1] for one in document.elements if one.text.startswith("The binomial")] == list("1234")


def test_the_encoding_of_a_meta_element_is_read() -> None:
    body = b'<html><head><meta http-equiv="Content-Type" content="text/html; charset=windows-1251"></head><body><p>'
    (text,) = read_pages(
        [page(body + ("Сумма углов треугольника равна двум прямым. " * 5).encode("cp1251") + b"</p>")]
    )
    assert text.document is not None
    assert "Сумма углов" in text.document.elements[0].text


def test_plain_text_is_divided_at_blank_lines() -> None:
    (text,) = read_pages([page(b"one\ntwo\n\n \nthree", plain=True)])
    assert text.document is not None
    assert [element.text for element in text.document.elements] == ["one\ntwo", "three"]


def test_pages_of_one_template_share_it() -> None:
    pages = [page(ARTICLE.replace("Quadratic", f"Cubic {n}").encode(), n) for n in range(2)]
    other = page(
        b"<html><body><div class=shop><p>Buy this calculator now, it is cheap and good.</p></div></body></html>"
    )
    first, second, third = read_pages([*pages, other])
    assert first.template == second.template != third.template


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<div>" * 100_000 + b"x", "nesting"),
        (b"<math>" * 5_000 + b"x", "nesting"),
        (b"\x00\x01\x02", None),
        (b"<", None),
        (b"<!-- " + b"-" * 1_000_000, None),
        (b"&lt;" * 500_000, None),
        (b"<p a=" + b"'" * 300_001, None),
        (b"<table>" * 150 + b"<tr><td>x" * 20_000, None),
        (b"<?xml version='1.0' encoding='utf-7'?><html><body><p>x</p></body></html>", None),
    ],
)
def test_a_hostile_page_is_refused_or_read_and_its_neighbours_are_read(body: bytes, code: str | None) -> None:
    good = page(ARTICLE.encode(), 2)
    hostile, neighbour = read_pages([page(body), good])
    assert neighbour.document is not None
    assert neighbour.document.title == "Quadratic equations"
    assert (hostile.document is None) == (hostile.refusal is not None)
    if code is not None:
        assert hostile.refusal is not None
        assert hostile.refusal.code == code
        assert str(hostile.refusal).startswith("record 1: ")


def test_a_page_that_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_PAGE_S", 0.02)
    slow = page(b"<html><body>" + b"<p>some words of a long page, and more</p>" * 50_000)
    (text,) = read_pages([slow])
    assert text.refusal is not None
    assert text.refusal.code == "time"


def test_the_page_that_ends_its_process_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """No page is known that crashes the pinned lxml, so the real call is made for every batch without the page of this test."""
    sizes = []

    def call(action: str, data: bytes, name: str, options: Any, *rest: Any, **arguments: Any) -> ReaderReply:
        sizes.append(len(options.files))
        if b"crash" in options.files.values():
            raise UnreadableDocument(f"{name}: its reader crashed", "crashed")
        return real(action, data, name, options, *rest, **arguments)

    real = process.call
    monkeypatch.setattr(process, "call", call)
    pages = [page(b"crash" if n == 5 else ARTICLE.encode(), n) for n in range(8)]
    texts = list(read_pages(pages))
    assert [text.page.place for text in texts] == [one.place for one in pages]
    assert [text.refusal.code if text.refusal else None for text in texts] == [None] * 5 + ["crashed"] + [
        None
    ] * 2
    assert sizes == [8, 4, 4, 2, 1, 1, 2]


def test_a_failure_of_ours_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process.isolate, "sites", list)
    with pytest.raises(ReadingFailed, match="Fix: "):
        list(read_pages([page(ARTICLE.encode())]))


def test_what_is_no_page_is_passed_on_in_its_place() -> None:
    unfit = Page("record 2", "u", unfit="status 404")
    first, second, third = read_pages([page(ARTICLE.encode()), unfit, page(ARTICLE.encode(), 3)], workers=2)
    assert (second.page, second.document, second.refusal) == (unfit, None, None)
    assert first.document is not None
    assert third.document is not None


def test_a_list_of_pages_is_bounded_by_their_number_and_by_their_bytes() -> None:
    pages = [Page(str(n), "", b"x" * size) for n, size in enumerate([4, 4, 4, 30, 1, 1, 1, 1])]
    places = [[page.place for page in batch] for batch in batches(pages, 3, 10)]
    assert places == [["0", "1"], ["2"], ["3"], ["4", "5", "6"], ["7"]]
    assert list(batches([], 3, 10)) == []
