"""The nightly synthesis, top to bottom: from seed tasks to a published dataset version."""

from __future__ import annotations

from functools import partial

from prefect import flow
from prefect.runtime import flow_run

from flows.config.nightly import Nightly
from flows.runner.after_publication import Finished
from flows.runner.decontamination import READERS
from flows.runner.events import on_failure
from flows.runner.limits import LIMITS
from flows.runner.night import Night
from flows.runner.planning import Plan
from flows.runner.progress import Bars
from flows.runner.publication import publish
from flows.runner.resources import opened
from flows.runner.run_notes import ended
from flows.runner.service_table import Live
from flows.runner.stages import Stage, StageCall, scoring
from flows.runner.start_delay import stagger
from flows.runner.task_runners import task_runner
from flows.settings import load_settings
from storage.rows import column
from storage.stage_cache.shards import Ref
from tasks.stages.calibrate import calibrate
from tasks.stages.dedup import dedup
from tasks.stages.generate import generate
from tasks.stages.mix import mix
from tasks.stages.probe import budget, probe, rates
from tasks.stages.retrieve import near_ids, retrieve
from tasks.stages.score import score
from tasks.stages.semantic import semantic
from tasks.stages.similarity import similarity
from tasks.stages.solve import solve
from tasks.stages.verify import verify
from tasks.stages.weigh import weigh
from tasks.voting import Calibration

