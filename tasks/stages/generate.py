"""New questions: send a method's asks to the model, parse what comes back item by item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa
from pydantic import Field, field_validator

import prompts
from prompts import schemas
from storage.reasons import Code, Reason, reason
from storage.rows import STATED_DIFFICULTY, Row, column, content_id, to_table
from tasks.llm.costs import RoleCosts
from tasks.llm.engine import Engine
from tasks.llm.pending import check_by
from tasks.llm.request import Completion, Failure, Request
from tasks.plugins import checked, names
from tasks.replies.items import Parsed, problems
from tasks.replies.solutions import Removed, read
from tasks.settings import Section, Share
from tasks.stages.outcome import Outcome, Tick
from tasks.taxonomy import SUBDOMAINS, domain_of

# (language, subdomain) -> how many questions are wanted
Quota = Mapping[tuple[str, str], int]

UNLABELLED = "unlabelled"
EXAMPLE = [
    "id",
    "problem_id",
    "question",
    "language",
    "subdomain",
    "parent_ids",
]  # what methods read of a pool

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


LANGUAGES = ("en", "zh")  # that the prompts are written in


class GenerateSettings(Section, title="Generate"):
    methods: dict[str, float] = Field(
        {"self_instruct": 1.0}, description="files of tasks/methods/ and their weights"
    )
    languages: dict[str, Share] = Field(
        {"en": 0.75, "zh": 0.25}, description="share of the questions by language"
    )
    subdomains: list[str] = Field([], description="subdomains to write for; empty: all of them")
    per_call: int = Field(5, ge=1, le=50, description="questions asked for in one call")
    examples: int = Field(3, ge=0, le=20, description="examples shown in one call")
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
    """One call that orders `count` questions; `variables` fill the prompt."""

    method: str
    prompt: str
    language: str
    subdomain: str
    count: int
    variables: dict[str, Any]
    parent_ids: list[str]
    seed: int


def asks_table(asks: list[Ask]) -> pa.Table:
    """The asks as a table of ASKS, so that a plan is sharded and addressed like any rows."""
    records = [
        {name: getattr(ask, name) for name in ASKS.names if name != "variables"}
        | {"variables": orjson.dumps(ask.variables, option=orjson.OPT_SORT_KEYS).decode()}
        for ask in asks
    ]
    return pa.Table.from_pylist(records, schema=ASKS)


def rounds(wanted: int, per_call: int) -> Iterator[int]:
    """Split an order into calls: 12 by 5 is 5, 5, 2."""
    for start in range(0, wanted, per_call):
        yield min(per_call, wanted - start)


def examples_by_topic(pool: pa.Table) -> dict[tuple[str, str | None], list[tuple[str, str]]]:
    """(language, subdomain) -> [(row id, question)] in id order, each question once; under subdomain
    None all of a language, for topics that have no example yet, and under UNLABELLED those that name none."""
    found: dict[tuple[str, str | None], dict[str, str]] = {}
    columns = [column(pool, name) for name in EXAMPLE[:-1]]
    seen: set[str] = set()
    for row_id, problem_id, question, language, subdomain in sorted(
        zip(*columns, strict=True), key=lambda row: row[0]
    ):
        if problem_id in seen:
            continue
        seen.add(problem_id)
        for topic in {(language, subdomain or UNLABELLED), (language, None)}:
            found.setdefault(topic, {})[row_id] = question
    return {topic: list(entries.items()) for topic, entries in found.items()}


def generate(asks: pa.Table, *, engine: Engine, source: str, license: str, tick: Tick) -> Outcome:
    """Questions from a table of ASKS. Owes the sum of `count`: an item that is missing or
    malformed is a rejected row, a call that failed is `count` failed rows."""
    plans = asks.to_pylist()
    endpoint = engine.endpoint
    bill = RoleCosts.of(endpoint)
    removed = Removed()
    rows: list[Row] = []
    answers = engine.run((_request(plan, endpoint.model) for plan in plans), check_by(_any_problem))
    for plan, done in zip(plans, answers, strict=True):
        bill.add(done)
        removed.add(read(done.text or ""))
        rows.extend(_rows_of(plan, done, source=source, license=license, model=endpoint.model))
        tick(plan["count"])
    return Outcome(
        to_table(rows), asked=sum(plan["count"] for plan in plans), facts=bill.facts() | removed.facts()
    )


def _any_problem(text: str) -> list[Parsed] | str:
    """Nothing but bad items is a bad completion; one bad item loses itself only."""
    found = problems(text)
    return (
        found if any(item.question for item in found) else found[0].reason or "no problem in the completion"
    )


def _request(plan: dict[str, Any], model: str) -> Request:
    prompt = prompts.load(plan["prompt"], plan["language"])
    return Request(
        messages=prompt.messages(**orjson.loads(plan["variables"])),
        model=model,
        temperature=prompt.front.temperature,
        top_p=prompt.front.top_p,
        max_tokens=prompt.front.max_tokens,
        longer=prompt.front.longer,
        seed=plan["seed"],
        response_schema=schemas.json_schema(prompt.front.schema_name),
        tag=plan["method"],
    )


def _rows_of(plan: dict[str, Any], done: Completion, *, source: str, license: str, model: str) -> list[Row]:
    method, count = plan["method"], plan["count"]
    made: list[Row] = []
    if done.error is not None:
        whys = [
            reason(method, Code.MALFORMED_ITEM, why=done.detail)
            if done.kind is Failure.REJECTED  # the completion came, and was not what was ordered
            else reason(method, Code.CALL_FAILED, error=done.error, kind=done.kind)
        ] * count
    else:
        parsed = problems(done.text or "")[:count]
        made = [
            _row(plan, item.question, None, source, license, model, done, difficulty=item.difficulty)
            for item in parsed
            if item.question
        ]
        whys = [
            reason(method, Code.MALFORMED_ITEM, why=item.reason or "malformed item")
            for item in parsed
            if not item.question
        ]
        whys += [reason(method, Code.MISSING_ITEM)] * (count - len(parsed))
    lost = [
        _row(plan, "", why, source, license, model, done, row_id=content_id(done.key, method, str(index)))
        for index, why in enumerate(whys)
    ]
    return made + lost


def _row(
    plan: dict[str, Any],
    question: str,
    rejected: Reason | None,
    source: str,
    license: str,
    model: str,
    done: Completion,
    row_id: str = "",
    difficulty: int | None = None,
) -> Row:
    prompt = prompts.load(plan["prompt"], plan["language"])
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
        params=orjson.dumps({"completion": done.key, "seed": plan["seed"]}).decode(),
        parent_ids=plan["parent_ids"],
        verdicts={} if difficulty is None else {STATED_DIFFICULTY: str(difficulty)},
        reason=rejected,
    )
