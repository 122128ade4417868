"""What anyone may ask without a template: an expression to compute, or one equation in one unknown."""

from __future__ import annotations

import functools
import math
import re
from fractions import Fraction

from tasks.rules.family import Worked
from tasks.teacher.arithmetic import NotArithmetic, Polynomial, number, polynomial, written

LONGEST = 400  # characters of a question that are searched
_BEYOND = re.compile(
    r"\b(?:sin|cos|tan|cot|sec|log|ln|lg|exp|lim|int|det|gcd|lcm|mod|max|min)(?![a-z])", re.IGNORECASE
)
_RUN = re.compile(
    r"(?:[\d.,+\-−–*/×÷·^(){}\s%!√=]|\\(?:times|cdot|div|[dt]?frac|sqrt|left|right)(?![A-Za-z])|(?<![A-Za-z])[a-zA-Z](?![a-zA-Z]))+"
)


@functools.lru_cache(maxsize=4096)
def worked_text(question: str, language: str) -> Worked | None:
    """The worked answer to a bare expression or equation in the text, or None if there is not exactly one."""
    if len(question) > LONGEST or _BEYOND.search(question):
        return None
    spelled = _spelled(question)
    runs = [run.strip(" \n.,") for run in _RUN.findall(spelled)]
    equations = [run for run in runs if run.count("=") == 1 and re.search("[a-zA-Z]", run)]
    if len(equations) == 1:
        return _equation(equations[0], language)
    expressions = [
        run
        for run in (run.strip("= ") for run in runs)
        if re.search(r"\d\D*[-+*/×÷·^%!−–\\√(]", run) and re.search(r"\d", run)
    ]
    others = [run for run in runs if re.fullmatch(r"\d+", run)]
    if len(expressions) == 1 and not others:
        return _expression(expressions[0], language)
    return None


_SPELLED = tuple(
    (re.compile(rf"(?P<before>[\d%)])\s*(?:{words})\s*(?=[-(\d])", re.IGNORECASE), rf"\g<before> {sign} ")
    for words, sign in (
        (r"\b(?:times|multiplied by)\b|乘以|乘|(?<=%)\s*(?:of\b|的)", "*"),
        (r"\bplus\b|加上|加", "+"),
        (r"\bminus\b|减去|减", "-"),
        (r"\bdivided by\b|除以", "/"),
    )
)
_SQUARED = re.compile(r"(?<=[\d)])\s*(?:squared\b|的平方)", re.IGNORECASE)


def _spelled(text: str) -> str:
    """Words for operations between numbers as signs: "15% of 80", "12 times 7", "12 乘以 7"."""
    for pattern, sign in _SPELLED:
        text = pattern.sub(sign, text)
    return _SQUARED.sub("^2", text)


def _expression(text: str, language: str) -> Worked | None:
    value = number(text)
    if value is None:
        return None
    answer = written(value, text)
    steps = (f"计算：{text} = {answer}。",) if language == "zh" else (f"Compute {text} = {answer}.",)
    return Worked(answer, steps, _program(text, value))


def _equation(text: str, language: str) -> Worked | None:
    left, right = text.split("=")
    try:
        (a, name), (b, other) = polynomial(left), polynomial(right)
    except NotArithmetic:
        return None
    if name and other and name != other:
        return None
    unknown = name or other
    poly = {power: a.get(power, Fraction(0)) - b.get(power, Fraction(0)) for power in a.keys() | b.keys()}
    degree = max((power for power, value in poly.items() if value), default=0)
    if degree == 1:
        return _linear(text, poly, unknown, language)
    return _quadratic(poly, unknown, language) if degree == 2 else None


def _linear(text: str, poly: Polynomial, unknown: str, language: str) -> Worked:
    slope, constant = poly[1], poly.get(0, Fraction(0))
    root = -constant / slope
    s, c, r = written(slope, "/"), written(-constant, "/"), written(root, "/")
    steps = (
        (f"移项并合并同类项：{s}{unknown} = {c}。", f"两边同除以 {s}：{unknown} = {r}。")
        if language == "zh"
        else (f"Collect the terms: {s}{unknown} = {c}.", f"Divide both sides by {s}: {unknown} = {r}.")
    )
    return Worked(written(root, "frac"), steps, _solve_code(text, unknown))


def _quadratic(poly: Polynomial, unknown: str, language: str) -> Worked | None:
    a, b, c = (poly.get(power, Fraction(0)) for power in (2, 1, 0))
    under = b * b - 4 * a * c
    if under < 0:
        return None
    root = Fraction(math.isqrt(under.numerator), math.isqrt(under.denominator))
    if root * root != under:
        return None
    roots = sorted({(-b - root) / (2 * a), (-b + root) / (2 * a)})
    answer = ", ".join(written(value, "frac") for value in roots)
    steps = (
        (
            f"判别式为 {written(under, '/')}，其平方根为 {written(root, '/')}。",
            f"由求根公式得 {unknown} = {answer}。",
        )
        if language == "zh"
        else (
            f"The discriminant is {written(under, '/')}, with square root {written(root, '/')}.",
            f"By the quadratic formula, {unknown} = {answer}.",
        )
    )
    listed = ", ".join(f"Fraction({value.numerator}, {value.denominator})" for value in roots)
    return Worked(
        answer, steps, f"from fractions import Fraction\nroots = [{listed}]\nprint(*roots, sep=', ')"
    )


def _solve_code(text: str, unknown: str) -> str:
    left, right = text.split("=")
    (a, _), (b, _) = polynomial(left), polynomial(right)

    def code(poly: Polynomial) -> str:
        slope, constant = poly.get(1, Fraction(0)), poly.get(0, Fraction(0))
        return f"{_rational(slope)}*{unknown} + {_rational(constant)}"

    return (
        f"from sympy import Eq, Rational, solve, symbols\n{unknown} = symbols('{unknown}')\n"
        f"print(solve(Eq({code(a)}, {code(b)}), {unknown})[0])"
    )


def _rational(value: Fraction) -> str:
    return (
        str(value.numerator)
        if value.denominator == 1
        else f"Rational({value.numerator}, {value.denominator})"
    )


_PYTHON = (
    (re.compile(r"(?<=\d),(?=\d{3})"), ""),
    (re.compile(r"\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}"), r"((\1)/(\2))"),
    (re.compile(r"\\sqrt|√"), "sqrt"),
    (re.compile(r"\\times|\\cdot|×|·"), "*"),
    (re.compile(r"\\div|÷"), "/"),
    (re.compile(r"\\left|\\right"), ""),
    (re.compile(r"[−–]"), "-"),
    (re.compile(r"\{"), "("),
    (re.compile(r"\}"), ")"),
    (re.compile(r"(\d+(?:\.\d+)?)\s*%"), r"(\1/100)"),
    (re.compile(r"(?<=[\d)])\s*(?=\()"), "*"),
    (re.compile(r"\^"), "**"),
)


def _program(text: str, value: Fraction) -> str:
    """A program that computes the expression; where it cannot be put as Python plainly, the value itself."""
    code = text
    for pattern, python in _PYTHON:
        code = pattern.sub(python, code)
    if re.fullmatch(r"(?:[\d.+\-*/()!\s]|sqrt)+", code):
        return f"from sympy import sympify\nprint(sympify({code!r}, rational=True))"
    return f"from fractions import Fraction\nprint(Fraction({value.numerator}, {value.denominator}))"
