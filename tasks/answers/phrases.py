"""Finds final answers that prose announces: "the answer is", 答案是, bold, a lone choice letter, the last value."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tasks.answers.sentences import NUMBER, leads_to_value, value_in

_MAX_SENTENCE = 2_000
# searched with str.find: a case-insensitive regular expression over every solution took most of the stage's time
_KEYWORDS = {
    "en": ("answer", "Answer", "ANSWER", "choice", "Choice", "option", "Option", "result", "Result"),
    "zh": ("答案", "结果", "答", "故选", "应选", "选择", "选", "故填", "应填"),
}
# these words announce an answer only after one of the words in their tuple
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
_BLANK = re.compile(r"\s*(?:入|写)?\s*[:\uff1a]?\s*")  # 故填36 fills a blank
_SENTENCE_END = re.compile(
    r"\n|[。\uff01]|!(?!\s?[=+*/^-])|[;\uff1b](?!\s*[-−\d$\\])|\.(?=\s|$|\*\*)|,?\s(?:because|since|which|as shown|so that)\s|,?因为"
)
# Pandoc's rule for dollars: no blank inside, no digit behind. So "$5, rate = $2" is money. Models also write
# blanks on both sides; then only what has a command, a relation or a power is a formula.
_INLINE_MATH = re.compile(
    r"\$\$(.{1,2000}?)\$\$|(?<![\\\d])\$(?=[^\s$])([^$\n]{0,2000}?[^\s$\\])\$(?!\d)"
    r"|(?<![\\\d])\$\s(?=[^$\n]{0,2000}[\\=^_])([^$\n]{1,2000}?)\s\$(?!\d)"
    r"|\\\((.{1,2000}?)\\\)|\\\[(.{1,2000}?)\\\]",
    re.DOTALL,
)
_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
_LETTER = re.compile(r"[\s*(\[\uff08]*[A-J][\s*)\].:\uff09]*")


def announced(text: str, language: str) -> str | None:
    """Return the text after the last phrase that announces an answer, up to the end of its sentence.

    Phrases of `language` take precedence over those of the other language.
    """
    for tongue in (language, "en" if language == "zh" else "zh"):
        if tongue == "zh" and text.isascii():
            continue
        for start, keyword in sorted(_places(text, tongue), reverse=True):
            before = _AFTER.get(keyword.lower())
            if before and not text[max(0, start - 20) : start].rstrip().lower().endswith(before):
                continue
            answer = _after(text, start + len(keyword), _BLANK if keyword[-1] == "填" else _ANNOUNCES[tongue])
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


_APPROACH = re.compile(
    r"^(?:that|as follows|approximately|about|simply|just|therefore|约|大约)\s*[:\uff1a]?\s*", re.IGNORECASE
)
# text that may follow a value in its sentence and is no part of it
_GOES_ON = re.compile(
    r"\s*,\s+(?!(?:and|or)\s+(?:\S{0,8}\d|[a-z]\b|\$|\\))(?![a-z]{1,12}\s*[=:])[a-z]{2,}\b"
    r"|\s*\(\s*(?!mod)(?:[a-zA-Z'’.-]{1,20}[\s,]+){1,12}[^()]{0,40}\)"
    r"|,?\s+(?:and|but)\s+not\b"
    r"|\s+(?:as\s+(?:required|desired|expected|needed|claimed|stated|before)|in\s+(?:total|all)|altogether|overall|respectively|when|after)\b"
    r"|\s*[，,]\s*(?:所以|因此|即|故|符合|这|因为|满足|也就是|而|其中|正好|刚好|答)"
)


def _core(sentence: str) -> str:
    """Return the answer in the sentence that states it: its bold part or formula, its value, or the whole sentence."""
    sentence = _APPROACH.sub("", sentence.strip().strip("*").strip())
    emphasis = _BOLD.search(sentence)
    if emphasis:
        return emphasis.group(1).strip()
    formulas = list(_INLINE_MATH.finditer(sentence))
    ended = _without_rest(sentence, formulas)
    if ended is not None:
        sentence, formulas = ended, list(_INLINE_MATH.finditer(ended))
    if len(formulas) == 1:
        before = sentence[: formulas[0].start()]
        if not re.search(r"\d", before) or leads_to_value(before):
            return _inside(formulas[0])
    if formulas:
        return sentence
    return value_in(sentence) or tidied(sentence)


def _without_rest(sentence: str, formulas: list[re.Match[str]]) -> str | None:
    """Return the value with its unit at the beginning of a sentence that continues after it ("12, as required")."""
    first = formulas[0] if formulas and formulas[0].start() == 0 else NUMBER.match(sentence)
    if first is None:
        return None
    for end in (first.end(), *_unit_ends(sentence, first.end())):
        if _GOES_ON.match(sentence, end):
            return sentence[:end].strip()
    return None


def _unit_ends(sentence: str, at: int) -> Iterator[int]:
    """Yield the positions where the first, second and third word after a value end."""
    for _ in range(3):
        word = _UNIT_WORD.match(sentence, at)
        if word is None:
            return
        at = word.end()
        yield at


_UNIT_WORD = re.compile(r"\s?(?!(?:and|or|as|in|when|after|mod|of)\b)[a-zA-Z\u4e00-\u9fff²³/]{1,20}")


def _inside(formula: re.Match[str]) -> str:
    return next(group for group in formula.groups() if group is not None).strip()


_WORD = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{3,}|[\u4e00-\u9fff]{2,}")
_BOUND = re.compile(
    r"\b(?:least|most|more|less|fewer|between|or|and|not|than|never)\b|至少|至多|不|或|和", re.IGNORECASE
)


def tidied(answer: str) -> str:
    """Return the number of a sentence ("Anne is 8 years old.") if it has only one or ends with "=" and one; else the text."""
    if len(answer) < 8 or "\\" in answer:
        return answer
    # a Chinese word has about two characters, and no space after it
    words = sum(1 if word.isascii() else (len(word) + 1) // 2 for word in _WORD.findall(answer))
    if words < 3:
        return answer
    numbers = list(NUMBER.finditer(answer))
    values = {number.group().strip() for number in numbers}
    if len(values) == 1 and not _BOUND.search(answer):
        return values.pop()
    if numbers and "=" in answer and re.search(r"=[^\d=]{0,3}$", answer[: numbers[-1].start()]):
        return numbers[-1].group().strip()
    return answer


def bold(text: str) -> str | None:
    """Return the last bold text with a digit, a formula or a choice letter; bold headings have none."""
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
        numbers = list(NUMBER.finditer(sentence))
        return numbers[-1].group().strip() if numbers else sentence
    return sentence


def choice(text: str) -> str | None:
    """Return the choice letter that ends the last line in brackets, or is the whole line."""
    line = text.rsplit("\n", 1)[-1].strip()
    match = re.search(r"(?:^|\s)\(([A-J])\)[\s.]*$", line[-40:]) or re.fullmatch(
        r"\(?([A-J])[.)]?", line[-40:]
    )
    return match.group(1) if match else None


_REFUSES = re.compile(
    r"\W*(?:i|we|sorry|unfortunately|as an ai)\b(?!\s*=)|[^\n]{0,80}?(?:无法|不能确定|条件不足|缺少条件|求不出|不会做|抱歉|对不起)",
    re.IGNORECASE,
)
_CHINESE_SIGN = re.compile(r"[\u4e00-\u9fff]")
_IT_IS = re.compile(
    r"(?:(?:so|thus|hence|therefore|and)\b,?\s*)?(?:it|that|this)(?:\s+is|'s)\s+|(?:so|thus|hence|therefore),?\s+"
    r"|(?:solutions?|results?|ans|解|结果)\s*[:：]\s*",
    re.IGNORECASE,
)
_BARE_COMMAND = re.compile(r"\\[a-zA-Z]+")
# a sentence that says what the value before it is, and states no value itself: its numbers describe
_DESCRIBES = re.compile(
    r"\W*(?:this|that|it|which)\s+(?:is|was|represents?|means)\s+"
    r"(?:how\s+(?:many|much|long|far|often)|the\s+(?:total\s+|exact\s+|final\s+|minimum\s+|maximum\s+|least\s+|greatest\s+)?"
    r"(?:number|amount|quantity|count|cost|price|time|distance|sum))\s+(?!of\s+\W*\d)[a-z](?:[^=:,;]|(?<=\d),(?=\d))*"
    r"\d%?\s*[a-z][^=:,;\d]*"
    r"|\W*这(?:就|便)?是[^=：:，,；;]*\d[^=：:，,；;\d]*(?:数量|总数|个数|数目|次数|人数|天数|费用|时间)\W*",
    re.IGNORECASE,
)


def last_value(text: str) -> str | None:
    """Return the value of the last sentence that has one, before those that only describe it; a short text is the answer
    itself."""
    text = text.strip()
    if len(text) <= 80 and "\n" not in text and "=" not in text and _length_in_words(text) <= 6:
        return _short(text)
    line = text.rsplit("\n", 1)[-1].strip().rstrip(".")
    words = _WORD.findall(_BARE_COMMAND.sub(" ", line))
    if (
        "\\" in line
        and "$" not in line
        and not words
        and not re.search(r"\\[()\[\]]", line)
        and len(line) < 200
    ):
        return _arrived_at(line)  # a formula on a separate line, without dollar signs
    tail = text[-_MAX_SENTENCE:]
    of_description = None
    for sentence in reversed(_sentences(tail)):
        value = _of_sentence(sentence)
        if value and _DESCRIBES.fullmatch(sentence):
            of_description = of_description or value
        elif value:
            return value
    return of_description


def _length_in_words(text: str) -> int:
    """Return about how many words a text has; Chinese has no spaces, and two characters make a word."""
    return len(text.split()) + len(_CHINESE_SIGN.findall(text)) // 2


_YES_OR_NO = re.compile(r"(yes|no)\s*[,.;!:]\s*[a-z]", re.IGNORECASE)


def _short(text: str) -> str | None:
    formulas = list(_INLINE_MATH.finditer(text))
    value = _of_sentence(text) if formulas and _WORD.search(_INLINE_MATH.sub(" ", text)) else value_in(text)
    if value:
        return value
    affirmed = _YES_OR_NO.match(text)
    if affirmed:
        return affirmed[1]
    if _REFUSES.match(text) and not re.search(r"\d|\\|\$", text):
        return None
    lead = _IT_IS.match(text)
    return text[lead.end() :] if lead and lead.end() < len(text) else text


def _sentences(text: str) -> list[str]:
    """Return the sentences of the text; formulas are not split."""
    formulas = [match.span() for match in _INLINE_MATH.finditer(text)]
    sentences, start = [], 0
    for stop in _SENTENCE_END.finditer(text):
        while formulas and formulas[0][1] <= stop.start():
            formulas.pop(0)
        if formulas and formulas[0][0] < stop.start():
            continue
        sentences.append(text[start : stop.start()])
        start = stop.end()
    return [*sentences, text[start:]]


def _of_sentence(sentence: str) -> str | None:
    numbers, formulas = list(NUMBER.finditer(sentence)), list(_INLINE_MATH.finditer(sentence))
    if formulas and (not numbers or numbers[-1].start() < formulas[-1].end()):
        return _stated_together(sentence, formulas)
    if not formulas and (value := value_in(sentence)):
        return value
    return numbers[-1].group().strip() if numbers else None


_ONE_VALUE = re.compile(r"(?:(?P<name>[a-zA-Z](?:_\{?\w\}?)?)\s*=\s*)?(?P<value>[^=<>,]{1,40})")
_TOGETHER = re.compile(r"\s*(?:,|,?\s*\b(?:and|or)\b|、|和|或|及)\s*")
_OPENS_A_RANGE = re.compile(
    r"\b(?:between|from|where|for|if|when|since|with|of|in)\s*$|[在从当若]\s*$", re.IGNORECASE
)


def _stated_together(sentence: str, formulas: list[re.Match[str]]) -> str:
    """Return the value of the last formula, with those that "and" or a comma joins to it: "2, -3" for "$x = 2$ and $x = -3$"."""
    joined = [formulas[-1]]
    for formula in reversed(formulas[:-1]):
        if not _TOGETHER.fullmatch(sentence, formula.end(), joined[0].start()):
            break
        joined.insert(0, formula)
    values = [_ONE_VALUE.fullmatch(_inside(formula)) for formula in joined]
    named = [value["name"] for value in values if value is not None]
    if len(joined) == 1 or len(named) < len(joined) or _OPENS_A_RANGE.search(sentence, 0, joined[0].start()):
        return _arrived_at(_inside(formulas[-1]))
    if len(set(named)) == 1:
        return ", ".join(value["value"].strip() for value in values if value is not None)
    return ", ".join(_inside(formula) for formula in joined)


def _arrived_at(formula: str) -> str:
    """Return the value at the end of a chain of equations."""
    return re.split(r"(?<![<>!\\])=", formula)[-1].strip() or formula


_ANSWER_HEADING = re.compile(
    r"^[ \t>]*(?:#{1,6}[ \t]*)?(?:\*\*|__|\*)?[ \t]*(?:\d{1,2}[.)][ \t]*)?[【\[]?(?:(?:the|my|our)[ \t]+)?"
    r"(?:(?:final|correct)[ \t]+)?(?:answers?|最终答案|正确答案|参考答案|最后答案|答案|答)[】\]]?[ \t]*[:：]?[ \t]*(?:\*\*|__|\*)?[ \t]*[:：]?[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_PROSE = re.compile(r"\W*$|(?:\S+\s+){3}\S|(?:it|this|that|we|there|so|thus|see)\b", re.IGNORECASE)
_ANY_HEADING = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]+\S|(?:\*\*|__)[^*\n]{1,60}(?:\*\*|__)[ \t]*[:：]?[ \t]*$)", re.MULTILINE
)


def headed(text: str, language: str) -> str | None:
    """Return the answer under the last heading "Answer" (# Answer, **Answer**, 答案：), None if there is none."""
    headings = list(_ANSWER_HEADING.finditer(text))
    if not headings:
        return None
    heading = headings[-1]
    section = text[heading.end() :].strip()
    after = _ANY_HEADING.search(section, 1)
    if after and section[: after.start()].strip():
        section = section[: after.start()].strip()
    if not section:
        return None
    formula = _INLINE_MATH.match(section)
    line = section[formula.start() : formula.end()] if formula else section.split("\n", 1)[0].strip()
    if formula and not section[formula.end() :].strip(" .。\n"):
        return _inside(formula)
    if len(section.split("\n")) == 1 or len(line.split()) <= 6:
        answer = announced(line, language) or _core(line.rstrip("。").removesuffix("."))
        if re.search(r"\d|\\|\$", answer) or (answer and not _PROSE.match(answer)):
            return answer
    value = announced(section, language) or last_value(section)
    return value if value and (re.search(r"\d|\\|\$", value) or not _PROSE.match(value)) else None
