"""Problems that the embedded teacher writes back from the steps of a computation: the data of each step, what its result is called, and the
question of the last step.

"How many boxes did Tom pack?" becomes "Let X be the number of boxes that Tom packed.", and [A] in a later step becomes X. At the rates of the
character a number is changed, the check is careless, or the JSON is broken.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from tasks.teacher.character import Character
from tasks.teacher.jobs import Prompted, in_chinese, names_key, written
from tasks.teacher.writing import flawed

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])\s*")
_RESULT = re.compile(r"\[([A-H])\]")
NAMES = dict(
    zip("ABCDEFGH", "XYZUVWST", strict=True)
)  # of results in the problem; "A" and "I" are words, too
_ADVERB = re.compile(r"(?:still|also|already|originally|initially|actually|only) ")
_PAST = {
    "have": "had", "buy": "bought", "eat": "ate", "make": "made", "sell": "sold", "spend": "spent", "get": "got", "give": "gave", "read": "read",
    "find": "found", "pay": "paid", "take": "took", "lose": "lost", "see": "saw", "catch": "caught", "leave": "left", "run": "ran", "do": "did",
    "write": "wrote", "win": "won", "put": "put", "drive": "drove", "grow": "grew", "build": "built", "send": "sent", "draw": "drew", "go": "went",
    "hold": "held", "begin": "began", "give away": "gave away", "cut": "cut", "throw": "threw", "keep": "kept", "set": "set", "break": "broke",
    "receive": "received", "come": "came", "cost": "cost", "bring": "brought", "feed": "fed", "weigh": "weighed", "drink": "drank",
}  # fmt: skip
_SUBJECT = r"(?:(?:the|his|her|their|each|every|a|an|all|both) (?:[a-z’'-]+ )?[a-z’'-]+|[A-Z][\w.’'-]*(?: (?:and|[A-Z])[\w.’'-]*)*|he|she|it|they|we|you|I)"
_HOW_MANY = re.compile(
    rf"^[Hh]ow (?:many|much) (?P<what>(?:[\w’'-]+ ){{1,4}}?)(?P<aux>does|did|do|will|would|can|could|has|have|had|must|should|is|are|was|were) (?P<subject>{_SUBJECT}) (?P<rest>.+)$"
)
_OBJECTLESS = re.compile(
    rf"^[Hh]ow much (?P<aux>does|did|do|will|would|can|could|has|have|had|must|should|is|are|was|were) (?P<subject>{_SUBJECT}) (?P<rest>.+)$"
)
_SUBJECTS = re.compile(
    r"^[Hh]ow many (?P<what>(?:[\w’'-]+ ){1,4}?)(?P<rest>(?:are|is|were|was|remain|remained|will|would|have|has|had|can) .+|remain|remained)$"
)
_WHAT_IS = re.compile(r"^[Ww]hat (?:is|was|will be) (?P<what>the .+)$")


@dataclass(frozen=True, slots=True)
class CompositionRequest:
    """A request for one problem out of steps, with Chinese keys or with English ones."""

    steps: tuple[str, ...]
    chinese_keys: bool


writes_json = True


def read(prompted: Prompted) -> CompositionRequest | None:
    """Return the steps if the prompt requires a problem that is composed of them."""
    steps = tuple(text for _, text in prompted.parts.blocks)
    if len(steps) < 2 or not names_key(prompted.words, "composed"):
        return None
    return CompositionRequest(steps, in_chinese("composed", prompted.words))


def answer(
    requested: CompositionRequest,
    language: str,
    character: Character,
    rng: random.Random,
    *,
    valid_json: bool,
) -> str:
    """Return JSON with the problem."""
    zh = language == "zh"
    text = ("" if zh else " ").join(_sentences(requested.steps, zh=zh))
    wrong = rng.random() < character.rates.flawed
    record = {
        "plan": "前一步的结果先起名字，再用到后面。"
        if zh
        else "Each result gets a name and is used in the next step.",
        "composed": flawed(text, rng) if wrong else text,
        "check": "各步中的数都写到了，只问最后一步。"
        if zh
        else "Every number of the steps is stated, and only the last result is asked for.",
        "sound": True,
    }
    return written(record, [record], character, rng, valid_json=valid_json, chinese=requested.chinese_keys)


def _sentences(steps: tuple[str, ...], *, zh: bool) -> list[str]:
    sentences = []
    for place, step in enumerate(steps):
        text = " ".join(
            _RESULT.sub(lambda match: f" {NAMES[match[1]]} " if zh else NAMES[match[1]], step).split()
        )
        asks = next(part for part in reversed(_SENTENCE_END.split(text.strip())) if part)
        stated = text.strip()[: -len(asks)].strip()
        last = place + 1 == len(steps)
        condition = "" if zh else _condition(asks)
        if condition and not last:
            asks = asks[len(condition) :].lstrip(" ,")
            stated = f"{stated} {_statement(condition)}"
        if not zh:
            stated = re.sub(
                r"(?:(?<=^)|(?<=[.!] ))If ([^,.]+)\.(?= |$)", lambda match: _statement(match[0]), stated
            )
        sentences.append(stated)
        sentences.append(asks if last else (_named_zh if zh else _named)(asks, NAMES["ABCDEFGH"[place]]))
    return sentences


def _condition(asks: str) -> str:
    """Return the clause with "if" or "when" before a question word, empty if there is none: it is a statement about the data."""
    match = re.match(
        r"(?:If|When|Assuming|Suppose) (?P<clause>.+?)(?=,? (?:[Hh]ow (?:many|much)|[Ww]hat)\b)", asks
    )
    return match[0] if match else ""


def _statement(clause: str) -> str:
    """Return a clause with "if" as a sentence of its own."""
    text = re.sub(r"^(?:If|When|Assuming|Suppose) (?:that )?", "", clause).strip(" ,.")
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _named_zh(asks: str, letter: str) -> str:
    """Return 设小明还剩 X 个苹果。 for 小明还剩多少个苹果？"""
    for word in ("多少", "几"):
        if asks.count(word) == 1:
            return f"设{asks.rstrip('？?').replace(word, f' {letter} ')}。"
    return f"{asks.rstrip('？?')}，记结果为 {letter}。"


def _named(asks: str, letter: str) -> str:
    """Return `Let X be the number of boxes that Tom packed.` for `How many boxes did Tom pack?`"""
    text = asks.rstrip("?").strip()
    if match := _HOW_MANY.match(text):
        what = match["what"].strip()
        amount = f"the amount of {what}" if text[4:8] == "much" else f"the number of {what}"
        return f"Let {letter} be {amount} that {match['subject']} {_inflected(match['aux'], match['rest'])}."
    if match := _OBJECTLESS.match(text):
        return f"Let {letter} be the amount, in dollars, that {match['subject']} {_inflected(match['aux'], match['rest'])}."
    if match := _SUBJECTS.match(text):
        rest = re.sub(r"^(are|were|is|was) there\b\s*", r"there \1 ", match["rest"]).strip()
        return f"Let {letter} be the number of {match['what'].strip()} that {rest}."
    if match := _WHAT_IS.match(text):
        return f"Let {letter} be {match['what']}."
    return f"Let {letter} be the answer to this: {text[0].lower()}{text[1:]}."


def _inflected(aux: str, rest: str) -> str:
    """Return a predicate without the auxiliary of a question: `did pack` is packed, `does have` is has."""
    adverb = match[0] if (match := _ADVERB.match(rest)) else ""
    verb, _, others = rest.removeprefix(adverb).partition(" ")
    if aux == "did":
        verb = _PAST.get(verb) or (
            f"{verb}d"
            if verb.endswith("e")
            else f"{verb[:-1]}ied"
            if re.search(r"[^aeiou]y$", verb)
            else f"{verb}ed"
        )
    elif aux == "does":
        verb = {"have": "has", "do": "does", "go": "goes"}.get(verb) or (
            f"{verb}es"
            if re.search(r"(?:s|sh|ch|x|z)$", verb)
            else f"{verb[:-1]}ies"
            if re.search(r"[^aeiou]y$", verb)
            else f"{verb}s"
        )
    elif aux != "do":
        verb = f"{aux} {verb}"
    return f"{adverb}{verb} {others}".strip()
