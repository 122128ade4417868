"""The search for words: which rows of a scope hold all words and phrases of a query, and none that it excludes.

The text of a row is its question, solution and answer in small letters, and a word is in it wherever its characters are, also within a
word. Texts of large scopes are looked up in an index (storage.indexes.text), which a thread of its own makes when it is first needed; the
rows that it returns are compared with the query as all rows are without it, so that both give the same rows. Until it is made, the
texts are read.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from storage.indexes.text import TextFile, TextIndex
from tasks.viewer.conditions import search, words
from tasks.viewer.index import CopiedFile, RowIndex, RowScope

NAME: Final = "words.sqlite"
INDEXED_FROM: Final = (
    100_000  # rows of a scope from which it has an index; fewer are read in less than a tenth of a second
)
MOST: Final = 50_000  # rows that a look-up returns; a query that more rows may match reads the texts
_PIECE: Final = 20_000  # texts that are entered at a time
# a list of numbers as a table: DuckDB skips whole blocks by it, which it does not by a long IN (...)
LISTED: Final = "IN (SELECT unnest(?::BIGINT[]))"


@dataclass(frozen=True, slots=True)
class Building:
    """How far the index of words is."""

    done: int
    rows: int


class WordSearch:
    """Searches the rows of a database of the page. Close it before the database."""

    def __init__(self, index: RowIndex, folder: Path, *, indexed_from: int = INDEXED_FROM) -> None:
        self._index = index
        self._texts = TextIndex(folder / NAME)
        self._indexed_from = indexed_from
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._asked: dict[str, CopiedFile] = {}
        self._stop = threading.Event()

    def close(self) -> None:
        """End the thread and close the index; what is entered stays."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._texts.close()

    def matching(self, scope: RowScope, query: str) -> list[int] | None:
        """Return the numbers of the rows that a search finds, in order; None if they are more than MOST."""
        candidates = self._candidates(scope, query)
        if candidates is None:
            condition, values = search(query)
            numbers = self._index.query(
                f"SELECT n FROM rows WHERE {scope.where} AND {condition} LIMIT {MOST + 1}",
                [*scope.values, *values],
            )
            return None if len(numbers) > MOST else sorted(n for (n,) in numbers)
        # compared here: as a condition of the query, DuckDB would read the texts of all rows before it looks at the list
        asked = words(query)
        texts = self._index.query(
            f"SELECT n, text FROM rows WHERE n {LISTED} AND {scope.where}", [tuple(candidates), *scope.values]
        )
        return sorted(n for n, text in texts if all((word in text) is must for must, word in asked))

    def building(self, scope: RowScope) -> Building | None:
        """Return how far the index of a scope is while it is being made."""
        with self._lock:
            if self._thread is None:
                return None
        files = [_text_file(file) for file in scope.files]
        if not self._texts.lacks(files):
            return None
        return Building(sum(self._texts.entered(file) for file in files), sum(file.rows for file in files))

    def make(self, scope: RowScope) -> None:
        """Make the index of a scope now. Raises InterruptedError if it is closed meanwhile."""
        self._enter(scope.files)

    def _candidates(self, scope: RowScope, query: str) -> list[int] | None:
        """Return the numbers of at least all rows that match; None if the texts have to be read."""
        needed = [word for must, word in words(query) if must]
        if not needed or sum(file.rows for file in scope.files) < self._indexed_from:
            return None
        files = {_text_file(file): file for file in scope.files}
        if self._texts.lacks(list(files)):
            self._start(scope)
            return None
        matches = self._texts.matching(list(files), needed, MOST)
        if matches is None:
            return None
        first = {text.name: file.first for text, file in files.items()}
        return [first[name] + place for name, place in matches]

    def _start(self, scope: RowScope) -> None:
        with self._lock:
            self._asked |= {_text_file(file).name: file for file in scope.files}
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._work, name="words", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        try:
            while True:
                with self._lock:
                    files, self._asked = tuple(self._asked.values()), {}
                    if not files:
                        self._thread = None
                        return
                self._enter(files)
        except InterruptedError:  # the page ends
            return
        except Exception:  # the page stays; searches read the texts, and the next one begins again
            logging.getLogger(__name__).exception("the index of words could not be made")
            with self._lock:
                self._thread = None

    def _enter(self, files: tuple[CopiedFile, ...]) -> None:
        for file in files:
            text = _text_file(file)
            for start in range(self._texts.entered(text), file.rows, _PIECE):
                if self._stop.is_set():
                    raise InterruptedError
                low = file.first + start
                rows = self._index.query(
                    "SELECT n, text FROM rows WHERE n BETWEEN ? AND ?",
                    [low, min(low + _PIECE, file.first + file.rows) - 1],
                )
                self._texts.add(text, (one for _, one in sorted(rows)))
        self._texts.finish()


def _text_file(file: CopiedFile) -> TextFile:
    return TextFile(f"{file.table}/{file.name}", file.rows)
