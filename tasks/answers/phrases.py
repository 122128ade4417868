"""Final answers that prose announces: "the answer is", 答案是, bold, a lone choice letter, the last value."""

from __future__ import annotations

import re
from collections.abc import Iterator

_MAX_SENTENCE = 2_000
# found by str.find: a case-insensitive regular expression over every solution took most of the stage's time
_KEYWORDS = {
    "en": ("answer", "Answer", "ANSWER", "choice", "Choice", "option", "Option", "result", "Result"),
    "zh": ("答案", "结果", "答", "故选", "应选", "选择", "选"),
}
# these words announce an answer only after one of those
_AFTER = {"choice": ("the", "correct"), "option": ("the", "correct"), "result": ("final", "the")}
_ANNOUNCES = {
    "en": re.compile(
        r"(?:\s+(?:to|for)\s[^.:\n]{0,80}?)?\s*(?:\b(?:is|are|would\s+be|must\s+be|should\s+be)\b|=|:)"
        r"\s*(?:\*\*|\b(?:option|choice|therefore|thus)\b|:|\s)*",
        re.IGNORECASE,
    ),
    "zh": re.compile(
        r"\s*(?:应该是|应为|是|为|等于|选项?|[:\uff1a])\s*(?:\*\*|[:\uff1a]|\s)*"
        r"|\s*[:\uff1a]?\s*(?=[(\uff08]?[A-J](?![a-zA-Z]))"
    ),
}
_SENTENCE_END = re.compile(
    r"\n|[。;!\uff1b\uff01]|\.(?=\s|$|\*\*)|,?\s(?:because|since|which|as shown|so that)\s|,?因为"
)
_INLINE_MATH = re.compile(r"\$\$(.+?)\$\$|(?<![\\\d])\$([^$\n]+?)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
_LETTER = re.compile(r"[\s*(\[\uff08]*[A-J][\s*)\].:\uff09]*")
_NUMBER = re.compile(
    r"\s?(?<!\d)\d{1,2}/\d{1,2}/\d{4}(?!\d)|"  # a date is one value
    r"[$€£¥]?\s?-?(?:\\frac\s*\{-?\d+\}\s*\{\d+\}|\d+/\d+|\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|\.\d+)\s?%?"
)


def announced(text: str, language: str) -> str | None:
    """What follows the last phrase that announces an answer, up to the end of its sentence.

    Phrases of `language` go before those of the other.
    """
    for tongue in (language, "en" if language == "zh" else "zh"):
        if tongue == "zh" and text.isascii():
            continue
        for start, keyword in sorted(_places(text, tongue), reverse=True):
            before = _AFTER.get(keyword.lower())
            if before and not text[max(0, start - 20) : start].rstrip().lower().endswith(before):
                continue
            answer = _after(text, start + len(keyword), _ANNOUNCES[tongue])
            if answer:
                return answer
    return None


def _places(text: str, tongue: str) -> Iterator[tuple[int, str]]:
    for keyword in _KEYWORDS[tongue]:
        start = text.find(keyword)
        while start >= 0:
            yield start, keyword
            start = text.find(keyword, start + 1)
    if tongue == "en":  # GSM8K's sample solutions end in a line "A: 18"
        start = text.rfind("\nA:") + 1
        if start > 0 or text.startswith("A:"):
            yield start, "A"


def _after(text: str, end: int, announces: re.Pattern[str]) -> str | None:
    match = announces.match(text, end)
    if match is None:
        return None
    rest = text[match.end() : match.end() + _MAX_SENTENCE].lstrip()
    formula = _INLINE_MATH.match(rest)
    stop = _SENTENCE_END.search(rest, formula.end() if formula else 0)
    answer = _core(rest[: stop.start()] if stop else rest)
    return None if answer.startswith("```") or answer.endswith("\\boxed{}") else answer


_MARKUP = re.compile(r"[*$\\]|\s\w+\s|约")
_APPROACH = re.compile(
    r"^(?:that|as follows|approximately|about|simply|just|therefore|约|大约)\s*[:\uff1a]?\s*", re.IGNORECASE
)


def _core(sentence: str) -> str:
    """The answer in the sentence that gives it: the only bold or formula in it, or the sentence."""
    sentence = sentence.strip().strip("*").strip()
    if len(sentence) < 24 and not _MARKUP.search(sentence):
        return sentence
    found = _BOLD.search(sentence)
    if found:
        return found.group(1).strip()
    formulas = list(_INLINE_MATH.finditer(sentence))
    if len(formulas) == 1 and not re.search(r"\d", sentence[: formulas[0].start()]):
        return _inside(formulas[0])
    return sentence if formulas else tidied(_APPROACH.sub("", sentence).strip())


def _inside(formula: re.Match[str]) -> str:
    return next(group for group in formula.groups() if group is not None).strip()


_WORD = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{3,}|[\u4e00-\u9fff]{2,}")
_BOUND = re.compile(
    r"\b(?:least|most|more|less|fewer|between|or|and|not|than|never)\b|至少|至多|不|或|和", re.IGNORECASE
)


def tidied(answer: str) -> str:
    """Of a sentence ("Anne is 8 years old.") its number, if it has one only or comes to it by "="."""
    if len(answer) < 8 or "\\" in answer:
        return answer
    # a Chinese word has about two characters, and no space after it
    words = sum(1 if word.isascii() else (len(word) + 1) // 2 for word in _WORD.findall(answer))
    if words < 3:
        return answer
    numbers = list(_NUMBER.finditer(answer))
    values = {number.group().strip() for number in numbers}
    if len(values) == 1 and not _BOUND.search(answer):
        return values.pop()
    if numbers and "=" in answer and re.search(r"=[^\d=]{0,3}$", answer[: numbers[-1].start()]):
        return numbers[-1].group().strip()
    return answer


def bold(text: str) -> str | None:
    """The last bold with a digit, a formula or a choice letter (bold headings have none)."""
    if "**" not in text:
        return None
    for match in reversed(list(_BOLD.finditer(text[-4000:]))):
        inner = match.group(1).strip()
        if inner.endswith((":", "\uff1a")) or re.match(r"(?:step|part|case|步骤|第)\b", inner, re.IGNORECASE):
            continue
        if re.search(r"\d|\\[a-z]", inner) or _LETTER.fullmatch(inner):
            return _value_in(inner)
    return None


def _value_in(sentence: str) -> str:
    formulas = list(_INLINE_MATH.finditer(sentence))
    if len(formulas) == 1:
        return _inside(formulas[0])
    if len(sentence) > 40 or "=" in sentence:
        numbers = list(_NUMBER.finditer(sentence))
        return numbers[-1].group().strip() if numbers else sentence
    return sentence


def choice(text: str) -> str | None:
    """A choice letter that ends the last line in brackets, or is all of it."""
    line = text.rsplit("\n", 1)[-1].strip()
    match = re.search(r"(?:^|\s)\(([A-J])\)[\s.]*$", line[-40:]) or re.fullmatch(
        r"\(?([A-J])[.)]?", line[-40:]
    )
    return match.group(1) if match else None


def last_value(text: str) -> str | None:
    """A short text is its own answer; otherwise the last formula or number of the text."""
    if len(text) <= 80 and "\n" not in text and "=" not in text and len(text.split()) <= 6:
        return text
    tail = text[-_MAX_SENTENCE:]
    numbers, formulas = list(_NUMBER.finditer(tail)), list(_INLINE_MATH.finditer(tail))
    if formulas and (not numbers or numbers[-1].start() < formulas[-1].end()):
        # the end of a chain of equations is the value it arrives at
        formula = _inside(formulas[-1])
        return re.split(r"(?<![<>!\\])=", formula)[-1].strip() or formula
    return numbers[-1].group().strip() if numbers else None
