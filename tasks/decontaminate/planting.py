"""Planted leaks: benchmark items rewritten as they turn up in real data, to measure what the rules find.

Every rewriting is a plain function of (item text, a seeded generator) that gives None where it does not apply
(no name to change, no number). Paraphrases and translations cannot be made by rule: they are measured where
pairs are given, and reported as not measured where none are.
"""

from __future__ import annotations

import random
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tasks.decontaminate.benchmarks import Items
from tasks.seeding import rng_of, seed_of

Rewriting = Callable[[str, random.Random], str | None]


@dataclass(frozen=True, slots=True)
class Leak:
    """`text` is item `item` in disguise."""

    kind: str
    item: str
    text: str


def leaks(items: Items, *, a_kind: int, seed: int = 0, given: Iterable[Leak] = ()) -> Iterator[Leak]:
    """Up to `a_kind` leaks of each kind of KINDS, of items drawn by hashing, then those of `given` (paraphrases,
    translations, whatever people have; their kinds are their own)."""
    order = sorted(range(len(items)), key=lambda k: seed_of(seed, "planted", items.names[k]))
    for kind, rewrite in KINDS.items():
        planted = 0
        for k in order:
            if planted == a_kind:
                break
            text = rewrite(items.texts[k], rng_of(seed, kind, items.names[k]))
            if text is not None and text.strip():
                planted += 1
                yield Leak(kind, items.names[k], text)
    yield from given


def chinese(text: str) -> bool:
    return any("\u4e00" <= c <= "\u9fff" for c in text)


def verbatim(text: str, rng: random.Random) -> str | None:
    return text


def rewrapped(text: str, rng: random.Random) -> str | None:
    """Lines broken anew, spaces doubled, LaTeX delimiters and typography of another editor."""
    if chinese(text):
        broken = "\n".join(text[k : k + 15] for k in range(0, len(text), 15))
        return broken.replace("，", ", ").replace("。", ". ").replace("？", "?")
    lines = textwrap.wrap(text, rng.randint(20, 45), break_long_words=False, break_on_hyphens=False)
    found = "\n".join(line.replace(", ", " , ") for line in lines).replace("'", "’")
    found = found.replace("\\frac", "\\dfrac").replace("- ", "−  ")
    return found if found != text else None


def embedded(text: str, rng: random.Random) -> str | None:
    if chinese(text):
        return f"{rng.choice(_BEFORE_ZH)}{text}{rng.choice(_AFTER_ZH)}"
    return f"{rng.choice(_BEFORE)} {text} {rng.choice(_AFTER)}"


def renamed(text: str, rng: random.Random) -> str | None:
    """Every person of the item gets another name."""
    if chinese(text):
        names = sorted(set(re.findall(r"小[明红华刚丽强军芳东林]", text)))
        others = (
            rng.sample([f"小{c}" for c in "伟娜杰敏静磊洋艳勇霞"], len(names)) if len(names) <= 10 else []
        )
    else:
        # a name: a capitalised word that stands within a sentence too, as no sentence opener does
        names = sorted(set(re.findall(r"(?<=[a-z,] )[A-Z][a-z]{2,}\b", text)) - _NO_NAMES)
        others = rng.sample(_NAMES, len(names)) if len(names) <= len(_NAMES) else []
    if not names or not others:
        return None
    change = dict(zip(names, others, strict=True))
    return re.sub("|".join(map(re.escape, names)), lambda found: change[found.group()], text)


def other_numbers(text: str, rng: random.Random) -> str | None:
    """Every number of two digits and more, and every other one too, by one of as many digits."""

    def other(found: re.Match[str]) -> str:
        digits = found.group()
        while (
            made := str(rng.randint(1, 9)) + "".join(str(rng.randint(0, 9)) for _ in digits[1:])
        ) == digits:
            pass
        return made

    found = re.sub(r"(?<![\w.\\{^_])\d+(?![\w}])", other, text)
    return found if found != text else None


def multiple_choice(text: str, rng: random.Random) -> str | None:
    options = rng.sample(range(2, 200), 4)
    style = rng.choice(["({})", "{}.", "{})"])
    listed = [f"{style.format(letter)} {value}" for letter, value in zip("ABCD", options, strict=True)]
    return f"{text}{rng.choice([chr(10), '  '])}{rng.choice([chr(10), ' ']).join(listed)}"


def reworded(text: str, rng: random.Random) -> str | None:
    """Other words of the same meaning for the commonest: what a careless paraphrase does."""
    table = _WORDS_ZH if chinese(text) else _WORDS
    found = text
    for old, new in table.items():
        found = found.replace(old, new) if chinese(text) else re.sub(rf"\b{old}\b", new, found)
    return found if found != text else None


KINDS: dict[str, Rewriting] = {
    "verbatim": verbatim,
    "re-wrapped": rewrapped,
    "embedded": embedded,
    "renamed": renamed,
    "other numbers": other_numbers,
    "multiple choice": multiple_choice,
    "reworded": reworded,
}
BY_GIVEN_PAIRS = ("paraphrased", "translated")

_BEFORE = [
    "Here is a problem from yesterday's class that nobody could do.",
    "Please solve the following step by step and check your work at the end.",
    "My daughter has this for homework and I would like a second opinion:",
]
_AFTER = [
    "Give the final answer on a line of its own.",
    "I tried it twice and got two different results, so explain each step, please.",
    "Thanks in advance for any hint!",
]
_BEFORE_ZH = [
    "请一步一步解答下面的题目：",
    "这是昨天课堂上没有人做出来的一道题。",
    "孩子的作业里有这样一道题，想请大家帮忙看看：",
]
_AFTER_ZH = ["请在最后一行写出答案。", "我算了两遍结果都不一样，请写出详细步骤。", "先谢谢各位老师！"]
_NAMES = [
    "Amara",
    "Bogdan",
    "Chiara",
    "Dmitri",
    "Elif",
    "Farouk",
    "Greta",
    "Hiro",
    "Ingrid",
    "Joaquin",
    "Kavya",
    "Leif",
    "Mireille",
    "Nadia",
    "Oskar",
    "Priya",
    "Quentin",
    "Rosalind",
    "Soren",
    "Tamsin",
    "Umberto",
    "Vesna",
    "Wanjiru",
    "Ximena",
    "Yusuf",
    "Zelda",
]
_NO_NAMES = {
    "The",
    "This",
    "That",
    "There",
    "Then",
    "They",
    "What",
    "When",
    "Where",
    "Which",
    "Who",
    "Why",
    "How",
    "Find",
    "Let",
    "Given",
    "Suppose",
    "Assume",
    "Express",
    "Compute",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
    "English",
    "French",
    "American",
    "Republicans",
    "Democrats",
}
_WORDS = {
    "bought": "purchased", "buys": "purchases", "gave": "handed", "gives": "hands", "total": "sum", "begin": "start",
    "children": "kids", "big": "large", "quickly": "fast", "many": "numerous", "needs": "requires", "need": "require",
    "makes": "produces", "find": "determine", "Find": "Determine", "Compute": "Calculate", "earns": "makes",
    "What is": "Determine", "each": "every", "also": "as well", "wants": "would like", "costs": "is priced at",
}  # fmt: skip
_WORDS_ZH = {"一共": "总共", "买了": "购买了", "还剩": "剩下", "多少": "几", "求": "计算", "已知": "设"}
