"""One night's state: what it builds on, how much is still missing, what is asked for next."""

from __future__ import annotations

import hashlib
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from flows.config.loading import ConfigError
from flows.config.nightly import Nightly
from flows.runner.after_publication import finish, history, latest, raise_if_published
from flows.runner.artifacts import report_stopped
from flows.runner.decontamination import Decontamination, refuse_unknown_kinds
from flows.runner.forecast import forecast, notice
from flows.runner.limits import BATCHED, Spent, Stopped, agreed, limit_of
from flows.runner.progress import Bars
from flows.runner.resources import Tools
from flows.runner.run_notes import Begun
from flows.runner.stages import Entry, Line
from flows.settings import EMBEDDED, ROLES, Settings
from storage.counting import be, counted
from storage.datasets.sample import sample
from storage.datasets.versions import Version
from storage.indexes.sketches import History
from storage.rows import to_table
from storage.stage_cache.shards import Ref, digest_of
from tasks.demand import ANY, Demand
from tasks.evaluation.verdict import gains_of
from tasks.llm.batch import MOST_REQUESTS
from tasks.plugins import module
from tasks.retrieval.published import Published
from tasks.sandbox import SandboxUnavailable, isolation
from tasks.seeding import seed_of
from tasks.stages.calibrate import known_questions
from tasks.stages.generate import EXAMPLE, Quota, asks_table
from tasks.stages.ingest import ingest
from tasks.stages.solve import SolveSettings
from tasks.taxonomy import SUBDOMAINS, domain_of
from tasks.voting import Calibration

SEEDS = Path(__file__).resolve().parent.parent.parent / "seeds"

# what the model writes is the user's own: no third party's licence is on it
OWN_LICENSE = "Apache-2.0"


@dataclass(frozen=True, slots=True)
class Plan:
    """Asks of one method for a quota of questions, sharded."""

    method: str
    asks: list[Ref]
    quota: Quota

    def owes(self, asks: int) -> int:
        return sum(self.quota.values())


