"""Reads chats of the commonest shape, a list of turns with nothing but a role and a text, into columns.

Such a record needs none of the searches that other shapes need, and no object per turn. Whatever is unusual about a record
leaves it to tasks.stages.import_dataset.rows_of, which reads every shape; the rows of both are equal.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.rows import CHAT, MESSAGES, ChatTurn, content_id, from_columns
from storage.visible import CONTROL
from tasks.arrays import Indexes, Mask
from tasks.ingestion import chats
from tasks.ingestion.column_names import is_known, plain
from tasks.ingestion.json_columns import column_of
from tasks.ingestion.json_records import LineBatch
from tasks.ingestion.record import Record
from tasks.ingestion.several import SIGNS
from tasks.text.cleaning import BLANK, MAX_SOLUTION, cleaned, language_of, refusal

LAYOUTS = (("role", "content"), ("from", "value"))  # names of the speaker and of the text
_ABSENT = len(ChatTurn.__annotations__) - 2  # fields that a turn lacks beside its role and content
_USER, _ASSISTANT, _SYSTEM = range(3)
_ROLES = pa.array(["user", "assistant", "system"])
# what only a turn with thinking in it begins with or has, and what a turn is that judges a step: other readers take these apart
_OPENINGS = ("<", "[", "◁")
_FIRST_BYTES = np.unique(np.frombuffer("".join(_OPENINGS).encode(), np.uint8)[[0, 1, 2]])
_CLOSING = "</think"
_EXCHANGE = 2  # turns of one question and one reply


class Unusual(ValueError):
    """A record of another shape, or with a text that has to be refused."""


@dataclass(frozen=True, slots=True)
class ChatColumns:
    """Chats as columns: of n chats with m turns in all.

    places: (n,) the place of each among the records that were given. labels: its place in its file. counts: (n,) its turns, at least
    one. roles: (m,) indexes of _ROLES. texts: (m,) as they are stored.
    """

    places: Indexes
    labels: pa.Array
    counts: Indexes
    roles: Indexes
    texts: pa.Array

    def starts(self) -> Indexes:
        return np.cumsum(self.counts) - self.counts

    def only(self, chosen: Mask) -> ChatColumns:
        """Return the chats that are chosen, (n,) bool."""
        if chosen.all():
            return self
        turns = np.repeat(chosen, self.counts)
        return ChatColumns(
            self.places[chosen],
            self.labels.filter(pa.array(chosen)),
            self.counts[chosen],
            self.roles[turns],
            self.texts.filter(pa.array(turns)),
        )


def usual_chats(
    records: Sequence[Record] | LineBatch,
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
    parts = (
        [_of_lines(block, first, deciding) for first, block in records.blocks()]
        if isinstance(records, LineBatch)
        else [_of_records(records, deciding)]
    )
    tables, places = [from_columns(0)], list[int]()
    for part in parts:
        if part is not None:
            known, questions, languages = _with_languages(part.only(_fitting(part, exchanges)))
            tables.append(_table(known, questions, languages, source, license))
            places += known.places.tolist()
    return pa.concat_tables(tables), places


def _of_records(records: Sequence[Record], deciding: frozenset[str]) -> ChatColumns:
    """Return the chats whose roles and texts can be stored, whatever their order is."""
    places, roles, texts = list[int](), list[int](), list[str]()
    ends = [0]
    for place, record in enumerate(records):
        try:
            speakers, contents = _turns(record, deciding)
        except Unusual:
            continue
        places.append(place)
        roles += speakers
        texts += contents
        ends.append(len(roles))
    labels = pa.array([records[place].place for place in places], pa.string())
    return ChatColumns(
        np.array(places, np.int64),
        labels,
        np.asarray(np.diff(ends), np.int64),
        np.array(roles, np.int64),
        pa.array(texts, pa.string()),
    )


def _turns(record: Record, deciding: frozenset[str]) -> tuple[list[int], list[str]]:
    """Return the roles and the texts, as they are stored, of a chat of the usual shape. Raises Unusual."""
    column = None if record.fields is None else chat_column(tuple(record.fields), deciding)
    if record.fields is None or column is None:
        raise Unusual
    turns = record.fields[column]
    if type(turns) is not list or not turns:
        raise Unusual
    for speaker, text in LAYOUTS:
        try:
            roles = [_role(turn[speaker]) for turn in turns]
            contents = [_stored(turn[text]) for turn in turns if len(turn) == 2]
        except (KeyError, TypeError, AttributeError, IndexError):
            continue  # no such field, or another thing than an object
        if len(contents) != len(roles) or any(
            role == _ASSISTANT and _has_parts(text) for role, text in zip(roles, contents, strict=True)
        ):
            raise Unusual
        return roles, contents
    raise Unusual


@functools.lru_cache(maxsize=256)
def chat_column(names: tuple[str, ...], deciding: frozenset[str]) -> str | None:
    """Return the column that holds the chat if no other column of a record with these names decides anything."""
    holding = [name for name in names if plain(name) in chats.COLUMNS]
    others = {plain(name) for name in names if name not in holding}
    if len(holding) != 1 or plain(holding[0]) == "history" or others & deciding:
        return None
    return None if any(is_known(name) for name in others) else holding[0]


@functools.lru_cache(maxsize=1024)
def _role(name: str) -> int:
    """Return the index of a role in _ROLES. Raises Unusual for an unknown one and for tools."""
    try:
        role = chats.role_of(name)
    except chats.Odd as error:
        raise Unusual from error
    if role == "tool":
        raise Unusual
    return int(_ROLES.index(role).as_py())


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


def _has_parts(text: str) -> bool:
    """Return whether a reply may have thinking in it, or be the sign that judges a step."""
    return text.startswith(_OPENINGS) or _CLOSING in text or text in SIGNS


def _have_parts(texts: pa.Array) -> Mask:
    """Return the same of each text as it is stored, (n,)."""
    held = texts.buffers()[2] or pa.py_buffer(b"")
    data = np.frombuffer(held, np.uint8)
    if not len(data):
        return np.zeros(len(texts), np.bool_)
    ends = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset :][: len(texts) + 1]
    first, sizes = data[np.minimum(ends[:-1], len(data) - 1)], np.diff(ends)
    parts = np.isin(first, _FIRST_BYTES) & (sizes > 0)
    parts |= np.isin(first, np.frombuffer("".join(SIGNS).encode(), np.uint8)) & (sizes == 1)
    if _CLOSING.encode() in held.to_pybytes():
        parts |= _mask(pc.fill_null(pc.match_substring(texts, _CLOSING), False))
    return np.asarray(parts, dtype=np.bool_)


def _of_lines(lines: LineBatch, first: int, deciding: frozenset[str]) -> ChatColumns | None:
    """Return the chats in lines of JSON, the first of which has the place `first`; None if none is of the usual shape."""
    begin = next((one.fields for one in lines.records(range(min(len(lines), 8))) if one.fields), None)
    column = None if begin is None else chat_column(tuple(begin), deciding)
    if begin is None or column is None:
        return None
    turn = next(iter(begin[column]), None) if isinstance(begin[column], list) else None
    layout = next((one for one in LAYOUTS if isinstance(turn, dict) and set(one) <= turn.keys()), LAYOUTS[0])
    kind = pa.list_(pa.struct([(name, pa.string()) for name in layout]))
    parsed = column_of(lines, column, kind)
    if parsed is None or chat_column(parsed.names, deciding) != column:
        return None
    values = parsed.values
    counts = np.asarray(pc.fill_null(pc.list_value_length(values), 0), np.int64)
    turns = values.flatten()
    parts = dict(zip((field.name for field in turns.type), turns.flatten(), strict=True))
    speakers, texts = parts.pop(layout[0]), parts.pop(layout[1])
    fit = _mask(pc.and_(speakers.is_valid(), texts.is_valid()))
    for more in parts.values():  # a turn with more than a role and a text
        fit &= _mask(more.is_null())
    roles, known = _roles(speakers)
    texts, usable = _stored_texts(texts, fit & known)
    fit &= known & usable
    fit &= (roles != _ASSISTANT) | ~_have_parts(texts)
    chosen = counts > 0
    inside = np.repeat(np.arange(len(counts)), counts)
    chosen[inside[~fit]] = False
    numbers = pa.array(lines.numbers).cast(pa.string())
    whole = ChatColumns(
        first + np.arange(len(counts)),
        pc.binary_join_element_wise("line", numbers, " "),
        counts,
        roles,
        texts,
    )
    return whole.only(chosen)


def _mask(values: pa.Array) -> Mask:
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.bool_)


def _roles(speakers: pa.Array) -> tuple[Indexes, Mask]:
    """Return the index of each role, and whether it is a known one."""
    coded = speakers.dictionary_encode()
    indexes = []
    for name in coded.dictionary.to_pylist():
        try:
            indexes.append(_role(name))
        except Unusual:
            indexes.append(-1)
    codes = np.asarray(coded.indices.fill_null(len(indexes)).to_numpy(zero_copy_only=False), np.int64)
    roles = np.array([*indexes, -1], np.int64)[codes]
    return roles, roles >= 0


def _stored_texts(texts: pa.Array, fit: Mask) -> tuple[pa.Array, Mask]:
    """Return the texts as they are stored, and which can be. Those that are not `fit` are left as they are."""
    if pa.types.is_null(texts.type):
        return texts.cast(pa.string()), np.zeros(len(texts), np.bool_)
    plain_ones = _are_ascii(texts)
    if _has_controls(np.frombuffer(texts.buffers()[2] or b"", np.uint8)):
        flagged = pc.match_substring_regex(texts, r"[\x00-\x08\x0b-\x1f\x7f]")
        plain_ones &= ~_mask(pc.fill_null(flagged, False))
    stored = pc.ascii_trim(texts, " \t\n")
    usable = fit.copy()
    others = np.flatnonzero(fit & ~plain_ones)
    if len(others):
        replaced: list[str] = []
        for place, text in zip(others.tolist(), texts.take(pa.array(others)).to_pylist(), strict=True):
            try:
                replaced.append(_stored(text))
            except Unusual:
                replaced.append("")
                usable[place] = False
        mask = np.zeros(len(texts), np.bool_)
        mask[others] = True
        stored = pc.replace_with_mask(stored, pa.array(mask), pa.array(replaced, pa.string()))
    sizes = pc.utf8_length(stored) if len(others) else pc.binary_length(stored)
    sizes = np.asarray(pc.fill_null(sizes, 0).to_numpy(zero_copy_only=False))
    return stored, usable & (sizes > 0) & (sizes <= MAX_SOLUTION)


def _has_controls(data: npt.NDArray[np.uint8]) -> bool:
    """Return whether bytes have control characters; tabs and line feeds are none."""
    low = np.count_nonzero(data < 0x20)
    allowed = np.count_nonzero(data == 0x09) + np.count_nonzero(data == 0x0A) if low else 0
    return bool(low > allowed or (data == 0x7F).any())


def _are_ascii(texts: pa.Array) -> Mask:
    """Return whether each text, (n,), has no other characters than those of ASCII; a null is none."""
    data = np.frombuffer(texts.buffers()[2] or b"", np.uint8)
    if data.size and data.max() < 0x80 and not texts.null_count:
        return np.ones(len(texts), np.bool_)
    return _mask(pc.fill_null(pc.string_is_ascii(texts), False))


def _fitting(chats_: ChatColumns, exchanges: bool) -> Mask:
    """Return which chats, (n,), have a turn of the assistant and begin with the user; of one question and one reply only with
    `exchanges`."""
    if not len(chats_.counts):
        return np.zeros(0, np.bool_)
    starts, turns = chats_.starts(), np.arange(len(chats_.roles))
    spoken = chats_.roles != _SYSTEM
    first = np.minimum.reduceat(np.where(spoken, turns, len(turns)), starts)
    begins = np.append(chats_.roles, _SYSTEM)[first] == _USER
    replies = np.add.reduceat((chats_.roles == _ASSISTANT).astype(np.int64), starts)
    fitting = begins & (replies > 0)
    if not exchanges:
        fitting &= (np.add.reduceat(spoken.astype(np.int64), starts) != _EXCHANGE) | (replies != 1)
    return np.asarray(fitting, dtype=np.bool_)


def _questions(part: ChatColumns) -> pa.Array:
    """Return the texts of each chat's user turns, joined by blank lines."""
    asked = part.roles == _USER
    counts = np.add.reduceat(asked.astype(np.int64), part.starts()) if len(part.counts) else part.counts
    listed = _listed(part.texts.filter(pa.array(asked)), counts)
    return pc.binary_join(listed, "\n\n")


