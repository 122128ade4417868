"""Finds the value that a sentence states: 12 in "The shop needs 12 boxes.", 68 in 答：一共有68个。

A number is taken as it is written: its sign (also U+2212), its groups of thousands, its fraction, power, percent
or ratio belong to it. Of several numbers the one after the last "=" counts, then the one that the last verb leads
to, then the last. Everything is linear in the sentence's length: what repeats is bounded.
"""

from __future__ import annotations

import re

from tasks.answers.dates import NAMED_DATE
from tasks.answers.units import UNITS

MAX_SENTENCE = 2_000

_MINUS = r"(?:(?<![a-zA-Z0-9_)\]}%])[-−–－])?\s?"
_POWER = r"(?:\^(?:\{[^{}\s]{1,12}\}|\(-?\d{1,6}\)|-?\d{1,6})|\*\*-?\d{1,6}|[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]{1,6})"
_DIGITS = (
    r"(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?"
    r"|\d{1,3}(?:[ \u00a0\u2009\u202f]\d{3})+(?![\d/]|[.,]\d|\s?\d)"
    r"|\d+(?:\.\d+)?(?:[eE][-+]?\d{1,6})?(?![a-zA-Z]?\d)|\.\d+)"
)
_VALUE = (
    rf"(?<![\d.])\d{{1,2}}/\d{{1,2}}/\d{{4}}(?!\d)|{NAMED_DATE}"  # a date is one value
    r"|(?<![\d.:$])\d{1,2}(?::\d{2})?\s?(?:[aApP]\.[mM]\.|[aApP][mM]\b)"  # a time of day
    rf"|(?<![a-zA-Z\d^_])[$€£¥￥]?\s?{_MINUS}[$€£¥￥]?"
    r"(?:\\[dt]?frac\s*\{-?[^{}]{1,40}\}\s*\{[^{}]{1,40}\}"
    r"|\d+\s+\d{1,6}/\d{1,6}(?![\d/])|\d+/\d+|\d+\s?[½⅓⅔¼¾⅕⅙⅛⅜⅝⅞]|[½⅓⅔¼¾⅕⅙⅛⅜⅝⅞]|\d+又\d+/\d+|\d+(?:\s?[:：]\s?\d+)+"
    rf"|{_DIGITS}{_POWER}?(?:\s?(?:[×*·]|\\times|\\cdot)\s?10{_POWER})?)"
    r"(?:\s?(?:π|\\pi(?![a-zA-Z])|√\s?\d+|\\sqrt\s?\{\d+\}))?"
    r"(?:\s?(?:\\?%|％|‰|[十百千]?[万亿](?!一)))?"
)
NUMBER = re.compile(_VALUE)
# Chinese numerals stand for a value only where a verb leads to them and a measure word or the end follows
_NUMERAL = r"(?:百分之[零〇一二两三四五六七八九十百点]+|[零〇一二两三四五六七八九十百千万]+分之[零〇一二两三四五六七八九十百千万]+|[零〇一二两三四五六七八九十百千万亿]+(?:点[零〇一二三四五六七八九]+)?)"
_ZH_VERBS = (
    r"等于|应该?是|应填|应为|约为|约是|需要|剩下|还剩|剩余|剩|共有|共需|共|合计|总计|得到|解得|求得|可得|赚了?|花了?|"
    r"付了?|用了?|买了?|卖了?|走了?|吃了?|是|为|有|需|填|得|达到?|到|多|少|差|要|能|分|装|住|坐|种|做|用|找回?|余|约|今年"
)
_ZH_LEAD = re.compile(rf"(?:{_ZH_VERBS})\s*(?:了|出|着|回|给|去)?\s*[:：]?\s*[约大概]{{0,2}}\s*[$¥￥]?$")
_ZH_NUMERAL = re.compile(
    rf"(?:{_ZH_VERBS})\s*了?\s*[:：]?\s*({_NUMERAL})(?![个只]?人?[次]?[一二三四五六七八九])"
)
_EN_VERB = re.compile(
    r"\b(?:is|are|was|were|be|been|equals?|equal\s+to|totals?|has|have|had|needs?|needed|gets?|got|makes?|made|earns?|"
    r"earned|costs?|takes?|took|spends?|spent|pays?|paid|saves?|saved|owes?|owed|leaves?|left\s+with|weighs?|sells?|"
    r"sold|buys?|bought|receives?|received|requires?|gives?|contains?|holds?|becomes?|reach(?:es)?|remains?|will|"
    r"would|can|must|should|runs?|ran|walks?|walked|travels?|travell?ed|drives?|drove|reads?|eats?|ate|drinks?|uses?|"
    r"used|works?|worked|lasts?|produces?|collects?|collected|charges?|charged|profits?|loses?|lost|scored?|scores)\b",
    re.IGNORECASE,
)
_EN_LEAD = re.compile(r"(?:\b(?:is|are|was|were|equals?|gives?|has|have|needs?|costs?)|=)\s*$", re.IGNORECASE)
_EN_SENTENCE = re.compile(
    r"^\W*(?:so|thus|hence|therefore|the|there|it|this|that|these|they|he|she|we|i|you|in|after|altogether|overall|"
    r"finally|each|every|if|by|a|an|total|to|and|then|at|for|on|with|now|which|as|because|since)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{2,}")
