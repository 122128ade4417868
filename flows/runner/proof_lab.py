"""The parts of the proof that all experiments share: each is a run of a flow that users run, on versions below the user's home.

Every version is named `proof-SIZES-...`, so that a reader can train on any of them again. Models are the embedded ones and the
checkpoints that are trained here, whatever the user's settings say. What an earlier start has made is found by the flows themselves.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq

from flows.config.evaluate import Evaluate
from flows.config.make import Make
from flows.evaluate import evaluate
from flows.make import make
from flows.settings import ENV_FILE, ROLES
from flows.train import train
from storage.atomic import write_bytes
from storage.counting import counted
from storage.datasets.store import Store
from storage.rows import column
from tasks.proof.rows import LANGUAGE, draw, easy_prompts
from tasks.proof.sizes import COMMON, LONGEST, RARE, SIZES, SUBDOMAINS, Sizes
from tasks.seeding import seed_of
from tasks.training.config import Train
from tasks.training.run import read
from tasks.training.student import fresh

FOLDER = "proof"  # below the home
NEW = 0.5  # share of an arm's tokens that are new; the others are those of the base
# of the base's own rows, about one in ten of which is wrong
ONE_ANSWER: dict[str, Any] = {
    "solve": {"pot_share": 0.0, "samples": 1, "canaries": 0},
    "verify": {"min_agreement": 1, "min_correctness": 0.0, "known": 0.0},
}
SEEDS_OF_TOPIC = 20  # seed problems of a subdomain


@dataclass(frozen=True, slots=True)
class TrainedArm:
    """A checkpoint, and the versions that it was trained on with their digests."""

    checkpoint: Path
    versions: dict[str, str]
    parameters: int


@dataclass
class Lab:
    """home: absolute. `versions`: name of an arm -> what it was trained on."""

    sizes: Sizes
    home: Path
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    _base: TrainedArm | None = None

    def __post_init__(self) -> None:
        self.folder = self.home / FOLDER / self.sizes.name
        self.founded = Lab(SIZES[self.sizes.base_of], self.home) if self.sizes.base_of else self
        self.store = Store(self.home)
        self.prompts = easy_prompts(self.folder / "prompts")
        self.items = draw(self.sizes.name + " items", self.sizes.items, SUBDOMAINS, part="measures")
        self.measured = self._file("items.jsonl", self.items)
        driving = draw(self.sizes.name + " probe", self.sizes.driving, SUBDOMAINS, part="drives")
        self.probe = self._file("probe.jsonl", [*driving, *self.items])
        held_out = {one.question for one in [*driving, *self.items]}
        seeds = draw(
            self.sizes.name + " seeds",
            SEEDS_OF_TOPIC * len(SUBDOMAINS),
            SUBDOMAINS,
            part="any",
            without=held_out,
        )
        self.seeds = self._file("seeds.jsonl", seeds)

    def name(self, part: str) -> str:
        return f"{FOLDER}-{self.sizes.name}-{part}"

    def _file(self, name: str, problems: Sequence[Any]) -> Path:
        lines = [
            {
                "question": one.question,
                "answer": one.worked.answer,
                "subdomain": one.subdomain,
                "language": LANGUAGE,
            }
            for one in problems
        ]
        write_bytes(self.folder / name, b"".join(orjson.dumps(line) + b"\n" for line in lines))
        return self.folder / name

    @contextlib.contextmanager
    def models(self, **roles: Any) -> Iterator[None]:
        """Use the embedded models in all roles but `roles`, which map a role to a model or to a list of models, and the easy prompts."""
        kept = dict(os.environ)
        for name in kept:
            if name.startswith(tuple(f"MATHMILL_{role.upper()}__" for role in ROLES)):
                del os.environ[name]
        os.environ |= {ENV_FILE: "", "MATHMILL_HOME": str(self.home), "MATHMILL_PROMPTS": str(self.prompts)}
        for role, model in ({"teacher": "embedded"} | roles).items():
            several = not isinstance(model, str)
            os.environ[f"MATHMILL_{role.upper()}__{'MODELS' if several else 'MODEL'}"] = (
                orjson.dumps(model).decode() if several else model
            )
        try:
            yield
        finally:
            os.environ.clear()
            os.environ |= kept

    def written(self, part: str, target: int, subdomains: Sequence[str], **settings: Any) -> str:
        """Write `target` rows of the subdomains by the flow make, and return the version. settings: further ones of the flow."""
        config = {
            "method": "similar",
            "dataset": self.name(part),
            "target": target,
            "seed": seed_of(FOLDER, self.sizes.name, part) % 2**31,
            "seeds": {"own": False, "files": [str(self.seeds)]},
            "generate": {
                "languages": {LANGUAGE: 1.0},
                "subdomains": list(subdomains),
                "per_call": 20,
                "examples": 0,
                "waves": 8,
            },
            # two solutions, of which one is kept if they agree
            "solve": {"pot_share": 0.0, "samples": 2, "canaries": 0},
            "verify": {"min_agreement": 2, "min_correctness": 0.0, "known": 0.0},
            "score": {"scorers": ["heuristics"]},
            # questions of one family share long passages: only a repeated question is a duplicate
            "similarity": {"semantic": "ignore", "rouge_l": 1.0, "jaccard": 1.0, "per_template": 1_000_000},
            "mix": {"per_problem": 1, "shares": {}},
            "decontaminate": {
                "rules": ["exact"],
                "ask": False,
                "planted": 0,
                "benchmarks": [str(self.measured)],
            },
            "gates": {"min_recall": {}, "drift": None},
        }
        return self.first(part) or make(Make.model_validate(config | settings))

    def first(self, part: str) -> str | None:
        """Return the first version of a part, None before there is one: a night that is started again writes more rows."""
        versions = (
            self.store.versions(self.name(part)) if self.store.head(self.name(part)) is not None else []
        )
        return str(versions[0]) if versions else None

    def trained(
        self, arm: str, seed: object, new: Mapping[str, float], *, steps: int | None = None
    ) -> TrainedArm:
        """Continue the base with the versions `new` and their weights at half of the tokens, beside its own rows, by the flow train.

        Trainings of one seed take their rows in an order of that seed.
        """
        sizes, old = self.sizes, self.corpus()
        rows = {name: self.store.resolve(name).rows for name in old}
        shares = {name: (1 - NEW) * count / sum(rows.values()) for name, count in rows.items()}
        shares |= {name: NEW * weight / sum(new.values()) for name, weight in new.items()}
        config = {
            **sizes.training,
            "base": str(self.base().checkpoint),
            "data": [{"dataset": name, "weight": share} for name, share in shares.items()],
            "steps": steps or sizes.steps,
            "lr": sizes.rate,
            "seed": seed_of(FOLDER, "order", seed) % 2**31,
        }
        result = _trained(config)
        self.versions[arm] = result.versions
        return result

    def corpus(self) -> list[str]:
        """Return the versions that the base is trained on."""
        if self.founded is not self:
            return self.founded.corpus()
        return [
            self.written("common", self.sizes.corpus, COMMON, **ONE_ANSWER),
            self.written("scarce", self.sizes.scarce, RARE, **ONE_ANSWER),
        ]

    def pool(self) -> list[str]:
        """Return the versions whose rows an arm may take: common and rare subdomains in the proportion of the base."""
        return [
            self.written("pool-common", self.sizes.pool, COMMON),
            self.written("pool-scarce", self.sizes.pool_scarce, RARE),
        ]

    def base(self) -> TrainedArm:
        """Return the checkpoint from which all arms start."""
        if self.founded is not self:
            return self.founded.base()
        sizes, names = self.sizes, self.corpus()
        untrained = self.folder / "untrained"
        if not (untrained / "config.json").exists():
            texts = []
            for name in names:
                table = self.store.read(name, ["question", "solution"])
                texts += [*column(table, "question"), *column(table, "solution")]
            fresh(texts, untrained, seed=0, shape=sizes.shape)
        config = {
            **sizes.training,
            "base": str(untrained),
            "data": [{"dataset": name} for name in names],
            "steps": sizes.base,
            "lr": sizes.base_rate,
            "save_every": 250,
        }
        self._base = self._base or _trained(config)
        return self._base

    def scored(self, checkpoint: Path) -> str:
        """Return 1 or 0 for each held-out item, in their order, by the flow evaluate. Raises RuntimeError if an item has no score, which
        is a failure of ours."""
        config = Evaluate(
            model=f"hf:{checkpoint}",
            benchmarks=[str(self.measured)],
            domains={self.measured.stem: "problem solving"},
            max_tokens=LONGEST,
        )
        name = evaluate(config)
        table = pq.read_table(self.home / "evaluations" / name / "candidate.parquet")
        scores = dict(zip(column(table, "question"), column(table, "score"), strict=True))
        if missing := [one.question for one in self.items if scores.get(one.question) is None]:
            raise RuntimeError(
                f"{name}: {counted(len(missing), 'item')} without a score, such as {missing[0]!r}"
            )
        return "".join(str(int(scores[one.question])) for one in self.items)


def _trained(config: Mapping[str, Any]) -> TrainedArm:
    done = read(Path(train(Train.model_validate(config))))
    versions = {one["version"]: one["digest"] for stage in done.lineage["stages"] for one in stage["data"]}
    return TrainedArm(done.checkpoint, versions, int(done.metrics["parameters"]))
