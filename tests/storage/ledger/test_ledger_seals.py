"""Every record of the ledger has a seal: a flipped bit is reported and never changes an answer."""

from __future__ import annotations

import contextlib
import hashlib
import random
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from storage.ledger import Call, CallUsage, Damaged, Ledger, LedgerError, Stored
from tasks.seeding import rng_of
from tests.e2e.postgres import PASSWORD, postgres, sql

CALLS = 40


def call(number: int) -> Call:
    key = hashlib.sha256(str(number).encode()).hexdigest()
    text = " ".join(hashlib.sha256(f"{number} {part}".encode()).hexdigest() for part in range(20))
    return Call(
        key=key,
        request=f'{{"n": {number}}}'.encode(),
        raw=text.encode(),
        status=200,
        model="m",
        created=1_700_000_000.5 + number,
        role="teacher",
        tag="t",
        run="r",
        elapsed=0.25,
        price_in=1.0,
        price_out=2.0,
    )


def fill(path: Path, count: int = CALLS) -> None:
    with Ledger.open(path) as ledger:
        for number in range(count):
            receipt = ledger.put(call(number)).result()
            ledger.record_usage(CallUsage(receipt.id, "completion", 10, number, False, 0.5))


def checkpoint(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def content(path: Path) -> dict[str, list[Stored]]:
    with Ledger.open(path) as ledger:
        stored_by_key = ledger.get_many(call(number).key for number in range(CALLS))
        list(ledger.every())
        return stored_by_key


def flips(tmp_path: Path, count: int) -> tuple[int, int]:
    """Flip `count` bits, one at a time; (how many were named, how many hit no record)."""
    whole = tmp_path / "whole.sqlite"
    fill(whole)
    checkpoint(whole)
    data, good = whole.read_bytes(), content(whole)
    rng = rng_of("ledger flips", count)
    named = 0
    for index in range(count):
        path = tmp_path / f"{index}.sqlite"
        changed = bytearray(data)
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        try:
            with Ledger.open(path) as ledger:
                _, lines = ledger.verify()
        except LedgerError as error:
            lines = [str(error)]
        for line in lines:
            assert "\n" not in line
        if lines:
            named += 1
        else:  # what is not named must have harmed nothing
            assert content(path) == good
        with contextlib.suppress(LedgerError):
            for key, stored in content(path).items():
                assert [item.call for item in stored] == [item.call for item in good[key]]
        path.unlink()
    return named, count - named


@pytest.mark.slow
def test_sixty_flips_are_named_or_harm_nothing(tmp_path: Path) -> None:
    named, harmless = flips(tmp_path, 60)
    assert named > harmless


@pytest.mark.soak
def test_four_hundred_flips_are_named_or_harm_nothing(tmp_path: Path) -> None:
    named, harmless = flips(tmp_path, 400)
    assert named > harmless


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("UPDATE calls SET raw = (SELECT raw FROM calls WHERE id = 4) WHERE id = 3", "call 3 (key {key}) was altered"),
        ("UPDATE calls SET model = 'n' WHERE id = 3", "call 3 (key {key}) was altered"),
        ("UPDATE calls SET request = x'00' WHERE id = 3", "the request of call 3 (key {key}) was altered"),
        ("UPDATE bills SET cost = 0.25 WHERE call_id = 3", "the usage of call 3 (key {key}) was altered"),
        ("UPDATE bills SET outcome = 'error' WHERE call_id = 3", "the usage of call 3 (key {key}) was altered"),
        ("UPDATE calls SET seal = x'00' WHERE id = 3", "call 3 (key {key}) was altered"),
    ],
)  # fmt: skip
def test_an_altered_record_is_named_by_its_key(tmp_path: Path, change: str, line: str) -> None:
    path = tmp_path / "ledger.sqlite"
    fill(path, 5)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(change)
        database.commit()
    expected = line.format(key=call(2).key[:12])
    with Ledger.open(path) as ledger:
        assert ledger.verify() == (5, [f"{path}: {expected}"])
        with pytest.raises(Damaged, match=r"Fix: ") as caught:
            list(ledger.every())
        assert expected in str(caught.value)
        assert len(ledger.get_many([call(1).key, call(3).key])) == 2


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        (["DELETE FROM calls WHERE id = 5"], ["call 5 is missing"]),
        (["DELETE FROM calls WHERE id >= 4", "DELETE FROM bills WHERE call_id >= 4"], ["calls 4 to 5 are missing"]),
        (["DELETE FROM calls WHERE id IN (1, 3)"], ["call 1 is missing", "call 3 is missing"]),
        (["DELETE FROM calls"], ["calls 1 to 5 are missing"]),
        (["DELETE FROM ledger_meta WHERE name = 'top'"], ["the note of the newest call is missing"]),
        (["UPDATE ledger_meta SET value = '4' || substr(value, 2) WHERE name = 'top'"],
         ["the note of the newest call was altered"]),
        (["DELETE FROM bills WHERE call_id = 2"], ["the usage of call 2 is missing"]),
    ],
)  # fmt: skip
def test_a_removed_record_is_named(tmp_path: Path, changes: list[str], lines: list[str]) -> None:
    path = tmp_path / "ledger.sqlite"
    fill(path, 5)
    with Ledger.open(path) as ledger:
        ledger.record_missing_usage(lambda stored: CallUsage(stored.id, "completion", 0, 0, False, 0.0))
    with contextlib.closing(sqlite3.connect(path)) as database:
        for change in changes:
            database.execute(change)
        database.commit()
    with Ledger.open(path) as ledger:
        assert ledger.verify()[1] == [f"{path}: {line}" for line in lines]