_HAN = re.compile("[\u4e00-\u9fff]")
_RELATION = re.compile(r"[<>≤≥≠]|\\(?:[lg]eq?|ne|in|cup|cap|pm)(?![a-zA-Z])|\bmod\b|[±∪∩∈∞]")
_ALGEBRA = re.compile(r"(?<![a-zA-Z\d])[a-zA-Z]\s?(?:[-+*/^(]|\\[a-z])|\d[a-zA-Z](?:\s?[-+*/^)=]|$)")
_LABELLED = re.compile(r"^[^\d=:：]{2,80}[=:：]\s*(.+)$", re.DOTALL)
_UNIT = re.compile(r"\s*(?:平方|立方)?[a-zA-Z%°²³/\u4e00-\u9fff]{0,2}[.。]?")
_UNIT_TAIL = re.compile(
    r"\s*(?:[a-zA-Z\u4e00-\u9fff²³°/%]{0,16}[\s.]{0,3}){0,3}[.。！!]?\s*|\s*[(（][^()（）\d]{1,16}[)）][.。]?\s*"
)


def value_in(text: str) -> str | None:
    """Return the value that a sentence or a labelled line ("Total: 12") states, or the values that it states together ("2 and 3").

    None where the text is neither, or states no number or those of several things.
    """
    text = text.strip().strip("*").strip()
    if not text or len(text) > MAX_SENTENCE or text[0] in "[({\\\"'<|":
        return None
    han = _HAN.search(text) is not None
    beginning = NUMBER.match(text)
    if beginning and _UNIT.fullmatch(text, beginning.end()):
        return None  # a value with its unit already
    if not han and not _is_english_sentence(text):
        return None
    if _RELATION.search(text) or _ALGEBRA.search(text):
        return None
    if han and (stated := _chinese(text)):
        return stated
    numbers = list(NUMBER.finditer(text))
    if not numbers:
        return None
    if len(numbers) > 1 and (joined := _joined(text, numbers)):
        return joined
    if _several_owners(text):
        return None
    return _chosen(text, numbers, han)


def leads_to_value(before: str) -> bool:
    """Return whether the words before a value end in a verb that states it."""
    tail = before[-24:]
    return _ZH_LEAD.search(tail) is not None or _EN_LEAD.search(tail) is not None


def _is_english_sentence(text: str) -> bool:
    """Return whether Latin text is a sentence or a label with its value, and not a value with its unit."""
    words = _WORD.findall(text)
    labelled = _LABELLED.match(text)
    if labelled and words and (value := NUMBER.match(labelled.group(1))):
        # one label and one value; "x: 3, y: 4" are two
        return _UNIT_TAIL.fullmatch(labelled.group(1), value.end()) is not None
    if len(words) < 2 or NUMBER.match(text):
        return False
    return bool(_EN_SENTENCE.match(text) or _EN_VERB.search(text) or len(words) >= 4)


def _chinese(text: str) -> str | None:
    """Return the value in Chinese numerals of a sentence without digits."""
    if re.search(r"\d", text):
        return None
    stated = [match[1] for match in _ZH_NUMERAL.finditer(text) if not _is_an_article(match)]
    return stated[-1] if stated else None


