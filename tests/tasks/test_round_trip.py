"""What leaves comes back: every export of a real night, read as seeds, gives the same rows, and nothing that an export
says about a row (a label, a score, a reason) becomes an answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storage.datasets.export import export
from tasks.answers import Judge
from tasks.llm.engine import Engine
from tasks.sandbox import Sandbox
from tasks.stages.ingest import ingest
from tasks.training import judgements
from tests import nights


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory, judge: Judge, sandbox: Sandbox) -> nights.Night:
    from storage.ledger import Ledger
    from tasks.llm.endpoint import Endpoint, EngineLimits

    folder = tmp_path_factory.mktemp("night")
    ledger = Ledger.open(str(folder / "ledger.sqlite"))
    engines: list[Engine] = []

    def engine(role: str = "reasoner") -> Engine:
        engines.append(Engine(Endpoint(role=role, model="embedded"), ledger, EngineLimits()))
        return engines[-1]

    try:
        return nights.night(folder / "home", engine=engine, sandbox=sandbox, judge=judge, seed=1)
    finally:
        for one in engines:
            one.close()
        ledger.close()


def bare(row: dict[str, Any]) -> tuple[str, str, str, str]:
    """What every export carries of a row."""
    return row["question"], row["solution"].strip(), row["solution_format"], row["language"]


def read_back(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = ingest(sorted(folder.iterdir()), default_license="x").table.to_pylist()
    assert [row["rejected"] for row in rows if row["rejected"]] == []
    return rows


@pytest.mark.parametrize("files", ["jsonl", "parquet"])
@pytest.mark.parametrize(
    "shape", ["messages", "prompt-completion", "preference", "unpaired-preference", "parquet"]
)
def test_an_export_read_as_seeds_gives_the_same_rows(
    shape: str, files: Any, night: nights.Night, judge: Judge, tmp_path: Path
) -> None:
    written = export(night.store, night.version, tmp_path / "out", shape, compare=judge.equal, files=files)
    rows = read_back(tmp_path / "out" / "data")
    assert len(rows) == written >= 5
    published = {bare(row): row for row in night.store.read(night.version).to_pylist()}
    answers = {row["problem_id"]: row["answer"] for row in published.values()}
    came = [row for row in rows if row["solution"] and bare(row) in published]
    if shape == "preference":
        assert len(came) == written  # the chosen side, and never the rejected one
    else:
        assert {bare(row) for row in came} == set(published)
    for row in came:
        before = published[bare(row)]
        assert row["problem_id"] == before["problem_id"]
        if shape == "parquet":
            assert (row["answer"], row["reference_answer"]) == (before["answer"], before["reference_answer"])
        elif row["reference_answer"]:
            assert judge.equal([(row["reference_answer"], before["answer"])]) == ["equal"]
    # the others are the wrong completions: their questions come back, without their answers
    others = [row for row in rows if not row["solution"] or bare(row) not in published]
    assert bool(others) == (shape == "unpaired-preference")
    for row in others:
        assert row["problem_id"] in answers
        assert row["reference_answer"] is None
        assert row["solution"] is None


def test_a_critic_s_judgements_give_no_answers(night: nights.Night, tmp_path: Path) -> None:
    folder = tmp_path / "judged"
    judgements.write(night.store, [night.version], folder / "judgements.parquet")
    rows = read_back(folder)
    assert len(rows) >= 20
    assert {(row["reference_answer"], row["answer"]) for row in rows} == {(None, None)}
