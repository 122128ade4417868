"""Queries in a child process: results, refusals in one line, and effective limits."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage.datasets.store import Store
from storage.errors import StorageError
from storage.query import answer_on, run_query
from storage.sizes import bytes_of
from storage.sql import connect


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, rows, day) -> str:
    store = Store(tmp_path_factory.mktemp("query") / "home")
    store.publish("math-sft", [rows(0, 10)], lineage={}, date=day)
    store.append_candidates(rows(0, 10), run="r1", version="math-sft@2026.11.20", stage="published")
    return store.home.root


@pytest.fixture(scope="module")
def answer(root: str) -> Iterator[Callable[[str], str]]:
    """What the child process does once it has its limits, in this process: importing DuckDB anew takes a second each."""
    store = Store(root)
    with connect(store) as connection:
        request = {"seconds": 60.0, "memory": 2 * 10**9, "json": True}
        yield lambda query: answer_on(connection, store.datasets(), request | {"query": query})


def refused(ask: Callable[..., str], *asked: str, **more: object) -> str:
    with pytest.raises(StorageError) as caught:
        ask(*asked, **more)
    line = str(caught.value)
    assert "\n" not in line
    assert "Fix: " in line
    return line


@pytest.mark.slow
def test_rows_as_json_and_as_a_table(root: str) -> None:
    query = "SELECT count(*) AS n, [1.5::DOUBLE, NULL] AS l, DATE '2026-11-20' AS d FROM \"math-sft\""
    assert json.loads(run_query(root, query, as_json=True)) == [
        {"n": 10, "l": [1.5, None], "d": "2026-11-20"}
    ]
    assert "10" in run_query(root, query)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("170141183460469231731687303715884105727::HUGEINT", 2**127 - 1),
        ("'nan'::DOUBLE", None),
        ("'infinity'::DOUBLE", None),
        ("MAP {1: 'a'}", {"1": "a"}),
        ("TIMESTAMP '2026-11-20 01:02:03'", "2026-11-20T01:02:03"),
        ("1.50::DECIMAL(5,2)", "1.50"),
        ("INTERVAL 1 DAY", "1 day, 0:00:00"),
    ],
)
def test_every_kind_of_value_is_json(answer: Callable[[str], str], value: str, expected: object) -> None:
    (row,) = json.loads(answer(f"SELECT {value} AS v"))
    assert row["v"] == expected


DEEP = "SELECT " + "(" * 5_000 + "1" + ")" * 5_000


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "there is none"),
        ("   ", "there is none"),
        ("-- nothing", "there is none"),
        (";", "there is none"),
        ("SELECT 1; SELECT 2", "there are 2 of them"),
        ("SELECT 1; DROP VIEW rejected", "there are 2 of them"),
        ("SELECT", "SELECT clause"),
        ("SELECT * FROM nosuch", "rows, rejected"),
        ("SELECT nosuch FROM rows", "nosuch"),
        ("SELECT * FROM math-sft", 'put the name in double quotes: "math-sft"'),
        ("SELECT count(*) FROM math-sft@2026.11.20", 'put the name in double quotes: "math-sft@2026.11.20"'),
        ("SELECT error('one\ntwo')", "one"),
        ("SELECT 1/0::INT + 'x'::INT", "x"),
        ("CREATE TABLE t AS SELECT 1", "returns no rows"),
        ("DROP VIEW rejected", "returns no rows"),
        ("SET threads = 1", "returns no rows"),
        ("SELECT * FROM rows WHERE (", "syntax error"),
    ],
)
def test_refusals_are_one_line(answer: Callable[[str], str], query: str, words: str) -> None:
    assert words in refused(answer, query)


@pytest.mark.slow
def test_a_refusal_of_the_process_is_the_same_line(root: str, answer: Callable[[str], str]) -> None:
    query = "SELECT nosuch FROM rows"
    assert refused(run_query, root, query) == refused(answer, query)


@pytest.mark.slow
def test_a_query_that_is_nested_too_deeply_ends_its_process_at_most(root: str) -> None:
    refused(run_query, root, DEEP)


@pytest.mark.slow
def test_folders_with_other_names_are_left_alone(tmp_path: Path, rows, day) -> None:
    store = Store(tmp_path / "home")
    store.publish("math-sft", [rows(0, 3)], lineage={}, date=day)
    tables = next((tmp_path / "home").rglob("math-sft"))
    for name in ("Bad Name", "rows", "a..b", "\x1b[31m", "ünï", "-x", "x" * 120):
        (tables.parent / name / "_delta_log").mkdir(parents=True)
    assert store.datasets() == ["math-sft"]
    assert json.loads(
        run_query(str(tmp_path / "home"), 'SELECT count(*) AS n FROM "math-sft"', as_json=True)
    ) == [{"n": 3}]


ENDLESS = "SELECT sum(a.range * b.range * c.range) FROM range(1000000) a, range(1000000) b, range(1000000) c"


@pytest.mark.slow
def test_a_query_without_end_is_ended(root: str) -> None:
    assert "not answered within 2 s" in refused(run_query, root, ENDLESS, seconds=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "query",
    [
        "SELECT length(string_agg(repeat('x', 1000000) || range, '')) FROM range(1000000)",
        "SELECT list(repeat('x', 1000000) || range) FROM range(1000000)",
        "SELECT length(repeat('x', 4000000000))",
        "SELECT repeat('x', 100000) || range AS v FROM range(1000000)",
        "SELECT * FROM range(100000000) a, range(10) b ORDER BY hash(a.range + b.range) LIMIT 50000000",
    ],
)
def test_memory_is_bounded(root: str, query: str) -> None:
    """The peak of the child, seen by a process that has no other one."""
    script = (
        "import resource, sys\n"
        "from storage.errors import StorageError\n"
        "from storage.query import run_query\n"
        "try:\n    run_query(sys.argv[1], sys.argv[2], seconds=120, memory='300MB', as_json=True)\n"
        "except StorageError as error:\n    print(str(error))\n"
        "else:\n    print('answered')\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, root, query], capture_output=True, text=True, check=True, timeout=240
    )
    line, peak = done.stdout.splitlines()
    assert "more than 300MB of memory" in line
    assert int(peak) < 1_100_000  # KiB; 250 MB of libraries, 300 MB, and what is beside it


@pytest.mark.parametrize(
    "text", ["4XB", "", "GB", "-1GB", "1e9GB", "nan", "4", "80%", "0GB", "9" * 400 + "GB"]
)
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(StorageError, match="is no size of memory. Fix: "):
        bytes_of("--memory", text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4GB", 4 * 10**9),
        ("512 MB", 512 * 10**6),
        ("1.5gib", 3 * 2**29),
        ("2000000B", 2_000_000),
        (" 1 TB ", 10**12),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert bytes_of("--memory", text) == size


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 1e300])
def test_seconds_that_are_none(root: str, seconds: float) -> None:
    assert "seconds" in refused(run_query, root, "SELECT 1", seconds=seconds)
