"""SQL over the tables: the views that can be queried, and that nothing else can be reached."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from storage.datasets.store import Store
from storage.errors import StorageError
from storage.reasons import Code, reason
from storage.rows import reject
from storage.sql import connect


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, rows, day) -> Store:
    store = Store(tmp_path_factory.mktemp("sql") / "home")
    store.publish("math-sft", [rows(0, 10)], lineage={}, date=day)
    store.publish("math-sft", [rows(10, 14)], lineage={}, date=day)
    store.publish("probe", [rows(0, 3)], lineage={}, date=day)
    dropped = reject(
        rows(20, 25),
        [reason("verify", Code.DIFFERENT, answer=7, reference=8)] * 4
        + [reason("critique", Code.CALL_FAILED, error="no answer")],
    )
    store.append_candidates(rows(0, 10), run="r1", version="math-sft@2026.11.20", stage="published")
    store.append_candidates(dropped, run="r1")
    return store


@pytest.fixture
def connection(filled: Store) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(filled) as opened:
        yield opened


def one(connection: duckdb.DuckDBPyConnection, query: str) -> object:
    rows = connection.sql(query).fetchall()
    assert len(rows) == 1
    assert len(rows[0]) == 1
    return rows[0][0]


def test_views(connection: duckdb.DuckDBPyConnection) -> None:
    assert one(connection, "SELECT count(*) FROM rows") == 15
    assert one(connection, "SELECT count(*) FROM rejected") == 5
    assert one(connection, 'SELECT count(*) FROM "math-sft"') == 14
    assert one(connection, 'SELECT count(*) FROM "math-sft@2026.11.20"') == 10
    assert one(connection, 'SELECT count(*) FROM "math-sft@2026.11.20.2"') == 14
    assert one(connection, "SELECT count(*) FROM probe") == 3
    assert connection.sql(
        "SELECT stage, version, count(*) FROM rows GROUP BY ALL ORDER BY ALL"
    ).fetchall() == [
        ("critique", None, 1),
        ("published", "math-sft@2026.11.20", 10),
        ("verify", None, 4),
    ]
    assert connection.sql(
        "SELECT stage, code, reason.failed, reason.values['answer'], count(*) FROM rejected GROUP BY ALL ORDER BY ALL"
    ).fetchall() == [
        ("critique", "call_failed", True, None, 1),
        ("verify", "different", False, "7", 4),
    ]
    assert one(connection, "SELECT count(*) FROM rows WHERE verdicts['executed'] = 'ok'") == 7
    assert one(connection, "SELECT round(sum(scores['answer']), 2) FROM probe") == pytest.approx(0.43)
    assert (
        one(
            connection,
            'SELECT count(*) FROM "math-sft" WHERE id NOT IN (SELECT id FROM "math-sft@2026.11.20")',
        )
        == 4
    )


def test_it_sees_the_versions_of_when_it_was_opened(store: Store, rows, day) -> None:
    store.publish("d", [rows(0, 2)], lineage={}, date=day)
    with connect(store) as connection:
        store.publish("d", [rows(2, 9)], lineage={}, date=day)
        assert one(connection, "SELECT count(*) FROM d") == 2
        assert one(connection, "SELECT count(*) FROM rows") == 0


def test_nothing_stored_yet(store: Store) -> None:
    with pytest.raises(StorageError, match="run `./mathmill nightly` first"):
        connect(store)
    assert not Path(store.home.root).exists()


SECRET = "the secret of the host"

REACHES_OUT = [
    "SELECT * FROM read_text('{secret}')",
    "SELECT * FROM read_csv('{secret}')",
    "SELECT * FROM '{secret}'",
    "SELECT * FROM read_blob('{home}/tables/*/*.parquet')",
    "SELECT * FROM read_parquet('{home}/tables/math-sft/*.parquet')",
    "SELECT * FROM glob('{folder}/*')",
    "COPY (SELECT 1) TO '{folder}/out.csv'",
    "COPY rows TO '{home}/tables/math-sft/evil.parquet'",
    "EXPORT DATABASE '{folder}/out'",
    "ATTACH '{folder}/out.duckdb'",
    "INSTALL httpfs",
    "LOAD '{secret}'",
    "SELECT * FROM read_csv('http://127.0.0.1:9/x')",
    "SET enable_external_access = true",
    "RESET enable_external_access",
    "SET lock_configuration = false",
    "SET temp_directory = '{folder}'",
    "SET allowed_paths = ['{secret}']",
    "PRAGMA profiling_output = '{folder}/out.json'",
    "SET log_query_path = '{folder}/out.log'",
    "CALL enable_logging(storage = 'file', storage_path = '{folder}/out')",
    "SELECT getenv('PATH')",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM store",
    "SELECT * FROM leaked",
]


@pytest.mark.parametrize("query", REACHES_OUT)
def test_nothing_outside_is_reached(
    connection: duckdb.DuckDBPyConnection, filled: Store, tmp_path: Path, query: str
) -> None:
    import pyarrow as pa

    leaked = pa.table({"secret": [SECRET]})  # a Python variable of a caller is no table
    assert leaked.num_rows == 1
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "secret.txt").write_text(SECRET)
    before = sorted([*tmp_path.rglob("*"), *Path(filled.home.root).rglob("*")])
    text = query.format(secret=folder / "secret.txt", folder=folder, home=filled.home.root)
    with pytest.raises(duckdb.Error):
        connection.execute(text).fetchall()
    assert sorted([*tmp_path.rglob("*"), *Path(filled.home.root).rglob("*")]) == before


def test_the_stored_tables_cannot_be_written(connection: duckdb.DuckDBPyConnection, filled: Store) -> None:
    for query in (
        'DELETE FROM "math-sft"',
        "UPDATE rows SET answer = '1'",
        "INSERT INTO probe SELECT * FROM probe",
    ):
        with pytest.raises(duckdb.Error):
            connection.sql(query)
    connection.execute('DROP VIEW "math-sft"')
    filled.verify("math-sft")
    with connect(filled) as another:
        assert one(another, 'SELECT count(*) FROM "math-sft"') == 14


def test_no_progress_bar_is_written_to_standard_output(connection: duckdb.DuckDBPyConnection) -> None:
    """DuckDB draws one for a query of more than two seconds, in the middle of what `--json` prints."""
    assert one(connection, "SELECT current_setting('enable_progress_bar')") is False
