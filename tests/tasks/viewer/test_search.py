"""The index of words gives exactly the rows that reading all texts gives, is made in the background, and survives a kill."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.filled_store import DATASET
from storage.datasets.store import Store
from storage.rows import Row, to_table
from tasks.viewer import search as search_module
from tasks.viewer.conditions import words as asked_words
from tasks.viewer.index import RowIndex, RowScope, opened
from tasks.viewer.search import WordSearch
from tasks.viewer.site import Site
from tests.tasks.viewer.conftest import client_of

ODD = (
    "钢笔", "箱", "剩", "支钢", "x = ", "$x$", "23 b", "e}}$", "\\boxed", "PRINT(", '"pens in all"', "boxes -pens", "-boxes 12", "zq", "é", "e\u0301", "\x00b",
    "a\x00b", "\ufffe", "%_*", 'a"b', "'", "OR", "NOT", "NEAR(a b)", "İ", "ß", "🙂", "7", "no such words at all", '""', "-", "\U0010ffff",
)  # fmt: skip
STRANGE = ("A \x00b\x00c with a nul", "ends in 钢笔", "é and e\u0301, İstanbul, STRASSE ß", "x\ufffey \uffff 🙂🙂", 'say "a"b" OR NOT', "箱", "7", "\U0010ffff\U0010ffff")  # fmt: skip


@pytest.fixture(scope="module")
def store(filled: Path) -> Store:
    store = Store(filled)
    rows = [Row(text, "en", solution=f"s{number}", answer="7") for number, text in enumerate(STRANGE)]
    store.publish("strange", [to_table(rows)], lineage={})
    return store


def by_reading(index: RowIndex, scope: RowScope, query: str) -> list[int] | None:
    words = WordSearch(index, index.folder / "unused", indexed_from=1 << 60)
    numbers = words.matching(scope, query)
    words.close()
    return numbers


def test_the_index_gives_the_rows_that_reading_all_texts_gives(store: Store, tmp_path: Path) -> None:
    with opened(store, tmp_path) as index:
        words = WordSearch(index, tmp_path, indexed_from=0)
        scopes = [index.kept(version) for name in (DATASET, "strange") for version in store.versions(name)]
        scopes.append(index.dropped(store.versions(DATASET)[0]))
        for scope in scopes:
            words.make(scope)
        draws = random.Random(5)
        matched = 0
        for scope in scopes:
            texts = dict(index.query(f"SELECT n, text FROM rows WHERE {scope.where}", scope.values))
            parts = []
            for _ in range(25):
                text = draws.choice(list(texts.values()))
                start, length = draws.randrange(len(text)), draws.choice((1, 2, 3, 4, 9))
                parts.append(f'"{text[start : start + length]}"')
            for query in (*ODD, *parts):
                asked = asked_words(query)
                expected = [
                    n for n, text in texts.items() if all((word in text) is must for must, word in asked)
                ]
                assert words.matching(scope, query) == expected, query
                matched += len(expected)
        assert matched > 1_000
        for query in ODD[::4]:
            assert words.matching(scopes[-1], query) == by_reading(index, scopes[-1], query)
        assert words._candidates(scopes[0], "42 boxes") is not None  # the index was asked
        assert words._candidates(scopes[0], "箱") is not None
        words.close()


def test_it_is_made_behind_the_first_search_and_kept(
    site_of: Callable[..., Site], filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "_PIECE", 7)
    site = site_of(filled)
    site.words._indexed_from = 0
    version = site.store.versions(DATASET)[0]
    scope = site.index.kept(version)
    client = client_of(site)
    first = client.get(f"/versions/{version}/rows?q=钢笔").text
    assert "<b>" in first
    deadline = time.monotonic() + 60
    while site.words._texts.lacks([search_module._text_file(file) for file in scope.files]):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert site.words.building(scope) is None
    assert site.words._candidates(scope, "钢笔") is not None
    site.words.close()
    again = WordSearch(site.index, site.index.folder, indexed_from=0)
    assert again._candidates(scope, "钢笔") is not None  # out of the file, with no thread
    assert again._thread is None
    again.close()


def test_it_continues_where_it_was_ended(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "_PIECE", 50)
    with opened(store, tmp_path) as index:
        scope = index.kept(store.versions(DATASET)[0])
        words = WordSearch(index, tmp_path, indexed_from=0)
        add, calls = words._texts.add, []

        def ending(*given: object) -> None:
            calls.append(given)
            add(*given)  # type: ignore[arg-type]
            if len(calls) == 2:
                words._stop.set()

        monkeypatch.setattr(words._texts, "add", ending)
        with pytest.raises(InterruptedError):
            words.make(scope)
        words.close()
        words = WordSearch(index, tmp_path, indexed_from=0)
        text = search_module._text_file(scope.files[0])
        assert words._texts.entered(text) == 100
        assert words._texts.lacks([text]) == scope.files[0].rows
        words.make(scope)
        for query in ("钢笔", "42", "boxes"):
            assert words.matching(scope, query) == by_reading(index, scope, query)
        words.close()


def test_small_scopes_have_no_index(site_of: Callable[..., Site], filled: Path) -> None:
    site = site_of(filled)
    scope = site.index.kept(site.store.versions(DATASET)[0])
    assert site.words.matching(scope, "钢笔")
    assert site.words._thread is None
    assert site.words._texts.entered(search_module._text_file(scope.files[0])) == 0
