"""Which questions a night asks for: quotas by subdomain and language, and the calls that fill them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyarrow as pa

from flows.config.nightly import Nightly
from flows.runner.limits import BATCHED
from flows.runner.material import Material
from flows.runner.night_inputs import topics_of
from flows.runner.stages import Line
from flows.runner.wrong_answers import with_wrong_answers, with_wrong_solutions
from storage.counting import counted
from storage.datasets.versions import Version
from storage.stage_cache.shards import Ref
from tasks.concepts.extraction import Extracted, with_concepts, without_concepts
from tasks.concepts.graph import ConceptGraph
from tasks.concepts.stored import StoredGraphs
from tasks.demand import ANY, Demand
from tasks.llm.batch import MOST_REQUESTS
from tasks.methods import (
    Makes,
    Quota,
    asks_table,
    columns_of,
    draws_from_graphs,
    plan_of,
    settings_of,
    subdomains_of,
    takes_wrong_answers,
    takes_wrong_solutions,
    texts_to_index,
    uses_up,
)
from tasks.methods import method as generation_method
from tasks.seeding import seed_of
from tasks.stages.calibrate import known_questions
from tasks.taxonomy import domain_of


@dataclass(frozen=True, slots=True)
class Plan:
    """The asks of one method for a quota of rows, sharded. `makes` as in tasks.methods."""

    method: str
    makes: Makes
    asks: list[Ref]
    quota: Quota

    def owes(self, asks: int) -> int:
        """Return how many rows the plan asks for."""
        return sum(self.quota.values())


@dataclass(slots=True)
class Planner:
    """Plans the questions of a night, wave by wave."""

    config: Nightly
    line: Line
    seed: int
    demand: Demand
    remembered: pa.Table  # examples out of earlier nights
    material: Material
    samples: int  # solutions per question
    base: Version | None = None  # that the night builds on
    wave: int = 0
    # the graphs that asks were drawn from, as the lineage names them
    graphs: list[dict[str, Any]] = field(default_factory=list)
    extracted: dict[str, Extracted] = field(default_factory=dict)  # problem id -> what the teacher named
    asked_about: int = 0  # texts whose concepts the teacher was asked for
    asked: Counter[str] = field(default_factory=Counter)  # method -> its asks
    given: dict[str, int] = field(default_factory=dict)  # method -> the rows that its last plan was given

    @property
    def shard_rows(self) -> int:
        """Return the questions per task run; with a Batch API, enough to fill one batch with their solutions."""
        if self.config.answers not in BATCHED:
            return self.config.shard_rows
        return max(self.config.shard_rows, MOST_REQUESTS // self.samples)

    def known(self, pool: Sequence[Ref]) -> list[Ref]:
        """Return questions with known answers, sharded, different ones in every night; no shard if none is requested."""
        count = math.ceil(self.config.verify.known * self.config.target)
        table = known_questions(self.line.kept(pool), self.quota(count, topics_of(self.config)), self.seed)
        return self.line.shards("known", table, self.shard_rows, of=pool) if table.num_rows else []

    def quota(self, questions: int, topics: Sequence[str]) -> Quota:
        """Share `questions` out over the subdomains, in each language of the configuration."""
        return shared_out(self.config.generate.languages, topics, questions, self.seed + self.wave)

    @property
    def texts_to_ask(self) -> int:
        """Return for how many more texts the teacher may be asked for concepts; 0 unless a method draws from graphs of concepts."""
        return texts_to_index(self.config.generate.methods, self.config.generate.settings) - self.asked_about

    def texts(self, rows: pa.Table) -> pa.Table:
        """Return the texts of the rows whose concepts the teacher is to be asked for, as `without_concepts`: none unless a method draws from
        graphs of concepts, and no more than its setting `extract` says for the night."""
        most = self.texts_to_ask
        if most <= 0:
            return without_concepts(rows.slice(0, 0))
        texts = without_concepts(rows)
        new = [problem not in self.extracted for problem in texts["problem_id"].to_pylist()]
        texts = texts.filter(pa.array(new, pa.bool_())).slice(0, most)
        self.asked_about += texts.num_rows
        return texts

    def learn(self, named: Sequence[Ref]) -> None:
        """Remember the concepts that the stage `extract_concepts` has named."""
        for row in self.line.kept(named).select(["problem_id", "concepts", "subdomain"]).to_pylist():
            self.extracted[row["problem_id"]] = Extracted(tuple(row["concepts"]), row["subdomain"])

    def described(self, shards: Sequence[Ref]) -> list[Ref]:
        """Return the shards with the remembered concepts of their texts."""
        result = []
        for ref in shards:
            rows = self.line.rows([ref])
            described = with_concepts(rows, self.extracted)
            result += (
                [ref]
                if described is rows
                else self.line.shards("described", described, max(1, described.num_rows), of=[ref])
            )
        return result

    def plan_wave(self, missing: Mapping[str, int], usable: Counter[str], pool: Sequence[Ref]) -> list[Plan]:
        """Plan questions for the `missing` rows by domain: an equal quota for each of its subdomains in each language,
        shared out over the methods by weight. `usable`: accepted rows by domain. A method whose documents are used up has
        no plan."""
        generate = self.config.generate
        total = sum(generate.methods.values())
        plans = []
        for name, weight in sorted(generate.methods.items()):
            quota: Counter[tuple[str, str]] = Counter()
            for domain, rows in missing.items():
                topics = subdomains_of(name) or topics_of(self.config)
                topics = [topic for topic in topics if domain in (ANY, domain_of(topic))]
                questions = self.demand.questions(rows, usable, domain)
                quota.update(self.quota(round(questions * weight / total), topics))
            plans.append(self.plan(name, pool, quota))
        for plan in plans:
            self.demand.count_requests(plan.quota)
        return [plan for plan in plans if plan.quota]

    def plan(self, name: str, pool: Sequence[Ref], quota: Quota) -> Plan:
        """Plan the asks of one method for a quota, sharded so that a shard asks for about `shard_rows` rows.

        The quota of a method that uses up passages or problems becomes the number of rows that its asks are for. That of documents
        has no topics: what they are about is known once they are answered.
        """
        generate, method = self.config.generate, generation_method(name)
        documents = method.takes == "documents"
        rows = self._rows(name, pool)
        judged = [*([self.base] if self.base else []), *self.material.versions]
        if takes_wrong_answers(name):
            rows = with_wrong_answers(rows, self.line, judged)
        if takes_wrong_solutions(name):
            rows = with_wrong_solutions(rows, self.line, judged)
        rows = self.material.unused(name, rows)  # a wrong solution that was used takes its problem with it
        plan = plan_of(name, self.line.tools.settings.overlay(), generate.settings.get(name))
        if drawing := draws_from_graphs(name):
            passages = self.material.of_kind("documents").select(rows.column_names)
            graphs = drawing.graphs(
                pa.concat_tables([rows, passages]),
                quota,
                encode=self.line.tools.encoder(),
                settings=settings_of(name, generate.settings.get(name, {})),
            )
            self._store_graphs(graphs)
            plan = partial(plan, drawn_from=graphs)
        asks = plan(
            rows,
            quota,
            per_call=generate.per_call,
            examples=generate.examples,
            seed=seed_of(self.seed, name, self.wave),
        )
        self.asked[name] += len(asks)
        self.given[name] = rows.num_rows
        if uses_up(name):
            self.material.used[name].update(parent for ask in asks for parent in ask.parent_ids)
            asked: Counter[tuple[str, str]] = Counter()
            for ask in asks:
                asked[("", "") if documents else (ask.language, ask.subdomain or "")] += ask.count
            quota = asked
        calls = max(1, self.shard_rows // generate.per_call)
        return Plan(name, method.makes, self.line.shards("asks", asks_table(asks), calls, of=pool), quota)

    def nothing_to_do(self) -> str:
        """Return that no method found a row to work on, with a fix; "" if one did."""
        if self.asked.total() or not self.given:
            return ""
        given = ", ".join(
            f"{name} (given {counted(rows, 'row')})" for name, rows in sorted(self.given.items())
        )
        return (
            f"no row is one that {given} can work on. Fix: name versions whose rows have what the method takes, such as worked solutions or "
            "programs; docs/methods.md says what that is"
        )

    def _store_graphs(self, graphs: Mapping[str, ConceptGraph]) -> None:
        """Store the graphs of a wave in the home, and remember them for the lineage."""
        stored = StoredGraphs(self.line.tools.home)
        for language, graph in sorted(graphs.items()):
            if graph.concepts:
                stored.add(graph)
                self.graphs.append(
                    {
                        "language": language,
                        "wave": self.wave + 1,
                        "digest": graph.digest,
                        "concepts": graph.concepts,
                        "pairs": graph.pairs,
                        "merged": graph.merged,
                    }
                )

    def _rows(self, name: str, pool: Sequence[Ref]) -> pa.Table:
        """Return what a method works on: passages of the material, or rows of the pool, of earlier nights and of the material. A method
        that uses up problems takes those of the material alone where there are any."""
        if generation_method(name).takes == "documents":
            return self.material.of_kind("documents")
        columns = columns_of([name])
        given = self.material.of_kind("rows").select(columns)
        if given.num_rows and uses_up(name):
            return given
        rows = self.line.kept(pool, list(dict.fromkeys([*columns, "rejected"]))).select(columns)
        return pa.concat_tables([rows, self.remembered.select(columns), given])


def shared_out(languages: Mapping[str, float], topics: Sequence[str], questions: int, turn: int) -> Quota:
    """Share `questions` out over the languages by their shares, and within each language equally over the topics.

    The languages come first: with fewer questions than topics, every remainder of a language with a small share would be
    smaller than those of the others, and it would have no question at all.
    """
    by_language = apportion({(language, ""): share for language, share in languages.items()}, questions, turn)
    quota: dict[tuple[str, str], int] = {}
    for (language, _), count in by_language.items():
        quota |= apportion({(language, topic): 1.0 for topic in topics}, count, turn)
    return quota


def apportion(weights: dict[tuple[str, str], float], total: int, turn: int) -> dict[tuple[str, str], int]:
    """Share `total` out by weight, the largest remainders first; equal remainders take turns by `turn`."""
    scale = total / sum(weights.values()) if weights else 0.0
    shared = {topic: int(weight * scale) for topic, weight in weights.items()}
    left = total - sum(shared.values())
    order = sorted(weights, key=lambda t: (round(shared[t] - weights[t] * scale, 9), seed_of(turn, *t)))
    for topic in order[:left]:
        shared[topic] += 1
    return {topic: count for topic, count in shared.items() if count}