_OF_A_KIND = re.compile(r"(?P<degree>元.次)?[\u4e00-\u9fff]{2,}")


def _is_an_article(numeral: re.Match[str]) -> bool:
    """Return whether a numeral is the 一 of "is a" (是一个老师, 是一道难题, 是一元二次方程), and no value with its unit (是一厘米) or measure word
    (是一个)."""
    if numeral[1] != "一" or not numeral[0].startswith("是"):
        return False
    behind = _OF_A_KIND.match(numeral.string, numeral.end(1))
    if behind is None:
        return False
    return bool(behind["degree"]) or not any(behind[0][:length] in UNITS for length in (1, 2, 3, 4))


# A clause that states the value of a new thing (甲有12元, 长是8厘米), and words by which a clause continues the one before
# it (还剩8个, 所以是8个, 每人8个).
_ZH_CLAUSE = re.compile(
    rf"[答：:\s]*(?P<owner>[\u4e00-\u9fff]{{1,8}}?)(?:{_ZH_VERBS})了?\s*\d[\d.,/]*\s?[\u4e00-\u9fff%²³a-zA-Z]{{0,4}}"
)
_ZH_GOES_ON = re.compile(
    "一共|总|共|还|剩|余|所以|因此|故|则|就|才|再|又|每|平均|最后|现在|后来|需|应|能|可|多|少|原来|已|先|实际|比"
)


def _several_owners(text: str) -> bool:
    """Return whether the last two clauses of a Chinese sentence state the values of two things."""
    clauses = [clause for clause in re.split(r"[，,；;。]", text) if clause.strip()][-2:]
    owners = [_ZH_CLAUSE.fullmatch(clause.strip()) for clause in clauses]
    names = {owner["owner"] for owner in owners if owner and not _ZH_GOES_ON.search(owner["owner"])}
    return len(names) == 2


_AND = re.compile(r"\s*(?:and|or|,|、|和|或|与|及|,\s*(?:and|or))\s*(?:[a-z]\s*=\s*)?")
_NEXT_NAME = re.compile(r"\s*(?:,\s*)?(?:and\s+)?[a-z]\s*[=:]\s*")
_PARTS_OF_QUANTITIES = (
    (
        re.compile(
            r"\s*(?:小时|时|分钟|分|米|千米|公里|厘米|元|角|千克|公斤|克|吨|岁|年|个月|天|月|度)\s*零?"
        ),
        re.compile(r"\s*(?:分钟|分|秒|米|厘米|毫米|角|分|克|千克|个月|天|小时|日)"),
    ),
    (
        re.compile(
            r"\s*(?:hours?|hrs?|minutes?|mins?|feet|ft|foot|pounds?|lbs?|dollars|years?|weeks?|days?)\s*(?:,|and|,\s*and)?\s*"
        ),
        re.compile(
            r"\s*(?:minutes?|mins?|seconds?|secs?|inch(?:es)?|in|ounces?|oz|cents|months?|days?|hours?)\b"
        ),
    ),
)
_NAME = re.compile(r"(?<![a-zA-Z])[a-z]\s*[=:]\s*$")
_RATIO = re.compile(r"\b(?:ratio|proportion|odds)s?\b|比", re.IGNORECASE)
_BOUNDS = re.compile(r"\bbetween\s*$|[在从]\s*$", re.IGNORECASE)  # between 10 and 20
_TO = re.compile(r"\s*(?:to|比)\s*")


def _linked(text: str, before: re.Match[str], last: re.Match[str]) -> int | None:
    """Return where the answer that two neighbouring numbers belong to ends: behind the second one, or behind its unit. None if they
    are two values."""
    between = text[before.end() : last.start()]
    if _AND.fullmatch(between) or _NEXT_NAME.fullmatch(between):
        return last.end()  # 2 and 3; x = 2 and y = 3
    for unit, smaller in _PARTS_OF_QUANTITIES:
        if unit.fullmatch(between) and (end := smaller.match(text, last.end())) is not None:
            return end.end()
    return None


