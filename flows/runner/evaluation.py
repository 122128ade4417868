"""One evaluation's state: which items, asked how, and the record that is left of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from prefect.artifacts import create_markdown_artifact

from flows.config.evaluate import Evaluate
from flows.config.loading import ConfigError
from flows.runner.decontamination import SEEDS
from flows.runner.limits import limits_for
from flows.runner.page_links import with_link
from flows.runner.progress import Bars
from flows.runner.resources import Tools
from flows.runner.run_notes import RunNote
from flows.runner.stages import Line, Stage
from flows.settings import ROLES, load_settings
from prompts.overlay import overlaid
from storage.clock import now
from storage.rows import kept
from storage.sealed_files import HomeFiles
from storage.stage_cache.shards import digest_of
from tasks.evaluation.answering import Asking, answer_items, by_stage, prompt_refs
from tasks.evaluation.domains import DOMAINS, UNASSIGNED
from tasks.evaluation.harness import Folder, run_tasks
from tasks.evaluation.held_out import NAME, held_out
from tasks.evaluation.items import SKIPPED, as_form, load
from tasks.evaluation.likelihood import score_options
from tasks.evaluation.report import to_markdown
from tasks.evaluation.scores import as_record, compare, score
from tasks.evaluation.tails import STAGE, complete_tails, seen, tails_of
from tasks.llm.costs import total
from tasks.llm.model_files import CHECKPOINT, require
from tasks.problems.machinery.family import families
from tasks.reports.plots import data_uri, differences, radar, svg
from tasks.seeding import seeds_of

FOLDER = "evaluations"
ENDS_SHARD = 256  # ends that are completed in one task run
NEW_PROBLEMS = 300  # drawn beside benchmarks whose ends are completed


@dataclass(slots=True)
class Evaluation:
    config: Evaluate
    line: Line
    items: pa.Table  # of all benchmark files, those that cannot be judged among them
    name: str
    note: RunNote | None = None  # until the record is written: a restart has the same budget

    @classmethod
    def begin(cls, config: Evaluate, tools: Tools, bars: Bars) -> Evaluation:
        """Check everything that can be wrong before the first answer is asked for."""
        items, models = check(config), models_of(config)
        warn_of_unassigned(items, bars)
        warn_of_skipped(items, bars)
        # a setting that is younger than the names is left out where it changes nothing
        unset = set() if config.instead else {"instead"}
        plain = config.model_dump(
            mode="json", exclude={"shard_rows", "answers", "budget", "benchmarks", *unset}
        )
        overlay = overlaid(tools.settings.overlay())
        identity = digest_of(
            plain,
            [tools.identity(model) for model in models],
            items.column("id").to_pylist(),
            *([overlay] if overlay else []),
        )
        name = f"{_plain(config.model)}-{identity[:8]}"
        note = RunNote.start(tools.home, f"evaluate-{name}", dict)
        tools.limits = limits_for(config, f"evaluate-{name}", note.since, tools.ledger)
        for model in models:
            tools.engine(model).check()
        return cls(config, Line(tools, bars), items, name, note)

    def answer(self, model: str) -> pa.Table:
        """Return the items with the model's answers, judged; those of lm-evaluation-harness come last."""
        config, line = self.config, self.line
        tables = []
        parts = by_stage(kept(self.items))
        for title, part, needs in (
            ("Answer", parts["words"], {}),
            ("Write programs", parts["programs"], {"sandbox": "sandbox"}),
        ):
            if not part.num_rows:
                continue
            stage = Stage("evaluate", f"{title}, {model}", needs={"engine": model, "judge": "judge"} | needs)
            shards = line.shards("items", part, config.shard_rows)
            call = partial(answer_items, asking=self.asking(model), seed=config.seed)
            refs = line.run(stage, call, shards)
            tables.append(line.rows(refs))
        if parts["likelihood"].num_rows:
            stage = Stage("likelihood", f"Score options, {model}", needs={"engine": model})
            shards = line.shards("items", parts["likelihood"], config.shard_rows)
            tables.append(line.rows(line.run(stage, partial(score_options), shards)))
        if config.tasks:
            stage = Stage("lm-eval", f"lm-eval, {model}", needs={"engine": model})
            tasks = [line.put("tasks", pa.table({"id": [task], "rejected": pa.nulls(1, pa.string())})) for task in config.tasks]  # fmt: skip
            call = partial(
                run_tasks,
                folder=Folder.of(config.task_folder),
                shots=config.shots,
                limit=config.limit,
                chat_template=config.chat_template,
                seed=config.seed,
            )
            refs = line.run(stage, call, tasks)
            tables.append(line.rows(refs))
        return pa.concat_tables(tables)

    def ends(self, model: str) -> dict[str, Any] | None:
        """Return what the ends of items show that the model completes, beside newly drawn problems; None if it is not checked."""
        config = self.config
        if not config.tails:
            return None
        items = kept(self.items)
        languages = sorted(set(items.column("language").to_pylist()))
        topics = sorted((language, one.subdomain) for one in families().values() for language in languages)
        new = held_out(topics, NEW_PROBLEMS, config.seed, set())
        return ends_seen(self.line, model, pa.concat_tables([items, new]), config.tails, config.seed)

    def asking(self, model: str) -> Asking:
        config = self.config
        warm = config.temperature if config.temperature is not None else (0.7 if config.samples > 1 else 0.0)
        bare = config.bare if config.bare is not None else model.startswith(CHECKPOINT)
        return Asking(config.samples, warm, bare, config.max_tokens)

    def report(
        self, candidate: pa.Table, baseline: pa.Table | None, ends: Mapping[str, dict[str, Any] | None]
    ) -> str:
        """Write the record with scores and differences; it is written last, so that its existence means that the rest is there.

        ends: what the ends show that each model completes.
        """
        config, folder = self.config, self.line.tools.home / FOLDER / self.name
        files = HomeFiles(self.line.tools.home)
        models = {config.model: candidate} | ({config.baseline: baseline} if baseline is not None else {})
        record: dict[str, Any] = {
            "name": self.name,
            "created": now().isoformat(timespec="seconds"),
            "model": config.model,
            "baseline": config.baseline,
            "identity": {model: self.line.tools.identity(model) for model in models},
            "config": config.model_dump(mode="json"),
            "asked": {
                model: prompt_refs(
                    self.items, bare=self.asking(model).bare, overlay=self.line.tools.settings.overlay()
                )
                for model in models
            },
            "unusable": self.items.num_rows - kept(self.items).num_rows,
            "scores": {
                model: [as_record(one) for one in score(table, pass_at=config.pass_at)]
                for model, table in models.items()
            },
            "seen": {model: shown for model, shown in ends.items() if shown is not None},
            "costs": total(self.line.facts()),
        }
        drawn: dict[str, Any] = {}
        if baseline is not None:
            deltas = compare(candidate, baseline)
            record["deltas"] = [as_record(one) for one in deltas]
            shown = [one for one in deltas if one.group in ("domain", "benchmark")]
            drawn["differences"] = differences(shown)
        domains = {model: {one["name"]: one["score"] for one in record["scores"][model] if one["group"] == "domain"} for model in models}  # fmt: skip
        drawn["radar"] = radar(domains)
        for plot, figure in drawn.items():
            files.write(folder / f"{plot}.svg", svg(figure).encode())
        for number, table in enumerate(models.values()):
            sink = pa.BufferOutputStream()
            pq.write_table(table, sink)
            name = "candidate.parquet" if number == 0 else "baseline.parquet"
            files.write(folder / name, sink.getvalue().to_pybytes())
        files.write(folder / "report.md", to_markdown(record).encode())
        # an artifact has no files beside it: its plots are in the text
        text = to_markdown(record, {plot: data_uri(figure) for plot, figure in drawn.items()})
        create_markdown_artifact(
            key=f"evaluation-{self.name}"[:250].replace("_", "-"),
            markdown=with_link(
                text, self.line.tools.settings, f"/evaluations/{self.name}", "Each item, in the page"
            ),
        )
        files.write(
            folder / "record.json", orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)
        )
        if self.note is not None:
            self.note.remove()
        return self.name


