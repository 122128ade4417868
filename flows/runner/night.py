"""The state of a night while it runs: what is accepted so far, how much is missing, and how it ended."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.config.nightly import Nightly
from flows.runner.after_publication import history, latest
from flows.runner.judged_rows import judged_calibration, judged_solutions
from flows.runner.limits import limit_of
from flows.runner.night_inputs import Inputs, file_digest
from flows.runner.planning import Planner
from flows.runner.progress import Bars
from flows.runner.resources import Tools
from flows.runner.stages import FunnelEntry, Line, Stage
from flows.runner.stopping import stopped_at
from storage.counting import be, counted
from storage.datasets.versions import Version
from storage.indexes.sketches import History
from storage.stage_cache.shards import Ref
from tasks.canaries.batch import records
from tasks.demand import Demand
from tasks.format_shares import FORMATS, FormatCounts, LearntShares
from tasks.retrieval.published import Published
from tasks.selection import ANCESTOR
from tasks.stages.ingest import ingest
from tasks.voting import Calibration


@dataclass(slots=True)
class Night:
    """`base` and `history` are what the night publishes on: its inputs' at first, another publisher's after `rebase`."""

    config: Nightly
    line: Line
    inputs: Inputs
    planner: Planner
    base: Version | None
    history: History  # every question published up to the base
    calibration: Calibration  # what votes are worth: the base's, refitted to what people judged since, until this night's own is fitted
    by_people: dict[str, Any] = field(default_factory=dict)  # how many rows that people judged are behind it
    fitted: dict[str, Any] = field(default_factory=dict)  # this night's calibration, and how well it held
    formats: FormatCounts = field(
        default_factory=FormatCounts
    )  # which were right, in earlier versions and by now
    files: list[dict[str, Any]] = field(default_factory=list)  # ingested files with their digests and counts
    seeds: list[Ref] = field(default_factory=list)  # of which those with an answer may be canaries
    gold: list[Ref] = field(
        default_factory=list
    )  # rows that people judged, of which canaries for critics are
    reasoner_error: float | None = None  # share of the questions with known answers that it gets wrong
    accepted: list[Ref] = field(default_factory=list)  # rows that passed every stage
    questions: list[Ref] = field(default_factory=list)  # every question written so far
    # funnel entries of the judged questions, from which drift is measured
    judged: list[FunnelEntry] = field(default_factory=list)
    near_failures: list[str] = field(default_factory=list)  # ids of rows near the student's failures
    ended: str = ""  # the limit that ended it, or target, waves or material
    started: float = field(default_factory=time.monotonic)

    @classmethod
    def begin(cls, config: Nightly, tools: Tools, bars: Bars) -> Night:
        """Start a night from its checked inputs. Raises as Inputs.gather."""
        inputs = Inputs.gather(config, tools, bars)
        line = Line(tools, bars)
        base = inputs.base
        per_question = min(config.mix.per_problem, config.solve.samples)
        demand = Demand(
            config.mix.per_problem, per_question, config.mix.at_least, config.generate.per_missing
        )
        planner = Planner(
            config,
            line,
            inputs.seed,
            demand,
            inputs.remembered,
            inputs.material,
            samples=inputs.solve.samples,
            base=base,
        )
        calibration, judged, new = judged_calibration(tools.store, base)
        if new:
            bars.say(f"The votes are calibrated on {counted(new, 'row')} that people judged, too")
        gold = judged_solutions(tools.store, base) if base and config.score.canaries else None
        formats = FormatCounts.from_list(base.lineage.get(FORMATS, ()) if base else ())
        return cls(
            config,
            line,
            inputs,
            planner,
            base,
            history(tools, config.dataset),
            calibration,
            by_people=judged,
            gold=[line.put("judged by people", gold)] if gold is not None else [],
            formats=formats,
        )

    def rebase(self) -> None:
        """Build on what another publisher has published meanwhile."""
        tools = self.line.tools
        self.base, self.history = latest(tools, self.config.dataset), history(tools, self.config.dataset)

    @property
    def published(self) -> Published | None:
        """Return the published rows to retrieve from, in addition to this night's own questions."""
        home, base = str(self.line.tools.home), self.base
        settings = self.config.weakness.index()
        return Published(home, str(base), base.digest, settings) if base else None

    def owes(self, questions: int) -> int:
        """Return how many solutions `questions` questions become."""
        return questions * self.inputs.solve.samples

    def canaries(self, shards: int) -> int:
        """Return how many canaries are hidden in each of the next shards that the critic is asked about: more than the
        configuration says per shard where the night had too few shards to have `least_canaries` by now."""
        score = self.config.score
        if not score.canaries:
            return 0
        asked = records(self.line.facts(), "canaries")
        hidden = sum(int(record["calls"]) for record in asked if record["role"] == "critic")
        return max(score.canaries, math.ceil((score.least_canaries - hidden) / max(shards, 1)))

    def learn_error(self, solved: list[Ref]) -> None:
        """Estimate the share of questions that the reasoner gets wrong from those with known answers: one more wrong and one more
        right than there were, so that few questions claim little."""
        counts = [ref.facts["known"] for ref in solved if "known" in ref.facts]
        missed, all_ = (sum(count[i] for count in counts) for i in (0, 1))
        self.reasoner_error = (missed + 1) / (all_ + 2) if all_ else None

    def learnt_shares(self) -> LearntShares | None:
        """Return what decides the shares of the formats in place of the rule; None if that is not asked for, or nothing is known."""
        strength = self.inputs.solve.learn
        return LearntShares(self.formats, strength) if strength and self.formats.asked else None

    def usable(self, shards: list[Ref] | None = None) -> Counter[str]:
        """Return the accepted rows, or the kept ones of the shards, that the mixture can take, by domain."""
        refs = self.accepted if shards is None else shards
        rows = self.line.kept(refs, ["problem_id", "domain", "rejected"])
        return self.planner.demand.usable(rows)

    def worth(self, shards: list[Ref] | None = None) -> int:
        """Return how many of the accepted rows, or of the kept ones of the shards, the mixture can take."""
        return self.planner.demand.worth(self.usable(shards))

    def missing(self, until: int) -> dict[str, int]:
        """Return the rows by domain that are missing to have `until`; empty when there are enough."""
        return self.planner.demand.missing(self.usable(), until)

    @property
    def used_up(self) -> bool:
        """Whether no wave is left, or no material, to write more rows of."""
        return self.planner.wave >= self.config.generate.waves or self.ended == "material"

    def stop(self, limit: BaseException, *, publish: bool = True) -> None:
        """End at a limit: return if enough is accepted to be published and it may be (`publish`), or raise Stopped."""
        self._end(limit_of(limit), str(limit), limit, publish=publish)

    def finish(self) -> None:
        """End after the last wave. An offline night without some of its answers has met a limit too."""
        deferred = sum(fact.get("deferred", 0) for fact in self.line.facts())
        if self.config.answers == "offline" and deferred:
            self._end(
                "offline",
                f"stopped by --offline: {counted(deferred, 'answer')} {be(deferred)} not in the ledger. Fix: run it without --offline",
            )
        self.ended = ending(self.ended, enough=not self.missing(self.config.target))

    def _end(self, by: str, why: str, cause: BaseException | None = None, *, publish: bool = True) -> None:
        self.ended = by
        worth, target = self.worth(), self.config.target
        if publish and worth and worth >= self.config.gates.share_at_limit * target:
            return
        raise stopped_at(
            self.line.tools, self.inputs.note, self.inputs.run, self.config.dataset, by, why, worth, target
        ) from cause

    def ancestors(self) -> list[Ref]:
        """Return the rows that this night's rows may be made from, with the columns ANCESTOR: its seeds, questions and accepted
        rows, the material, and published rows that a question names as a parent."""
        line = self.line
        own = line.kept([*self.seeds, *self.questions, *self.accepted], [*ANCESTOR, "rejected"])
        tables = [own.select(ANCESTOR), self.inputs.material.rows.select(ANCESTOR)]
        if self.base is not None:
            named = pc.unique(pc.list_flatten(own.column("parent_ids")))
            tables.append(line.tools.store.read(self.base, ANCESTOR, pc.field("id").isin(named)))
        return [line.put("ancestors", pa.concat_tables(tables))]

    def compared(self) -> list[Ref]:
        """Return what new questions are compared with, beside what is published: the seeds, the questions that were written so far, and those of
        the material, of which some are reworded."""
        material = self.inputs.material.of_kind("rows")
        shards = [self.line.put("questions", material)] if material.num_rows else []
        return [*self.seeds, *self.questions, *shards]

    def ingest(self, stage: Stage, files: list[Path], title: str) -> list[Ref]:
        """Return the rows of the files, sharded. Rejected ones stay in the shards with their line and reason."""
        ingested = ingest(files, default_license=self.config.seeds.license)
        for count in ingested.files:
            digest = file_digest(count.path)
            self.files.append(
                {"file": count.path.name, "sha256": digest, "kept": count.kept, "rejected": count.rejected}
            )
        refs = self.line.shards(stage.name, ingested.table, self.planner.shard_rows)
        self.line.record(stage, f"{stage.title} {title}", refs)
        return refs


def ending(limit: str, *, enough: bool) -> str:
    """Return what ended a night: the limit that it met, or else the target, or the last wave. Material that was used up while the rows that were
    under way were enough has ended nothing."""
    if enough and limit in ("", "material"):
        return "target"
    return limit or "waves"
