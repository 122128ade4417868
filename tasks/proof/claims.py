"""The primary claims of the proof, fixed before its run (docs/proof-plan.md), and their tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.arrays import Floats
from tasks.evaluation.statistics import ALPHA, Paired, holm, paired

BASE, BASE_WITH_PROGRAMS = "base", "base with programs"
NOTHING_NEW = "nothing new"  # the arm that is trained on the base's own rows for as many steps


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim: `candidate` beats `baseline`; with a margin, that it beats it by no more than this share.

    `experiment` makes both arms. `published` is what the literature
    reports, `then` what becomes of the factory's default if the claim fails. base: what both arms continue.
    """

    number: int
    text: str
    candidate: str
    baseline: str
    experiment: str
    published: str
    then: str
    margin: float | None = None
    base: str = BASE


CLAIMS = (
    Claim(
        1,
        "Rows written for weaknesses, with two answers that agree, beat rows written at random",
        "weakness-augmented",
        "random-augmented",
        "weaknesses",
        "+3.72",
        "`weakness` advises rows at random",
    ),
    Claim(
        2,
        "Plain retrieval near failures does not beat random rows by more than 3 points",
        "math-retrieval",
        "random",
        "weaknesses",
        "-1.70",
        "`math-retrieval` becomes the first arm of `weakness`, since it costs no call",
        margin=0.03,
    ),
    Claim(
        3,
        "RFT on samples of several small models beats SFT on the same questions",
        "RFT",
        "SFT",
        "students",
        "71 to 77 %",
        "the guide does not advise `rft` before SFT for students of this size",
    ),
    Claim(
        4,
        "Routed words and programs beat words alone at equal tokens",
        "routed",
        "words",
        "formats",
        "",
        "`solve.pot_share` becomes 0",
        base=BASE_WITH_PROGRAMS,
    ),
    Claim(
        5,
        "The whole factory (de-duplication, votes, critic, weights) beats the same generations unfiltered",
        "filtered",
        "unfiltered",
        "factory",
        "",
        "the stage without an effect of its own is off by default",
    ),
)
# what the first lines of the page say besides the verdicts
NOTE = (
    "Failed means that the claim was not shown. Its interval says whether the difference is excluded or was only not seen; the power with which a run would see "
    "one is in the plan, and a default of the factory changes only where it was 0.8 or more for the published size."
)
# exploratory arms: the rebuild of claim 5 with one part left out, orders of its rows, sets at a share of 0.2, trainings on what rft publishes,
# a fixed or an adaptive number of solutions, and passages or articles of them as texts of continued pretraining
WITHOUT = {
    "answers": "filtered, answers not checked",
    "critic": "filtered, no critic",
    "step checker": "filtered, step checker for critic",
    "dedup": "filtered, near-duplicates kept",
    "weights": "filtered, no loss weights",
}
ORDERED = ("filtered, easy first", "filtered, after the base's rows")
ANNEALED = ("annealed, for weaknesses", "annealed, common rows", "annealed, unfiltered")
ON_SAMPLES = {
    "RFT, then DPO": ("dpo", "dpo"),
    "RFT, then GRPO": ("grpo", "prompts"),
    "RFT, then PPO": ("ppo", "prompts"),
}
SAMPLED = ("four solutions of each question", "adaptive sampling")
REFINED = ("passages, then the base's rows", "articles, then the base's rows")
# comparisons without a correction, which show nothing
EXPLORATORY = (
    ("math-retrieval", "random-augmented"),
    ("weakness-augmented", "math-retrieval"),
    ("random-augmented", "random"),
    ("weakness-augmented", NOTHING_NEW),
    ("random-augmented", NOTHING_NEW),
    ("math-retrieval", NOTHING_NEW),
    ("random", NOTHING_NEW),
    *(("filtered", arm) for arm in WITHOUT.values()),
    *((arm, "filtered") for arm in ORDERED),
    *((arm, NOTHING_NEW) for arm in ANNEALED),
    *((arm, "RFT") for arm in ON_SAMPLES),
    (SAMPLED[1], SAMPLED[0]),
    (REFINED[1], REFINED[0]),
)


@dataclass(frozen=True, slots=True)
class Tested:
    """A claim with its comparison over all seeds and items. `p` is of its own test, `corrected` by Holm over all primary claims that the plan
    names, those that were not run included with p = 1."""

    claim: Claim
    paired: Paired | None
    p: float
    corrected: float

    @property
    def verdict(self) -> str:
        """Return shown, failed, or not run."""
        if self.paired is None:
            return "not run"
        right_sign = self.claim.margin is not None or self.paired.delta > 0
        return "shown" if self.corrected < ALPHA and right_sign else "failed"


def base_of(arm: str) -> str:
    """Return the name of the base that an arm continues."""
    return next((one.base for one in CLAIMS if arm in (one.candidate, one.baseline)), BASE)


def verdicts_of(scores: Mapping[str, Mapping[int, str]]) -> list[Tested]:
    """Test every claim. scores: arm -> seed -> 1 or 0 for each item."""
    comparisons = {one.number: compared(scores, one.candidate, one.baseline) for one in CLAIMS}
    values = {}
    for one in CLAIMS:
        pair = comparisons[one.number]
        values[one.number] = (
            1.0 if pair is None else pair.p if one.margin is None else at_most(scores, one, one.margin)
        )
    corrected = holm({str(number): p for number, p in values.items()})
    return [
        Tested(one, comparisons[one.number], values[one.number], corrected[str(one.number)]) for one in CLAIMS
    ]


def compared(scores: Mapping[str, Mapping[int, str]], candidate: str, baseline: str) -> Paired | None:
    """Return the paired comparison of two arms over the seeds that both have, None if they have none."""
    seeds = sorted(scores.get(candidate, {}).keys() & scores.get(baseline, {}).keys())
    if not seeds:
        return None
    return paired(table(scores[candidate], seeds), table(scores[baseline], seeds))


def table(scores: Mapping[int, str], seeds: Sequence[int]) -> Floats:
    """Return the scores of an arm, of shape (seeds, items)."""
    return np.array([[float(score) for score in scores[seed]] for seed in seeds])


def at_most(scores: Mapping[str, Mapping[int, str]], claim: Claim, margin: float) -> float:
    """Return the one-sided p of the hypothesis that the difference is `margin` or more, by the same test of seeds and items; 1 where both arms
    answer every item alike, which has no variance to test with."""
    seeds = sorted(scores[claim.candidate].keys() & scores[claim.baseline].keys())
    candidate, baseline = table(scores[claim.candidate], seeds), table(scores[claim.baseline], seeds)
    if np.array_equal(candidate, baseline):
        return 1.0
    shifted = paired(candidate - margin, baseline)
    return shifted.p / 2 if shifted.delta < 0 else 1 - shifted.p / 2
