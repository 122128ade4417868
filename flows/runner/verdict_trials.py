"""A verdict's state: the pinned versions, the trainings of each arm, their answers, and the mark that is left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from pydantic import ValidationError

from flows.config.evaluate import Evaluate
from flows.config.loading import ConfigError
from flows.config.verdict import Verdict
from flows.runner.artifacts import key_of, report
from flows.runner.evaluation import Evaluation, ends_seen
from flows.runner.page_links import version_path, with_link
from flows.runner.progress import Bars
from flows.runner.resources import Tools
from flows.runner.stages import Line
from flows.settings import load_settings
from storage.atomic import replacing
from storage.counting import counted
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.rows import kept
from storage.sealed_files import HomeFiles
from storage.stage_cache.shards import digest_of
from tasks.arrays import Floats
from tasks.evaluation.held_out import NAME, held_out
from tasks.evaluation.items import load
from tasks.evaluation.verdict import conclude, to_markdown
from tasks.llm.model_files import CHECKPOINT, require
from tasks.problems.machinery.family import families
from tasks.seeding import seed_of, seeds_of
from tasks.settings import unfit_settings
from tasks.training.config import FRESH, Train
from tasks.training.run import train

FOLDER = "verdicts"
VALIDATED = "validated"
VOCABULARY_ROWS = 20_000  # of each version, that a fresh student's tokenizer is made of
# what a fresh student learns from in minutes; a checkpoint is trained as `train` trains it
STUDENT = {"steps": 600, "batch": 16, "length": 512, "lr": 2e-3}


@dataclass(slots=True)
class Trial:
    config: Verdict
    line: Line
    candidate: Version
    validated: Version
    items: pa.Table
    name: str
    settings: dict[str, Any]  # of every training
    tokens: list[int]

    @classmethod
    def begin(cls, config: Verdict, tools: Tools, bars: Bars) -> Trial:
        """Check everything that can be wrong before the first training starts."""
        candidate, validated, settings = check(config, tools.store)
        items = _items(config, tools.store, candidate, validated)
        decides = config.model_dump(mode="json", exclude={"seeds"})
        name = f"{candidate}-{digest_of(decides, candidate.digest, validated.digest, items.column('id').to_pylist())[:8]}"
        trial = cls(config, Line(tools, bars), candidate, validated, items, name, settings, [])
        trial.plan(0, trial.alone())  # refuses a setting that does not fit before the first hour
        return trial

    @property
    def checks_base(self) -> bool:
        """Whether the base may have seen the items: it is a trained model, and they are those of benchmarks."""
        config = self.config
        return bool(config.benchmarks and config.tails and config.base != FRESH)

    def base_seen(self) -> dict[str, Any] | None:
        """Return what the ends show that the base completes (tasks.evaluation.tails.seen); None if it is not checked."""
        if not self.checks_base:
            return None
        config, line = self.config, self.line
        model = f"{CHECKPOINT}{line.tools.settings.checkpoint(config.base)}"
        shown = ends_seen(line, model, self.items, config.tails, config.seed)
        line.tools.release(model)
        return shown

    def alone(self) -> list[dict[str, Any]]:
        return [{"dataset": str(self.validated)}]

    def mixture(self, without: str = "") -> list[dict[str, Any]]:
        """Both versions by weight; `without` a value of the configured column."""
        share = self.config.weight
        left = {"without": {self.config.without: [without]}} if without else {}
        return [
            {"dataset": str(self.candidate), "weight": share} | left,
            {"dataset": str(self.validated), "weight": 1 - share},
        ]

    def left_out(self) -> list[str]:
        """Return the values of the candidate that are left out one by one."""
        column = self.config.without
        if not column:
            return []
        values = pc.unique(self.line.tools.store.read(self.candidate, [column]).column(column)).drop_null()
        names = sorted(map(str, values.to_pylist()))
        return names if len(names) > 1 else []

    def scores(self, data: list[dict[str, Any]]) -> Floats:
        """Train once per random seed, and return each model's scores on the items, in the order of `items`."""
        answers = []
        for number in range(self.config.seeds):
            plan = self.plan(number, data)
            out = self.folder / digest_of(plan.deciding())[:12]
            title = f"Train, seed {number}, {' and '.join(source.dataset for source in plan.data)}"
            checkpoint, tokens = train_one.with_options(name="train", task_run_name=title)(
                plan.model_dump(mode="json"), self.line.tools.settings.tables, str(out)
            )
            self.tokens.append(tokens)
            answers.append(self._asked(f"{CHECKPOINT}{checkpoint}"))
        return np.stack(answers)

    def plan(self, number: int, data: list[dict[str, Any]]) -> Train:
        """Return the training of one random seed. Raises ConfigError, which names a setting that does not fit."""
        if self.config.base == FRESH:
            base = str(self._fresh(number))
        else:
            base = self.line.tools.settings.checkpoint(self.config.base)
        seed = seed_of(self.config.seed, "verdict", number) % 2**31
        return _training(self.settings, base=base, data=data, seed=seed)

    def conclude(
        self,
        candidate: Floats,
        baseline: Floats,
        without: dict[str, Floats],
        base: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Record the verdict as a mark on the version, in its report, and as an artifact."""
        config, tools = self.config, self.line.tools
        usd = sum(cost["usd"] for cost in self.candidate.lineage.get("costs", ()))
        new = self.items.column("benchmark").to_numpy(zero_copy_only=False) == NAME if base else None
        value = conclude(self.items, candidate, baseline, usd=usd, without=without, base=base, new=new) | {
            "version": str(self.candidate),
            "validated": str(self.validated),
            "base": config.base,
            "weight": config.weight,
            "training": self.settings,
            "tokens": round(float(np.mean(self.tokens))),
            "benchmark": ", ".join(sorted(set(self.items.column("benchmark").to_pylist()))),
            "run": self.name,
        }
        HomeFiles(tools.home).write(
            self.folder / "record.json", orjson.dumps(value, option=orjson.OPT_INDENT_2)
        )
        text = to_markdown(value)
        HomeFiles(tools.home).write(self.folder / "report.md", text.encode())
        tools.store.mark(self.candidate, "verdict", value)
        create_markdown_artifact(
            key=f"{key_of(self.candidate.dataset)}-verdict",
            markdown=with_link(text, tools.settings, version_path(self.candidate)),
            description=f"`{self.candidate}`",
        )
        report(tools, self.candidate)
        return value

    @property
    def folder(self) -> Path:
        folder = self.line.tools.home / FOLDER / self.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _asked(self, model: str) -> Floats:
        tools = self.line.tools
        how = Evaluate(model=model, max_tokens=self.config.max_tokens, seed=self.config.seed)
        answered = Evaluation(how, self.line, self.items, self.name).answer(model).sort_by("id")
        tools.release(model)
        if answered.column("score").null_count:
            raise RuntimeError(
                f"{model}: {counted(answered.column('score').null_count, 'item')} without a score"
            )
        return np.asarray(answered.column("score").to_numpy(), dtype=np.float64)

    def _fresh(self, number: int) -> Path:
        """Return an untrained student per random seed, from which both trainings start. Its tokenizer knows the words of both versions."""
        from tasks.training import student

        out = self.folder / f"student-{number}"
        if not (out / "config.json").exists():
            context = max(student.Shape().context, int(self.settings.get("length", 0)))
            with replacing(out) as beside:
                student.fresh(
                    self._texts(),
                    beside,
                    seed=seed_of(self.config.seed, "fresh", number) % 2**32,
                    shape=student.Shape(context=context),
                )
        return out

    def _texts(self) -> Iterator[str]:
        for version in (self.validated, self.candidate):
            left = VOCABULARY_ROWS
            for batch in self.line.tools.store.batches(
                version, ["question", "solution"], pc.field("solution").is_valid()
            ):
                for name in ("question", "solution"):
                    yield from batch.column(name)[:left].to_pylist()
                left -= batch.num_rows
                if left <= 0:
                    break


@task(name="train", cache_policy=NO_CACHE, persist_result=False)
def train_one(plan: dict[str, Any], tables: str, out: str) -> tuple[str, int]:
    """Train, or find the finished training. Return its checkpoint and how many tokens it read."""
    done = train(Train.model_validate(plan), Store(tables), Path(out))
    return str(done.checkpoint), int(done.metrics.get("tokens", 0))


def _validated(config: Verdict, store: Store, candidate: Version) -> Version:
    if config.validated:
        validated = store.resolve(config.validated)
    elif VALIDATED in store.tags(candidate.dataset):
        validated = store.resolve(f"{candidate.dataset}@{VALIDATED}")
    else:
        before = [v for v in store.versions(candidate.dataset) if v.table_version < candidate.table_version]
        if not before:
            raise ConfigError(
                f"{candidate} is the first of its dataset: there is nothing to train beside. Fix: --validated NAME@VERSION"
            )
        validated = before[-1]
    if validated.digest == candidate.digest:
        raise ConfigError(
            f"{candidate} and {validated} have the same rows: name another version to train beside"
        )
    return validated


def check(config: Verdict, store: Store) -> tuple[Version, Version, dict[str, Any]]:
    """Return the version that is judged, the one to compare with, and the settings of both trainings. Raises StorageError, ConfigError
    or ModelMissing for what can be known to fail before Prefect is started."""
    settings = (STUDENT if config.base == FRESH else {}) | config.training
    if ours := sorted({"base", "data", "seed", "epochs", "then"} & set(settings)):
        raise ConfigError(f"setting training.{ours[0]}: the verdict sets it itself. Fix: leave it out")
    if "steps" not in settings:
        raise ConfigError(
            "setting training: both trainings take the same number of steps. Fix: training.steps, such as 1000"
        )
    _training(settings, base=config.base, data=[{"dataset": config.candidate}], seed=0)
    for path in config.benchmarks:
        if not Path(path).exists():
            raise ConfigError(f"setting benchmarks: there is no {path}. Fix: check the path")
    candidate = store.resolve(config.candidate)
    validated = _validated(config, store, candidate)
    if config.base != FRESH:
        require(load_settings().checkpoint(config.base), "setting base")
    return candidate, validated, settings


def _training(settings: dict[str, Any], **ours: Any) -> Train:
    """Return the training by the user's settings and the flow's. Raises ConfigError, which names each setting that does not fit."""
    try:
        return Train.model_validate(settings | ours)
    except ValidationError as error:
        raise ConfigError(
            *(
                f"setting {name}: {what}. Fix: one that `./mathmill train --show-config` prints"
                for name, what in unfit_settings(error, "training")
            )
        ) from error


def _new(config: Verdict, store: Store, *versions: Version) -> pa.Table:
    """Return newly drawn problems to be asked beside the benchmarks, of the versions' subdomains if families write such problems."""
    columns = ["language", "subdomain", "problem_id"]
    rows = pa.concat_tables([store.read(version, columns) for version in versions])
    known = set(rows.column("problem_id").to_pylist())
    topics = {(row["language"], row["subdomain"]) for row in rows.to_pylist() if row["subdomain"]}
    items = held_out(sorted(topics), config.beside, config.seed, known)
    if items.num_rows < config.beside:
        spoken = {language for language, _ in topics} or {"en"}
        every = {(language, one.subdomain) for one in families().values() for language in spoken}
        items = held_out(sorted(every), config.beside, config.seed, known)
    return items


def _items(config: Verdict, store: Store, candidate: Version, validated: Version) -> pa.Table:
    """Return the items, sorted by id: those of the benchmark files, or newly drawn ones."""
    if config.benchmarks:
        items = kept(load(config.benchmarks))
        order = np.argsort(seeds_of([config.seed, "items"], items.column("id").to_pylist()), kind="stable")
        items = items.take(pa.array(order[: config.items]))
        if config.tails and config.base != FRESH:
            items = pa.concat_tables([items, _new(config, store, candidate, validated)])
        return items.sort_by("id")
    columns = ["language", "subdomain", "problem_id"]
    rows = pa.concat_tables([store.read(version, columns) for version in (candidate, validated)])
    topics = sorted({(row["language"], row["subdomain"]) for row in rows.to_pylist() if row["subdomain"]})
    items = held_out(topics, config.items, config.seed, set(rows.column("problem_id").to_pylist()))
    if items.num_rows < min(config.items, len(topics)) or not items.num_rows:
        raise ConfigError(
            f"{NAME}: none of the families of tasks/problems/ writes problems of {candidate}'s subdomains. Fix: "
            "--benchmark FILE"
        )
    return items.sort_by("id")
