"""Decontamination in a run: the registered benchmarks, published rows that were not compared with them, the certificate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from flows.config.loading import ConfigError
from flows.runner.resources import Tools
from flows.runner.stages import Line, Stage, address_of, run_here
from storage.datasets.gates import Gate, Written
from storage.datasets.versions import Version
from storage.rows import dropped, kept, reasons_of
from storage.stage_cache.shards import Ref
from tasks.decontamination.benchmarks import Benchmarks
from tasks.decontamination.certificate import Certificate
from tasks.decontamination.matching import Text
from tasks.decontamination.planting import BY_GIVEN_PAIRS, KINDS, Leak
from tasks.stages.certify import certify, load_pairs
from tasks.stages.decontaminate import DecontaminateSettings, decontaminate
from tasks.stages.outcome import Outcome

SEEDS = Path(__file__).resolve().parent.parent.parent / "seeds"
ENCODER = {"encode": "encoder"}  # what stages that compare meanings need
READERS = ENCODER | {"critic": "critic"}  # what stages that look for benchmark items need
CERTIFY = Stage("certify", "Certify", DecontaminateSettings, needs=READERS, whole=True)
MEASURING = "Measuring how many planted items the rules find; this takes about a minute, and is kept for the next time ..."
STANDING_ROWS = 8192  # published rows a task run, where they are compared with a new benchmark


@dataclass(frozen=True, slots=True)
class Decontamination:
    """The registered benchmarks and how rows are compared with them; every file pinned by its content."""

    benchmarks: Benchmarks
    pairs: tuple[Leak, ...]
    clean: Benchmarks
    config: DecontaminateSettings

    @classmethod
    def of(cls, config: DecontaminateSettings) -> Decontamination:
        """Read the files. Raises BenchmarkError or UnknownName for a file or a rule that cannot be used."""
        benchmarks = Benchmarks.load(config.benchmarks)
        own = {path.stem: path for path in sorted(SEEDS.glob("*.jsonl"))}
        return cls(
            benchmarks,
            load_pairs(config.pairs, benchmarks),
            Benchmarks.load(config.clean or own),
            config,
        )

    def look(self, benchmarks: Benchmarks | None = None, *, strict: bool = True) -> partial[Outcome]:
        """Return the function of the stage decontaminate with these settings, for all registered benchmarks or some of them."""
        config = self.config
        return partial(
            decontaminate,
            benchmarks=benchmarks or self.benchmarks,
            rules=config.rules,
            ask=config.ask,
            share=config.shared,
            strict=strict,
        )

    def measure(self) -> partial[Outcome]:
        """Return the function of the stage certify with these settings. It plants the same leaks every night: they are encoded and judged
        once."""
        config = self.config
        return partial(
            certify,
            benchmarks=self.benchmarks,
            rules=config.rules,
            ask=config.ask,
            share=config.shared,
            planted=config.planted,
            pairs=self.pairs,
            clean=self.clean,
            seed=0,
        )


def standing(line: Line, base: Version | None, against: Decontamination, look: Stage) -> list[Ref]:
    """Compare the published rows with the benchmarks that were not registered when they were published.

    Return them without the rows that hold an item of one; an empty list where all can stay as they are.
    """
    if base is None:
        return []
    before = base.lineage.get("decontamination")
    benchmarks = against.benchmarks
    missing = (
        Certificate.from_dict(before).missing(benchmarks, against.config.rules) if before else benchmarks
    )
    if not missing.files:
        return []
    batches = line.tools.store.batches(base, size=STANDING_ROWS)
    shards = [line.put("published", pa.Table.from_batches([batch])) for batch in batches]
    title = f"{look.title}, {base}"
    compared = line.run(look, against.look(missing, strict=False), shards, title=title)
    return compared if any(ref.rejected for ref in compared) else []


def certificate(line: Line, gated: Ref) -> Certificate:
    """Return the certificate of a version: the measurement of its last comparison, and the hits of all comparisons."""
    return Certificate.from_dict(gated.facts["certificate"]).over(line.facts())


def examine(
    tools: Tools,
    tables: Iterable[tuple[pa.Table, Sequence[Text] | None]],
    against: Decontamination,
    say: Callable[[str], None] = lambda text: None,
) -> tuple[Certificate, list[dict[str, Any]]]:
    """Compare rows outside of a night, with all their texts (None: question and solution). Return the certificate, and id, question
    and reason (`rejected`, and typed as `reason`) of each that holds an item.

    The measurement of the rules is a stage output: it is made once per benchmarks, rules and encoder. `say` is called
    before it is made.
    """
    needed: dict[str, Any] = {"encode": tools.encoder(), "critic": tools.engine("critic")}
    facts, lost = [], list[dict[str, Any]]()
    for table, texts in tables:
        fine = kept(table) if texts is None else table
        done = against.look()(fine, **needed, tick=lambda rows: None, texts=texts)
        facts.append(done.facts)
        out = dropped(done.rows)
        lost += [
            row | {"reason": why}
            for row, why in zip(
                out.select(["id", "question", "rejected"]).to_pylist(), reasons_of(out), strict=True
            )
        ]
    measured = measured_rules(tools, against, say)
    return Certificate.from_dict(measured.facts["certificate"]).over(facts), lost


def measured_rules(
    tools: Tools, against: Decontamination, say: Callable[[str], None] = lambda text: None
) -> Ref:
    """Return the measurement of the rules without rows, with its costs: the stored one, or a new one. `say` is called before a new one is
    made."""
    measured = stored_measurement(tools, against)
    if measured is None:
        say(MEASURING)
        measured = run_here(tools, CERTIFY, against.measure(), [], {}, lambda rows: None)
    return measured


def stored_measurement(tools: Tools, against: Decontamination) -> Ref | None:
    """Return the measurement of the rules that an earlier run has made, None if there is none."""
    return tools.shards.get(address_of(tools, CERTIFY, against.measure(), [], {}))


def certificate_of(line: Line, against: Decontamination) -> Certificate:
    """Return the certificate of rows that were compared with the benchmarks as they came, without a last comparison. What it costs to
    measure the rules is part of the run's costs."""
    if not against.benchmarks.files:  # nothing was looked for, so there is no recall to measure
        return Certificate((), tuple(against.config.rules), (), (), 0, None, 0)
    measured = measured_rules(line.tools, against, line.bars.say)
    line.measure(measured)
    return Certificate.from_dict(measured.facts["certificate"]).over(line.facts())


def refuse_unknown_kinds(least: Mapping[str, float], pairs: Iterable[Leak] = ()) -> None:
    """Raise ConfigError where `gates.min_recall` names a kind of leak that is neither planted nor in a file of pairs."""
    known = {*KINDS, *BY_GIVEN_PAIRS, *(leak.kind for leak in pairs)}
    for kind in sorted(least.keys() - known):
        raise ConfigError(
            f"setting gates.min_recall: no leaks of a kind {kind!r} are planted. Fix: name one of {', '.join(sorted(known))}"
        )


def enough_recall(measured: Certificate, least: Mapping[str, float]) -> Gate:
    """Return the gate that refuses to publish if the rules find too few of the planted items."""

    def check(written: Written) -> str | None:
        for part in measured.recall:
            threshold = least.get(part.kind, 0.0)
            if part.share < threshold:
                return (
                    f"{part.found} of {part.planted} {part.kind} leaks were found, gates.min_recall asks for {threshold}: "
                    "add rules to decontaminate.rules, or lower it"
                )
        return None

    return Gate("gates.min_recall", check)