@dataclass(slots=True)
class Night:
    config: Nightly
    line: Line
    base: Version | None  # what this night builds on
    history: History  # every question published up to the base
    seed: int
    solve: SolveSettings
    against: Decontamination
    remembered: pa.Table  # some accepted rows of earlier nights, to be shown as examples
    calibration: Calibration  # what the votes are worth: last night's, until tonight's is fitted
    run: str  # the name of this night's work: equal inputs, equal name, whenever it runs
    begun: Begun
    demand: Demand
    gains: dict[str, str] = field(default_factory=dict)  # subdomains in which the newest verdict showed one
    fitted: dict[str, Any] = field(default_factory=dict)  # tonight's, with how well it held
    inputs: list[dict[str, Any]] = field(default_factory=list)
    accepted: list[Ref] = field(default_factory=list)  # what came through every stage
    asked: list[Ref] = field(default_factory=list)  # every question written so far
    judged: list[Entry] = field(
        default_factory=list
    )  # what the stages of `solve_and_judge` did, for the comparison of nights
    near: list[str] = field(default_factory=list)  # rows near the student's failures
    wave: int = 0
    ended: str = ""  # which limit ended it
    started: float = field(default_factory=time.monotonic)

    @classmethod
    def begin(cls, config: Nightly, tools: Tools, bars: Bars) -> Night:
        """Everything that can be wrong before the first paid call is found wrong here."""
        for package, names in (
            ("tasks.methods", config.generate.methods),
            ("tasks.scorers", config.score.scorers),
            ("tasks.decontamination.rules", config.decontaminate.rules),
        ):
            for name in names:
                module(package, name)
        solve = _solve_settings(config, tools)
        against = Decontamination.of(config.decontaminate)
        refuse_unknown_kinds(config.gates.min_recall, against.pairs)
        base = latest(tools, config.dataset)
        if base is not None:
            finish(tools, base)
        # a night is a function of what it builds on: begun again before it published, it is the same night
        seed = seed_of(config.seed, config.dataset, base.digest if base else "")
        plain = config.model_dump(mode="json", exclude={"shard_rows", "answers", "budget", "gates"})
        digests = [file_digest(path) for path in (*seed_files(config), probe_file(config)) if path.is_file()]
        gains = _gains(tools, config.dataset)
        told = [gains] if gains else []
        run = f"night-{digest_of(plain, seed, digests, against.benchmarks.digest, *told)[:12]}"
        inputs = digest_of(plain, digests, against.benchmarks.digest)
        raise_if_published(tools, config.dataset, "nightly", inputs)
        begun = Begun.note(tools.home, run, lambda: forecast(config, tools).record(), inputs)
        tools.terms = agreed(config, run, begun.since, tools.ledger)
        if tools.settings.runner != "threads" and (tools.terms.budget or tools.terms.answers != "online"):
            raise ConfigError(
                f"MATHMILL_RUNNER is {tools.settings.runner}, but a budget, and answers other than online, are "
                "counted in one process. Fix: MATHMILL_RUNNER=threads, or leave them out"
            )
        for role in roles(config):
            tools.engine(role).check()
        if shared := borrowed(config, tools.settings):
            bars.say(shared)
        if judged := notice(begun.forecast):
            bars.say(judged)
        rows = config.generate.remembered
        remembered = sample(tools.store, base, rows, seed, EXAMPLE) if base else to_table([]).select(EXAMPLE)
        before = Calibration.from_dict(base.lineage.get("calibration", {}) if base else {})
        known = history(tools, config.dataset)
        best = min(config.mix.per_problem, config.solve.samples)
        demand = Demand(config.mix.per_problem, best, config.mix.at_least)
        line = Line(tools, bars)
        return cls(
            config, line, base, known, seed, solve, against, remembered, before, run, begun, demand, gains
        )

    def rebase(self) -> None:
        """Go on from what somebody else has published meanwhile."""
        tools = self.line.tools
        self.base, self.history = latest(tools, self.config.dataset), history(tools, self.config.dataset)

    @property
    def shard_rows(self) -> int:
        """Questions a task run; where batches answer, enough to fill one with their solutions."""
        if self.config.answers not in BATCHED:
            return self.config.shard_rows
        return max(self.config.shard_rows, MOST_REQUESTS // self.solve.samples)

    @property
    def published(self) -> Published | None:
        """What there is to retrieve from beside this night's own questions."""
        home, base = str(self.line.tools.home), self.base
        settings = self.config.weakness.index()
        return Published(home, str(base), base.digest, settings) if base else None

    def ingest(self) -> list[Ref]:
        """The seed rows, sharded. Rejected ones stay in the shards with their line and reason."""
        return self._take_in(seed_files(self.config), "Ingest seeds")

    def probe(self) -> list[Ref]:
        """The probe questions, sharded: rows with a trusted answer."""
        return self._take_in([probe_file(self.config)], "Ingest probe")

    def known(self, pool: Sequence[Ref]) -> list[Ref]:
        """Questions with known answers, other ones every night, sharded; no shard where none is asked for."""
        wanted = math.ceil(self.config.verify.known * self.config.target)
        table = known_questions(self.line.kept(pool), self.quota(wanted, topics_of(self.config)), self.seed)
        return self.line.shards("known", table, self.shard_rows, of=pool) if table.num_rows else []

    def quota(self, questions: int, topics: Sequence[str]) -> Quota:
        """So many questions shared out over the subdomains, in each language that the configuration wants."""
        weights = {
            (language, topic): share / len(topics)
            for language, share in self.config.generate.languages.items()
            for topic in topics
        }
        return apportion(weights, questions, self.seed + self.wave)

    def plan_wave(self, missing: Mapping[str, int], pool: Sequence[Ref]) -> list[Plan]:
        """Questions for the `missing` rows by domain, an equal quota for each of its subdomains in each language,
        by each method."""
        generate, usable = self.config.generate, self.usable()
        total = sum(generate.methods.values())
        plans = []
        for name, weight in sorted(generate.methods.items()):
            quota: Counter[tuple[str, str]] = Counter()
            for domain, rows in missing.items():
                topics = [t for t in topics_of(self.config) if domain in (ANY, domain_of(t))]
                wanted = self.demand.questions(rows, usable, domain)
                quota.update(self.quota(round(wanted * weight / total), topics))
            plans.append(self.plan(name, pool, quota))
        for plan in plans:
            self.demand.order(plan.quota)
        return plans

    def plan(self, method: str, pool: Sequence[Ref], quota: Quota) -> Plan:
        """The asks of one method for a quota, sharded so that a shard orders about `shard_rows` questions."""
        generate = self.config.generate
        asks = asks_table(
            module("tasks.methods", method).plan(
                pa.concat_tables(
                    [self.line.kept(pool, [*EXAMPLE, "rejected"]).select(EXAMPLE), self.remembered]
                ),
                quota,
                per_call=generate.per_call,
                examples=generate.examples,
                seed=seed_of(self.seed, method, self.wave),
            )
        )
        calls = max(1, self.shard_rows // generate.per_call)
        return Plan(method, self.line.shards("asks", asks, calls, of=pool), quota)

    def owes(self, questions: int) -> int:
        """Solutions that so many questions become."""
        return questions * self.solve.samples

    def usable(self) -> Counter[str]:
        return self.demand.usable(self.line.kept(self.accepted, ["problem_id", "domain", "rejected"]))

    def worth(self) -> int:
        """How many of the accepted rows the mixture can take."""
        return self.demand.worth(self.usable())

    def missing(self, until: int) -> dict[str, int]:
        """Rows by domain that are still wanted to have `until`; empty when there are enough."""
        return self.demand.missing(self.usable(), until)

    def stop(self, limit: BaseException) -> None:
        """A limit was met: enough is accepted to go on and publish it, or Stopped is raised."""
        self._end(limit_of(limit), str(limit), limit)

    def finish(self) -> None:
        """Every wave that was wanted is done. Without some of its answers an offline night has met a limit too."""
        lost = sum(fact.get("deferred", 0) for fact in self.line.facts())
        if self.config.answers == "offline" and lost:
            self._end(
                "offline",
                f"stopped by --offline: {counted(lost, 'answer')} {be(lost)} not in the ledger. Fix: run it without --offline",
            )
        self.ended = self.ended or ("waves" if self.missing(self.config.target) else "target")

    def _end(self, by: str, why: str, cause: BaseException | None = None) -> None:
        self.ended = by
        worth, target = self.worth(), self.config.target
        if worth and worth >= self.config.gates.share_at_limit * target:
            return
        self.begun.stopped()
        spent = self.line.tools.ledger().spent(self.run, self.begun.since)
        stopped = Stopped(by, why, Spent(spent.usd, spent.tokens, spent.estimated, worth, target))
        report_stopped(self.config.dataset, stopped)
        raise stopped from cause

    def _take_in(self, files: list[Path], title: str) -> list[Ref]:
        found = ingest(files, default_license=self.config.seeds.license)
        for count in found.files:
            digest = file_digest(count.path)
            self.inputs.append(
                {"file": count.path.name, "sha256": digest, "kept": count.kept, "rejected": count.rejected}
            )
        refs = self.line.shards("ingest", found.table, self.shard_rows)
        self.line.record("ingest", title, refs)
        return refs


def apportion(weights: dict[tuple[str, str], float], total: int, turn: int) -> dict[tuple[str, str], int]:
    """`total` shared out by weight, largest remainder first; equal remainders take turns by `turn`."""
    scale = total / sum(weights.values()) if weights else 0.0
    shared = {topic: int(weight * scale) for topic, weight in weights.items()}
    left = total - sum(shared.values())
    order = sorted(weights, key=lambda t: (round(shared[t] - weights[t] * scale, 9), seed_of(turn, *t)))
    for topic in order[:left]:
        shared[topic] += 1
    return {topic: count for topic, count in shared.items() if count}


def seed_files(config: Nightly) -> list[Path]:
    files = [SEEDS / "en.jsonl", SEEDS / "zh.jsonl"] if config.seeds.own else []
    files += [Path(path) for path in config.seeds.files]
    if not files:
        raise ConfigError("seeds: there are none. Fix: give --seeds FILE, or set seeds.own=true")
    return files


def probe_file(config: Nightly) -> Path:
    return Path(config.weakness.probe) if config.weakness.probe else SEEDS / "probe.jsonl"


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def topics_of(config: Nightly) -> list[str]:
    """The subdomains to write for. ConfigError where a domain with a least share has none among them."""
    topics = config.generate.subdomains or list(SUBDOMAINS)
    for domain in config.mix.at_least:
        if not any(domain_of(topic) == domain for topic in topics):
            raise ConfigError(
                f"setting mix.at_least: generate.subdomains has none of {domain}. Fix: add one of its subdomains"
            )
    return topics


def roles(config: Nightly) -> list[str]:
    """The roles that this configuration asks, the teacher first: others borrow its address."""
    needed = {"teacher", "reasoner"} | ({"student"} if config.weakness.share else set())
    for name in config.score.scorers:
        needed |= set(module("tasks.scorers", name).needs)
    if config.decontaminate.ask and config.decontaminate.benchmarks:
        needed.add("critic")
    return [role for role in ROLES if role in needed]


def borrowed(config: Nightly, settings: Settings) -> str:
    """One line for people where roles that this night asks have no model of their own and use the teacher's; empty
    with the embedded teacher, which costs nothing."""
    teacher = settings.endpoint("teacher")
    if teacher.model.startswith(EMBEDDED):
        return ""
    asked = [role for role in roles(config) if role != "teacher"]
    same = [role for role in asked if settings.endpoint(role).model == teacher.model]
    if not same:
        return ""
    text = f"{teacher.model} is the teacher and also the {', the '.join(same)}"
    if "critic" in same:
        text += "; it judges its own solutions"
    if "student" in same:
        text += (
            "; it is probed for weaknesses, which is paid like every other call. "
            "Fix: set MATHMILL_STUDENT__MODEL and its BASE_URL, or --set weakness.share=0"
        )
    return text


def _gains(tools: Tools, dataset: str) -> dict[str, str]:
    """Subdomain -> better or worse, by the newest verdict on a version of the dataset."""
    said = tools.store.marks(dataset, "verdict")
    return gains_of(said[-1].value) if said else {}


def _solve_settings(config: Nightly, tools: Tools) -> SolveSettings:
    """No program runs without isolation: refuse, or go on in words where the configuration says so."""
    settings = config.solve
    found = isolation()
    if settings.pot_share == 0 or found.ok:
        return settings
    if config.solve.without_sandbox == "refuse":
        raise SandboxUnavailable(found)
    tools.words_only = True
    return settings.model_copy(update={"pot_share": 0.0})
