"""The exploratory arms of the proof: what each part of the factory adds, orders and stages of training, annealing, training on what `rft`
publishes, adaptive sampling, and articles instead of passages before fine-tuning. They show nothing: they suggest what to test next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.config.documents import Documents
from flows.config.rebuild import Rebuild
from flows.documents import documents
from flows.rebuild import rebuild
from flows.runner.proof_lab import LICENSE, Lab
from storage.atomic import write_text
from tasks.proof.claims import ANNEALED, ON_SAMPLES, ORDERED, REFINED, SAMPLED, WITHOUT
from tasks.proof.rows import passages
from tasks.proof.sizes import LONGEST, SUBDOMAINS

ScoresByArm = dict[str, str]  # arm -> 1 or 0 for each held-out item
Facts = Mapping[str, Any]

ADAPTIVE = 0.05  # probability that the answer of a question is wrong, above which it is solved once more
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

# the same, with a place in a curriculum for each row: the share of its samples that disagree
PLACED: Mapping[str, Any] = {"mix": {"per_problem": 4, "shares": {}, "curriculum": True}}

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


def explored(lab: Lab, seed: int) -> tuple[ScoresByArm, Facts]:
    """Train and score the arms of one seed, most of them on versions that the experiments of the claims have published."""
    scores: ScoresByArm = {}
    facts: dict[str, Any] = {}
    for part in (_parts_left_out, _annealed, _on_samples, _adaptive, _refined):
        arms, counted = part(lab, seed)
        scores |= arms
        facts |= counted
    return scores, facts


def _parts_left_out(lab: Lab, seed: int) -> tuple[ScoresByArm, Facts]:
    """The rebuild of claim 5 with one part left out, and its rows in other orders."""
    scores: ScoresByArm = {}
    facts: dict[str, Any] = {}
    everything, whole = lab.first(f"unfiltered{seed}"), lab.first(f"filtered{seed}")
    if not everything or not whole:
        return scores, facts
    with lab.models(teacher="embedded-small", critic="embedded"):
        parts = {
            arm: filtered(lab, everything, f"filtered{seed}-{place}", **other)
            for place, (arm, other) in enumerate(LEFT_OUT.items())
        }
    for arm, name in parts.items():
        scores[arm] = lab.scored(lab.trained(f"{arm}, seed {seed}", seed, {name: 1.0}).checkpoint)
        facts[f"rows of {arm}"] = lab.store.resolve(name).rows
    first, last = ORDERED
    places = filtered(lab, everything, f"filtered{seed}-ordered", **PLACED)
    ordered = lab.trained(f"{first}, seed {seed}", seed, {places: 1.0}, curriculum="easy first")
    staged = lab.in_stages(f"{last}, seed {seed}", seed, {whole: 1.0})
    return scores | {first: lab.scored(ordered.checkpoint), last: lab.scored(staged.checkpoint)}, facts


def _annealed(lab: Lab, seed: int) -> tuple[ScoresByArm, Facts]:
    """Sets at a small share of the tokens beside the base's own rows."""
    scores: ScoresByArm = {}
    versions = (
        lab.first(f"weak{seed}-weakness-augmented"),
        lab.pool()[0],
        lab.first(f"unfiltered{seed}"),
    )
    for arm, version in zip(ANNEALED, versions, strict=True):
        if version:
            trained = lab.trained(f"{arm}, seed {seed}", seed, {version: 1.0}, share=ANNEAL)
            scores[arm] = lab.scored(trained.checkpoint)
    return scores, {}


def _on_samples(lab: Lab, seed: int) -> tuple[ScoresByArm, Facts]:
    """Trainings by pairs and by rewards after RFT, on what the flow rft published."""
    scores: ScoresByArm = {}
    right = lab.first(f"sampled{seed}-rft")
    if not right:
        return scores, {}
    known = str(lab.first(f"questions{seed}"))
    rows = {name: float(lab.store.resolve(name).rows) for name in (known, right)}
    rft = lab.trained(f"RFT, seed {seed}", seed, rows).checkpoint
    for arm, (method, part) in ON_SAMPLES.items():
        if (version := lab.first(f"sampled{seed}-{part}")) is not None:
            settings = {**TUNED[method], "steps": lab.sizes.tuned, "lr": lab.sizes.rate / 10}
            tuned = lab.tuned(f"{arm}, seed {seed}", seed, rft, version, method, **settings)
            scores[arm] = lab.scored(tuned.checkpoint)
    return scores, {}


def _adaptive(lab: Lab, seed: int) -> tuple[ScoresByArm, Facts]:
    """Rows of a teacher that often errs, under the defaults of a night for what is accepted, with a fixed number of solutions of each question
    and with as many as the votes need."""
    scores: ScoresByArm = {}
    facts: dict[str, Any] = {}
    for number, (arm, adaptive) in enumerate(zip(SAMPLED, (0.0, ADAPTIVE), strict=True)):
        with lab.models(teacher="embedded-small"):
            name = lab.written(
                f"adaptive{seed}-{number}",
                lab.sizes.questions,
                SUBDOMAINS,
                solve={"pot_share": 0.0, "samples": 4, "canaries": 0, "adaptive": adaptive},
                verify={"min_agreement": 2, "min_correctness": 0.7, "known": 0.0},
            )
        version = lab.store.resolve(name)
        facts[f"rows of {arm}"] = version.rows
        facts[f"completions of {arm}"] = sum(one["completions"] for one in version.lineage["costs"])
        scores[arm] = lab.scored(lab.trained(f"{arm}, seed {seed}", seed, {name: 1.0}).checkpoint)
    return scores, facts


def _refined(lab: Lab, seed: int) -> tuple[ScoresByArm, Facts]:
    """Passages of solved problems, or articles that the method refine makes of them, as texts of continued pretraining for half of an arm's
    steps, and then the base's own rows for the other half."""
    part = f"passages{seed}"
    file = lab.folder / f"{part}.md"
    write_text(file, passages(lab.sizes.drawn(part), lab.sizes.questions, lab.held_out()))
    read = lab.first(part) or documents(
        Documents.model_validate(
            {
                "paths": [str(file)],
                "dataset": lab.name(part),
                "license": LICENSE,
                "decontaminate": lab.exact(),
                "near": False,
                "gates": {"min_recall": {}},
            }
        )
    )
    articles = lab.written(
        f"articles{seed}",
        0,
        SUBDOMAINS,
        method="refine",
        material={"versions": [read]},
        score={"scorers": []},
    )
    scores: ScoresByArm = {}
    facts: dict[str, Any] = {}
    for arm, version in zip(REFINED, (read, articles), strict=True):
        facts[f"texts of {arm}"] = lab.store.resolve(version).rows
        trained = lab.pretrained(f"{arm}, seed {seed}", seed, version)
        scores[arm] = lab.scored(trained.checkpoint)
    return scores, facts