def test_a_removed_newest_record_is_still_named_after_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    fill(path, 5)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("DELETE FROM calls WHERE id = 5")
        database.commit()
    with Ledger.open(path) as ledger:
        assert ledger.put(call(7)).result().id == 6
        assert ledger.verify()[1] == [f"{path}: call 5 is missing"]


def test_a_process_of_version_3_that_still_runs_raises_no_false_alarm(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    fill(path, 5)
    names = "key, created, role, model, tag, run, status, elapsed, price_in, price_out, request, raw"
    with contextlib.closing(sqlite3.connect(path)) as old:
        old.execute(f"INSERT INTO calls (id, {names}) SELECT 6, {names} FROM calls WHERE id = 1")
        old.commit()
    with Ledger.open(path) as ledger:
        assert ledger.verify() == (6, [])
        assert ledger.put(call(7)).result().id == 7
        assert ledger.verify() == (7, [])


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_leaves_no_false_alarm(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    program = (
        "import sys; from storage.ledger import Ledger; from tests.storage.ledger.test_ledger_seals import call\n"
        "with Ledger.open(sys.argv[1]) as ledger:\n"
        "    print('open', flush=True)\n"
        "    for number in range(10**6): ledger.put(call(number)).result()\n"
    )
    rng = rng_of("ledger kills")
    for _ in range(6):
        process = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.random() / 5)
        process.kill()
        process.wait()
        process.stdout.close()
        with Ledger.open(path) as ledger:
            assert ledger.verify()[1] == []


def to_version_2(path: Path) -> None:
    """The ledger as version 2 left it: without seals."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("ALTER TABLE calls DROP COLUMN seal")
        database.execute("ALTER TABLE bills DROP COLUMN seal")
        database.execute("UPDATE ledger_meta SET value = '2' WHERE name = 'version'")
        database.commit()


def test_an_old_ledger_is_read_and_sealed_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    fill(path)
    before = content(path)
    to_version_2(path)
    assert content(path) == before
    with Ledger.open(path) as ledger:
        assert ledger.verify() == (CALLS, [])
        assert ledger.seal() == CALLS
        assert ledger.seal() == 0
        assert ledger.verify() == (CALLS, [])
    assert content(path) == before
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE calls SET status = 500 WHERE id = 1")
        database.commit()
    with Ledger.open(path) as ledger:
        assert len(ledger.verify()[1]) == 1


def test_a_process_of_version_2_that_still_runs_continues_to_write(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    fill(path)
    to_version_2(path)
    with contextlib.closing(sqlite3.connect(path)) as old:
        with Ledger.open(path):  # migrates
            pass
        names = "key, created, role, model, tag, run, status, elapsed, price_in, price_out, request, raw"
        old.execute(f"INSERT INTO calls (id, {names}) SELECT {CALLS + 1}, {names} FROM calls WHERE id = 1")
        old.commit()
    with Ledger.open(path) as ledger:
        assert [item.id for item in ledger.get_many([call(0).key])[call(0).key]] == [1, CALLS + 1]
        assert ledger.verify() == (CALLS + 1, [])


def test_sealing_stops_no_writer(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    fill(path)
    to_version_2(path)
    with Ledger.open(path) as one, Ledger.open(path) as other:
        thread = threading.Thread(target=one.seal)
        thread.start()
        for number in range(CALLS, CALLS + 50):
            other.put(call(number)).result()
        thread.join()
        assert other.verify() == (CALLS + 50, [])


def test_a_cut_ledger_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    fill(path, 200)
    checkpoint(path)
    data = path.read_bytes()
    rng = random.Random(1)
    for cut in (100, 4096, len(data) // 2, rng.randrange(len(data))):
        path.write_bytes(data[:cut])
        with pytest.raises(LedgerError) as caught, Ledger.open(path) as ledger:  # noqa: PT012
            lines = ledger.verify()[1]
            assert lines
            raise LedgerError(lines[0])
        assert "\n" not in str(caught.value)
        for extra in ("-wal", "-shm"):
            path.with_name(path.name + extra).unlink(missing_ok=True)


@pytest.mark.slow
def test_on_postgresql_what_was_altered_or_removed_is_named_too() -> None:
    with postgres() as port:
        url = f"postgresql://prefect:{PASSWORD}@127.0.0.1:{port}/prefect"
        with Ledger.open(url) as ledger:
            for number in range(5):
                receipt = ledger.put(call(number)).result()
                ledger.record_usage(CallUsage(receipt.id, "completion", 10, number, False, 0.5))
            ledger.record_missing_usage(lambda stored: CallUsage(stored.id, "completion", 0, 0, False, 0.0))
            where, (group,) = ledger.stats().where, ledger.history()
            assert (type(group.prompt_tokens), group.prompt_tokens) == (int, 50)
            assert (
                group.completion_tokens / 4.0 == 2.5
            )  # a Decimal, as PostgreSQL's sums are, would not divide
            assert PASSWORD not in where
            assert ledger.verify() == (5, [])
            key = call(2).key[:12]
            for change, line in (
                ("UPDATE calls SET raw = (SELECT raw FROM calls WHERE id = 4) WHERE id = 3", f"call 3 (key {key}) was altered"),
                ("UPDATE calls SET elapsed = elapsed + 1 WHERE id = 3", f"call 3 (key {key}) was altered"),
                ("UPDATE calls SET request = set_byte(request, 5, 7) WHERE id = 3", f"the request of call 3 (key {key}) was altered"),
                ("UPDATE bills SET cost = 0.25 WHERE call_id = 3", f"the usage of call 3 (key {key}) was altered"),
                ("DELETE FROM bills WHERE call_id = 3", "the usage of call 3 is missing"),
                ("DELETE FROM calls WHERE id = 5", "call 5 is missing"),
                ("DELETE FROM calls WHERE id = 2", "call 2 is missing"),
                ("DELETE FROM calls", "calls 1 to 5 are missing"),
                ("UPDATE ledger_meta SET value = '4 x' WHERE name = 'top'", "the note of the newest call was altered"),
                ("DELETE FROM ledger_meta WHERE name = 'top'", "the note of the newest call is missing"),
            ):  # fmt: skip
                for table in ("calls", "bills", "ledger_meta"):
                    sql(port, f"CREATE TABLE whole_{table} AS SELECT * FROM {table}")
                sql(port, change)
                assert f"{where}: {line}" in ledger.verify()[1]
                for table in ("calls", "bills", "ledger_meta"):
                    sql(port, f"DELETE FROM {table}")
                    sql(port, f"INSERT INTO {table} SELECT * FROM whole_{table}")
                    sql(port, f"DROP TABLE whole_{table}")
                assert ledger.verify() == (5, [])