def _joined(text: str, numbers: list[re.Match[str]]) -> str | None:
    """Return the values that a sentence states together: 3或-1, "x = 2 and y = 3", "3 hours and 20 minutes", and 3:4 for "in the ratio
    3 to 4". None if its last numbers are apart, or belong to things with names of their own."""
    before, last = numbers[-2:]
    if _TO.fullmatch(text, before.end(), last.start()) and _RATIO.search(text, 0, before.start()):
        return f"{before.group().strip()}:{last.group().strip()}"
    end = _linked(text, before, last)
    if end is None or _several_owners(text):
        return None
    if _BOUNDS.search(text, 0, before.start()):
        return last.group().strip()
    first = len(numbers) - 2
    while first and _linked(text, numbers[first - 1], numbers[first]) is not None:
        first -= 1
    start = numbers[first].start()
    name = _NAME.search(text, max(0, start - 12), start)
    return text[name.start() if name else start : end].strip()


_CONCLUDES = re.compile(
    r"[,;]\s*(?:and\s+)?(?:so|thus|hence|therefore|which\s+means)\b|[，；;]\s*(?:所以|因此|故)"
)


def _chosen(text: str, numbers: list[re.Match[str]], han: bool) -> str:
    conclusions = [match.end() for match in _CONCLUDES.finditer(text, 0, numbers[-1].start())]
    if conclusions:
        numbers = [number for number in numbers if number.start() >= conclusions[-1]]
    values = {number.group().strip() for number in numbers}
    if len(values) == 1:
        return values.pop()
    for number in reversed(numbers):
        if re.search(r"[=＝≈]\s*[$¥￥]?\s*$", text[max(0, number.start() - 4) : number.start()]):
            return number.group().strip()
    if han:
        for number in reversed(numbers):
            if _ZH_LEAD.search(text[max(0, number.start() - 12) : number.start()]):
                return number.group().strip()
    else:
        verbs = [verb.end() for verb in _EN_VERB.finditer(text, 0, numbers[-1].start() + 1)]
        if verbs:
            return next(number for number in numbers if number.end() > verbs[-1]).group().strip()
    return numbers[-1].group().strip()


_OPTION_IS = re.compile(
    r"\b(?:[Oo]ption|[Cc]hoice|[Aa]nswer|[Aa]lternative)s?\s*:?\s*[(\[]?\*{0,2}([A-J])\*{0,2}[)\]]?"
    r"(?=\s*(?:[.,;:!]|$|is\b|was\b|would\b|seems\b|because\b|\())(?!\s*(?:is|was|would be|seems)\s+(?:not|wrong|incorrect|false|too))"
)
_IS_RIGHT = re.compile(
    r"(?:^|[\s(\[*])([A-J])[)\].*]{0,3}\s+(?:is|would be|must be|seems)\s+(?:the\s+|our\s+|indeed\s+)?"
    r"(?:correct|right|best|true|only correct|answer|one that)\b"
)
_CHOSEN = re.compile(
    r"\b(?:choose|pick|select|go with|choosing|selecting|picking|is|be)\s+(?:option\s+|choice\s+|letter\s+)?"
    r"[(\[]?\*{0,2}([A-J])\*{0,2}[)\]]?(?=[.!]?\s*$|[.!]\s)"
)
_ZH_LETTERS = (
    re.compile(r"选(?:择|项)?\s*(?:项|的?是|为|答案)?\s*[:：]?\s*[(（]?([A-J])(?![a-zA-Z])"),
    re.compile(r"(?<![a-zA-Z])([A-J])[)）]?\s*(?:选?项)?\s*(?:是|为)?\s*(?:正确|对的|符合)(?!的?说法不)"),
    re.compile(r"答案\s*(?:是|为|选|[:：])?\s*[(（]?([A-J])(?![a-zA-Z])"),
)


def letter_in(text: str) -> str | None:
    """Return the choice letter that a closing sentence names ("Option B is the right one.", 故选B)."""
    places: list[tuple[int, str]] = []
    for pattern in (_OPTION_IS, _IS_RIGHT, _CHOSEN, *(_ZH_LETTERS if _HAN.search(text) else ())):
        places += [(match.start(1), match.group(1)) for match in pattern.finditer(text[-MAX_SENTENCE:])]
    return max(places)[1] if places else None
