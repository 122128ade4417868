"""`show` fits on a screen: what a version was made from, what its stages dropped, and the settings that differ from the defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from flows.cli.version_screen import differing, parents, short_funnel
from flows.config.make import Make
from flows.config.nightly import Nightly
from flows.config.rebuild import Rebuild
from storage.datasets.store import Store
from storage.rows import Row, to_table


def line(title: str, asked: int, kept: int, stage: str = "solve") -> dict[str, Any]:
    return {
        "stage": stage,
        "title": title,
        "asked": asked,
        "kept": kept,
        "rejected": asked - kept,
        "failed": 0,
    }


LINEAGE: dict[str, Any] = {
    "flow": "nightly",
    "run": "night-1",
    "base": "d@2026.11.19",
    "inputs": [{"file": "own.jsonl", "kept": 2}],
    "parameters": Nightly(target=7, solve={"samples": 9}).model_dump(mode="json"),
    "funnel": [line("Solve, wave 1", 9, 7), line("Solve, wave 2", 5, 4), line("Certify", 3, 3, "certify")],
    "costs": [{"completions": 4, "prompt_tokens": 10, "completion_tokens": 5, "usd": 0.5}],
    "models": {"teacher": {"model": "tm", "revision": ""}},
    "code": {"commit": "0123456789abcdef", "changed": False},
}


def show(tmp_path: Path, *options: str) -> str:
    store = Store(tmp_path / "home")
    if not store.datasets():
        rows = [Row(f"What is {n} + 3?", "en", solution=str(n + 3), subdomain="[bold]sums") for n in range(5)]
        store.publish("d", [to_table(rows)], lineage=LINEAGE)
    done = CliRunner().invoke(app, ["show", "d", *options], env={"MATHMILL_HOME": str(tmp_path / "home")})
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_version_is_shown_on_one_screen(tmp_path: Path) -> None:
    text = show(tmp_path)
    assert len(text.splitlines()) < 30
    for words in (
        ": 5 rows, 5 added",
        "base d@2026.11.19; file own.jsonl",
        "nightly, night-1, commit 0123456789ab, models tm",
        "$0.50, 4 completions, 15 tokens",
        "[bold]sums 5",
        "Stages that kept all of their rows: Certify.",
        "\n  target=7\n",
        "\n  solve.samples=9\n",
        "--lineage",
    ):
        assert words in text
    (solve,) = [one for one in text.splitlines() if one.startswith("Solve")]
    assert solve.split() == ["Solve", "14", "11", "0", "3", "0"]


def test_the_whole_lineage_is_shown_on_request(tmp_path: Path) -> None:
    text = show(tmp_path, "--lineage")
    for words in ("schema  id string", "Solve, wave 2", "base: d@2026.11.19", "5 sample rows"):
        assert words in text


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (Nightly(), {}),
        (Make(), {}),
        (
            Nightly(mix={"shares": {"source": {"web": 0.2}}}),
            {"mix.shares.source": {"web": 0.2}, "mix.shares.format": None},
        ),
        (Rebuild(thresholds={"answer": 0.7}), {"thresholds.answer": 0.7}),
    ],
)
def test_only_settings_that_differ_from_the_defaults_of_their_class_are_named(
    config: Any, expected: dict[str, Any]
) -> None:
    assert dict(differing(config.model_dump(mode="json"), type(config))) == expected


def test_a_setting_that_was_added_later_does_not_differ_and_an_entry_that_was_taken_out_does() -> None:
    stored = Nightly().model_dump(mode="json")
    del stored["solve"]["samples"]
    del stored["score"]["thresholds"]["heuristics"]
    assert dict(differing(stored, Nightly)) == {"score.thresholds.heuristics": None}


def test_a_setting_that_the_class_does_not_have_any_more_is_named() -> None:
    assert dict(differing({"gone": {"a": 1}, "target": Nightly().target}, Nightly)) == {"gone": {"a": 1}}


def test_stages_are_summed_over_waves_and_methods() -> None:
    changing, unchanged = short_funnel(
        [line("Write, a, wave 1", 2, 1), line("Write, b, wave 1", 3, 3), line("Mix", 4, 4, "mix")]
    )
    assert [(one["title"], one["asked"], one["kept"], one["rejected"]) for one in changing] == [
        ("Write", 5, 4, 1)
    ]
    assert unchanged == ["Mix"]


def test_a_version_without_parents_has_none() -> None:
    assert parents({}) == []
    assert parents({"material": [{"version": "books@1"}], "inputs": ["a", "b"]}) == [
        "material books@1",
        "files a, b",
    ]
