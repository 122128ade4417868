"""Several processes publish, one reads all the time and some are killed: readers see complete versions only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage.datasets.digest import digest_of_rows
from storage.datasets.store import Store
from storage.datasets.tags import stored

ROOT = Path(__file__).resolve().parents[3]

# A process with the imports done, which forks one for each piece of code: real processes, started quickly.
NURSERY = """
import datetime, faulthandler, json, os, signal, sys, time
sys.path.insert(0, sys.argv[1])
from storage.datasets.store import Store
from storage.errors import Conflict
from storage.rows import Row, to_table
import storage.datasets.delta, storage.datasets.files, storage.datasets.publish, storage.datasets.tags

day = datetime.date(2026, 11, 20)

def rows(who, first, last):
    return to_table([Row(question=f"{who} {n}", language="en", solution="x" * 500) for n in range(first, last)])

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

for line in sys.stdin:
    job = json.loads(line)
    if "wait" in job:
        deadline = time.monotonic() + 150
        done, status = os.waitpid(job["wait"], os.WNOHANG)
        while not done:
            if time.monotonic() > deadline:
                os.kill(job["wait"], signal.SIGABRT)
            time.sleep(0.005)
            done, status = os.waitpid(job["wait"], os.WNOHANG)
        print(status, flush=True)
        continue
    child = os.fork()
    if child == 0:
        out = os.open(job["out"], os.O_WRONLY | os.O_CREAT)
        os.dup2(out, 1), os.dup2(out, 2)
        faulthandler.enable()
        store, word = Store(job["home"]), job["word"]
        try:
            exec(compile(job["code"], "job", "exec"), globals())
            sys.stdout.flush()
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
    print(child, flush=True)
"""


class Child:
    def __init__(self, ask: Callable[[dict[str, object]], int], code: str, home: Path, word: str) -> None:
        self.out = home.parent / f"{home.name}-{word}-{time.monotonic_ns()}.txt"
        self._ask = ask
        self.pid = ask({"code": textwrap.dedent(code), "home": str(home), "word": word, "out": str(self.out)})

    def wait(self) -> int:
        """Its return code, minus the signal that killed it."""
        return os.waitstatus_to_exitcode(self._ask({"wait": self.pid}))

    def finish(self) -> str:
        assert self.wait() == 0, self.out.read_text()
        return self.out.read_text()


Start = Callable[..., Child]


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    nursery = subprocess.Popen(
        [sys.executable, "-c", NURSERY, str(ROOT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    to, back = nursery.stdin, nursery.stdout

    def ask(job: dict[str, object]) -> int:
        print(json.dumps(job), file=to, flush=True)
        return int(back.readline())

    yield lambda home, code, word="": Child(ask, code, home, word)
    to.close()
    nursery.wait(timeout=30)


PUBLISHER = """
    who, conflicts = word, 0
    for n in range(6):
        while True:
            try:
                store.publish("d", [rows(who, 5 * n, 5 * n + 5)], lineage={"who": who, "n": n}, date=day,
                              expected=store.head("d"))
                break
            except Conflict:
                conflicts += 1
    print(conflicts)
