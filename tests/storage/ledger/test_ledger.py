"""The guarantees of the ledger, on SQLite files and on a real PostgreSQL where its programs are installed."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa

from storage.ledger import COMPLETION, Call, CallUsage, Ledger, LedgerError, Stored
from storage.ledger.schema import pack, unpack

POSTGRES = shutil.which("postgres") and shutil.which("initdb")


def key_of(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def call(name: str, raw: bytes = b"raw", **more: object) -> Call:
    return Call(key=key_of(name), request=b"request of " + name.encode(), raw=raw, status=200, model="m",
                created=1000.0, **more)  # type: ignore[arg-type]  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A PostgreSQL of its own, on a socket in a temporary folder."""
    if not POSTGRES:
        pytest.skip("PostgreSQL's programs (initdb, postgres) are not installed")
    # It refuses to run as root, and another user cannot enter pytest's own temporary folders.
    demote = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="mathmill-pg-") as name:
        folder = Path(name)
        if demote:
            shutil.chown(folder, "postgres")
        quiet = {"check": True, "capture_output": True, "cwd": "/"}
        subprocess.run(["initdb", "-D", folder / "data", "-U", "me", "--auth=trust", "-N"], **quiet, **demote)
        options = ["-c", "listen_addresses=", "-k", name, "-c", "shared_buffers=16MB"]
        log = folder / "log"
        with (
            log.open("w") as out,
            subprocess.Popen(
                ["postgres", "-D", folder / "data", *options], stderr=out, cwd="/", **demote
            ) as process,
        ):
            while "ready to accept" not in log.read_text():
                assert process.poll() is None, log.read_text()
                time.sleep(0.05)
            yield f"postgresql://me@/postgres?host={name}"
            # SIGTERM would wait for every idle connection to be closed by its client
            process.send_signal(signal.SIGINT)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "deep" / "ledger.sqlite")
    url: str = request.getfixturevalue("server")
    with sa.create_engine(
        url.replace("://", "+psycopg://"), isolation_level="AUTOCOMMIT"
    ).connect() as connection:
        connection.exec_driver_sql("DROP DATABASE IF EXISTS ledger")
        connection.exec_driver_sql("CREATE DATABASE ledger")
    return url.replace("/postgres?", "/ledger?")


@pytest.mark.slow
def test_what_was_put_comes_back_byte_for_byte(place: str) -> None:
    raw = bytes(range(256)) * 50
    with Ledger.open(place) as ledger:
        receipt = ledger.put(call("a", raw, role="teacher", tag="solve", elapsed=1.5, price_in=2.0)).result()
        assert receipt.earlier == ()
        (stored,) = ledger.get_many([key_of("a"), key_of("b")])[key_of("a")]
        assert stored.call.raw == raw
        assert stored.outcome is None
    with Ledger.open(place) as ledger:
        (stored,) = ledger.find(key_of("a")[:7])
        assert stored.call == call("a", raw, role="teacher", tag="solve", elapsed=1.5, price_in=2.0)
        assert ledger.find(key_of("b")) == []
        assert ledger.get_many([]) == {}


def test_of_two_answers_to_one_key_the_first_durable_is_seen_first(place: str) -> None:
    with Ledger.open(place) as one, Ledger.open(place) as other:
        first = one.put(call("a", b"first")).result()
        second = other.put(call("a", b"second")).result()
        assert [item.call.raw for item in second.earlier] == [b"first"]
        other.record_usage(CallUsage(second.id, "duplicate", 1, 1, False, 0.0))
        one.record_usage(CallUsage(first.id, COMPLETION, 1, 1, False, 0.0))
        other.flush()
        one.flush()
        assert [item.call.raw for item in one.get_many([key_of("a")])[key_of("a")]] == [b"first"]
        assert len(one.find(key_of("a"))) == 2


def test_two_in_one_commit_are_ordered_too(place: str) -> None:
    with Ledger.open(place) as ledger:
        receipts = [future.result() for future in [ledger.put(call("a", b"%d" % i)) for i in range(50)]]
        assert [len(receipt.earlier) for receipt in receipts] == list(range(50))


@pytest.mark.slow
def test_many_writers_at_once_agree_on_one_order(place: str) -> None:
    def write(number: int) -> list[tuple[int, list[int]]]:
        with Ledger.open(place) as ledger:
            pairs = []
            for i in range(40):
                receipt = ledger.put(call(f"k{i % 10}", f"{number}.{i}".encode())).result()
                pairs.append((receipt.id, [item.id for item in receipt.earlier]))
            return pairs

    with ThreadPoolExecutor(4) as pool:
        written = [pair for pairs in pool.map(write, range(4)) for pair in pairs]
    assert sorted(number for number, _ in written) == list(range(1, 161))
    assert all(
        earlier == sorted(earlier) and (not earlier or earlier[-1] < number) for number, earlier in written
    )
    # Each of ten keys has exactly one call that saw nothing before it: its winner, for everybody.
    assert sum(not earlier for _, earlier in written) == 10


