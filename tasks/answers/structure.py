"""Splits answers of several parts (lists, sets, tuples, labelled values, numbered blanks) and pairs the parts of two.

Unordered parts (several solutions) are matched in any order; parts with an order (tuples, numbered or
semicolon-separated blanks) or labels (x = 1, y = 2; 9 chickens and 10 rabbits; 3 remainder 4) are matched by it. The
parts themselves are compared by a function of the caller: exactly, or by computer algebra.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tasks.answers.numerals import read
from tasks.answers.units import noun
from tasks.answers.verdicts import Judgement
from tasks.text.brackets import closing, split_top

Compare = Callable[[str, str], Judgement | None]

_MAX_PARTS = 64
_WORD_AND = r"(?:\\(?:text|mathrm|quad|textrm)\s*\{\s*(?:and|or)\s*\}|(?<![a-zA-Z\\])(?:and|or)(?![a-zA-Z])|或者?|和|以及|及|并且|且)"
AND = re.compile(rf"\s*(?:[,;]\s*)?{_WORD_AND}\s*")
# thousands in a list: "1,000, 2,000"; without a space after the separating commas it is ambiguous
_THOUSANDS = re.compile(r"(?<![\d,.])[1-9]\d{0,2}(?:,\d{3})+(?![\d,]\d|\d)")
_SPACED = re.compile(r"[,;]\s|;|\band\b|\bor\b|和|或")


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of an answer.

    labels: one label per part if all parts have different labels, else empty. ordered: true for tuples and numbered
    blanks. bracket: the opening bracket around the parts, or "".
    """

    items: tuple[str, ...]
    labels: tuple[str, ...] = ()
    ordered: bool = False
    bracket: str = ""


def elements(text: str) -> list[str]:
    """Return the answers of "a, b and c"; one element if it is one answer."""
    if _THOUSANDS.fullmatch(text):
        return [text]  # 1,234 is a number; 1, 234 are two
    return split_top(AND.sub(", ", without_thousands(text)))


def without_thousands(text: str) -> str:
    """Return "(1000, 2000)" for "(1,000, 2,000)": no commas inside numbers, where a space follows the commas of the list."""
    if "," not in text or not _SPACED.search(text) or not _THOUSANDS.search(text):
        return text
    return _THOUSANDS.sub(lambda match: match.group().replace(",", ""), text)


@functools.lru_cache(maxsize=4096)
def parts(text: str) -> Parts | None:
    """Return the parts of a canonical text, None if it is one answer or has too many parts."""
    for reader in (_blanks, _division, _bracketed, _listed):
        split = reader(text)
        if split is not None:
            return split if len(split.items) <= _MAX_PARTS else None
    return None


_BLANK = re.compile(r"(?:^|[\s,;.:])\s*(?:[(\[]([1-9])[)\]]|([①-⑨]))\s*")


def _blanks(text: str) -> Parts | None:
    """Return the parts of numbered blanks: (1) 3 (2) 5, ① 3 ② 5."""
    blanks = list(_BLANK.finditer(text))
    if len(blanks) < 2 or blanks[0].start() != 0:
        return None
    numbers = [int(blank[1]) if blank[1] else ord(blank[2]) - ord("①") + 1 for blank in blanks]
    if numbers != list(range(1, len(numbers) + 1)):
        return None
    ends = [blank.start() for blank in blanks[1:]] + [len(text)]
    items = tuple(text[blank.end() : end].strip(" ,;.") for blank, end in zip(blanks, ends, strict=True))
    return Parts(items, ordered=True) if all(items) else None


_DIVISION = re.compile(
    r"(-?\d{1,40})\s*(?:,\s*)?(?:\\text\s*\{\s*)?(?:with\s+)?(?:an?\s+)?(?:remainder|rem\.?|[rR]|余|\.{3,6})"
    r"(?:\s*(?:of|is|:|=))?(?:\s*\})?\s*(-?\d{1,40})"
)


def _division(text: str) -> Parts | None:
    """Return quotient and remainder of 3 remainder 4, 3 R 4, 3余4 or 3......4."""
    match = _DIVISION.fullmatch(text)
    return None if match is None else Parts((match[1], match[2]), ("quotient", "remainder"))


_OPEN = {"(": ")", "[": "]", "\\{": "\\}", "{": "}"}
_NAMES = re.compile(
    r"\s*\(?\s*([a-zA-Z](?:_\{?\w+\}?)?(?:\s*,\s*[a-zA-Z](?:_\{?\w+\}?)?)+)\s*\)?\s*=\s*(\(.*\))\s*",
    re.DOTALL,
)


