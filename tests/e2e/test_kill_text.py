"""kill -9 in the middle of documents and of a corpus: the same command continues, and publishes the same version once."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.datasets.store import Store
from tests.e2e.processes import Home, end, wait_for
from tests.e2e.test_corpus import chunk, passage, publish

pytestmark = [pytest.mark.e2e, pytest.mark.soak]


def killed_and_continued(
    home: Callable[..., Home], prepare: Callable[[Home], None], words: tuple[str, ...], stored: int
) -> Home:
    """Run a command whole in one home; in another, kill it when `stored` shards are in the stage cache, and run it again. Both must
    publish the same digest, and a third start nothing."""
    dataset = words[words.index("--dataset") + 1]
    whole, one = home(), home()
    for each in (whole, one):
        prepare(each)
    whole.run(*words)
    expected = Store(whole.path).resolve(dataset)
    process = one.start(*words)
    shards = one.path / "shards"
    wait_for(
        lambda: len([*shards.glob("*/*.json")]) >= stored, 240, f"{stored} stored shards", process, every=0.05
    )
    end(process, signal.SIGKILL)
    assert dataset not in Store(one.path).datasets()
    one.run(*words)
    (version,) = Store(one.path).versions(dataset)
    assert (version.rows, version.digest) == (expected.rows, expected.digest)
    assert version.lineage["funnel"] == expected.lineage["funnel"]
    one.run(*words)
    assert len(Store(one.path).versions(dataset)) == 1
    return one


def test_documents(home: Callable[..., Home], tmp_path: Path) -> None:
    book = tmp_path / "book"
    book.mkdir()
    for number in range(24):
        text = "\n\n".join(
            f"This is one of the facts that we need for the proof in the book. {passage(100 * number + part)}"
            for part in range(8)
        )
        (book / f"{number:02d}.md").write_text(f"# Chapter {number}\n\n{text}\n")
    words = ("documents", str(book), "--dataset", "books", "--license", "CC0", "--set", "shard_documents=4")
    killed_and_continued(home, lambda one: None, words, 2)


def test_a_corpus(home: Callable[..., Home], tmp_path: Path) -> None:
    def prepare(one: Home) -> None:
        store = Store(one.path)
        publish(store, "books", [chunk(n, part, passage(7 * n + part)) for n in range(60) for part in (1, 2)])
        publish(store, "copies", [chunk(n, 1, passage(7 * n + 1)) for n in range(20)])

    words = ("corpus", "books", "copies", "--dataset", "pre", "--set", "shard_rows=10")
    killed_and_continued(home, prepare, words, 4)
