"""Results that have names in a problem: how the embedded teacher names the result of a step in one sentence, and how it reads and works a
problem with such sentences again.

"How many boxes did Tom pack?" becomes "Let X be the number of boxes that Tom packed." To work the problem, each such sentence is turned back
into the questions that it may come from, until one of them is a known problem with the data before it; its answer takes the place of X in what
follows. Only problems whose parts are known, word by word, are worked.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from tasks.problems.machinery.family import Worked, recognise

NAMES = dict(zip("ABCDEFGH", "XYZUVWST", strict=True))
"""The names of results; "A" and "I" are words, too."""
LONGEST = 4000  # characters of a problem that is read
_ADVERB = re.compile(r"(?:still|also|already|originally|initially|actually|only) ")
_PAST = {
    "have": "had", "buy": "bought", "eat": "ate", "make": "made", "sell": "sold", "spend": "spent", "get": "got", "give": "gave", "read": "read",
    "find": "found", "pay": "paid", "take": "took", "lose": "lost", "see": "saw", "catch": "caught", "leave": "left", "run": "ran", "do": "did",
    "write": "wrote", "win": "won", "put": "put", "drive": "drove", "grow": "grew", "build": "built", "send": "sent", "draw": "drew", "go": "went",
    "hold": "held", "begin": "began", "give away": "gave away", "cut": "cut", "throw": "threw", "keep": "kept", "set": "set", "break": "broke",
    "receive": "received", "come": "came", "cost": "cost", "bring": "brought", "feed": "fed", "weigh": "weighed", "drink": "drank",
}  # fmt: skip
_SUBJECT = r"(?:(?:the|his|her|their|each|every|a|an|all|both) (?:[a-z’'-]+ )?[a-z’'-]+|[A-Z][\w.’'-]*(?: (?:and|[A-Z])[\w.’'-]*)*|he|she|it|they|we|you|I|\d+(?: of (?:the|these|those|his|her|their))? [a-z’'-]+)"
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
_LET = re.compile(r"(?<!\S)Let (?P<letter>[S-Z]) be (?P<what>[^?]+?)\.(?=\s)")
_LET_ZH = re.compile(r"设(?P<what>[^。？]*?\s(?P<letter>[S-Z])\s[^。？]*)。")
_THAT = re.compile(r"the (?P<of>number|amount) of (?P<what>.+?) that (?P<rest>.+)")
_DOLLARS = re.compile(r"the amount, in dollars, that (?P<rest>.+)")
_AUXILIARIES = (
    "will",
    "would",
    "can",
    "could",
    "has",
    "have",
    "had",
    "must",
    "should",
    "is",
    "are",
    "was",
    "were",
)
_BASE = {past: base for base, past in _PAST.items()} | {"has": "have", "does": "do", "goes": "go"}


@functools.lru_cache(maxsize=4096)  # the samples of one question follow each other
def worked_named(text: str, language: str) -> Worked | None:
    """Return the worked solution of a problem with named results; None for other problems, and where a part is not known."""
    pattern = _LET_ZH if language == "zh" else _LET
    if len(text) > LONGEST or not (lets := list(pattern.finditer(text))):
        return None
    steps: list[str] = []
    values: dict[str, str] = {}
    begin = 0
    for let in lets:
        asks = (
            _unnamed_zh(let["what"], let["letter"])
            if language == "zh"
            else unnamed(let["what"], let["letter"])
        )
        part = _first_known(text[begin : let.start()], asks, values, language)
        if part is None or let["letter"] in values:
            return None
        values[let["letter"]] = part.answer
        result = (
            f"所以 {let['letter']} = {part.answer}。"
            if language == "zh"
            else f"So {let['letter']} = {part.answer}."
        )
        steps += [*part.steps, result]
        begin = let.end()
    last = _first_known(text[begin:], ("",), values, language)
    return Worked(last.answer, (*steps, *last.steps), last.program) if last else None


def _first_known(
    stated: str, asks: Iterator[str] | tuple[str, ...], values: dict[str, str], language: str
) -> Worked | None:
    """Return the worked solution of the first of the questions that is a known problem behind the data."""
    for question in asks:
        for data, asked in _orders(stated.strip(), question):
            for money in (True, False):
                problem = recognise(_filled(f"{data} {asked}".strip(), values, money=money), language)
                if problem is not None:
                    return problem.worked
    return None


def _orders(stated: str, question: str) -> Iterator[tuple[str, str]]:
    """Yield the data and the question, and, where there is a question, with the last sentence of the data as its condition."""
    yield stated, question
    before, _, last = f" {stated}".rpartition(". " if ". " in stated else " ")
    if question and last.endswith("."):
        for condition in (f"{last[0].lower()}{last[1:-1]}", last[:-1]):
            data = f"{before}." if before.strip() else ""
            yield data.strip(), f"If {condition}, {question[0].lower()}{question[1:]}"


def _filled(text: str, values: dict[str, str], *, money: bool) -> str:
    """Return a text with the values of the names. money: "X dollars" is $5, as in the problem that it was before."""
    for letter, value in values.items():
        if money:
            text = re.sub(rf"(?<![A-Za-z]){letter} dollars\b", lambda _, value=value: f"${value}", text)  # type: ignore[misc]
        text = re.sub(rf"(?<![A-Za-z]){letter}(?![A-Za-z])", lambda _, value=value: value, text)  # type: ignore[misc]
    return text


def named_zh(asks: str, letter: str) -> str:
    """Return 设小明还剩 X 个苹果。 for 小明还剩多少个苹果？"""
    for word in ("多少", "几"):
        if asks.count(word) == 1:
            return f"设{asks.rstrip('？?').replace(word, f' {letter} ')}。"
    return f"{asks.rstrip('？?')}，记结果为 {letter}。"


def named(asks: str, letter: str) -> str:
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


def unnamed(what: str, letter: str) -> Iterator[str]:
    """Yield the questions that `named` makes "Let X be `what`." of."""
    sentence = f"Let {letter} be {what}."
    for question in _candidates(what):
        if named(question, letter) == sentence:
            yield question


def _candidates(what: str) -> Iterator[str]:
    if what.startswith("the answer to this: "):
        asked = what.removeprefix("the answer to this: ")
        yield f"{asked[0].upper()}{asked[1:]}?"
    elif match := _DOLLARS.fullmatch(what):
        yield from (f"How much {rest}?" for rest in _asking(match["rest"]))
    elif match := _THAT.fullmatch(what):
        how = "How much" if match["of"] == "amount" else "How many"
        rest = re.sub(r"^there (are|were|is|was) ", r"\1 there ", match["rest"])
        yield f"{how} {match['what']} {rest}?"
        yield from (f"{how} {match['what']} {asked}?" for asked in _asking(match["rest"]))
    yield from (f"What {verb} {what}?" for verb in ("is", "was", "will be"))


def _asking(statement: str) -> Iterator[str]:
    """Yield `did Tom pack` and the like for "Tom packed", with every word after the first as the verb."""
    words = statement.split(" ")
    for place in range(1, len(words)):
        subject, verb, rest = " ".join(words[:place]), words[place], words[place + 1 :]
        if verb in _AUXILIARIES:
            yield " ".join([verb, subject, *rest])
        bases = {
            verb,
            _BASE.get(verb, verb),
            re.sub(r"e?d$|e?s$", "", verb),
            re.sub(r"[ds]$", "", verb),
            re.sub(r"ie[ds]$", "y", verb),
        }
        for base in sorted(bases - {""}):
            for aux in ("does", "did", "do"):
                yield " ".join([aux, subject, base, *rest])


def _unnamed_zh(what: str, letter: str) -> Iterator[str]:
    """Yield the questions that `named_zh` makes 设…… of."""
    for word in ("多少", "几"):
        question = f"{what.replace(f' {letter} ', word)}？"
        if named_zh(question, letter) == f"设{what}。":
            yield question