def _listed(values: pa.Array, counts: Indexes) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(np.append(0, np.cumsum(counts)), pa.int32()), values)


def _with_languages(part: ChatColumns) -> tuple[ChatColumns, pa.Array, list[str]]:
    """Return the chats whose language is known, their questions and their languages."""
    questions = _questions(part)
    languages: list[str | None] = ["en"] * len(questions)
    for place in np.flatnonzero(~_are_ascii(questions)).tolist():
        languages[place] = language_of(questions[place].as_py())
    known = np.array([language is not None for language in languages], np.bool_)
    return (
        part.only(known),
        questions.filter(pa.array(known)),
        [language for language in languages if language is not None],
    )


def _table(
    part: ChatColumns, questions: pa.Array, languages: list[str], source: str, license: str
) -> pa.Table:
    count = len(part.counts)
    roles = _ROLES.take(pa.array(part.roles))
    ids, problems = _ids(part, questions, roles, languages)
    turns = pa.StructArray.from_arrays(
        [roles, part.texts] + [pa.nulls(len(roles), pa.string())] * _ABSENT, fields=list(MESSAGES.value_type)
    )
    offsets = pa.array(np.append(0, np.cumsum(part.counts)), pa.int32())
    places = pc.binary_join_element_wise(part.labels, source, " of ")
    verdicts = pa.MapArray.from_arrays(
        pa.array(np.arange(count + 1), pa.int32()), pa.repeat(pa.scalar("ingest"), count), places
    )
    return from_columns(
        count,
        id=ids,
        problem_id=problems,
        question=questions,
        language=pa.array(languages, pa.string()),
        source=pa.repeat(pa.scalar(source), count),
        license=pa.repeat(pa.scalar(license), count),
        verdicts=verdicts,
        kind=pa.repeat(pa.scalar(CHAT), count),
        messages=pa.ListArray.from_arrays(offsets, turns, type=MESSAGES),
    )


