"""How data sets name their columns, and what a record says under those names.

Known conventions: question/answer with GSM8K's `#### answer`, problem/solution with \\boxed{},
instruction/input/output, query/response, input/golden, chats (`messages`, `conversations`, verl's
`prompt` list with `reward_model.ground_truth`), multiple choice (`options`, `choices`), and a passage
or body before the question. Names are compared in lower case with spaces as underscores.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tasks.answers import extract
from tasks.hygiene import BLANK

CHATS = ("messages", "conversations", "prompt")
QUESTIONS = ("question", "problem", "query", "instruction", "input", "prompt")
BEFORE = ("passage", "context", "body")
OPTIONS = ("options", "choices")
SOLUTIONS = (
    "solution", "rationale", "generated_solution", "worked_solution", "response", "output", "generation", "completion",
)  # fmt: skip
ANSWERS = (
    "final_answer", "expected_answer", "reference_answer", "golden_answer", "gold_answer", "golden", "ground_truth",
    "gtruth_answer", "gt", "short_answer", "correct_answer", "correct", "target", "label", "answer",
)  # fmt: skip
ABOUT = ("language", "lang", "domain", "subdomain", "dataset", "data_source", "source", "license", "licence")
KNOWN = frozenset((*CHATS, *QUESTIONS, *BEFORE, *OPTIONS, *SOLUTIONS, *ANSWERS, *ABOUT, "reward_model"))

# marks by which a solution states its final answer; weaker finds are guesses, and no reference
TRUSTED = ("boxed", "hash", "tag", "json", "phrase")
_STATED = 200  # characters; a longer "answer" is a worked solution

_ANNOTATION = re.compile(r"<<[^<>\n]*=[^<>\n]*>>")
_CHOICE = re.compile(r"\(?[A-J][).:]")
# verl puts the instruction into the question; with it, every question shares a sentence
_INSTRUCTIONS = (
    "Let's think step by step and output the final answer within \\boxed{}.",
    'Let\'s think step by step and output the final answer after "####".',
)


@dataclass(frozen=True, slots=True)
class Fields:
    """What a record says, uncleaned. `answer` is the one the solution arrives at, `reference` the trusted one."""

    question: str
    solution: str | None = None
    answer: str | None = None
    reference: str | None = None
    language: str | None = None
    domain: str | None = None
    subdomain: str | None = None
    source: str | None = None
    license: str | None = None


class Unfit(ValueError):
    """A record that holds no question we can use; the message is the reason."""


def names_question(names: tuple[str, ...]) -> bool:
    """Whether a record with these columns can hold a question."""
    return any(name in _lookup(names) for name in (*CHATS, *QUESTIONS))


def read(record: Mapping[str, Any]) -> Fields:
    """The fields of a record by whichever convention it follows; Unfit if it follows none or holds no question."""
    found = _named(record)
    question, reply = _asked(record, found)
    question = _with_options(question, found.get("options", found.get("choices")))
    solution = _solution(found) or reply
    reference = _reference(found)
    if reference is not None and ("####" in reference or "\n" in reference or len(reference) > _STATED):
        if solution is None:
            solution, reference = reference, None
        else:
            reference = _final(reference)
    answer = None
    if solution is not None:
        if "<<" in solution:
            solution = _ANNOTATION.sub("", solution)
        stated = _final(solution)
        reference = reference if reference is not None else stated
        answer = stated if stated is not None else reference
    about = {name: _text(name, found[name]) for name in ABOUT if isinstance(found.get(name), str)}
    return Fields(
        question,
        solution,
        answer,
        reference,
        about.get("language", about.get("lang")),
        about.get("domain"),
        about.get("subdomain"),
        about.get("dataset", about.get("data_source", about.get("source"))),
        about.get("license", about.get("licence")),
    )


def question(record: Mapping[str, Any]) -> str:
    """The question of a record without its options; Unfit if it holds none."""
    return _asked(record, _named(record))[0]


def _named(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a record says under the names that are known, by our names."""
    by_name = _lookup(tuple(record))
    return {name: record[key] for name, key in by_name.items() if record[key] is not None}


def _asked(record: Mapping[str, Any], found: dict[str, Any]) -> tuple[str, str | None]:
    """(question, reply); the reply where it is a chat that has one."""
    asked, reply = _chat(found)
    if asked is None:
        asked = _question(found, bool(_lookup(tuple(record)).keys() & set(QUESTIONS)))
    return asked, reply


@functools.lru_cache(maxsize=256)
def _lookup(names: tuple[str, ...]) -> dict[str, str]:
    """Our name of a column -> the record's spelling of it."""
    found: dict[str, str] = {}
    for name in names:
        ours = name.strip().lower().replace(" ", "_").replace("-", "_")
        if ours in KNOWN:
            found.setdefault(ours, name)
    return found


