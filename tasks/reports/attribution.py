"""What an attribution measured, in words and as Markdown: which group of rows earned or cost points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from storage.counting import counted
from storage.markdown import inline

ATTRIBUTION = "attribution"  # kind of the mark that keeps a result


def groups_of(value: Mapping[str, Any]) -> list[tuple[str, int, float, float | None]]:
    """Return name, rows, influence and change of the loss without it of each group of a mark, the most useful first."""
    lines = zip(value["groups"], value["rows"], value["influence"], value["without"], strict=True)
    return sorted(lines, key=lambda one: -one[2])


def conclusion(value: Mapping[str, Any]) -> str:
    """Return what a mark says of the group of least use, as a sentence for people."""
    effect = "lower: it costs points" if value["harmful"] else "not lower, so no harm is shown"
    return f"Least useful: {value['worst']}. Without it the loss is {effect}"


def to_markdown(value: Mapping[str, Any]) -> str:
    """Return a mark as Markdown: what was measured, a line per group, and the group of least use."""
    lines = [
        f"What the groups of {inline(value['version'])} by {inline(value['by'])} did for {inline(value['items'])}, on the model "
        f"{inline(value['base'])} with {counted(value['steps'], 'step')} a training. Influence is the cosine of a group's gradient with "
        "that of the items; the last column is by how much the loss on the items (nats per token) is higher without the group.",
        "",
        "| group | rows | influence | loss without it |",
        "|---|--:|--:|--:|",
    ]
    lines += [
        f"| {inline(name)} | {rows:,} | {influence:+.3f} | {'not checked' if without is None else f'{without:+.4f}'} |"
        for name, rows, influence, without in groups_of(value)
    ]
    return "\n".join([*lines, "", inline(conclusion(value))]) + "\n"
