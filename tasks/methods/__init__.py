"""Methods of generation: plug-ins that make rows, one module each, found by its name in the setting `generate.methods`.

A method plans asks (`Ask`), and each ask becomes rows. Most asks are sent to a model: the method names a prompt and reads the
completions (`AsksModel`). Where an ask takes several calls, with programs executed in between, the method holds a conversation
(`Converses`). An ask without a prompt is answered by the method itself (`MakesRows`). A module may do that beside one of the others.
`makes` says what the rows are, and so which stages they pass:

- `questions`: they are compared with the known ones, solved where they have no trusted solution, and judged;
- `solutions`: new solutions of questions that exist, which are judged;
- `texts`: documents, which are de-duplicated and decontaminated.

`takes` says what the method works on: `rows` (seed problems, accepted questions, or the questions of the versions in
`material.versions`), or `documents` (the passages of these versions). `self_instruct` is the example to copy. A method that makes
its rows out of single rows, and not only shows them as examples, says so (`MakesRowsOfRows`): `rephrase` is the example to copy.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, cast

import orjson
import pyarrow as pa
from pydantic import ValidationError

from prompts.asking_again import FaultKind, ReplyFault
from storage.reasons import Code
from storage.rows import column
from tasks.conversations import WRITER, Conversation
from tasks.llm.endpoint import Endpoint
from tasks.llm.request import Completion
from tasks.plugins import module
from tasks.replies.items import problems
from tasks.settings import Section

if TYPE_CHECKING:
    from tasks.concepts.graph import ConceptGraph
    from tasks.retrieval.encoder import StoredEncoder

PLUGINS: Final = "tasks.methods"

Makes = Literal["questions", "solutions", "texts"]
Takes = Literal["rows", "documents"]

# (language, subdomain) -> how many questions are requested
Quota = Mapping[tuple[str, str], int]

UNLABELLED: Final = "unlabelled"
EXAMPLE: Final = [
    "id", "problem_id", "question", "language", "subdomain", "parent_ids", "concepts", "domain", "source", "license",
    "reference_answer",
]  # fmt: skip
"""The columns of a pool of rows, beside those that a method needs. A pool of documents has all columns of storage.rows.SCHEMA."""
INHERITED: Final = ("question", "domain", "source", "license", "reference_answer")
"""The columns that a new solution has from the row of a pool whose question it solves."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One planned call for `count` rows; `variables` fill in the prompt.

    prompt: name of a file of prompts/, without its language; empty: no model is asked, and the method makes the rows.
    at_most: whether fewer rows than `count` are as good; otherwise a missing one is a rejected row. inherited: columns that
    the rows have from the row that is asked about, such as `source` and `license`; what the item states comes before them.
    """

    method: str
    prompt: str
    language: str
    subdomain: str | None
    count: int
    variables: dict[str, Any]
    parent_ids: list[str]
    seed: int
    at_most: bool = False
    inherited: dict[str, Any] = field(default_factory=dict)


ASKS: Final = pa.schema(
    [
        ("method", pa.string()),
        ("prompt", pa.string()),
        ("language", pa.string()),
        ("subdomain", pa.string()),
        ("count", pa.int32()),
        ("variables", pa.string()),
        ("parent_ids", pa.list_(pa.string())),
        ("seed", pa.int64()),
        ("at_most", pa.bool_()),
        ("inherited", pa.string()),
    ]
)
_JSON = ("variables", "inherited")


@dataclass(frozen=True, slots=True)
class Item:
    """One row that an ask gave, or, with a `code`, why it gave none; `values` are those of the code's text,
    and `fault` is what the parser of a completion says (`malformed`).

    question: empty if it is that of the row that is asked about. solution_by: for a solution that no model wrote, `source` (it
    is printed there) or `procedure` (it is computed); see storage.rows.SOLUTION_BY. difficulty: as stated by the writer, from 1
    to 5. concepts: knowledge points, where the method knows them better than the ask. params: further entries of the column `params`. kind: as in storage.rows.
    written_by: of a conversation, the completion that it is from, None: the last one; model: set from it.
    derived_from: problem ids of the questions that most of its words are from, or whose introduction it shares, so that it is no near
    duplicate of them; see storage.rows.DERIVED_FROM.
    """

    question: str = ""
    solution: str | None = None
    solution_format: str | None = None
    solution_by: str | None = None
    answer: str | None = None
    reference_answer: str | None = None
    reasoning: str | None = None
    difficulty: int | None = None
    concepts: tuple[str, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    kind: str | None = None
    derived_from: tuple[str, ...] = ()
    written_by: Completion | None = None
    model: str | None = None
    code: Code | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    fault: ReplyFault | None = None


class Method(Protocol):
    """What every module of this folder has, in addition to what AsksModel, Converses or MakesRows requires."""

    makes: Makes
    takes: Takes

    def plan(self, pool: pa.Table, quota: Quota, *, per_call: int, examples: int, seed: int) -> list[Ask]:
        """Return the asks for the rows of `quota`, without calling a model.

        `pool`: rows to take examples from, or documents; see EXAMPLE. `quota`: (language, subdomain) -> number of rows; a method
        that takes documents reads the sum only, and plans fewer where the documents are used up. `per_call`: most rows per
        call. `examples`: most examples per call. `seed`: equal seeds must give equal plans.
        """
        ...


class StatesConditions(Method, Protocol):
    """A method whose asks state conditions (tasks/conditions.py)."""

    def plan(
        self,
        pool: pa.Table,
        quota: Quota,
        *,
        per_call: int,
        examples: int,
        seed: int,
        overlay: Path | None = None,
    ) -> list[Ask]:
        """Return the asks as `Method.plan` does, with the conditions of `overlay`, the folder of the user's own, if it has some."""
        ...


