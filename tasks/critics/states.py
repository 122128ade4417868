"""Follows states through the steps of a solution: who holds what while things change hands, a stack of brackets, words in alphabetical order.

A step that shows a state is right if the state follows from the one that was shown before it and from what the step says has happened, and
if that is what happens next in the question. It is wrong if another state follows, and it has no verdict if none can be derived. Each step is
judged by the state before it as that is shown, so that a state with an error makes no later step wrong.

Only what is written plainly is read: "Bob and Eve swap: Alice: red, Bob: blue", "Alice has a red ball", "( ; stack: [ (", `"arab" < "daisy"`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

StateVerdict = Literal["right", "wrong"]

LONGEST: Final = 4_000  # characters of a step or of a question that are read
_PAIRS: Final = {"(": ")", "[": "]", "{": "}", "<": ">"}
_BRACKET: Final = re.compile(r"[()\[\]{}<>]")
_ONLY_BRACKETS: Final = re.compile(r"[()\[\]{}<>|\s]{3,}")
_READ_BRACKET: Final = re.compile(
    r"\s*([()\[\]{}<>])\s*[;,:]\s*stack\s*[:=]\s*(empty|[()\[\]{}<>\s]*)\s*\.?\s*", re.IGNORECASE
)
_STACK_IS: Final = re.compile(r"\b(?:final )?stack is (empty|[^a-zA-Z]*)", re.IGNORECASE)
_POPPED: Final = re.compile(r"\bpop(?: out)? ((?:[^a-zA-Z]|and\b)+)")
_CLOSING: Final = re.compile(r"\b(?:we need|answer is):? ((?:[^a-zA-Z]|and\b)+)")

_EXCHANGING: Final = ("swap", "switch", "trade", "exchange")
_EXCHANGE: Final = re.compile(
    rf"\b([A-Z][a-z]+) and ([A-Z][a-z]+) (?:[a-z]+ ){{0,2}}?(?:{'|'.join(_EXCHANGING)})", re.ASCII
)
_HOLDS: Final = re.compile(
    r"\b([A-Z][a-z]*)(?:: ?| (?:has|holds|gets|is holding|is playing|is dancing with|is) (?:the |an? )?)([^,:;.\n]{1,60})",
    re.ASCII,
)
_OPTION: Final = re.compile(r"^\(?([A-H])\) (.+?)\.?$", re.MULTILINE)
_ANSWERED: Final = re.compile(r"\banswer is \(?([A-H])\)")

_ITEM: Final = r'(?:\((\d+)\) )?(?:"([^"]+)"|\[([^\]]+)\])'
_CHAINED: Final = re.compile(rf"{_ITEM}(?: < {_ITEM})+")
_ONE_ITEM: Final = re.compile(_ITEM)
_QUOTED: Final = re.compile(r'"([^"]+)"')
_ORDINALS: Final = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
_WHICH_LETTER: Final = re.compile(rf"\b({'|'.join(_ORDINALS)}) letters?\b")
_LETTER: Final = re.compile(r'"([a-z]+)": "([a-z])" \((\d+)\)')
_ONLY_WORDS: Final = re.compile(r"[a-z]+(?: [a-z]+){2,}")
_LISTED: Final = re.compile(r"\banswer is:? ([a-z]+(?: [a-z]+){2,})\.?\s*$")


def state_verdicts(question: str, steps: Sequence[str]) -> dict[int, StateVerdict]:
    """Return the verdicts of the steps that show a state, by their numbers from 0. Linear in the length of the texts."""
    asked = question[:LONGEST].strip()
    read = [step[:LONGEST] for step in steps]
    for follow, shown in (
        (_stacks, any("stack" in step for step in read)),
        (_exchanges, any(verb in asked for verb in _EXCHANGING)),
        (_words, any('" <' in step or '": "' in step for step in read)),
    ):
        verdicts = dict(follow(asked, read)) if shown else {}
        if verdicts:
            return {step: "right" if right else "wrong" for step, right in verdicts.items()}
    return {}


def _stacks(question: str, steps: Sequence[str]) -> Iterator[tuple[int, bool]]:
    """Yield the steps that read a bracket or name the brackets left, and whether they are right."""
    asked = _BRACKET.findall(question) if _ONLY_BRACKETS.fullmatch(question) else None
    stack: list[str] = []
    count = 0
    for number, step in enumerate(steps):
        match = _READ_BRACKET.fullmatch(step)
        if match is not None:
            shown = _BRACKET.findall(match[2])
            right = _after(stack, match[1]) == shown and (
                asked is None or (count < len(asked) and asked[count] == match[1])
            )
            stack, count = shown, count + 1
            yield number, right
        elif count:
            claims = [
                (_STACK_IS, stack, asked is None or count == len(asked)),
                (_POPPED, stack[::-1], True),
                (_CLOSING, [_PAIRS.get(one, one) for one in reversed(stack)], True),
            ]
            judged = [
                complete and _BRACKET.findall(match[1]) == expected
                for pattern, expected, complete in claims
                if (match := pattern.search(step)) is not None
            ]
            if judged:
                yield number, all(judged)


def _after(stack: Sequence[str], bracket: str) -> list[str] | None:
    """Return the stack after a bracket was read, None if it closes nothing."""
    if bracket in _PAIRS:
        return [*stack, bracket]
    return list(stack[:-1]) if stack and _PAIRS.get(stack[-1]) == bracket else None


def _exchanges(question: str, steps: Sequence[str]) -> Iterator[tuple[int, bool]]:
    """Yield the steps that say who holds what after an exchange, and whether they are right."""
    exchanges = [frozenset(match.groups()) for match in _EXCHANGE.finditer(question)]
    state = _held(question, ())
    if not exchanges or len(state) < 2:
        return
    done, listed = 0, set[str]()
    for number, step in enumerate(steps):
        right, known = True, False
        for match in _EXCHANGE.finditer(step):
            one, other = match.groups()
            if one not in state or other not in state:
                return
            right &= done < len(exchanges) and exchanges[done] == {one, other}
            done += 1
            state = state | {one: state[other], other: state[one]}
        shown = _held(step, state)
        if len(shown) >= 2 and shown.keys() <= state.keys():
            if listed and _EXCHANGE.search(step) is None and done < len(exchanges):
                one, other = sorted(
                    exchanges[done]
                )  # a state that follows another one is that after the next exchange
                done += 1
                state = state | {one: state[other], other: state[one]}
            known = True
            right &= shown.keys() >= listed and all(
                _alike(value, state[name]) for name, value in shown.items()
            )
            listed = set(shown)
            state = state | shown
        elif len(shown) == 1 and done == len(exchanges) and shown.keys() <= state.keys():
            ((name, value),) = shown.items()
            known, right = True, right and _alike(value, state[name])
        answered = _ANSWERED.search(step)
        expected = _chosen(question, state) if answered is not None else None
        if answered is not None and expected is not None:
            known, right = True, right and done == len(exchanges) and answered[1] == expected
        if known or not right:
            yield number, right


def _held(text: str, names: Iterable[str]) -> dict[str, str]:
    """Return who holds what by a text, as it is said first. `names`: those of whom an initial may stand for a name."""
    whole = {name[0]: name for name in names}
    held: dict[str, str] = {}
    for match in _HOLDS.finditer(text):
        name = match[1] if len(match[1]) > 1 else whole.get(match[1], match[1])
        held.setdefault(name, match[2].strip().lower())
    return held


def _alike(one: str, other: str) -> bool:
    """Whether two names are those of one thing: "red" and "red ball"."""
    return one in other or other in one


def _chosen(question: str, state: dict[str, str]) -> str | None:
    """Return the option that is true of the one whom the question asks about, None if that is not one option."""
    before = question.partition("\nOptions:")[0].rsplit("\n", 1)[-1].rsplit(". ", 1)[-1]
    asked = [name for name in re.findall(r"[A-Z][a-z]+", before) if name in state]
    options = _OPTION.findall(question)
    true = [letter for letter, text in options if asked and _alike(text.strip().lower(), state[asked[-1]])]
    return true[0] if len(true) == 1 else None


def _words(question: str, steps: Sequence[str]) -> Iterator[tuple[int, bool]]:
    """Yield the steps that compare words or their letters, and whether they are right."""
    asked = sorted(question.split()) if _ONLY_WORDS.fullmatch(question) else None
    place = 0
    for number, step in enumerate(steps):
        named = _WHICH_LETTER.search(step)
        place = _ORDINALS.index(named[1]) if named else place
        judged = [
            len(word) > place and word[place] == letter and ord(letter) - 96 == int(at)
            for word, letter, at in _LETTER.findall(step)
            if named
        ]
        chains = [match.group() for match in _CHAINED.finditer(step)]
        judged += map(_in_order, chains)
        if asked is not None and chains and ("subpart" not in step or len(chains) > 1):
            judged.append(sorted(_QUOTED.findall(chains[-1])) == asked)
        if len(chains) > 1:
            judged.append(_apart(chains[0]) <= _apart(chains[-1]))
        listed = _LISTED.search(step)
        if listed is not None and asked is not None:
            judged.append(listed[1].split() == asked)
        if judged:
            yield number, all(judged)


def _in_order(chain: str) -> bool:
    """Whether the words of `"a" < ["b" ? "c"] < "d"` are in alphabetical order, words in one bracket in any."""
    last = ""
    for _, word, several in _ONE_ITEM.findall(chain):
        words = [word] if word else _QUOTED.findall(several)
        if not words or min(words) < last:
            return False
        last = max(words)
    return True


def _apart(chain: str) -> set[str]:
    """Return the words of a chain that stand in no bracket with others."""
    return {word for _, word, _ in _ONE_ITEM.findall(chain) if word}