def _bracketed(text: str) -> Parts | None:
    named = _NAMES.fullmatch(text)
    if named:
        inner, labels = _bracketed(named[2]), tuple(name.strip() for name in named[1].split(","))
        if inner is not None and len(inner.items) == len(labels) == len(set(labels)):
            return Parts(inner.items, labels, ordered=True)
        return None
    for left, right in _OPEN.items():
        if not text.startswith(left) or not text.endswith(right) or len(text) <= len(left) + len(right):
            continue
        if len(split_top(text)) > 1 or closing(text, 0) < len(text) - 1:
            return None
        inside = text[len(left) : -len(right)]
        if left != "(":
            inside = AND.sub(", ", inside)
        items = tuple(split_top(without_thousands(inside)))
        if len(items) < 2:
            return None
        if left != "(":
            listed = _labelled(items)
            if listed is not None:
                return listed
        return Parts(items, ordered=left == "(", bracket=left[-1])
    return None


def _listed(text: str) -> Parts | None:
    ordered = ";" in text and "," not in text and not AND.search(text)
    items = tuple(elements(text))
    if len(items) < 2:
        return None
    labelled = _labelled(items)
    if labelled is not None:
        return labelled
    return Parts(items, ordered=ordered and not any("=" in item for item in items))


_LABEL = (
    r"[a-zA-Z](?:_\{?\w{1,8}\}?|')?|\\[a-z]{2,12}(?:_\{?\w\}?)?|[^\W\d_]{2,24}(?:[ '’-][^\W\d_]{1,24}){0,4}"
)
_ASSIGNED = re.compile(rf"({_LABEL})\s*(?:=|:|\s(?:is|are)\s|是|为)\s*(\S.*)", re.DOTALL)
_NAME_NUMBER = re.compile(
    r"([^\W\d_]{2,24}(?:[ '’-][^\W\d_]{1,24}){0,4}|[\u4e00-\u9fff]{1,12})\s*(-?[$€£¥]?\d.*)", re.DOTALL
)
_MEASURES = "只个名人头匹条张本支枚块件台辆位"


def _labelled(items: Sequence[str]) -> Parts | None:
    """Return the parts with their labels, None unless every part has a label and no two are the same."""
    pairs = [_label(item) for item in items]
    labels = [pair[0] for pair in pairs if pair is not None]
    if len(labels) < len(items) or len(set(labels)) < len(items):
        return None
    return Parts(tuple(pair[1] for pair in pairs if pair is not None), tuple(labels))


_UNTEXT = re.compile(r"\\(?:text|mathrm|textrm|mbox|textbf)\s*\{([^{}]*)\}")


@functools.lru_cache(maxsize=4096)
def _label(item: str) -> tuple[str, str] | None:
    item = _UNTEXT.sub(r" \1 ", item).strip() if "\\" in item else item
    match = _ASSIGNED.fullmatch(item)
    if match and "=" not in match[2]:
        name = match[1]
        return (name if len(name) == 1 or "_" in name or name.startswith("\\") else noun(name)), match[
            2
        ].strip()
    match = _NAME_NUMBER.fullmatch(item)
    if match and read(match[2]) is not None:
        # 鸡9只: the measure word adds nothing
        return noun(match[1]), match[2].rstrip(_MEASURES).strip()
    quantity = read(item)
    if quantity is not None and quantity.noun:
        return quantity.noun.lstrip(_MEASURES) or quantity.noun, re.sub(
            r"[^\W\d_]+[^\d]*$", "", item
        ).strip() or item
    return None


def compare_parts(a: Parts, b: Parts, compare: Compare) -> Judgement | None:
    """Return the verdict on two answers of several parts, None where `compare` could not decide a part that matters."""
    if a.labels and b.labels:
        return _both_labelled(a, b, compare)
    if a.labels or b.labels:
        return _one_labelled(a, b, compare) if a.labels else _one_labelled(b, a, compare)
    if len(a.items) != len(b.items):
        sets = {a.bracket, b.bracket} & {"(", "["}
        return None if sets else _match(a.items, b.items, compare)
    if a.ordered and b.ordered:
        return _in_order(a.items, b.items, compare)
    if a.bracket == b.bracket == "[":
        # either an ordered list or printed solutions in any order: the text does not say which
        return "equal" if _in_order(a.items, b.items, compare) == "equal" else _swapped(a, b, compare)
    if {a.bracket, b.bracket} == {"(", "{"} or (len(a.items) == 2 and {a.bracket, b.bracket} == {"[", "{"}):
        matched = _match(a.items, b.items, compare)  # a set and a point or an interval
        return "unknown" if matched == "equal" else matched
    if a.ordered or b.ordered:
        if "(" in (a.bracket, b.bracket):
            return None  # a point and a list without brackets: computer algebra reads both
        return "equal" if _in_order(a.items, b.items, compare) == "equal" else _swapped(a, b, compare)
    return _match(a.items, b.items, compare)


def _swapped(a: Parts, b: Parts, compare: Compare) -> Judgement | None:
    """Return the verdict in any order, but "unknown" for equal values, where only one side shows that the order counts."""
    matched = _match(a.items, b.items, compare)
    return "unknown" if matched == "equal" else matched