def _ids(
    part: ChatColumns, questions: pa.Array, roles: pa.Array, languages: Sequence[str]
) -> tuple[pa.Array, pa.Array]:
    """Return the ids of the rows and of their questions, which storage.rows.content_id would give.

    The bytes that are hashed are put together in columns. Only where there are other characters than those of ASCII, whose normal form
    may be another one, each chat is hashed by that function.
    """
    turns = _as_json(part, roles)
    fixed = _prefixed("") + _prefixed(CHAT)
    hashed_bytes = pc.binary_join_element_wise(
        _prefixed("en"), _sizes(questions), questions.cast(pa.binary()),
        fixed, _sizes(turns, 2), b"[", turns.cast(pa.binary()), b"]", b"",
    )  # fmt: skip
    before = len(_prefixed("en")) + 8
    middles = (np.asarray(pc.binary_length(questions)) + before).tolist()
    problems, ids = list[bytes](), list[bytes]()
    for piece, middle in zip(_pieces(hashed_bytes), middles, strict=True):
        hashed = hashlib.sha256(piece[:middle])
        problems.append(hashed.digest())
        hashed.update(piece[middle:])
        ids.append(hashed.digest())
    named = [_digits(ids), _digits(problems)]
    others = np.flatnonzero(~_are_ascii(turns))  # the questions are parts of them
    if len(others):
        replaced = []
        for place in others.tolist():
            parts = (languages[place], questions[place].as_py())
            listed = f"[{turns[place].as_py()}]"
            replaced.append((content_id(*parts, "", CHAT, listed), content_id(*parts)))
        mask = np.zeros(len(questions), np.bool_)
        mask[others] = True
        named = [
            pc.replace_with_mask(values, pa.array(mask), pa.array(new, pa.string()))
            for values, new in zip(named, zip(*replaced, strict=True), strict=True)
        ]
    return named[0], named[1]


