"""The proof in its quick form: every part runs, the page is written, and a second start makes nothing again."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tasks.proof.claims import QUESTIONS
from tasks.proof.rows import FAMILIES
from tests.e2e.processes import Home

pytestmark = [pytest.mark.e2e, pytest.mark.soak]


def test_the_quick_form_runs_every_part_and_is_not_made_twice(home: Callable[..., Home]) -> None:
    one = home()
    summary = json.loads(one.run("proof", "--quick", "--json").stdout)
    assert summary["questions"] == len(QUESTIONS)
    page = (one.path / "proof" / "proof.md").read_text(encoding="utf-8")
    for question in QUESTIONS:
        assert f"| {question.name} |" in page
    for subdomain in FAMILIES:
        assert f"\n| {subdomain} |" in page
    for count in ("wrong rows caught", "DPO pairs", "PPO reward, last step", "rows without"):
        assert f"\n| {count} |" in page
    records = sorted((one.path / "proof").glob("quick-*/seed-*.json"))
    assert len(records) == 2
    for file in records:
        scores = json.loads(file.read_text())["scores"]
        asked = {arm for question in QUESTIONS for arm in (question.candidate, question.baseline)}
        assert asked <= set(scores)
        assert {len(answers) for answers in scores.values()} == {5 * len(FAMILIES)}
    written_at = [file.stat().st_mtime_ns for file in records]
    one.run("proof", "--quick")
    assert [file.stat().st_mtime_ns for file in records] == written_at