def _in_order(first: Sequence[str], second: Sequence[str], compare: Compare) -> Judgement | None:
    if len(first) != len(second):
        return "different"
    return _all([compare(p, q) for p, q in zip(first, second, strict=True)])


def _all(verdicts: list[Judgement | None]) -> Judgement | None:
    """Return the verdict on all parts: one different part decides, else one undecided, else one unknown."""
    if "different" in verdicts:
        return "different"
    if None in verdicts:
        return None
    return "unknown" if "unknown" in verdicts else "equal"


def _match(first: Sequence[str], second: Sequence[str], compare: Compare) -> Judgement | None:
    """Return the verdict on several answers in any order: equal if the two sides can be paired."""
    table = [[compare(p, q) for q in second] for p in first]
    if len(first) != len(second):
        # 1, 1, 2 and 1, 2: lists or sets, the text does not say which
        rows = [_best(row) for row in table]
        columns = [_best([row[index] for row in table]) for index in range(len(second))]
        overall = _all([*rows, *columns])
        return "unknown" if overall == "equal" else overall
    if any(all(cell == "different" for cell in row) for row in table):
        return "different"
    if any(all(row[index] == "different" for row in table) for index in range(len(second))):
        return "different"
    if _pairs_off(table, {"equal"}):
        return "equal"
    if not _pairs_off(table, {"equal", "unknown", None}):
        return "different"
    return None if any(None in row for row in table) else "unknown"


def _best(cells: Sequence[Judgement | None]) -> Judgement | None:
    if "equal" in cells:
        return "equal"
    if None in cells:
        return None
    return "unknown" if "unknown" in cells else "different"


def _pairs_off(table: list[list[Judgement | None]], allowed: set[Judgement | None]) -> bool:
    """Return whether each row can have a different column among the allowed cells (augmenting paths: Kuhn 1955)."""
    partner: dict[int, int] = {}

    def place(row: int, tried: set[int]) -> bool:
        for column, cell in enumerate(table[row]):
            if cell in allowed and column not in tried:
                tried.add(column)
                if column not in partner or place(partner[column], tried):
                    partner[column] = row
                    return True
        return False

    return all(place(row, set()) for row in range(len(table)))


def _both_labelled(a: Parts, b: Parts, compare: Compare) -> Judgement | None:
    if set(a.labels) == set(b.labels):
        other = dict(zip(b.labels, b.items, strict=True))
        verdict = _all([compare(item, other[name]) for name, item in zip(a.labels, a.items, strict=True)])
        # x_1 and x_2 are the roots of one equation, in any order, or the unknowns of a system: the text does not say which
        indexed = len({name.partition("_")[0] for name in a.labels}) == 1
        return (
            "unknown"
            if indexed and verdict == "different" and _match(a.items, b.items, compare) == "equal"
            else verdict
        )
    values = _match(a.items, b.items, compare)
    if values != "equal":
        return values
    # the same values under other names: other variables are other answers, other words may be synonyms
    variables = all(len(name) == 1 and name.isascii() for name in (*a.labels, *b.labels))
    return "different" if variables and not set(a.labels) & set(b.labels) else "unknown"


_USUAL = ("xyz", "xyzw", "xy", "abc", "ab", "abcd", "pq", "mn", "rs", "uv")


def _one_labelled(named: Parts, plain: Parts, compare: Compare) -> Judgement | None:
    """Return the verdict on x = 2, y = 1 and (2, 1).

    Alphabetic and written order must agree, unless the names are those of coordinates.
    """
    if len(named.items) != len(plain.items):
        return "different" if len(plain.items) > 1 else None
    written = _in_order(named.items, plain.items, compare)
    if named.ordered:
        return written
    if not all(len(name) == 1 and name.isascii() for name in named.labels):
        # which of "9 chickens and 10 rabbits" the question asks for first is not known here
        return written if written != "different" else _swapped(named, plain, compare)
    ordered = sorted(zip(named.labels, named.items, strict=True))
    alphabetic = _in_order([item for _, item in ordered], plain.items, compare)
    if "".join(name for name, _ in ordered) in _USUAL and plain.bracket == "(":
        return alphabetic
    if written == alphabetic:
        return written
    return None if None in (written, alphabetic) else "unknown"


def spelled_out(text: str) -> list[str]:
    """Return the answers of a list, with every combination of signs of a tuple's plus-minus written out."""
    answers: list[str] = []
    for part in elements(text):
        pieces = part.split("\\pm")
        if len(pieces) > 4 or (len(pieces) > 1 and not part.startswith("(")):
            answers.append(part)
            continue
        for signs in itertools.product(("+", "-"), repeat=len(pieces) - 1):
            tail = "".join(sign + piece for sign, piece in zip(signs, pieces[1:], strict=True))
            answers.append((pieces[0] + tail).replace("(+", "(").replace(", +", ", ").replace(",+", ","))
    return answers