def _pieces(values: pa.Array) -> Iterator[memoryview]:
    """Return the bytes of each value, without a copy."""
    ends = np.frombuffer(values.buffers()[1], np.int32)[values.offset :][: len(values) + 1].tolist()
    data = memoryview(values.buffers()[2] or b"")
    return map(data.__getitem__, map(slice, ends, ends[1:]))


def _digits(digests: Sequence[bytes]) -> pa.Array:
    """Return the first _DIGITS hex digits of each digest."""
    whole = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, hashlib.sha256().digest_size)
    text = np.ascontiguousarray(whole[:, : _DIGITS // 2]).tobytes().hex().encode()
    ends = np.arange(len(digests) + 1, dtype=np.int32) * np.int32(_DIGITS)
    return pa.Array.from_buffers(pa.string(), len(digests), [None, pa.py_buffer(ends), pa.py_buffer(text)])


_DIGITS = len(content_id(""))


def _prefixed(part: str) -> bytes:
    data = part.encode()
    return len(data).to_bytes(8, "big") + data


def _sizes(values: pa.Array, more: int = 0) -> pa.Array:
    """Return the length of each text in bytes, and `more`, as eight bytes, the highest first."""
    sizes = (np.asarray(pc.binary_length(values)) + more).astype(">u8")
    fixed = pa.Array.from_buffers(pa.binary(8), len(values), [None, pa.py_buffer(sizes.tobytes())])
    return fixed.cast(pa.binary())


def _as_json(part: ChatColumns, roles: pa.Array) -> pa.Array:
    """Return the turns of each chat as the JSON that ids are hashed from, lists of the values of ChatTurn with commas between."""
    texts = part.texts
    data = (texts.buffers()[2] or pa.py_buffer(b"")).to_pybytes()
    for character, escape in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t")):
        if character.encode() in data:
            texts = pc.replace_substring(texts, character, escape)
    nulls = ",null" * _ABSENT
    opened = pa.array([f'["{role}","' for role in _ROLES.to_pylist()]).take(pa.array(part.roles))
    turns = pc.binary_join_element_wise(opened, texts, f'"{nulls}]', "")
    return pc.binary_join(_listed(turns, part.counts), ",")
