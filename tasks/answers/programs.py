"""Answers as Python, numpy and sympy print them, respelled in LaTeX: x**2 + sqrt(2)/2 becomes x^{2} + \\sqrt{2}/2,
{x: 2, y: 1} becomes x = 2, y = 1, and Interval.open(1, 2) becomes (1, 2).

math-verify's grammar stops silently at `**` (it reads 2*x**3 as 2), so such text must never reach it unchanged.
Text is rewritten, never evaluated.
"""

from __future__ import annotations

import re

from tasks.text.brackets import PARENTHESES, closing, split_top

_WRAPPERS = (
    "Decimal|mpf|mpc|Integer|Float|float|int|complex|list|tuple|set|frozenset|sorted|Tuple|List|str|Poly|dict_values|dict_keys|Add|"
    r"(?:(?:np|numpy|torch|sympy|sp|mp|decimal)\.)?(?:array|tensor|asarray|float\d+|int\d+|uint\d+|bool_|str_|complex\d+|longdouble|Decimal|mpf)"
)
_TRIGGER = re.compile(
    r"\*|(?<![\\a-zA-Z])(?:sqrt|cbrt|Rational|Fraction|Matrix|pi|oo|exp|log|ln|sin|cos|tan|asin|acos|atan|Abs|Interval|FiniteSet|EmptySet|Union|Intersection|"
    r"Eq|Ne|Gt|Ge|Lt|Le|Or|And|ImageSet|Complement|Point(?:[23]D)?|(?:math\.)?(?:comb|factorial|floor|ceil)|binomial|ceiling|"
    + _WRAPPERS
    + r")(?![a-zA-Z])|^\[-?\d[\d.]*\s|[<>]=|[)\w]\s*[&|]\s*\(|^\[?\{\s*['\"]?\w+['\"]?\s*:|^\[\]$|\)\s*[&|]|!="
)
_NAMES = {
    "pi": r"\pi ", "oo": r"\infty ", "sin": r"\sin ", "cos": r"\cos ", "tan": r"\tan ", "asin": r"\arcsin ",
    "acos": r"\arccos ", "atan": r"\arctan ", "log": r"\ln ", "ln": r"\ln ", "EmptySet": r"\emptyset ",
    "Reals": r"\mathbb{R}", "Integers": r"\mathbb{Z}",
}  # fmt: skip
_NAME = re.compile(rf"(?<![\\a-zA-Z])({'|'.join(_NAMES)})(?![a-zA-Z])")
_RATIO = re.compile(r"(?:Rational|Fraction)\(\s*(-?\d+)\s*,\s*(\d+)\s*\)")
_MATRIX = re.compile(r"(?:Immutable)?(?:Dense)?Matrix\(\s*\[(\[.*\])\]\s*\)", re.DOTALL)
_CALL = re.compile(
    r"(?<![\\a-zA-Z.])(sqrt|cbrt|exp|Abs|FiniteSet|Union|Intersection|Complement|Point(?:[23]D)?|binomial|(?:math\.)?(?:comb|factorial|floor|ceil)|ceiling|Eq|Ne|Gt|Ge|Lt|Le|Or|And|Interval(?:\.(?:open|Lopen|Ropen))?|"
    rf"ImageSet|{_WRAPPERS})\("
)
_POWER = re.compile(r"\s*\*\*\s*")
_OPERAND = re.compile(r"-?(?:\d+(?:\.\d+)?|[a-zA-Z]\w*|\\[a-zA-Z]+)")


def respelled(text: str) -> str:
    """Return the text with Python's operators and sympy's functions in LaTeX; unchanged if it has none."""
    if not _TRIGGER.search(text):
        return text
    if text == "[]":
        return r"\emptyset"  # what solve() prints where there is no solution
    text = _dictionaries(text)
    text = _RATIO.sub(r"\\frac{\1}{\2}", text)
    text = _MATRIX.sub(_matrix, text)
    text = _row(text)
    text = _calls(text)
    text = _logic(text)
    text = _NAME.sub(lambda match: _NAMES[match.group(1)], text)
    text = _powers(text)
    return text if "**" in text else re.sub(r"\s*\*\s*", r" \\cdot ", text)


_DICTIONARY = re.compile(r"\{\s*(['\"]?[^\W\d]\w{0,24}['\"]?\s*:[^{}]*)\}")
_ENTRY = re.compile(r"\s*['\"]?([^\W\d]\w*)['\"]?\s*:\s*(.+)", re.DOTALL)


def _dictionaries(text: str) -> str:
    """Return {x: 2, y: 1} as x = 2, y = 1, and a list of such dictionaries as a list of values or tuples of values."""
    if "{" not in text or ":" not in text or "\\" in text:
        return text
    inner = text.removeprefix("[").removesuffix("]").strip() if text.startswith("[") else text
    dictionaries = list(_DICTIONARY.finditer(inner))
    if (
        not dictionaries
        or inner[dictionaries[0].start() : dictionaries[-1].end()] != inner
        or re.search(r"[^,\s]", _DICTIONARY.sub("", inner))
    ):
        return text
    solutions = []
    for match in dictionaries:
        entries = [_ENTRY.fullmatch(part) for part in split_top(match[1], ",")]
        if not all(entries):
            return text
        solutions.append({entry[1]: entry[2].strip() for entry in entries if entry})
    if len(solutions) == 1:
        return ", ".join(f"{name} = {value}" for name, value in solutions[0].items())
    if any(solution.keys() != solutions[0].keys() for solution in solutions):
        return text
    if len(solutions[0]) == 1:
        return ", ".join(value for solution in solutions for value in solution.values())
    return ", ".join(
        "(" + ", ".join(solution[name] for name in sorted(solution)) + ")" for solution in solutions
    )


