"""A planted difference is shown and noise is not; the equivalence needs a margin; the page states exactly what its stored scores give."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from tasks.proof.claims import CLAIMS, DESCRIBED, EXPLORATORY, compared, verdicts_of
from tasks.proof.page import PageDiffers, scores_of, verified, written
from tasks.proof.sizes import SUBDOMAINS, WHOLE

ITEMS = 200
SEEDS = range(10, 15)


def scores(gains: dict[str, float], *, without: tuple[str, ...] = ()) -> dict[str, dict[int, str]]:
    """Arms that are right on half of the items, but for the planted gains; seeds and items vary."""
    rng = np.random.default_rng(7)
    level = rng.normal(0, 1, ITEMS)
    arms = [arm for claim in CLAIMS for arm in (claim.candidate, claim.baseline) if arm not in without]
    return {
        arm: {
            seed: "".join(
                str(int(one))
                for one in level + rng.normal(0, 0.1) + rng.normal(0, 0.4, ITEMS) + gains.get(arm, 0.0) > 0
            )
            for seed in SEEDS
        }
        for arm in arms
    }


def stored(gains: dict[str, float]) -> dict[str, Any]:
    """Return what a run stores, with the planted gains."""
    every = scores(gains, without=("routed", "words"))
    return {
        "sizes": "whole",
        "design": asdict(WHOLE),
        "command": "./mathmill proof",
        "commit": "0123456789ab",
        "date": "2026-11-29",
        "machine": "a machine, 2 cores",
        "items": [SUBDOMAINS[i * len(SUBDOMAINS) // ITEMS] for i in range(ITEMS)],
        "base": {
            "scores": {"base": "10" * (ITEMS // 2), "base with programs": "1" * ITEMS},
            "versions": {
                "base": {"proof-whole-common@2026.11.29": "a" * 64},
                "base with programs": {"proof-whole-programs-common@2026.11.29": "c" * 64},
            },
            "cpu_s": 12.0,
            "parameters": 381_600,
        },
        "records": {
            f"weaknesses {seed}": {
                "seed": seed,
                "scores": {arm: own[seed] for arm, own in every.items()},
                "facts": {"rows of random": 120},
                "versions": {f"random, seed {seed}": {"proof-weak10-random@2026.11.29": f"{seed}{'b' * 62}"}},
                "cpu_s": 30.0,
            }
            for seed in SEEDS
        },
    }


def test_a_planted_difference_is_shown_and_noise_is_not() -> None:
    results = {one.claim.number: one for one in verdicts_of(scores({"weakness-augmented": 0.6, "RFT": -0.6}))}
    assert results[1].verdict == "shown"
    assert results[3].verdict == "refuted"  # it is significant, with the wrong sign
    assert results[3].corrected < 0.05
    assert results[4].verdict == results[5].verdict == "not shown"
    assert results[1].corrected >= results[1].p


def test_the_equivalence_is_shown_for_no_difference_and_not_for_one_beyond_the_margin() -> None:
    def verdict(gain: float) -> str:
        return next(
            one.verdict for one in verdicts_of(scores({"math-retrieval": gain})) if one.claim.number == 2
        )

    assert verdict(-0.4) == "shown"
    assert verdict(0.0) == "not shown"  # the interval reaches over the margin
    assert verdict(0.4) == "refuted"


def test_a_claim_that_was_not_run_counts_in_the_correction() -> None:
    results = {
        one.claim.number: one for one in verdicts_of(scores({"RFT": 0.6}, without=("routed", "words")))
    }
    assert results[4].verdict == "not run"
    assert results[3].corrected == pytest.approx(min(1.0, 5 * results[3].p))
    assert compared(scores({}), "RFT", "no such arm") is None


def test_the_page_states_the_verdicts_first_and_is_recomputed_from_its_scores(tmp_path: Path) -> None:
    page = tmp_path / "proof.md"
    result = written(stored({"weakness-augmented": 0.6, "math-retrieval": -0.4}), page)
    lines = page.read_text(encoding="utf-8").splitlines()
    assert lines[2].startswith(
        "Of 5 primary claims about what the factory does to training data, 2 are shown, 2 are not shown and 1 was not run"
    )
    assert lines[4].startswith("- **1, shown.**")
    assert lines[7].startswith("- **4, not run.**")
    assert any("`proof-weak10-random@2026.11.29` | `12bbb" in line for line in lines)
    assert (tmp_path / "proof.svg").exists()
    assert verified(page).tested == result.tested
    assert next(line for line in lines if line.startswith("| `base` | 50")).count("50.0 %") == 1 + len(
        SUBDOMAINS
    )


@pytest.mark.slow
def test_a_page_or_a_score_that_was_changed_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "proof.md"
    with pytest.raises(PageDiffers, match="no stored scores"):
        verified(page)
    written(stored({"RFT": 0.6}), page)
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace("**3, shown.**", "**3, refuted.**"), encoding="utf-8")
    with pytest.raises(PageDiffers, match="line 7"):
        verified(page)
    page.write_text(text + "A line more\n", encoding="utf-8")
    with pytest.raises(PageDiffers, match="no such line"):
        verified(page)
    page.write_text(text, encoding="utf-8")
    changed = orjson.loads(scores_of(page).read_bytes())
    changed["records"]["weaknesses 10"]["scores"]["RFT"] = "0" * ITEMS
    scores_of(page).write_bytes(orjson.dumps(changed))
    with pytest.raises(PageDiffers):
        verified(page)


def test_arms_that_answer_alike_show_no_equivalence() -> None:
    floor = {arm: dict.fromkeys(SEEDS, "0" * ITEMS) for arm in ("math-retrieval", "random")}
    (retrieval,) = [one for one in verdicts_of(floor) if one.claim.margin is not None]
    assert (retrieval.verdict, retrieval.p) == ("not shown", 1.0)


def test_the_page_of_a_quick_run_says_that_it_proves_nothing(tmp_path: Path) -> None:
    for sizes, warned in (("quick", True), ("whole", False)):
        page = written(stored({}) | {"sizes": sizes}, tmp_path / f"{sizes}.md").page
        assert ("prove nothing" in page.read_text()) == warned


@pytest.mark.parametrize(("base", "stated"), [("1", True), ("0", False)])
def test_the_page_says_first_that_training_cost_what_the_base_knew(
    tmp_path: Path, base: str, stated: bool
) -> None:
    scored = stored({})
    scored["base"]["scores"]["base"] = base * ITEMS
    text = written(scored, tmp_path / "proof.md").page.read_text().partition("## Primary claims")[0]
    assert ("Of the arms that continue the model `base`, which answers 100.0 %" in text) == stated


def test_an_arm_is_compared_with_the_base_that_it_continues(tmp_path: Path) -> None:
    scored = stored({})
    scored["base"]["scores"] = {"base": "0" * ITEMS, "base with programs": "1" * ITEMS}
    record = scored["records"]["weaknesses 10"]["scores"]
    record |= {"routed": "1" * ITEMS, "words": "10" * (ITEMS // 2)}
    head = written(scored, tmp_path / "proof.md").page.read_text().partition("## Primary claims")[0]
    assert (
        "`base with programs`, which answers 100.0 % of the items rightly, these answer less: `words`."
        in head
    )
    assert "the model `base`," not in head


def test_a_refuted_claim_is_explained_and_its_consequence_applies(tmp_path: Path) -> None:
    text = written(stored({"math-retrieval": 0.4, "RFT": -0.6}), tmp_path / "proof.md").page.read_text()
    (second,) = [line for line in text.splitlines() if line.startswith("- **2, refuted.**")]
    assert (
        "That is significantly more than 3 points, so `math-retrieval` is better by more than the claim allows."
        in second
    )
    (third,) = [line for line in text.splitlines() if line.startswith("- **3, refuted.**")]
    assert "a difference of -" in third
    assert "`RFT` is significantly worse." in third
    consequences = text.partition("## What follows")[2]
    assert [line.rpartition("| ")[2] for line in consequences.splitlines() if line.startswith("| 2 |")] == [
        "yes |"
    ]


def test_every_arm_is_described_and_named_in_code_marks(tmp_path: Path) -> None:
    compared_arms = {arm for pair in EXPLORATORY for arm in pair}
    compared_arms |= {arm for claim in CLAIMS for arm in (claim.candidate, claim.baseline, claim.base)}
    assert compared_arms == set(DESCRIBED)
    record = stored({})
    arm = "filtered, no critic"
    record["records"]["weaknesses 10"]["scores"][arm] = "0" * ITEMS
    record["records"]["weaknesses 10"]["facts"][f"rows of {arm}"] = 3
    record["records"]["weaknesses 10"]["versions"][f"{arm}, seed 10"] = {"v@1": "d" * 64}
    text = written(record, tmp_path / "proof.md").page.read_text()
    assert text.count(f"`{arm}`") >= 4
    assert text.count(arm) == text.count(f"`{arm}`")


@pytest.mark.slow
def test_a_second_run_stands_beside_the_first_and_decides_nothing(tmp_path: Path) -> None:
    first, second = stored({"weakness-augmented": 0.6}), stored({"weakness-augmented": -0.6})
    alone = written(first, tmp_path / "alone.md")
    assert "## With other seeds" not in alone.page.read_text()
    again = {f"weaknesses {int(name.split()[1]) + 10}": one for name, one in second["records"].items()}
    both = written(first | {"again": again}, tmp_path / "both.md")
    assert both.tested == alone.tested
    text = both.page.read_text().partition("## With other seeds")[2].partition("\n## ")[0]
    assert "3 of 4 claims have the same verdict as in the first run" in text
    (line,) = [one for one in text.splitlines() if one.startswith("| 1. `weakness-augmented`")]
    assert "| shown | -" in line
    assert line.endswith("| refuted | 5 |")
    assert verified(both.page).tested == both.tested
