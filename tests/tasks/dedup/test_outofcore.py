from __future__ import annotations

import multiprocessing
import os
import random
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.rows import Row, column, to_table
from tasks.dedup import jaccard, joining, sketching
from tasks.dedup.cluster import components
from tasks.dedup.outofcore import Collection, OutOfCore
from tasks.dedup.sketching import CollectionError, TextSource
from tasks.dedup.tokens import tokens
from tasks.dedup.workers import On, workers
from tasks.stages.similarity import similarity

from .test_contrast import DIFFERENT, SAME

GUARDED = OutOfCore(shard_rows=100, memory="256MB", recall=0.999)
SMALL = replace(GUARDED, guard="none")  # the join itself


def planted(count: int, language: str = "en", seed: int = 3) -> list[str]:
    rng = random.Random(seed)
    alphabet = (
        [f"k{chr(97 + k // 100)}{chr(97 + k // 10 % 10)}{chr(97 + k % 10)}" for k in range(2000)]
        if language == "en"
        else [chr(0x4E00 + k) for k in range(2000)]
    )
    texts = []
    for _ in range(count):
        words = rng.choices(alphabet, k=rng.randint(12, 40))
        texts.append(words)
        for _ in range(rng.choice([0, 0, 1, 2])):
            copy = list(words)
            for _ in range(rng.randint(0, 5)):
                copy[rng.randrange(len(copy))] = rng.choice(alphabet)
            texts.append(copy)
    rng.shuffle(texts)
    return [(" " if language == "en" else "").join(words) for words in texts]


