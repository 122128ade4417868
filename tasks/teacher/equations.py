"""Questions without a template: an expression to compute, or one equation in one unknown."""

from __future__ import annotations

import functools
import math
import re
from dataclasses import replace
from fractions import Fraction

from tasks.problems.machinery.family import Worked
from tasks.problems.machinery.typesetting import typeset
from tasks.text.arithmetic import Coefficients, number, polynomial, written
from tasks.text.expressions import NotAnExpression

LONGEST = 400  # characters of a question that are read
# the only words that may occur beside the formula: with others ("the units digit of") it is another question
_PLAIN = (
    "what whats is are the value values of a an compute evaluate calculate simplify find solve determine work out "
    "for expression equation please how much many equals equal to does do if then following number unknown root "
    "roots solution solutions result exact exactly express your answer as common fraction in lowest simplest terms "
    "form program python code write that computes which prints print it let us me i you can tell give just quickly "
    "need think reason step by and put final within box boxed show hello hi thanks thank question problem x"
)
_PLAIN_WORDS = frozenset(_PLAIN.split())
_PLAIN_CHINESE = re.compile(
    "[计算求解方程的值是多少等于几请下列面式子表达结果化简一逐步答什么问谢你好为出并写用程序题目，。？！：、]"
)
_WORD = re.compile(r"(?<!\\)\b[A-Za-z]{2,}|[\u4e00-\u9fff]")
_COMMAND = re.compile(r"\\([A-Za-z]+)(\[)?")
_COMMANDS = frozenset(("frac", "dfrac", "tfrac", "cdot", "times", "div", "left", "right", "sqrt", "boxed"))
_OPERATION = re.compile(r"\d\s*[-+*/×÷·^−–!(%]|\\(?:[dt]?frac|sqrt|times|cdot|div)|√|[\d)]\s*[A-Za-z]")
_RUN = re.compile(
    r"(?:[\d.,+\-−–*/×÷·^(){}\s%!√=]|\\(?:times|cdot|div|[dt]?frac|sqrt|left|right)(?![A-Za-z])|(?<![A-Za-z])[a-zA-Z](?![a-zA-Z]))+"
)


@functools.lru_cache(maxsize=4096)
def worked_text(question: str, language: str) -> Worked | None:
    """Return the worked answer to the expression or equation in the text, or None if there is not exactly one."""
    if len(question) > LONGEST or not _plain(spelled := _spelled(question)):
        return None
    runs = [run.strip(" \n.,=") for run in _RUN.findall(spelled)]
    formulas = [run for run in runs if _OPERATION.search(run) or ("=" in run and re.search(r"\d", run))]
    if len(formulas) != 1 or any(run.isdigit() for run in runs):
        return None
    formula = formulas[0]
    worked = _equation(formula, language) if "=" in formula else _expression(formula, language)
    return replace(worked, steps=typeset(worked.steps, question, language)) if worked else None


def _formula(text: str) -> str:
    """Return a formula as it stands in a step: between dollar signs if it is LaTeX already."""
    return f"${text}$" if "\\" in text else text


def _plain(text: str) -> bool:
    """Whether the text contains only a formula and everyday words for "compute it"."""
    if any(name not in _COMMANDS or root for name, root in _COMMAND.findall(text)):
        return False
    words = _WORD.findall(_PLAIN_CHINESE.sub("", text))
    return all(word.lower() in _PLAIN_WORDS for word in words) and "..." not in text


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
    """Return the text with words for operations between numbers as signs: "15% of 80", "12 times 7", "12 乘以 7"."""
    for pattern, sign in _SPELLED:
        text = pattern.sub(sign, text)
    return _SQUARED.sub("^2", text)


def _expression(text: str, language: str) -> Worked | None:
    value = number(text)
    if value is None:
        return None
    answer = written(value, text)
    formula = _formula(f"{text} = {answer}")
    steps = (f"计算：{formula}。",) if language == "zh" else (f"Compute {formula}.",)
    return Worked(answer, steps, _program(text, value))


def _equation(text: str, language: str) -> Worked | None:
    if text.count("=") != 1:
        return None
    left, right = text.split("=")
    try:
        (a, name), (b, other) = polynomial(left), polynomial(right)
    except NotAnExpression:
        return None
    if name and other and name != other:
        return None
    unknown = name or other
    poly = {power: a.get(power, Fraction(0)) - b.get(power, Fraction(0)) for power in a.keys() | b.keys()}
    degree = max((power for power, value in poly.items() if value), default=0)
    if degree == 1:
        return _linear(text, poly, unknown, language)
    return _quadratic(poly, unknown, language) if degree == 2 else None


def _linear(text: str, poly: Coefficients, unknown: str, language: str) -> Worked:
    slope, constant = poly[1], poly.get(0, Fraction(0))
    root = -constant / slope
    s, c, r = written(slope, "/"), written(-constant, "/"), written(root, "/")
    steps = (
        (f"移项并合并同类项：{s}{unknown} = {c}。", f"两边同除以 {s}：{unknown} = {r}。")
        if language == "zh"
        else (f"Collect the terms: {s}{unknown} = {c}.", f"Divide both sides by {s}: {unknown} = {r}.")
    )
    return Worked(written(root, "frac"), steps, _solve_code(text, unknown))


def _quadratic(poly: Coefficients, unknown: str, language: str) -> Worked | None:
    a, b, c = (poly.get(power, Fraction(0)) for power in (2, 1, 0))
    under = b * b - 4 * a * c
    if under < 0:
        return None
    root = Fraction(math.isqrt(under.numerator), math.isqrt(under.denominator))
    if root * root != under:
        return None
    roots = sorted({(-b - root) / (2 * a), (-b + root) / (2 * a)})
    answer = ", ".join(written(value, "frac") for value in roots)
    roots_are = _formula(f"{unknown} = {answer}")
    steps = (
        (
            f"判别式为 {written(under, '/')}，其平方根为 {written(root, '/')}。",
            f"由求根公式得 {roots_are}。",
        )
        if language == "zh"
        else (
            f"The discriminant is {written(under, '/')}, with square root {written(root, '/')}.",
            f"By the quadratic formula, {roots_are}.",
        )
    )
    listed = ", ".join(f"Fraction({value.numerator}, {value.denominator})" for value in roots)
    return Worked(
        answer, steps, f"from fractions import Fraction\nroots = [{listed}]\nprint(*roots, sep=', ')"
    )


def _solve_code(text: str, unknown: str) -> str:
    left, right = text.split("=")
    (a, _), (b, _) = polynomial(left), polynomial(right)

    def code(poly: Coefficients) -> str:
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


def as_python(text: str) -> str:
    """Return an expression, plain or in LaTeX, in the notation of Python where it has one."""
    for pattern, python in _PYTHON:
        text = pattern.sub(python, text)
    return text


def _program(text: str, value: Fraction) -> str:
    """Return a program that computes the expression, or prints the value if it cannot be written as plain Python."""
    code = as_python(text)
    if re.fullmatch(r"(?:[\d.+\-*/()!\s]|sqrt)+", code):
        return f"from sympy import sympify\nprint(sympify({code!r}, rational=True))"
    return f"from fractions import Fraction\nprint(Fraction({value.numerator}, {value.denominator}))"
