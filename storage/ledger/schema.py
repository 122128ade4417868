"""Tables of the completion ledger, and functions that open its databases.

`calls` holds what an endpoint sent, byte for byte, and is append-only. `bills` holds the usage that was read from those
bytes afterwards (outcome, tokens, cost), so that raw bytes are durable before anything parses them. A call without a usage
was interrupted by a crash; the next process that opens the ledger reads it.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.engine import Engine as Database

from storage.errors import ForPeople
from storage.ledger import seals

VERSION = 4
COMPLETION = "completion"  # the outcome of a call whose bytes are the completion of its key
DUPLICATE = "duplicate"  # the outcome of a second completion of a key

metadata = sa.MetaData()

# 64-bit ids in both databases; SQLite only autoincrements a column spelled INTEGER.
_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")

calls = sa.Table(
    "calls",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=False),
    sa.Column("key", sa.LargeBinary(32), nullable=False, index=True),
    sa.Column("created", sa.Double, nullable=False),  # Unix seconds, UTC
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("tag", sa.Text, nullable=False),
    sa.Column(
        "run", sa.Text, nullable=False, server_default="", index=True
    ),  # the run that paid for it; since version 2
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("elapsed", sa.Double, nullable=False),  # seconds from send to last byte
    sa.Column("price_in", sa.Double, nullable=False),  # USD per million tokens when it was bought
    sa.Column("price_out", sa.Double, nullable=False),
    sa.Column("request", sa.LargeBinary, nullable=False),
    sa.Column("raw", sa.LargeBinary, nullable=False),
    sa.Column("seal", sa.LargeBinary(32)),  # since version 3; see seals.py
)

bills = sa.Table(
    "bills",
    metadata,
    sa.Column("call_id", _Id, primary_key=True, autoincrement=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
    sa.Column("completion_tokens", sa.BigInteger, nullable=False),
    sa.Column("estimated", sa.Boolean, nullable=False),
    sa.Column("cost", sa.Double, nullable=False),
    sa.Column("seal", sa.LargeBinary(16)),  # since version 3; see seals.py
)

meta = sa.Table(
    "ledger_meta",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)


class LedgerError(ForPeople, ValueError):
    """The ledger cannot be used; the message names the file or URL and the fix."""


class Damaged(LedgerError):
    """A record of the ledger differs from what was stored; the message names it."""


@dataclass(frozen=True, slots=True)
class Call:
    """One response of an endpoint, with the request that it answers.

    `key` is a SHA-256 in hex, `created` is in Unix seconds, `elapsed` in seconds, prices are in USD per million tokens.
    """

    key: str
    request: bytes
    raw: bytes
    status: int
    model: str
    created: float
    role: str = ""
    tag: str = ""
    run: str = ""
    elapsed: float = 0.0
    price_in: float = 0.0
    price_out: float = 0.0


@dataclass(frozen=True, slots=True)
class Stored:
    """A durable call, with its usage. `outcome` is None while no usage is recorded."""

    id: int
    call: Call
    outcome: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class CallUsage:
    """The usage that was read from one stored call. `cost` is in USD; `estimated` tokens were not stated by the endpoint."""

    call_id: int
    outcome: str
    prompt_tokens: int
    completion_tokens: int
    estimated: bool
    cost: float


def pack(data: bytes) -> bytes:
    """Compress with zstd, behind four bytes with the plain size, which Arrow's decompressor needs."""
    return len(data).to_bytes(4, "big") + bytes(_codec.compress(data, asbytes=True))


def unpack(data: bytes) -> bytes:
    """Return what `pack` compressed."""
    size = int.from_bytes(data[:4], "big")
    return bytes(_codec.decompress(data[4:], decompressed_size=size, asbytes=True)) if size else b""


_codec = pa.Codec("zstd", compression_level=1)


_NO_URL = (
    "MATHMILL_LEDGER is neither a path nor a database URL. Fix: give it as "
    "postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with special characters of the password as %2F and so on"
)


_CREDENTIALS = re.compile(r":[^/@]+@")


def location(url_or_path: str | Path) -> sa.URL:
    """Return the SQLAlchemy URL for a path (SQLite) or for a postgresql:// or sqlite:// URL.

    Raises LedgerError if it is neither. The message never quotes the text, which may hold a password.
    """
    text = str(url_or_path)
    if "://" not in text and _CREDENTIALS.search(text):
        raise LedgerError(
            _NO_URL
        )  # a mistyped URL: taken as a path, its password would become the name of a folder
    if "://" not in text:
        return sa.URL.create("sqlite", database=str(Path(text).expanduser()))
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):  # whose text quotes the URL, and so the password
        raise LedgerError(_NO_URL) from None
    backend = url.get_backend_name()
    if backend == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise LedgerError(
            f"a ledger is stored in SQLite or PostgreSQL, not in {backend}. Fix: check MATHMILL_LEDGER"
        )
    return url