def files(folder: Path, texts: Sequence[str], language: str = "en", **columns: object) -> list[Path]:
    """The texts as three files of row groups of 40."""
    table = pa.table(
        {
            "id": [f"r{k:05d}" for k in range(len(texts))],
            "question": texts,
            "language": [language] * len(texts),
            **columns,
        }
    )
    folder.mkdir(exist_ok=True)
    third = -(-len(table) // 3)
    paths = [folder / f"{number}.parquet" for number in range(3)]
    for number, path in enumerate(paths):
        pq.write_table(table.slice(number * third, third), path, row_group_size=40)
    return paths


def duplicates_of(path: Path) -> dict[str, tuple[str, str, float]]:
    return {row["id"]: (row["of"], row["near"], row["score"]) for row in pq.read_table(path).to_pylist()}


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_duplicates_are_those_of_the_exact_join(tmp_path: Path, language: str) -> None:
    texts = planted(250, language)
    paths = files(tmp_path / "in", texts, language)
    duplicates = duplicates_of(Collection(paths, tmp_path / "work", settings=SMALL).run())
    pairs = jaccard.similar_pairs(texts, [language] * len(texts), threshold=0.7)
    score = {
        frozenset(pair): s
        for *pair, s in zip(pairs.left.tolist(), pairs.right.tolist(), pairs.score, strict=True)
    }
    labels = components(len(texts), pairs.left, pairs.right)
    first = {label: row for row, label in reversed(list(enumerate(labels.tolist())))}
    expected = {
        f"r{row:05d}": f"r{first[label]:05d}"
        for row, label in enumerate(labels.tolist())
        if first[label] != row
    }
    assert len(expected) > 60
    assert {id: of for id, (of, _, _) in duplicates.items()} == expected
    for id, (_, near, value) in duplicates.items():
        assert value == score[frozenset((int(id[1:]), int(near[1:])))] >= 0.7


def test_the_best_row_stays(tmp_path: Path) -> None:
    texts = ["one and the same question for all of us"] * 4 + ["quite another question about something else"]
    quality = pa.array([0.1, 0.9, None, 0.9, 0.0])
    paths = files(tmp_path / "in", texts, worth=quality)
    work = Collection(paths, tmp_path / "work", TextSource(quality="worth"), SMALL)
    assert {id: of for id, (of, _, _) in duplicates_of(work.run()).items()} == {
        "r00000": "r00001", "r00002": "r00001", "r00003": "r00001",
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("on", ["threads", "processes"])
def test_threads_and_processes_find_the_same(tmp_path: Path, on: On) -> None:
    paths = files(tmp_path / "in", planted(150))
    plain = duplicates_of(Collection(paths, tmp_path / "plain", settings=GUARDED).run())
    with workers(on, 2) as each:
        assert duplicates_of(Collection(paths, tmp_path / on, settings=GUARDED).run(each)) == plain
    assert len(plain) > 40


@pytest.mark.slow
def test_pairs_are_decided_as_by_the_jaccard_of_a_night(tmp_path: Path) -> None:
    """Other numbers, opposites, signs and a shared instruction: with the guards and without."""
    apples = (
        "Tom has {} apples and buys {} more apples at the shop on Sunday, before he walks home along the river, puts all "
        "of them into one big green bowl in the kitchen and asks his sister: How many apples does Tom have now?"
    )
    instruction = (
        "Solve the following math problem step by step. The last line of your response should be of the form "
        "Answer: $Answer (without quotes) where $Answer is the answer to the problem."
    )
    tasks = ["Expand (x + 1)(x - 4) fully.", "How deep is a well of 9 rings?", "Which prime follows 89?"]
    tasks += ["Add 17 to its double.", "Name the angle opposite to 35 degrees.", "What is half of 5 dozen?"]
    different = list(dict.fromkeys(text for pair in DIFFERENT for text in pair))
    texts = [
        *different,
        *(text for pair in SAME for text in pair),
        *(apples.format(k, k + 1) for k in range(2, 9)),
        *(f"{instruction}\n\n{task}" for task in tasks),
        apples.format(3, 4),
        f"{instruction}\n\n{tasks[0]}",
    ]
    language = ["zh" if any("\u4e00" <= c <= "\u9fff" for c in text) else "en" for text in texts]
    ids = [f"r{k:05d}" for k in range(len(texts))]
    table = pa.table({"id": ids, "question": texts, "language": language})
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=20)
    night = to_table(
        [Row(text, tongue, id=id) for id, text, tongue in zip(ids, texts, language, strict=True)]
    )
    gone = {}
    for guard in ("template", "numbers", "none"):
        settings = replace(GUARDED, shard_rows=20, guard=guard)
        gone[guard] = set(
            duplicates_of(Collection([tmp_path / "in.parquet"], tmp_path / guard, settings=settings).run())
        )
        decided = similarity(night, settings=replace(settings.decisions, rouge_l=1.0, per_template=10**6))
        expected = {id for id, why in zip(ids, column(decided, "rejected"), strict=True) if why is not None}
        assert gone[guard] == expected
    assert gone["numbers"] <= gone["template"] < gone["none"]
    # both copies go, whatever guards; the questions of one wording or one instruction stay
    assert set(ids[-2:]) <= gone["template"]
    assert not gone["template"] & set(ids[-15:-2])
    assert len(gone["none"] & set(ids[-15:-2])) >= 8
    assert not gone["template"] & set(ids[: len(different)])


@pytest.mark.slow
def test_the_result_does_not_depend_on_shards_and_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = files(tmp_path / "in", planted(150))
    whole = duplicates_of(Collection(paths, tmp_path / "a", settings=OutOfCore(recall=0.999)).run())
    monkeypatch.setattr(joining, "_PAIRS", 2048)
    cut = Collection(paths, tmp_path / "b", settings=OutOfCore(recall=0.999, shard_rows=40))
    assert len(cut.shards) >= 6
    assert duplicates_of(cut.run()) == whole


def test_one_text_many_times_costs_no_square(tmp_path: Path) -> None:
    count = 5_000  # a square would be 12,497,500 pairs
    table = pa.table({"id": [f"{k:06d}" for k in range(count)], "question": ["a b c d e f g"] * count})
    pq.write_table(table, tmp_path / "in.parquet")
    work = Collection([tmp_path / "in.parquet"], tmp_path / "work", TextSource(language=None))
    duplicates = pq.read_table(work.run())
    assert len(duplicates) == count - 1
    assert set(duplicates.column("of").to_pylist()) == {"000000"}
    assert pq.read_metadata(tmp_path / "work" / "pairs.parquet").num_rows == count - 1


def test_wide_bands_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "WIDEST", 3)
    groups = pa.array([[1, 2, 3, 4, 5, 6], [8, 9]])
    pairs = {pair for a, b in joining._pairs_of(groups) for pair in zip(a.tolist(), b.tolist(), strict=True)}
    assert pairs == {(a, b) for a in range(1, 7) for b in range(a + 1, min(a + 4, 7))} | {(8, 9)}


