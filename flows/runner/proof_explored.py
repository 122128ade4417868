"""The exploratory arms of the proof: what each part of the factory adds, orders and stages of training, annealing, and training on what `rft`
publishes. They show nothing: they suggest what to test next."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.config.rebuild import Rebuild
from flows.rebuild import rebuild
from flows.runner.proof_lab import Lab
from tasks.proof.claims import ANNEALED, ON_SAMPLES, ORDERED, WITHOUT
from tasks.proof.sizes import LONGEST

ANNEAL = 0.2  # share of the tokens of a set that is judged by annealing
# what `rebuild` is asked for claim 5: the defaults of a night
DEFAULTS: Mapping[str, Any] = {
    "thresholds": {"heuristics": 0.5, "answer": 0.6},
    "correctness": 0.7,
    "scorers": ["heuristics", "critique"],
    "similarity": {"per_template": 1_000_000, "semantic": "ignore"},
    "mix": {"per_problem": 4, "shares": {}},
    "gates": {"min_recall": {}},
}
# arm -> the same with one part left out or another one in its place
LEFT_OUT: Mapping[str, Mapping[str, Any]] = {
    WITHOUT["answers"]: {"thresholds": {"heuristics": 0.5}, "correctness": None},
    WITHOUT["critic"]: {"scorers": ["heuristics"]},
    WITHOUT["step checker"]: {
        "scorers": ["heuristics", "steps"],
        "thresholds": {"heuristics": 0.5, "answer": 0.6, "steps": 0.25},
    },
    WITHOUT["dedup"]: {"similarity": None},
    WITHOUT["weights"]: {"mix": {"per_problem": 4, "shares": {}, "loss_weights": {"on": False}}},
}


# settings of trainings by pairs and by rewards: few steps at a tenth of the rate, from the checkpoint of RFT
TUNED: Mapping[str, Mapping[str, Any]] = {
    "dpo": {"batch": 16},
    "grpo": {"batch": 64, "rollout": {"samples": 8, "max_new_tokens": LONGEST, "kl": 0.04}},
    "ppo": {"batch": 64, "rollout": {"samples": 1, "max_new_tokens": LONGEST}},
}


def filtered(lab: Lab, everything: str, part: str, **other: Any) -> str:
    """Rebuild the version `everything` under the defaults of a night but `other`, and return the version."""
    dataset, _, version = everything.partition("@")
    config = {"dataset": dataset, "base": version, "into": lab.name(part), **DEFAULTS, **other}
    return lab.first(part) or str(rebuild(Rebuild.model_validate(config)))


def explored(lab: Lab, seed: int) -> tuple[dict[str, str], dict[str, Any]]:
    """Train and score the arms of one seed on versions that the experiments of the claims have published."""
    scores: dict[str, str] = {}
    facts: dict[str, Any] = {}

    def score(arm: str, checkpoint: Path) -> None:
        scores[arm] = lab.scored(checkpoint)

    everything, whole = lab.first(f"unfiltered{seed}"), lab.first(f"filtered{seed}")
    if everything and whole:
        with lab.models(teacher="embedded-small", critic="embedded"):
            parts = {
                arm: filtered(lab, everything, f"filtered{seed}-{place}", **other)
                for place, (arm, other) in enumerate(LEFT_OUT.items())
            }
        for arm, name in parts.items():
            score(arm, lab.trained(f"{arm}, seed {seed}", seed, {name: 1.0}).checkpoint)
            facts[f"rows of {arm}"] = lab.store.resolve(name).rows
        first, last = ORDERED
        score(
            first,
            lab.trained(f"{first}, seed {seed}", seed, {whole: 1.0}, curriculum="easy first").checkpoint,
        )
        score(last, lab.in_stages(f"{last}, seed {seed}", seed, {whole: 1.0}).checkpoint)
    sets = dict(
        zip(
            ANNEALED,
            (lab.first(f"weak{seed}-weakness-augmented"), lab.pool()[0], lab.first(f"unfiltered{seed}")),
            strict=True,
        )
    )
    for arm, version in sets.items():
        if version:
            score(arm, lab.trained(f"{arm}, seed {seed}", seed, {version: 1.0}, share=ANNEAL).checkpoint)
    right = lab.first(f"sampled{seed}-rft")
    if right:
        known = str(lab.first(f"questions{seed}"))
        rows = {name: float(lab.store.resolve(name).rows) for name in (known, right)}
        rft = lab.trained(f"RFT, seed {seed}", seed, rows).checkpoint
        for arm, (method, part) in ON_SAMPLES.items():
            if (version := lab.first(f"sampled{seed}-{part}")) is not None:
                settings = {**TUNED[method], "steps": lab.sizes.tuned, "lr": lab.sizes.rate / 10}
                score(
                    arm, lab.tuned(f"{arm}, seed {seed}", seed, rft, version, method, **settings).checkpoint
                )
    return scores, facts
