"""Markdown, plain text and notebooks: formats in which exercises are known by labels, headings and numbers."""

from __future__ import annotations

import json

import pytest

from tasks.documents.document import Document
from tasks.documents.formats import ReadOptions, UnreadableDocument, reader

MARKDOWN = r"""---
title: "Zahlen"
license: CC0
---
# Größen

Ein Preis von \$5 und $x^2$, in `$code$`.

$$
a
- b = c
$$

**Theorem 2 (Euler).** For all $n$:

$$n \le n$$

*Proof.* Clear. ∎

A new paragraph.

| a | b |
|---|---|
| $x$ | 2 |

### Exercise 1.1

Show $1=1$.

- (a) easy
- (b) hard

#### Solution

Because.

More of it.

```{exercise} Named
:label: named
Use MyST with $y$.
```

## Exercises

1. First $x$.

   More.
2. Second
   1. nested

::: {.hint}
Try.
:::

## Answers to Exercises

1. One.
2. Two.
"""
TEXT = """CHAPTER 1. NUMBERS

Some text that is
wrapped here.

1.2 Primes

Theorem 3. There are many primes. Theorem 3 helps.

Proof. By Euclid. Q.E.D.

Theorem 3 is old.

Exercises

1. Show that 2 is prime
and even.
2. Show that 4 is not.

3. What is 3?

Answers

1. See above.
3. A prime.
"""


def triples(document: Document) -> list[tuple[str, str | None, str]]:
    return [(element.kind, element.label, element.text) for element in document.elements]


def test_markdown() -> None:
    document = reader("markdown").read(MARKDOWN.encode(), "a.md", ReadOptions())
    assert (document.title, document.license) == ("Zahlen", "CC0")
    assert [heading.title for heading in document.headings] == ["Größen", "Exercises", "Answers to Exercises"]
    assert triples(document) == [
        ("text", None, "Ein Preis von $5 und \\(x^2\\), in `$code$`."),
        ("formula", None, "\\[a\n- b = c\\]"),
        ("theorem", "Theorem 2 (Euler)", "For all \\(n\\):\n\n\\[n \\le n\\]"),
        ("proof", "Proof", "Clear. ∎"),
        ("text", None, "A new paragraph."),
        ("table", None, "| a | b |\n|---|---|\n| \\(x\\) | 2 |"),
        ("exercise", "Exercise 1.1", "Show \\(1=1\\).\n\n- (a) easy\n- (b) hard"),
        ("solution", "Exercise 1.1", "Because.\n\nMore of it."),
        ("exercise", "Exercise Named", "Use MyST with \\(y\\)."),
        ("exercise", "Exercise 1", "First \\(x\\).\n\nMore."),
        ("exercise", "Exercise 2", "Second\n1. nested"),
        ("hint", "Exercise 2", "Try."),
        ("answer", "Exercise 1", "One."),
        ("answer", "Exercise 2", "Two."),
    ]
    owners = [document.elements[e.of].text.split("\n")[0] for e in document.elements if e.of is not None]
    assert owners == ["For all \\(n\\):", "Show \\(1=1\\).", "Second", "First \\(x\\).", "Second"]


def test_spans_of_markdown_are_bytes() -> None:
    data = b"\xef\xbb\xbf" + MARKDOWN.replace("\n", "\r\n").encode()
    document = reader("markdown").read(data, "a.md", ReadOptions())
    spans = {element.label: data[element.start : element.end].decode() for element in document.elements}
    assert spans["Theorem 2 (Euler)"] == "**Theorem 2 (Euler).** For all $n$:\r\n\r\n$$n \\le n$$"
    first = document.elements[0]
    assert data[first.start : first.end].decode() == r"Ein Preis von \$5 und $x^2$, in `$code$`."


def test_plain_text() -> None:
    document = reader("plain_text").read(TEXT.encode(), "a.txt", ReadOptions())
    assert [(heading.title, heading.level) for heading in document.headings] == [
        ("CHAPTER 1. NUMBERS", 1),
        ("1.2 Primes", 2),
        ("Exercises", 2),
        ("Answers", 2),
    ]
    assert triples(document) == [
        ("text", None, "Some text that is wrapped here."),
        ("theorem", "Theorem 3", "There are many primes. Theorem 3 helps."),
        ("proof", "Proof", "By Euclid. Q.E.D."),
        ("text", None, "Theorem 3 is old."),
        ("exercise", "Exercise 1", "Show that 2 is prime and even."),
        ("exercise", "Exercise 2", "Show that 4 is not."),
        ("exercise", "Exercise 3", "What is 3?"),
        ("answer", "Exercise 1", "See above."),
        ("answer", "Exercise 3", "A prime."),
    ]
    assert [e.of for e in document.elements] == [None, None, 1, None, None, None, None, 4, 6]
    for element in document.elements:
        source = TEXT.encode()[element.start : element.end].decode()
        assert element.text in " ".join(source.split())


def test_a_notebook_has_its_cells_as_spans() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Größe\n", "\n", "A \\alpha: $\\alpha$."]},
        {"cell_type": "code", "source": "print(1)", "outputs": [{"text": "1"}]},
        {"cell_type": "markdown", "source": "**Exercise 1.** Find $x$.\n\n**Solution.** Two."},
    ]
    data = json.dumps({"metadata": {"cells": []}, "cells": cells}, indent=1).encode()
    document = reader("jupyter").read(data, "a.ipynb", ReadOptions())
    assert document.title == "Größe"
    assert triples(document) == [
        ("text", None, "A \\alpha: \\(\\alpha\\)."),
        ("code", None, "```\nprint(1)\n```"),
        ("exercise", "Exercise 1", "Find \\(x\\)."),
        ("solution", "Exercise 1", "Two."),
    ]
    for element, cell in zip(document.elements, [*cells, cells[-1]], strict=True):
        assert json.loads(data[element.start : element.end]) == cell


@pytest.mark.parametrize("data", [b"[]", b"{", b'{"cells": 3}', b"[" * 100_000])
def test_a_damaged_notebook_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableDocument, match="Fix:"):
        reader("jupyter").read(data, "a.ipynb", ReadOptions())
