"""kill -9 in the middle of documents, of a corpus and of a method that runs alone: the same command continues, publishes the same version
once, and pays twice at most for what was in flight."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.datasets.store import Store
from storage.rows import to_table
from tests.e2e.processes import Home, Teacher, end, wait_for
from tests.e2e.test_corpus import chunk, passage, publish
from tests.e2e.test_every_method import calls_of
from tests.e2e.test_kill import IN_FLIGHT, pointed_at
from tests.e2e.test_make import QUICK, with_passages
from tests.tasks.methods.test_compose import KNOWN, of_families

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


LIFTED = ("committee_count", "list_statistics", "chinese_remainder")


def with_programs(one: Home) -> None:
    """Publish problems with verified programs in the home, whose functions compose."""
    Store(one.path).publish("programs", [to_table(of_families(30, *KNOWN))], lineage={})


def with_templates(one: Home) -> None:
    """Publish a problem with its program of each of a few families in the home, whose templates lift."""
    Store(one.path).publish("programs", [to_table(of_families(1, *KNOWN, *LIFTED))], lineage={})


def with_few_passages(one: Home) -> None:
    with_passages(one, 12)


@pytest.mark.parametrize(
    ("method", "tag", "prepare"),
    [
        *((name, name, with_few_passages) for name in ("textbook_qa", "refine", "web_qa")),
        ("concepts", "extract_concepts", with_few_passages),
        ("compose", "compose", with_programs),
        ("lift", "solve", with_templates),
    ],
)
def test_a_method(
    home: Callable[..., Home],
    teacher: Callable[..., Teacher],
    method: str,
    tag: str,
    prepare: Callable[[Home], None],
) -> None:
    """Killed at half of its calls of one kind: questions, concepts of texts, or solutions."""
    whole_server, server = teacher(), teacher()
    whole, one = pointed_at(home, whole_server), pointed_at(home, server)
    for each in (whole, one):
        prepare(each)
    (material,) = Store(whole.path).datasets()
    count = () if material == "books" and method != "concepts" else ("--target", "12")
    words = ("make", method, material, "--dataset", "made", *QUICK, *count, "--set", "verify.known=0")
    whole.run(*words)
    expected, counted = Store(whole.path).resolve("made"), whole_server.stats()
    calls = calls_of(whole, tag)
    assert calls > 4
    process = one.start(*words)
    wait_for(lambda: calls_of(one, tag) >= calls // 2, 240, f"half of {calls} calls", process, every=0.01)
    end(process, signal.SIGKILL)
    assert Store(one.path).datasets() == [material]
    assert calls_of(one, tag) < calls
    one.run(*words)
    (version,) = Store(one.path).versions("made")
    assert (version.rows, version.digest) == (expected.rows, expected.digest)
    again = server.stats()
    assert again["distinct_requests"] == counted["distinct_requests"]
    assert again["repeated_requests"] <= IN_FLIGHT
    assert calls_of(one, tag) == calls
