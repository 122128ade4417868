"""The stage contract: a plain function over a shard becomes Prefect task runs, one per shard.

The output of a stage is addressed by the digest of its code, its parameters and its inputs, so a finished shard is
found in the stage cache and not run again. Task runs pass references, never rows. For every shard,
in = kept + rejected + failed, or the run fails.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from functools import partial
from typing import Any
from uuid import uuid4

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.context import TagsContext
from prefect.futures import PrefectFuture
from pydantic import BaseModel

from flows.runner.code_version import code_version
from flows.runner.progress import Bar, Bars
from flows.runner.resources import Tools, is_model, tools_of
from storage.counting import counted
from storage.reasons import NOT_TAKEN
from storage.rows import dropped, empty, kept, not_taken, reasons_of
from storage.stage_cache.shards import Ref, digest_of
from tasks.plugins import module
from tasks.selection import selector, settings_of
from tasks.settings import Section
from tasks.stages.outcome import Balance, Outcome, Tick, balance, same_rows
from tasks.stages.score import PLUGINS

# A stage's function with its parameters bound: `functools.partial(solve, settings=settings, seed=seed)`. The function
# takes a table, returns rows (or an Outcome where it creates rows), and is given `tick`, the tables that it reads and
# the tools that it needs as keywords besides. mypy checks the bound keywords against the function's signature.
StageCall = partial[pa.Table] | partial[Outcome]

COSTS = ("bills", "deferred")  # the facts of a shard that say what it cost


@dataclass(frozen=True, slots=True)
class Stage:
    """What identifies a stage.

    name: its id, which enters funnels, addresses and reasons and never changes. title: what people see. settings: the
    class of its settings, a section of the flow's configuration or a part of one. needs: a keyword of its function ->
    a tool of flows.runner.resources.Tools. whole: it compares rows with each other, so that it sees all rows in one
    task run; otherwise there is one task run per shard. serves: its rows only serve the run, and it keeps none by design.
    """

    name: str
    title: str
    settings: type[Section] | None = None
    needs: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False
    serves: bool = False

    def of_scorer(self, name: str) -> Stage:
        """Return the stage of a scorer, a plug-in of tasks/scorers/. It needs the tools that the plug-in names."""
        needs = {need: need for need in module(PLUGINS, name).needs}
        return replace(self, name=name, title=f"{self.title} by {name}", needs=needs)

    def of_selector(self, name: str, given: Mapping[str, Any]) -> Stage:
        """Return the stage of a selector, a plug-in of tasks/selection/, with its settings. It has the id of this stage."""
        plugin = selector(name)
        needs = plugin.needs(settings_of(name, given))
        return replace(self, title=f"{self.title} by {name}", needs=needs, whole=plugin.whole)


@dataclass(frozen=True, slots=True)
class Step:
    """A stage in an order of stages. `call` returns its function with the parameters bound, when the stage is run."""

    stage: Stage
    call: Callable[[], StageCall]
    reads: Mapping[str, Sequence[Ref]] = field(default_factory=dict)  # further tables, as in Line.run


@dataclass(frozen=True, slots=True)
class Place:
    """Where a task run finds its resources, in any process or on any machine: `home` is a folder that all of them
    see."""

    home: str
    words_only: bool


@dataclass(slots=True)
class FunnelEntry:
    """One line of the funnel."""

    stage: str
    title: str
    balance: Balance
    refs: list[Ref]
    from_cache: int  # shards that an earlier run had finished
    not_taken: int = 0  # of the rejected rows those that no stage judged bad


@dataclass(slots=True)
class Line:
    """Runs the stages of one flow run and keeps its funnel."""

    tools: Tools
    bars: Bars
    funnel: list[FunnelEntry] = field(default_factory=list)
    # the facts of stages that measure something for the run and have no rows of it
    measured: list[dict[str, Any]] = field(default_factory=list)
    # what withdrawn entries have cost, which is part of the run's costs
    _withdrawn: list[dict[str, Any]] = field(default_factory=list)
    # address -> the task runs it came from, so that Prefect's graph shows what became of what
    _runs: dict[str, set[PrefectFuture[Any]]] = field(default_factory=dict)

    def put(self, name: str, table: pa.Table) -> Ref:
        """Store rows that the flow itself made (a plan, the seeds) as a shard, addressed by its content."""
        return self.tools.shards.put_content(name, table)

    def shards(self, name: str, table: pa.Table, rows: int, *, of: Sequence[Ref] = ()) -> list[Ref]:
        """Cut a table into shards of at most `rows` rows; an empty table is one empty shard. `of` are the shards that the
        table was made from."""
        starts = range(0, max(table.num_rows, 1), rows)
        cut = [self.put(name, table.slice(start, rows)) for start in starts]
        for ref in cut:
            self._runs[ref.digest] = self._behind(of)
        return cut

    def _behind(self, refs: Sequence[Ref]) -> set[PrefectFuture[Any]]:
        return {run for ref in refs for run in self._runs.get(ref.digest, ())}

    def record(self, stage: Stage, title: str, refs: list[Ref]) -> None:
        """Add a line to the funnel for rows that the flow itself read."""
        total = _sum(refs)
        self.funnel.append(FunnelEntry(stage.name, title, total, refs, 0, self.not_taken(refs)))
        self.bars.stage(title, total.asked).close(f"{total.kept:,} of {total.asked:,}")

    def not_taken(self, refs: Sequence[Ref]) -> int:
        """Return how many rows of the shards were dropped without being judged bad."""
        return sum(
            pc.sum(not_taken(self.tools.shards.read(ref, ["reason"]))).as_py() or 0
            for ref in refs
            if ref.rejected
        )

    def rows(self, refs: Sequence[Ref]) -> pa.Table:
        """Return all rows of the shards, kept or not."""
        return pa.concat_tables([self.tools.shards.read(ref) for ref in refs])

    def facts(self) -> list[dict[str, Any]]:
        """Return the facts that each shard of each stage recorded beside its rows, and of what was measured the costs."""
        return [ref.facts for entry in self.funnel for ref in entry.refs] + self._withdrawn + self.measured

    def measure(self, ref: Ref) -> None:
        """Count what a stage cost that has measured something for the run, and is no part of its funnel."""
        self.measured.append({name: ref.facts[name] for name in COSTS if name in ref.facts})

    def facts_of(self, stage: str) -> list[dict[str, Any]]:
        """Return the facts that each shard of one stage recorded."""
        return [ref.facts for entry in self.funnel if entry.stage == stage for ref in entry.refs]

    def withdraw(self, first: int) -> None:
        """Take back the entries of the funnel from place `first` on: their rows are decided on again. Their costs stay."""
        for ref in (ref for entry in self.funnel[first:] for ref in entry.refs):
            self._withdrawn.append({name: ref.facts[name] for name in COSTS if name in ref.facts})
        del self.funnel[first:]

    def store_candidates(self, run: str, *, whole: Sequence[str] = (), without: Sequence[str] = ()) -> None:
        """Append the rows that each stage dropped to the candidates, once per run, stage and shard; of the stages in `whole`
        the kept ones too, of those in `without` none.

        A row that a middle stage kept is stored with the stage that dropped it later; flows.runner.after_publication adds
        the published rows. A shard is named by its digest, because a stage runs under one title in every wave.
        """
        for entry in (one for one in self.funnel if one.stage not in without):
            for ref in entry.refs:
                table = self.tools.shards.read(ref)
                rows = table if entry.stage in whole else dropped(table)
                self.tools.store.append_candidates(rows, run=run, stage=entry.stage, part=ref.digest)

    def most_dropped(self) -> str:
        """Return the three reasons for which most rows were dropped as bad, with their counts and a fix; "" if none was."""
        kinds: Counter[str] = Counter()
        for ref in (ref for entry in self.funnel for ref in entry.refs if ref.rejected + ref.failed):
            whys = reasons_of(self.tools.shards.read(ref, ["rejected", "reason"]))
            kinds.update(
                f"{why.stage}: {why.values.get('why', why.words)}"
                for why in whys
                if why is not None and why.code not in NOT_TAKEN
            )
        if not kinds:
            return ""
        shown = "; ".join(f"{kind} ({counted(count, 'row')})" for kind, count in kinds.most_common(3))
        return (
            f"of {counted(kinds.total(), 'dropped row')} most are {shown}. "
            "Fix: use a stronger model or looser thresholds; `./mathmill sql` shows the view rejected"
        )

    def kept(self, refs: Sequence[Ref], columns: list[str] | None = None) -> pa.Table:
        return _kept(self.tools, refs, columns)

    def through(self, steps: Iterable[Step], shards: list[Ref], title: str) -> list[Ref]:
        """Run the stages one after the other, each on what the one before kept. `title` follows the title of each."""
        for step in steps:
            shards = self.run(
                step.stage, step.call(), shards, title=f"{step.stage.title}, {title}", reads=step.reads
            )
        return shards

    def run(
        self,
        stage: Stage,
        call: StageCall,
        shards: Sequence[Ref],
        *,
        title: str = "",
        reads: Mapping[str, Sequence[Ref]] | None = None,
        owes: Callable[[int], int] = lambda rows: rows,
    ) -> list[Ref]:
        """Run `call` on the kept rows of the shards, and return one output per task run: per shard, or a single one if
        the stage is `whole`.

        reads: further tables that each task run is given whole. owes: how many rows so many input rows become, for the
        progress bar.
        """
        inputs = [list(shards)] if stage.whole else [[shard] for shard in shards]
        title = title or stage.title
        before = self._generated(stage)
        bar = self.bars.stage(title, owes(sum(ref.kept for refs in inputs for ref in refs)))
        # a bar belongs to this process; elsewhere a shard is counted when it is done
        beside = self.tools.settings.runner == "threads"
        futures: list[PrefectFuture[tuple[dict[str, Any], bool]]] = []
        given = {name: [ref.to_dict() for ref in refs] for name, refs in (reads or {}).items()}
        for number, refs in enumerate(inputs, 1):
            run = run_shard.with_options(name=title, task_run_name=f"{title} {number}/{len(inputs)}")
            # a tag is a concurrency limit to Prefect: it asks the server for a slot of each before every task, and
            # a server that is away at that moment fails the run. The run itself has the tags.
            with TagsContext(current_tags=set()):
                future = run.submit(
                    Place(str(self.tools.home), self.tools.words_only),
                    stage,
                    call,
                    [ref.to_dict() for ref in refs],
                    given,
                    bar if beside else None,
                    wait_for=list(self._behind(refs)),
                    return_state=False,
                )
            futures.append(future)
        for future in futures:
            future.wait()  # one that meets a limit stops no other: their calls in flight are completed
        results = []
        for future in futures:
            results.append(future.result())
            if not beside:
                bar.tick(results[-1][0]["rows"])
        refs = [Ref.from_dict(record) for record, _ in results]
        self._runs |= {ref.digest: {future} for ref, future in zip(refs, futures, strict=True)}
        total = _sum(refs)
        self.funnel.append(
            FunnelEntry(
                stage.name, title, total, refs, sum(cached for _, cached in results), self.not_taken(refs)
            )
        )
        tokens, seconds = (now - then for now, then in zip(self._generated(stage), before, strict=True))
        speed = f", {tokens / seconds:,.0f} tokens/s" if tokens and seconds > 0 else ""
        counts = f"{total.kept:,} of {total.asked:,}"
        if stage.serves and not total.failed:
            counts = f"{total.asked:,} used"
        bar.close(f"{counts}{speed}", before=sum(cached for _, cached in results), parts=len(results))
        return refs

    def _generated(self, stage: Stage) -> tuple[int, float]:
        """Return how many tokens the checkpoints in this process that the stage calls have generated so far, and in how many
        seconds. For other models the network and the server decide, which the table of models shows."""
        stats = [
            engine.stats()
            for name, engine in self.tools.engines().items()
            if name in stage.needs.values() and engine.endpoint.checkpoint is not None
        ]
        return sum(one.completion_tokens for one in stats), sum(one.busy_s for one in stats)


@task(cache_policy=NO_CACHE, persist_result=False, log_prints=False)
def run_shard(
    place: Place,
    stage: Stage,
    call: StageCall,
    inputs: list[dict[str, Any]],
    reads: dict[str, list[dict[str, Any]]],
    bar: Bar | None,
) -> tuple[dict[str, Any], bool]:
    """Run one stage over the kept rows of the inputs. Return its output's reference, and whether the output was in the
    stage cache."""
    tools = tools_of(place.home)
    tools.words_only = place.words_only
    refs = [Ref.from_dict(record) for record in inputs]
    others = {name: [Ref.from_dict(record) for record in records] for name, records in reads.items()}
    tick: Tick = bar.tick if bar is not None else lambda rows: None
    cached = tools.shards.get(address_of(tools, stage, call, refs, others))
    if cached is not None:
        tick(cached.rows)
        return cached.to_dict(), True
    return run_here(tools, stage, call, refs, others, tick).to_dict(), False


def address_of(
    tools: Tools, stage: Stage, call: StageCall, refs: Sequence[Ref], others: Mapping[str, Sequence[Ref]]
) -> str:
    """Return the digest under which the stage cache has the output of a stage for these inputs."""
    return digest_of(
        stage.name,
        code_version(call.func),
        _canonical(call.keywords),
        [ref.digest for ref in refs],
        {name: [ref.digest for ref in read] for name, read in others.items()},
        [tools.identity(tool) for tool in stage.needs.values()],
        *([tools.prompts()] if any(is_model(tool) for tool in stage.needs.values()) else []),
    )


def run_here(
    tools: Tools,
    stage: Stage,
    call: StageCall,
    refs: Sequence[Ref],
    others: Mapping[str, Sequence[Ref]],
    tick: Tick,
) -> Ref:
    """Run one stage over the kept rows of the inputs in this process, store its output and return the reference."""
    address = address_of(tools, stage, call, refs, others)
    table = _kept(tools, refs)
    given: dict[str, Any] = {name: _kept(tools, parts) for name, parts in others.items()}
    needed = {keyword: tools.by_name(tool) for keyword, tool in stage.needs.items()}
    result = call(table, tick=tick, **given, **needed)
    if isinstance(result, Outcome):
        outcome = result
    else:
        same_rows(stage.name, table, result)
        outcome = Outcome(result, table.num_rows)
    balance(stage.name, outcome)
    if outcome.facts.get("deferred"):
        address = digest_of(address, str(uuid4()))  # never found in the cache: another run asks again
    return tools.shards.put(stage.name, address, outcome.rows, outcome.facts)


def _sum(refs: Sequence[Ref]) -> Balance:
    return sum((Balance(r.rows, r.kept, r.rejected, r.failed) for r in refs), Balance(0, 0, 0, 0))


def _kept(tools: Tools, refs: Sequence[Ref], columns: list[str] | None = None) -> pa.Table:
    if not refs:
        return empty().select(columns) if columns else empty()
    table = pa.concat_tables([tools.shards.read(ref, columns) for ref in refs])
    return kept(table) if "rejected" in table.column_names else table


def _canonical(params: Mapping[str, Any]) -> str:
    return orjson.dumps(
        {name: _plain(value) for name, value in params.items()},
        option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS,
    ).decode()


def _plain(value: Any) -> Any:
    """Return what decides the result in a parameter: the digest of an object that has one, else its content."""
    if hasattr(value, "digest"):
        return value.digest
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
