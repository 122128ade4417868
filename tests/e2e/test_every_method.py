"""A night with every method of generation that works on rows: each makes rows, none is a copy, and a kill in the middle changes
nothing."""

from __future__ import annotations

import signal
from collections.abc import Callable

import orjson
import pytest

from tasks.methods import PLUGINS, method
from tasks.plugins import names
from tests.e2e.processes import Home, Teacher, balanced, end, wait_for

pytestmark = pytest.mark.e2e

TARGET = 240
LONG_S = 1_800


def every_method() -> list[str]:
    return [name for name in names(PLUGINS) if method(name).takes == "rows" and method(name).makes != "texts"]


def night() -> tuple[str, ...]:
    methods = orjson.dumps(dict.fromkeys(every_method(), 1)).decode()
    return (
        "nightly",
        "--target",
        str(TARGET),
        "--set",
        f"generate.methods={methods}",
        "--set",
        "shard_rows=64",
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
        "Write questions, dependency_graph",
        "Write questions, families",
        "Write questions, self_instruct",
        "Drop similar questions, wave 1",
    ]
    assert [record["method"] for record in records] == ["dependency_graph", "families", "self_instruct"]
    for record in records:
        assert record["requested"] >= record["usable"] >= record["new"]
        assert record["accepted"] >= record["published"]
    lines = [line for line in funnel if line["stage"] == "generate"]
    assert sum(record["requested"] for record in records) == sum(line["asked"] for line in lines)
    assert sum(record["published"] for record in records) == version["rows"]


@pytest.mark.soak
def test_every_method_in_one_night_that_is_killed_in_the_middle(
    home: Callable[..., Home], teacher: Callable[[], Teacher]
) -> None:
    whole_server, server = teacher(), teacher()

    def pointed(at: Teacher) -> Home:
        return home(MATHMILL_TEACHER__MODEL="embedded", MATHMILL_TEACHER__BASE_URL=at.url)

    whole_home, killed_home = pointed(whole_server), pointed(server)
    whole = whole_home.json(*night())
    calls = whole_server.stats()["calls"]

    process = killed_home.start(*night())
    wait_for(lambda: server.stats()["calls"] >= calls // 2, LONG_S, "half of the calls", process)
    end(process, signal.SIGKILL)
    assert killed_home.json("datasets") == []
    resumed = killed_home.json(*night())
    assert resumed["digest"] == whole["digest"]

    balanced(whole["lineage"])
    records = {record["method"]: record for record in whole["lineage"]["methods"]}
    assert set(every_method()) <= set(records)
    assert [name for name in every_method() if not records[name]["usable"]] == []
