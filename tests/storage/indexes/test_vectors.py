"""The vector cache: each text is encoded only once, damage is detected, and writers do not disturb each other."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from storage.errors import StorageError
from storage.indexes import vectors as module
from storage.indexes.vectors import VectorCache


class Counting:
    """A stand-in for the model: the vector is made of the text's hash, so a mix-up cannot go unseen."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: list[str]) -> npt.NDArray[np.float32]:
        self.asked += texts
        return vectors_of(texts)


def vectors_of(texts: list[str]) -> npt.NDArray[np.float32]:
    digests = b"".join(hashlib.blake2b(text.encode()).digest()[:32] for text in texts)
    return np.frombuffer(digests, dtype=np.uint8).reshape(-1, 32).astype(np.float32)


def test_each_text_is_encoded_once(tmp_path: Path) -> None:
    encode = Counting()
    texts = ["a", "b", "a", "题", ""]
    vectors = VectorCache(tmp_path, "m/fp32").of(texts, encode)
    assert np.array_equal(vectors, vectors_of(texts))
    assert encode.asked == ["a", "b", "题", ""]
    again = VectorCache(tmp_path, "m/fp32").of(["c", "题", "a"], encode)
    assert np.array_equal(again, vectors_of(["c", "题", "a"]))
    assert encode.asked[4:] == ["c"]


def test_encoders_do_not_share(tmp_path: Path) -> None:
    encode = Counting()
    for identity in ("m/fp32", "m/bf16", "m-fp32", "组织/模型"):
        VectorCache(tmp_path, identity).of(["a"], encode)
    assert encode.asked == ["a"] * 4


def test_many_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEGMENT", 7)
    texts = [f"question {i}" for i in range(100)]
    encode = Counting()
    cache = VectorCache(tmp_path, "m")
    assert np.array_equal(cache.of(texts, encode), vectors_of(texts))
    assert len(list(cache.folder.glob("*.parquet"))) == 15
    mixed = [*texts[::-3], "new", *texts[:2]]
    assert np.array_equal(cache.of(mixed, encode), vectors_of(mixed))
    assert len(encode.asked) == 101


def test_what_was_encoded_before_a_failure_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEGMENT", 10)
    encode = Counting()

    def dies(texts: list[str]) -> npt.NDArray[np.float32]:
        if len(encode.asked) >= 20:
            raise RuntimeError("killed")
        return encode(texts)

    texts = [str(i) for i in range(35)]
    with pytest.raises(RuntimeError, match="killed"):
        VectorCache(tmp_path, "m").of(texts, dies)
    assert np.array_equal(VectorCache(tmp_path, "m").of(texts, encode), vectors_of(texts))
    assert encode.asked == texts


def test_damage_is_seen_and_fixed_by_deleting(tmp_path: Path) -> None:
    texts = [f"question {i}" for i in range(500)]
    cache = VectorCache(tmp_path, "m")
    cache.of(texts, Counting())
    (path,) = cache.folder.glob("*.parquet")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1  # one bit of one vector
    path.write_bytes(data)
    with pytest.raises(StorageError, match=rf"{path.name} is damaged .* delete it"):
        cache.of(texts, Counting())
    path.unlink()
    assert np.array_equal(cache.of(texts, Counting()), vectors_of(texts))


def test_a_torn_temporary_file_is_ignored(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path, "m")
    cache.of(["a"], Counting())
    (cache.folder / ".torn.tmp").write_bytes(b"PAR1")
    encode = Counting()
    assert np.array_equal(cache.of(["a"], encode), vectors_of(["a"]))
    assert encode.asked == []


def test_writers_at_once(tmp_path: Path) -> None:
    texts = [str(i) for i in range(300)]

    def work(start: int) -> bool:
        part = texts[start:] + texts[:start]
        return np.array_equal(VectorCache(tmp_path, "m").of(part, Counting()), vectors_of(part))

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(0, 300, 50)))
    encode = Counting()
    VectorCache(tmp_path, "m").of(texts, encode)
    assert encode.asked == []


@pytest.mark.slow
def test_small_segments_are_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FAN", 5)
    monkeypatch.setattr(module, "SMALL", 40)
    encode, cache = Counting(), VectorCache(tmp_path, "m")
    for start in range(0, 300, 10):
        texts = [str(i) for i in range(max(0, start - 5), start + 10)]
        assert np.array_equal(cache.of(texts, encode), vectors_of(texts))
        assert len(list(cache.folder.glob("*.parquet"))) <= 5 + 300 // 40
    every = [str(i) for i in range(300)]
    assert np.array_equal(cache.of(every, encode), vectors_of(every))
    assert encode.asked == every


@pytest.mark.slow
def test_merging_while_others_read_and_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FAN", 3)

    def work(turn: int) -> bool:
        texts = [str(i) for i in range(turn, turn + 12)]
        return np.array_equal(VectorCache(tmp_path, "m").of(texts, Counting()), vectors_of(texts))

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(150)))
    assert np.array_equal(
        VectorCache(tmp_path, "m").of([str(i) for i in range(160)], Counting()),
        vectors_of([str(i) for i in range(160)]),
    )


def test_no_texts(tmp_path: Path) -> None:
    assert len(VectorCache(tmp_path, "m").of([], Counting())) == 0


def test_an_encoder_that_loses_a_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="gave 1 vectors for 2 texts"):
        VectorCache(tmp_path, "m").of(["a", "b"], lambda texts: vectors_of(texts[:1]))
