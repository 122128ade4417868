"""The nightly synthesis, top to bottom: from seed tasks to a published dataset version."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from prefect import flow
from prefect.runtime import flow_run

from flows.config.nightly import Nightly
from flows.runner.after_publication import Finished
from flows.runner.decontamination import CERTIFY, ENCODER, READERS, Decontamination
from flows.runner.events import on_failure
from flows.runner.limits import LIMITS
from flows.runner.night import Night
from flows.runner.planning import Plan
from flows.runner.progress import Bars
from flows.runner.publication import publish
from flows.runner.resources import opened
from flows.runner.run_notes import ended
from flows.runner.seed_files import probe_file, seed_files
from flows.runner.service_table import Live
from flows.runner.stages import Stage, StageCall, Step
from flows.runner.start_delay import stagger
from flows.runner.task_runners import task_runner
from flows.settings import load_settings
from storage.indexes.sketches import History
from storage.rows import column
from storage.stage_cache.shards import Ref
from tasks.dedup.settings import SimilaritySettings
from tasks.format_shares import LearntShares, counts_of
from tasks.methods import Makes, converses, method, role_of
from tasks.scorers import scorer
from tasks.selection import selector
from tasks.stages.calibrate import CalibrateSettings, calibrate, shortfall
from tasks.stages.decontaminate import DecontaminateSettings
from tasks.stages.dedup import dedup
from tasks.stages.extract_concepts import extract_concepts
from tasks.stages.generate import GenerateSettings, generate
from tasks.stages.ingest import SeedSettings
from tasks.stages.mix import MixSettings, mix
from tasks.stages.probe import budget, probe, rates
from tasks.stages.retrieve import AIMED, WeaknessSettings, near_ids, retrieve
from tasks.stages.score import ScoreSettings, has_canaries, score
from tasks.stages.select import SelectSettings, select
from tasks.stages.semantic import semantic
from tasks.stages.similarity import similarity
from tasks.stages.solve import SolveSettings, solve
from tasks.stages.verify import VerifySettings, verify
from tasks.stages.weigh import WeighSettings, weigh
from tasks.voting import Calibration, StoppingRule

# The stages, in the order in which rows pass them. A stage has one name: the constant, its id, its module in
# tasks/stages/ and its function there. Ids enter addresses, seeds and stored reasons, and never change.
INGEST = Stage("ingest", "Ingest", SeedSettings)
EXTRACT_CONCEPTS = Stage(
    "extract_concepts", "Extract concepts", GenerateSettings, needs={"engine": "teacher"}
)
GENERATE = Stage("generate", "Write questions", GenerateSettings, needs={"engine": "teacher"})
SIMILARITY = Stage("similarity", "Drop similar questions", SimilaritySettings, whole=True)
SEMANTIC = Stage("semantic", "Look for paraphrases", SimilaritySettings, needs=ENCODER, whole=True)
SOLVE = Stage("solve", "Solve in words and programs", SolveSettings, needs={"engine": "reasoner"})
VERIFY = Stage("verify", "Verify answers", VerifySettings, needs={"sandbox": "sandbox", "judge": "judge"})
SCORE = Stage("score", "Score", ScoreSettings)  # stands for one stage per scorer: heuristics, critique, ...
CALIBRATE = Stage(
    "calibrate", "Calibrate the votes (publishes none)", CalibrateSettings, whole=True, serves=True
)
WEIGH = Stage("weigh", "Weigh the votes", WeighSettings)
DEDUP = Stage("dedup", "De-duplicate", SimilaritySettings, whole=True)
DECONTAMINATE = Stage("decontaminate", "Decontaminate", DecontaminateSettings, needs=READERS)
SELECT = Stage("select", "Select", SelectSettings)  # stands for one stage per selector, with what it needs
PROBE = Stage("probe", "Probe the student", WeaknessSettings, needs={"student": "student", "judge": "judge"})
RETRIEVE = Stage("retrieve", "Failures and what is near them", WeaknessSettings, needs=ENCODER, whole=True)
MIX = Stage("mix", "Mix", MixSettings, whole=True)


# what the model writes is the user's own: no third party's licence is on it
OWN_LICENSE = "Apache-2.0"


@flow(
    name="nightly",
    flow_run_name="{config.dataset}, {config.target} rows",
    description="From seed tasks to a published dataset version.",
    task_runner=task_runner(),
    on_failure=[on_failure],
    on_completion=[ended],
)
def nightly(config: Nightly = Nightly()) -> str:
    """Write, filter, solve, verify, judge, de-duplicate, decontaminate, probe, mix, publish, report.

    Returns the name of the published version, such as `math-sft@2026.11.20`.
    """
    return run_night(config)


def run_night(config: Nightly, fill: Callable[[Night], None] | None = None) -> str:
    """Run a night inside a flow run, and return the name of the version that it publishes. The flow `make` runs one too.

    `fill`: fills `night.accepted` until the target is met or a limit is reached; by default `produce`. The flow `weakness` has its own.
    """
    settings = load_settings()
    stagger(settings.jitter_s)
    with opened(settings) as tools, Bars() as bars:
        try:
            night = Night.begin(config, tools, bars)
        except Finished as finished:  # begin has made its report, where that was missing
            finished.note.published(str(flow_run.id))
            return str(finished.version)
        with Live(tools, config.dataset, night.inputs.note.run, night.line):
            try:
                (fill or produce)(night)
                night.accepted = chosen_of_all(night)
                night.finish()
            except LIMITS as limit:
                night.stop(limit)  # what is accepted is published if it is enough; else the run ends here
                try:
                    night.accepted = selected(night, night.accepted, "all waves", whole=True)
                except LIMITS as again:
                    night.stop(again, publish=False)  # nothing is published that was not selected
        (taken,) = night.line.run(
            MIX,
            partial(
                mix,
                settings=config.mix,
                target=config.target,
                near=night.near_failures,
                seed=night.inputs.seed,
            ),
            night.accepted,
        )
        try:
            version = publish(
                night,
                taken,
                again=lambda: judging(night, [taken]).uniqueness(),
                look=DECONTAMINATE,
                certify=CERTIFY,
            )
        except Finished as finished:
            version = finished.version
            bars.say(
                f"Another process, started with the same settings, has published this night as {version}"
            )
        night.inputs.note.published(str(flow_run.id))
        return str(version)


def produce(night: Night) -> None:
    """Produce accepted rows until the target is met or a limit is reached."""
    config = night.config
    night.seeds = seeds = with_concepts(night, night.ingest(INGEST, seed_files(config), "seeds"), "seeds")
    describe_material(night)
    if any(method(name).makes != "texts" for name in config.generate.methods):
        calibrated(night, seeds)
    if config.seeds.distill:
        rows = solve_and_judge(night, seeds, "seeds", pool=[])
        night.accepted += with_concepts(night, selected(night, rows, "seeds"), "seeds")
    # a part of the target is kept for what the student's failures ask for
    reserved = round(config.target * config.weakness.share)
    write(night, seeds, until=config.target - reserved)
    if reserved:
        aim_at_weaknesses(night, seeds, reserved)
        write(night, seeds, until=config.target)


def with_concepts(night: Night, rows: list[Ref], title: str) -> list[Ref]:
    """Return the rows with the concepts of their texts, where a method draws from graphs of concepts: the teacher names those of the
    texts that have none."""
    texts = night.planner.texts(night.line.kept(rows))
    if texts.num_rows:
        shards = night.line.shards("texts", texts, night.planner.shard_rows, of=rows)
        stage = EXTRACT_CONCEPTS
        named = night.line.run(stage, partial(extract_concepts), shards, title=f"{stage.title}, {title}")
        night.planner.learn(named)
    return night.planner.described(rows) if night.planner.extracted else rows


def describe_material(night: Night) -> None:
    """Have the concepts named of the rows and passages of the material, and of the rows that are remembered from earlier nights."""
    planner, line = night.planner, night.line
    if not planner.texts_to_ask:
        return
    material, remembered = (
        line.rows(with_concepts(night, [line.put(name, rows)], name))
        for name, rows in (("material", planner.material.rows), ("remembered", planner.remembered))
    )
    planner.material.rows, planner.remembered = material, remembered


def calibrated(night: Night, seeds: list[Ref]) -> None:
    """Fit the weights of the votes to questions whose answers are known, and say where too few of their solutions could be used."""
    questions = night.planner.known(seeds)
    if not questions and not night.config.verify.known:
        return
    night.fitted = night.calibration.to_dict() | {"labelled": 0, "asked": 0, "failed": 0, "dropped": 0}
    if questions:
        first = len(night.line.funnel)
        solved = solutions(night, questions, "known answers", blind=True)
        night.learn_error(solved)
        rows = night.line.through(judging(night, solved).votes(blind=True), solved, "known answers")
        night.formats = night.formats.faded() + counts_of(night.line.rows(solved), night.line.kept(rows))
        balances = [entry.balance for entry in night.line.funnel[first:]]
        (fitted,) = night.line.run(CALIBRATE, partial(calibrate, base=night.calibration), rows)
        night.fitted = fitted.facts["calibration"] | {
            "asked": balances[0].asked,
            "failed": sum(balance.failed for balance in balances),
            "dropped": sum(balance.rejected for balance in balances),
        }
        night.calibration = Calibration.from_dict(night.fitted)
    if missing := shortfall(night.fitted):
        night.line.bars.say(missing)


def write(night: Night, seeds: list[Ref], *, until: int) -> None:
    """Write waves of new rows until `until` rows are accepted, the waves or the material of the methods are used up."""
    planner = night.planner
    while planner.wave < night.config.generate.waves and (missing := night.missing(until)):
        plans = planner.plan_wave(missing, night.usable(), seeds + night.accepted)
        title = f"wave {planner.wave + 1}"
        for makes, rows in rows_of_plans(night, plans, title).items():
            rows = judged(night, rows, makes, title, pool=night.compared())
            night.accepted += with_concepts(night, selected(night, rows, title), title)
        planner.wave += 1
        if not plans:
            night.ended = "material"
            break


def rows_of_plans(night: Night, plans: Sequence[Plan], wave: str) -> dict[Makes, list[Ref]]:
    """Make the rows of the plans of a wave, one per method, and return them by what they are, so that those of several methods pass
    the stages together."""
    rows: dict[Makes, list[Ref]] = {}
    for plan in plans:
        method = "" if len(plans) == 1 and plan.makes == "questions" else f", {plan.method}"
        title = f"Write {plan.makes}{method}, {wave}"
        written = night.line.run(
            writing(plan.method), generating(plan), plan.asks, title=title, owes=plan.owes
        )
        rows.setdefault(plan.makes, []).extend(written)
    return rows


def judged(night: Night, rows: list[Ref], makes: Makes, title: str, *, pool: list[Ref]) -> list[Ref]:
    """Return the rows that pass the stages for what they are. pool: as in `solve_and_judge`."""
    line = night.line
    if makes == "questions":
        accepted = solve_and_judge(night, rows, title, pool=pool, own=True)
        night.questions += rows
        return accepted
    usable = line.kept(rows)
    if not usable.num_rows:
        return []
    if len(rows) > 1:  # of several methods, some with few rows
        rows = line.shards("usable", usable, night.planner.shard_rows, of=rows)
    stages = judging(night, rows)
    if makes == "texts":
        return line.through(stages.unlike(), rows, title)
    stages = replace(stages, history=None)  # their questions may be published, and are no duplicates for that
    return line.through([*stages.votes(), *stages.decision()], rows, title)


def aim_at_weaknesses(night: Night, seeds: list[Ref], rows: int) -> None:
    """Find what the student fails at, and have the teacher write `rows` rows like it."""
    line = night.line
    questions = night.ingest(INGEST, [probe_file(night.config)], "probe")
    probed = line.run(PROBE, partial(probe, seed=night.inputs.seed), questions)
    pool = seeds + night.accepted
    around = line.run(
        RETRIEVE,
        partial(retrieve, published=night.published, neighbours=night.config.weakness.neighbours),
        probed,
        reads={"pool": pool},
    )
    night.near_failures = near_ids(line.kept(around))
    failures = line.kept(probed)
    if not failures.num_rows:
        return
    needed = night.planner.demand.questions(rows, night.usable())
    quota = budget(failures, rates(line.rows(probed)), needed, night.inputs.gains)
    plan = night.planner.plan(AIMED, around, quota)
    written = line.run(
        writing(plan.method), generating(plan), plan.asks, title="Write for weaknesses", owes=plan.owes
    )
    for_failures = solve_and_judge(night, written, "weakness", pool=night.compared(), agree=2)
    night.questions += written
    for_failures = selected(night, for_failures, "weakness")
    night.near_failures += column(line.kept(for_failures, ["id", "rejected"]), "id")
    night.accepted += for_failures
    night.planner.demand.count_requests(quota)


def writing(name: str) -> Stage:
    """Return the stage generate, with the model that the method `name` asks, and with what it needs besides if it holds
    conversations."""
    method = converses(name)
    needed = () if method is None else method.needs
    return replace(GENERATE, needs={"engine": role_of(name), **{tool: tool for tool in needed}})


def selected(night: Night, shards: list[Ref], title: str, *, whole: bool = False) -> list[Ref]:
    """Return the accepted rows that the selectors take: of each wave, those that look at rows one by one; with `whole`, those
    that compare rows with each other, after the last wave."""
    for name in night.config.select.names(whole=whole):
        settings = night.config.select.by[name]
        stage = SELECT.of_selector(name, settings)
        shards = night.line.run(
            stage,
            partial(select, name=name, settings=settings, seed=night.inputs.seed),
            shards,
            title=f"{stage.title}, {title}",
            reads={"parents": night.ancestors()} if selector(name).parents else {},
        )
    return shards


def chosen_of_all(night: Night) -> list[Ref]:
    """Return the accepted rows that the selectors take which compare rows with each other.

    Where they leave fewer rows than the target, more are written, as many as will leave enough at the share that was kept, and the selectors
    choose among all rows again. That ends with the waves, with the material, or when more rows did not leave more.
    """
    target, before = night.config.target, 0
    while True:
        first = len(night.line.funnel)
        chosen = selected(night, night.accepted, "all waves", whole=True)
        accepted, left = night.worth(), night.worth(chosen)
        if left >= min(target, accepted) or left <= before or night.used_up:
            return chosen
        before = left
        needed = math.ceil(target * accepted / left)
        night.line.withdraw(first)
        write(night, night.seeds, until=needed)


def generating(plan: Plan) -> StageCall:
    """Return the function of the stage generate for the plan of one method."""
    return partial(generate, source=plan.method, license=OWN_LICENSE)


def solve_and_judge(
    night: Night, questions: list[Ref], title: str, *, pool: list[Ref], agree: int = 1, own: bool = False
) -> list[Ref]:
    """Solve the new ones of the questions, judge the solutions, and return the accepted rows.

    pool: rows that the questions are compared with. agree: how many independent samples must agree at least, whatever
    the configuration allows. own: as in tasks.stages.solve.
    """
    line = night.line
    first = len(line.funnel)
    settings = night.config.similarity.dedup()
    novel = line.run(
        SIMILARITY,
        partial(similarity, history=night.history, settings=settings),
        questions,
        title=f"{SIMILARITY.title}, {title}",
        reads={"pool": pool},
    )
    if settings.semantic != "ignore":
        novel = line.run(
            SEMANTIC,
            partial(semantic, history=night.history, settings=settings),
            novel,
            title=f"{SEMANTIC.title}, {title}",
            reads={"pool": pool},
        )
    fresh = line.shards("fresh", line.kept(novel), night.planner.shard_rows, of=novel)
    rows = solutions(night, fresh, title, agree=agree, own=own)
    stages = judging(night, rows)
    accepted = line.through([*stages.votes(), *stages.decision(agree=agree)], rows, title)
    night.judged += line.funnel[first:]
    return accepted


def solutions(
    night: Night,
    questions: list[Ref],
    title: str,
    *,
    agree: int = 1,
    blind: bool = False,
    own: bool = False,
) -> list[Ref]:
    """Return several solutions of each question, in words and programs. `agree` and `own`: as in `solve_and_judge`; `blind`:
    as in `solving`."""
    settings = night.inputs.solve
    step = solving(
        night.config,
        settings,
        night.calibration,
        night.inputs.seed,
        agree=agree,
        blind=blind,
        own=own,
        error=night.reasoner_error,
        learnt=None if blind else night.learnt_shares(),
    )
    title = f"{SOLVE.title}, {title}"
    reads = {"known": night.seeds} if settings.canaries and not blind else {}
    return night.line.run(step.stage, step.call(), questions, title=title, reads=reads, owes=night.owes)


def solving(
    config: Nightly,
    settings: SolveSettings,
    calibration: Calibration,
    seed: int,
    *,
    agree: int = 1,
    blind: bool = False,
    own: bool = False,
    error: float | None = None,
    learnt: LearntShares | None = None,
) -> Step:
    """Return the stage that solves questions: with a fixed number of samples, or in rounds with `settings.adaptive`.

    agree: how many independent samples must agree at least. blind: whether the trusted answers are hidden from the votes
    that decide how many samples a question gets. own: as in tasks.stages.solve.
    error: of the reasoner, by which its canaries are judged. learnt: the shares of the formats by what was right before.
    """
    judging = replace(SOLVE, needs={**SOLVE.needs, **VERIFY.needs})  # answers are compared while it samples
    call = partial(solve, settings=settings, seed=seed, blind=blind, own=own)
    if settings.canaries:
        call = partial(call, error=error)
    if learnt is not None:
        call = partial(call, learnt=learnt)
    if not settings.adaptive:
        executes = settings.tir_share or settings.split != "off"
        return Step(judging if settings.canaries or executes else SOLVE, lambda: call)
    least = max(agree, config.verify.min_agreement)
    rule = StoppingRule(
        settings.adaptive,
        max(least, config.mix.per_problem),
        least,
        calibration,
        # the samples of questions with known answers show what votes are worth, also where they are worth little
        least=0.0 if blind else config.verify.min_correctness,
        critic=any("critic" in scorer(name).needs for name in config.score.scorers),
    )
    return Step(judging, lambda: partial(call, stopping=rule))


def judging(night: Night, shards: list[Ref]) -> Judging:
    """Return the stages that judge the solutions of the shards, with what the night knows by now."""
    return Judging(
        night.config,
        night.calibration,
        lambda: night.inputs.against,
        night.history,
        night.canaries(len(shards)),
        night.gold,
    )


@dataclass(frozen=True, slots=True)
class Judging:
    """The stages that judge solutions, in order. `rebuild` sends stored solutions through the same stages.

    history: the questions published so far. against: returns the registered benchmarks, which are read only if needed.
    canaries: in each shard that a critic is asked about; None: as many as the configuration says. gold: rows that people judged, of
    which some of the canaries are.
    """

    config: Nightly
    calibration: Calibration
    against: Callable[[], Decontamination]
    history: History | None = None
    canaries: int | None = None
    gold: Sequence[Ref] = ()

    def votes(self, *, blind: bool = False) -> list[Step]:
        """Return the stages that collect votes on an answer: programs, comparisons, other samples, scores.

        `blind`: as if no answer was trusted, and with no threshold on scores.
        """
        settings = self.config.verify.part(VerifySettings)
        thresholds = {} if blind else self.config.score.thresholds
        return [
            Step(
                VERIFY, lambda: partial(verify, settings=settings, calibration=self.calibration, blind=blind)
            ),
            *(self._scoring(name, thresholds, blind) for name in self.config.score.scorers),
        ]

    def decision(self, *, agree: int = 1) -> list[Step]:
        """Return the stages that decide by the votes, by other rows and by the benchmarks.

        `agree`: how many independent samples must agree at least, whatever the configuration allows.
        """
        agreement = max(agree, self.config.verify.min_agreement)
        settings = self.config.verify.part(WeighSettings, min_agreement=agreement)
        return [
            Step(WEIGH, lambda: partial(weigh, settings=settings, calibration=self.calibration)),
            *self.unlike(),
        ]

    def unlike(self) -> list[Step]:
        """Return the stages that compare rows with other rows and with the benchmarks. Documents pass no others."""
        return [self.uniqueness(), Step(DECONTAMINATE, lambda: self.against().look())]

    def uniqueness(self) -> Step:
        """Return de-duplication, also against the published questions."""
        settings = self.config.similarity.dedup()
        return Step(DEDUP, lambda: partial(dedup, history=self.history, settings=settings))

    def _scoring(self, name: str, thresholds: Mapping[str, float], blind: bool) -> Step:
        canaries = self.config.score.canaries if self.canaries is None else self.canaries
        trusted = {} if blind else self.config.score.trusted
        call = partial(
            score, name=name, thresholds=thresholds, trusted=trusted, canaries=canaries, blind=blind
        )
        hides = canaries and self.gold and has_canaries(scorer(name))
        return Step(SCORE.of_scorer(name), lambda: call, {"gold": self.gold} if hides else {})
