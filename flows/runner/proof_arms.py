"""The experiments of the proof, one function each: it publishes the arms of one random seed, trains them, scores them, and returns what
the page says of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flows.config.rft import Rft
from flows.config.weakness import Weakness
from flows.rft import NoRightSolution, rft
from flows.runner.proof_explored import Facts, ScoresByArm, explored, filtered
from flows.runner.proof_lab import REPEATED, Lab
from flows.weakness import weakness
from storage.rows import column
from tasks.proof.claims import NOTHING_NEW
from tasks.proof.rows import MEASURES
from tasks.proof.sizes import LONGEST, SUBDOMAINS

Experiment = Callable[[Lab, int], tuple[ScoresByArm, Facts]]

WEAKNESS_ARMS = ("math-retrieval", "weakness-augmented", "random", "random-augmented")


def weaknesses(lab: Lab, seed: int) -> tuple[ScoresByArm, Facts]:
    """Claims 1 and 2: rows for the failures of the base, and rows at random, as the flow weakness publishes them."""
    sizes, base = lab.sizes, lab.base()
    config = Weakness.model_validate(
        {
            "model": f"hf:{base.checkpoint}",
            "probe": [str(lab.probe)],
            "measures": MEASURES,
            "dataset": lab.name(f"weak{seed}"),
            "pool": lab.pool(),
            "arms": list(WEAKNESS_ARMS),
            "rows": sizes.added,
            "per_call": 10,
            "max_tokens": LONGEST,
            "solve": {"pot_share": 0.0, "samples": 2},
            "near": False,
            "similarity": REPEATED,
            "decontaminate": {"rules": ["exact"], "ask": False, "planted": 0},
            "gates": {"min_recall": {}},
            "seed": seed,
        }
    )
    record = weakness(config)
    scores: ScoresByArm = {}
    facts: dict[str, Any] = {"failed": record["failed"], "asked": record["judged"]}
    for arm in WEAKNESS_ARMS:
        one = record["arms"][arm]
        if not one.get("version"):
            raise RuntimeError(f"seed {seed}, {arm}: {one.get('note')}")
        facts |= {f"rows of {arm}": one["rows"], f"calls of {arm}": one["calls"]}
        scores[arm] = lab.scored(lab.trained(f"{arm}, seed {seed}", seed, {one["version"]: 1.0}).checkpoint)
    return scores, facts


def control(lab: Lab, seed: int) -> tuple[ScoresByArm, Facts]:
    """Exploratory: the base's own rows for as many steps, and no new ones."""
    trained = lab.trained(f"{NOTHING_NEW}, seed {seed}", seed, {})
    return {NOTHING_NEW: lab.scored(trained.checkpoint)}, {}


def students(lab: Lab, seed: int) -> tuple[ScoresByArm, Facts]:
    """Claim 3: SFT on questions with one solution each, and RFT on these and on what two models sample for the same questions, the one of SFT
    and the base: the defaults of the flow rft, by which hard questions are sampled more and keep more. But paths are separated by their
    texts, since all solutions of a family have one calculation."""
    sizes, base = lab.sizes, lab.base()
    known = lab.written(f"questions{seed}", sizes.questions, SUBDOMAINS)
    taught = lab.trained(f"SFT, seed {seed}", seed, {known: 1.0})
    with lab.models(samplers=[{"model": f"hf:{one.checkpoint}"} for one in (taught, base)]):
        try:
            sampled = rft(
                Rft.model_validate(
                    {
                        "version": known,
                        "dataset": lab.name(f"sampled{seed}"),
                        "questions": {"min_correctness": 0.5},
                        "sample": {
                            "samples": sizes.samples,
                            "most_samples": 4 * sizes.samples,
                            "prompt": "question",
                            "max_tokens": LONGEST,
                            "temperatures": [1.0],
                        },
                        "paths": {"equations": False, "plan": 0.0, "jaccard": 0.98, "rouge_l": 0.0},
                        "steps": {"recompute": False},
                        "decontaminate": lab.exact(),
                        "gates": {"min_recall": {}},
                        "seed": seed,
                    }
                )
            )
        except NoRightSolution:  # then RFT is SFT
            sampled = []
    right = [name for name in sampled if "-rft@" in name]
    rows = {name: float(lab.store.resolve(name).rows) for name in (known, *right)}
    both = lab.trained(f"RFT, seed {seed}", seed, rows)
    scores = {"SFT": lab.scored(taught.checkpoint), "RFT": lab.scored(both.checkpoint)}
    return scores, {"rows of SFT": rows[known], "sampled rows of RFT": sum(rows[name] for name in right)}


def formats(lab: Lab, seed: int) -> tuple[ScoresByArm, Facts]:
    """Claim 4: two solutions of each question in words, or in words and as programs by the routing of the flow make, for a student that
    knows both."""
    scores: ScoresByArm = {}
    facts: dict[str, Any] = {}
    for arm, solve in (("words", {"pot_share": 0.0}), ("routed", {"pot_share": 0.5, "route": 1.0})):
        name = lab.written(
            f"solved-{arm}{seed}",
            lab.sizes.routed,
            SUBDOMAINS,
            solve={"samples": 2, "canaries": 0, **solve},
            mix={"per_problem": 2, "shares": {}},
        )
        trained = lab.trained(f"{arm}, seed {seed}", seed, {name: 1.0}, programs=True)
        scores[arm] = lab.scored(trained.checkpoint, programs=True)
        kinds = column(lab.store.read(name, ["solution_format"]), "solution_format")
        facts |= {f"rows of {arm}": len(kinds), f"programs of {arm}": kinds.count("pot")}
    return scores, facts


def factory(lab: Lab, seed: int) -> tuple[ScoresByArm, Facts]:
    """Claim 5: what a teacher that often errs has written and solved, as it is, and after a rebuild with de-duplication, the votes, the
    critic and loss weights at the defaults of the night."""
    with lab.models(teacher="embedded-small", critic="embedded"):
        everything = lab.written(
            f"unfiltered{seed}",
            lab.sizes.generated,
            SUBDOMAINS,
            solve={"pot_share": 0.0, "samples": 4, "canaries": 0},
            verify={"min_agreement": 1, "min_correctness": 0.0, "known": 0.0},
            score={"scorers": ["heuristics"], "thresholds": {}},
            mix={"per_problem": 4, "shares": {}, "loss_weights": {"on": False}},
        )
        kept = filtered(lab, everything, f"filtered{seed}")
    scores: ScoresByArm = {}
    facts: dict[str, Any] = {}
    for arm, name in (("unfiltered", everything), ("filtered", kept)):
        scores[arm] = lab.scored(lab.trained(f"{arm}, seed {seed}", seed, {name: 1.0}).checkpoint)
        facts[f"rows of {arm}"] = lab.store.resolve(name).rows
    return scores, facts


EXPLORED = "explored"
NEEDS = {
    EXPLORED: ("weaknesses", "factory", "students")
}  # experiments of the same seed whose versions one uses
WITH_PROGRAMS = frozenset({"formats"})  # experiments on the base that knows programs
EXPERIMENTS: dict[str, Experiment] = {
    "weaknesses": weaknesses,
    "factory": factory,
    "students": students,
    "formats": formats,
    "control": control,
    EXPLORED: explored,
}
