"""The stage `import`: records of other people's files become rows of every kind.

A record becomes one row per solution that it holds, or a chat, or a document. What cannot become a row is rejected with its
place and the reason; what the file itself calls wrong, cut off or the worse side of a pair is rejected with that reason and
keeps its solution. The columns are read by tasks.ingestion, as seeds are.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import orjson
import pyarrow as pa
from rapidfuzz.distance import OSA

from storage.reasons import Code, reason, shortened
from storage.rows import CHAT, TEXT, WRONG_STEP, ChatTurn, Row, content_id, from_columns, to_table
from tasks.ingestion import chats
from tasks.ingestion.column_names import (
    ABOUT,
    CHATS,
    KNOWN,
    PLAINEST,
    QUESTIONS,
    SOLUTIONS,
    is_known,
    names_question,
    plain,
)
from tasks.ingestion.columns import Fields, Habits, habits, read, solution_and_flag
from tasks.ingestion.json_records import LineBatch
from tasks.ingestion.record import IngestError, Record
from tasks.ingestion.record_chats import chat_of
from tasks.ingestion.several import GENERATIONS, SEVERAL, Single, singles
from tasks.ingestion.solution_texts import final_answer
from tasks.ingestion.usual_chats import usual_chats
from tasks.ingestion.values import Unfit
from tasks.replies.solutions import thinking_apart
from tasks.stages.ingest import any_question, fit, kept_row, language_of_text
from tasks.text.cleaning import BLANK, MAX_SOLUTION, printable

STAGE: Final = "import"
MAX_TEXT: Final = 2_000_000  # characters of a document
PEEK: Final = 500  # records at the beginning of a source from which its habits and columns are read

ImportKind = Literal["auto", "solution", "chat", "text"]
# what a column can be mapped to
FIELDS: Final = (
    "question", "solution", "answer", "reference_answer", "reasoning", "system", "messages", "text", "chosen", "rejected",
    "generations", "language", "domain", "subdomain", "source", "license",
)  # fmt: skip
SYSTEM = ("system", "system_prompt", "system_message")
REPLIES = ("output", "response", "completion", "generation")
DOCUMENT = ("text", "document", "content", "raw_content", "page_content", "markdown", "body")

Records = Callable[[Mapping[str, Any]], Any]


class NotConverted(ValueError):
    """The user's function raised an error on a record, or returned something else than records."""


