"""One night's state: what it builds on, how much is still missing, what is asked for next."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from flows.config import ConfigError, Nightly
from flows.decontamination import Decontamination
from flows.progress import Bars
from flows.settings import ROLES
from flows.settle import finish, history, latest
from flows.stage import Line, Stage
from flows.tools import Tools
from storage.rows import column, to_table
from storage.sample import sample
from storage.shards import Ref, digest_of
from storage.sketches import History
from storage.versions import Version
from tasks import scorers
from tasks.calibrate import known_questions
from tasks.found import module
from tasks.generate import EXAMPLE, Quota, asks_table
from tasks.ingest import ingest
from tasks.published import Published
from tasks.sandbox import SandboxUnavailable, isolation
from tasks.seeding import seed_of
from tasks.solve import SolveSettings
from tasks.taxonomy import SUBDOMAINS
from tasks.votes import Calibration

SEEDS = Path(__file__).resolve().parent.parent / "seeds"
FIRST_GUESS = 0.75  # accepted share of the solutions asked for, before anything was measured
MARGIN = 1.1  # asked for beyond what is missing: the mixture takes its part

# what the model writes is the user's own: no third party's licence is on it
OWN_LICENSE = "Apache-2.0"


@dataclass(frozen=True, slots=True)
class Plan:
    """Asks of one method, sharded; `questions` in all."""

    method: str
    asks: list[Ref]
    questions: int

    def owes(self, asks: int) -> int:
        return self.questions


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
    fitted: dict[str, Any] = field(default_factory=dict)  # tonight's, with how well it held
    inputs: list[dict[str, Any]] = field(default_factory=list)
    _asked: int = 0  # questions asked for so far

    @classmethod
    def begin(cls, config: Nightly, tools: Tools, bars: Bars) -> Night:
        """Everything that can be wrong before the first paid call is found wrong here."""
        for package, names in (
            ("tasks.methods", config.generate.methods),
            ("tasks.scorers", config.score.scorers),
            ("tasks.decontaminate.rules", config.decontaminate.rules),
        ):
            for name in names:
                module(package, name)
        solve = _solve_settings(config, tools)
        against = Decontamination.of(config.decontaminate)
        for role in _roles(config):
            tools.engine(role).check()
        base = latest(tools, config.dataset)
        if base is not None:
            finish(tools, base)
        # a night is a function of what it builds on: begun again before it published, it is the same night
        seed = seed_of(config.seed, config.dataset, base.digest if base else "")
        rows = config.generate.remembered
        remembered = sample(tools.store, base, rows, seed, EXAMPLE) if base else to_table([]).select(EXAMPLE)
        before = Calibration.from_dict(base.lineage.get("calibration", {}) if base else {})
        past = history(tools, config.dataset)
        return cls(config, Line(tools, bars), base, past, seed, solve, against, remembered, before)

    def rebase(self) -> None:
        """Go on from what somebody else has published meanwhile."""
        tools = self.line.tools
        self.base, self.history = latest(tools, self.config.dataset), history(tools, self.config.dataset)

    @property
    def published(self) -> Published | None:
        """What there is to retrieve from beside this night's own questions."""
        home, base = str(self.line.tools.home), self.base
        settings = self.config.weakness.index()
        return Published(home, str(base), base.digest, settings) if base else None

    @property
    def run(self) -> str:
        """The name of this night's work: equal inputs, equal name, whenever it runs."""
        plain = self.config.model_dump(mode="json", exclude={"shard_rows"})
        return f"night-{digest_of(plain, self.seed, self.inputs, self.against.benchmarks.digest)[:12]}"

    def ingest(self) -> list[Ref]:
        """The seed rows, sharded. Rejected ones stay in the shards with their line and reason."""
        files = [SEEDS / "en.jsonl", SEEDS / "zh.jsonl"] if self.config.seeds.own else []
        files += [Path(path) for path in self.config.seeds.files]
        if not files:
            raise ConfigError("seeds: there are none. Mend it: give --seeds FILE, or set seeds.own=true")
        return self._take_in(files, "Ingest seeds")

    def probe(self) -> list[Ref]:
        """The probe questions, sharded: rows with a trusted answer."""
        path = self.config.weakness.probe
        return self._take_in([Path(path) if path else SEEDS / "probe.jsonl"], "Ingest probe")

    def known(self, pool: Sequence[Ref]) -> list[Ref]:
        """Questions with known answers, other ones every night, sharded; no shard where none is asked for."""
        wanted = math.ceil(self.config.verify.known * self.config.target)
        table = known_questions(self.line.kept(pool), self.quota(wanted), self.seed)
        return self.line.shards("known", table, self.config.shard_rows, of=pool) if table.num_rows else []

    def quota(self, questions: int, turn: int = 0) -> Quota:
        """So many questions shared out over the subdomains of each language that the configuration wants."""
        generate = self.config.generate
        topics = generate.subdomains or list(SUBDOMAINS)
        weights = {
            (language, subdomain): share / len(topics)
            for language, share in generate.languages.items()
            for subdomain in topics
        }
        return apportion(weights, questions, self.seed + turn)

    def plan_wave(self, wave: int, missing: int, pool: Sequence[Ref]) -> list[Plan]:
        """Questions for `missing` rows, an equal quota for each subdomain of each language, by each method."""
        generate = self.config.generate
        wanted = self.questions_for(missing)
        total = sum(generate.methods.values())
        return [
            self.plan(name, pool, self.quota(round(wanted * weight / total), wave), wave)
            for name, weight in sorted(generate.methods.items())
        ]

    def plan(self, method: str, pool: Sequence[Ref], quota: Quota, wave: int = 0) -> Plan:
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
                seed=seed_of(self.seed, method, wave),
            )
        )
        questions = sum(quota.values())
        self._asked += questions
        calls = max(1, self.config.shard_rows // generate.per_call)
        return Plan(method, self.line.shards("asks", asks, calls, of=pool), questions)

    def owes(self, questions: int) -> int:
        """Solutions that so many questions become."""
        return questions * self.solve.samples

    def scorer(self, name: str) -> Stage:
        return Stage(
            name,
            scorers.score,
            needs={need: need for need in module("tasks.scorers", name).needs},
            title=f"Score: {name}",
        )

    def worth(self, accepted: Sequence[Ref]) -> int:
        """How many of the accepted rows the mixture can take: some solutions of each question, no more."""
        per_problem = Counter(column(self.line.kept(accepted, ["problem_id", "rejected"]), "problem_id"))
        return sum(min(self.config.mix.per_problem, count) for count in per_problem.values())

    def questions_for(self, missing: int, accepted: Sequence[Ref] = ()) -> int:
        """Questions to ask for so that `missing` rows are accepted, by the acceptance measured so far."""
        best = min(self.config.mix.per_problem, self.config.solve.samples)
        measured = self.worth(accepted) / self._asked if self._asked else 0.0
        return math.ceil(missing / (measured or best * FIRST_GUESS) * MARGIN)

    def _take_in(self, files: list[Path], title: str) -> list[Ref]:
        found = ingest(files, default_license=self.config.seeds.license)
        for count in found.files:
            with count.path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            self.inputs.append(
                {"file": count.path.name, "sha256": digest, "kept": count.kept, "rejected": count.rejected}
            )
        refs = self.line.shards("ingest", found.table, self.config.shard_rows)
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


def _roles(config: Nightly) -> list[str]:
    """The roles that this configuration asks, the teacher first: others borrow its address."""
    needed = {"teacher", "reasoner"} | ({"student"} if config.weakness.share else set())
    for name in config.score.scorers:
        needed |= set(module("tasks.scorers", name).needs)
    if config.decontaminate.ask and config.decontaminate.benchmarks:
        needed.add("critic")
    return [role for role in ROLES if role in needed]


def _solve_settings(config: Nightly, tools: Tools) -> SolveSettings:
    """No program runs without isolation: refuse, or go on in words where the configuration says so."""
    settings = config.solve.settings()
    found = isolation()
    if settings.pot_share == 0 or found.ok:
        return settings
    if config.solve.without_sandbox == "refuse":
        raise SandboxUnavailable(found)
    tools.words_only = True
    return replace(settings, pot_share=0.0)
