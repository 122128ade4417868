"""The stage `generate`: send the asks of a method's plan to the teacher, and make rows of what it answers, item by item.

Asks of a method that holds conversations take several calls each, all conversations of a shard in step. Asks without a prompt are
answered by their method, without a model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import orjson
import pyarrow as pa
from pydantic import Field, field_validator

import prompts
from prompts import Prompt
from prompts.asking_again import FaultKind, ReplyFault
from storage.reasons import FAILURES, Code, Reason, reason
from storage.rows import ABSTAINED, DERIVED_FROM, SOLUTION_BY, STATED_DIFFICULTY, Row, content_id, to_table
from tasks.answers import Judge
from tasks.conditions import conditions
from tasks.conversations import WRITER, Held, converse, request_of_prompt
from tasks.llm.costs import RoleCosts
from tasks.llm.endpoint import Endpoint
from tasks.llm.engine import Engine
from tasks.llm.pending import CompletionCheck
from tasks.llm.request import Completion, Failure, Request
from tasks.methods import (
    PLUGINS,
    Ask,
    AsksModel,
    Converses,
    Item,
    answers_itself,
    asks_model,
    asks_of,
    converses,
    makes_rows,
    method,
    settings_of,
)
from tasks.plugins import checked, names
from tasks.replies.solutions import Removed, read
from tasks.sandbox import Sandbox
from tasks.settings import Section, Share, one_of
from tasks.stages.outcome import Outcome, Tick
from tasks.taxonomy import SUBDOMAINS, domain_of
from tasks.text.cleaning import other_language

# the conditions of a call that are stored with its questions; concepts have their own column
STATED = ("kind", "context", "level", "answer_type")
# kinds of the faults of completions that a reader refuses with a code of its own
FAULTS: Final = {
    Code.NO_PROGRAM: FaultKind.NO_PROGRAM,
    Code.NO_ANSWER: FaultKind.NO_FINAL_ANSWER,
    Code.TOO_MANY_PROGRAMS: FaultKind.NO_FINAL_ANSWER,
}
USABLE = (None, Code.NOTHING_TO_ASK)  # codes of items that a completion is not requested once more for
LANGUAGES = ("en", "zh")  # the languages that prompts are written in


class GenerateSettings(Section, title="Generate"):
    methods: dict[str, float] = Field(
        {
            "self_instruct": 0.4,
            "evolve": 0.15,
            "rephrase": 0.1,
            "fuse": 0.1,
            "backward": 0.1,
            "dependency_graph": 0.075,
            "knights_and_knaves": 0.075,
        },
        description="files of tasks/methods/ and their weights",
        json_schema_extra=one_of(lambda: names(PLUGINS)),
    )
    settings: dict[str, dict[str, Any]] = Field(
        {},
        description="method -> its own settings, such as refine: {thinking: true}",
        json_schema_extra=one_of(lambda: names(PLUGINS)),
    )
    languages: dict[str, Share] = Field(
        {"en": 0.75, "zh": 0.25},
        description="share of the questions by language",
        json_schema_extra=one_of(lambda: LANGUAGES),
    )
    subdomains: list[str] = Field(
        [],
        description="subdomains to write for; empty: all of them",
        json_schema_extra=one_of(lambda: SUBDOMAINS),
    )
    per_call: int = Field(5, ge=1, le=50, description="questions requested per call")
    examples: int = Field(3, ge=0, le=20, description="examples shown per call")
    remembered: int = Field(
        2_000, ge=0, description="rows of the last version, at most, that may be shown as examples"
    )
    waves: int = Field(4, ge=1, le=50, description="rounds of generation at most, until the target is met")
    per_missing: float = Field(
        5.0,
        gt=0,
        description="questions of a round for each missing row at most, however few rows earlier ones gave",
    )

    @field_validator("settings")
    @classmethod
    def _settings(cls, given: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        checked("method", given, names(PLUGINS))
        for name, own in given.items():
            settings_of(name, own)
        return given

    @field_validator("languages")
    @classmethod
    def _languages(cls, shares: dict[str, float]) -> dict[str, float]:
        checked("language", shares, LANGUAGES)
        if not sum(shares.values()) > 0:
            raise ValueError("one of the shares of languages at least is above 0")
        return shares

    @field_validator("subdomains")
    @classmethod
    def _known(cls, given: list[str]) -> list[str]:
        checked("subdomain", given, SUBDOMAINS)
        return given

    @field_validator("methods")
    @classmethod
    def _methods(cls, weights: dict[str, float]) -> dict[str, float]:
        checked("method", weights, names(PLUGINS))
        if any(weight < 0 for weight in weights.values()) or not sum(weights.values()) > 0:
            raise ValueError("weights of methods are 0 or more, and one at least is above 0")
        return weights


def generate(
    asks: pa.Table,
    *,
    engine: Engine,
    source: str,
    license: str,
    tick: Tick,
    sandbox: Sandbox | None = None,
    judge: Judge | None = None,
    student: Engine | None = None,
    reasoner: Engine | None = None,
) -> Outcome:
    """Make the rows of a table of tasks.methods.ASKS, all of one method. `source` and `license` are those of rows that do not
    inherit others. `sandbox`, `judge`, `student` and `reasoner` are what a method that holds conversations may need.

    The outcome has as many rows as the sum of `count`, of asks for at most so many as many as there are. An item that is
    missing or malformed is a rejected row, a call that failed is `count` failed rows.
    """
    plan = asks_of(asks)
    endpoint = engine.endpoint
    if plan and converses(plan[0].method) is not None:
        others = {"student": student, "reasoner": reasoner}
        engines = {WRITER: engine} | {role: one for role, one in others.items() if one is not None}
        return _conversed(plan, engines, sandbox, judge, source=source, license=license, tick=tick)
    costs = RoleCosts.of(endpoint)
    removed = Removed()
    rows: list[Row] = []
    sent = [ask for ask in plan if ask.prompt]
    completions = engine.run(
        (_request(ask, _prompt(ask, endpoint), endpoint.model) for ask in sent), _check_of(sent)
    )
    asked = 0
    for ask in plan:
        if ask.prompt:
            completion = next(completions)
            costs.add(completion)
            removed.add(read(completion.text or ""))
            new = _rows_of(
                ask,
                completion,
                engine.asked_of(completion),
                source=source,
                license=license,
            )
        else:
            new = _made_rows(ask, source=source, license=license)
        rows += new
        asked += len(new) if ask.at_most else ask.count
        tick(ask.count)
    return Outcome(
        to_table(rows), asked=asked, facts=costs.facts() | removed.facts() | _variety(sent, endpoint)
    )


def _conversed(
    plan: list[Ask],
    engines: Mapping[str, Engine],
    sandbox: Sandbox | None,
    judge: Judge | None,
    *,
    source: str,
    license: str,
    tick: Tick,
) -> Outcome:
    """Make the rows of asks that are conversations."""
    endpoints = {role: one.endpoint for role, one in engines.items()}
    costs = {role: RoleCosts.of(one) for role, one in endpoints.items()}
    removed = Removed()

    def seen(role: str, completion: Completion) -> None:
        costs[role].add(completion)
        removed.add(read(completion.text or ""))

    conversing = [ask for ask in plan if _is_conversation(ask)]
    held = iter(
        converse(
            [_conversing(ask).converse(ask, endpoints) for ask in conversing],
            engines,
            sandbox=sandbox,
            judge=judge,
            seen=seen,
        )
    )
    rows: list[Row] = []
    asked = 0
    for ask in plan:
        if _is_conversation(ask):
            new = _rows_of_conversation(ask, next(held), engines[WRITER], source=source, license=license)
        else:
            new = _made_rows(ask, source=source, license=license)
        rows += new
        asked += len(new) if ask.at_most else ask.count
        tick(ask.count)
    facts = [one.facts() for one in costs.values()]
    both = {
        "bills": [bill for one in facts for bill in one["bills"]],
        "deferred": sum(one["deferred"] for one in facts),
    }
    variety = _variety([ask for ask in plan if ask.prompt], endpoints[WRITER])
    return Outcome(to_table(rows), asked=asked, facts=both | removed.facts() | variety)


def _is_conversation(ask: Ask) -> bool:
    """Return whether an ask of a method that holds conversations is one: it is sent to a model, or the method has no other answer."""
    return bool(ask.prompt) or not answers_itself(ask.method)


def _conversing(ask: Ask) -> Converses:
    method = converses(ask.method)
    assert method is not None, f"{ask.method} holds no conversations"
    return method


def _rows_of_conversation(
    ask: Ask, held: Held[list[Item]], engine: Engine, *, source: str, license: str
) -> list[Row]:
    """Return the rows of a conversation, or those that its interruption cost."""
    if held.result is None:
        assert held.code is not None, "a conversation without a result was interrupted"
        items = [Item(code=held.code, values=held.values)] * (1 if ask.at_most else ask.count)
    else:
        items = held.result[: ask.count]
        if not ask.at_most:
            items += [Item(code=Code.MISSING_ITEM)] * (ask.count - len(items))
    if not ask.prompt:
        own = {"source": source, "license": license}
        return _in_order(ask, items, content_id(*ask.parent_ids, str(ask.seed)), {"seed": ask.seed}, own)
    asked = engine.endpoint if held.last is None else engine.asked_of(held.last)
    key = content_id(*ask.parent_ids, str(ask.seed)) if held.last is None else held.last.key
    params = {"completion": key, "seed": ask.seed, "calls": held.calls}
    prompt = _prompt(ask, asked)
    common = {"source": source, "license": license, "model": asked.model, "prompt": prompt.ref}
    rows = _in_order(ask, [_by_its_writer(item, engine) for item in items], key, params, common)
    if method(ask.method).makes == "solutions":
        # samples without an answer are not seen by later stages, and count in their votes
        abstained = sum(item.code is not None and item.code not in FAILURES for item in items)
        for row in rows if abstained else ():
            row.verdicts[ABSTAINED] = str(abstained)
    return rows


def _by_its_writer(item: Item, engine: Engine) -> Item:
    """Return the item with the model and the completion that it names, if it names one."""
    if item.written_by is None:
        return item
    model = engine.asked_of(item.written_by).model
    return replace(item, model=model, params={"completion": item.written_by.key, **item.params})


def _variety(asks: Sequence[Ask], endpoint: Endpoint) -> dict[str, Any]:
    """Return the fact `variety` of calls for questions: their number, and a hash of what each states besides the number of questions
    and those to avoid."""
    if asks and method(asks[0].method).makes != "questions":
        return {}
    stated = []
    for ask in asks:
        used = _prompt(ask, endpoint).variables - {"count", "avoid"}
        variables = {name: value for name, value in ask.variables.items() if name in used}
        text = orjson.dumps(variables, option=orjson.OPT_SORT_KEYS).decode()
        stated.append(content_id(ask.language, ask.subdomain or "", text)[:16])
    return {"variety": {"calls": len(asks), "combinations": sorted(set(stated))}}


def _check_of(asks: Sequence[Ask]) -> CompletionCheck | None:
    """Return the check that a completion has a usable item, by the reader of the method; None if no model is asked."""
    if not asks:
        return None
    name = asks[0].method
    reader = asks_model(name)

    def check(completion: Completion) -> ReplyFault | None:
        items = _items(reader, completion)
        first = items[0]
        if first.code is None or any(item.code in USABLE for item in items):
            return None
        kind = FAULTS.get(first.code, FaultKind.OTHER)
        return first.fault or ReplyFault(kind, reason(name, first.code, **first.values).words)

    return check


def _items(reader: AsksModel, completion: Completion) -> list[Item]:
    return reader.read(completion.text or "", cut=completion.finish_reason == "length")


def _reason(item: Item, method: str) -> Reason | None:
    return None if item.code is None else reason(method, item.code, **item.values)


def _prompt(ask: Ask, endpoint: Endpoint) -> Prompt:
    return prompts.load(ask.prompt, ask.language, endpoint.prompts)


def _request(ask: Ask, prompt: Prompt, model: str) -> Request:
    return request_of_prompt(prompt, ask.variables, model=model, seed=ask.seed, tag=ask.method)


def _made_rows(ask: Ask, *, source: str, license: str) -> list[Row]:
    """Return the rows of an ask that its method answers."""
    items = makes_rows(ask.method).make(ask)
    common = {"source": source, "license": license}
    return _in_order(ask, items, content_id(*ask.parent_ids, str(ask.seed)), {"seed": ask.seed}, common)


def _rows_of(ask: Ask, completion: Completion, asked: Endpoint, *, source: str, license: str) -> list[Row]:
    """Return the rows of the completion that a call gave, or the rows that its failure cost."""
    reader, prompt = asks_model(ask.method), _prompt(ask, asked)
    expected = 1 if ask.at_most else ask.count
    if completion.kind is Failure.REJECTED:  # the completion arrived, and no item of it is usable
        items = _items(reader, completion)[:1] * expected
    elif completion.error is not None:
        values = {"error": completion.error, "kind": str(completion.kind)}
        items = [Item(code=Code.CALL_FAILED, values=values)] * expected
    else:
        items = [
            item if item.code else reader.check(item, ask) for item in _items(reader, completion)[: ask.count]
        ]
        if not ask.at_most:
            items += [Item(code=Code.MISSING_ITEM)] * (ask.count - len(items))
    shown = {name: value for name, value in ask.variables.items() if name in prompt.variables}
    stated = {name: shown[name] for name in STATED if name in shown}
    params = {"completion": completion.key, "seed": ask.seed}
    if stated:
        params["conditions"] = {"version": conditions(asked.prompts).version, **stated}
    common = {
        "source": source,
        "license": license,
        "model": asked.model,
        "prompt": prompt.ref,
        "concepts": list(shown.get("concepts", ())),
    }
    return _in_order(ask, items, completion.key, params, common)


def _in_order(
    ask: Ask, items: Sequence[Item], key: str, params: Mapping[str, Any], common: Mapping[str, Any]
) -> list[Row]:
    """Return the rows of the usable items, then those of the others, whose ids are made from `key`."""
    items = [_in_its_language(item, ask.language) for item in items]
    usable = [_row(ask, item, "", params, common) for item in items if item.code is None]
    others = [item for item in items if item.code is not None]
    return usable + [
        _row(ask, item, content_id(key, ask.method, str(index)), params, common)
        for index, item in enumerate(others)
    ]


def _in_its_language(item: Item, language: str) -> Item:
    """Return the item, or the reason that its question is not in the language that was asked for: one that is shown examples of
    another language may write in that."""
    written = other_language(item.question, language) if item.code is None else None
    return item if written is None else Item(code=Code.OTHER_LANGUAGE, values={"language": written})


def _row(ask: Ask, item: Item, row_id: str, params: Mapping[str, Any], common: Mapping[str, Any]) -> Row:
    verdicts = {}
    if item.difficulty is not None:
        verdicts[STATED_DIFFICULTY] = str(item.difficulty)
    if item.solution_by is not None:
        verdicts[SOLUTION_BY] = item.solution_by
    if item.derived_from:
        verdicts[DERIVED_FROM] = " ".join(item.derived_from)
    stated = {
        "question": item.question,
        "solution": item.solution,
        "solution_format": item.solution_format,
        "answer": item.answer,
        "reference_answer": item.reference_answer,
        "reasoning": item.reasoning,
        "kind": item.kind,
        "model": item.model,
        "concepts": list(item.concepts),
    }
    columns = {
        "question": "",
        "language": ask.language,
        "subdomain": ask.subdomain,
        "domain": domain_of(ask.subdomain) if ask.subdomain else None,
        "parent_ids": ask.parent_ids,
        **common,
        **ask.inherited,
        **{name: value for name, value in stated.items() if value},
    }
    return Row(
        **columns,
        id=row_id,
        method=ask.method,
        params=orjson.dumps({**params, **item.params}).decode(),
        verdicts=verdicts,
        scores=dict(item.scores),
        reason=_reason(item, ask.method),
    )