class HasSettings(Method, Protocol):
    """A method with settings of its own, which a user gives as `generate.settings.<method>`."""

    own_settings: type[Section]

    def plan(
        self,
        pool: pa.Table,
        quota: Quota,
        *,
        per_call: int,
        examples: int,
        seed: int,
        settings: Section | None = None,
    ) -> list[Ask]:
        """Return the asks as `Method.plan` does. `settings`: of the class `own_settings`; None: its defaults."""
        ...


class DrawsFromGraphs(HasSettings, Protocol):
    """A method with settings whose asks are drawn from graphs of concepts. The planner of a night stores the graphs and names them in the
    lineage. Its setting `extract` says for how many texts without concepts the night asks the teacher for them."""

    def graphs(
        self,
        pool: pa.Table,
        quota: Quota,
        *,
        encode: StoredEncoder | None = None,
        settings: Section | None = None,
    ) -> dict[str, ConceptGraph]:
        """Return the graph of each language of the quota. `encode`: by which concepts of one meaning are merged, beside those whose words agree.
        `settings`: as in HasSettings."""
        ...

    def plan(
        self,
        pool: pa.Table,
        quota: Quota,
        *,
        per_call: int,
        examples: int,
        seed: int,
        settings: Section | None = None,
        drawn_from: Mapping[str, ConceptGraph] | None = None,
    ) -> list[Ask]:
        """Return the asks as `Method.plan` does. `drawn_from`: what `graphs` returned for the same pool and quota; None: it is called."""
        ...


class MakesRowsOfRows(Method, Protocol):
    """A method that makes its rows out of rows of the pool. A problem is given to it once per dataset, and it plans fewer rows than its
    quota where the pool has no more."""

    columns: tuple[str, ...]
    """Columns of storage.rows.SCHEMA that the pool has for it, in addition to EXAMPLE. With a constant `wrong_answers = True` of the module
    the pool has one more column of that name: the answers of rejected solutions of the same problem, the most frequent first. With
    `wrong_solutions = True` it has those solutions as rows of their own, with `rejected` set, which is then one of the columns."""


class FixedSubdomains(Method, Protocol):
    """A method whose rows are of subdomains of its own, whatever the night's other methods write for. Its quota names these."""

    subdomains: tuple[str, ...]


