"""The parts of the proof that all experiments share: each is a run of a flow that users run, on versions below the user's home.

Every version is named `proof-SIZES-...`, so that a reader can train on any of them again. Models are the embedded ones and the
checkpoints that are trained here, whatever the user's settings say. What an earlier start has made is found by the flows themselves.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq

from flows.config.evaluate import Evaluate
from flows.config.import_dataset import Import
from flows.config.make import Make
from flows.evaluate import evaluate
from flows.import_dataset import import_dataset
from flows.make import make
from flows.runner.locks import lock
from flows.settings import ENV_FILE, ROLES
from flows.train import train
from storage.atomic import write_bytes
from storage.counting import counted
from storage.datasets.store import Store
from storage.rows import column
from tasks.problems.machinery.family import Problem
from tasks.proof.rows import LANGUAGE, draw, easy_prompts, solved
from tasks.proof.sizes import COMMON, LONGEST, RARE, SIZES, SUBDOMAINS, Sizes
from tasks.seeding import seed_of
from tasks.training.config import Train
from tasks.training.run import read
from tasks.training.student import fresh

FOLDER = "proof"  # below the home
AT_MOST_S = 24 * 3600.0  # that a process waits for what another one makes
NEW = 0.5  # share of an arm's tokens that are new; the others are those of the base
REWARM = 0.3  # share of an arm's steps in which the learning rate rises: faster, a base whose rate has ended at 0 loses what it knows
LICENSE = "CC0-1.0"
# questions of one family share long passages: only a repeated question is a duplicate
REPEATED = {"semantic": "ignore", "rouge_l": 1.0, "jaccard": 1.0, "per_template": 1_000_000}
SEEDS_OF_TOPIC = 20  # seed problems of a subdomain


@dataclass(frozen=True, slots=True)
class TrainedArm:
    """A checkpoint, and the versions that it was trained on with their digests. `parameters`: None where the training did not count them, as
    those on pairs and on rewards do not."""

    checkpoint: Path
    versions: dict[str, str]
    parameters: int | None


@dataclass
class Lab:
    """home: absolute. `versions`: name of an arm -> what it was trained on."""

    sizes: Sizes
    home: Path
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    _bases: dict[bool, TrainedArm] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder = self.home / FOLDER / self.sizes.name
        self.founded = Lab(SIZES[self.sizes.base_of], self.home) if self.sizes.base_of else self
        self.store = Store(self.home)
        self.prompts = easy_prompts(self.folder / "prompts")
        self.items = draw(self.sizes.drawn("items"), self.sizes.items, SUBDOMAINS, part="measures")
        self.measured = self._problems("items.jsonl", self.items)
        driving = draw(self.sizes.drawn("probe"), self.sizes.driving, SUBDOMAINS, part="drives")
        self.probe = self._problems("probe.jsonl", [*driving, *self.items])
        seeds = draw(
            self.sizes.drawn("seeds"),
            SEEDS_OF_TOPIC * len(SUBDOMAINS),
            SUBDOMAINS,
            part="any",
            without={one.question for one in [*driving, *self.items]},
        )
        self.seeds = self._problems("seeds.jsonl", seeds)

    def name(self, part: str) -> str:
        return f"{FOLDER}-{self.sizes.name}-{part}"

    def _problems(self, name: str, problems: Sequence[Problem]) -> Path:
        lines = [
            {
                "question": one.question,
                "answer": one.worked.answer,
                "subdomain": one.subdomain,
                "language": LANGUAGE,
            }
            for one in problems
        ]
        return self._file(name, lines)

    def _file(self, name: str, records: Sequence[Mapping[str, str]]) -> Path:
        write_bytes(self.folder / name, b"".join(orjson.dumps(one) + b"\n" for one in records))
        return self.folder / name

    def imported(self, part: str, records: Callable[[], Sequence[Mapping[str, str]]]) -> str:
        """Publish the records by the flow import, unless an earlier start or another process did, and return the version."""
        with lock(self.folder / f"{part}.lock", within_s=AT_MOST_S):
            return self.first(part) or import_dataset(
                Import.model_validate(
                    {
                        "paths": [str(self._file(f"{part}.jsonl", records()))],
                        "dataset": self.name(part),
                        "license": LICENSE,
                        "kind": "solution",
                        "near": False,
                        "similarity": REPEATED,
                        "decontaminate": self.exact(),
                        "gates": {"min_recall": {}},
                    }
                )
            )

    def exact(self) -> dict[str, Any]:
        """Return the settings by which no row is an item, and a row like one is kept: rows and items are of the same families."""
        return {"rules": ["exact"], "ask": False, "planted": 0, "benchmarks": [str(self.measured)]}

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
            "similarity": REPEATED,
            "mix": {"per_problem": 1, "shares": {}},
            "decontaminate": self.exact(),
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
        self,
        arm: str,
        seed: object,
        new: Mapping[str, float],
        *,
        programs: bool = False,
        share: float = NEW,
        **other: Any,
    ) -> TrainedArm:
        """Continue the base with the versions `new` and their weights at `share` of the tokens, beside its own rows, by the flow train; without
        new ones on its own rows alone. programs: the base that knows programs besides words. other: further settings of the flow.

        Trainings of one seed take their rows in an order of that seed.
        """
        old = 1 - share if new else 1.0
        shares = {name: old * part for name, part in self.corpus(programs=programs).items()}
        shares |= {name: share * weight / sum(new.values()) for name, weight in new.items()}
        return self._continued(
            arm, seed, programs=programs, data=_sources(shares), steps=self.sizes.steps, **other
        )

    def in_stages(self, arm: str, seed: object, new: Mapping[str, float]) -> TrainedArm:
        """Continue the base with its own rows for half of an arm's steps, and then with `new` alone for the other half."""
        half = self.sizes.steps // 2
        then = [{"data": _sources(new), "steps": self.sizes.steps - half}]
        return self._continued(arm, seed, data=_sources(self.corpus()), steps=half, then=then)

    def pretrained(self, arm: str, seed: object, texts: str) -> TrainedArm:
        """Continue the base with the version `texts` by continued pretraining for half of an arm's steps, and then with the base's own rows for
        the other half."""
        half = self.sizes.steps // 2
        read = self._continued(arm, seed, data=_sources({texts: 1.0}), steps=half, method="cpt")
        then: dict[str, Any] = {
            "base": str(read.checkpoint),
            "data": _sources(self.corpus()),
            "steps": self.sizes.steps - half,
        }
        result = self._continued(arm, seed, **then)
        self.versions[arm] = read.versions
        return result

    def tuned(
        self, arm: str, seed: object, checkpoint: Path, version: str, method: str, **other: Any
    ) -> TrainedArm:
        """Continue a checkpoint with a version by a method that learns from pairs or rewards."""
        return self._continued(
            arm, seed, base=str(checkpoint), data=[{"dataset": version}], method=method, **other
        )

    def _continued(self, arm: str, seed: object, *, programs: bool = False, **settings: Any) -> TrainedArm:
        config = {
            **self.sizes.training,
            "warmup": REWARM,
            "base": str(self.base(programs=programs).checkpoint),
            "lr": self.sizes.rate,
            "seed": seed_of(FOLDER, "order", seed) % 2**31,
        }
        result = _trained(config | settings)
        self.versions[arm] = result.versions
        return result

    def corpus(self, *, programs: bool = False) -> dict[str, float]:
        """Return the versions that the base is trained on, and their shares of its tokens."""
        if self.founded is not self:
            return self.founded.corpus(programs=programs)
        sizes = self.sizes
        rows = {
            self._solved("common", sizes.corpus, COMMON): sizes.corpus,
            self._solved("scarce", sizes.scarce, RARE): sizes.scarce,
        }
        if programs:
            rows |= {
                self._solved("programs-common", sizes.programs, COMMON, programs=True): sizes.programs,
                self._solved(
                    "programs-scarce", sizes.programs_scarce, RARE, programs=True
                ): sizes.programs_scarce,
            }
        return {name: count / sum(rows.values()) for name, count in rows.items()}

    def pool(self) -> list[str]:
        """Return the versions whose rows an arm may take: common and rare subdomains in the proportion of the base."""
        return [
            self._solved("pool-common", self.sizes.pool, COMMON),
            self._solved("pool-scarce", self.sizes.pool_scarce, RARE),
        ]

    def _solved(self, part: str, count: int, subdomains: Sequence[str], *, programs: bool = False) -> str:
        """Return the version of problems of the subdomains, none of which is an item of any sizes that use them."""
        name = self.sizes.drawn(part)
        return self.imported(
            part, lambda: solved(name, count, subdomains, self.held_out(), programs=programs)
        )

    def held_out(self) -> set[str]:
        """Return the questions of the probe, and of those of the sizes that use this base."""
        those = [one for one in SIZES.values() if self.sizes.name in (one.name, one.base_of)]
        return {
            problem.question
            for one in those
            for problem in [
                *draw(one.drawn("items"), one.items, SUBDOMAINS, part="measures"),
                *draw(one.drawn("probe"), one.driving, SUBDOMAINS, part="drives"),
            ]
        }

    def base(self, *, programs: bool = False) -> TrainedArm:
        """Return the checkpoint from which all arms start, or the one that knows programs besides words, which those of claim 4 do."""
        if self.founded is not self:
            return self.founded.base(programs=programs)
        if programs in self._bases:
            return self._bases[programs]
        sizes, shares = self.sizes, self.corpus(programs=programs)
        untrained = self.folder / ("untrained-programs" if programs else "untrained")
        if not (untrained / "config.json").exists():
            texts = []
            for name in shares:
                table = self.store.read(name, ["question", "solution"])
                texts += [*column(table, "question"), *column(table, "solution")]
            fresh(texts, untrained, seed=0, shape=sizes.shape)
        config = {
            **sizes.training,
            "base": str(untrained),
            "data": _sources(shares),
            "steps": sizes.programs_base if programs else sizes.base,
            "lr": sizes.base_rate,
            "save_every": 250,
        }
        self._bases[programs] = _trained(config)
        return self._bases[programs]

    def scored(self, checkpoint: Path, *, programs: bool = False) -> str:
        """Return 1 or 0 for each held-out item, in their order, by the flow evaluate. Raises RuntimeError if an item has no score, which
        is a failure of ours. programs: for a student that answers in words or by a program."""
        name = self.measured.stem
        config = Evaluate(
            model=f"hf:{checkpoint}",
            benchmarks=[str(self.measured)],
            instead={name: "words_or_program"} if programs else {},
            domains={name: "problem solving"},
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


def _sources(shares: Mapping[str, float]) -> list[dict[str, Any]]:
    return [{"dataset": name, "weight": share} for name, share in shares.items()]


def _trained(config: Mapping[str, Any]) -> TrainedArm:
    done = read(Path(train(Train.model_validate(config))))
    versions = {one["version"]: one["digest"] for stage in done.lineage["stages"] for one in stage["data"]}
    return TrainedArm(done.checkpoint, versions, done.metrics.get("parameters"))
