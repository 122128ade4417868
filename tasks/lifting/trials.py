"""Draws values for a template, and the programs that check them in the sandbox.

The program is executed once with its own values, recording of each value that it computes whether it was an integer, positive, or
strictly between 0 and 1. Fresh draws are executed with guards: a value that is not what it was in that respect, or is not
finite, ends the program. So a number of people stays a positive integer, and a probability at most 1. What is rounded by `//`, `int` or
`round` is looked at before: where there was nothing to round, there has to be nothing.
"""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final

from tasks.answers.numerals import read as read_number
from tasks.lifting.template import Template

LARGEST: Final = 10**12  # absolute value that a program of a draw may compute
MOST_SITES: Final = 300  # places of a program that are guarded

# what a program does before its own statements; the names cannot stand in a program that was parsed without them
_RECORDER = """\
import sys as sys_
kinds_ = {}
def kept_(site, value):
    if type(value) in (int, float):
        kind = (value == value and abs(value) < 1e300 and value == int(value), value > 0, value >= 0, 0 < value < 1)
        kinds_[site] = tuple(a and b for a, b in zip(kinds_.get(site, kind), kind))
    return value
def print(*values, **names):
    pass
""" + (
    _FLOORED := """\
def floored_(site, over, under):
    if type(over) in (int, float) and type(under) in (int, float) and under:
        kept_(site, over // under + (0.5 if over % under else 0))
    return over // under
"""
)
_RECORD = """
sys_.stdout.write("kinds:" + ",".join(str(site) + ":" + "".join("01"[bool(one)] for one in kind) for site, kind in sorted(kinds_.items())))
"""
_GUARD = """\
kinds_ = {kinds!r}
def kept_(site, value):
    if type(value) in (int, float):
        if not abs(value) <= {largest}:
            raise ValueError("out of bounds")
        kind = (value == int(value), value > 0, value >= 0, 0 < value < 1)
        if any(before and not now for before, now in zip(kinds_.get(site, ()), kind)):
            raise ValueError("another kind of value")
    return value
"""
_ROUNDING: Final = ("int", "round")  # functions whose argument is guarded as well

ValueKinds = Mapping[int, tuple[bool, ...]]


def draws(template: Template, rng: random.Random, count: int) -> list[dict[str, Fraction]]:
    """Draw up to `count` different values of the parameters, none of them the template's own."""
    seen = [template.original]
    for _ in range(4 * count):
        values = {one.name: rng.choice(one.values) for one in template.parameters}
        if values not in seen:
            seen.append(values)
        if len(seen) > count:
            break
    return seen[1:]


def recording(template: Template) -> str:
    """Return the program with its own values, whose output is the kinds of the values that it computes."""
    return _RECORDER + _guarded(template.program(template.original)) + _RECORD


def guarded(program: str, kinds: ValueKinds) -> str:
    """Return a program that fails if a value that it computes is not of the kind that it was."""
    return _GUARD.format(kinds=dict(kinds), largest=LARGEST) + _FLOORED + _guarded(program)


def kinds_in(output: str) -> ValueKinds | None:
    """Return the kinds in the output of `recording`, None if it has none. The program may have printed anything."""
    _, mark, text = output.rpartition("kinds:")
    kinds: dict[int, tuple[bool, ...]] = {}
    for entry in text.split(",") if mark and text.strip() else []:
        site, _, bits = entry.strip().partition(":")
        if not (
            site.isascii() and site.isdigit() and len(site) < 4 and len(bits) == 4 and set(bits) <= {"0", "1"}
        ):
            return None
        kinds[int(site)] = tuple(bit == "1" for bit in bits)
    return kinds if mark else None


def number_of(answer: str | None) -> Fraction | None:
    """Return the number that an answer is, None if it is none."""
    quantity = read_number(answer.strip()) if answer and len(answer) < 100 else None
    return quantity.value if quantity is not None else None


def same_type(answer: Fraction, like: Fraction) -> bool:
    """Return whether an answer is an integer where the other is one, and positive where the other is."""
    whole = answer.denominator == 1 or like.denominator != 1
    return whole and (answer > 0 or like <= 0) and (answer <= 1 or not 0 < like < 1)


def vary(answers: Sequence[Fraction]) -> bool:
    """Return whether the answers of draws are not all the same."""
    return len(set(answers)) > 1


def _guarded(program: str) -> str:
    tree = _Guarding().visit(copy.deepcopy(ast.parse(program)))
    return ast.unparse(ast.fix_missing_locations(tree))


class _Guarding(ast.NodeTransformer):
    """Passes every assigned, returned and printed value through `kept_`, and what is rounded, before it is."""

    def __init__(self) -> None:
        self.sites = 0

    def _kept(self, value: ast.expr) -> ast.expr:
        if self.sites >= MOST_SITES:
            return value
        self.sites += 1
        return ast.Call(ast.Name("kept_", ast.Load()), [ast.Constant(self.sites), value], [])

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.generic_visit(node)
        node.value = self._kept(node.value)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.target, ast.Name):
            return node
        both = self._exact(ast.BinOp(ast.Name(node.target.id, ast.Load()), node.op, node.value))
        return ast.Assign([node.target], self._kept(both))

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        return self._exact(node)

    def _exact(self, node: ast.BinOp) -> ast.expr:
        """Return a quotient that is rounded down as a call that keeps what it was before; other operations as they are."""
        if not isinstance(node.op, ast.FloorDiv) or self.sites >= MOST_SITES:
            return node
        self.sites += 1
        return ast.Call(
            ast.Name("floored_", ast.Load()), [ast.Constant(self.sites), node.left, node.right], []
        )

    def visit_Return(self, node: ast.Return) -> ast.AST:
        self.generic_visit(node)
        if node.value is not None:
            node.value = self._kept(node.value)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in ("print", *_ROUNDING):
            node.args = [one if isinstance(one, ast.Starred) else self._kept(one) for one in node.args]
        return node