@pytest.mark.slow
def test_first_uses_at_once_wait_for_each_other(tmp_path: Path) -> None:
    """Each opens a file that is not there yet: its switch to WAL cannot wait by itself."""

    def opened(path: Path, gate: Barrier) -> int:
        gate.wait()
        with Ledger.open(path) as ledger:
            return ledger.put(call("k")).result().id

    with ThreadPoolExecutor(6) as pool:
        for turn in range(15):
            path, gate = tmp_path / str(turn) / "ledger.sqlite", Barrier(6)
            ids = list(pool.map(lambda _, path=path, gate=gate: opened(path, gate), range(6)))
            assert sorted(ids) == list(range(1, 7))


def test_stats_sum_the_recorded_usage(place: str) -> None:
    with Ledger.open(place) as ledger:
        for i in range(6):
            receipt = ledger.put(call(f"k{i}", tag="solve" if i % 2 else "judge", elapsed=2.0)).result()
            if i < 4:
                outcome = COMPLETION if i < 3 else "malformed"
                ledger.record_usage(CallUsage(receipt.id, outcome, 10, 5, i == 0, 0.25))
                ledger.record_usage(
                    CallUsage(receipt.id, "duplicate", 99, 99, True, 9.0)
                )  # the first usage is kept
        stats = ledger.stats()
        assert (stats.calls, stats.keys, stats.unbilled, stats.estimated) == (6, 6, 2, 1)
        assert (stats.prompt_tokens, stats.completion_tokens, stats.cost) == (40, 20, 1.0)
        assert stats.outcomes == {COMPLETION: 3, "malformed": 1}
        assert [(g.tag, g.calls, g.completions, g.mean_elapsed) for g in stats.groups] == [
            ("judge", 3, 2, 2.0),
            ("solve", 3, 1, 2.0),
        ]


def test_history_says_how_much_calls_vary(place: str) -> None:
    with Ledger.open(place) as ledger:
        for i, tokens in enumerate((10, 20, 30, 40)):
            receipt = ledger.put(call(f"k{i}")).result()
            ledger.record_usage(CallUsage(receipt.id, COMPLETION, 1, tokens, False, 0.0))
        ledger.put(call("unbilled")).result()
        (group,) = ledger.stats().groups
        assert group.completion_sd == pytest.approx(125**0.5)


def test_an_export_goes_into_another_ledger_once(place: str, tmp_path: Path) -> None:
    with Ledger.open(place) as ledger:
        for i in range(30):
            receipt = ledger.put(call(f"k{i}", b"raw %d" % i)).result()
            ledger.record_usage(CallUsage(receipt.id, COMPLETION, 3, 4, False, 0.5))
        assert ledger.export(tmp_path / "out.jsonl.gz") == 30
    with Ledger.open(tmp_path / "other.sqlite") as other:
        mine = other.put(call("k0", b"my own")).result()
        other.record_usage(CallUsage(mine.id, COMPLETION, 1, 1, False, 0.0))
        other.flush()
        assert other.import_(tmp_path / "out.jsonl.gz") == (30, 0)
        assert other.import_(tmp_path / "out.jsonl.gz") == (0, 30)
        assert other.stats().cost == 15.0
        answers = other.get_many(key_of(f"k{i}") for i in range(30))
        assert [answers[key_of(f"k{i}")][0].call.raw for i in range(30)] == [b"my own"] + [
            b"raw %d" % i for i in range(1, 30)
        ]
        assert other.find(key_of("k7"))[0].call == call("k7", b"raw 7")


def test_an_answer_that_comes_after_an_unusable_one_is_no_duplicate(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "from.sqlite") as ledger:
        receipt = ledger.put(call("k", b"the answer")).result()
        ledger.record_usage(CallUsage(receipt.id, COMPLETION, 3, 4, False, 0.5))
        ledger.export(tmp_path / "out.jsonl")
    with Ledger.open(tmp_path / "to.sqlite") as other:
        cut = other.put(call("k", b"cut off")).result()
        other.record_usage(CallUsage(cut.id, "malformed", 1, 1, False, 0.1))
        other.flush()
        assert other.import_(tmp_path / "out.jsonl") == (1, 0)
        assert [(item.outcome, item.call.raw) for item in other.find(key_of("k"))] == [
            ("malformed", b"cut off"), (COMPLETION, b"the answer"),
        ]  # fmt: skip


@pytest.mark.parametrize("line", ["{", "[]", '{"key": "00"}', '"x"'])
def test_a_broken_export_names_the_line(line: str, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "a.sqlite") as ledger:
        ledger.put(call("a")).result()
        ledger.export(tmp_path / "out.jsonl")
        with (tmp_path / "out.jsonl").open("a") as out:
            out.write(line + "\n")
        with pytest.raises(LedgerError, match=r"out\.jsonl, line 2"):
            ledger.import_(tmp_path / "out.jsonl")


def test_vacuum_gives_space_back(place: str) -> None:
    with Ledger.open(place) as ledger:
        for future in [ledger.put(call(f"k{i}", os.urandom(2000))) for i in range(500)]:
            future.result()
        before, after = ledger.vacuum()
        assert (before > after > 1_000_000) if "sqlite" in place else (before, after) == (0, 0)
        assert len(ledger.get_many([key_of("k7")])) == 1


