"""Planted items: benchmark items in the forms in which they occur in real data, to measure the recall of the rules.

Every rewriting is a function of (item text, a seeded generator) that returns None if it does not apply (no
name to change, no number). Paraphrases and translations cannot be written by rules: they are measured if pairs
are given, and reported as not measured otherwise.
"""

from __future__ import annotations

import random
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tasks.decontamination.benchmarks import Items
from tasks.seeding import rng_of, seed_of
from tasks.text.folding import as_traditional

Rewriting = Callable[[str, random.Random], str | None]


@dataclass(frozen=True, slots=True)
class Leak:
    """`text` is a rewriting of item `item`."""

    kind: str
    item: str
    text: str


def leaks(items: Items, *, a_kind: int, seed: int = 0, given: Iterable[Leak] = ()) -> Iterator[Leak]:
    """Yield up to `a_kind` rewritings of each kind of KINDS, of items drawn by hashing, then those of
    `given`.

    `given` are paraphrases, translations or others, with any kinds.
    """
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
    """Move line breaks, double spaces, and use the LaTeX delimiters and the typography of another editor."""
    if chinese(text):
        broken = "\n".join(text[k : k + 15] for k in range(0, len(text), 15))
        return broken.replace("，", ", ").replace("。", ". ").replace("？", "?")
    lines = textwrap.wrap(text, rng.randint(20, 45), break_long_words=False, break_on_hyphens=False)
    wrapped = "\n".join(line.replace(", ", " , ") for line in lines).replace("'", "’")
    wrapped = wrapped.replace("\\frac", "\\dfrac").replace("- ", "−  ")
    return wrapped if wrapped != text else None


def embedded(text: str, rng: random.Random) -> str | None:
    if chinese(text):
        return f"{rng.choice(_BEFORE_ZH)}{text}{rng.choice(_AFTER_ZH)}"
    return f"{rng.choice(_BEFORE)} {text} {rng.choice(_AFTER)}"


def renamed(text: str, rng: random.Random) -> str | None:
    """Give every person of the item another name."""
    if chinese(text):
        names = sorted(set(re.findall(r"小[明红华刚丽强军芳东林]", text)))
        others = (
            rng.sample([f"小{c}" for c in "伟娜杰敏静磊洋艳勇霞"], len(names)) if len(names) <= 10 else []
        )
    else:
        # a name is a capitalised word that also occurs within a sentence, unlike words that only begin sentences
        names = sorted(set(re.findall(r"(?<=[a-z,] )[A-Z][a-z]{2,}\b", text)) - _NO_NAMES)
        others = rng.sample(_NAMES, len(names)) if len(names) <= len(_NAMES) else []
    if not names or not others:
        return None
    change = dict(zip(names, others, strict=True))
    return re.sub("|".join(map(re.escape, names)), lambda match: change[match.group()], text)


def other_numbers(text: str, rng: random.Random) -> str | None:
    """Replace every number by another one with as many digits."""

    def other(match: re.Match[str]) -> str:
        digits = match.group()
        while (
            drawn := str(rng.randint(1, 9)) + "".join(str(rng.randint(0, 9)) for _ in digits[1:])
        ) == digits:
            pass
        return drawn

    changed = re.sub(r"(?<![\w.\\{^_])\d+(?![\w}])", other, text)
    return changed if changed != text else None


def multiple_choice(text: str, rng: random.Random) -> str | None:
    options = rng.sample(range(2, 200), 4)
    style = rng.choice(["({})", "{}.", "{})"])
    choices = [f"{style.format(letter)} {value}" for letter, value in zip("ABCD", options, strict=True)]
    return f"{text}{rng.choice([chr(10), '  '])}{rng.choice([chr(10), ' ']).join(choices)}"


def reworded(text: str, rng: random.Random) -> str | None:
    """Replace common words by others of the same meaning, as a careless paraphrase does."""
    table = _WORDS_ZH if chinese(text) else _WORDS
    changed = text
    for old, new in table.items():
        changed = changed.replace(old, new) if chinese(text) else re.sub(rf"\b{old}\b", new, changed)
    return changed if changed != text else None


def homoglyphs(text: str, rng: random.Random) -> str | None:
    """Replace a third of the letters that have a look-alike in another alphabet, and add a few invisible
    characters.
    """
    changed = "".join(
        _TWINS[c]
        if c in _TWINS and rng.random() < 0.33
        else c + "\u200b"
        if c.isalpha() and rng.random() < 0.03
        else c
        for c in text
    )
    return changed if changed != text else None