_COMPARED = ((re.compile(r"<="), r" \\le "), (re.compile(r">="), r" \\ge "), (re.compile(r"!="), r" \\ne "))
_JOINED = re.compile(r"\)\s*([&|])\s*\(")


def _logic(text: str) -> str:
    """Return (-2 <= x) & (x <= 2) as -2 \\le x and x \\le 2."""
    for pattern, replacement in _COMPARED:
        text = pattern.sub(replacement, text)
    if _JOINED.search(text) and re.search(r"[<>]|\\(?:le|ge|ne)(?![a-zA-Z])", text):
        text = re.sub(r"\)\s*&\s*\(", " and ", re.sub(r"\)\s*\|\s*\(", " or ", text))
        text = re.sub(r"[()]", " ", text) if not re.search(r"\w\(", text) else text
        return " ".join(text.split())
    return text


def _matrix(match: re.Match[str]) -> str:
    rows = [row.replace(",", " & ") for row in re.findall(r"\[([^\[\]]*)\]", match.group(1))]
    return r"\begin{pmatrix}" + r" \\ ".join(rows) + r"\end{pmatrix}"


_SHAPES = {
    "sqrt": (r"\sqrt{", "}"), "cbrt": (r"\sqrt[3]{", "}"), "exp": ("e^{", "}"), "Abs": ("|", "|"),
    "FiniteSet": (r"\{", r"\}"),
}  # fmt: skip
# of functions of whole numbers: what stands before, between and after their arguments
_OF_INTEGERS = {
    "binomial": (r"\binom{", "}{", "}"), "comb": (r"\binom{", "}{", "}"), "math.comb": (r"\binom{", "}{", "}"),
    "factorial": ("(", ", ", ")!"), "math.factorial": ("(", ", ", ")!"),
    "floor": (r"\lfloor ", ", ", r" \rfloor "), "math.floor": (r"\lfloor ", ", ", r" \rfloor "),
    "ceiling": (r"\lceil ", ", ", r" \rceil "), "math.ceil": (r"\lceil ", ", ", r" \rceil "),
}  # fmt: skip
_ENTRIES = re.compile(r"\[([^\[\]]*,[^\[\]]*)\]")
_BETWEEN = {
    "Union": r" \cup ", "Complement": r" \setminus ", "Intersection": r" \cap ", "Eq": " = ", "Ne": r" \ne ", "Gt": " > ", "Ge": r" \ge ", "Lt": " < ",
    "Le": r" \le ", "Or": " or ", "And": " and ",
}  # fmt: skip
_MAX_CALLS = 200
_ARRAYS = re.compile(r"(?:\w+\.)?(?:array|tensor|asarray)")
_ROW = re.compile(r"\[\s*(-?[\d.]+(?:\s+-?[\d.]+)+)\s*\]")


def _row(text: str) -> str:
    """Return the values that numpy prints as [1 2 3] as 1, 2, 3."""
    row = _ROW.fullmatch(text)
    return text if row is None else ", ".join(row[1].split())


def _calls(text: str) -> str:
    for _ in range(_MAX_CALLS):
        match = _CALL.search(text)
        if match is None:
            return text
        end = closing(text, match.end() - 1, brackets=PARENTHESES)
        if end < 0:
            return text
        text = text[: match.start()] + _call(match.group(1), text[match.end() : end]) + text[end + 1 :]
    return text


def _call(name: str, inner: str) -> str:
    if name in _SHAPES:
        left, right = _SHAPES[name]
        return left + inner + right
    arguments = split_top(inner, ",")
    if name in _BETWEEN:
        return _BETWEEN[name].join(arguments)
    if name.startswith("Interval"):
        return _interval(name, arguments)
    if name == "ImageSet":
        family = re.fullmatch(r"Lambda\(_?(\w+),\s*(.+)\)", arguments[0], re.DOTALL) if arguments else None
        if family is None or "Integers" not in inner:
            return inner
        return rf"{family[2].replace('_', '')}, {family[1]} \in \mathbb{{Z}}"
    if name.startswith("Point"):
        return f"({', '.join(arguments)})"
    if name in _OF_INTEGERS:
        left, middle, right = _OF_INTEGERS[name]
        return left + middle.join(arguments) + right
    if _ARRAYS.fullmatch(name) and (entries := _ENTRIES.fullmatch(arguments[0] if arguments else "")):
        return entries[1]
    # a wrapper of one value: Decimal('0.75'), Float('0.5', precision=53), array([1, 2], dtype=int64)
    return arguments[0].strip("'\"") if arguments else r"\emptyset"


def _interval(name: str, arguments: list[str]) -> str:
    if len(arguments) < 2:
        return ", ".join(arguments)
    start, end, *flags = arguments
    kind = name.partition(".")[2]
    left = kind in ("open", "Lopen") or flags[:1] == ["True"] or start.lstrip("-") == "oo"
    right = kind in ("open", "Ropen") or flags[1:2] == ["True"] or end.lstrip("-") == "oo"
    return f"{'(' if left else '['}{start}, {end}{')' if right else ']'}"


def _powers(text: str) -> str:
    """Return a**b as a^{b}. A tower (a**b**c) keeps its stars, so that no reader accepts it."""
    parts: list[str] = []
    position = 0
    while match := _POWER.search(text, position):
        start = match.end()
        if text.startswith("(", start):
            end = closing(text, start, brackets=PARENTHESES)
            operand = text[start + 1 : end]
            end += 1
        else:
            match_operand = _OPERAND.match(text, start)
            end = match_operand.end() if match_operand else -1
            operand = match_operand.group() if match_operand else ""
        if end <= start or _POWER.match(text, end) or "**" in operand:
            return text
        parts += [text[position : match.start()], "^{", operand, "}"]
        position = end
    return "".join([*parts, text[position:]])
