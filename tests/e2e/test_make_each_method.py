"""`make` with each method that no other test runs alone, on problems that the embedded teacher knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import orjson
import pytest

from storage.datasets.steps import FLAW
from storage.datasets.store import Store
from storage.rows import Row, to_table
from tasks.problems.machinery.family import recognise
from tests.e2e.processes import Home, balanced
from tests.tasks.methods.derived_rows import drawn

pytestmark = pytest.mark.e2e

QUICK = ("--set", "similarity.semantic=ignore", "--set", "solve.samples=2", "--set", "score.canaries=0")
WITHOUT_MATERIAL = ("families", "dependency_graph", "formal_logic", "knights_and_knaves", "zebra", "pose")
OF_PROBLEMS = (
    "rephrase", "backward", "self_verification", "evolve", "fuse", "multi_path", "interleaved", "tree_search", "nearly_right", "lift",
)  # fmt: skip

# one of each way of working: the others run alone in the soak tests, and all together in test_every_method.py
BY_DEFAULT = ("families", "pose", "evolve")


@pytest.mark.soak  # a run for each; test_every_method.py has several in one
@pytest.mark.parametrize(
    "method",
    [
        pytest.param(name, marks=[] if name in BY_DEFAULT else pytest.mark.soak)
        for name in (*WITHOUT_MATERIAL, *OF_PROBLEMS)
    ],
)
def test_each_method_alone_publishes_rows_that_name_it(home: Callable[..., Home], method: str) -> None:
    """Problems of families with their solutions are the material, of which the embedded teacher knows every one."""
    one = home()
    store = Store(one.path)
    if method in OF_PROBLEMS:
        store.publish("problems", [to_table(solved("make"))], lineage={})
    words = ("make", method, *(["problems"] if method in OF_PROBLEMS else []), "--dataset", "alone")
    version = one.json(
        *words, "--target", "12", *QUICK, "--set", "verify.known=0", "--set", "generate.waves=2"
    )
    rows = store.read(store.resolve("alone")).to_pylist()
    assert len(rows) >= 2
    assert {row["method"] for row in rows} == {method}
    assert all(row["solution"] and row["answer"] and row["correctness"] for row in rows)
    (record,) = version["lineage"]["methods"]
    assert record["published"] == len(rows) <= record["accepted"]
    balanced(version["lineage"])
    asked = {row.question for row in solved("make")}
    if method in ("multi_path", "interleaved", "tree_search", "nearly_right"):
        assert {row["question"] for row in rows} <= asked
    else:
        assert {row["question"] for row in rows}.isdisjoint(asked)
    if method == "nearly_right":
        assert all(orjson.loads(row["params"])[FLAW]["answer"] != row["answer"] for row in rows)
    if method == "interleaved":
        assert all(row["solution_format"] == "tir" and "```output" in row["solution"] for row in rows)


@pytest.mark.slow
def test_a_method_that_finds_nothing_to_work_on_says_so(home: Callable[..., Home]) -> None:
    """Questions with answers alone have no solution that a flaw could be put into."""
    one = home()
    Store(one.path).publish("problems", [to_table(drawn("make", every=9))], lineage={})
    words = ("make", "nearly_right", "problems", "--dataset", "alone", "--target", "4")
    done = one.run(*words, *QUICK, "--set", "verify.known=0", code=2)
    assert "no row is one that nearly_right (given " in done.stderr
    assert "Fix: name versions whose rows have what the method takes" in done.stderr
    assert Store(one.path).datasets() == ["problems"]


def solved(name: str) -> list[Row]:
    """Problems of every third family, in both languages, each with its solution in words and as a program."""
    rows = []
    for row in drawn(name, every=3):
        problem = recognise(row.question, row.language)
        assert problem is not None
        worked = problem.worked
        words = "\n".join([*worked.steps, rf"\boxed{{{worked.answer}}}"])
        rows += [
            replace(row, id="", solution=text, solution_format=form, answer=worked.answer, correctness=0.95)
            for form, text in (("cot", words), ("pot", worked.program))
        ]
    return rows
