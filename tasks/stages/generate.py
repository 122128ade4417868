"""The stage `generate`: send the prompts of a method's plan to the teacher, and read the questions item by
item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa
from pydantic import Field, field_validator

import prompts
from prompts import Prompt
from storage.reasons import Code, Reason, reason
from storage.rows import STATED_DIFFICULTY, Row, column, content_id, to_table
from tasks.conditions import conditions
from tasks.llm.costs import RoleCosts
from tasks.llm.endpoint import Endpoint
from tasks.llm.engine import Engine
from tasks.llm.pending import check_by
from tasks.llm.request import Completion, Failure, Request
from tasks.plugins import checked, names
from tasks.replies.items import Parsed, problems
from tasks.replies.solutions import Removed, read
from tasks.settings import Section, Share
from tasks.stages.outcome import Outcome, Tick
from tasks.taxonomy import SUBDOMAINS, domain_of

# (language, subdomain) -> how many questions are requested
Quota = Mapping[tuple[str, str], int]

UNLABELLED = "unlabelled"
EXAMPLE = [
    "id",
    "problem_id",
    "question",
    "language",
    "subdomain",
    "parent_ids",
    "concepts",
]  # the columns of a pool that methods read

ASKS = pa.schema(
    [
        ("method", pa.string()),
        ("prompt", pa.string()),
        ("language", pa.string()),
        ("subdomain", pa.string()),
        ("count", pa.int32()),
        ("variables", pa.string()),
        ("parent_ids", pa.list_(pa.string())),
        ("seed", pa.int64()),
    ]
)


# the conditions of a call that are stored with its questions; concepts have their own column
STATED = ("kind", "context", "level", "answer_type")
LANGUAGES = ("en", "zh")  # the languages that prompts are written in


class GenerateSettings(Section, title="Generate"):
    methods: dict[str, float] = Field(
        {"self_instruct": 1.0}, description="files of tasks/methods/ and their weights"
    )
    languages: dict[str, Share] = Field(
        {"en": 0.75, "zh": 0.25}, description="share of the questions by language"
    )
    subdomains: list[str] = Field([], description="subdomains to write for; empty: all of them")
    per_call: int = Field(5, ge=1, le=50, description="questions requested per call")
    examples: int = Field(3, ge=0, le=20, description="examples shown per call")
    remembered: int = Field(
        2_000, ge=0, description="rows of the last version, at most, that may be shown as examples"
    )
    waves: int = Field(4, ge=1, le=50, description="rounds of generation at most, until the target is met")

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
        checked("method", weights, names("tasks.methods"))
        if any(weight < 0 for weight in weights.values()) or not sum(weights.values()) > 0:
            raise ValueError("weights of methods are 0 or more, and one at least is above 0")
        return weights


@dataclass(frozen=True, slots=True)
class Ask:
    """One planned call for `count` questions; `variables` fill in the prompt."""

    method: str
    prompt: str
    language: str
    subdomain: str
    count: int
    variables: dict[str, Any]
    parent_ids: list[str]
    seed: int


def asks_table(asks: list[Ask]) -> pa.Table:
    """Return the asks as a table of ASKS, so that a plan is sharded and addressed like rows."""
    records = [
        {name: getattr(ask, name) for name in ASKS.names if name != "variables"}
        | {"variables": orjson.dumps(ask.variables, option=orjson.OPT_SORT_KEYS).decode()}
        for ask in asks
    ]
    return pa.Table.from_pylist(records, schema=ASKS)


def rounds(questions: int, per_call: int) -> Iterator[int]:
    """Split a number of questions into calls: 12 with 5 per call is 5, 5, 2."""
    for start in range(0, questions, per_call):
        yield min(per_call, questions - start)


def examples_by_topic(pool: pa.Table) -> dict[tuple[str, str | None], list[tuple[str, str]]]:
    """Return (language, subdomain) -> [(row id, question)] in the order of ids, each question once.

    Under subdomain None are all questions of a language, for topics that have no example yet, and under
    UNLABELLED those that name no subdomain.
    """
    by_topic: dict[tuple[str, str | None], dict[str, str]] = {}
    names = ("id", "problem_id", "question", "language", "subdomain")
    columns = [column(pool, name) for name in names]
    seen: set[str] = set()
    for row_id, problem_id, question, language, subdomain in sorted(
        zip(*columns, strict=True), key=lambda row: row[0]
    ):
        if problem_id in seen:
            continue
        seen.add(problem_id)
        for topic in {(language, subdomain or UNLABELLED), (language, None)}:
            by_topic.setdefault(topic, {})[row_id] = question
    return {topic: list(entries.items()) for topic, entries in by_topic.items()}


def generate(asks: pa.Table, *, engine: Engine, source: str, license: str, tick: Tick) -> Outcome:
    """Request the questions of a table of ASKS. The outcome has as many rows as the sum of `count`.

    An item that is missing or malformed is a rejected row, a call that failed is `count` failed rows.
    """
    plans = [ask | {"variables": orjson.loads(ask["variables"])} for ask in asks.to_pylist()]
    endpoint = engine.endpoint
    costs = RoleCosts.of(endpoint)
    removed = Removed()
    rows: list[Row] = []
    completions = engine.run(
        (_request(plan, _prompt(plan, endpoint), endpoint.model) for plan in plans), check_by(_any_problem)
    )
    for plan, completion in zip(plans, completions, strict=True):
        costs.add(completion)
        removed.add(read(completion.text or ""))
        rows.extend(
            _rows_of(
                plan,
                completion,
                _prompt(plan, engine.asked_of(completion)),
                source=source,
                license=license,
                model=engine.asked_of(completion).model,
            )
        )
        tick(plan["count"])
    return Outcome(
        to_table(rows),
        asked=sum(plan["count"] for plan in plans),
        facts=costs.facts() | removed.facts() | _variety(plans, endpoint),
    )


def _variety(plans: list[dict[str, Any]], endpoint: Endpoint) -> dict[str, Any]:
    """Return the fact `variety`: the number of calls, and a hash of what each states besides the number of questions and
    those to avoid."""
    stated = []
    for plan in plans:
        used = _prompt(plan, endpoint).variables - {"count", "avoid"}
        variables = {name: value for name, value in plan["variables"].items() if name in used}
        text = orjson.dumps(variables, option=orjson.OPT_SORT_KEYS).decode()
        stated.append(content_id(plan["language"], plan["subdomain"], text)[:16])
    return {"variety": {"calls": len(plans), "combinations": sorted(set(stated))}}


def _any_problem(text: str) -> list[Parsed] | str:
    """Return the items, or the reason why the completion is unusable, which it is only if no item is usable."""
    items = problems(text)
    return (
        items if any(item.question for item in items) else items[0].reason or "no problem in the completion"
    )


def _prompt(plan: dict[str, Any], endpoint: Endpoint) -> Prompt:
    return prompts.load(plan["prompt"], plan["language"], endpoint.prompts)


def _request(plan: dict[str, Any], prompt: Prompt, model: str) -> Request:
    return Request(
        messages=prompt.messages(**plan["variables"]),
        model=model,
        temperature=prompt.front.temperature,
        top_p=prompt.front.top_p,
        max_tokens=prompt.front.max_tokens,
        longer=prompt.front.longer,
        seed=plan["seed"],
        response_schema=prompt.response_schema,
        tag=plan["method"],
    )


def _rows_of(
    plan: dict[str, Any], completion: Completion, prompt: Prompt, *, source: str, license: str, model: str
) -> list[Row]:
    method, count = plan["method"], plan["count"]
    kept: list[Row] = []
    if completion.error is not None:
        reasons = [
            reason(method, Code.MALFORMED_ITEM, why=completion.detail)
            if completion.kind is Failure.REJECTED  # the completion arrived but was not usable
            else reason(method, Code.CALL_FAILED, error=completion.error, kind=completion.kind)
        ] * count
    else:
        parsed = problems(completion.text or "")[:count]
        kept = [
            _row(
                plan,
                item.question,
                None,
                source,
                license,
                model,
                completion,
                prompt,
                difficulty=item.difficulty,
            )
            for item in parsed
            if item.question
        ]
        reasons = [
            reason(method, Code.MALFORMED_ITEM, why=item.reason or "malformed item")
            for item in parsed
            if not item.question
        ]
        reasons += [reason(method, Code.MISSING_ITEM)] * (count - len(parsed))
    unusable = [
        _row(
            plan,
            "",
            why,
            source,
            license,
            model,
            completion,
            prompt,
            row_id=content_id(completion.key, method, str(index)),
        )
        for index, why in enumerate(reasons)
    ]
    return kept + unusable


def _row(
    plan: dict[str, Any],
    question: str,
    rejected: Reason | None,
    source: str,
    license: str,
    model: str,
    completion: Completion,
    prompt: Prompt,
    row_id: str = "",
    difficulty: int | None = None,
) -> Row:
    shown = {name: value for name, value in plan["variables"].items() if name in prompt.variables}
    stated = {name: shown[name] for name in STATED if name in shown}
    more = {"conditions": {"version": conditions().version, **stated}} if stated else {}
    return Row(
        question=question,
        language=plan["language"],
        id=row_id,
        domain=domain_of(plan["subdomain"]),
        subdomain=plan["subdomain"],
        source=source,
        license=license,
        method=plan["method"],
        model=model,
        prompt=prompt.ref,
        params=orjson.dumps({"completion": completion.key, "seed": plan["seed"], **more}).decode(),
        parent_ids=plan["parent_ids"],
        concepts=list(shown.get("concepts", ())),
        verdicts={} if difficulty is None else {STATED_DIFFICULTY: str(difficulty)},
        reason=rejected,
    )
