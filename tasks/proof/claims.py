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

    `experiment` makes both arms. `published` is the difference in points that the literature reports, `then` what becomes of the factory's
    default if the claim is not shown or refuted. base: what both arms continue.
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
        "Rows that are written for the student's weaknesses and kept where two answers agree are better than rows written at random",
        "weakness-augmented",
        "random-augmented",
        "weaknesses",
        "+3.72",
        "`weakness` advises rows at random",
    ),
    Claim(
        2,
        "Problems that are retrieved near the student's failures are better than random ones by no more than 3 points",
        "math-retrieval",
        "random",
        "weaknesses",
        "-1.70",
        "`math-retrieval` becomes the first arm of `weakness`, since it costs no call",
        margin=0.03,
    ),
    Claim(
        3,
        "RFT on samples of several small models is better than SFT on the same questions",
        "RFT",
        "SFT",
        "students",
        "+6 (71 to 77 %)",
        "the guide does not advise `rft` before SFT for students of this size",
    ),
    Claim(
        4,
        "Solutions in words and as programs, as suits the question, are better than words alone at equal tokens",
        "routed",
        "words",
        "formats",
        "",
        "`solve.pot_share` becomes 0",
        base=BASE_WITH_PROGRAMS,
    ),
    Claim(
        5,
        "What the whole factory keeps (de-duplication, votes, critic, loss weights) is better than the same generations unfiltered",
        "filtered",
        "unfiltered",
        "factory",
        "",
        "a stage that has no effect of its own is turned off by default",
    ),
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
# arm -> what it is trained on, as the page says it
DESCRIBED = {
    BASE: "The model that the arms continue. It has learned problems of five subdomains with solutions in words, many of two common subdomains and few of three rare ones.",
    BASE_WITH_PROGRAMS: "The model that the arms of claim 4 continue. It has learned solutions that are programs besides.",
    "math-retrieval": "Problems of an existing pool, those that are nearest to the questions that the base fails. No model is called.",
    "weakness-augmented": "Problems that the teacher writes for the questions that the base fails, with the base's wrong answer and the right one in the prompt. Each problem is solved twice and is kept if both answers agree.",
    "random": "Problems of the same pool, drawn at random, as many as `math-retrieval` has.",
    "random-augmented": "Problems that the teacher writes after questions of the pool that are drawn at random, solved twice and kept if both answers agree.",
    "unfiltered": "Everything that a teacher writes that errs in a third of its solutions: four solutions of each question, right and wrong.",
    "filtered": "The version of `unfiltered` after the flow `rebuild` with the defaults of a night: near-duplicates are removed, solutions are judged by votes and by the critic, and rows have loss weights.",
    "SFT": "New questions with one solution each (supervised fine-tuning).",
    "RFT": "The rows of `SFT`, and right solutions of the same questions that two small models have sampled (rejection-sampling fine-tuning).",
    "words": "Two solutions of each question, both in words.",
    "routed": "Two solutions of each question, each in words or as a program, as suits the question. What the student answers as a program is executed.",
    NOTHING_NEW: "The base's own rows alone, for as many steps as every arm has. It tells what further training gives without new rows.",
    WITHOUT[
        "answers"
    ]: "As `filtered`, but a wrong answer is rejected neither by the votes nor by the critic.",
    WITHOUT["critic"]: "As `filtered`, but no critic is asked.",
    WITHOUT[
        "step checker"
    ]: "As `filtered`, but the step checker, which recomputes the arithmetic, takes the place of the critic.",
    WITHOUT["dedup"]: "As `filtered`, but near-duplicates stay.",
    WITHOUT["weights"]: "As `filtered`, but all rows count the same in the training loss.",
    ORDERED[0]: "As `filtered`, with the easy rows first.",
    ORDERED[1]: "As `filtered`, but its rows are learned after the base's rows instead of among them.",
    ANNEALED[0]: "The rows of `weakness-augmented` at a fifth of the tokens, beside the base's rows.",
    ANNEALED[
        1
    ]: "Rows of the pool from the common subdomains at a fifth of the tokens, beside the base's rows.",
    ANNEALED[2]: "The rows of `unfiltered` at a fifth of the tokens, beside the base's rows.",
    "RFT, then DPO": "The checkpoint of `RFT`, trained on by DPO with pairs of a right and a wrong sample.",
    "RFT, then GRPO": "The checkpoint of `RFT`, trained on by GRPO: the verifier rewards right answers.",
    "RFT, then PPO": "The checkpoint of `RFT`, trained on by PPO: the verifier rewards right answers.",
    SAMPLED[
        0
    ]: "Questions of a teacher that often errs, each solved four times; what the votes accept is kept.",
    SAMPLED[1]: "The same, but a question is solved only as often as its votes need.",
    REFINED[
        0
    ]: "A book of solved problems as plain text for half of the steps (continued pretraining), and the base's rows for the other half.",
    REFINED[1]: "The same with the articles that the method `refine` writes from the book.",
}
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
        """Return shown, refuted, not shown, or not run. Refuted: the opposite is significant after a correction over all claims. The plan
        says of a claim that is refuted or not shown that it failed."""
        if self.paired is None:
            return "not run"
        if self.claim.margin is not None:
            # the p of the opposite, that the difference is above the margin; Bonferroni's correction is not milder than Holm's
            opposite = len(CLAIMS) * (1 - self.p) if self.paired.delta > self.claim.margin else 1.0
            return "shown" if self.corrected < ALPHA else "refuted" if opposite < ALPHA else "not shown"
        if self.corrected >= ALPHA:
            return "not shown"
        return "shown" if self.paired.delta > 0 else "refuted"


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