def test_equal_words_in_equal_order_have_equal_digests() -> None:
    texts = ["a b c d", "d c b a", "A b  c d", "", "x", "a b c d d", "b a"]
    digests = sketching.digests(tokens(texts, None))
    assert digests[0] == digests[2]
    assert digests[3] == 0
    assert len(np.unique(digests)) == 6


def _killed(paths: list[Path], folder: Path, at: int) -> None:
    """Die at the `at`-th file that is put in its place."""
    calls, replace = 0, os.replace

    def dying(*names: object) -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(*names)  # type: ignore[arg-type]

    os.replace = dying  # type: ignore[assignment]
    Collection(paths, folder, settings=SMALL).run()


@pytest.mark.slow
def test_a_run_that_was_killed_continues(tmp_path: Path) -> None:
    paths = files(tmp_path / "in", planted(150))
    whole = duplicates_of(Collection(paths, tmp_path / "whole", settings=SMALL).run())
    work = Collection(paths, tmp_path / "work", settings=SMALL)
    # in the first shard, in the second, and as the result is put in its place
    for at in (2, 5, 3 * (len(work.shards) - 1) + 1):
        run = multiprocessing.get_context("forkserver").Process(
            target=_killed, args=(paths, tmp_path / "work", at)
        )
        run.start()
        run.join(120)
        assert run.exitcode == -signal.SIGKILL
        assert not (tmp_path / "work" / "duplicates.parquet").exists()
    assert duplicates_of(work.run()) == whole
    assert duplicates_of(work.run()) == whole


@pytest.mark.slow
def test_a_folder_is_of_one_run(tmp_path: Path) -> None:
    paths = files(tmp_path / "in", planted(20))
    Collection(paths, tmp_path / "work", settings=SMALL).run()
    with pytest.raises(
        CollectionError,
        match="holds a run over other files or settings. Fix: give an empty folder",
    ):
        Collection(paths, tmp_path / "work", settings=OutOfCore(threshold=0.8)).run()
    with pytest.raises(CollectionError, match="holds a run over other files or settings"):
        Collection(paths, tmp_path / "work", settings=GUARDED).run()
    (tmp_path / "work" / "shards.json").write_text('{"rules": ')
    with pytest.raises(CollectionError, match=r"shards.json is damaged .*Fix: delete its folder"):
        Collection(paths, tmp_path / "work", settings=SMALL).run()


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    paths = files(tmp_path / "in", ["a b c"] * 4)
    with pytest.raises(CollectionError, match=r"0.parquet has no column 'problem'"):
        Collection(paths, tmp_path / "work", TextSource(text="problem")).run()
    (tmp_path / "text.parquet").write_text("plain")
    with pytest.raises(CollectionError, match="text.parquet is no Parquet file"):
        Collection([tmp_path / "text.parquet"], tmp_path / "other").run()


def test_nothing_to_find(tmp_path: Path) -> None:
    paths = files(tmp_path / "in", ["", "?", "a b c d", "e f g h"])
    assert duplicates_of(Collection(paths, tmp_path / "work", settings=SMALL).run()) == {}


@pytest.mark.soak
@pytest.mark.parametrize("on", ["dask", "ray"])
def test_dask_and_ray_find_the_same(tmp_path: Path, on: On, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip({"dask": "distributed", "ray": "ray"}[on])
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    paths = files(tmp_path / "in", planted(150))
    plain = duplicates_of(Collection(paths, tmp_path / "plain", settings=SMALL).run())
    with workers(on, 2) as each:
        assert duplicates_of(Collection(paths, tmp_path / on, settings=SMALL).run(each)) == plain
