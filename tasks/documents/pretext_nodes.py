"""Nodes of PreTeXt: what names them, their numbers, and what is printed for them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from tasks.documents.assembly import PICTURE, letter, roman
from tasks.documents.pretext_vocabulary import ATTACHED, DISPLAYS, SPECIAL
from tasks.documents.tree import TEXT, TreeNode

NodePlace = tuple[str | None, int]  # the file and the byte where a node begins
_TAG_SIGNS: Final = {
    name: sign
    for count, name in ((1, ""), (2, "d"), (3, "t"))
    for sign, name in (
        ("*" * count, f"{name}star"), ("†" * count, f"{name}dagger"), ("#" * count, f"{name}hash"), ("✠" * count, f"{name}maltese"),
    )
}  # fmt: skip
PUNCTUATION: Final = "#punctuation"  # the tag of what is moved into a formula


def punctuated(nodes: Sequence[TreeNode]) -> list[TreeNode]:
    """Return nodes with the punctuation after a displayed formula moved into it, where it is printed."""
    moved: list[TreeNode] = []
    for node in nodes:
        mark = re.match(r"\s*([.,;:!?]+)(?=\s|$)", node.text) if node.tag == TEXT and moved else None
        if mark is not None and moved[-1].tag in DISPLAYS:
            formula = moved[-1]
            width = len(node.text[: mark.end()].encode())
            sign = TreeNode(PUNCTUATION, node.start, node.start + width, mark[1], node.part)
            moved[-1] = replace(formula, children=[*formula.children, sign])
            node = replace(node, text=node.text[mark.end() :], start=node.start + width)
        moved.append(node)
    return moved


def ids_of(node: TreeNode) -> list[str]:
    """Return the ids of a node."""
    return [node.attributes[name] for name in ("xml:id", "label") if name in node.attributes]


def referred_names(node: TreeNode) -> list[str]:
    """Return the ids that a cross-reference names."""
    return [name for name in re.split(r"[\s,]+", node.attributes.get("ref", "")) if name]


def place_of(node: TreeNode) -> NodePlace:
    """Return what names a node, also in a copy that has other children."""
    return node.part, node.start


def equation_tags(root: TreeNode) -> dict[NodePlace, str]:
    """Return the numbers that are printed beside displayed formulas and their rows, by the places of their nodes.

    Formulas count within a section of a book and a section of an article; the numbers of chapters and sections that are not in
    the files are left out.
    """
    tags: dict[NodePlace, str] = {}
    counts = Counter[str]()
    inside = [node.tag for node in root.walk() if node.tag in ("book", "article")]
    levels = ("chapter", "section") if "book" in inside else ("section",) if inside else ()
    for node in root.walk():
        if node.tag in levels:
            counts[node.tag] += 1
            counts["formula"] = 0
            if node.tag == "chapter":
                counts["section"] = 0
        elif node.tag in DISPLAYS or node.tag == "mrow":
            numbered = node.tag == "men" or node.attributes.get("number") == "yes"
            if node.tag == "mrow":
                numbered = numbered or (place_of(node) in tags and node.attributes.get("number") != "no")
                tags.pop(place_of(node), None)
            elif node.tag in ("md", "mdn"):
                whole = node.tag == "mdn" or node.attributes.get("number") == "yes"
                tags |= {place_of(row): "" for row in node.all("mrow") if whole}
                continue
            if sign := _TAG_SIGNS.get(node.attributes.get("tag", "")):
                tags[place_of(node)] = f"({sign})"
            elif numbered:
                counts["formula"] += 1
                parts = [*(counts[level] for level in levels if counts[level]), counts["formula"]]
                tags[place_of(node)] = f"({'.'.join(map(str, parts))})"
    return {key: tag for key, tag in tags.items() if tag}


def exercises_of(node: TreeNode) -> Iterable[TreeNode]:
    """Return the exercises of a division, through its groups."""
    for child in node.elements():
        if child.tag == "exercise":
            yield child
        elif child.tag not in SPECIAL and child.tag not in ATTACHED:
            yield from exercises_of(child)


def picture_of(node: TreeNode) -> str:
    """Return what stands for a picture: its description, for readers who do not see it."""
    described = node.first("description") or node.first("shortdescription")
    return f"[Figure: {described.words()}]" if described is not None and described.words() else PICTURE


def code_parts(node: TreeNode) -> list[TreeNode]:
    """Return the nodes that have the text of a program."""
    inner = [child for child in node.elements() if child.tag in ("code", "input", "output")]
    return inner or [node]


def marker(style: str, number: int) -> str:
    """Return the mark of an item of a numbered list, from the style that its list states, such as "(a)" or "i."."""
    match = re.search(r"[1aAiI]", style)
    if match is None:
        return f"{number}."
    kind = match[0]
    value = {"1": str(number), "a": letter(number), "A": letter(number).upper(), "i": roman(number)}.get(
        kind, roman(number).upper()
    )
    return f"{style[: match.start()]}{value}{style[match.end() :] or '.'}"
