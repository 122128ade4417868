"""PreTeXt: what becomes of its elements, and the spans in the bytes of the file."""

from __future__ import annotations

import re

import pytest

from tasks.documents.document import Document
from tasks.documents.formats import ReadOptions, UnreadableDocument, format_of
from tasks.documents.formats.pretext import included, read

BOOK = """<?xml version="1.0" encoding="UTF-8"?>
<section xmlns:xi="http://www.w3.org/2001/XInclude" xml:id="sec" xml:lang="en-US">
  <title>Größen und <m>n^2</m></title>
  <idx><h>not printed</h></idx>
  <p>Élan <em>vital</em>, a &lt; b: <me>a \\lt b</me>. So
     <md><mrow>x \\amp = 1</mrow><mrow>y \\amp = 2</mrow></md> ends <xref ref="thm"/>.</p>
  <theorem xml:id="thm"><title>Fermat</title><statement><p>No <m>n</m>.</p></statement>
    <proof><p>The margin.</p></proof></theorem>
  <example><statement><p>What is <m>1+1</m>?</p></statement><answer><p>2.</p></answer>
    <solution><p>Count: <m>2</m>.</p></solution></example>
  <xi:include href="exercises/one.ptx"/>
  <xi:include href="practice/two.ptx"/>
</section>
""".replace("\n", "\r\n")
EXERCISES = """<exercises>
  <exercise><webwork source="Bank/1.pg"/></exercise>
  <exercisegroup><introduction><p>Find the limit.</p></introduction>
    <exercise><statement><p>Of <m>1/n</m>.</p></statement><hint><p>Small.</p></hint><answer><p>0</p></answer></exercise>
    <exercise><statement><p>Of <m>n</m>.</p></statement></exercise>
  </exercisegroup>
  <exercise><introduction><p>Let <m>x=2</m>.</p></introduction>
    <task><statement><p>Square it.</p></statement><solution><p>4</p></solution></task>
    <task><introduction><p>Now</p></introduction>
      <task><statement><p>double</p></statement></task>
      <task><statement><p>halve</p><ol><li><p>it</p></li></ol></statement><solution><p>1</p></solution></task>
    </task>
  </exercise>
</exercises>
"""


@pytest.fixture(scope="module")
def document() -> Document:
    return read(BOOK.encode(), "sec.ptx", ReadOptions({"exercises/one.ptx": EXERCISES.encode()}))


def texts(document: Document, kind: str) -> list[str]:
    return [element.text for element in document.elements if element.kind == kind]


def test_headings_language_and_what_is_missing(document: Document) -> None:
    assert (document.title, document.language) == (r"Größen und \(n^2\)", "en-US")
    assert [(h.title, h.level) for h in document.headings] == [(r"Größen und \(n^2\)", 2), ("Exercises", 3)]
    assert document.missing == ["practice/two.ptx", "Exercise 1: its text is elsewhere Bank/1.pg"]


def test_a_paragraph_is_divided_at_its_formulas(document: Document) -> None:
    kinds = [(e.kind, e.text) for e in document.elements[:5]]
    assert kinds == [
        ("text", "Élan *vital*, a < b:"),
        ("formula", r"\[a < b.\]"),
        ("text", "So"),
        ("formula", "\\[\\begin{aligned}\nx & = 1 \\\\\ny & = 2\n\\end{aligned}\\]"),
        ("text", "ends Theorem (Fermat)."),
    ]


def test_what_is_printed_to_exercises_examples_and_theorems_belongs_to_them(document: Document) -> None:
    pairs = [
        (e.kind, e.text, e.label, document.elements[e.of].text.split("\n")[0])
        for e in document.elements
        if e.of is not None
    ]
    assert pairs == [
        ("proof", "The margin.", None, r"No \(n\)."),
        ("answer", "2.", "Example", r"What is \(1+1\)?"),
        ("solution", r"Count: \(2\).", "Example", r"What is \(1+1\)?"),
        ("hint", "Small.", "Exercise 2", "Find the limit."),
        ("answer", "0", "Exercise 2", "Find the limit."),
        ("solution", "(a) 4", "Exercise 4(a)", r"Let \(x=2\)."),
        ("solution", "(b)(ii) 1", "Exercise 4(b)(ii)", r"Let \(x=2\)."),
    ]


