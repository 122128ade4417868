"""Published rows as documents: chunks in their order, chats, solutions; then lines, quality and tokens."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from storage.reasons import Code
from storage.rows import CHAT, TEXT, ChatTurn, Row, reasons_of, to_table
from tasks.documents.book_files import documents_of
from tasks.documents.chunks import approximate_tokens, chunks
from tasks.documents.document import Document, Element, Heading
from tasks.documents.lines import documents_per_line, frequent_lines
from tasks.stages.corpus import COLUMNS, CorpusSettings, LineSettings, corpus, documents, tokens_by_version
from tasks.stages.documents import DocumentReading, rows_of

VERSION = "books@2026.11.28"
NOTICE = "This page belongs to the open collection of the library."


def read(rows: Iterable[Row], folder: Path, *, join: bool = True) -> list[Row]:
    batches = to_table(rows).select(COLUMNS).to_batches(max_chunksize=2)
    return list(documents(batches, VERSION, folder, join=join))


def chunk(text: str, number: int, sha256: str = "ab", **more: object) -> Row:
    params = {"path": "book.tex", "sha256": sha256, "chunk": number, "title": "Sums", **more}
    return Row(text, "en", kind=TEXT, license="CC0", params=json.dumps(params))


def test_chunks_of_a_document_are_joined_in_order_and_other_documents_stay_apart(tmp_path: Path) -> None:
    rows = [chunk("Three.", 3), chunk("Other.", 1, "cd"), chunk("One.", 1), chunk("Ten.", 10)]
    every = read(rows, tmp_path)
    assert [row.question for row in every] == ["One.\n\nThree.\n\nTen.", "Other."]
    assert every[0].parent_ids == [rows[2].id, rows[0].id, rows[3].id]
    assert every[0].license == "CC0"
    params = json.loads(every[0].params or "")
    assert params == {"version": VERSION, "title": "Sums", "path": "book.tex", "sha256": "ab", "chunks": 3}
    assert {row.question for row in read(rows, tmp_path, join=False)} == {"Three.", "Other.", "One.", "Ten."}


def test_pages_of_one_file_are_documents_of_their_own(tmp_path: Path) -> None:
    pages = [
        Row(text, "en", kind=TEXT, params=json.dumps({"path": "w.warc", "record": record, "chunk": number}))
        for text, record, number in (("a2", "7", 2), ("b1", "8", 1), ("a1", "7", 1))
    ]
    assert [row.question for row in read(pages, tmp_path)] == ["a1\n\na2", "b1"]


def test_a_file_that_was_read_twice_is_two_documents(tmp_path: Path) -> None:
    rows = [chunk("One.", 1), chunk("Two.", 2), chunk("One and", 1), chunk("two.", 2)]
    assert [row.question for row in read(rows, tmp_path)] == ["One.\n\nTwo.", "One and\n\ntwo."]


def test_headings_that_every_chunk_repeats_stand_once(tmp_path: Path) -> None:
    words = [f"Paragraph {name} tells about sums of numbers at some length." for name in "abcd"]
    document = Document(
        "Book",
        "markdown",
        [Heading("Sums", 1), Heading("Long sums", 2), Heading("Short sums", 2)],
        [Element("text", text, heading=place) for text, place in zip(words, (1, 1, 2, 2), strict=True)],
    )
    parts = chunks(document, max_tokens=32)
    assert [part.text.count("# Sums") for part in parts] == [1, 1, 1, 1]
    rows = [chunk(one.text, place, headings=list(one.headings)) for place, one in enumerate(parts, 1)]
    (joined,) = read(rows, tmp_path)
    assert joined.question == "\n\n".join(["# Sums", "## Long sums", *words[:2], "## Short sums", *words[2:]])


def test_chats_and_solutions_become_texts_and_what_has_none_is_rejected(tmp_path: Path) -> None:
    def turn(role: str, content: str | None) -> ChatTurn:
        return ChatTurn(
            role=role, content=content, reasoning=None, tool_calls=None, tool_call_id=None, name=None
        )

    rows = [
        Row("Why?", "en", kind=CHAT, messages=[turn("user", "Why?"), turn("assistant", "Because.")]),
        Row("", "en", kind=CHAT, messages=[turn("assistant", None)]),
        Row("What is 1 + 1?", "en", solution="It is 2.", params='{"chunk": 1, "sha256": "ab"}'),
        Row("A question alone?", "zh"),
    ]
    every = read(rows, tmp_path)
    assert [row.question for row in every] == [
        "Why?\n\nBecause.",
        "",
        "What is 1 + 1?\n\nIt is 2.",
        "A question alone?",
    ]
    assert [row.reason and row.reason.code for row in every] == [None, Code.UNREADABLE, None, None]
    assert {row.kind for row in every} == {TEXT}
    assert [row.parent_ids for row in every] == [[row.id] for row in rows]


def test_lines_are_removed_quality_scored_and_tokens_counted(tmp_path: Path) -> None:
    texts = [f"Text {n} about the sum \\(a_{n}+b\\).\n{NOTICE}" for n in range(3)]
    texts += [NOTICE, "The \ufffd\ufffd\ufffd of it.", "A formula \\(\\frac{1}{2\\) that is cut."]
    table = to_table(read([Row(text, "en", kind=TEXT) for text in texts], tmp_path))
    settings = CorpusSettings(lines=LineSettings(min_documents=4))
    lines = frequent_lines([documents_per_line(texts, 30)], 4, tmp_path, "100MB")
    ticks: list[int] = []
    outcome = corpus(table, lines=lines, settings=settings, tick=ticks.append)
    assert outcome.facts == {"lines_removed": 4}
    assert outcome.asked == outcome.rows.num_rows == sum(ticks) == 6
    codes = [why and (why.code, why.values.get("name")) for why in reasons_of(outcome.rows)]
    assert codes == [
        None,
        None,
        None,
        (Code.EMPTIED, None),
        (Code.BELOW_THRESHOLD, "legible characters"),
        (Code.BELOW_THRESHOLD, "whole formulas"),
    ]
    first, emptied = (outcome.rows.slice(place, 1).to_pylist()[0] for place in (0, 3))
    assert first["question"] == "Text 0 about the sum \\(a_0+b\\)."
    assert first["id"] == Row(first["question"], "en", kind=TEXT).id
    assert dict(first["scores"]) == {"legible": 1.0, "whole": 1.0}
    assert json.loads(first["params"])["tokens"] == approximate_tokens(first["question"])
    assert emptied["question"] == NOTICE  # what it was, for those who ask why
    kept: pa.Table = outcome.rows.slice(0, 3)
    tokens = sum(json.loads(one)["tokens"] for one in kept.column("params").to_pylist())
    assert tokens_by_version([kept]) == {VERSION: {"documents": 3, "tokens": tokens}}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small byte-level tokenizer, as a user names one by its path."""
    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<end>"], initial_alphabet=alphabet, show_progress=False
    )
    bare.train_from_iterator([PROSE], trainer)
    folder = tmp_path_factory.mktemp("tokenizer")
    PreTrainedTokenizerFast(tokenizer_object=bare, eos_token="<end>").save_pretrained(folder)
    return folder


