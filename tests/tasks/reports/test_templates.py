"""What the Markdown templates print passes through an escaping filter last, whatever its value."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

import tasks.reports

FOLDER = Path(tasks.reports.__file__).parent
ESCAPE = {"cell", "code", "fenced"}
NUMBERS = {"count", "counted", "share", "points"}
# texts of the project's own: literals of the template, hexadecimal digits, paths of plots, lines that are escaped when made
OWN = {
    "page.md": {"f.digest[:16]", "line", "name", "engine.limit", "times"}
    | {f"plots.{name}" for name in ("funnel", "scores", "calibration", "subdomain")},
    "diff/diff.md": {"title"},
}


def spelled(node: nodes.Node) -> str:
    """Return the source of a simple expression, or else the name of its kind."""
    match node:
        case nodes.Name():
            return node.name
        case nodes.Getattr():
            return f"{spelled(node.node)}.{node.attr}"
        case nodes.Getitem(arg=nodes.Slice(stop=nodes.Const() as stop)):
            return f"{spelled(node.node)}[:{stop.value}]"
        case nodes.Filter():
            return f"{spelled(node.node)} | {node.name}" if node.node else node.name
        case _:
            return type(node).__name__


def unescaped(source: str) -> set[str]:
    """Return the printed expressions whose outermost operation is no escaping filter and no format of a number."""
    printed = [
        expression
        for output in Environment().parse(source).find_all(nodes.Output)
        for expression in output.nodes
        if not isinstance(expression, nodes.TemplateData)
    ]
    return {spelled(expression) for expression in printed if not is_escaped(expression)}


def is_escaped(expression: nodes.Node) -> bool:
    if not isinstance(expression, nodes.Filter):
        return False
    if expression.name == "format":  # of a number: "%.2f", not "%s"
        template = expression.node
        return isinstance(template, nodes.Const) and bool(re.fullmatch(r"%\+?\.\d[fg]", str(template.value)))
    return expression.name in ESCAPE | NUMBERS


@pytest.mark.parametrize("template", [path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.md")])
def test_everything_printed_is_escaped(template: str) -> None:
    assert unescaped((FOLDER / template).read_text(encoding="utf-8")) == OWN[template]


def test_a_filter_that_binds_to_one_operand_only_is_found() -> None:
    assert unescaped(
        '{{ (a or "none") | cell }} {{ a | cell | short }} {{ b[0] or "none" | cell }}{{ "%s" | format(a) }}'
    ) == {
        "Const | format",
        "a | cell | short",
        "Or",
    }