def ends_seen(line: Line, model: str, items: pa.Table, most: int, seed: int) -> dict[str, Any]:
    """Let a model complete the ends of at most `most` items of each benchmark, and return what they show (tasks.evaluation.tails.seen)
    beside those of the newly drawn problems among the items."""
    ends = tails_of(items, most, seed)
    stage = Stage(STAGE, f"Complete ends, {model}", needs={"engine": model})
    refs = line.run(stage, partial(complete_tails, seed=seed), line.shards("ends", ends, ENDS_SHARD))
    completed = line.rows(refs)
    new = pc.equal(completed.column("benchmark"), NAME)
    return seen(completed.filter(pc.invert(new)), completed.filter(new))


def models_of(config: Evaluate) -> list[str]:
    """Return the models that are asked: the candidate, then the baseline if there is one."""
    return [model for model in (config.model, config.baseline) if model]


def check(config: Evaluate) -> pa.Table:
    """Return the items of an evaluation. Raises ConfigError, ModelMissing or BenchmarkError for what can be known to fail before a
    model is asked and before Prefect is started."""
    load_settings().require_models(model for model in models_of(config) if model in ROLES)
    for model in models_of(config):
        if model.startswith(CHECKPOINT):
            require(load_settings().checkpoint(model), f"model {model}")
        elif model not in ROLES:
            raise ConfigError(
                f"model {model!r} is neither a role ({', '.join(ROLES)}) nor a checkpoint. Fix: name one, such as hf:FOLDER"
            )
    scored = [
        (setting, name)
        for setting, asked in (
            ("also", config.also),
            ("instead", {name: [form] for name, form in config.instead.items()}),
        )
        for name, forms in asked.items()
        if "likelihood" in forms
    ]
    called = [model for model in models_of(config) if not model.startswith(CHECKPOINT)]
    if scored and called:
        raise ConfigError(
            f"setting {scored[0][0]}: {scored[0][1]} by likelihood, but {called[0]} is a chat endpoint, which returns no likelihoods. "
            "Fix: evaluate a checkpoint (hf:FOLDER), or leave it out"
        )
    return _items(config)


