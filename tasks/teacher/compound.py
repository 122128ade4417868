"""Questions that are put together from other questions, as the embedded teacher writes them, and reads them again: one step further, a
remainder, two parts in sequence, side by side or compared, three or four side by side, and questions backwards.

Writing and reading are inverse: each form is compiled to an expression over the text, so that a compound is recognised by its words alone. Results of parts in
different units are added and compared as plain numbers, and the words say so.
"""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass

from tasks.problems.machinery.typesetting import with_prices_escaped

LONGEST = 4000  # characters of a compound that is read

FORMS: dict[str, dict[str, str]] = {
    "further": {
        "en": "{first} Multiply the result by {factor} and then add {addend}: what do you get?",
        "zh": "{first}再把所得结果乘以 {factor}，然后加上 {addend}，得到多少？",
    },
    "remainder": {
        "en": "{first} What remainder does the result leave when it is divided by {divisor}?",
        "zh": "{first}所得结果除以 {divisor} 的余数是多少？",
    },
    "sequence": {
        "en": "First comes this: {first} Its result is called A. Then comes this: {second} What is the result of the second part?",
        "zh": "先看第一部分：{first}记所得结果为 A。再看第二部分：{second}第二部分的结果是多少？",
    },
    "parallel": {
        "en": "There are two parts. Part one: {first} Part two: {second} What is the sum of the two results as plain numbers?",
        "zh": "分为两部分。第一部分：{first}第二部分：{second}只看数值，两个结果之和是多少？",
    },
    "condition": {
        "en": "There are two parts. Part one: {first} Part two: {second} What is the larger of the two results as plain numbers?",
        "zh": "分为两部分。第一部分：{first}第二部分：{second}只看数值，两个结果中较大的是多少？",
    },
    "three": {
        "en": "There are three parts. Part one: {first} Part two: {second} Part three: {third} What is the sum of the three results as plain numbers?",
        "zh": "分为三部分。第一部分：{first}第二部分：{second}第三部分：{third}只看数值，三个结果之和是多少？",
    },
    "four": {
        "en": "There are four parts. Part one: {first} Part two: {second} Part three: {third} Part four: {fourth} What is the sum of the four results as plain numbers?",
        "zh": "分为四部分。第一部分：{first}第二部分：{second}第三部分：{third}第四部分：{fourth}只看数值，四个结果之和是多少？",
    },
    # as tasks/methods/backward.py asks, and as the job self_verification writes
    "backward": {
        "en": "{first}\n\nThe answer to this question is known to be {answer}. What is the value of the unknown positive number {letter}?",
        "zh": "{first}\n\n已知这道题的答案是 {answer}，求未知正数 {letter} 的值。",
    },
    "stated": {
        "en": "Somebody worked this out: {first} The result was {answer}. What is the value of {letter}?",
        "zh": "有人算过这样一件事：{first}结果是 {answer}。求 {letter} 的值。",
    },
}
_SLOTS = {
    "first": ".+",
    "second": ".+",
    "third": ".+",
    "fourth": ".+",
    "answer": r"[^\n]{1,80}?",
    "letter": "[a-z]",
    "factor": r"\d{1,9}",
    "addend": r"\d{1,9}",
    "divisor": r"\d{1,9}",
}


@dataclass(frozen=True, slots=True)
class Compound:
    """A compound question: its form, a key of FORMS, and what fills the slots of the form."""

    form: str
    language: str
    slots: dict[str, str]


def write(form: str, language: str, **slots: object) -> str:
    """Return the compound of a form, in one paragraph where its parts are."""
    return with_prices_escaped(FORMS[form][language].format_map(slots))


def split(text: str) -> Compound | None:
    """Return the compound that a text is, None if it is none."""
    text = text.strip()
    if len(text) > LONGEST:
        return None
    for form, language, last, pattern in _patterns():
        if last in text and (match := pattern.fullmatch(text)):
            return Compound(form, language, match.groupdict())
    return None


@functools.cache
def _patterns() -> list[tuple[str, str, str, re.Pattern[str]]]:
    """Return (form, language, its longest literal, expression) of each form."""
    return [
        (form, language, max(_literals(text), key=len), re.compile(_expression(text), re.DOTALL))
        for form, texts in FORMS.items()
        for language, text in texts.items()
    ]


def _literals(text: str) -> Iterator[str]:
    for literal, _, _, _ in string.Formatter().parse(text):
        yield literal


def _expression(text: str) -> str:
    return "".join(
        re.escape(literal) + (f"(?P<{name}>{_SLOTS[name]})" if name else "")
        for literal, name, _, _ in string.Formatter().parse(text)
    )