@dataclass(frozen=True, slots=True)
class RecordReading:
    """How the records of an import are read.

    columns: column of the file -> field of FIELDS; a dot leads into an object. license: of records that state none.
    convert: the user's function, which is given a record and returns a record, a list of records or None. code: the digest
    of its source.
    """

    kind: ImportKind = "auto"
    columns: Mapping[str, str] | None = None
    license: str = "unknown"
    convert: Records | None = None
    code: str = ""

    @property
    def digest(self) -> str:
        """A digest of everything that decides the rows, apart from the records and this program."""
        parts = [self.kind, sorted((self.columns or {}).items()), self.license, self.code]
        return hashlib.sha256(orjson.dumps(parts)).hexdigest()

    def records(self, fields: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Return the records that one record becomes. Raises NotConverted."""
        if self.convert is not None:
            try:
                given = self.convert(dict(fields))
            except Exception as error:
                raise NotConverted(f"{type(error).__name__}: {shortened(str(error), 100)}") from error
            several = [] if given is None else given if isinstance(given, list) else [given]
            if not all(isinstance(one, Mapping) for one in several):
                raise NotConverted("it returned no dictionary, no list of dictionaries and not None")
            return list(several)
        return [mapped(fields, self.columns) if self.columns else fields]


def converter(path: Path) -> tuple[Records, str]:
    """Return the function `convert` of a Python file, and the digest of the file. The file is executed: it is the user's
    own code. Raises IngestError if it cannot be executed or has no such function."""
    try:
        source = path.read_bytes()
        names: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
        exec(compile(source, str(path), "exec"), names)  # this is what --convert is for
    except OSError as error:
        raise IngestError(f"--convert {path}: {error.strerror}. Fix: check the path") from error
    except Exception as error:
        raise IngestError(
            f"--convert {path}: {type(error).__name__}: {shortened(str(error), 150)}. Fix: correct the file"
        ) from error
    function = names.get("convert")
    if not callable(function):
        raise IngestError(
            f"--convert {path}: no function `convert`. Fix: write `def convert(record): ...` in it"
        )
    return function, hashlib.sha256(source).hexdigest()


def checked_columns(columns: Mapping[str, str]) -> None:
    """Raise ValueError, in one line with the nearest field, if a column is mapped to something that is no field."""
    for column, name in columns.items():
        if name not in FIELDS:
            near = difflib.get_close_matches(name, FIELDS, 1)
            raise ValueError(
                f"{column}={name}: there is no field {name!r}; "
                + (f"the nearest is {near[0]}" if near else f"the fields are {', '.join(FIELDS)}")
            )
    twice = [name for name in columns.values() if list(columns.values()).count(name) > 1]
    if twice:
        raise ValueError(f"two columns are mapped to {twice[0]}; leave one of them out")


def check_mapping(name: str, columns: Mapping[str, str], beginning: Sequence[Record]) -> None:
    """Raise IngestError, in one line with the nearest columns, if no record at the beginning of a source has a column."""
    seen = [record.fields for record in beginning if record.fields is not None]
    there = sorted({key for fields in seen for key in _paths(fields)})
    for column, field in columns.items():
        if seen and not any(_at(fields, column) is not None or column in fields for fields in seen):
            near = difflib.get_close_matches(column, there, 3, 0.5) or there[:8]
            shown = ", ".join(" ".join(printable(one, 40).split()) for one in near)
            raise IngestError(
                f"--map {column}={field}: {name} has no column {column!r}; the nearest are {shown}. Fix: name one of them"
            )


def check_names(name: str, beginning: Sequence[Record]) -> None:
    """Raise IngestError, in one line with the nearest names, if no record at the beginning of a source has a column with a question,
    a chat or a text."""
    seen = [tuple(record.fields) for record in beginning if record.fields]
    if not seen or any(_is_read(names) for names in seen):
        return
    columns = list(dict.fromkeys(column for names in seen for column in names))
    near = {column: difflib.get_close_matches(plain(column), sorted(_READ), 1, _NEAR) for column in columns}
    close = next(((column, names[0]) for column, names in near.items() if names), None)
    shown = ", ".join(" ".join(printable(one, 40).split()) for one in columns[:8])
    fix = (
        f"--map {printable(close[0], 40)}={_FIELD_OF.get(close[1], close[1])}"
        if close is not None
        else "--map COLUMN=question, or --convert FILE.py"
    )
    hint = f"; {printable(close[0], 40)!r} is near {close[1]!r}" if close is not None else ""
    raise IngestError(f"{name}: no column with a question, a chat or a text: {shown}{hint}. Fix: {fix}")


def not_read(beginning: Sequence[Record]) -> dict[str, str]:
    """Return the columns at the beginning of a source that are not read although their names are nearly those of columns that are,
    each with that name: "anwser" -> "answer"."""
    seen = list(dict.fromkeys(column for record in beginning for column in record.fields or ()))
    there = {plain(column) for column in seen}
    known = sorted((KNOWN | _READ) - there)
    result = {}
    for column in seen:
        name = plain(column)
        if not (is_known(name) or name in _DECIDING) and len(name) >= _LEAST_LETTERS:
            near = [
                one for one in known if OSA.distance(name, one, score_cutoff=1) == 1 and f"{one}s" != name
            ]
            if near:
                result[column] = near[0]
    return result


def _is_read(names: tuple[str, ...]) -> bool:
    there = {plain(name) for name in names}
    return names_question(names) or bool(there & _READ)


def _paths(fields: Mapping[str, Any]) -> Iterator[str]:
    for name, value in fields.items():
        yield name
        if isinstance(value, Mapping):
            yield from (f"{name}.{inner}" for inner in value)


def _at(fields: Mapping[str, Any], column: str) -> Any:
    """Return the value of a column, or of the part of an object that dots lead to; None if there is none."""
    if column in fields:
        return fields[column]
    value: Any = fields
    for part in column.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def mapped(fields: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """Return the mapped columns under the names of their fields, and the columns about language, source and licence."""
    about = {plain(name): value for name, value in fields.items() if plain(name) in ABOUT}
    return about | {field: _at(fields, column) for column, field in columns.items()}


def common_of(beginning: Iterable[Record], reading: RecordReading) -> Habits:
    """Return what the records at the beginning of a source have in common (see tasks.ingestion.columns.habits)."""
    every: list[Mapping[str, Any]] = []
    for record in beginning:
        if record.fields is not None:
            try:
                every += reading.records(record.fields)
            except NotConverted:
                continue  # counted where the record becomes rows
    return habits(every)


def table_of(
    records: Sequence[Record] | LineBatch, reading: RecordReading, source: str, common: Habits
) -> pa.Table:
    """Return the rows of the records, in their order; `source` names the source."""
    count = len(records)
    usual, places = from_columns(0), list[int]()
    if reading.convert is None and not reading.columns and reading.kind in ("auto", "chat"):
        usual, places = usual_chats(
            records,
            source=source,
            license=reading.license,
            deciding=_DECIDING,
            exchanges=reading.kind == "chat",
        )
    if len(places) == count:
        return usual
    done = set(places)
    left = [place for place in range(count) if place not in done]
    read = records.records(left) if isinstance(records, LineBatch) else (records[place] for place in left)
    others = [
        (place, row)
        for place, record in zip(left, read, strict=True)
        for row in rows_of(record, reading, source, common)
    ]
    if not places:
        return to_table(row for _, row in others)
    order = np.argsort([*places, *(place for place, _ in others)], kind="stable")
    return pa.concat_tables([usual, to_table(row for _, row in others)]).take(order)


# columns that decide what a record is, beside those that tasks.ingestion.column_names knows
_DECIDING = frozenset((*SYSTEM, *DOCUMENT, *GENERATIONS, *SEVERAL, "data"))
_READ = frozenset((*CHATS, *QUESTIONS, *DOCUMENT, "chosen", "original_process", "original_question", "data"))
_LEAST_LETTERS = 5  # of a name that is looked at as misspelled
_NEAR = 0.75  # likeness of two names from which on one may be the other misspelled
_FIELD_OF = (
    dict.fromkeys(QUESTIONS, "question") | dict.fromkeys(CHATS, "messages") | dict.fromkeys(DOCUMENT, "text")
)


def rows_of(record: Record, reading: RecordReading, source: str, common: Habits) -> list[Row]:
    """Return the rows that a record becomes, at least one."""
    if record.fields is None:
        return [_refused({}, record.place, source, reading, Code.UNREADABLE, record.error or "unreadable")]
    try:
        parts = reading.records(record.fields)
    except NotConverted as error:
        return [_refused(record.fields, record.place, source, reading, Code.NOT_CONVERTED, str(error))]
    if not parts:
        return [
            _refused(record.fields, record.place, source, reading, Code.UNREADABLE, "left out by convert")
        ]
    rows: list[Row] = []
    for part in parts:
        for single in singles(part) if reading.kind != "text" else [Single(part)]:
            try:
                rows.append(_row(single, record.place, reading, source, common))
            except (Unfit, chats.Odd) as error:
                refused = _refused(
                    single.fields, record.place, source, reading, Code.UNREADABLE, str(error), len(rows)
                )
                rows.append(refused)
    return rows


def _row(single: Single, place: str, reading: RecordReading, source: str, common: Habits) -> Row:
    if single.code is Code.UNREADABLE:
        raise Unfit(single.values["why"])
    fields, kind = single.fields, reading.kind
    row: Row | None = None
    if kind in ("auto", "chat"):
        turns = _turns(fields, common)
        if turns is not None and (kind == "chat" or _needs_turns(turns, fields)):
            row = _chat_row(turns, fields, place, reading, source)
        elif kind == "chat":
            row = _chat_row(_as_turns(read(fields, common)), fields, place, reading, source)
    if row is None and (kind == "text" or (kind == "auto" and not names_question(tuple(fields)))):
        row = _document(fields, place, reading, source, forced=kind == "text")
    if row is None:
        row = _solution(single, place, reading, source, common)
    row.sample_index = single.number
    if single.wrong_step is not None:
        row.verdicts[WRONG_STEP] = str(single.wrong_step)
    if single.code is not None:
        row.reason = reason(STAGE, single.code)
        row.rejected = row.reason.text
    return row


def _solution(single: Single, place: str, reading: RecordReading, source: str, common: Habits) -> Row:
    fields = read(single.fields, common)
    if fields.unfinished:
        row = kept_row(fields, place, source, reading.license)
        row.reason = reason(STAGE, Code.TRUNCATED)
        row.rejected = row.reason.text
        return row
    if fields.wrong:
        solution, _ = solution_and_flag(single.fields)
        parts = thinking_apart(solution) if solution else None
        if parts is not None and parts.solution:
            solution = parts.solution
        given = replace(
            fields,
            solution=solution,
            answer=final_answer(solution) if solution else None,
            reasoning=parts.thinking if parts is not None else None,
            wrong=False,
        )
        row = kept_row(given, place, source, reading.license)
        if solution:
            row.reason = reason(STAGE, Code.FLAGGED_WRONG)
            row.rejected = row.reason.text
        return row
    row = kept_row(fields, place, source, reading.license)
    if single.number is not None and not row.solution:
        raise Unfit("the solution is empty")
    return row


def _document(
    fields: Mapping[str, Any], place: str, reading: RecordReading, source: str, *, forced: bool
) -> Row | None:
    named = {plain(name): value for name, value in fields.items()}
    text = next((named[name] for name in DOCUMENT if isinstance(named.get(name), str)), None)
    if text is None:
        if forced:
            raise Unfit(f"no text in the columns {', '.join(DOCUMENT[:4])}")
        return None
    cleaned, _ = fit("text", text, MAX_TEXT)
    if not cleaned:
        raise Unfit("the text is empty")
    return _about(cleaned, named, place, reading, source, TEXT, None)


def _chat_row(
    turns: Sequence[chats.Turn], fields: Mapping[str, Any], place: str, reading: RecordReading, source: str
) -> Row:
    messages: list[ChatTurn] = []
    unfinished = False
    for number, whole in enumerate(turns, 1):
        turn = whole
        name = f"turn {number} ({turn.role})"
        if turn.role == "assistant" and (parts := thinking_apart(turn.text)) is not None:
            unfinished = unfinished or parts.unfinished
            thoughts = dict.fromkeys(part for part in (turn.reasoning, parts.thinking) if part)
            turn = replace(turn, text=parts.solution, reasoning="\n".join(thoughts))
        content, _ = fit(name, turn.text, MAX_SOLUTION)
        thinking, _ = fit(f"{name}, reasoning", turn.reasoning, MAX_SOLUTION) if turn.reasoning else ("", 0)
        calls, _ = fit(f"{name}, tool calls", turn.calls, MAX_SOLUTION) if turn.calls else ("", 0)
        if not content and not calls:
            if turn.role == "system":
                continue  # a column for system prompts is often empty
            if turn.role != "tool" and not unfinished:  # a tool may print nothing
                raise Unfit(f"{name} is empty")
        messages.append(
            {
                "role": turn.role,
                "content": content,
                "reasoning": thinking or None,
                "tool_calls": calls or None,
                "tool_call_id": turn.call_id or None,
                "name": turn.name or None,
            }
        )
    spoken = [message["role"] for message in messages if message["role"] != "system"]
    if "assistant" not in spoken:
        raise Unfit("a chat without a turn of the assistant")
    if spoken[0] != "user":
        raise Unfit(f"a chat that begins with the {spoken[0]}, not the user")
    asked = "\n\n".join(str(message["content"]) for message in messages if message["role"] == "user")
    named = {plain(name): value for name, value in fields.items()}
    row = _about(asked, named, place, reading, source, CHAT, messages)
    if unfinished:
        row.reason = reason(STAGE, Code.TRUNCATED)
        row.rejected = row.reason.text
    return row


def _about(
    text: str,
    named: Mapping[str, Any],
    place: str,
    reading: RecordReading,
    source: str,
    kind: str,
    messages: list[ChatTurn] | None,
) -> Row:
    about = {
        name: fit("description", named[name], 200)[0] for name in ABOUT if isinstance(named.get(name), str)
    }
    named_source = about.get("dataset") or about.get("data_source") or about.get("source")
    return Row(
        text,
        language_of_text(about.get("language") or about.get("lang"), text),
        kind=kind,
        messages=messages,
        domain=about.get("domain") or None,
        subdomain=about.get("subdomain") or None,
        source=named_source or source,
        license=about.get("license") or about.get("licence") or reading.license,
        verdicts={"ingest": f"{place} of {source}"},
    )


def _turns(fields: Mapping[str, Any], common: Habits) -> list[chats.Turn] | None:
    """Return the turns of a record that is a chat, with its system prompt first; None if it is none."""
    named = {plain(name): value for name, value in fields.items() if value is not None}
    turns = _listed(named)
    system = _system(named)
    if turns is None and system is not None and any(name in named for name in QUESTIONS):
        turns = _as_turns(read(fields, common))
        if turns[-1].role != "assistant":
            return None
    if turns and system is not None and turns[0].role != "system":
        turns = [chats.Turn("system", system), *turns]
    return turns


def _system(named: Mapping[str, Any]) -> str | None:
    """Return the system prompt that a record has in a column of its own, None if there is none or it is blank."""
    texts = (named[name] for name in SYSTEM if isinstance(named.get(name), str))
    return next((text for text in texts if text.strip(BLANK)), None)


def _listed(named: Mapping[str, Any]) -> list[chats.Turn] | None:
    before = named.get("history")
    if before and isinstance(named.get("instruction"), str) and isinstance(named.get("output"), str):
        more = named.get("input")
        question = (
            f"{named['instruction']}\n\n{more}"
            if isinstance(more, str) and more.strip()
            else named["instruction"]
        )
        last = [chats.Turn("user", question), chats.Turn("assistant", named["output"])]
        return [*(chats.turns_of(before) or ()), *last]
    for name in ("chosen", "completion"):
        reply = chat_of(name, named.get(name))
        if reply:
            whole = chats.asked(reply) and reply[0].role != "assistant"
            return reply if whole else [*(_before(named) or _prompt(named.get("prompt"))), *reply]
    if isinstance(chosen := named.get("chosen"), str):
        before = _before(named)
        return [*before, chats.Turn("assistant", chosen)] if len(before) > 1 else None
    for name in (*chats.COLUMNS, "prompt", "input", "text"):
        turns = chat_of(name, named[name]) if name in named else None
        if turns is not None and (turns or name not in ("prompt", "input")):
            return [*turns, *_reply(named)] if turns and turns[-1].role == "user" else turns
    alternating = named.get("data")
    if isinstance(alternating, list) and alternating and all(isinstance(one, str) for one in alternating):
        if len(alternating) == 1 and not names_question(tuple(named)):
            raise Unfit("a chat without a turn of the assistant")  # UltraChat
        return chats.turns_of(alternating)
    return None


def _before(named: Mapping[str, Any]) -> list[chats.Turn]:
    """Return the turns before the reply that a record has in a column of its own, to the last one of the user."""
    turns = next((turns for name in chats.COLUMNS if (turns := chat_of(name, named.get(name)))), [])
    last = max((place for place, turn in enumerate(turns, 1) if turn.role == "user"), default=0)
    return turns[:last]


def _reply(named: Mapping[str, Any]) -> list[chats.Turn]:
    """Return the reply that a record has in a column of its own, beside a chat that ends with the user's turn (Llama-Nemotron)."""
    text = next(
        (named[name] for name in REPLIES if isinstance(named.get(name), str) and named[name].strip(BLANK)),
        None,
    )
    return [chats.Turn("assistant", text)] if text is not None else []


def _prompt(value: Any) -> list[chats.Turn]:
    """Return the turns before a reply; a text that is no chat is a question."""
    turns = chat_of("prompt", value)
    if turns is None and isinstance(value, str) and value.strip(BLANK):
        return [chats.Turn("user", value)]
    return turns or []


def _as_turns(fields: Fields) -> list[chats.Turn]:
    turns = [chats.Turn("user", fields.asked)]
    if fields.solution:
        turns.append(chats.Turn("assistant", fields.solution, fields.reasoning or ""))
    return turns


def _needs_turns(turns: Sequence[chats.Turn], fields: Mapping[str, Any]) -> bool:
    """Return whether a record is a chat that a row with a question and a solution would not hold whole."""
    roles = [turn.role for turn in turns if turn.role != "system" or turn.text.strip(BLANK)]
    if "assistant" not in roles and roles:
        return roles.count("user") > 1
    if roles == ["user", "assistant"]:
        # without its reply it would become a question; a chat is refused, with the number of the empty turn
        replied = any(turn.text.strip(BLANK) or turn.calls for turn in turns if turn.role == "assistant")
        return not replied and not any(plain(name) in SOLUTIONS for name in fields)
    if _system({plain(name): value for name, value in fields.items()}) is not None:
        return True
    named = {plain(name) for name, value in fields.items() if isinstance(value, str) and value.strip()}
    return not (named & set(PLAINEST) and named & set(SOLUTIONS))


def _refused(
    fields: Mapping[str, Any],
    place: str,
    source: str,
    reading: RecordReading,
    code: Code,
    why: str,
    number: int = 0,
) -> Row:
    """Return a row that is not kept; it has the beginning of its text, made safe to show."""
    texts = [any_question(fields), *(value for value in fields.values() if isinstance(value, str))]
    shown = next((printable(text).strip() for text in texts if text.strip()), "")
    name = content_id(
        source, place, str(number)
    )  # such rows may have no text at all, and must not share an id
    given = {"place": place, "error": why} if code is Code.NOT_CONVERTED else {"place": place, "why": why}
    return Row(
        shown,
        "",
        id=name,
        problem_id=name,
        source=source,
        license=reading.license,
        reason=reason(STAGE, code, **given),
    )
