"""The flow `rft`: samples of several models for the questions of a version, as four data sets for training.

Models of the role samplers answer every question several times, in rounds; hard questions get more (tasks/rft/allocation.py). The samples
are verified against the known answers. Of the right ones, one per reasoning path stays, those that pass the quality scorers; NAME-rft has
the rarest paths of each question, more of hard ones. NAME-dpo has right solutions with a plausible wrong one beside each, NAME-steps
solutions with labelled steps, NAME-prompts the questions that some samples solve and some do not, with their answers and pass rates, for reinforcement
learning.

Every call goes through the ledger and every finished shard is in the stage cache, so that a run that was killed pays for nothing twice. A
version of these data sets is the result of one run, and holds no row of the version before it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
from prefect import flow
from prefect.runtime import flow_run

from flows.config.loading import ConfigError
from flows.config.rft import Rft, StepSettings
from flows.nightly import DECONTAMINATE, SCORE, VERIFY
from flows.runner.after_publication import finish
from flows.runner.decontamination import Decontamination, certificate_of
from flows.runner.events import on_failure
from flows.runner.imported_rows import published_by
from flows.runner.limits import LIMITS, Stopped, limit_of, limits_for, refuse_elsewhere
from flows.runner.progress import Bars
from flows.runner.resources import Tools, is_model, opened
from flows.runner.rft_artifacts import pairs_artifact, paths_artifact
from flows.runner.rft_forecast import forecast_text, rft_forecast
from flows.runner.rft_publication import SETS, Sampled, dataset_of, publish_sets, store_rejected
from flows.runner.run_notes import RunNote, ended
from flows.runner.service_table import Live
from flows.runner.stages import Line, Stage
from flows.runner.stopping import stopped_at
from flows.runner.task_runners import task_runner
from flows.settings import SAMPLERS, load_settings
from storage.counting import be, counted
from storage.datasets.steps import FLAW, VALUES
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.rows import SCHEMA, column, to_table
from storage.stage_cache.shards import Ref, digest_of
from tasks.llm.endpoint import revision_of
from tasks.llm.model_files import CHECKPOINT, located, require
from tasks.rft import questions as known
from tasks.rft.allocation import SampleSettings, Tally, next_samples
from tasks.rft.gathering import count, right_and_wrong, with_pass_rates
from tasks.rft.pairing import PairSettings
from tasks.rft.questions import QuestionSettings, questions_of
from tasks.sandbox import SandboxUnavailable, isolation
from tasks.scorers import scorer
from tasks.seeding import seed_of
from tasks.solution_paths import SamePathSettings
from tasks.stages import allocate as allocating
from tasks.stages import distinct as paths
from tasks.stages import label_steps as labelling
from tasks.stages import pair as pairing
from tasks.stages import prompt_band
from tasks.stages import reward_model as rewarding
from tasks.stages import sample as sampling
from tasks.stages.score import score
from tasks.stages.verify import VerifySettings, verify
from tasks.voting import prior

READ = Stage(known.STAGE, "Read questions", QuestionSettings)
SAMPLE = Stage(sampling.STAGE, "Sample", SampleSettings, needs={"samplers": SAMPLERS})
DISTINCT = Stage(paths.STAGE, "Keep one solution per path", SamePathSettings)
REWARD = Stage(rewarding.STAGE, "Score by the reward model")
ALLOCATE = Stage(allocating.STAGE, "Keep rare paths, more of hard questions", SampleSettings)
PAIR = Stage(pairing.STAGE, "Pair right and wrong solutions", PairSettings, needs={"judge": "judge"})
STEPS = Stage(labelling.STAGE, "Label steps", StepSettings)
BAND = Stage(prompt_band.STAGE, "Choose prompts", prompt_band.PromptSettings)


class NoRightSolution(ConfigError):
    """A run whose samplers have solved nothing that could be published."""


@flow(
    name="rft",
    flow_run_name="{config.version}",
    description="Samples of several models for the questions of a version: solutions, preference pairs, step labels, prompts.",
    task_runner=task_runner(),
    on_failure=[on_failure],
    on_completion=[ended],
)
def rft(config: Rft = Rft()) -> list[str] | str:
    """Sample, verify, choose, pair, label, publish.

    Returns the names of the published versions, or of those that this run has published before; with `dry_run` the text of the forecast.
    Raises ConfigError, VersionNotFound, SettingsError or SandboxUnavailable for what cannot be used, and Stopped if a limit ended the run
    before it could publish.
    """
    with opened(load_settings()) as tools, Bars() as bars:
        version = check(config, tools.store)
        if config.dry_run:
            return forecast_text(rft_forecast(config, version, tools))
        against = Decontamination.of(config.decontaminate)
        run = run_name(config, version, against, tools)
        before = published_before(config, version, tools, run)
        if before:
            bars.say(f"{', '.join(map(str, before))}: this run has published them, and nothing is sampled")
            return [str(one) for one in before]
        return [str(one) for one in RftRun.begin(config, version, against, run, tools, bars).published()]


def check(config: Rft, store: Store) -> Version:
    """Return the version whose questions are sampled. Raises ConfigError, VersionNotFound, ModelMissing, SettingsError or SandboxUnavailable
    for everything that can be known to fail before Prefect is started."""
    if not config.version:
        raise ConfigError("setting version: none is named. Fix: name a version, such as math-sft@2026.11.20")
    version = store.resolve(config.version)
    settings = load_settings()
    if config.sample.runs_programs and not (sandbox := isolation()).ok:
        raise SandboxUnavailable(sandbox)
    if config.quality.reward_model:
        require(located(config.quality.reward_model, settings.home), "setting quality.reward_model")
    for name in (*config.quality.scorers, *config.steps.scorers):
        scorer(name)
    settings.require_models(filter(is_model, asked_roles(config)))
    return version


def run_name(config: Rft, version: Version, against: Decontamination, tools: Tools) -> str:
    """Return a name for the run. Equal settings, versions, benchmarks and models give an equal name."""
    plain = config.model_dump(
        mode="json", exclude={"version", "shard_rows", "answers", "budget", "gates", "dry_run"}
    )
    models = [tools.identity(role) for role in asked_roles(config)]
    return f"rft-{digest_of(plain, str(version), version.digest, models, tools.prompts(), against.benchmarks.digest)[:12]}"


def asked_roles(config: Rft) -> list[str]:
    """Return the roles that this configuration calls."""
    needed = {
        need for name in (*config.quality.scorers, *config.steps.scorers) for need in scorer(name).needs
    }
    if config.decontaminate.ask and config.decontaminate.benchmarks:
        needed.add("critic")
    return [SAMPLERS, *sorted(needed)]


def published_before(config: Rft, version: Version, tools: Tools, run: str) -> list[Version]:
    """Return the versions that the run has published, none if it has not come to its end: the one of NAME-rft is the last."""
    every = {name: published_by(tools, dataset_of(config, version, name), f"{run}-{name}") for name in SETS}
    if every["rft"] is None:
        return []
    versions = [one for one in every.values() if one is not None]
    for one in versions:
        finish(tools, one)
    return versions


@dataclass(slots=True)
class RftRun:
    """A run of the flow from its questions to its versions."""

    config: Rft
    version: Version
    against: Decontamination
    run: str
    line: Line
    seed: int
    note: RunNote
    tallies: dict[str, Tally] = field(default_factory=dict)  # by problem id
    started: float = field(default_factory=time.monotonic)

    @classmethod
    def begin(
        cls, config: Rft, version: Version, against: Decontamination, run: str, tools: Tools, bars: Bars
    ) -> RftRun:
        """Start a run: its limits are set, and each model is asked whether it is there."""
        note = RunNote.start(tools.home, run, lambda: rft_forecast(config, version, tools).record())
        tools.limits = limits_for(config, run, note.since, tools.ledger)
        refuse_elsewhere(tools.settings.runner, tools.limits)
        for role in asked_roles(config):
            tools.engine(role).check()
        seed = seed_of(config.seed, "rft", version.digest)
        return cls(config, version, against, run, Line(tools, bars), seed, note)

    def published(self) -> list[Version]:
        """Run all stages, and return the published versions."""
        dataset = dataset_of(self.config, self.version, "rft")
        try:
            with Live(self.line.tools, dataset, self.run, self.line):
                sets = self.sets()
        except LIMITS as limit:
            raise self.stopped(limit_of(limit), str(limit)) from limit
        deferred = sum(fact.get("deferred", 0) for fact in self.line.facts())
        if deferred:
            raise self.stopped(
                "offline",
                f"stopped by --offline: {counted(deferred, 'answer')} {be(deferred)} not in the ledger. Fix: run it without --offline",
            )
        if not any(ref.kept for ref in sets["rft"]):
            store_rejected(self.line, self.run)  # the error names the view that shows them
            why = self.line.most_dropped() or "none was sampled. Fix: use another model"
            raise NoRightSolution(f"no right solution of {self.version} is left: {why}")
        done = Sampled(
            self.config,
            self.version,
            self.run,
            self.line,
            self.tallies,
            certificate_of(self.line, self.against),
            asked_roles(self.config),
            self.note.forecast,
            round(time.monotonic() - self.started, 1),
        )
        versions = publish_sets(done, sets)
        paths_artifact(done)
        pairs_artifact(done, sets["dpo"])
        self.note.published(str(flow_run.id))
        return versions

    def stopped(self, by: str, why: str) -> Stopped:
        """Return the error of a run that a limit ended, after its budget is set back and its page says so."""
        right = sum(tally.right for tally in self.tallies.values())
        target = len(self.tallies) * self.config.sample.most
        dataset = dataset_of(self.config, self.version, "rft")
        return stopped_at(self.line.tools, self.note, self.run, dataset, by, why, right, target)

    def sets(self) -> dict[str, list[Ref]]:
        """Return the rows of each data set in shards, kept or not."""
        questions = self.questions()
        right, wrong = self.sampled(questions)
        distinct = self.line.run(DISTINCT, partial(paths.distinct, settings=self.config.paths), right)
        good = self.good(distinct)
        taken = self.line.run(ALLOCATE, partial(allocating.allocate, settings=self.config.sample), good)
        both = self.beside(good, wrong)
        pairs = self.line.run(PAIR, partial(pairing.pair, settings=self.config.pairs), both)
        steps = [*self.labelled(both), *self.of_version()]
        return {"dpo": pairs, "steps": steps, "prompts": self.prompts(questions), "rft": taken}

    def questions(self) -> list[Ref]:
        """Return the questions of the version, each once, in shards. Those without a usable answer are rejected, and those that are
        benchmark items."""
        line, rows = self.line, []
        for part in questions_of(line.tools.store, self.version, self.config.questions, self.seed):
            rows.append(to_table(part))
        table = pa.concat_tables([SCHEMA.empty_table(), *rows])
        shards = line.shards(READ.name, table, self.config.shard_rows)
        line.record(READ, READ.title, shards)
        if not any(ref.kept for ref in shards):
            asked = sum(ref.rows for ref in shards)
            raise ConfigError(
                f"{self.version} has no question with a known answer, of {counted(asked, 'question')}. Fix: name a version with trusted answers, or "
                "with solutions whose answers are likely enough (questions.answers, questions.min_correctness)"
            )
        return line.run(DECONTAMINATE, self.against.look(), shards, title=f"{DECONTAMINATE.title}, questions")

    def sampled(self, questions: list[Ref]) -> tuple[list[Ref], list[Ref]]:
        """Sample the questions in rounds, and return the right and the wrong solutions, a shard of each per shard of questions."""
        line, settings = self.line, self.config.sample
        verified: list[list[Ref]] = [[] for _ in questions]
        tables = [line.kept([ref]) for ref in questions]
        for number in range(1, settings.most_samples + 2):
            asked: dict[int, Ref] = {}
            for place, table in enumerate(tables):
                problems = column(table, "problem_id")
                tallies = [self.tallies.setdefault(problem, Tally()) for problem in problems]
                counts = [next_samples(tally, settings) for tally in tallies]
                rounds = {
                    problem: (tally.sampled, more)
                    for problem, tally, more in zip(problems, tallies, counts, strict=True)
                }
                again = table.filter(pa.array([more > 0 for more in counts], pa.bool_()))
                if again.num_rows:
                    rows = sampling.asked(again, rounds)
                    (asked[place],) = line.shards("asked", rows, rows.num_rows, of=[questions[place]])
            if not asked:
                break
            total = sum(sampling.samples_asked(line.kept([ref])) for ref in asked.values())
            drawn = line.run(
                SAMPLE,
                partial(sampling.sample, settings=settings, seed=self.seed),
                list(asked.values()),
                title=f"{SAMPLE.title}, round {number}",
                owes=lambda rows, total=total: total,  # type: ignore[misc]
            )
            judged = line.run(
                VERIFY,
                partial(verify, settings=VerifySettings(), calibration=prior()),
                drawn,
                title=f"{VERIFY.title}, round {number}",
            )
            for place, one, other in zip(asked, drawn, judged, strict=True):
                count(self.tallies, line.rows([one]), line.rows([other]))
                verified[place].append(other)
        right, wrong = list[Ref](), list[Ref]()
        for refs in verified:
            rows = [line.rows([ref]) for ref in refs] or [SCHEMA.empty_table()]
            for shards, name, table in zip(
                (right, wrong), ("right", "wrong"), right_and_wrong(rows, self.tallies), strict=True
            ):
                shards += line.shards(name, table, max(1, table.num_rows), of=refs)
        return right, wrong

    def good(self, shards: list[Ref]) -> list[Ref]:
        """Return the distinct right solutions that pass the scorers and the reward model, and hold no benchmark item."""
        line, quality = self.line, self.config.quality
        for name in quality.scorers:
            call = partial(score, name=name, thresholds=quality.thresholds, canaries=quality.canaries)
            shards = line.run(SCORE.of_scorer(name), call, shards)
        if quality.reward_model:
            folder = located(quality.reward_model, line.tools.home)
            call_model = partial(
                rewarding.reward_model,
                checkpoint=folder,
                revision=revision_of(CHECKPOINT, folder),
                least=quality.least_reward,
            )
            shards = line.run(REWARD, call_model, shards)
        return line.run(DECONTAMINATE, self.against.look(), shards, title=f"{DECONTAMINATE.title}, solutions")

    def beside(self, right: Sequence[Ref], wrong: Sequence[Ref]) -> list[Ref]:
        """Return shards with the kept right and the wrong solutions of the same questions, scored for their steps by setting."""
        line, both = self.line, []
        for one, other in zip(right, wrong, strict=True):
            table = pa.concat_tables([line.kept([one]), line.kept([other])])
            both += line.shards("right and wrong", table, max(1, table.num_rows), of=[one, other])
        for name in self.config.steps.scorers:
            stage = SCORE.of_scorer(name)
            call = partial(score, name=name, thresholds={}, canaries=self.config.quality.canaries)
            both = line.run(stage, call, both, title=f"{stage.title}, steps")
        return both

    def labelled(self, both: list[Ref]) -> list[Ref]:
        """Return the solutions whose steps are known; none without a scorer or the step checker, which look at them."""
        settings = self.config.steps
        if not (settings.scorers or settings.recompute):
            return []
        call = partial(labelling.label_steps, scorers=settings.scorers, recompute=settings.recompute)
        return self.line.run(STEPS, call, both)

    def of_version(self) -> list[Ref]:
        """Return the rows of the version that know about their steps: those of a search, and nearly right ones."""
        line = self.line
        known = pc.match_substring_regex(pc.field("params"), f'"({VALUES}|{FLAW})":')
        table = line.tools.store.read(self.version, SCHEMA.names, pc.field("solution").is_valid() & known)
        return line.shards("known steps", table, max(1, table.num_rows)) if table.num_rows else []

    def prompts(self, questions: list[Ref]) -> list[Ref]:
        """Return the questions with their pass rates; those that are always solved or never are rejected, unless the settings keep them."""
        line = self.line
        rated: list[Ref] = []
        for one in questions:
            table = with_pass_rates(line.kept([one]), self.tallies)
            rated += line.shards("rated", table, max(1, table.num_rows), of=[one])
        call = partial(prompt_band.prompt_band, settings=self.config.prompts, tries=self.config.sample.tries)
        return line.run(BAND, call, rated)
