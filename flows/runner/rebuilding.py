"""A rebuild's state: the pool of candidates, and the way of some of them through stages that they never passed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

from flows.config.loading import ConfigError
from flows.config.nightly import Nightly
from flows.config.rebuild import Rebuild
from flows.runner.after_publication import finish
from flows.runner.decontamination import READERS, Decontamination, examine
from flows.runner.progress import Bars
from flows.runner.publication import funnel_line
from flows.runner.resources import Tools
from flows.runner.stages import Line, Stage, StageCall, scoring
from flows.runner.what_if import what_if_text
from storage.counting import counted
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.rows import reasons_of, replace, unrejected
from storage.stage_cache.shards import Ref, digest_of
from tasks.arrays import Mask
from tasks.plugins import checked, module, scores_of
from tasks.stages import rejudge
from tasks.stages.dedup import dedup
from tasks.stages.mix import mix
from tasks.stages.rejudge import COLUMNS, CandidateArrays
from tasks.stages.score import score
from tasks.stages.weigh import weigh
from tasks.voting import Calibration

WEIGH = Stage("weigh", "Weigh the votes of what is new")
DEDUP = Stage("dedup", "De-duplicate what is new")
DECONTAMINATE = Stage("decontaminate", "Decontaminate what is new", needs=READERS)
BATCH = 65_536
INHERITED = ("verify", "score", "similarity", "decontaminate", "mix")
COMPARED = ["id", "problem_id", "question", "language"]


@dataclass(slots=True)
class Work:
    config: Rebuild
    line: Line
    base: Version  # whose candidates and rules are taken
    head: int | None  # what is published on
    rules: Nightly  # how the base was judged, with what this rebuild changes
    candidates: pads.Dataset
    pool: CandidateArrays
    to_judge: dict[str, int] = field(default_factory=dict)  # scorer -> rows that it never saw
    weights: np.ndarray[Any, np.dtype[np.float32]] = field(default_factory=lambda: np.zeros(0, np.float32))
    certificate: dict[str, Any] = field(default_factory=dict)  # the base's, or that of a new look at all rows
    _refs: list[Ref] = field(default_factory=list)  # rows that went through a stage again
    home: np.ndarray[Any, np.dtype[np.int64]] = field(default_factory=lambda: np.zeros(0, np.int64))

    @classmethod
    def begin(cls, config: Rebuild, tools: Tools, bars: Bars) -> Work:
        store = tools.store
        base, rules = check(config, store)
        line = Line(tools, bars)
        runs, past = _origin(base, store)
        finish(tools, base)
        candidates = store.candidates()
        if candidates is None:
            raise ConfigError(f"{base} left no candidates: run a night first")
        bar = bars.stage("Gather candidates", candidates.count_rows())
        pool = rejudge.gather(candidates.to_table(columns=list(COLUMNS)), runs, rules.score.scorers, past)
        bar.close(f"{counted(len(pool.alive), 'solution')} of {counted(len(runs), 'run')}")
        work = cls(config, line, base, store.head(config.into or config.dataset), rules, candidates, pool)
        work.certificate = base.lineage.get("decontamination") or {}
        work.home = np.full(len(pool.alive), -1, dtype=np.int64)
        work.weights = np.ones(len(pool.alive), dtype=np.float32)
        return work

    @property
    def run(self) -> str:
        """The name of this rebuild's work: equal rules, equal candidates, equal name."""
        plain = self.config.model_dump(mode="json", exclude={"shard_rows", "force"})
        return f"rebuild-{digest_of(plain, self.base.digest, len(self.pool.alive))[:12]}"

    def leave_out(self) -> None:
        rejudge.leave_out(self.pool, self.config.without, self.config.only)
        rejudge.unverified(self.pool)

    def compare(self) -> None:
        rejudge.below(self.pool, self.rules.score.thresholds)
        if self.config.correctness is None:
            rejudge.decided(self.pool, "weigh", "Weighed before")
        else:
            rejudge.below(self.pool, {"correctness": self.config.correctness})
        for name in self.rules.score.scorers:
            self.to_judge[name] = int(self._never_saw(name).sum())

    def judge(self) -> None:
        """Each scorer sees the rows that it never saw, and those that it is to see again."""
        for name in self.rules.score.scorers:
            stage = dataclasses.replace(scoring(name), title=f"Score by {name}, what is new")
            for need in stage.needs.values():
                if self._never_saw(name).any():
                    self.line.tools.engine(need).check()
            call = partial(score, name=name, thresholds=self.rules.score.thresholds)
            self._through(stage, call, self._never_saw(name))

    def weigh(self) -> None:
        """The votes of rows that were never weighed, or are to be weighed by another least correctness."""
        pool = self.pool
        calibration = Calibration.from_dict(self.base.lineage.get("calibration", {}))
        fresh = pool.alive & (pool.reached <= pool.step("weigh"))
        settings = self.rules.verify
        call = partial(
            weigh,
            calibration=calibration,
            min_correctness=settings.min_correctness,
            min_agreement=settings.min_agreement,
        )
        self._through(WEIGH, call, fresh)

    def deduplicate(self) -> None:
        """Only rows that were never compared, or whose better twin is out now, are compared."""
        pool, similarity = self.pool, self.config.similarity
        stays_out, free = rejudge.duplicates(pool)
        if similarity is None:
            pool.drop("dedup", "De-duplicated before", stays_out)
            fresh = pool.alive & ((pool.reached < pool.step("dedup")) | free)
            same = pc.is_in(pool.rows.column("problem_id"), value_set=self._problems(fresh))
            compared = pool.alive & np.asarray(same.to_numpy(), dtype=bool) if fresh.any() else fresh
        else:
            compared = pool.alive.copy()
        if not compared.any():
            return
        beside = pa.concat_tables(
            [t.select(COMPARED) for t in self.tables(pool.alive & ~compared)] or [_none()]
        )
        self._through(
            DEDUP,
            partial(dedup, settings=self.rules.similarity.dedup()),
            compared,
            whole=True,
            reads={"beside": [self.line.put("beside", beside)]},
        )

    def decontaminate(self) -> None:
        """Rows that were never compared with the benchmarks; with other benchmarks or rules, all rows."""
        pool, rules = self.pool, self.rules.decontaminate
        again = self.config.benchmarks is not None or self.config.rules is not None
        if not again:
            rejudge.decided(pool, "decontaminate", "Contaminated before")
        fresh = pool.alive if again else pool.alive & (pool.reached < pool.step("decontaminate"))
        if self.config.what_if or not fresh.any():
            return
        against = Decontamination.of(rules)
        self._through(DECONTAMINATE, against.look(), fresh)
        if again:
            self.certificate = examine(self.line.tools, [], against)[0].over(self.line.facts()).to_dict()

    def mix(self) -> None:
        """The mixture over all that is left; the texts are not needed for it."""
        pool = self.pool
        living = np.flatnonzero(pool.alive)
        rows = pool.rows.take(pa.array(living))
        rows = rows.append_column("loss_weight", pa.nulls(len(living), pa.float32()))
        rows = unrejected(rows)
        target = self.config.target or max(len(living), 1)
        mixed = mix(
            rows,
            settings=self.rules.mix,
            target=target,
            near=(),
            seed=self.config.seed,
            tick=lambda rows: None,
        )
        reasons = np.full(len(pool.alive), None, dtype=object)
        reasons[living] = reasons_of(mixed)
        self.weights[living] = mixed.column("loss_weight").to_numpy()
        pool.drop("mix", "Mix", np.array([why is not None for why in reasons]), reasons)

    def what_if(self) -> str:
        return what_if_text(self.pool, self.to_judge, self.base, self.line.tools.store, self.config.target)

    def tables(self, mask: Mask) -> Iterator[pa.Table]:
        """The whole rows of a mask, streamed from where they lie, as they were judged last."""
        schema = self.line.tools.store.scan(self.base).schema
        stored = mask & (self.home < 0)
        places = np.zeros(0, np.int64) if not stored.any() else np.sort(self.pool.position[stored])
        index = np.argsort(self.pool.position, kind="stable")
        start = 0
        if len(places):
            for batch in self.candidates.scanner(
                columns=schema.names, batch_size=BATCH, batch_readahead=2, fragment_readahead=1
            ).to_batches():
                low, high = np.searchsorted(places, (start, start + len(batch)))
                if high > low:
                    yield self._revived(
                        pa.Table.from_batches([batch]).take(pa.array(places[low:high] - start)),
                        index[np.searchsorted(self.pool.position[index], places[low:high])],
                    )
                start += len(batch)
        for number in sorted(set(self.home[mask & (self.home >= 0)].tolist())):
            table = self.line.tools.shards.read(self._refs[number]).select(schema.names)
            positions = np.flatnonzero(mask & (self.home == number))
            place = pc.index_in(
                self.pool.rows.column("id").take(pa.array(positions)),
                value_set=table.column("id").combine_chunks(),
            )
            yield self._revived(table.take(place), positions)

    def _revived(self, table: pa.Table, index: np.ndarray[Any, Any]) -> pa.Table:
        return replace(unrejected(table), loss_weight=pa.array(self.weights[index]))

    def _never_saw(self, scorer: str) -> Mask:
        pool = self.pool
        mask: Mask = pool.alive & (pool.reached < pool.step(scorer))
        return pool.alive.copy() if scorer in self.config.rescore else mask

    def _problems(self, mask: Mask) -> pa.Array:
        return pc.unique(self.pool.rows.column("problem_id").filter(pa.array(mask)))

    def _through(
        self,
        stage: Stage,
        call: StageCall,
        mask: Mask,
        *,
        whole: bool = False,
        reads: Mapping[str, Sequence[Ref]] | None = None,
    ) -> None:
        """The rows of the mask through a stage; what it drops is dropped from the pool, with its reason."""
        if not mask.any():
            return
        shards = [
            shard
            for table in self.tables(mask)
            for shard in self.line.shards("rework", table, self.config.shard_rows)
        ]
        run = self.line
        done = (
            [run.whole(stage, call, shards, reads=reads)]
            if whole
            else run.each(stage, call, shards, reads=reads)
        )
        self.pool.lines.append(funnel_line(self.line.funnel[-1]))
        ids = self.pool.rows.column("id").combine_chunks()
        for ref in done:
            self._refs.append(ref)
            judged = self.line.tools.shards.read(ref, ["id", "rejected", "reason", "scores", "correctness"])
            place = pc.index_in(judged.column("id"), value_set=ids).to_numpy()
            why = np.full(len(judged), None, dtype=object)
            why[:] = reasons_of(judged)
            self.home[place] = len(self._refs) - 1
            self.pool.why[place] = why
            self.pool.alive[place] = why == None  # noqa: E711 (elementwise)


