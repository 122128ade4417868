"""One seed of the proof: its versions, its trainings and the answers of its checkpoints, all made by the product's own parts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from storage.counting import counted
from storage.datasets.store import Store
from storage.ledger import Ledger
from storage.rows import Row, column, replace, to_table
from tasks.answers import Judge, extract
from tasks.evaluation.answering import Asking, answer_items
from tasks.evaluation.items import as_form, of_rows
from tasks.llm.endpoint import Endpoint, EngineLimits
from tasks.llm.engine import Engine
from tasks.llm.model_files import CHECKPOINT
from tasks.problems.machinery.family import Problem
from tasks.proof.rows import BY_PROGRAM, LANGUAGE, SKEWED, draw, words
from tasks.proof.sizes import LONGEST, Sizes
from tasks.sandbox import Sandbox
from tasks.seeding import rng_of, seed_of
from tasks.stages.verify import VerifySettings, verify
from tasks.training.completion import Completer
from tasks.training.config import Train
from tasks.training.run import read, train
from tasks.voting import prior

TEMPERATURE = 0.7  # of repeated answers


@dataclass
class Lab:
    """The state of one seed, below `folder`.

    `scores` maps the name of an arm to 1 (right) or 0 per held-out item, in order; an answer that could not be compared is 0.
    `versions` maps an arm that was trained to the versions of its data, with their digests. `facts` are counts for the page,
    among them `not comparable`, the number of scored answers that could not be compared.
    """

    sizes: Sizes
    seed: int
    base: Path
    folder: Path
    ledger: Ledger
    judge: Judge
    sandbox: Sandbox
    held_out: list[Problem]
    scores: dict[str, list[int]] = field(default_factory=dict)
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    facts: dict[str, float] = field(default_factory=dict)
    _sampled: dict[tuple[Path, tuple[str, ...]], pa.Table] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = Store(self.folder)

    def draw(self, name: str, count: int, shares: Mapping[str, float] | None = None) -> list[Problem]:
        """Draw problems of this seed under a name, none of them held out; by default with the shares of SKEWED."""
        held = {problem.question for problem in self.held_out}
        return draw(rng_of("proof", self.seed, name), count, shares or SKEWED, without=held)

    def publish(self, name: str, rows: Sequence[Row] | pa.Table) -> str:
        """Publish the rows as the only version of a dataset, unless an earlier start did; return the name of the version."""
        dataset = f"proof-{_slug(name)}"
        if self.store.head(dataset) is None:
            table = rows if isinstance(rows, pa.Table) else to_table(rows)
            self.store.publish(dataset, [table], lineage={"seed": self.seed})
        return str(self.store.resolve(dataset))

    def train(
        self,
        arm: str,
        experiment: str,
        data: Sequence[str | Mapping[str, Any]],
        *,
        start: Path | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Path:
        """Train `start` (by default the base) on the data and return the checkpoint.

        data: names of versions, or sources with a weight. settings: added to those of an arm.

        Arms of one experiment have equal seeds, so that only the data differ.
        """
        config = Train.model_validate(
            {
                **self.sizes.tuning,
                **(settings or {}),
                "base": str(start or self.base),
                "data": [{"dataset": one} if isinstance(one, str) else dict(one) for one in data],
                "seed": seed_of("proof", self.seed, experiment) % 2**31,
            }
        )
        trained = train(config, self.store, self.run_folder(arm))
        self.versions[arm] = {
            one["version"]: one["digest"] for stage in trained.lineage["stages"] for one in stage["data"]
        }
        return trained.checkpoint

    def run_folder(self, arm: str) -> Path:
        """Return the folder of an arm's training, with its record, checkpoint and curves."""
        return self.folder / "models" / _slug(arm)

    def metrics(self, arm: str) -> dict[str, Any]:
        """Return the metrics of an arm's training."""
        return read(self.run_folder(arm)).metrics

    def answer(self, checkpoint: Path, rows: Sequence[Row], *, program: bool = False) -> pa.Table:
        """Let the checkpoint answer the questions of rows greedily, in words or by a program; return the answered items
        (tasks.evaluation.answering.ANSWERED)."""
        items = of_rows(to_table(rows), "proof")
        if program:
            items = as_form(items, "program")
            asked = [f"{question}{BY_PROGRAM}" for question in items.column("question").to_pylist()]
            items = items.set_column(items.schema.get_field_index("question"), "question", pa.array(asked))
        engine = Engine(Endpoint("student", model=f"{CHECKPOINT}{checkpoint}"), self.ledger, EngineLimits())
        try:
            answered = answer_items(
                items,
                engine=engine,
                judge=self.judge,
                sandbox=self.sandbox,
                asking=Asking(bare=True, max_tokens=LONGEST),
                seed=self.seed,
                tick=lambda _: None,
            ).rows
        finally:
            engine.close()
        if failed := answered.column("score").null_count:
            raise RuntimeError(f"{checkpoint}: {counted(failed, 'item')} without a score")
        return answered

    def score(self, arm: str, checkpoint: Path, *, program: bool = False) -> pa.Table:
        """Score the checkpoint on the held-out items under the name of the arm, and return the answered items."""
        answered = self.answer(checkpoint, words(self.held_out), program=program)
        self.scores[arm] = [int(score) for score in answered.column("score").to_pylist()]
        unknown = sum(answered.column("unknown").to_pylist())
        self.facts["not comparable"] = self.facts.get("not comparable", 0) + unknown
        return answered

    def sampled(self, checkpoint: Path, rows: Sequence[Row]) -> pa.Table:
        """Return `samples` solutions in words of the checkpoint per row, judged by the stage `verify`, which rejects those that
        are not known to be right. Samples without an answer are left out. A second call returns the same solutions."""
        key = (checkpoint, tuple(row.id for row in rows))
        if key not in self._sampled:
            self._sampled[key] = self._sample(checkpoint, rows)
        return self._sampled[key]

    def _sample(self, checkpoint: Path, rows: Sequence[Row]) -> pa.Table:
        completions = Completer.load(checkpoint, device="cpu").complete(
            [[{"role": "user", "content": row.question}] for row in rows],
            max_new_tokens=LONGEST,
            temperature=TEMPERATURE,
            samples=self.sizes.samples,
            seed=seed_of("proof", self.seed, "sampled"),
            batch=128,
        )
        solutions = []
        for row, several in zip(rows, completions, strict=True):
            for number, completion in enumerate(several):
                extracted = extract(completion.text, LANGUAGE, cut=not completion.ended)
                if extracted is None:
                    continue
                solution = Row(
                    row.question,
                    LANGUAGE,
                    solution=completion.text,
                    solution_format="cot",
                    answer=extracted.answer,
                    reference_answer=row.reference_answer,
                    domain=row.domain,
                    subdomain=row.subdomain,
                    source=row.source,
                    license=row.license,
                    sample_index=number,
                    parent_ids=[row.id],
                )
                solutions.append(solution)
        return verify(
            to_table(solutions),
            sandbox=self.sandbox,
            judge=self.judge,
            calibration=prior(),
            settings=VerifySettings(sure=1.0),
            tick=lambda _: None,
        )


def with_weights(rows: Sequence[Row], sampled: pa.Table, samples: int) -> pa.Table:
    """Return the rows with the loss weight of the stage `mix`, 1 + difficulty. The difficulty is the share of the `samples` of
    a question that are not right, without those that could not be compared, and 0.5 if none could be."""
    counts: Counter[tuple[str, str | None]] = Counter(
        (problem, dict(verdicts or ()).get("equivalent"))
        for problem, verdicts in zip(column(sampled, "problem_id"), column(sampled, "verdicts"), strict=True)
    )
    weights = []
    for row in rows:
        known = samples - counts[row.problem_id, "unknown"]
        weights.append(2 - counts[row.problem_id, "equal"] / known if known else 1.5)
    return replace(to_table(rows), loss_weight=pa.array(weights, pa.float32()))


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
