"""Packed blocks: boundaries of documents stay, nothing is lost, the training reads what it would have tokenized, and a folder of another
version or tokenizer is refused."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from storage.datasets.store import Store
from storage.errors import StorageError
from storage.interleaved import TIR
from storage.rows import TEXT, Row, to_table
from tasks.training.config import TrainError
from tasks.training.loader import Group, Stream
from tasks.training.models import tokenizer_of
from tasks.training.packed import INFO, PackedInfo, PackedStream, export_packed
from tasks.training.tokens import TokenEncoder

DOCUMENTS = [
    f"# Sums {n}\n\n" + f"The sum of {n} and {n + 1} is {2 * n + 1}. " * (1 + n % 9) for n in range(40)
]


@pytest.fixture
def books(store: Store) -> Store:
    rows = [Row(text, "en", kind=TEXT) for text in DOCUMENTS]
    store.publish("books", [to_table(rows[:25]), to_table(rows[25:])], lineage={})
    store.publish(
        "notes", [to_table([Row("A note on sums and products of numbers.", "en", kind=TEXT)])], lineage={}
    )
    return store


def pieces(folder: Path) -> Counter[tuple[int, ...]]:
    """The documents of a folder, cut at their boundaries."""
    table = pq.read_table(sorted((folder / "data").glob("*.parquet")))
    counts: Counter[tuple[int, ...]] = Counter()
    for ids, lengths in zip(
        table.column("input_ids").to_pylist(), table.column("lengths").to_pylist(), strict=True
    ):
        assert sum(lengths) == len(ids)
        ends = list(itertools.accumulate(lengths))
        counts.update(tuple(ids[end - length : end]) for end, length in zip(ends, lengths, strict=True))
    return counts


@pytest.mark.parametrize("window", [1, 500, 1 << 22])
def test_every_document_is_a_piece_between_boundaries_whatever_the_window(
    books: Store, student: Path, tmp_path: Path, window: int
) -> None:
    tokenizer = tokenizer_of(str(student))
    info = export_packed(books, books.resolve("books"), tmp_path / "out", tokenizer, length=96, window=window)
    expected: Counter[tuple[int, ...]] = Counter()
    for text in DOCUMENTS:
        ids = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        expected.update(
            piece for start in range(0, len(ids), 96) if len(piece := tuple(ids[start : start + 96])) > 1
        )
    assert pieces(tmp_path / "out") == expected
    assert any(len(piece) == 96 for piece in expected)
    assert (info.pieces, info.tokens) == (expected.total(), sum(len(one) * n for one, n in expected.items()))
    table = pq.read_table(sorted((tmp_path / "out" / "data").glob("*.parquet")))
    assert max(map(len, table.column("input_ids").to_pylist())) <= 96
    assert info.blocks == table.num_rows
    assert (tmp_path / "out" / "README.md").exists()


def test_the_training_reads_what_it_would_have_tokenized(books: Store, student: Path, tmp_path: Path) -> None:
    tokenizer = tokenizer_of(str(student))
    version = books.resolve("books")
    export_packed(books, version, tmp_path / "out", tokenizer, length=128)
    packed = PackedStream.of(tmp_path / "out", tokenizer, (version,), 128, 4, seed=7)
    direct = Stream(books, [Group((version,))], TokenEncoder(tokenizer, 128, whole=True), 128, True, 4, 7)
    size, same = packed.measure(), direct.measure()
    assert (size.rows, size.tokens, size.learned) == (same.rows, same.tokens, same.learned)

    def documents(stream: Any, blocks: int) -> Counter[tuple[int, ...]]:
        counts: Counter[tuple[int, ...]] = Counter()
        for block in itertools.islice(stream.blocks(), blocks):
            starts = [at for at, position in enumerate(block["position_ids"]) if position == 0]
            for start, end in zip(starts, [*starts[1:], len(block["input_ids"])], strict=True):
                counts[tuple(block["input_ids"][start:end].tolist())] += 1
                assert block["labels"][start] == -100
                assert (
                    block["labels"][start + 1 : end].tolist() == block["input_ids"][start + 1 : end].tolist()
                )
                assert block["loss_weights"][start:end].tolist() == [0.0] + [1.0] * (end - start - 1)
        return counts

    assert documents(packed, size.blocks) == documents(direct, same.blocks)
    first, again = (
        [block["input_ids"].tolist() for block in itertools.islice(packed.blocks(), 2 * size.blocks)]
        for _ in range(2)
    )
    assert first == again
    assert first[: size.blocks] != first[size.blocks :]  # another order in the second epoch


def test_what_programs_print_is_not_learned_from_a_folder_either(
    store: Store, student: Path, tmp_path: Path
) -> None:
    tokenizer = tokenizer_of(str(student))
    solution = "We add.\n```python\nprint(2 + 3)\n```\n```output\n5\n```\nIt is \\boxed{5}."
    rows = [Row(f"Add 2 and 3 ({n}).", "en", solution=solution, solution_format=TIR) for n in range(6)]
    rows += [Row(text, "en", kind=TEXT) for text in DOCUMENTS[:6]]
    version = store.publish("mixed", [to_table(rows)], lineage={})
    export_packed(store, version, tmp_path / "out", tokenizer, length=128)
    packed = PackedStream.of(tmp_path / "out", tokenizer, (version,), 128, 4, seed=7)
    direct = Stream(store, [Group((version,))], TokenEncoder(tokenizer, 128, whole=True), 128, True, 4, 7)
    size = packed.measure()
    assert size == direct.measure()

    def learned(stream: Any) -> Counter[tuple[tuple[int, int, float], ...]]:
        documents: Counter[tuple[tuple[int, int, float], ...]] = Counter()
        for block in itertools.islice(stream.blocks(), size.blocks):
            starts = [at for at, position in enumerate(block["position_ids"]) if position == 0]
            columns = (block["input_ids"].tolist(), block["labels"].tolist(), block["loss_weights"].tolist())
            for start, end in itertools.pairwise([*starts, len(block["input_ids"])]):
                documents[tuple(zip(*(column[start:end] for column in columns), strict=True))] += 1
        return documents

    documents = learned(packed)
    assert documents == learned(direct)
    unlearned = [
        tokenizer.decode([token for token, label, _ in document[1:] if label == -100])
        for document in documents.elements()
    ]
    assert sorted(text.strip() for text in unlearned if text) == ["5\n```"] * 6


def test_a_folder_of_something_else_is_refused(books: Store, student: Path, tmp_path: Path) -> None:
    tokenizer = tokenizer_of(str(student))
    books_, notes = books.resolve("books"), books.resolve("notes")
    folder = tmp_path / "out"
    export_packed(books, books_, folder, tokenizer, length=128)
    with pytest.raises(TrainError, match=r"is of books@.*and data is notes@.*Fix: --data books@"):
        PackedStream.of(folder, tokenizer, (notes,), 128, 1, 0)
    with pytest.raises(TrainError, match="Fix: --set length=128"):
        PackedStream.of(folder, tokenizer, (books_,), 64, 1, 0)
    other = tokenizer_of(str(student))
    other.add_tokens(["theorem"])
    with pytest.raises(TrainError, match="another tokenizer"):
        PackedStream.of(folder, other, (books_,), 128, 1, 0)
    (folder / INFO).write_text("{}")
    with pytest.raises(TrainError, match="Fix: name a folder of"):
        PackedInfo.of(folder)
    with pytest.raises(StorageError, match="is not empty"):
        export_packed(books, books_, folder, tokenizer, length=128)
