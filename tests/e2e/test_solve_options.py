"""Whole nights with the options of `solve` that are off by default: interleaved samples, marked parts, learnt shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from storage.datasets.store import Store
from storage.interleaved import TIR, is_interleaved
from storage.ledger import Ledger
from tasks.format_shares import FORMATS, FormatCounts
from tests.e2e.processes import Home, balanced

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

NIGHT = (
    "nightly", "--target", "24", "--set", "weakness.share=0", "--set", "similarity.semantic=ignore",
    "--set", "generate.methods={self_instruct: 1}",
)  # fmt: skip


def rows_of(home: Home, version: str) -> list[dict[str, Any]]:
    return Store(home.path).read(version).to_pylist()


def check_costs(home: Home, lineage: dict[str, Any]) -> None:
    """The costs by role and those by stage are the calls that the ledger has."""
    with Ledger.open(home.path / "ledger.sqlite") as ledger:
        groups = ledger.stats().groups
    for by in ("costs", "service"):
        tokens = sum(line["prompt_tokens"] + line["completion_tokens"] for line in lineage[by])
        assert tokens == sum(group.prompt_tokens + group.completion_tokens for group in groups), by
    stages = {(line["role"], line["tag"]): line["calls"] for line in lineage["service"]}
    assert stages == {(group.role, group.tag): group.calls for group in groups}


@pytest.mark.soak  # a night more; tests/tasks/test_interleaving.py has them
def test_a_night_with_interleaved_samples(home: Callable[..., Home]) -> None:
    one = home()
    night = one.json(*NIGHT, "--set", "solve.tir_share=0.3")
    lineage = night["lineage"]
    balanced(lineage)
    rows = rows_of(one, night["version"])
    interleaved = [row for row in rows if row["solution_format"] == TIR]
    assert interleaved
    assert {row["solution_format"] for row in rows} == {"cot", "pot", TIR}
    for row in interleaved:
        assert is_interleaved(row["solution"])
        assert dict(row["verdicts"])["executed"] == "ok"
        assert row["answer"] in row["solution"]
        assert len(orjson.loads(row["params"])["completions"]) >= 2
    check_costs(one, lineage)


@pytest.mark.soak  # a night more; tests/tasks/test_routing.py has the routes
def test_a_night_whose_formats_follow_the_parts_of_its_questions(home: Callable[..., Home]) -> None:
    one = home()
    night = one.json(*NIGHT, "--set", "solve.split=rule, then model")
    balanced(night["lineage"])
    rows = rows_of(one, night["version"])
    formats: dict[str, Counter[str]] = {"logic": Counter(), "computation": Counter()}
    for row in rows:
        for start, end, kind in orjson.loads(row["params"]).get("split", ()):
            assert row["question"][start:end].strip()
            formats[kind][row["solution_format"]] += end - start
    logic, computing = formats["logic"], formats["computation"]
    assert computing["pot"] / computing.total() > logic["pot"] / max(1, logic.total())
    assert {row["solution_format"] for row in rows} == {"cot", "pot", TIR}
    check_costs(one, night["lineage"])


@pytest.mark.soak  # two nights; tests/tasks/test_format_shares.py has the shares
def test_the_second_night_requests_by_what_the_first_has_counted(home: Callable[..., Home]) -> None:
    one = home()
    nights = [one.json(*NIGHT, "--set", "solve.learn=1", "--set", "verify.known=0.5") for _ in range(2)]
    first, second = (FormatCounts.from_list(night["lineage"][FORMATS]) for night in nights)
    counted = sum(first.asked.values())
    assert counted >= 24
    assert sum(second.asked.values()) > counted  # those of the first are carried on
    for key, count in first.asked.items():
        assert second.asked[key] >= count
        assert 0 <= first.right.get(key, 0) <= count
    # the known questions are requested by the rule alone, half of them as programs
    kinds = Counter[str]()
    for (_, kind), count in first.asked.items():
        kinds[kind] += round(count)
    assert set(kinds) == {"cot", "pot"}
    assert kinds["pot"] / kinds.total() == pytest.approx(0.5, abs=0.1)
    for night in nights:
        balanced(night["lineage"])
