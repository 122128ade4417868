"""The nightly synthesis, top to bottom: from seed tasks to a published dataset version."""

from __future__ import annotations

from prefect import flow
from prefect.runtime import flow_run

from flows.config.nightly import Nightly
from flows.runner.after_publication import Finished
from flows.runner.decontamination import READERS
from flows.runner.events import on_failure
from flows.runner.limits import LIMITS
from flows.runner.night import OWN_LICENSE, Night
from flows.runner.progress import Bars
from flows.runner.publication import publish
from flows.runner.resources import opened
from flows.runner.run_notes import ended
from flows.runner.service_table import Live
from flows.runner.stages import Stage
from flows.runner.start_delay import stagger
from flows.runner.task_runners import task_runner
from flows.settings import load_settings
from storage.rows import column
from storage.stage_cache.shards import Ref
from tasks.stages.calibrate import calibrate
from tasks.stages.certify import certify
from tasks.stages.decontaminate import decontaminate
from tasks.stages.dedup import dedup
from tasks.stages.generate import generate
from tasks.stages.mix import mix
from tasks.stages.probe import budget, probe, rates
from tasks.stages.retrieve import near_ids, retrieve
from tasks.stages.semantic import semantic
from tasks.stages.similarity import similarity
from tasks.stages.solve import solve
from tasks.stages.verify import verify
from tasks.stages.weigh import weigh
from tasks.voting import Calibration

WRITE = Stage("generate", generate, needs={"engine": "teacher"}, title="Write questions")
NOVEL = Stage("similarity", similarity, title="Drop similar questions")
APART = Stage("semantic", semantic, needs={"encode": "encoder"}, title="Look for paraphrases")
SOLVE = Stage("solve", solve, needs={"engine": "reasoner"}, title="Solve in words and programs")
VERIFY = Stage("verify", verify, needs={"sandbox": "sandbox", "judge": "judge"}, title="Verify answers")
CALIBRATE = Stage("calibrate", calibrate, title="Calibrate the votes (publishes none)")
WEIGH = Stage("weigh", weigh, title="Weigh the votes")
DEDUP = Stage("dedup", dedup, title="De-duplicate")
CLEAN = Stage("decontaminate", decontaminate, needs=READERS, title="Decontaminate")
PROBE = Stage("probe", probe, needs={"student": "student", "judge": "judge"}, title="Probe the student")
RETRIEVE = Stage("retrieve", retrieve, needs={"encode": "encoder"}, title="Retrieve near failures")
MIX = Stage("mix", mix, title="Mix")
CERTIFY = Stage("certify", certify, needs=READERS, title="Certify")


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
            finished.begun.published(str(flow_run.id))
            return str(finished.version)
        with Live(tools, config.dataset):
            try:
                produce(night)
            except LIMITS as limit:
                night.stop(limit)  # what is accepted is published if it is enough; else the run ends here
        taken = night.line.whole(
            MIX, night.accepted, settings=config.mix.settings(config.target), near=night.near, seed=night.seed
        )
        try:
            version = publish(night, taken, again=DEDUP, clean=CLEAN, certify=CERTIFY)
        except Finished as finished:
            version = finished.version
            bars.say(
                f"Another process, started with the same settings, has published this night as {version}"
            )
        night.begun.published(str(flow_run.id))
        return str(version)


def produce(night: Night) -> None:
    """Accepted rows until the target is met or nothing more is allowed."""
    config = night.config
    seeds = night.ingest()
    calibrated(night, seeds)
    if config.seeds.distill:
        night.accepted += judge(night, seeds, "seeds", pool=[])
    # a part of the target is kept for what the student's failures ask for
    reserved = round(config.target * config.weakness.share)
    write(night, seeds, until=config.target - reserved)
    if reserved:
        aim_at_weaknesses(night, seeds, reserved)
        write(night, seeds, until=config.target)
    night.finish()


def calibrated(night: Night, seeds: list[Ref]) -> None:
    """What the votes are worth tonight, tried on questions whose answers are known."""
    questions = night.known(seeds)
    if questions:
        rows = attempts(night, questions, "known answers", blind=True)
        fitted = night.line.whole(CALIBRATE, rows, base=night.calibration)
        night.fitted = fitted.facts["calibration"]
        night.calibration = Calibration.from_dict(night.fitted)