def connect(url: sa.URL, *, writing: bool) -> Database:
    """Return a SQLAlchemy engine. Writers take the write lock at BEGIN; readers take none.

    Raises LedgerError if the driver for PostgreSQL is not installed.
    """
    if url.get_backend_name() != "sqlite":
        try:
            if writing:
                return sa.create_engine(url, pool_size=1, pool_pre_ping=True)
            return sa.create_engine(url, pool_size=2, pool_pre_ping=True, isolation_level="AUTOCOMMIT")
        except ModuleNotFoundError as error:
            raise LedgerError(
                "a PostgreSQL ledger needs psycopg. Fix: pip install 'mathmill[postgres]'"
            ) from error
    database = sa.create_engine(url, connect_args={"timeout": 60.0})

    @sa.event.listens_for(database, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver's own BEGIN is deferred and would deadlock on upgrade
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")  # a commit is on the disk, not only in the kernel
        cursor.close()

    if writing:

        @sa.event.listens_for(database, "begin")
        def _begin(connection: sa.Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return database


def prepare(database: Database) -> None:
    """Create missing tables and columns. Raises LedgerError if a newer version wrote the ledger, or if it is damaged."""
    with alone(database.url), database.begin() as connection:
        lock(connection)
        inspector = sa.inspect(connection)
        if inspector.has_table("calls") and "run" not in {
            column["name"] for column in inspector.get_columns("calls")
        }:
            connection.exec_driver_sql("ALTER TABLE calls ADD COLUMN run TEXT NOT NULL DEFAULT ''")
            connection.exec_driver_sql("CREATE INDEX ix_calls_run ON calls (run)")
        for table in (calls, bills):
            # nullable, so that a running process of version 2 can still write: its records have no seal until
            # `mathmill maintain`
            if inspector.has_table(table.name) and "seal" not in {
                c["name"] for c in inspector.get_columns(table.name)
            }:
                kind = table.c.seal.type.compile(connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN seal {kind}")
        metadata.create_all(connection)
        version = connection.execute(sa.select(meta.c.value).where(meta.c.name == "version")).scalar()
        if version is None:
            connection.execute(meta.insert().values(name="version", value=str(VERSION)))
            _note_top(connection)
        elif not version.isdecimal():
            raise LedgerError(
                f"{shown(database.url)} says that its version is {version!r:.40}: it is damaged. "
                "Fix: restore the ledger from a copy"
            )
        elif int(version) > VERSION:
            raise LedgerError(
                f"{shown(database.url)} was written by a newer mathmill (ledger version {version}, "
                f"this one reads {VERSION}). Fix: update mathmill"
            )
        elif int(version) < VERSION:
            _note_top(connection)
            connection.execute(meta.update().where(meta.c.name == "version").values(value=str(VERSION)))


def _note_top(connection: sa.Connection) -> None:
    """Write the note of the newest call, which ledgers have since version 4; see seals.py."""
    top = connection.execute(sa.select(sa.func.max(calls.c.id))).scalar() or 0
    connection.execute(meta.delete().where(meta.c.name == seals.TOP))
    connection.execute(meta.insert().values(name=seals.TOP, value=seals.of_top(top)))


def only_for_its_owner(path: Path) -> None:
    """Create the SQLite file if it is missing, readable by its owner alone: it holds prompts and completions.

    SQLite gives the -wal and -shm files beside it the same mode.
    """
    if str(path) == ":memory:":
        return
    # the mode of another user's file is not changed, and a path that cannot be opened is reported by the database next
    with suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        for file in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
            if file.exists():
                file.chmod(0o600)


@contextmanager
def alone(url: sa.URL) -> Iterator[None]:
    """Admit one process at a time to open a SQLite file: its switch to WAL fails with "locked" at once, whatever the timeout.

    The lock is on the folder, so that no lock file is left behind.
    """
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        yield
        return
    folder = os.open(Path(url.database).parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def lock(connection: sa.Connection) -> None:
    """Serialise writers on PostgreSQL, so that ids follow the order of commits and the first durable call wins."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(7020105)"))


def shown(url: sa.URL) -> str:
    """Return the URL for messages: the path of a SQLite file, or the URL without its password."""
    return url.database or "ledger" if url.get_backend_name() == "sqlite" else url.render_as_string()
