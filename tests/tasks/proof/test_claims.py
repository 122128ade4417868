"""A planted difference is claimed and noise is not; the page states exactly the results of the tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.proof.base import BaseFacts
from tasks.proof.claims import QUESTIONS, by_subdomain, claims, shares
from tasks.proof.page import RunInfo, write
from tasks.proof.rows import FAMILIES
from tasks.proof.seed import SeedResults
from tasks.proof.sizes import WHOLE

ITEMS = 40 * len(FAMILIES)


def records(gains: dict[str, float], seeds: int = 5) -> list[SeedResults]:
    """Arms that are all right on half of the items, but for the planted gains; seeds and items vary."""
    rng = np.random.default_rng(7)
    arms = sorted({arm for question in QUESTIONS for arm in (question.candidate, question.baseline)})
    level = rng.normal(0, 1, ITEMS)
    results = []
    for seed in range(seeds):
        luck = rng.normal(0, 0.1)
        scores = {
            arm: (level + luck + rng.normal(0, 0.5, ITEMS) + gains.get(arm, 0.0) > 0).astype(int).tolist()
            for arm in arms
        }
        versions = {"CoT": {"proof-rows@2026.11.21": f"{seed}123456789abcdef"}}
        results.append(SeedResults(seed, scores, {"RFT rows": 12.0}, {"formats": 1.0}, versions))
    return results


def test_planted_differences_are_claimed_with_their_sign_and_noise_is_not() -> None:
    results = {
        claim.question.name: claim for claim in claims(records({"gate on": 1.0, "with harmful": -1.0}))
    }
    assert results["gate on against gate off"].verdict == "effective"
    assert results["with harmful against validated alone"].verdict == "harmful"
    assert {
        claim.verdict for name, claim in results.items() if "gate" not in name and "harmful" not in name
    } == {"not shown"}


def test_a_gain_in_one_subdomain_is_found_there_alone() -> None:
    drawn = records({})
    for record in drawn:
        record.scores["PoT"][:40] = [1] * 40
        record.scores["CoT"][:40] = [0] * 40
    by_name = by_subdomain(drawn, [QUESTIONS[0]])
    assert [name for name, results in by_name.items() if results[0].shown] == [next(iter(FAMILIES))]
    assert shares(drawn, "PoT").shape == (5, len(FAMILIES))
    assert shares(drawn, "PoT")[:, 0].tolist() == [1.0] * 5


def test_every_arm_of_a_question_must_have_been_scored() -> None:
    with pytest.raises(KeyError, match="PoT"):
        claims([SeedResults(0, {"CoT": [1, 0]}, {}, {}, {})])


@pytest.mark.slow
def test_the_page_claims_what_is_shown_and_tells_the_rest(tmp_path: Path) -> None:
    around = RunInfo("./mathmill proof", "abc", "2026-11-21", "a machine", 2.0)
    page = tmp_path / "proof.md"
    results = write(records({"gate on": 1.0}), BaseFacts(200_000, 0.5, 60.0), WHOLE, around, page)
    text = page.read_text(encoding="utf-8")
    shown = text.split("## What is shown")[1].split("## All questions")[0]
    assert "gate on beats gate off" in shown
    assert "Not shown: 18 of 19" in shown
    assert shown.count("\n- ") == 1
    assert all(f"| {claim.question.name} |" in text for claim in results.claims)
    assert "| CoT | proof-rows@2026.11.21 | 0123456789ab |" in text
    for plot in ("proof-deltas.svg", "proof-formats.svg"):
        assert f"({plot})" in text
        assert (tmp_path / plot).read_bytes().startswith(b"<?xml")