def check(config: Rebuild, store: Store) -> tuple[Version, Nightly]:
    """The version that is rebuilt, and how its candidates are judged. StorageError or ConfigError for what can be known
    to fail before Prefect is started."""
    base = store.resolve(f"{config.dataset}@{config.base}" if config.base else config.dataset)
    rules = inherited(config, base)
    for package, names in (
        ("tasks.scorers", [*rules.score.scorers, *config.rescore]),
        ("tasks.decontamination.rules", rules.decontaminate.rules),
    ):
        for name in names:
            module(package, name)
    for path in config.benchmarks or ():
        if not Path(path).exists():
            raise ConfigError(f"setting benchmarks: there is no {path}. Fix: check the path")
    _check_values(config, base, rules, store)
    return base, rules


def _check_values(config: Rebuild, base: Version, rules: Nightly, store: Store) -> None:
    """ConfigError where `without` or `only` names a value that no candidate of the base has."""
    columns = sorted({*config.without, *config.only})
    if not columns:
        return
    candidates = store.candidates()
    if candidates is None:
        raise ConfigError(f"{base} left no candidates. Fix: run a night first")
    runs, past = _origin(base, store)
    solved = pc.field("stage").isin([*rejudge.steps_of(rules.score.scorers), "certify", *sorted(past)])
    rows = candidates.to_table(columns=columns, filter=pc.field("run").isin(runs) & solved)
    for setting, chosen in (("without", config.without), ("only", config.only)):
        for column, values in chosen.items():
            there = pc.unique(rows.column(column)).drop_null().to_pylist()
            try:
                checked(f"{column} among the candidates,", values, sorted(map(str, there)))
            except ValueError as error:
                raise ConfigError(f"setting {setting}.{column}: {error}. Fix: name one of these") from None