def write(night: Night, seeds: list[Ref], *, until: int) -> None:
    """Waves of new questions, until so many rows are accepted or the waves are used up."""
    while night.wave < night.config.generate.waves and (missing := night.missing(until)):
        for plan in night.plan_wave(missing, seeds + night.accepted):
            written = night.line.each(
                WRITE, plan.asks, owes=plan.owes, source=plan.method, license=OWN_LICENSE
            )
            title = f"wave {night.wave + 1}"
            night.accepted += judge(night, written, title, pool=seeds + night.asked)
            night.asked += written
        night.wave += 1


def aim_at_weaknesses(night: Night, seeds: list[Ref], rows: int) -> None:
    """Find what the student fails at, and have the teacher write `rows` rows like it."""
    line = night.line
    probed = line.each(PROBE, night.probe(), seed=night.seed)
    pool = seeds + night.accepted
    around = line.whole(
        RETRIEVE,
        probed,
        reads={"pool": pool},
        published=night.published,
        neighbours=night.config.weakness.neighbours,
    )
    night.near = near_ids(line.kept([around]))
    failures = line.kept(probed)
    if not failures.num_rows:
        return
    wanted = night.demand.questions(rows, night.usable())
    quota = budget(failures, rates(line.rows(probed)), wanted, night.gains)
    plan = night.plan("similar", [around], quota)
    written = line.each(
        WRITE,
        plan.asks,
        title="Write for weaknesses",
        owes=plan.owes,
        source=plan.method,
        license=OWN_LICENSE,
    )
    for_failures = judge(night, written, "weakness", pool=seeds + night.asked, agree=2)
    night.near += column(line.kept(for_failures, ["id", "rejected"]), "id")
    night.accepted += for_failures
    night.asked += written
    night.demand.order(quota)


def judge(night: Night, questions: list[Ref], title: str, *, pool: list[Ref], agree: int = 1) -> list[Ref]:
    """Questions in, accepted rows out: novelty, solutions, votes, their decision, duplicates, benchmarks.

    `agree`: independent samples that must agree at least, whatever the configuration allows.
    """
    config, line = night.config, night.line
    first = len(line.funnel)
    similar = config.similarity.settings()
    novel = line.whole(
        NOVEL,
        questions,
        title=f"{NOVEL.title}, {title}",
        reads={"pool": pool},
        history=night.history,
        settings=similar,
    )
    if similar.semantic != "ignore":
        novel = line.whole(
            APART,
            [novel],
            title=f"{APART.title}, {title}",
            reads={"pool": pool},
            history=night.history,
            settings=similar,
        )
    rows = line.shards("fresh", line.kept([novel]), night.shard_rows, of=[novel])
    rows = attempts(night, rows, title)
    rows = line.each(
        WEIGH,
        rows,
        title=f"{WEIGH.title}, {title}",
        calibration=night.calibration,
        settings=config.verify.decision(agree),
    )
    night.judged += line.funnel[first:]
    rows = [line.whole(DEDUP, rows, title=f"{DEDUP.title}, {title}", history=night.history, settings=similar)]
    return line.each(CLEAN, rows, title=f"{CLEAN.title}, {title}", **night.against.look())


def attempts(night: Night, questions: list[Ref], title: str, *, blind: bool = False) -> list[Ref]:
    """Solutions of the questions with the votes on them: programs, comparisons, other samples, scores.

    `blind`: as if no answer was trusted, and with no threshold on scores.
    """
    config, line = night.config, night.line
    rows = line.each(
        SOLVE,
        questions,
        title=f"{SOLVE.title}, {title}",
        owes=night.owes,
        settings=night.solve,
        seed=night.seed,
    )
    rows = line.each(
        VERIFY,
        rows,
        title=f"{VERIFY.title}, {title}",
        calibration=night.calibration,
        settings=config.verify.settings(blind=blind),
    )
    for name in config.score.scorers:
        rows = line.each(
            night.scorer(name),
            rows,
            title=f"Score by {name}, {title}",
            name=name,
            thresholds={} if blind else config.score.thresholds,
        )
    return rows
