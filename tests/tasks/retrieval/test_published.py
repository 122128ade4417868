"""The index of a version is brought up to date and never wrong, whatever happened before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.indexes.index import IndexSettings, VectorIndex
from storage.rows import Row, column, to_table
from tasks.retrieval.neighbours import neighbours
from tasks.retrieval.published import Published


class Counting:
    """Vectors made from the text's hash; counts the texts that it encodes."""

    identity = "counting/fp32"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        self.asked += texts
        return np.stack([_unit(text) for text in texts])


def _unit(text: str) -> npt.NDArray[np.float32]:
    vector = np.random.default_rng(list(text.encode())).standard_normal(16, dtype=np.float32)
    normal: npt.NDArray[np.float32] = vector / np.linalg.norm(vector)
    return normal


def publish(home: Path, questions: Sequence[str]) -> Version:
    rows = [Row(text, "en", solution=s) for text in questions for s in ("a", "b")]
    return Store(home).publish("d", [to_table(rows)], lineage={})


def of(home: Path, version: Version) -> Published:
    return Published(str(home), str(version), version.digest)


def saved(home: Path) -> Path:
    (folder,) = (home / "indexes" / "d").iterdir()
    return folder


def test_a_night_adds_only_what_is_new(tmp_path: Path) -> None:
    first, encode = publish(tmp_path, ["q1", "q2"]), Counting()
    assert of(tmp_path, first).index(encode).size == 2
    second = publish(tmp_path, ["q3"])
    encode.asked.clear()
    index = of(tmp_path, second).index(encode)
    assert encode.asked == ["q3"]
    assert index.ids == list(dict.fromkeys(column(Store(tmp_path).read(second), "problem_id")))
    assert VectorIndex.load(saved(tmp_path)).ids == index.ids
    encode.asked.clear()
    of(tmp_path, second).index(encode)
    assert encode.asked == []
    _, ids = neighbours(index, encode(["q2", "q3"]), 1)
    rows = of(tmp_path, second).rows(ids[:, 0].tolist())
    assert column(rows, "question") == ["q2", "q3"]


def test_a_version_that_was_rolled_back_is_out_of_the_index(tmp_path: Path) -> None:
    first = publish(tmp_path, ["q1", "q2"])
    second, encode = publish(tmp_path, ["q3"]), Counting()
    assert of(tmp_path, second).index(encode).size == 3
    assert of(tmp_path, first).index(encode).size == 2


def test_a_damaged_index_and_other_settings_are_made_anew(tmp_path: Path) -> None:
    version, encode = publish(tmp_path, ["q1", "q2"]), Counting()
    of(tmp_path, version).index(encode)
    (path,) = saved(tmp_path).glob("*.faiss")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert of(tmp_path, version).index(encode).size == 2
    other = replace(of(tmp_path, version), settings=IndexSettings(flat_up_to=1))
    assert not other.index(encode).exact
    assert of(tmp_path, version).index(encode).exact