def _origin(base: Version, store: Store) -> tuple[list[str], set[str]]:
    """The runs whose candidates the base can be made of, oldest first, and the scorers that judged them."""
    versions = [v for v in store.versions(base.dataset) if v.table_version <= base.table_version]
    runs = list(dict.fromkeys(str(v.lineage.get("run", v)) for v in versions))
    return runs, {name for v in versions for name in _section(v, "score").get("scorers", ())}


def inherited(config: Rebuild, base: Version) -> Nightly:
    """How the base was judged, with what the rebuild changes."""
    known = Nightly.model_validate({name: _section(base, name) for name in INHERITED})
    score = known.score.model_copy(
        update={
            "thresholds": known.score.thresholds | config.thresholds,
            "scorers": known.score.scorers if config.scorers is None else config.scorers,
        }
    )
    compared = {
        name: value
        for name, value in (("benchmarks", config.benchmarks), ("rules", config.rules))
        if value is not None
    }
    return known.model_copy(
        update={
            "dataset": config.into or config.dataset,
            "score": score,
            "verify": known.verify
            if config.correctness is None
            else known.verify.model_copy(update={"min_correctness": config.correctness}),
            "similarity": config.similarity or known.similarity,
            "decontaminate": known.decontaminate.model_copy(update=compared),
            "mix": config.mix or known.mix,
            "gates": config.gates,
        }
    )


def _section(version: Version, name: str) -> dict[str, Any]:
    """A section of the version's settings: of what an older release stored, what there still is."""
    stored = (version.lineage.get("parameters") or {}).get(name) or {}
    known = type(getattr(Nightly(), name)).model_fields
    section = {key: value for key, value in stored.items() if key in known}
    if "thresholds" in section:  # one of a score that no scorer gives has never had an effect
        there = scores_of("tasks.scorers")
        section["thresholds"] = {key: value for key, value in section["thresholds"].items() if key in there}
    return section


def _none() -> pa.Table:
    return pa.table({name: pa.array([], pa.string()) for name in COMPARED})
