"""Lifts the numbers of a program and of its question to parameters.

A number is lifted if the question states it once and the program has it once, as it is or, of a percentage, as its hundredth. Every other
number of the program has to be stated in the question too, or to be one that is true of every problem, such as the 60 of an
hour: a number like the 0.75 that somebody computed from "25%" would be wrong for other values. The program is parsed and never
executed here.
"""

from __future__ import annotations

import ast
import copy
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from tasks.lifting.ranges import SPELLED, range_of
from tasks.rewriting.numbers import StatedNumber, hideable, numbers_in

LONGEST: Final = 8_000  # characters of a question and of a program
SMALL: Final = 4  # up to here a number means many things ("the two of them"): it is lifted only if the program gives it a name
# numbers that do not depend on a problem: neutral ones, halves, units of time, hundreds
UNIVERSAL: Final = frozenset(
    Fraction(text) for text in ("0", "1", "2", "0.5", "7", "10", "12", "24", "30", "52", "60", "100", "180", "360", "365", "1000", "3600", "3.14")
)  # fmt: skip
_PERCENT = re.compile(r"\s?(?:\\?%|percent\b|per cent\b)", re.IGNORECASE)
_TIME = re.compile(r"\s?(?:[ap]\.?m\b|o'clock|点|年(?!级|龄))", re.IGNORECASE)
_YEARS = range(1900, 2101)


class NotLifted(ValueError):
    """The question and its program are no template; the message says why."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that varies: at question[start:end], and in the program under the name `name`.

    percent: the program has the hundredth of what the question says if `scale` is 100.
    """

    name: str
    start: int
    end: int
    value: Fraction
    scale: int
    values: tuple[Fraction, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A question and its program, with the numbers that vary."""

    question: str
    tree: ast.Module
    parameters: tuple[Parameter, ...]

    def program(self, values: Mapping[str, Fraction]) -> str:
        """Return the program with these values of its parameters."""
        scales = {one.name: one.scale for one in self.parameters}
        numbers = {name: _literal(value / scales[name]) for name, value in values.items()}
        return (
            ast.unparse(ast.fix_missing_locations(_Filling(numbers).visit(copy.deepcopy(self.tree)))) + "\n"
        )

    def written(self, values: Mapping[str, Fraction]) -> str:
        """Return the question with these values of its parameters, each in the form of the number that it replaces."""
        text, end = "", 0
        for one in sorted(self.parameters, key=lambda one: one.start):
            text += self.question[end : one.start] + shown(
                values[one.name], self.question[one.start : one.end]
            )
            end = one.end
        return text + self.question[end:]

    @property
    def original(self) -> dict[str, Fraction]:
        """The values that the question and the program have as they stand."""
        return {one.name: one.value for one in self.parameters}


def lifted(question: str, program: str) -> Template:
    """Return the template of a question and its program. Raises NotLifted."""
    if max(len(question), len(program)) > LONGEST:
        raise NotLifted("the question or the program is too long")
    try:
        tree = ast.parse(program)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise NotLifted("its program cannot be parsed") from None
    try:
        tree = _without_texts(tree)
        literals = _literals(tree)
    except RecursionError:
        raise NotLifted("its program is nested too deeply") from None
    stated = numbers_in(question)
    named = {id(one.value) for one in ast.walk(tree) if isinstance(one, ast.Assign)}
    in_question = Counter(number.value for number in stated)
    in_program = Counter(value for _, value in literals)
    names: dict[int, str] = {}
    parameters: list[Parameter] = []
    for number in _varying(question, stated):
        percent = _PERCENT.match(question, number.end) is not None
        places = [
            (node, scale)
            for scale in ((1, 100) if percent else (1,))
            for node, value in literals
            if value * scale == number.value
        ]
        if in_question[number.value] != 1 or len(places) != 1:
            continue
        ((node, scale),) = places
        if number.value <= SMALL and id(node) not in named:
            continue
        values = range_of(question, number, percent)
        if len(values) < 2 or id(node) in names:
            continue
        name = f"p{len(parameters) + 1}_"
        names[id(node)] = name
        parameters.append(Parameter(name, number.start, number.end, number.value, scale, values))
    if not parameters:
        raise NotLifted("no number stands once in the question and once in the program")
    explained = set(UNIVERSAL)
    for number in stated:
        explained |= {number.value, number.value / 100, *([1 / number.value] if number.value else [])}
    if any(id(node) not in names and value not in explained for node, value in literals):
        raise NotLifted("the program has a number that the question does not state")
    if any(in_program[one.value / one.scale] != 1 for one in parameters):
        raise NotLifted("a number stands in the program several times")
    return Template(question, _Naming(names).visit(tree), tuple(parameters))


def shown(value: Fraction, like: str) -> str:
    """Return a number in the form of another: in words, with thousands separated, with as many decimals."""
    for words in SPELLED.values():
        if like.lower() in words:
            word = words[int(value)]
            return word.capitalize() if like[0].isupper() else word
    places = len(like.partition(".")[2])
    text = f"{float(value):.{places}f}" if places else str(int(value))
    return f"{int(value):,}" if "," in like and not places else text


def _varying(question: str, stated: list[StatedNumber]) -> list[StatedNumber]:
    """Return the numbers of the question that may vary: no ordinals, years and times of day, and of the words only cardinals."""
    in_digits = {number.start for number in hideable(question)}
    return [
        number
        for number in stated
        if (
            number.start in in_digits
            or any(question[number.start : number.end].lower() in words for words in SPELLED.values())
        )
        and not _TIME.match(question, number.end)
        and not (
            number.value in _YEARS and number.unit is None and "," not in question[number.start : number.end]
        )
    ]


def _literals(tree: ast.Module) -> list[tuple[ast.Constant, Fraction]]:
    """Return the numbers of a program, but those that belong to its structure: indices, exponents and digits to round to."""
    structure: set[int] = set()
    for node in ast.walk(tree):
        parts: list[ast.AST] = []
        if isinstance(node, ast.Subscript):
            parts = [node.slice]
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            parts = [node.right]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "round":
            parts = list(node.args[1:])
        structure |= {id(inner) for part in parts for inner in ast.walk(part)}
    return [
        (node, Fraction(repr(node.value)))
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, (int, float))
        and not isinstance(node.value, bool)
        and id(node) not in structure
        and abs(node.value) < 10**15
    ]


def _without_texts(tree: ast.Module) -> ast.Module:
    """Return the program without its docstrings, which state the numbers of the old question."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            rest = [one for one in node.body if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) and isinstance(one.value.value, str))]  # fmt: skip
            node.body = rest or [ast.Pass()]
    return tree


def _literal(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else float(value)


class _Naming(ast.NodeTransformer):
    """Puts names in place of literals, by the identity of their nodes."""

    def __init__(self, names: Mapping[int, str]) -> None:
        self.names = names

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Name(self.names[id(node)], ast.Load()) if id(node) in self.names else node


class _Filling(ast.NodeTransformer):
    """Puts numbers in place of names."""

    def __init__(self, numbers: Mapping[str, int | float]) -> None:
        self.numbers = numbers

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Constant(self.numbers[node.id]) if node.id in self.numbers else node