def warn_of_skipped(items: pa.Table, bars: Bars) -> None:
    """Print a line for each benchmark that cannot be run here."""
    for row in items.filter(pc.equal(items.column("subdomain"), SKIPPED)).to_pylist():
        bars.console.print(f"{row['benchmark']}: {row['rejected']}", highlight=False, markup=False)


def warn_of_unassigned(items: pa.Table, bars: Bars) -> None:
    """Print a line that names the benchmarks whose domain neither their name nor their form tells."""
    unassigned = items.filter(pc.equal(items.column("domain"), UNASSIGNED)).column("benchmark")
    names = sorted(pc.unique(unassigned).to_pylist())
    if names:
        bars.console.print(
            f"no domain is known for {', '.join(names)}: counted as {UNASSIGNED}. "
            f"Fix: --set domains.{names[0]}=one of {', '.join(DOMAINS)}",
            highlight=False,
            markup=False,
        )


def _items(config: Evaluate) -> pa.Table:
    """Return the items of the configured files in all their forms, at most `limit` of each benchmark."""
    files = config.benchmarks or ([] if config.tasks else [str(SEEDS / "probe.jsonl")])
    items = load(files, config.domains)
    there = set(items.column("benchmark").to_pylist())
    for setting, names in (("also", config.also), ("instead", config.instead)):
        if unknown := sorted(set(names) - there):
            raise ConfigError(
                f"setting {setting}: no benchmark {unknown[0]!r}; there are: {', '.join(sorted(there)) or 'none'}"
            )
    own = items
    for name, form in config.instead.items():
        chosen = pc.equal(own.column("benchmark"), name)
        converted = as_form(own.filter(chosen), form)
        if not converted.num_rows:
            raise ConfigError(
                f"setting instead: no item of {name} can be asked as {form}. Fix: leave {name} out of instead"
            )
        items = pa.concat_tables([items.filter(pc.not_equal(items.column("benchmark"), name)), converted])
    for name, forms in config.also.items():
        chosen = own.filter(pc.equal(own.column("benchmark"), name))
        items = pa.concat_tables([items, *(as_form(chosen, form) for form in forms)])
    if config.limit is None or not items.num_rows:
        return items
    keyed = items.append_column(
        "key", pa.array(seeds_of([config.seed, "items"], items.column("id").to_pylist()))
    )
    parts = []
    for name in pc.unique(items.column("benchmark")).to_pylist():
        part = keyed.filter(
            pc.and_(pc.equal(keyed.column("benchmark"), name), pc.is_null(keyed.column("rejected")))
        )
        parts.append(part.sort_by("key").slice(0, config.limit).sort_by("id").drop_columns(["key"]))
    return pa.concat_tables(parts)


def _plain(model: str) -> str:
    """Return a model's name as a part of a file's name: for a checkpoint its last two folders."""
    last = "-".join(Path(model.removeprefix(CHECKPOINT)).parts[-2:])
    return re.sub(r"[^a-z0-9]+", "-", last.lower()).strip("-") or "model"
