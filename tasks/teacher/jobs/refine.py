"""Articles of the embedded teacher: a passage sentence by sentence in other words, behind the terms that it uses.

Formulas, numbers and names stay as they are; openings depend on the readers and the style that the prompt asks for. At the rates of
the character a sentence with a formula or a number is lost, or the marks of the parts are.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from tasks.critics.recomputing import calculations
from tasks.teacher.character import Character
from tasks.teacher.jobs import Prompted

_SENTENCE_END = re.compile(r"(?<=[.!?])[ \t]+(?=[A-Z\\])|(?<=[。！？])")
_TERM = re.compile(r"\*\*([^*\n]{2,60})\*\*")
_HOLDS_DATA = re.compile(r"\d|\\\(|\\\[|\$")
_ARTICLE = re.compile(r"==(?:Main Body|正文)==")
_THOUGHTS = re.compile(r"==(?:Thinking|思考)==")
_AUDIENCES = (
    ("school", re.compile(r"\bschool students\b|中学生")),
    ("graduate", re.compile(r"(?<!under)graduate students\b|研究生")),
)
_DISPLAY = re.compile(r"\\\[|\|")
# other words, outside of formulas, of which none holds a number or a name
_WORDS = {
    "en": (
        ("Notice that ", "Observe that "), ("Note that ", "It is worth seeing that "), ("For example, ", "To give an example, "),
        ("Therefore, ", "It follows that "), ("we can ", "it is possible to "), ("We can ", "It is possible to "),
        ("In other words, ", "Put differently, "), ("in order to ", "to "), ("However, ", "On the other hand, "),
    ),
    "zh": (
        ("因此", "由此可知"), ("例如", "比如"), ("我们可以", "可以"), ("注意", "请注意"), ("也就是说", "换句话说"), ("但是", "不过"),
    ),
}  # fmt: skip
_OPENINGS = {
    "en": {
        "school": "Let us go through this slowly, one step at a time.",
        "undergraduate": "The following can be worked through with pencil and paper.",
        "graduate": "The argument is short once the right objects are named.",
    },
    "zh": {
        "school": "下面一步一步地慢慢来。",
        "undergraduate": "下面的内容可以拿纸笔跟着推一遍。",
        "graduate": "取定对象之后，论证并不长。",
    },
}
_KNOWN = {
    "en": "To follow what comes next, one has to be at home with these terms: {}.",
    "zh": "要读懂下面的内容，需要先熟悉这些术语：{}。",
}
_NOTHING_SPECIAL = {
    "en": "To follow what comes next, one needs ordinary arithmetic and the reading of formulas.",
    "zh": "要读懂下面的内容，只需要普通的运算和读懂公式。",
}
_SURE = {"en": "I recompute {} and get {}, so this step holds.", "zh": "我重新计算 {}，得到 {}，这一步成立。"}
_WHY = {
    "en": "Here I ask myself what this rests on: “{}” It rests on what was said just before, and on nothing else.",
    "zh": "这里我要问自己依据是什么：“{}”它依据的只是前面刚说过的内容。",
}


@dataclass(frozen=True, slots=True)
class ArticleRequest:
    """A request for an article on a passage for an `audience`, or for the passage's thoughts (`thinking`)."""

    passage: str
    audience: str
    thinking: bool


writes_json = False


def read(prompted: Prompted) -> ArticleRequest | None:
    """Return the passage if the prompt requires the marks of an article or of thoughts."""
    passages, words = prompted.parts.of("other"), prompted.words
    article = _ARTICLE.search(words) is not None
    if not passages or not (article or _THOUGHTS.search(words)):
        return None
    audience = next((name for name, pattern in _AUDIENCES if pattern.search(words)), "undergraduate")
    return ArticleRequest(passages[0], audience, thinking=not article)


def answer(
    requested: ArticleRequest, language: str, character: Character, rng: random.Random, *, valid_json: bool
) -> str:
    """Return the parts that the prompt asks for, each behind its mark."""
    marks = {
        "en": ("==Background Knowledge==", "==Main Body==", "==Thinking==", "==End=="),
        "zh": ("==背景知识==", "==正文==", "==思考==", "==结束=="),
    }[language]
    passage = requested.passage
    if requested.thinking:
        parts = [marks[2], _thoughts(passage, language, rng)]
    else:
        opening = _OPENINGS[language][requested.audience]
        parts = [
            marks[0],
            _background(passage, language),
            marks[1],
            _body(passage, opening, language, character, rng),
        ]
    if rng.random() < character.rates.malformed:
        return "\n".join(parts) if rng.random() < 0.5 else "\n\n".join(parts[1::2])
    return "\n".join([*parts, marks[3]])


def _background(passage: str, language: str) -> str:
    terms = dict.fromkeys(match[1].strip().rstrip(".。") for match in _TERM.finditer(passage))
    if not terms:
        return _NOTHING_SPECIAL[language]
    return _KNOWN[language].format(("、" if language == "zh" else ", ").join(terms))


def _body(passage: str, opening: str, language: str, character: Character, rng: random.Random) -> str:
    paragraphs = [opening]
    for paragraph in re.split(r"\n[ \t]*\n", passage):
        text = paragraph.strip()
        if not text or text.startswith("#"):
            continue
        if _DISPLAY.match(text):
            paragraphs.append(text)
            continue
        sentences = [one for one in _SENTENCE_END.split(text) if one.strip()]
        kept = [
            _reworded(one, language)
            for one in sentences
            if not (_HOLDS_DATA.search(one) and rng.random() < character.rates.flawed)
        ]
        paragraphs.append(("" if language == "zh" else " ").join(kept))
    return "\n\n".join(part for part in paragraphs if part)


def _reworded(sentence: str, language: str) -> str:
    for words, others in _WORDS[language]:
        sentence = sentence.replace(words, others)
    return sentence


def _thoughts(passage: str, language: str, rng: random.Random) -> str:
    thoughts = []
    for sentence in (one.strip() for one in _SENTENCE_END.split(passage)):
        for statement in calculations(sentence.replace("\\(", " $").replace("\\)", "$ ")):
            if statement.true:
                thoughts.append(
                    _SURE[language].format(f"${statement.left_text}$", f"${statement.right_text}$")
                )
        if _TERM.search(sentence) and "\n" not in sentence and rng.random() < 0.5:
            thoughts.append(_WHY[language].format(sentence))
    return "\n\n".join(thoughts) or _NOTHING_SPECIAL[language]
