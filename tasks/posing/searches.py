"""Programs that search for the answers of a problem: whether they do, what they found, and the program that prints the only one.

That a program finds one answer says something only if it looked for others. So it has to repeat or enumerate, to test a
condition, to collect its answers in a list that begins empty, and to use every number of its problem.
"""

from __future__ import annotations

import ast
from fractions import Fraction
from typing import Final

from tasks.rewriting.numbers import values_of

LIST: Final = "answers"
LONGEST: Final = 8_000  # characters of a program
_LOOPS = (ast.For, ast.While, ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)
_TESTS = (ast.If, ast.IfExp, ast.comprehension)
# a program that lists what it found, then how many different ones there are
_COUNTING: Final = """
import sys as sys_
distinct_ = []
for one_ in {name}:
    if one_ not in distinct_:
        distinct_.append(one_)
    if len(distinct_) > 50:
        break
sys_.stdout.write("count:" + str(len(distinct_)))
"""
_SILENT: Final = "import sys as sys_\ndef print(*values, **names):\n    pass\n"


def degenerate(question: str, program: str) -> str | None:
    """Return why a program proves nothing about its problem, None if it searches."""
    if len(program) > LONGEST:
        return "its program is too long"
    try:
        tree = ast.parse(program)
        nodes = list(ast.walk(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "its program cannot be parsed"
    if not any(isinstance(node, _LOOPS) for node in nodes):
        return "its program tries no possibilities"
    if not any(
        isinstance(node, _TESTS) and (not isinstance(node, ast.comprehension) or node.ifs) for node in nodes
    ):
        return "its program tests no condition"
    if not any(_collects(node) for node in nodes):
        return f"its program collects no {LIST}"
    stated, used = values_of(question), _numbers(nodes)
    if any(value not in used for value in stated if value > 2):
        return "its program does not use all numbers of the problem"
    return None


def _collects(node: ast.AST) -> bool:
    """Return whether a node assigns an empty list or a comprehension to LIST."""
    if not isinstance(node, (ast.Assign, ast.AnnAssign)):
        return False
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    value = node.value
    named = any(isinstance(target, ast.Name) and target.id == LIST for target in targets)
    empty = isinstance(value, (ast.List, ast.Set)) and not value.elts
    called = isinstance(value, ast.Call) and any(isinstance(inner, _LOOPS) for inner in ast.walk(value))
    new = isinstance(value, ast.Call) and not value.args and not value.keywords
    return named and (empty or called or new or isinstance(value, (ast.ListComp, ast.SetComp)))


def _numbers(nodes: list[ast.AST]) -> set[Fraction]:
    """Return the numbers of a program, with those that a bound of `range` stands one behind, and hundredths as percentages."""
    numbers: set[Fraction] = set()
    for node in nodes:
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, (int, float))
            and abs(node.value) < 10**15
        ):
            value = Fraction(repr(node.value + 0))
            numbers |= {value, value - 1, value + 1, value * 100}
            if value:
                numbers.add(1 / value)
    return numbers


def observed(program: str) -> str:
    """Return the program whose output is how many different answers it found, instead of what it prints."""
    return _SILENT + program + _COUNTING.format(name=LIST)


def count_in(output: str | None) -> int | None:
    """Return the number in the output of `observed`, None if there is none."""
    _, mark, digits = (output or "").strip().rpartition("count:")
    return int(digits) if mark and digits.isascii() and digits.isdigit() and len(digits) < 4 else None


def single(program: str) -> str:
    """Return the program that prints its only answer, and fails if there is none or another one."""
    tree = ast.parse(program)
    lines = program.splitlines()
    last = tree.body[-1] if tree.body else None
    if (
        isinstance(last, ast.Expr)
        and isinstance(last.value, ast.Call)
        and getattr(last.value.func, "id", "") == "print"
    ):
        lines = lines[: last.lineno - 1]
    ending = [
        f"{LIST} = list({LIST})",
        f"assert all(one == {LIST}[0] for one in {LIST})",
        f"print({LIST}[0])",
    ]
    return "\n".join([*lines, *ending]) + "\n"
