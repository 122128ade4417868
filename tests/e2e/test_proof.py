"""The proof in its quick form: every part runs by the flows that users run, the page is written, and a second start makes nothing again."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tasks.proof.claims import CLAIMS, NOTHING_NEW
from tasks.proof.sizes import QUICK
from tests.e2e.processes import Home

WITHIN_S = 1800  # it takes two to five minutes, and several times that on a machine that others use

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(2 * WITHIN_S)]


def test_the_quick_form_runs_every_part_and_is_not_made_twice(home: Callable[..., Home]) -> None:
    one = home()
    reported = json.loads(one.run("proof", "--quick", "--json", within_s=WITHIN_S).stdout)
    verdicts = reported["claims"]
    assert set(verdicts) == {str(claim.number) for claim in CLAIMS}
    assert "not run" not in verdicts.values()
    folder = one.path / "proof" / "quick"
    stored = json.loads((folder / "proof.json").read_text(encoding="utf-8"))
    scores = {arm: own for record in stored["records"].values() for arm, own in record["scores"].items()}
    arms = {arm for claim in CLAIMS for arm in (claim.candidate, claim.baseline)}
    assert {*arms, NOTHING_NEW} <= set(scores)
    assert set(stored["base"]["scores"]) == {claim.base for claim in CLAIMS}
    assert {len(own) for own in scores.values()} == {QUICK.items}
    page = (folder / "proof.md").read_text(encoding="utf-8")
    version = next(
        name
        for record in stored["records"].values()
        for versions in record["versions"].values()
        for name in versions
        if "weakness-augmented" in name
    )
    assert f"`{version}`" in page
    one.run("show", version)  # a reader finds what an arm was trained on
    records = sorted(folder.glob("*-[0-9].json"))
    written_at = [file.stat().st_mtime_ns for file in records]
    assert len(records) == 5 * len(QUICK.seeds) + QUICK.explored
    one.run("proof", "--quick")
    assert [file.stat().st_mtime_ns for file in records] == written_at
    one.run("proof", "--quick", "--verify")
