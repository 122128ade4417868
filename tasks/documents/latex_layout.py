"""Parts of LaTeX nodes, and their text laid out as Markdown: items of lists and their marks, lines of paragraphs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tasks.documents.assembly import letter, roman
from tasks.documents.latex_math import with_whole_formulas
from tasks.documents.latex_tree import TexNode
from tasks.documents.latex_vocabulary import BARE, LEVELS, SPECIALS


def fenced(node: TexNode) -> str:
    """Return verbatim content as a block of code."""
    return "```\n" + node.text.strip("\r\n") + "\n```"


def statement_span(node: TexNode, statement: TexNode) -> TexNode:
    """Return the beginning of an environment up to the end of the argument that states the example."""
    return TexNode("group", node.start, statement.end)


def content_end(node: TexNode, text: str) -> int:
    """Return where the content of an environment ends, in characters."""
    closing = text.rfind("\\end", node.start, node.end)
    return closing if closing > 0 else node.end


def all_below(nodes: Sequence[TexNode]) -> list[TexNode]:
    """Return the nodes and all that is in them, in order."""
    result: list[TexNode] = []
    stack = list(reversed(nodes))
    while stack:
        node = stack.pop()
        result.append(node)
        stack += reversed([*node.arguments, *node.children])
    return result


def after_arguments(node: TexNode) -> list[TexNode]:
    """Return the content of an environment without the arguments of layout at its beginning, such as {2} or {lcr}."""
    children = list(node.children)
    while (
        children
        and children[0].kind == "group"
        and node.name
        in (
            "adjustwidth",
            "minipage",
            "multicols",
            "tabularx",
            "tabular*",
            "tasks",
            "parts",
            "longtable",
            "wrapfigure",
            "spacing",
            "columns",
            "column",
            "adjustbox",
        )
    ):
        children.pop(0)
    return children


def ends_bare(node: TexNode, name: str) -> bool:
    """Return whether a node ends what a macro without an argument, such as \\question, begins."""
    if node.kind == "macro":
        return node.name == name or node.name in LEVELS or node.name in BARE
    return False


def items_of(node: TexNode) -> list[tuple[TexNode | None, list[TexNode], int, int]]:
    """Return (mark, content, start, end) of each item of a list."""
    items: list[tuple[TexNode | None, list[TexNode], int, int]] = []
    for one in node.children:
        if one.kind == "macro" and one.name in ("item", "part", "subpart", "subsubpart", "task", "question"):
            items.append((one.optional, [], one.start, one.end))
        elif items:
            mark, body, start, end = items[-1]
            body.append(one)
            end = one.end if one.kind != "text" or one.text.strip() else end
            items[-1] = (mark, body, start, end)
    return items


def mark_of(style: str, number: int, depth: int) -> str:
    """Return the mark of an item, from the option of its list, such as (a) or label=\\roman*., or from its depth."""
    named = re.search(r"\\(alph|Alph|roman|Roman|arabic)\b\s*\*?", style)
    short = re.search(r"(?<![\\\w])[aAiI1](?!\w)", style) if named is None else None
    if named is None and short is None:
        value = (f"{number}.", f"({letter(number)})", f"{roman(number)}.", f"{letter(number).upper()}.")
        return value[(depth - 1) & 3]
    match = named or short
    assert match is not None
    how = (
        match[1] if named else {"a": "alph", "A": "Alph", "i": "roman", "I": "Roman", "1": "arabic"}[match[0]]
    )
    values = {
        "alph": letter(number), "Alph": letter(number).upper(), "roman": roman(number), "Roman": roman(number).upper(),
        "arabic": str(number),
    }  # fmt: skip
    before = re.search(r"[(\[]?$", re.sub(r"\\\w+\*?|[{}]|label\s*=", "", style[: match.start()]))
    after = re.match(r"\s*[).\]:]*", re.sub(r"[{}]", "", style[match.end() :]))
    return (
        f"{before[0] if before else ''}{values[how]}{after[0].strip() if after else ''}"
        if after and after[0].strip()
        else f"{values[how]}."
    )


def plain_text(text: str) -> str:
    """Return a text without the indentation of its lines: that of the result nests lists."""
    bare = re.sub(r"\n[ \t]+", "\n", text)
    return SPECIALS.get(bare, bare.replace("``", "“").replace("''", "”"))


def unwrapped(text: str) -> str:
    """Return a text whose lines are joined within paragraphs, except those of lists, tables and formulas."""
    paragraphs: list[str] = []
    for paragraph in re.split(r"\n(?:[ \t\r]*\n)+", text.strip("\n")):
        pieces: list[str] = []  # lines, each after the first with what joins it to the one before
        inside = False  # an environment of a formula
        for line in paragraph.split("\n"):
            kept = re.match(r"\s*(?:[-|>]|\(?\w{1,4}[.)]\s|```|\\\[|\\\]|\\begin|\\end|&)|\s{4}", line) or (
                pieces and pieces[-1].endswith(("\\\\", "\\["))
            )
            if not pieces:
                first = line.rstrip() if re.match(r"\s{2,}", line) and paragraphs else line.strip()
                pieces += [first] if first else []
            elif kept or inside:
                pieces.append("\n" + line.rstrip())
            else:
                pieces.append(" " + line.strip())
            if "\\begin{" in line or "\\end{" in line:
                inside = line.rfind("\\begin{") > line.rfind("\\end{")
        if pieces and any(piece.strip() for piece in pieces):
            paragraphs.append("".join(pieces))
    return with_whole_formulas("\n\n".join(paragraphs))