class AsksModel(Method, Protocol):
    """A method whose asks are sent to a model: to the teacher, or to the one of its attribute `role`."""

    prompt: str
    """Name of a file of prompts/, without its language: <prompt>.<language>.md."""

    def read(self, text: str, *, cut: bool) -> list[Item]:
        """Return the items of a completion, at least one. `cut`: whether the completion ended at the token limit.

        A completion of which no item is usable is requested once more, with the words of the first item's reason, unless the
        model finds nothing to ask. An item that cannot be read is made by `malformed`, with the kind of its fault.
        """
        ...

    def check(self, item: Item, ask: Ask) -> Item:
        """Return the usable item as the row is to have it, compared with what was asked, or one with a `code`."""
        ...


class Converses(Method, Protocol):
    """A method whose asks are conversations of several calls (tasks/conversations.py), one conversation per ask."""

    prompt: str
    """Name of a file of prompts/, without its language, that the conversation begins with. A module whose conversations call no model
    has none, and its asks have no prompt."""
    needs: tuple[str, ...]
    """What the conversations need besides the model that they are held with: "sandbox", "judge", or a role such as "student"."""

    def converse(self, ask: Ask, endpoints: Mapping[str, Endpoint]) -> Conversation[list[Item]]:
        """Return the conversation of an ask, whose result are its items, at least one.

        endpoints: by role, those of the models that it may call: `tasks.conversations.WRITER` and the roles in `needs`. The
        conversation may depend on nothing but the ask, the prompts, and what it is sent.
        """
        ...


class TakesSeveralCalls(Converses, Protocol):
    """A method whose conversations take more than one call per row."""

    def calls_per_row(self, settings: Section) -> dict[str, float]:
        """Return how many calls of each role a conversation takes per row that it is asked for, on average: what a forecast counts with until
        a night has measured it. The roles are `tasks.conversations.WRITER` and those in `needs`. `settings`: of the class `own_settings`."""
        ...


class MakesRows(Method, Protocol):
    """A method that answers asks without a model."""

    def make(self, ask: Ask) -> list[Item]:
        """Return the items of an ask without a prompt, `ask.count` of them."""
        ...


def method(name: str) -> Method:
    """Return the method `name`. Raises UnknownName if there is none; a test holds every module to the contract."""
    return cast(Method, _method(name))


def plan_of(
    name: str, overlay: Path | None, settings: Mapping[str, Any] | None = None
) -> Callable[..., list[Ask]]:
    """Return the function `plan` of the method `name`, with the user's own conditions if it states some, and with the method's
    own settings if it has some. Raises as `method`."""
    plan = method(name).plan
    if "overlay" in inspect.signature(plan).parameters:
        return partial(cast(StatesConditions, method(name)).plan, overlay=overlay)
    if hasattr(method(name), "own_settings"):
        return partial(cast(HasSettings, method(name)).plan, settings=settings_of(name, settings or {}))
    return plan


def draws_from_graphs(name: str) -> DrawsFromGraphs | None:
    """Return the method `name` if its asks are drawn from graphs of concepts, else None. Raises as `method`."""
    plugin = _method(name)
    return cast(DrawsFromGraphs, plugin) if hasattr(plugin, "graphs") else None


def texts_to_index(methods: Iterable[str], settings: Mapping[str, Mapping[str, Any]]) -> int:
    """Return for how many texts without concepts the teacher is asked for them, at most, by the settings of the methods that draw from
    graphs of concepts; 0 if none of them does. Raises as `settings_of`."""
    drawing = [name for name in methods if draws_from_graphs(name)]
    return max((settings_of(name, settings.get(name, {})).extract for name in drawing), default=0)  # type: ignore[attr-defined]


def subdomains_of(name: str) -> tuple[str, ...]:
    """Return the subdomains that all rows of the method `name` are of, none if it writes for any. Raises as `method`."""
    return cast(FixedSubdomains, method(name)).subdomains if hasattr(method(name), "subdomains") else ()


def settings_of(name: str, given: Mapping[str, Any]) -> Section:
    """Return the settings of the method `name`. Raises ValueError for a setting that it does not have, and as `method`."""
    plugin = method(name)
    if not hasattr(plugin, "own_settings"):
        if given:
            raise ValueError(f"{name} has no settings of its own")
        return Section()
    try:
        return cast(HasSettings, plugin).own_settings.model_validate(dict(given))
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)
        raise ValueError(
            "; ".join(f"{'.'.join([name, *map(str, one['loc'])])}: {one['msg'].lower()}" for one in wrong)
        ) from None