# The stages, in the order in which rows pass them. A stage has one name: the constant, its id, its module in
# tasks/stages/ and its function there. Ids enter addresses, seeds and stored reasons, and never change.
GENERATE = Stage("generate", "Write questions", needs={"engine": "teacher"})
SIMILARITY = Stage("similarity", "Drop similar questions")
SEMANTIC = Stage("semantic", "Look for paraphrases", needs={"encode": "encoder"})
SOLVE = Stage("solve", "Solve in words and programs", needs={"engine": "reasoner"})
VERIFY = Stage("verify", "Verify answers", needs={"sandbox": "sandbox", "judge": "judge"})
# then each scorer of the configuration: a plug-in of tasks/scorers/ run by tasks/stages/score.py, see `scoring`
CALIBRATE = Stage("calibrate", "Calibrate the votes (publishes none)")
WEIGH = Stage("weigh", "Weigh the votes")
DEDUP = Stage("dedup", "De-duplicate")
DECONTAMINATE = Stage("decontaminate", "Decontaminate", needs=READERS)
PROBE = Stage("probe", "Probe the student", needs={"student": "student", "judge": "judge"})
RETRIEVE = Stage("retrieve", "Retrieve near failures", needs={"encode": "encoder"})
MIX = Stage("mix", "Mix")
CERTIFY = Stage("certify", "Certify", needs=READERS)


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
    settings = load_settings()
    stagger(settings.jitter_s)
    with opened(settings) as tools, Bars() as bars:
        try:
            night = Night.begin(config, tools, bars)
        except Finished as finished:  # begin has made its report, where that was missing
            finished.note.published(str(flow_run.id))
            return str(finished.version)
        with Live(tools, config.dataset):
            try:
                produce(night)
            except LIMITS as limit:
                night.stop(limit)  # what is accepted is published if it is enough; else the run ends here
        taken = night.line.whole(
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
            version = publish(night, taken, again=DEDUP, look=DECONTAMINATE, certify=CERTIFY)
        except Finished as finished:
            version = finished.version
            bars.say(
                f"Another process, started with the same settings, has published this night as {version}"
            )
        night.inputs.note.published(str(flow_run.id))
        return str(version)


def produce(night: Night) -> None:
    """Accepted rows until the target is met or nothing more is allowed."""
    config = night.config
    seeds = night.ingest()
    calibrated(night, seeds)
    if config.seeds.distill:
        night.accepted += solve_and_judge(night, seeds, "seeds", pool=[])
    # a part of the target is kept for what the student's failures ask for
    reserved = round(config.target * config.weakness.share)
    write(night, seeds, until=config.target - reserved)
    if reserved:
        aim_at_weaknesses(night, seeds, reserved)
        write(night, seeds, until=config.target)
    night.finish()


def calibrated(night: Night, seeds: list[Ref]) -> None:
    """What the votes are worth tonight, tried on questions whose answers are known."""
    questions = night.planner.known(seeds)
    if questions:
        rows = attempts(night, questions, "known answers", blind=True)
        fitted = night.line.whole(CALIBRATE, partial(calibrate, base=night.calibration), rows)
        night.fitted = fitted.facts["calibration"]
        night.calibration = Calibration.from_dict(night.fitted)


def write(night: Night, seeds: list[Ref], *, until: int) -> None:
    """Waves of new questions, until so many rows are accepted or the waves are used up."""
    planner = night.planner
    while planner.wave < night.config.generate.waves and (missing := night.missing(until)):
        for plan in planner.plan_wave(missing, night.usable(), seeds + night.accepted):
            written = night.line.each(GENERATE, generating(plan), plan.asks, owes=plan.owes)
            title = f"wave {planner.wave + 1}"
            night.accepted += solve_and_judge(night, written, title, pool=seeds + night.questions)
            night.questions += written
        planner.wave += 1


def aim_at_weaknesses(night: Night, seeds: list[Ref], rows: int) -> None:
    """Find what the student fails at, and have the teacher write `rows` rows like it."""
    line = night.line
    probed = line.each(PROBE, partial(probe, seed=night.inputs.seed), night.probe_questions())
    pool = seeds + night.accepted
    around = line.whole(
        RETRIEVE,
        partial(retrieve, published=night.published, neighbours=night.config.weakness.neighbours),
        probed,
        reads={"pool": pool},
    )
    night.near_failures = near_ids(line.kept([around]))
    failures = line.kept(probed)
    if not failures.num_rows:
        return
    questions = night.planner.demand.questions(rows, night.usable())
    quota = budget(failures, rates(line.rows(probed)), questions, night.inputs.gains)
    plan = night.planner.plan("similar", [around], quota)
    written = line.each(GENERATE, generating(plan), plan.asks, title="Write for weaknesses", owes=plan.owes)
    for_failures = solve_and_judge(night, written, "weakness", pool=seeds + night.questions, agree=2)
    night.near_failures += column(line.kept(for_failures, ["id", "rejected"]), "id")
    night.accepted += for_failures
    night.questions += written
    night.planner.demand.count_requests(quota)


def generating(plan: Plan) -> StageCall:
    """The stage generate for the asks of one method."""
    return partial(generate, source=plan.method, license=OWN_LICENSE)


def solve_and_judge(
    night: Night, questions: list[Ref], title: str, *, pool: list[Ref], agree: int = 1
) -> list[Ref]:
    """Questions in, accepted rows out: novelty, solutions, votes, the decision on them, duplicates, benchmarks.

    `agree`: independent samples that must agree at least, whatever the configuration allows.
    """
    config, line = night.config, night.line
    first = len(line.funnel)
    settings = config.similarity.dedup()
    novel = line.whole(
        SIMILARITY,
        partial(similarity, history=night.history, settings=settings),
        questions,
        title=f"{SIMILARITY.title}, {title}",
        reads={"pool": pool},
    )
    if settings.semantic != "ignore":
        novel = line.whole(
            SEMANTIC,
            partial(semantic, history=night.history, settings=settings),
            [novel],
            title=f"{SEMANTIC.title}, {title}",
            reads={"pool": pool},
        )
    rows = line.shards("fresh", line.kept([novel]), night.planner.shard_rows, of=[novel])
    rows = attempts(night, rows, title)
    decision = partial(
        weigh,
        calibration=night.calibration,
        min_correctness=config.verify.min_correctness,
        min_agreement=max(agree, config.verify.min_agreement),
    )
    rows = line.each(WEIGH, decision, rows, title=f"{WEIGH.title}, {title}")
    night.judged += line.funnel[first:]
    unique = partial(dedup, history=night.history, settings=settings)
    rows = [line.whole(DEDUP, unique, rows, title=f"{DEDUP.title}, {title}")]
    return line.each(
        DECONTAMINATE, night.inputs.against.look(), rows, title=f"{DECONTAMINATE.title}, {title}"
    )


def attempts(night: Night, questions: list[Ref], title: str, *, blind: bool = False) -> list[Ref]:
    """Solutions of the questions with the votes on them: programs, comparisons, other samples, scores.

    `blind`: as if no answer was trusted, and with no threshold on scores.
    """
    config, line = night.config, night.line
    rows = line.each(
        SOLVE,
        partial(solve, settings=night.inputs.solve, seed=night.inputs.seed),
        questions,
        title=f"{SOLVE.title}, {title}",
        owes=night.owes,
    )
    rows = line.each(
        VERIFY,
        partial(verify, calibration=night.calibration, sure=config.verify.sure, blind=blind),
        rows,
        title=f"{VERIFY.title}, {title}",
    )
    for name in config.score.scorers:
        thresholds = {} if blind else config.score.thresholds
        rows = line.each(
            scoring(name),
            partial(score, name=name, thresholds=thresholds),
            rows,
            title=f"Score by {name}, {title}",
        )
    return rows