def entities(text: str, rng: random.Random) -> str | None:
    """Write the text as a web page does: entities for signs and digits, non-breaking spaces, paragraphs,
    bold words.
    """
    marked = (
        text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("'", "&#39;")
        .replace('"', "&quot;")
    )
    words = marked.split(" ")
    for place, word in enumerate(words):
        if word.isalpha() and rng.random() < 0.15:
            words[place] = f"<b>{word}</b>"
        elif word.isdecimal() and rng.random() < 0.5:
            words[place] = "".join(f"&#{ord(digit)};" for digit in word)
    return f"<p>{''.join(word + rng.choice([' ', ' ', '&nbsp;', '<br/>']) for word in words)}</p>"


def traditional(text: str, rng: random.Random) -> str | None:
    """Write a Chinese item in traditional characters."""
    changed = as_traditional(text) if chinese(text) else text
    return changed if changed != text else None


def retold(text: str, rng: random.Random) -> str | None:
    """Use other names and other counted things with the same numbers."""
    changed = renamed(text, rng) or text
    table = _THINGS_ZH if chinese(text) else _THINGS
    change = {old: new for old, new in table.items() if old in changed}
    if not change:
        return None
    pattern = "|".join(map(re.escape, sorted(change, key=len, reverse=True)))
    pattern = pattern if chinese(text) else rf"\b(?:{pattern})\b"
    changed = re.sub(pattern, lambda match: change[match.group()], changed)
    return changed if changed != text else None


def tabled(text: str, rng: random.Random) -> str | None:
    """Put every sentence into a numbered row of a table."""
    parts = [part.strip() for part in re.split(r"(?<=[.?!])\s+|(?<=[。？！；])", text) if part.strip()]
    if len(parts) < 2:
        return None
    style = rng.choice(["markdown", "latex", "html"])
    if style == "markdown":
        return "| step | fact |\n|---|---|\n" + "\n".join(
            f"| {k} | {part} |" for k, part in enumerate(parts, 1)
        )
    if style == "latex":
        rows = " \\\\\n".join(f"{k} & {part}" for k, part in enumerate(parts, 1))
        return f"\\begin{{tabular}}{{ll}}\n{rows}\n\\end{{tabular}}"
    cells = "".join(f"<tr><td>{k}</td><td>{part}</td></tr>" for k, part in enumerate(parts, 1))
    return f"<table>{cells}</table>"


KINDS: dict[str, Rewriting] = {
    "verbatim": verbatim,
    "re-wrapped": rewrapped,
    "embedded": embedded,
    "renamed": renamed,
    "other numbers": other_numbers,
    "multiple choice": multiple_choice,
    "reworded": reworded,
    "homoglyphs": homoglyphs,
    "HTML": entities,
    "traditional characters": traditional,
    "names and objects replaced": retold,
    "sentences in a table": tabled,
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
_TWINS = dict(zip("aceopxyijsABCEHIKMOPTX", "асеорхуіјѕАВСЕНІКМОРТХ", strict=True))
_THINGS = {
    "apples": "kites", "apple": "kite", "oranges": "lanterns", "bananas": "ribbons", "books": "vases", "book": "vase", "eggs": "shells",
    "cookies": "badges", "cookie": "badge", "pencils": "candles", "pens": "brushes", "pages": "frames", "dogs": "ponies", "dog": "pony",
    "cats": "foxes", "cat": "fox", "chickens": "turtles", "students": "sailors", "children": "dancers", "friends": "neighbors",
    "cars": "canoes", "car": "canoe", "balls": "drums", "toys": "masks", "boxes": "crates", "box": "crate", "bags": "baskets",
    "flowers": "shrubs", "trees": "statues", "tree": "statue", "shirts": "scarves", "shirt": "scarf", "shoes": "gloves", "tickets": "stamps",
    "candies": "marbles", "candy": "marble", "cakes": "wreaths", "pizza": "quilt", "pizzas": "quilts", "house": "barn", "store": "kiosk",
    "train": "ferry", "notebooks": "lamps", "people": "guests", "cups": "jars", "bottles": "tins", "birds": "seals", "fish": "newts",
}  # fmt: skip
_THINGS_ZH = {
    "苹果": "风筝", "书": "画", "铅笔": "蜡烛", "本子": "杯子", "练习本": "手套", "学生": "工人", "树": "灯", "花": "旗", "鸡": "兔", "糖": "贝壳",
    "汽车": "轮船", "火车": "客船", "水果": "玩具", "衣服": "椅子", "气球": "邮票", "饼干": "纽扣", "同学": "邻居", "商店": "工厂", "牛": "马",
}  # fmt: skip
_WORDS_ZH = {"一共": "总共", "买了": "购买了", "还剩": "剩下", "多少": "几", "求": "计算", "已知": "设"}