def columns_of(given: Iterable[str]) -> list[str]:
    """Return the columns that a pool of rows has for these methods: EXAMPLE, then what they need besides. Raises as `method`."""
    needed = (column for name in sorted(given) for column in getattr(_method(name), "columns", ()))
    return list(dict.fromkeys([*EXAMPLE, *needed]))


def takes_wrong_answers(name: str) -> bool:
    """Return whether the pool of the method has the column `wrong_answers`. Raises as `method`."""
    return getattr(_method(name), "wrong_answers", False) is True


def uses_up(name: str) -> bool:
    """Return whether a passage or a problem is given to the method once per dataset. Raises as `method`."""
    return method(name).takes == "documents" or hasattr(_method(name), "columns")


def takes_wrong_solutions(name: str) -> bool:
    """Return whether the method works on solutions that were dropped as wrong, too. Raises as `method`."""
    return bool(getattr(_method(name), "wrong_solutions", False))


def calls_per_row(name: str, given: Mapping[str, Any]) -> dict[str, float] | None:
    """Return how many calls of each role the method takes per row that is asked for, with its own settings; None: a call is for several
    rows. Raises as `settings_of`."""
    plugin = _method(name)
    if hasattr(plugin, "calls_per_row"):
        stated = cast(TakesSeveralCalls, plugin).calls_per_row(settings_of(name, given))
        return {role_of(name) if role == WRITER else role: calls for role, calls in stated.items()}
    return {role_of(name): 1.0} if uses_up(name) or hasattr(plugin, "converse") else None


def calls_model(name: str) -> bool:
    """Return whether the method's asks take calls of a model. Raises as `method`."""
    return bool(getattr(_method(name), "prompt", ""))


def role_of(name: str) -> str:
    """Return the role of the model that the method asks. Raises as `method`."""
    return str(getattr(_method(name), "role", "teacher"))


def asks_model(name: str) -> AsksModel:
    """Return the method `name`, which asks a model. Raises as `method`."""
    return cast(AsksModel, _method(name))


def converses(name: str) -> Converses | None:
    """Return the method `name` if its asks are conversations, else None. Raises as `method`."""
    plugin = _method(name)
    return cast(Converses, plugin) if hasattr(plugin, "converse") else None


def answers_itself(name: str) -> bool:
    """Return whether the method answers its asks without a prompt at once, and not in a conversation. Raises as `method`."""
    return hasattr(_method(name), "make")


def makes_rows(name: str) -> MakesRows:
    """Return the method `name`, which makes rows without a model. Raises as `method`."""
    return cast(MakesRows, _method(name))


def _method(name: str) -> ModuleType:
    return module(PLUGINS, name)


def malformed(fault: ReplyFault) -> Item:
    """Return the item of a completion, or of a part of it, that cannot be read."""
    return Item(code=Code.MALFORMED_ITEM, values={"why": fault.words}, fault=fault)


def written_questions(text: str, *, cut: bool) -> list[Item]:
    """Return the questions of a completion that is a JSON list of problems: the `read` of methods that request such a list."""
    return [
        Item(item.question, difficulty=item.difficulty)
        if item.question
        else malformed(item.fault or ReplyFault(FaultKind.OTHER, "malformed item"))
        for item in problems(text)
    ]


def as_written(item: Item, ask: Ask) -> Item:
    """Return the item: the `check` of methods that compare it with nothing."""
    return item


def asks_table(asks: list[Ask]) -> pa.Table:
    """Return the asks as a table of ASKS, so that a plan is sharded and addressed like rows."""
    records = [
        {name: getattr(ask, name) for name in ASKS.names if name not in _JSON}
        | {name: orjson.dumps(getattr(ask, name), option=orjson.OPT_SORT_KEYS).decode() for name in _JSON}
        for ask in asks
    ]
    return pa.Table.from_pylist(records, schema=ASKS)


def asks_of(table: pa.Table) -> list[Ask]:
    """Return the asks of a table of ASKS."""
    return [
        Ask(**record | {name: orjson.loads(record[name]) for name in _JSON}) for record in table.to_pylist()
    ]


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
