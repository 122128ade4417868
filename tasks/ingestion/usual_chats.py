"""Reads chats of the commonest shape, a list of turns with nothing but a role and a text, into columns.

Such a record needs none of the searches that other shapes need, and no object per turn. Whatever is unusual about a record
leaves it to tasks.stages.import_dataset.rows_of, which reads every shape; the rows of both are equal.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import orjson
import pyarrow as pa

from storage.rows import CHAT, MESSAGES, ChatTurn, content_id, from_columns
from storage.visible import CONTROL
from tasks.ingestion import chats
from tasks.ingestion.column_names import is_known, plain
from tasks.ingestion.record import Record
from tasks.text.cleaning import BLANK, MAX_SOLUTION, cleaned, language_of, refusal

_LAYOUTS = (("role", "content"), ("from", "value"))  # names of the speaker and of the text
_ABSENT = [None] * (len(ChatTurn.__annotations__) - 2)  # what a turn lacks beside its role and content


class Unusual(ValueError):
    """A record of another shape, or with a text that has to be refused."""


def usual_chats(
    records: Sequence[Record],
    *,
    source: str,
    license: str,
    deciding: frozenset[str],
    exchanges: bool,
) -> tuple[pa.Table, list[int]]:
    """Return the rows of the records that are chats of the usual shape, and the places of these records.

    deciding: names of columns beside those that tasks.ingestion.column_names knows which may decide something about a record.
    exchanges: whether a chat of one question and one reply is a chat; otherwise it is left out, because a row with a
    question and a solution holds it.
    """
    places: list[int] = []
    roles: list[str] = []
    texts: list[str] = []
    ends = [0]
    columns: dict[str, list[str]] = {
        name: [] for name in ("id", "problem_id", "question", "language", "verdict")
    }
    for place, record in enumerate(records):
        try:
            speakers, contents = _turns(record, deciding)
            if not exchanges and [role for role in speakers if role != "system"] == ["user", "assistant"]:
                continue
            question = "\n\n".join(
                text for role, text in zip(speakers, contents, strict=True) if role == "user"
            )
            language = _language(question)
        except Unusual:
            continue
        listed = [[role, text, *_ABSENT] for role, text in zip(speakers, contents, strict=True)]
        places.append(place)
        roles += speakers
        texts += contents
        ends.append(len(roles))
        columns["id"].append(content_id(language, question, "", CHAT, orjson.dumps(listed).decode()))
        columns["problem_id"].append(content_id(language, question))
        columns["question"].append(question)
        columns["language"].append(language)
        columns["verdict"].append(f"{record.place} of {source}")
    count, offsets = len(places), pa.array(ends, pa.int32())
    turns = pa.StructArray.from_arrays(
        [pa.array(roles, pa.string()), pa.array(texts, pa.string())]
        + [pa.nulls(len(roles), pa.string()) for _ in _ABSENT],
        fields=list(MESSAGES.value_type),
    )
    verdicts = columns.pop("verdict")
    table = from_columns(
        count,
        **columns,
        source=pa.repeat(pa.scalar(source), count),
        license=pa.repeat(pa.scalar(license), count),
        verdicts=[{"ingest": verdict} for verdict in verdicts],
        kind=pa.repeat(pa.scalar(CHAT), count),
        messages=pa.ListArray.from_arrays(offsets, turns, type=MESSAGES),
    )
    return table, places


def _turns(record: Record, deciding: frozenset[str]) -> tuple[list[str], list[str]]:
    """Return the roles and the texts, as they are stored, of a chat of the usual shape. Raises Unusual."""
    column = None if record.fields is None else _chat_column(tuple(record.fields), deciding)
    if record.fields is None or column is None:
        raise Unusual
    turns = record.fields[column]
    if type(turns) is not list or not turns:
        raise Unusual
    for speaker, text in _LAYOUTS:
        try:
            roles = [_role(turn[speaker]) for turn in turns]
            contents = [_stored(turn[text]) for turn in turns if len(turn) == 2]
        except (KeyError, TypeError, AttributeError, IndexError):
            continue  # no such field, or another thing than an object
        except chats.Odd as error:
            raise Unusual from error
        if len(contents) != len(roles):
            raise Unusual
        spoken = [role for role in roles if role != "system"]
        if "assistant" not in spoken or spoken[0] != "user":
            raise Unusual
        return roles, contents
    raise Unusual


@functools.lru_cache(maxsize=256)
def _chat_column(names: tuple[str, ...], deciding: frozenset[str]) -> str | None:
    """Return the column that holds the chat if no other column of a record with these names decides anything."""
    holding = [name for name in names if plain(name) in chats.COLUMNS]
    others = {plain(name) for name in names if name not in holding}
    if len(holding) != 1 or plain(holding[0]) == "history" or others & deciding:
        return None
    return None if any(is_known(name) for name in others) else holding[0]


@functools.lru_cache(maxsize=1024)
def _role(name: str) -> str:
    role = chats.role_of(name)
    if role == "tool":
        raise Unusual
    return role


def _stored(text: str) -> str:
    """Return a text as it is stored. Raises Unusual if it is refused or empty, or TypeError if it is no text."""
    if not isinstance(text, str):
        raise Unusual
    if text.isascii() and "\r" not in text:
        stored = text.strip(BLANK)
        refused = len(stored) > MAX_SOLUTION or CONTROL.search(stored) is not None
    else:
        stored, _ = cleaned(text)
        refused = refusal("turn", stored, MAX_SOLUTION) is not None
    if refused or not stored:
        raise Unusual
    return stored


def _language(question: str) -> str:
    language = "en" if question.isascii() else language_of(question)
    if language is None:
        raise Unusual
    return language