@pytest.mark.slow
def test_a_call_is_durable_when_its_future_is_done(tmp_path: Path) -> None:
    """The process dies, as by kill -9, the moment it hears that its call is stored."""
    program = (
        "import os, sys\nfrom storage.ledger import Call, Ledger\n"
        "ledger = Ledger.open(sys.argv[1])\n"
        "for i in range(200):\n"
        "    ledger.put(Call('%064x' % i, b'q', b'r%d' % i, 200, 'm', 0.0)).result()\n"
        "    if i == 120: os.kill(os.getpid(), 9)\n"
    )
    path = tmp_path / "ledger.sqlite"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    assert (
        subprocess.run([sys.executable, "-c", program, path], env=environment, check=False).returncode == -9
    )
    with Ledger.open(path) as ledger:
        stored = [item.call.raw for item in ledger.every()]
    assert stored == [b"r%d" % i for i in range(121)]


def test_what_cannot_be_a_ledger_is_refused_with_the_setting(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"not a database, but long enough to be read as one" * 100)
    for place, word in [
        (tmp_path / "text", "text"), ("mysql://host/db", "mysql"), ("sqlite:///" + str(tmp_path), str(tmp_path)),
    ]:  # fmt: skip
        with pytest.raises(LedgerError, match="MATHMILL_LEDGER") as refused:
            Ledger.open(place)
        assert word in str(refused.value)
    with pytest.raises(LedgerError, match=r"cannot open .*@nowhere\.invalid") as refused:
        Ledger.open("postgresql://me:hunter2@nowhere.invalid/db")
    assert "hunter2" not in str(refused.value)


def test_a_newer_ledger_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    Ledger.open(path).close()
    with sa.create_engine(f"sqlite:///{path}").begin() as connection:
        connection.exec_driver_sql("UPDATE ledger_meta SET value = '99'")
    with pytest.raises(LedgerError, match="update mathmill"):
        Ledger.open(path)


def test_a_failed_commit_is_reported_and_the_next_one_works(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with Ledger.open(path) as ledger:
        ledger.put(call("a")).result()
        with sa.create_engine(f"sqlite:///{path}").begin() as other:
            other.exec_driver_sql("ALTER TABLE calls RENAME TO away")
        with pytest.raises(LedgerError, match=r"a\.sqlite could not be written"):
            ledger.put(call("b")).result()
        with pytest.raises(LedgerError):
            ledger.flush()
        with sa.create_engine(f"sqlite:///{path}").begin() as other:
            other.exec_driver_sql("ALTER TABLE away RENAME TO calls")
        ledger.put(call("b")).result()
        ledger.flush()
        assert len(ledger.get_many([key_of("a"), key_of("b")])) == 2


def test_concurrent_puts_share_commits(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "a.sqlite") as ledger:
        groups: list[int] = []
        done = threading.Event()

        def sink(receipts: list, error: BaseException | None) -> None:
            assert error is None
            groups.append(len(receipts))
            if sum(groups) == 1000:
                done.set()

        for i in range(1000):
            ledger.put_nowait(call(f"k{i}"), sink)
        assert done.wait(30)
        assert len(groups) < 100


@pytest.mark.parametrize("data", [b"", b"x", os.urandom(5000), b"a" * 100_000])
def test_packing_is_lossless(data: bytes) -> None:
    assert unpack(pack(data)) == data


def test_keys_are_checked_when_searched(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "a.sqlite") as ledger, pytest.raises(LedgerError, match="hex"):
        ledger.find("not hex")


def test_the_usage_of_calls_of_a_killed_process_is_recorded(place: str) -> None:
    def read(item: Stored) -> CallUsage:
        return CallUsage(item.id, COMPLETION, len(item.call.raw), 1, False, 0.5)

    with Ledger.open(place) as ledger:
        names = [f"k{i}" for i in range(5)]
        ids = [ledger.put(call(name)).result().id for name in names]
        ledger.record_usage(CallUsage(ids[1], COMPLETION, 9, 9, False, 2.0))
        fresh = Call(key_of("fresh"), b"q", b"r", 200, "m", time.time())  # its process may be reading it now
        ledger.put(fresh).result()
        assert ledger.record_missing_usage(read) == 4
        assert ledger.record_missing_usage(read) == 0
        ledger.put(call("later")).result()
        assert ledger.record_missing_usage(read) == 1
        stats = ledger.stats()
        assert (stats.cost, stats.unbilled, stats.prompt_tokens) == (4.5, 1, 9 + 5 * 3)
        assert ledger.record_missing_usage(read, older_than=-1e9) == 1
        assert ledger.stats().unbilled == 0


def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    """The files of SQLite too, and those of a ledger that was made before this was so."""
    path = tmp_path / "ledger.sqlite"
    for _ in range(2):
        with Ledger.open(path) as ledger:
            list(ledger.get_many(["00" * 32]))
            files = sorted(tmp_path.glob("ledger.sqlite*"))
            assert [file.name.removeprefix("ledger.sqlite") for file in files] == ["", "-shm", "-wal"]
            assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
        path.chmod(0o644)