PROSE = "\n\n".join(
    f"Paragraph {n}: the sum of the first {n} odd numbers is {n * n}, as a drawing of squares shows. 前 {n} 个奇数的和是 {n * n}。"
    for n in range(40)
)


def test_chunks_are_bounded_and_documents_counted_by_a_tokenizer_that_is_named_by_its_folder(
    tokenizer: Path, tmp_path: Path
) -> None:
    (tmp_path / "book.md").write_text(f"# Odd numbers\n\n{PROSE}\n")
    loaded = PreTrainedTokenizerFast.from_pretrained(tokenizer)

    def tokens(text: str) -> int:
        return len(loaded.encode(text, add_special_tokens=False))

    (source,) = documents_of([str(tmp_path / "book.md")])
    chunks = {
        name: rows_of(source, DocumentReading(max_tokens=200, tokenizer=name))
        for name in (str(tokenizer), "")
    }
    assert max(tokens(row.question) for row in chunks[str(tokenizer)]) <= 200
    assert len(chunks[str(tokenizer)]) < len(chunks[""])  # which takes 3.5 characters per token
    table = to_table(read(chunks[str(tokenizer)], tmp_path / "work"))
    lines = frequent_lines([documents_per_line([], 30)], 10, tmp_path / "lines", "100MB")
    outcome = corpus(
        table, lines=lines, settings=CorpusSettings(tokenizer=str(tokenizer)), tick=lambda n: None
    )
    (row,) = outcome.rows.to_pylist()
    params = json.loads(row["params"])
    assert params["tokens"] == tokens(row["question"])
    assert params["tokenizer"] == str(tokenizer)