"""


@pytest.mark.slow
def test_two_publishers_race_and_a_reader_sees_whole_versions(start: Start, tmp_path: Path) -> None:
    home = tmp_path / "home"
    publishers = [start(home, PUBLISHER, who) for who in ("a", "b")]
    store, seen = Store(home), []
    deadline = time.monotonic() + 120
    while len(seen) < 12 and time.monotonic() < deadline:
        versions = store.versions("d")
        assert versions[: len(seen)] == seen
        seen = versions
        if versions:
            table = store.read(versions[-1])
            assert table.num_rows == versions[-1].rows
            assert digest_of_rows(table).hex() == versions[-1].digest
    conflicts = [int(publisher.finish()) for publisher in publishers]
    versions = store.versions("d")
    assert [v.rows for v in versions] == list(range(5, 65, 5))
    assert len({str(v) for v in versions}) == 12
    assert sorted((v.lineage["who"], v.lineage["n"]) for v in versions) == [
        (who, n) for who in "ab" for n in range(6)
    ]
    assert len(set(store.read("d", ["id"]).column("id").to_pylist())) == 60
    files = {path.name for path in Path(store.where.url("d")).glob("*.parquet")}
    assert files == set(versions[-1].files), f"losers of {conflicts} conflicts left files"
    assert [tag["name"] for tag in stored(store.where, "d")] == [v.name for v in versions]
    for version in versions:
        store.verify(version)


KILLS = {
    "before anything is written": "def pieces():\n    die()\n    yield",
    "between two pieces": (
        "storage.datasets.files.ROW_GROUP = 50\n"
        "def pieces():\n    yield rows('k', 0, 200)\n    time.sleep(0.3)\n    die()"
    ),
    "before the audit": "storage.datasets.files.audited = die",
    "in a gate": "storage.datasets.publish.run_gates = die",
    "before the commit": "storage.datasets.delta.commit = die",
    "before the tag": "storage.datasets.tags.add_missing = die",
}


@pytest.mark.parametrize("there", [False, True], ids=["first version", "later version"])
@pytest.mark.parametrize("moment", KILLS)
def test_killed_while_publishing(start: Start, tmp_path: Path, rows, day, moment: str, there: bool) -> None:
    store = Store(tmp_path / "home")
    before = [store.publish("d", [rows(0, 10)], lineage={}, date=day)] if there else []
    code = (
        f"def pieces():\n    yield rows('k', 0, 200)\n{KILLS[moment]}\n"
        "store.publish('d', pieces(), lineage={}, date=day)\n"
    )
    child = start(tmp_path / "home", code)
    assert child.wait() == -signal.SIGKILL, child.out.read_text()
    after = store.versions("d")
    if moment == "before the tag":  # the commit was made: the version is there, complete
        assert after[:-1] == before
        assert after[-1].added == 200
    else:
        assert after == before
    for version in after:
        store.verify(version)
    healed = store.publish("d", [rows(20, 30)], lineage={}, date=day, expected=store.head("d"))
    assert healed.rows == 10 + (after[-1].rows if after else 0)
    assert store.versions("d") == [*after, healed]
    assert [tag["table_version"] for tag in stored(store.where, "d")] == [
        v.table_version for v in [*after, healed]
    ]
    store.verify(healed)


ENDLESS = """
    n = 0
    while True:
        store.publish("d", [rows("e", n, n + 40)], lineage={}, date=day)
        print(n, flush=True)
        n += 40
"""


@pytest.mark.slow
def test_killed_at_any_moment(start: Start, tmp_path: Path, rows, day) -> None:
    """Kills at moments spread over the whole loop: every version there is, is whole and in order."""
    for number in range(5):
        home = tmp_path / str(number)
        child = start(home, ENDLESS)
        while len(Store(home).versions("d")) < 2:
            time.sleep(0.005)
        time.sleep(0.014 * number)
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        published = child.out.read_text().split()
        store = Store(home)
        versions = store.versions("d")
        assert len(published) <= len(versions) <= len(published) + 1
        assert [v.rows for v in versions] == [40 * (i + 1) for i in range(len(versions))]
        store.verify(versions[-1])
        assert store.publish("d", [rows(0, 5)], lineage={}, date=day).rows == versions[-1].rows + 5


@pytest.mark.slow
def test_candidates_are_appended_once_by_racing_and_repeated_runs(start: Start, tmp_path: Path) -> None:
    code = """
        for n in range(4):
            for run in ("shared", word):
                store.append_candidates(rows(run, 10 * n, 10 * n + 10), run=run, stage="solve", part=str(n))
    """
    home = tmp_path / "home"
    for child in [start(home, code, who) for who in ("a", "b")]:
        child.finish()
    start(home, code, "a").finish()
    store = Store(home)
    stored = store.candidates()
    assert stored is not None
    runs = stored.to_table(columns=["run"]).column("run").value_counts().to_pylist()
    assert {item["values"]: item["counts"] for item in runs} == {"shared": 40, "a": 40, "b": 40}
    files = {path.name for path in Path(store.where.url("_candidates")).glob("*.parquet")}
    assert len(files) == 12
