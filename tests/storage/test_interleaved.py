"""Interleaved solutions as text: their parts, the canonical form, and where the output of programs stands."""

from __future__ import annotations

import pytest

from storage.interleaved import InterleavedPart, is_interleaved, output_spans, parts_of, written

WORDS, PROGRAM, OUTPUT = "words", "program", "output"
TEXT = """\
We add the numbers.
```python
total = 2 + 3
print(total)
```
```output
5
```
The sum is 5.
\\boxed{5}"""


def test_a_text_is_read_in_parts_and_written_as_it_was() -> None:
    parts = parts_of(TEXT)
    assert [(part.kind, part.text) for part in parts] == [
        (WORDS, "We add the numbers."),
        (PROGRAM, "total = 2 + 3\nprint(total)"),
        (OUTPUT, "5"),
        (WORDS, "The sum is 5.\n\\boxed{5}"),
    ]
    assert written(parts) == TEXT
    assert written(parts_of(TEXT.replace("\n", "\r\n"))) == TEXT


@pytest.mark.parametrize(
    "printed", ["```", "```output\n9\n```", "````\n```", "", "  ```python\nprint(1)", "a\n\nb", "~~~"]
)
def test_what_a_program_prints_cannot_close_its_block(printed: str) -> None:
    parts = [
        InterleavedPart("words", "First."),
        InterleavedPart("program", "print(text)"),
        InterleavedPart("output", printed),
        InterleavedPart("words", "Last."),
    ]
    text = written(parts)
    assert parts_of(text) == parts
    (span,) = output_spans(text)
    assert text[span[0] : span[1]].startswith(printed)
    assert text[span[1] :] == "Last."


def test_blocks_of_other_languages_are_words() -> None:
    text = "```latex\n```python is no program here\nx\n```\n```text\n```output\n```"
    assert [part.kind for part in parts_of(text)] == [WORDS]
    assert not is_interleaved(text)


def test_a_block_that_is_never_closed_is_marked() -> None:
    (words, program) = parts_of("Look:\n```python\nprint(1)")
    assert (words.closed, program.closed, program.text) == (True, False, "print(1)")


def test_only_a_program_with_its_output_makes_a_text_interleaved() -> None:
    assert is_interleaved(TEXT)
    assert not is_interleaved("```python\nprint(1)\n```\nIt prints:\n```output\n1\n```")
    assert not is_interleaved("```output\n1\n```")
    assert not is_interleaved("```python\nprint(1)\n```")


def test_spans_cover_the_output_below_its_fence_and_nothing_else() -> None:
    text = f"{TEXT}\n```python\nprint(7)\n```\n```output\n7\n```"
    first, second = output_spans(text)
    assert text[slice(*first)] == "5\n```\n"
    assert text[slice(*second)] == "7\n```"
    assert text[: first[0]].endswith("```output\n")
    assert output_spans("no output") == []
