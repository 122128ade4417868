"""Functions out of verified programs: what each takes and gives, by kind and unit.

A lifted program is a function of the numbers of its question. Its inputs are the numbers, with what they count; its result is what the last
sentence of the question asks for. Where that cannot be read ("How much taller is it?"), there is no function.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from tasks.lifting.template import NotLifted, Template, lifted

ANSWERS: Final = (
    "ans",
    "answer",
    "result",
)  # names to which a program assigns its answer (tasks/sandbox/verdict.py)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])\s*")
_MONEY = re.compile(r"[$€£¥]\s?$")
_MONEY_UNITS = frozenset({"dollar", "euro", "元", "块"})
_TIME_UNITS = frozenset({"hour", "minute", "second", "day", "week", "month", "year", "小时", "分钟", "天"})
_ASKS_MONEY = re.compile(
    r"\bhow much (?:money|did|does|do|is|was|will|more money|profit|change|in total|total)\b.*\b(?:cost|pay|paid|spend|spent|earn|make|made|money|profit|dollars?|"
    r"owe|save|raise|charge|change)\b|\bhow much (?:money|profit|change)\b|\bhow many dollars\b|\bin dollars\b|\bwhat (?:is|was) the (?:total )?(?:cost|price|profit)\b|多少(?:元|块|钱)",
    re.IGNORECASE,
)  # fmt: skip
_HOW_MANY = re.compile(
    r"\bhow many (?P<unit>(?!more\b|fewer\b|less\b|times\b|of\b|percent)(?:[a-z-]+ ){0,3}?[a-z-]+)(?= (?:does|did|do|are|is|were|was|will|would|can|could|have|has|had|must|should|in|"
    r"remain|remained|left|altogether|total|there|per|each)\b|\?)",
    re.IGNORECASE,
)
_HOW_MANY_ZH = re.compile(
    r"(?:多少|几)(?P<unit>(?:个|只|本|枚|颗|张|支|名|位|件|条|辆|棵|瓶|小时|分钟|天|千米|米|千克|克|人)[\u4e00-\u9fff]{0,4}?)(?=[？?，。]|$)"
)
_WORD = re.compile(r"[a-z]+")
_RELATIVE = re.compile(
    r"\s*(?:times|more than|less than|fewer than|percent|per cent|%|倍|分之|折)", re.IGNORECASE
)
_RATE = re.compile(r"\s*\S*\s*(?:per|each|every|a piece|apiece|an hour|a day|a week)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class QuantityType:
    """What a number is: `money`, `time` or `count`, and the noun that it counts, in the singular."""

    kind: str
    unit: str


@dataclass(frozen=True, slots=True)
class LibraryFunction:
    """A function out of a verified row. inputs: parameter name -> what it is, for those where that can be read. body: its statements, with a
    return, in terms of its parameters. stated: the sentences of the question but the last one, asks: that one; parameters of `asks` cannot
    be linked."""

    parent: str
    template: Template
    body: tuple[ast.stmt, ...]
    inputs: Mapping[str, QuantityType]
    result: QuantityType
    stated: str
    asks: str

    def definition(self, name: str) -> str:
        """Return the function as Python under this name."""
        arguments = ast.arguments(
            [], [ast.arg(one.name) for one in self.template.parameters], None, [], [], None, []
        )
        return ast.unparse(
            ast.fix_missing_locations(
                ast.FunctionDef(name, arguments, copy.deepcopy(list(self.body)), [], None, None)
            )
        )


def function_of(question: str, program: str, parent: str) -> LibraryFunction:
    """Return the function of a verified program. Raises NotLifted where the program is no template, has no single result, or where it cannot
    be read what the question asks for."""
    template = lifted(question, program)
    asks = next((part for part in reversed(_SENTENCE_END.split(question.strip())) if part), "")
    stated = question.strip()[: -len(asks)].strip() if asks else ""
    if not stated or not asks.endswith(("?", "？")) or "?" in stated or "？" in stated:
        raise NotLifted("its question is not one sentence after those that state the data")
    result = asked_quantity(asks)
    if result is None:
        raise NotLifted("what its question asks for has no unit that can be read")
    body = _returning(template.tree)
    inputs = {
        one.name: quantity
        for one in template.parameters
        if one.end <= len(stated) and (quantity := stated_quantity(question, one.start, one.end)) is not None
    }
    return LibraryFunction(parent, template, body, inputs, result, stated, asks)


def asked_quantity(asks: str) -> QuantityType | None:
    """Return what a question asks for, None where it cannot be read."""
    if _ASKS_MONEY.search(asks):
        return QuantityType("money", "money")
    if match := _HOW_MANY_ZH.search(asks):
        return _of_unit(match["unit"])
    if match := _HOW_MANY.search(asks):
        noun = match["unit"].casefold().split()[-1]
        return _of_unit(_singular(noun)) if _is_plural(noun) else None
    return None


def stated_quantity(question: str, start: int, end: int) -> QuantityType | None:
    """Return what the number at question[start:end] is, None for a rate, a ratio, a percentage or what cannot be read."""
    if _RELATIVE.match(question, end):
        return None
    if _MONEY.search(question, max(0, start - 3), start):
        return None if _RATE.match(question, end) else QuantityType("money", "money")
    following = question[end : end + 40]
    if re.match(r"[\s\u4e00-\u9fff]*[\u4e00-\u9fff]", following):
        unit = re.match(
            r"\s*(个|只|本|枚|颗|张|支|名|位|件|条|辆|棵|瓶|小时|分钟|天|千米|米|千克|克|人|元|块)([\u4e00-\u9fff]{0,4})",
            following,
        )
        return _of_unit(unit[1] + unit[2]) if unit else None
    phrase = re.match(r"[\s-]*((?:[a-z-]+ ){0,2}[a-z-]+)", following, re.IGNORECASE)
    if phrase is None:
        return None
    words = phrase[1].casefold().split()
    noun = next((word for word in words if _is_plural(word)), None)
    return _of_unit(_singular(noun)) if noun is not None and words[-1] != "each" else None


def _of_unit(unit: str) -> QuantityType | None:
    if unit in _MONEY_UNITS:
        return QuantityType("money", "money")
    return (
        QuantityType("time" if unit in _TIME_UNITS else "count", unit)
        if len(unit) > 1 or not unit.isascii()
        else None
    )


def _is_plural(noun: str) -> bool:
    return _singular(noun) != noun


def _singular(noun: str) -> str:
    if noun in ("cookies", "movies", "pies", "ties"):
        return noun[:-1]
    for ending, single in (
        ("ies", "y"),
        ("oes", "o"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("xes", "x"),
        ("sses", "ss"),
        ("s", ""),
    ):
        if noun.endswith(ending) and len(noun) > len(ending) + 1 and not noun.endswith(("ss", "us")):
            return noun[: -len(ending)] + single
    return {
        "people": "person",
        "fish": "fish",
        "children": "child",
        "men": "man",
        "women": "woman",
        "feet": "foot",
    }.get(noun, noun)


def _returning(tree: ast.Module) -> tuple[ast.stmt, ...]:
    """Return the statements of a program as the body of a function that returns its answer: what its last line prints, shows or assigns to one of
    ANSWERS, or what its function `solution` returns. Raises NotLifted for another end."""
    body = [copy.deepcopy(node) for node in tree.body]
    while body and isinstance(body[-1], ast.Pass):
        body.pop()
    if not body:
        raise NotLifted("its program is empty")
    last = body[-1]
    if isinstance(last, ast.FunctionDef) and not last.args.args:
        return (*body, ast.Return(ast.Call(ast.Name(last.name, ast.Load()), [], [])))
    if (
        isinstance(last, ast.Assign)
        and len(last.targets) == 1
        and isinstance(last.targets[0], ast.Name)
        and last.targets[0].id in ANSWERS
    ):
        return (*body[:-1], ast.Return(last.value))
    if isinstance(last, ast.Expr):
        value = last.value
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "print":
            if len(value.args) != 1 or value.keywords or isinstance(value.args[0], ast.Starred):
                raise NotLifted("its program prints more than one value")
            value = value.args[0]
        return (*body[:-1], ast.Return(value))
    raise NotLifted("its program does not end with its answer")


@dataclass(frozen=True, slots=True)
class Link:
    """The result of `source` is the parameter `name` of `target`; both are places in the functions of a graph."""

    source: int
    target: int
    name: str


@dataclass(frozen=True, slots=True)
class FunctionGraph:
    """Functions in an order in which each is computed after those that it needs; the last one gives the answer."""

    functions: tuple[LibraryFunction, ...]
    links: tuple[Link, ...]

    @property
    def shape(self) -> str:
        """Return `chain` if each function needs one other at most, else `join`."""
        targets = [link.target for link in self.links]
        return "chain" if len(set(targets)) == len(targets) else "join"

    def linked(self, place: int) -> dict[str, int]:
        """Return the parameters of a function that are results of others: name -> the place of that function."""
        return {link.name: link.source for link in self.links if link.target == place}

    def free(self) -> Iterator[tuple[int, str]]:
        """Yield (place, parameter) of the numbers that the question states."""
        for place, function in enumerate(self.functions):
            linked = self.linked(place)
            yield from ((place, one.name) for one in function.template.parameters if one.name not in linked)

    def program(self, values: Mapping[tuple[int, str], Fraction]) -> str:
        """Return the program of the graph: a definition per function, then a line per result."""
        last = f"result_{len(self.functions)}"  # 61, not 61.0
        shown = f"print({last} if {last} != int({last}) else int({last}))"
        return "\n\n\n".join([*self._definitions(), "\n".join([*self._calls(values), shown])]) + "\n"

    def trials(self, draws: Sequence[Mapping[tuple[int, str], Fraction]]) -> str:
        """Return a program that computes the results of all functions for each of the draws; it prints a line per draw, which `tried` reads."""
        results = ", ".join(f"result_{place + 1}" for place in range(len(self.functions)))
        lines = self._definitions()
        for number, values in enumerate(draws):
            calls = [f"    {line}" for line in [*self._calls(values), f"return {results},"]]
            lines.append("\n".join([f"def draw_{number}():", *calls]))
        tries = [
            f"for number, draw in enumerate([{', '.join(f'draw_{number}' for number in range(len(draws)))}]):",
            "    try:",
            "        print('draw', number, *draw())",
            "    except Exception:",
            "        print('draw', number)",
        ]
        return "\n\n\n".join([*lines, "\n".join(tries)]) + "\n"

    def tried(self, output: str) -> dict[int, list[str]]:
        """Return what the program of `trials` printed: the number of a draw -> its results as text, none for a draw that raised. A function may
        have printed anything else."""
        rows = [line.split() for line in output.split("\n") if line.startswith("draw ")]
        return {
            int(row[1]): row[2:]
            for row in rows
            if row[1].isascii() and row[1].isdigit() and len(row) in (2, 2 + len(self.functions))
        }

    def _definitions(self) -> list[str]:
        return [function.definition(f"step_{place + 1}") for place, function in enumerate(self.functions)]

    def _calls(self, values: Mapping[tuple[int, str], Fraction]) -> list[str]:
        """Return a line per result."""
        calls = []
        for place, function in enumerate(self.functions):
            linked = self.linked(place)
            arguments = []
            for one in function.template.parameters:
                source = linked.get(one.name)
                if source is not None:
                    arguments.append(
                        f"result_{source + 1}" if one.scale == 1 else f"result_{source + 1} / {one.scale}"
                    )
                else:
                    arguments.append(_literal(values[place, one.name] / one.scale))
            calls.append(f"result_{place + 1} = step_{place + 1}({', '.join(arguments)})")
        return calls


def _literal(value: Fraction) -> str:
    return str(int(value)) if value.denominator == 1 else repr(float(value))
