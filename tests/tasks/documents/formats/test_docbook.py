"""DocBook: its divisions, formulas, and exercises of several spellings."""

from __future__ import annotations

from tasks.documents.formats import ReadOptions, format_of
from tasks.documents.formats.docbook import read

BOOK = rb"""<?xml version="1.0"?>
<!DOCTYPE book [<!ENTITY two SYSTEM "two.xml">]>
<book xmlns="http://docbook.org/ns/docbook" xmlns:m="http://www.w3.org/1998/Math/MathML" xml:lang="en"><info><title>Sums</title></info>
<chapter xml:id="one"><title>One</title>
<para>Let <inlineequation><alt>x^2</alt></inlineequation> be <emphasis>small</emphasis>&nbsp;and
 <m:math><m:mi>y</m:mi></m:math>.<indexterm><primary>no</primary></indexterm></para>
<informalequation><m:math><m:mfrac><m:mn>1</m:mn><m:mn>2</m:mn></m:mfrac></m:math></informalequation>
<section><title>Exercises</title>
<qandaset><qandaentry><question><label>7</label><para>What is it?</para></question><answer><para>Two.</para></answer></qandaentry></qandaset>
<orderedlist><listitem><para>Find <emphasis role="bold">it</emphasis>.</para></listitem></orderedlist>
<para role="exercise">Show it as in <xref linkend="one"/> and <xref linkend="gone"/>.<phrase role="solution">Seen.</phrase></para>
</section></chapter>&two;</book>"""
TWO = b"<chapter><title>Two</title><para>More text.</para><bibliography><para>No.</para></bibliography></chapter>"


def test_a_book() -> None:
    document = read(BOOK, "book.xml", ReadOptions({"two.xml": TWO}))
    assert (document.title, document.language, document.missing) == ("Sums", "en", [])
    assert [(h.title, h.level) for h in document.headings] == [("One", 1), ("Exercises", 2), ("Two", 1)]
    assert [(e.kind, e.label, e.text, e.part, e.of) for e in document.elements] == [
        ("text", None, "Let \\(x^2\\) be *small* and \\(y\\).", None, None),
        ("formula", None, "\\[\\frac{1}{2}\\]", None, None),
        ("exercise", "Exercise 7", "What is it?", None, None),
        ("answer", "Exercise 7", "Two.", None, 2),
        ("exercise", "Exercise 1", "Find **it**.", None, None),
        ("exercise", "Exercise", "Show it as in “One” and [??].", None, None),
        ("solution", "Exercise", "Seen.", None, 5),
        ("text", None, "More text.", "two.xml", None),
    ]
    files = {None: BOOK, "two.xml": TWO}
    for element in document.elements:
        source = files[element.part][element.start : element.end].decode()
        words = element.text.replace("*", "").strip("\\()[].").split()
        assert words[0].strip("\\()}") in source or element.kind == "formula"


def test_docbook_is_recognised() -> None:
    assert format_of("book.xml", BOOK[:4096]) == "docbook"
    assert format_of("book.xml", b"<pretext><book><m>x</m></book></pretext>") == "pretext"
