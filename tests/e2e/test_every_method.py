"""A night with every method of generation that works on rows: each makes rows, none is a copy, and a kill in the middle changes
nothing."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import signal
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from storage.datasets.store import Store
from storage.rows import to_table
from tasks.methods import PLUGINS, method
from tasks.plugins import names
from tests.e2e.processes import Home, Teacher, balanced, end, wait_for
from tests.tasks.methods.derived_rows import drawn, with_their_programs
from tests.tasks.methods.test_compose import KNOWN, of_families

pytestmark = pytest.mark.e2e

LONG_S = 3_600
TARGET = 240
KILLED = (
    "tree_search"  # the method in whose middle the night is killed: its conversations have the most calls
)
IN_FLIGHT = 64  # of a night, at most


def every_method() -> list[str]:
    return [name for name in names(PLUGINS) if method(name).takes == "rows" and method(name).makes != "texts"]


def night(target: int) -> tuple[str, ...]:
    methods = orjson.dumps(dict.fromkeys(every_method(), 1)).decode()
    return (
        *("nightly", "--target", str(target), "--set", f"generate.methods={methods}"),
        *("--set", "material.versions=[problems]", "--set", "shard_rows=64"),
    )


def test_the_rows_of_several_methods_pass_the_stages_together(home: Callable[..., Home]) -> None:
    methods = '{"families": 1, "dependency_graph": 1, "self_instruct": 1}'
    quick = ("--set", "weakness.share=0", "--set", "similarity.semantic=ignore", "--set", "solve.samples=2")
    version = home().json("nightly", "--target", "9", "--set", f"generate.methods={methods}", *quick)
    funnel, records = version["lineage"]["funnel"], version["lineage"]["methods"]
    first = [
        line["title"]
        for line in funnel
        if line["title"].startswith("Write ") or line["title"].endswith("wave 1")
    ]
    assert first[:4] == [
        "Write questions, dependency_graph, wave 1",
        "Write questions, families, wave 1",
        "Write questions, self_instruct, wave 1",
        "Drop similar questions, wave 1",
    ]
    assert [record["method"] for record in records] == ["dependency_graph", "families", "self_instruct"]
    for record in records:
        assert record["requested"] >= record["usable"] >= record["new"]
        assert record["accepted"] >= record["published"]
    lines = [line for line in funnel if line["stage"] == "generate"]
    assert sum(record["requested"] for record in records) == sum(line["asked"] for line in lines)
    assert sum(record["published"] for record in records) == version["rows"]


def calls_of(home: Home, method: str) -> int:
    """How many calls of a method the home's ledger has; none where there is no ledger yet."""
    file = home.path / "ledger.sqlite"
    if not file.exists():
        return 0
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)) as ledger:
        if not ledger.execute("SELECT 1 FROM sqlite_master WHERE name = 'calls'").fetchone():
            return 0
        return int(ledger.execute("SELECT count(*) FROM calls WHERE tag = ?", (method,)).fetchone()[0])


def shingles(question: str) -> frozenset[str]:
    """The triples of words, digits, Chinese characters and signs of a question."""
    words = re.findall(r"[a-z]+|\d+|[\u4e00-\u9fff]|[^\w\s]", question.casefold())
    return frozenset(" ".join(words[i : i + 3]) for i in range(max(1, len(words) - 2)))


def near_pairs(questions: list[str]) -> list[tuple[str, str]]:
    """Pairs of questions with the same numbers whose shingles have a Jaccard similarity of 0.7 or more. A template with other numbers is
    another problem, of which the setting `similarity.per_template` allows some."""
    sets = [(question, shingles(question)) for question in questions]
    return [
        (one, other)
        for (one, left), (other, right) in itertools.combinations(sets, 2)
        if len(left & right) >= 0.7 * len(left | right)
        and Counter(re.findall(r"\d+", one)) == Counter(re.findall(r"\d+", other))
    ]


def to_the_end(home: Home, words: tuple[str, ...]) -> dict[str, Any]:
    """Run a night that may take longer than other commands of the tests, and return its version."""
    process = home.start(*words, "--json")
    out, complaints = process.communicate(timeout=LONG_S)
    assert process.returncode == 0, complaints[-3000:]
    version: dict[str, Any] = json.loads(out)
    return version


@pytest.mark.soak
def test_every_method_in_one_night_that_is_killed_in_the_middle_of_one(
    home: Callable[..., Home], teacher: Callable[[], Teacher]
) -> None:
    """Two nights of TARGET rows, one of which is killed and continued: half an hour on two cores that other programs use too."""

    def prepared() -> Home:
        """A home with problems that the embedded teacher knows, some with their programs, which methods on single problems work on."""
        one = home(MATHMILL_TEACHER__MODEL="embedded", MATHMILL_TEACHER__BASE_URL=teacher().url)
        solved = with_their_programs("programs", every=3)
        rows = [*drawn("every method"), *solved, *of_families(30, *KNOWN)]
        Store(one.path).publish("problems", [to_table(rows)], lineage={})
        return one

    whole_home, killed_home = prepared(), prepared()
    words = night(TARGET)
    whole = to_the_end(whole_home, words)
    calls = calls_of(whole_home, KILLED)
    assert calls > 40

    process = killed_home.start(*words, to=subprocess.DEVNULL)
    wait_for(lambda: calls_of(killed_home, KILLED) >= calls // 4, LONG_S, f"calls of {KILLED}", process, 0.02)
    end(process, signal.SIGKILL)
    assert calls_of(killed_home, KILLED) < calls
    assert Store(killed_home.path).datasets() == ["problems"]
    resumed = to_the_end(killed_home, words)
    assert resumed["digest"] == whole["digest"]
    assert calls_of(killed_home, KILLED) <= calls + IN_FLIGHT

    balanced(whole["lineage"])
    records = {record["method"]: record for record in whole["lineage"]["methods"]}
    assert set(every_method()) <= set(records)
    assert [name for name in every_method() if not records[name]["usable"]] == []
    store = Store(whole_home.path)
    rows = store.read(store.resolve("math-sft")).to_pylist()
    questions = {row["problem_id"]: row["question"] for row in rows}
    assert len({" ".join(text.casefold().split()) for text in questions.values()}) == len(questions)
    assert near_pairs(list(questions.values())) == []
    masked = {re.sub(r"\d+", "#", text) for text in questions.values()}
    assert len(masked) > 0.8 * len(questions)