def _question(found: dict[str, Any], named: bool) -> str:
    for name in QUESTIONS:
        if name in found and found[name] != "":
            text = _required(name, found[name])
            if name == "instruction" and isinstance(found.get("input"), str) and found["input"].strip():
                text = f"{text}\n\n{found['input']}"
            elif name in ("question", "query"):
                before = [found[key].strip(BLANK) for key in BEFORE if isinstance(found.get(key), str)]
                ended = [part if part[-1] in ".?!:。？！：" else f"{part}." for part in before if part]
                text = " ".join([*ended, text])
            return _without_instruction(text)
    raise Unfit("no question" if not named else "the question is empty")


def _chat(found: dict[str, Any]) -> tuple[str | None, str | None]:
    """(question, reply) of a chat with one user turn; (None, None) where there is no chat."""
    turns = next((found[name] for name in CHATS if isinstance(found.get(name), list)), None)
    if turns is None:
        return None, None
    said: dict[str, list[str]] = {"user": [], "assistant": []}
    for turn in turns:
        if not isinstance(turn, dict):
            raise Unfit("a chat turn is not an object with role and content")
        role = {"human": "user", "gpt": "assistant"}.get(turn.get("from", ""), turn.get("role"))
        if role in said:
            content = turn.get("content", turn.get("value"))
            if isinstance(content, list):  # parts, of which only words are of use here
                parts = [
                    part for part in content if isinstance(part, dict) and part.get("type", "text") == "text"
                ]
                content = "\n".join(str(part.get("text", part.get("value", ""))) for part in parts)
            said[role].append(_required(f"{role} turn", content) if content else "")
    if len(said["user"]) != 1:
        raise Unfit(f"a chat of {len(said['user'])} user turns; one question a row")
    return _without_instruction(said["user"][0]), next(
        (reply for reply in said["assistant"] if reply.strip()), None
    )


def _without_instruction(text: str) -> str:
    for sentence in _INSTRUCTIONS:
        text = text.strip(BLANK).removeprefix(sentence).removesuffix(sentence)
    return text.strip(BLANK)


def _with_options(question: str, options: Any) -> str:
    """The choices belong to the question: without them its answer, a letter, means nothing."""
    if isinstance(options, str):
        return f"{question}\n{options}" if options.strip() else question
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        return question
    lettered = [o if _CHOICE.match(o) else f"{chr(65 + i)}) {o}" for i, o in enumerate(options)]
    return "\n".join([question, *lettered])


def _solution(found: dict[str, Any]) -> str | None:
    for name in SOLUTIONS:
        value = found.get(name)
        if isinstance(value, list) and value and all(isinstance(step, str) for step in value):
            value = "\n".join(value)
        if isinstance(value, str):
            if value.strip():
                return value
        elif value is not None:
            raise Unfit(f"the {name} is {_kind(value)}, not text")
    return None


def _reference(found: dict[str, Any]) -> str | None:
    for name in ANSWERS:
        if name not in found:
            continue
        value = found[name]
        if name == "answer" and isinstance(value, int) and not isinstance(value, bool):
            choices = found.get("choices", found.get("options"))
            if isinstance(choices, list) and 0 <= value < len(choices):
                return chr(65 + value)
        text = _text(name, value).strip(BLANK)
        if text:
            return text
    rule = found.get("reward_model")
    if isinstance(rule, dict) and isinstance(rule.get("ground_truth"), str):
        return str(rule["ground_truth"]).strip(BLANK) or None
    return None


def _final(solution: str) -> str | None:
    found = extract(solution)
    if found is None:
        return None
    marked = found.kind in TRUSTED or (
        found.kind == "choice" and ("\\boxed" in solution or "####" in solution)
    )
    return found.answer if marked else None


def _required(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise Unfit(f"the {name} is {_kind(value)}, not text")
    if not value.strip():
        raise Unfit(f"the {name} is empty")
    return value


def _text(name: str, value: Any) -> str:
    """A value as text: numbers in their shortest exact spelling, a list as its parts."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise Unfit(f"the {name} is {value}, not a number")
        if abs(value) < 10**30 and value == int(value):
            return str(int(value))
        return str(value)
    if isinstance(value, (str, int)):
        return str(value)
    if isinstance(value, list) and all(isinstance(part, (str, int, float, Decimal)) for part in value):
        return ", ".join(_text(name, part) for part in value)
    raise Unfit(f"the {name} is {_kind(value)}, not text")


def _kind(value: Any) -> str:
    kinds = {bool: "a truth value", list: "a list", dict: "an object", type(None): "null"}
    return kinds.get(
        type(value), "a number" if isinstance(value, (int, float, Decimal)) else type(value).__name__
    )
