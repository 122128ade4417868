"""Parses completions: lists of problems item by item, and critiques.

Completions are hostile: nothing is evaluated, work is bounded by LONGEST and TRIES, and anything that does
not fit gives a typed fault instead of an exception. Tolerated because models often write them: prose and code
fences around the JSON, a reply cut off by the token limit (whole items are kept), raw newlines in
strings, and LaTeX commands with a single backslash. Not tolerated: fields of the wrong type or out
of range, empty questions, lone surrogates and control characters.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from annotated_types import MinLen
from pydantic import BaseModel, ValidationError

from prompts.asking_again import FaultKind, ReplyFault
from prompts.schemas import chinese_keys
from prompts.schemas.critique import Assessment, Critique
from prompts.schemas.problems import ProblemItem
from tasks.replies.solutions import solution_of
from tasks.text.cleaning import without_hidden

LONGEST = 200_000  # characters of a completion that are read
TRIES = 200  # positions at which a JSON value is tried, so that "{{{{..." costs a bounded time

Model = TypeVar("Model", bound=BaseModel)

OWN_CHECK_FAILED: Final = ReplyFault(FaultKind.OWN_CHECK, "the writer's own check failed")
_BROKEN_ITEM: Final = ReplyFault(FaultKind.BROKEN_JSON, "item is broken JSON or cut off")

# strict=False accepts raw newlines inside strings
_DECODER = json.JSONDecoder(strict=False)


@dataclass(frozen=True, slots=True)
class Parsed:
    """One item of a completion: a question, or the fault for which it has none."""

    question: str | None = None
    difficulty: int | None = None
    fault: ReplyFault | None = None


def problems(text: str) -> list[Parsed]:
    """Return every problem of a completion in order. A bad item becomes a Parsed with a fault; the others are kept."""
    text = _readable(text)
    start = _items_start(text, "problems", ("plan", "question"))
    if start is None:
        return [Parsed(fault=_no_list("problems"))]
    return [_problem(item) for item in _items(text, start)] or [
        Parsed(fault=ReplyFault(FaultKind.EMPTY_LIST, "the list of problems is empty"))
    ]


def listed(text: str, key: str, model: type[Model], *, firsts: Sequence[str]) -> list[Model | ReplyFault]:
    """Return every item of the list `key` of a completion in order, or in its place the fault for which it is unusable.

    The list is empty if the completion says that there is none. firsts: fields that stand first in an item; a completion that is one
    item, without the list, is read too. Texts that may be empty may be missing.
    """
    text = _readable(text)
    start = _items_start(text, key, firsts)
    if start is None:
        return [_no_list(key)]
    return [_item(item, model) for item in _items(text, start)]


def single(text: str, model: type[Model], *, key: str) -> Model | ReplyFault:
    """Return the last JSON object of a completion that has the field `key`, or the fault for which there is no usable one."""
    text = _readable(text)
    objects = [value for value in _objects(text) if isinstance(value, dict) and key in value]
    if objects:
        return _item(objects[-1], model)
    if f'"{key}"' in text:
        return ReplyFault(FaultKind.BROKEN_JSON, "the JSON of the completion is broken or cut off")
    return ReplyFault(FaultKind.NO_OBJECT, f"no JSON object with {key} in the completion", key)


def names(text: str, key: str) -> list[str] | ReplyFault:
    """Return the strings of the list `key` of a completion, or the fault that it has no such list. An item that is an object counts with
    its first string; a string that is cut off or broken is left out."""
    text = _readable(text)
    start = _items_start(text, key, (key,))
    if start is None:
        return _no_list(key)
    strings = []
    for item in _items(text, start):
        if isinstance(item, dict):
            item = next((value for value in item.values() if isinstance(value, str)), None)
        if isinstance(item, str) and not unfit(item):
            strings.append(without_hidden(item)[0].strip())
    return strings


def text_of(text: str, key: str) -> str | None:
    """Return the last string that a completion has under `key`; None if there is none."""
    text = _readable(text)
    for match in reversed(list(re.finditer(rf'"{key}"\s*:\s*(?=")', text))):
        value, _ = _decode(text, match.end())
        if isinstance(value, str) and not unfit(value):
            return without_hidden(value)[0].strip()
    return None


def written_objects(text: str) -> list[dict[str, Any]]:
    """Return the JSON objects of a completion with all of their fields, those of a list one by one, whether they are usable or not."""
    listed: list[dict[str, Any]] = []
    for value in _objects(_readable(text)):
        lists = [field for field in value.values() if isinstance(field, list)]
        inner = [one for items in lists for one in items if isinstance(one, dict)]
        listed += inner or [value]
    return listed


@functools.cache
def _chinese_key() -> re.Pattern[str]:
    return re.compile(rf'(?<!\\)"({"|".join(map(re.escape, chinese_keys().values()))})"(\s*)[:：]')


@functools.cache
def _english() -> dict[str, str]:
    return {chinese: english for english, chinese in chinese_keys().items()}


def _readable(text: str) -> str:
    """Return the reply without its thinking, with LaTeX that JSON can read, and with the keys of the schemas in English."""
    text = _double_latex_backslashes(_without_thinking(text)[:LONGEST])
    return _chinese_key().sub(lambda match: f'"{_english()[match[1]]}"{match[2]}:', text)


_WRITTEN = ("question", "solution")  # fields that may repeat the thinking before them
_JSON_AT_ONCE = re.compile(r"\s*(?:\{|\[\s*[\[{\"])")


def _without_thinking(text: str) -> str:
    """Return the reply without its thinking. One that begins with JSON has none, and may quote its tags."""
    return text if _JSON_AT_ONCE.match(text) else solution_of(text)


def critique(text: str) -> Critique | Assessment | ReplyFault:
    """Return the critic's judgement, or the fault for which the completion has none.

    Of several JSON objects the last one counts: models reason first, and may quote the solution before they judge it.
    """
    text = _readable(text)
    critiques = [
        value
        for value in _objects(text)
        if isinstance(value, dict) and ("answer_score" in value or "instruction_score" in value)
    ]
    if critiques:
        last = critiques[-1]
        return _fit(Critique, last) if "instruction_score" in last else _fit(Assessment, last)
    if "answer_score" in text or "instruction_score" in text:
        return ReplyFault(FaultKind.BROKEN_JSON, "the JSON of the critique is broken or cut off")
    return ReplyFault(FaultKind.NO_CRITIQUE, "no JSON critique in the completion")


def _no_list(key: str) -> ReplyFault:
    return ReplyFault(FaultKind.NO_LIST, f"no JSON list of {key} in the completion", key)


def _items_start(text: str, key: str, firsts: Sequence[str]) -> int | None:
    """Return the position of the first item of the list: after the last `"<key>": [` (models repeat the requested form
    before they fill it in), or after a bare `[`. None if there is no list. `firsts`: first fields of a single item."""
    keyed = list(re.finditer(rf'"{key}"\s*:\s*\[', text))
    opening = keyed[-1] if keyed else re.search(r'\[\s*(?=["{\]])', text)
    if opening:
        return opening.end()
    single = re.search(rf'\{{\s*"(?:{"|".join(firsts)})"', text)
    return single.start() if single else None


def _items(text: str, at: int) -> Iterator[Any]:
    """Yield the values of a JSON list, decoded one by one from `at`; a broken one is skipped to the next object."""
    for _ in range(TRIES):
        at = _skip(text, at, " \t\r\n,")
        if at >= len(text) or text[at] in "]}":
            return
        value, end = _decode(text, at)
        if value is not _Broken:
            yield value
            at = end
            continue
        following = re.compile(r'\{\s*"').search(text, at + 1)
        yield _Broken
        if following is None:
            return
        at = following.start()


def _objects(text: str) -> Iterator[Any]:
    """Yield every JSON object at the outer level of the text."""
    at = 0
    for _ in range(TRIES):
        at = text.find("{", at)
        if at < 0:
            return
        value, end = _decode(text, at)
        if value is not _Broken:
            yield value
        at = end if value is not _Broken else at + 1


class _Broken:
    """The marker of a value that is not JSON."""


def _decode(text: str, at: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):  # ValueError: also integers of more than 4300 digits
        return _Broken, at


def _problem(item: Any) -> Parsed:
    if item is _Broken:
        return Parsed(fault=_BROKEN_ITEM)
    if isinstance(item, str):
        item = {"question": item}
    if not isinstance(item, dict):
        return Parsed(fault=_not_an_object(item))
    if item.get("sound") is False:
        return Parsed(fault=OWN_CHECK_FAILED)
    fitted = _fit(ProblemItem, item)
    if isinstance(fitted, ReplyFault):
        return Parsed(fault=fitted)
    question = solution_of(fitted.question).strip()
    if not re.search(r"\w", question):
        return Parsed(fault=no_words("question"))
    return Parsed(question, fitted.difficulty)


def _item(item: Any, model: type[Model]) -> Model | ReplyFault:
    if item is _Broken:
        return _BROKEN_ITEM
    if not isinstance(item, dict):
        return _not_an_object(item)
    empty = {
        name: ""
        for name, field in model.model_fields.items()
        if field.annotation is str and not any(isinstance(limit, MinLen) for limit in field.metadata)
    }
    fitted = _fit(model, empty | item)
    if isinstance(fitted, ReplyFault):
        return fitted
    texts = {
        name: solution_of(text).strip() for name, text in fitted if name in _WRITTEN and isinstance(text, str)
    }
    if not re.search(r"\w", texts.get("question", "words")):
        return no_words("question")
    return fitted.model_copy(update=texts)


def _not_an_object(item: Any) -> ReplyFault:
    return ReplyFault(FaultKind.NOT_AN_OBJECT, f"item is a JSON {type(item).__name__}, not an object")


def no_words(field: str) -> ReplyFault:
    """Return the fault of a reply whose field has no words."""
    return ReplyFault(FaultKind.EMPTY_FIELD, f"{field}: has no words", field)


# the types of pydantic's errors that a re-ask has words of their own for
_KINDS: Final = {"string_too_short": FaultKind.EMPTY_FIELD, "missing": FaultKind.MISSING_FIELD}


def _fit(model: type[Model], value: Any) -> Model | ReplyFault:
    """Return the value as `model`, or the fault that names the field which is invalid."""
    try:
        fitted = model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = [str(part) for part in first["loc"]] or ["object"]
        kind = _KINDS.get(first["type"], FaultKind.INVALID_FIELD)
        # of a field within an item, only what is empty or missing is named by its own key
        named = place[-1] if len(place) == 1 or kind is not FaultKind.INVALID_FIELD else ""
        return ReplyFault(kind, f"{'.'.join(place)}: {first['msg'].lower()}", named)
    for name, text in fitted:
        if isinstance(text, str) and (why := unfit(text)):
            return ReplyFault(FaultKind.INVALID_FIELD, f"{name}: {why}", name)
    # invisible characters may have been escapes in the JSON, so they are removed after decoding
    texts = {name: without_hidden(text)[0] for name, text in fitted if isinstance(text, str)}
    return fitted.model_copy(update=texts)


# C0 and C1 controls except tab and newline
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def unfit(text: str) -> str | None:
    """Return why a string may not enter a row, None if it may: it cannot be stored as UTF-8, or would break a terminal."""
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "holds a lone surrogate"
    return "holds control characters" if _CONTROL.search(text.replace("\r\n", "\n")) else None


def _skip(text: str, at: int, characters: str) -> int:
    while at < len(text) and text[at] in characters:
        at += 1
    return at


# LaTeX commands that begin with a JSON escape (b f n r t u); all other commands are no valid JSON anyway
_NAMES = (
    "bar because begin beta between big bigcap bigcup Big bigg binom bmod boldsymbol bot boxed "
    "fbox forall frac frown "
    "nabla natural ncong neg neq ngeq nleq nmid nolimits notin nparallel nsubseteq "
    "rangle ratio rbrace rceil rfloor rho right rightarrow rm "
    "tan tanh tau tbinom text textbf textit textrm tfrac therefore theta times tilde to top triangle "
    "underbrace underline union uparrow upsilon"
)
_COMMANDS = frozenset(_NAMES.split())
_ESCAPE = re.compile(r"\\(?:\\|\"|/|u[0-9a-fA-F]{4}|([A-Za-z]+)|.|$)", re.DOTALL)
_ROW_END = re.compile(r"\s|&|\\[A-Za-z]")  # what follows the end of a row of a matrix or of an alignment


def _double_latex_backslashes(text: str) -> str:
    """Double the backslashes that are LaTeX, so that `\\frac` is not read as a form feed and "rac".

    A writer that does not double those of commands does not double those between the rows of a matrix either: there `\\\\` is the end of
    a row, and not one backslash.
    """
    if "\\" not in text:
        return text
    undoubled = any(_is_command(match[1]) for match in _ESCAPE.finditer(text) if match[1])

    def escaped(match: re.Match[str]) -> str:
        escape, letters = match.group(0), match.group(1)
        if escape == r"\\" and undoubled and _ends_row(text, match):
            return 2 * escape
        if letters is None:
            valid = len(escape) > 1 and (escape[1] in '\\"/' or escape[1] == "u")
            return escape if valid else "\\" + escape
        return "\\" + escape if _is_command(letters) else escape

    return _ESCAPE.sub(escaped, text)


def _is_command(letters: str) -> bool:
    """Return whether the letters after a backslash are a LaTeX command, and no escape of JSON."""
    return letters in _COMMANDS or letters[0] not in "bfnrtu" or letters[0] == "u"


def _ends_row(text: str, match: re.Match[str]) -> bool:
    """Return whether two backslashes that no third one precedes stand where a row ends."""
    return text[match.start() - 1 : match.start()] != "\\" and _ROW_END.match(text, match.end()) is not None
