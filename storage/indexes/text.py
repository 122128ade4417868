"""An index of the three-character sequences of texts: which texts may contain a word, in any language and also within words.

It is a contentless FTS5 table of SQLite with the tokenizer `trigram` and without positions, so that it holds about a byte per
different sequence of a text and none of the text. A text that contains a word contains all sequences of the word; hence what the index
returns is a superset, which the caller compares with the texts themselves. A word of one or two characters, as most Chinese ones are,
is looked up as the beginning of all sequences that begin with it.

Texts are entered by file, under a name that stands for its content; a file never changes, so what is entered is never stale. The index
may be deleted at any time. One process at a time writes to it.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FORMAT: Final = 1  # of the file; one of another format is deleted and made again
WIDTH: Final = 3  # characters of a sequence
_MEMORY: Final = 16 << 20  # bytes of new entries that are collected before they are written
_MOST_TERMS: Final = 500  # sequences that begin with a short word; more are not looked up
_PER_WORD, _IN_ALL = 3, 6  # rarest sequences that are looked up
_FREQUENT: Final = 20  # times the rows of the rarest sequence: such a sequence narrows little and costs time
_UNSAFE: Final = frozenset("\0\ufffe\uffff")  # which the tokenizer replaces, or ends a text at
_PADDING: Final = "\n\n"  # so that the last characters of a text begin a sequence too


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file of texts, and how many it has."""

    name: str
    rows: int


class TextIndex:
    """The index in one SQLite file; thread-safe, one writer at a time."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.Lock()
        self._reader = self._opened()
        with contextlib.suppress(sqlite3.OperationalError):  # there is no such table yet
            if self._reader.execute("SELECT format FROM about").fetchall() == [(FORMAT,)]:
                return
        self._reader.close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        self._reader = self._opened()
        self._reader.executescript(
            "BEGIN;"
            "CREATE VIRTUAL TABLE grams USING fts5(text, content='', columnsize=0, detail=none, tokenize='trigram case_sensitive 1');"
            f"INSERT INTO grams(grams, rank) VALUES ('hashsize', {_MEMORY});"
            "CREATE VIRTUAL TABLE terms USING fts5vocab(grams, 'row');"
            "CREATE TABLE counts (term TEXT PRIMARY KEY, rows INTEGER) WITHOUT ROWID;"
            "CREATE TABLE files (name TEXT PRIMARY KEY, first INTEGER, rows INTEGER, entered INTEGER, ready INTEGER) WITHOUT ROWID;"
            f"CREATE TABLE about AS SELECT {FORMAT} AS format;"
            "COMMIT;"
        )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._reader.close()

    def lacks(self, files: Sequence[TextFile]) -> int:
        """Return how many texts of these files cannot be looked up yet."""
        ready = {name for name, *_ in self._files() if _[-1]}
        return sum(file.rows for file in files if file.name not in ready)

    def entered(self, file: TextFile) -> int:
        """Return how many texts of a file are entered; a kill loses none of them."""
        return next((entered for name, _, _, entered, _ in self._files() if name == file.name), 0)

    def add(self, file: TextFile, texts: Iterable[str]) -> None:
        """Enter the next texts of a file, in small letters, behind those that are entered, in one transaction."""
        with self._writing() as connection:
            place = connection.execute(
                "SELECT first, entered FROM files WHERE name = ?", (file.name,)
            ).fetchone()
            if place is None:
                end = connection.execute("SELECT coalesce(max(first + rows), 1) FROM files").fetchone()[0]
                place = (end, 0)
                connection.execute("INSERT INTO files VALUES (?, ?, ?, 0, 0)", (file.name, end, file.rows))
            first, entered = place
            count = 0

            def numbered() -> Iterator[tuple[int, str]]:
                nonlocal count
                for text in texts:
                    yield first + entered + count, text.replace("\0", "\1") + _PADDING
                    count += 1

            connection.executemany("INSERT INTO grams(rowid, text) VALUES (?, ?)", numbered())
            connection.execute("UPDATE files SET entered = entered + ? WHERE name = ?", (count, file.name))

    def finish(self) -> None:
        """Count the sequences, after which the files that are entered whole can be looked up."""
        with self._writing() as connection:
            connection.execute("DELETE FROM counts")
            connection.execute("INSERT INTO counts SELECT term, doc FROM terms")
            connection.execute("UPDATE files SET ready = 1 WHERE entered = rows")

    def matching(
        self, files: Sequence[TextFile], words: Sequence[str], most: int
    ) -> list[tuple[str, int]] | None:
        """Return (file, place) of at least every text that contains all words, which are in small letters.

        None: there are more than `most`, or no word is rare enough that a look-up is worth it. The files must be ready.
        """
        with self._lock:
            expression = self._expression(words, most)
            if expression is None:
                return None
            if not expression:
                return []
            chosen = {file.name for file in files}
            places = sorted(
                (first, rows, name)
                for name, first, rows in self._reader.execute("SELECT name, first, rows FROM files")
                if name in chosen
            )
            if not places:
                return []
            low, high = places[0][0], places[-1][0] + places[-1][1] - 1
            hits = self._reader.execute(
                "SELECT rowid FROM grams WHERE grams MATCH ? AND rowid BETWEEN ? AND ? LIMIT ?",
                (expression, low, high, most + 1),
            ).fetchall()
        if len(hits) > most:
            return None
        starts = [first for first, _, _ in places]
        matches: list[tuple[str, int]] = []
        for (number,) in hits:
            first, rows, name = places[bisect_right(starts, number) - 1]
            if number < first + rows:
                matches.append((name, number - first))
        return matches

    def _expression(self, words: Sequence[str], most: int) -> str | None:
        """Return what FTS5 is asked for; "" if no text can match, None if it is not worth it."""
        parts: list[tuple[int, str]] = []
        for word in dict.fromkeys(words):
            if _UNSAFE & set(word):
                continue
            if len(word) >= WIDTH:
                grams = {word[place : place + WIDTH] for place in range(len(word) - WIDTH + 1)}
                counted = sorted((self._rows(gram), _quoted(gram)) for gram in grams)
                parts += counted[:_PER_WORD]
                continue
            terms = self._reader.execute(
                "SELECT term, rows FROM counts WHERE term BETWEEN ? AND ? LIMIT ?",
                (word, word + "\U0010ffff" * WIDTH, _MOST_TERMS + 1),
            ).fetchall()
            if not terms:
                return ""
            if len(terms) <= _MOST_TERMS:
                either = " OR ".join(_quoted(term) for term, _ in terms)
                parts.append((sum(rows for _, rows in terms), f"({either})"))
        if not parts:
            return None
        parts.sort()
        rarest = parts[0][0]
        if not rarest:
            return ""
        if rarest > 4 * most:
            return None
        worth = [part for rows, part in parts[:_IN_ALL] if rows <= max(_FREQUENT * rarest, most)]
        return " AND ".join(worth)

    def _rows(self, gram: str) -> int:
        rows = self._reader.execute("SELECT rows FROM counts WHERE term = ?", (gram,)).fetchone()
        return int(rows[0]) if rows else 0

    def _files(self) -> list[tuple[str, int, int, int, int]]:
        with self._lock:
            return self._reader.execute("SELECT name, first, rows, entered, ready FROM files").fetchall()

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=60, check_same_thread=False, isolation_level=None)
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("PRAGMA synchronous = normal")
        return connection

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection of its own within one transaction, so that look-ups go on meanwhile."""
        connection = self._opened()
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        finally:
            connection.close()


def _quoted(term: str) -> str:
    return '"' + term.replace('"', '""') + '"'
