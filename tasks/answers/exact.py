"""The exact fast path: verdicts that need no computer algebra, on rationals, lists of them and plain words.

It decides a pair only where the decision is certain, and otherwise says None (ask math-verify). Where it
contradicts math-verify, math-verify is wrong: the faults are listed and re-proved in tests/tasks/answers.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction

from tasks.answers.arithmetic import decide_arithmetic
from tasks.answers.comparison import compare
from tasks.answers.dates import compare_dates
from tasks.answers.labels import NOTHING, compare_words, is_prose, label
from tasks.answers.numerals import UNENDING, read
from tasks.answers.spelling import ALL_REALS, EMPTY_SET, MAX_LENGTH, canonical
from tasks.answers.structure import AND, compare_parts, parts
from tasks.answers.times import compare_times
from tasks.answers.units import Unit, unit_of, upright_letter
from tasks.answers.verdicts import Judgement

_INTEGER = re.compile(r"-?[1-9][0-9]{0,17}|0")
_CHOICE = re.compile(r"\(?([A-Ja-j])\)?")
_OPTION = re.compile(r"\(?([A-J])(?:[).:]\s*|\)\s+)(.+)", re.DOTALL)
_CHOICES = re.compile(r"(?:[A-J](?:\s*[,、;]?\s*(?:and\s+|和)?)){2,10}")  # ABD, and A, B, D
_COMMA_DECIMAL = re.compile(r"[-+]?0\d*,\d+")
# 1 1/2 is not 11/2, 1, 234 is not 1,234, 1/2 x is not 1/2x
_SPACE = re.compile(r"(?<![0-9A-Za-z,;]) | (?![0-9A-Za-z\\(])")
_READABLE = re.compile(r"[^\W_]|\\[a-zA-Z]")


def decide(candidate: str, gold: str) -> Judgement | None:
    """Return the verdict on one pair, None where only computer algebra can decide. The order of the pair does not matter."""
    if _INTEGER.fullmatch(candidate) and _INTEGER.fullmatch(gold):
        return "equal" if candidate == gold else "different"
    if len(candidate) > MAX_LENGTH or len(gold) > MAX_LENGTH:
        same = candidate.strip() == gold.strip() and bool(_READABLE.search(gold))
        return "equal" if same else "unknown"
    return decide_canonical(*prepared(candidate, gold))


def prepared(candidate: str, gold: str) -> tuple[str, str]:
    """Return both texts in one spelling, with the same names for bound variables (the x of f(x)).

    They are sorted, so that a verdict cannot depend on which of the two is the gold answer.
    """
    a, b = canonical(candidate), canonical(gold)
    a, b = without_letter(a, b), without_letter(b, a)
    a, b = _without_name(a, b), _without_name(b, a)
    a, b = _ratio(a, b), _ratio(b, a)
    a, b = _with_unit(a, b), _with_unit(b, a)
    a, b = _counted_choices(a, b), _counted_choices(b, a)
    a, b = _with_digits(a, b), _with_digits(b, a)
    a, b = _matrix(a, b), _matrix(b, a)
    a, b = _components(a, b), _components(b, a)
    a, b = _unmeasured(a, b)
    a, b = sorted((a, b), key=lambda text: (len(text), text))
    return a, _renamed(b, a)


_MEASURED = re.compile(
    r"(.*?[^\s\\])\s*(\\(?:text|mathrm|textrm|mbox)\s*\{[^{}]{1,40}\}(?:\s*\^\s*\{?\d\}?)?)\.?", re.DOTALL
)
_TEXT_INSIDE = re.compile(r"\\(?:text|mathrm|textrm|mbox)\s*\{([^{}]*)\}")


def _unmeasured(a: str, b: str) -> tuple[str, str]:
    """Return the texts without units, where a value is more than a number: 36\\pi for "36\\pi \\text{ cm}^2".

    Values with two different units of one dimension are converted to the base unit. Units of different dimensions are
    kept, so that the two differ.
    """
    if "\\" not in a + b or not any("{" in text and _MEASURED.fullmatch(text) for text in (a, b)):
        return a, b
    values: list[str] = []
    units: list[Unit | None] = []
    for text in (a, b):
        match = _MEASURED.fullmatch(text)
        tail = unit_of(_TEXT_INSIDE.sub(r"\1", match[2]), upright=True) if match else None
        if (
            match is None
            or tail is None
            or tail.unit is None
            or read(text) is not None
            or parts(text) is not None
        ):
            values.append(text)
            units.append(None)
        else:
            values.append(match[1].strip())
            units.append(tail.unit)
    one, other = units
    if one is not None and other is not None and one.dimension != other.dimension:
        return a, b
    if one is not None and other is not None and one.factor != other.factor:
        values = [
            rf"\frac{{{unit.factor.numerator}}}{{{unit.factor.denominator}}} \cdot ({value})"
            for value, unit in zip(values, (one, other), strict=True)
        ]
    return values[0], values[1]


_NAMED = re.compile(
    r"(?:[a-zA-Z](?:_\{?\w{1,8}\}?|'|\s*\^\s*\{\s*-1\s*\})?(?:\s*\(\s*\w{1,3}\s*\))?|\\(?:bar|overline|vec|hat)\s*(?:\{\s*)?[a-zA-Z]\s*\}?|\\[a-z]{2,8})"
    r"\s*(?:=|:=)\s*([^=<>]+)",
    re.DOTALL,
)
_COMPARED = re.compile(r"[=<>]|\\(?:le|ge|ne|in|equiv|approx)(?![a-zA-Z])")


_POINT = re.compile(r"[A-Z](?:'|_\{?\w\}?)?\s*(\([^()=]*,[^()=]*\))")


def _without_name(text: str, other: str) -> str:
    """Return the 5 of "x = 5", the n of "N = n" and the (1, 2) of "P(1, 2)", where the other answer is a value without a name."""
    if other.startswith("(") and (point := _POINT.fullmatch(text)) is not None:
        return point[1]
    if "=" not in text or _COMPARED.search(other):
        return text
    match = _NAMED.fullmatch(text)
    return text if match is None or _COMPARED.search(match[1]) else match[1].strip()


_RATIO_IN_WORDS = re.compile(r"(\d{1,40}(?:\.\d{1,40})?)\s*(?:to|比)\s*(\d{1,40}(?:\.\d{1,40})?)")
_RATIO = re.compile(r"[\d.]+\s*:\s*[\d.]+")


def _ratio(text: str, other: str) -> str:
    """Return "3 to 4" as 3:4, where the other answer is a ratio. Elsewhere it may be a range."""
    words = _RATIO_IN_WORDS.fullmatch(text)
    return text if words is None or _RATIO.fullmatch(other) is None else f"{words[1]}:{words[2]}"


def _with_unit(text: str, other: str) -> str:
    """Return "1000 J" with J as the joule, where the other answer is an energy, such as 1 kJ."""
    if not text.endswith(("N", "J", "W", "V", "A")):
        return text
    quantity = read(other)
    return (
        text if quantity is None or quantity.unit is None else upright_letter(text, quantity.unit.dimension)
    )


_CHOICES_OF = re.compile(
    r"(?:\\(?:mathrm|text)\s*\{\s*)?(?P<kind>[CPA])\s*\}?\s*(?:\(\s*(?P<n>\d{1,4})\s*,\s*(?P<k>\d{1,4})\s*\)"
    r"|_\s*\{?\s*(?P<lower>\d{1,4})\s*\}?\s*\^\s*\{?\s*(?P<upper>\d{1,4})\s*\}?"
    r"|\^\s*\{?\s*(?P<first>\d{1,4})\s*\}?\s*_\s*\{?\s*(?P<second>\d{1,4})\s*\}?)"
)
_MOST_CHOICES = 1_000  # of things to choose from, so that the number has at most 300 digits


def _counted_choices(text: str, other: str) -> str:
    """Return C(5, 2), C_5^2, P(5, 2) and A_5^2 as their numbers, where the other answer is a number. Elsewhere C(5, 2) may be a point."""
    match = _CHOICES_OF.fullmatch(text)
    if match is None or read(other) is None:
        return text
    chosen_from = int(match["n"] or match["lower"] or match["second"])
    chosen = int(match["k"] or match["upper"] or match["first"])
    if not chosen <= chosen_from <= _MOST_CHOICES:
        return text
    return str((math.comb if match["kind"] == "C" else math.perm)(chosen_from, chosen))


_ORDINAL_WORDS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
_ORDINALS = {word: str(number) for number, word in enumerate(_ORDINAL_WORDS.split(), 1)}


def _with_digits(text: str, other: str) -> str:
    """Return "the second" as 2, where the other answer is a whole number: next to 1/3, "third" is a fraction."""
    if not _INTEGER.fullmatch(other):
        return text
    return _ORDINALS.get(text.lower().removeprefix("the ").strip(), text)


_NESTED = re.compile(r"\[\s*(\[[^\[\]]*\](?:\s*,?\s*\[[^\[\]]*\])*)\s*\]")


def _matrix(text: str, other: str) -> str:
    """Return [[1, 2], [3, 4]] as a matrix, where the other answer is a matrix."""
    if "matrix}" not in other or not text.startswith("[["):
        return text
    match = _NESTED.fullmatch(text)
    if match is None:
        return text
    rows = [
        " & ".join(re.split(r"\s*,\s*|\s+", row.strip())) for row in re.findall(r"\[([^\[\]]*)\]", match[1])
    ]
    return r"\begin{pmatrix}" + r" \\ ".join(rows) + r"\end{pmatrix}"


_TERM = re.compile(
    r"\s*(?P<sign>[-+]?)\s*(?P<factor>(?:\d+(?:\.\d+)?|\\frac\s*\{\d+\}\s*\{\d+\}|\\sqrt\s*\{\d+\}){0,2})\s*(?:\\cdot\s*)?"
    r"(?:\\(?:hat|vec|mathbf|boldsymbol|bf|overrightarrow|bar|imath|jmath)\s*)*\{?\s*(?:\\(?:hat|vec|mathbf|boldsymbol)\s*)?\{?\s*"
    r"(?P<unit>\\?[ijk])(?:math)?\s*\}{0,2}"
)


def _components(text: str, other: str) -> str:
    """Return 2\\hat{i} - 3\\hat{j} as (2, -3), where the other answer is a tuple or a vector."""
    if len(text) > 120 or not other.startswith(("(", r"\begin{pmatrix}")) or "j" not in text:
        return text
    components: dict[str, str] = {}
    position = 0
    while position < len(text):
        term = _TERM.match(text, position)
        if term is None or (position and not term["sign"]) or term["unit"] in components:
            return text
        components[term["unit"]] = term["sign"].replace("+", "") + (term["factor"] or "1")
        position = term.end()
    size = 3 if "k" in components or other.count(",") == 2 or other.count(r"\\") == 2 else 2
    return f"({', '.join(components.get(unit, '0') for unit in 'ijk'[:size])})"


_HEAD = re.compile(r"([a-zA-Z](?:_\{?\w\}?|')?)\s*\(\s*([a-zA-Z])\s*\)\s*=")
_LETTER = re.compile(r"\\[a-zA-Z]+|[a-zA-Z]")


def _renamed(text: str, other: str) -> str:
    head, bound = _HEAD.match(text), _HEAD.match(other)
    if head and bound and head[1] == bound[1] and head[2] != bound[2]:
        names = set(_LETTER.findall(text))
        if bound[2] not in names:
            text = _LETTER.sub(lambda match: bound[2] if match.group() == head[2] else match.group(), text)
    return text


def decide_canonical(a: str, b: str) -> Judgement | None:
    """Return `decide` of two texts that are already canonical."""
    if not _READABLE.search(a) or not _READABLE.search(b):
        return "unknown"
    if a == b or ((" " in a or " " in b) and _SPACE.sub("", a) == _SPACE.sub("", b)):
        return "equal"
    if a.casefold() in NOTHING or b.casefold() in NOTHING:
        return "unknown"
    dates = compare_dates(a, b) or compare_times(a, b)
    if dates is not None:
        return dates
    x, y = read(a), read(b)
    if x is not None and y is not None:
        return compare(x, y)
    for rule in (_unended, _choices, _sets, _congruences, _bases, _ratios, _parts, compare_words):
        verdict = rule(a, b)
        if verdict is not None:
            return verdict
    verdict = decide_arithmetic(a, b)
    if verdict is not None:
        return verdict
    return "unknown" if any(is_prose(AND.sub(", ", text)) for text in (a, b)) else None


def _choices(a: str, b: str) -> Judgement | None:
    """Return the verdict on letters of multiple choice, with or without their options ("B) 12"), None for other texts."""
    letters: list[str] = []
    options: list[str] = []
    several = [_CHOICES.fullmatch(text) for text in (a, b)]
    if several[0] is not None and several[1] is not None and not (a.isalpha() and b.isalpha()):
        chosen = [sorted(re.findall("[A-J]", text)) for text in (a, b)]
        return "equal" if chosen[0] == chosen[1] else "different"
    for text in (a, b):
        letter, option = _CHOICE.fullmatch(text), _OPTION.fullmatch(text)
        if letter is None and option is None:
            return None
        letters.append((letter or option)[1].upper())  # type: ignore[index]
        options.append(option[2] if option is not None and letter is None else "")
    if letters[0] != letters[1]:
        return "different"
    return decide_canonical(*options) if all(options) else "equal"


def without_letter(text: str, other: str) -> str:
    """Return the option of "(C) 12", where the other answer is a value without a letter."""
    option = _OPTION.fullmatch(text)
    if option is None or _CHOICE.fullmatch(text) or _CHOICE.fullmatch(other) or _OPTION.fullmatch(other):
        return text
    return option[2].strip()


def _unended(a: str, b: str) -> Judgement | None:
    """Return "unknown" for 3.14... beside a value that may begin with its digits, None for other pairs."""
    for text, other in ((a, b), (b, a)):
        beginning = UNENDING.fullmatch(text)
        if beginning is None or read(text) is not None:
            continue
        quantity = read(other)
        if quantity is None:
            return "unknown"
        sign, whole, digits = beginning.groups()
        off = abs(quantity.value - Fraction(f"{sign}{whole or 0}.{digits}"))
        return "unknown" if off < Fraction(1, 10 ** len(digits)) else "different"
    return None


_BASE = re.compile(r"(-?[0-9A-Za-z]{1,60})\s*_\s*\{?(?:\\text\{)?(\d{1,2})\}*")


_CONGRUENCE = re.compile(
    r"(?:[a-zA-Z]\s*(?:\\equiv|≡)\s*)?(-?\d{1,60})\s*\(?\s*(?:\\[pb]?mod|mod)\s*\{?\s*(\d{1,60})\s*[})]*"
)


def _congruences(a: str, b: str) -> Judgement | None:
    """Return the verdict on residue classes, x = 1 mod 5 and 6 mod 5 (math-verify compares only the moduli)."""
    x, y = _CONGRUENCE.fullmatch(a), _CONGRUENCE.fullmatch(b)
    if x is None or y is None or int(x.group(2)) == 0:
        return None
    modulus = int(x.group(2))
    same = modulus == int(y.group(2)) and (int(x.group(1)) - int(y.group(1))) % modulus == 0
    return "equal" if same else "different"


def _bases(a: str, b: str) -> Judgement | None:
    """Return the verdict on numerals in a written base, 120_5 and 1020_3, by value (math-verify drops the base).

    A numeral without a base is read in the base of the other, because the question names it.
    """
    x, y = _BASE.fullmatch(a), _BASE.fullmatch(b)
    if x is None and y is None:
        return None
    if x is None or y is None:
        plain, based = (a, y) if x is None else (b, x)
        if based is None or not re.fullmatch(r"-?[0-9]+", plain) or not based.group(1).lstrip("-").isdigit():
            return None
        return "equal" if int(plain) == int(based.group(1)) else "different"
    try:
        values = [int(match.group(1), int(match.group(2))) for match in (x, y)]
    except ValueError:
        return None  # a_1, or a digit that the base does not have
    return "equal" if values[0] == values[1] else "different"


def _ratios(a: str, b: str) -> Judgement | None:
    """Return the verdict on continued ratios (6:1:2) up to a common factor (math-verify divides them into one number)."""
    if a.count(":") < 2 and b.count(":") < 2:
        return None
    u, v = ([q.value for part in text.split(":") if (q := read(part.strip()))] for text in (a, b))
    if len(u) <= a.count(":") or len(v) <= b.count(":"):
        return None
    same = len(u) == len(v) and all(p * v[0] == q * u[0] for p, q in zip(u, v, strict=True))
    return "equal" if same else "different"


def _sets(a: str, b: str) -> Judgement | None:
    """Return the verdict on all reals or the empty set and each other or a number, None for other pairs."""
    if EMPTY_SET in (a, b) and "no solution" in (label(a), label(b)):
        return "equal"
    kinds = [text if text in (ALL_REALS, EMPTY_SET) else None for text in (a, b)]
    if None not in kinds:
        return "different"  # equal texts were equal before
    if kinds == [None, None] or read(b if kinds[0] else a) is None:
        return None
    return "different"


_INEQUALITY = re.compile(r"[<>]|\\(?:le|ge|ne)(?![a-zA-Z])")


def _parts(a: str, b: str) -> Judgement | None:
    """Return the verdict on several answers, None unless every part that matters can be decided without algebra."""
    if _COMMA_DECIMAL.fullmatch(a) or _COMMA_DECIMAL.fullmatch(b):
        return None  # 0,125 is a decimal or two answers; math-verify decides
    if r"\in \mathbb{Z}" in a or r"\in \mathbb{Z}" in b:
        return None  # a family of solutions with a parameter
    if _INEQUALITY.search(a) or _INEQUALITY.search(b):
        # inequalities differ by "and" and "or"; a list of the members of a chain may mean the order of the chain
        return "unknown" if _lists_a_chain(a, b) or _lists_a_chain(b, a) else None
    first, second = parts(a), parts(b)
    if first is None or second is None:
        if first is None and second is None:
            return None
        single = b if second is None else a
        several = first or second
        if read(single) is None:
            return None
        # several numbers are not one; labelled ones may be its parts
        assert several is not None
        if several.labels:
            return "unknown"
        return "different" if all(read(item) is not None for item in several.items) else None
    return compare_parts(first, second, decide_part)


_CHAIN = re.compile(r"\s*(?:[<>]=?|\\(?:le|ge|leq|geq|lt|gt)(?![a-zA-Z]))\s*")


def _lists_a_chain(listed: str, chain: str) -> bool:
    """Return whether one text lists, in any order, the members of a chain of inequalities: "b, a, c" and "b < a < c"."""
    items, links = parts(listed), _CHAIN.split(chain)
    if items is None or items.labels or _INEQUALITY.search(listed) or len(links) < 2:
        return False
    return sorted(item.strip() for item in items.items) == sorted(link.strip() for link in links)


def decide_part(a: str, b: str) -> Judgement | None:
    """Return `decide_canonical` of two parts of answers."""
    return decide_canonical(a, b)
