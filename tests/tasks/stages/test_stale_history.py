"""Stored data that is derived from folded texts is computed again when the folding changes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.indexes.sketches import History
from storage.rows import Row, column, to_table
from tasks.dedup import history as past
from tasks.dedup import normalise, outofcore
from tasks.dedup.outofcore import Collection, OutOfCore
from tasks.dedup.settings import DedupSettings
from tasks.stages.semantic import semantic
from tasks.stages.similarity import similarity
from tasks.text import folding

PLAIN = "some peacocks are near one lone canoe on a pale ocean"
DISGUISED = PLAIN.translate(
    str.maketrans("aceo", "\u0430\u0441\u0435\u043e")
)  # Cyrillic letters that look Latin


@contextlib.contextmanager
def older_folding() -> Iterator[None]:
    """As an older version of the program, which took look-alike letters for what they are not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(normalise, "folded", lambda text: text)
        patch.setattr(folding, "digest", lambda: "older")
        _forget_digests()
        yield
    _forget_digests()


def _forget_digests() -> None:
    past.code_digest.cache_clear()
    outofcore.rules_digest.cache_clear()


def rows(*texts: str) -> pa.Table:
    return to_table([Row(text, "en", id=f"q{k}", solution="s") for k, text in enumerate(texts)])


class ByLetters:
    """Texts of the same letters have the same vector; others are apart."""

    identity = "by letters"

    def __call__(self, texts: list[str]) -> npt.NDArray[np.float32]:
        vectors = np.zeros((len(texts), 512), dtype=np.float32)
        for row, text in enumerate(texts):
            for character in text:
                vectors[row, ord(character) % 512] += 1
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def test_indexes_of_history(tmp_path: Path) -> None:
    history = History.open(tmp_path).append(rows(DISGUISED), 1)
    with older_folding():
        assert column(similarity(rows(PLAIN), history=history), "rejected") == [None]
        assert len(list((tmp_path / "_indexes").iterdir())) == 1
    (why,) = column(similarity(rows(PLAIN), history=history), "reason")
    assert why["code"] == "repeated", "it is q0 itself, which the older index does not show"
    assert len(list((tmp_path / "_indexes").iterdir())) == 2


def test_vectors_of_history(tmp_path: Path) -> None:
    history, settings = (
        History.open(tmp_path).append(rows(DISGUISED), 1),
        DedupSettings(semantic="drop", cosine=0.99),
    )
    with older_folding():
        judged = semantic(rows(PLAIN), encode=ByLetters(), history=history, settings=settings)
        assert column(judged, "rejected") == [None]
    judged = semantic(rows(PLAIN), encode=ByLetters(), history=history, settings=settings)
    (why,) = column(judged, "reason")
    assert (why["code"], dict(why["values"])["other"]) == ("near_in_meaning", "q0")


@pytest.mark.slow
def test_shards_of_files(tmp_path: Path) -> None:
    pq.write_table(rows(DISGUISED, PLAIN).select(["id", "question", "language"]), tmp_path / "in.parquet")
    work = Collection([tmp_path / "in.parquet"], tmp_path / "work", settings=OutOfCore(memory="256MB"))
    with older_folding():
        assert pq.read_table(work.run()).num_rows == 0
    (gone,) = pq.read_table(work.run()).to_pylist()
    assert gone == {"id": "q1", "of": "q0", "near": "q0", "score": 1.0, "row": 1, "of_row": 0}
    sets = work.shards[0].path("sets")
    before = sets.stat().st_mtime_ns
    assert pq.read_table(work.run()).to_pylist() == [gone]
    assert sets.stat().st_mtime_ns == before, "of the same version: found again, not made again"