def test_exercises_have_their_introductions_and_tasks(document: Document) -> None:
    assert texts(document, "exercise") == [
        "Find the limit.\n\nOf \\(1/n\\).",
        "Find the limit.\n\nOf \\(n\\).",
        "Let \\(x=2\\).\n\n(a) Square it.\n\n(b) Now\n\n    (i) double\n\n    (ii) halve\n\n        (a) it",
    ]
    assert [e.label for e in document.elements if e.kind == "exercise"] == [
        "Exercise 2",
        "Exercise 3",
        "Exercise 4",
    ]


def test_spans_are_bytes_of_the_file_that_the_element_is_in(document: Document) -> None:
    files = {None: BOOK.encode(), "exercises/one.ptx": EXERCISES.encode()}
    for element in document.elements:
        own = element.text.removeprefix(
            "Find the limit."
        )  # the shared introduction stands before the exercise
        source = files[element.part][element.start : element.end].decode()
        words = re.findall(r"[A-Za-zéÉ0-9]{2,}", re.sub(r"\\[a-z]+(\{\w+\})?|Theorem \(Fermat\)", " ", own))
        assert not [word for word in words if word not in source and word not in ("ii",)], element
    exercise = next(e for e in document.elements if e.label == "Exercise 2")
    assert files[exercise.part][exercise.start : exercise.end].startswith(b"<exercise>")
    assert b"<hint>" not in files[exercise.part][exercise.start : exercise.end]


def test_included_paths_leave_out_comments() -> None:
    assert included(BOOK.encode() + b"<!-- <xi:include href='no.ptx'/> -->", "a.ptx") == [
        "exercises/one.ptx",
        "practice/two.ptx",
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"<section><p></section>",
        b'<!DOCTYPE s [<!ENTITY a "aa"><!ENTITY b "&a;&a;&a;">]><s>&b;</s>',
        b'<!DOCTYPE s [<!ENTITY a "' + b"a" * 5000 + b'">]><s>&a;</s>',
        b"<a>" * 5000 + b"</a>" * 5000,
    ],
)
def test_damaged_and_hostile_files_are_refused(data: bytes) -> None:
    with pytest.raises(UnreadableDocument, match="Fix:"):
        read(data, "bad.ptx", ReadOptions())


def test_no_file_outside_of_the_given_ones_is_read() -> None:
    data = b"""<!DOCTYPE s [<!ENTITY out SYSTEM "/etc/hostname">]><s xmlns:xi="x">&out;
    <xi:include href="../../etc/passwd" parse="text"/><xi:include href="file:///etc/passwd"/><p>In.</p></s>"""
    document = read(data, "a/b.ptx", ReadOptions())
    assert [element.text for element in document.elements] == ["In."]
    assert document.missing == ["/etc/hostname", "../../etc/passwd", "file:///etc/passwd"]


def test_files_that_include_one_another_end() -> None:
    one = b'<s><xi:include href="two.ptx"/><p>One.</p></s>'
    two = b'<s><xi:include href="one.ptx"/><p>Two.</p></s>'
    document = read(one, "one.ptx", ReadOptions({"one.ptx": one, "two.ptx": two}))
    assert [element.text for element in document.elements] == ["Two.", "One."]
    assert document.missing == ["one.ptx"]


def test_xml_is_recognised_by_its_beginning() -> None:
    assert format_of("book.xml", b"<?xml version='1.0'?><pretext>") == "pretext"
    assert format_of("book.ptx", b"") == "pretext"
    assert format_of("book.xml", b"<svg>") is None
