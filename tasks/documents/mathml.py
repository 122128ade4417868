"""MathML as LaTeX: the source that the page keeps in an annotation, or else the presentation elements, translated.

Content MathML is not translated: its words are kept.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import Final

from latex2mathml.symbols_parser import parse_symbols

from tasks.documents.tree import TEXT, TreeNode

_FUNCTIONS: Final = frozenset({
    "sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "log", "ln", "exp", "lim", "max",
    "min", "sup", "inf", "det", "dim", "ker", "gcd", "arg", "deg", "hom", "Pr", "limsup", "liminf",
})  # fmt: skip
_OVER: Final = {"¯": "overline", "‾": "overline", "^": "hat", "ˆ": "hat", "~": "tilde", "˜": "tilde", "→": "vec", "⃗": "vec", "˙": "dot",
                "¨": "ddot", "⏞": "overbrace", "_": "overline", "―": "overline", "ˇ": "check"}  # fmt: skip
_UNDER: Final = {"_": "underline", "¯": "underline", "⏟": "underbrace", "̲": "underline"}
_OPERATORS: Final = {
    "−": "-", "\u2061": "", "\u2062": "", "\u2063": "", "\u2064": "", "\u200b": "", "…": r"\ldots", "⋯": r"\cdots", "∣": r"\mid", "‖": r"\|",
    "{": r"\{", "}": r"\}", "%": r"\%", "#": r"\#", "&": r"\&", "$": r"\$", "\\": r"\backslash", "′": "'", "ℝ": r"\mathbb{R}",
    "ℕ": r"\mathbb{N}", "ℤ": r"\mathbb{Z}", "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}", "∑": r"\sum", "∏": r"\prod", "∫": r"\int", "∞": r"\infty",
    "→": r"\to", "×": r"\times", "·": r"\cdot", "⋅": r"\cdot", "≤": r"\le", "≥": r"\ge", "≠": r"\ne", "¬": r"\neg", "∅": r"\emptyset",
    "⟨": r"\langle", "⟩": r"\rangle", "\u00a0": "~", "_": r"\_",
}  # fmt: skip
_COMMAND_END: Final = re.compile(r"\\[A-Za-z]+\Z")
_VARIANTS: Final = {
    "bold": "mathbf", "double-struck": "mathbb", "script": "mathcal", "fraktur": "mathfrak", "sans-serif": "mathsf",
    "monospace": "mathtt", "bold-italic": "boldsymbol", "normal": "mathrm",
}  # fmt: skip
_FENCES: Final = {
    "()": "pmatrix",
    "[]": "bmatrix",
    "||": "vmatrix",
    "{}": "Bmatrix",
    "∥∥": "Vmatrix",
    "‖‖": "Vmatrix",
}
_BIG: Final = frozenset({r"\sum", r"\prod", r"\int", r"\lim", r"\max", r"\min", r"\sup", r"\inf", r"\bigcup", r"\bigcap", r"\coprod",
                         r"\oint", r"\liminf", r"\limsup", r"\gcd"})  # fmt: skip


def latex_of(math: TreeNode) -> str:
    """Return the LaTeX of an element `math`, without delimiters."""
    for node in math.walk():
        if node.tag == "annotation" and "tex" in node.attributes.get("encoding", "").lower():
            return _without_style(node)
    alternative = math.attributes.get("alttext", "")
    if "\\" in alternative or re.fullmatch(r"[\w\s+\-*/=^<>(),.]+", alternative):
        return re.sub(r"^\{\\displaystyle\s*(.*)\}$", r"\1", alternative, flags=re.DOTALL).strip()
    return re.sub(r"\s+", " ", _row(math)).strip()


def _without_style(annotation: TreeNode) -> str:
    text = "".join(node.text for node in annotation.walk()).strip()
    return re.sub(r"^\{\\(?:displaystyle|textstyle)\s*(.*)\}$", r"\1", text, flags=re.DOTALL).strip()


def _row(node: TreeNode) -> str:
    parts: list[str] = []
    children = list(node.elements())
    place = 0
    while place < len(children):
        fenced = _fenced(children[place : place + 3])
        piece = fenced or _node(children[place])
        place += 3 if fenced else 1
        parts.append(piece)
    return _together(parts)


def _together(parts: Iterable[str]) -> str:
    """Join LaTeX, with a blank where a command would run into a letter or a digit."""
    text = ""
    for part in parts:
        text += " " if part[:1].isalnum() and _COMMAND_END.search(text) else ""
        text += part
    return text


def _fenced(three: list[TreeNode]) -> str | None:
    """Return a matrix or a binomial coefficient between its brackets, None for other elements."""
    if len(three) < 3 or three[0].tag != "mo" or three[2].tag != "mo":
        return None
    name = _FENCES.get(three[0].words() + three[2].words())
    middle = three[1]
    while middle.tag in ("mrow", "mstyle") and len(list(middle.elements())) == 1:
        middle = next(middle.elements())
    if name is not None and middle.tag == "mtable":
        return rf"\begin{{{name}}}{_rows(middle)}\end{{{name}}}"
    if name == "pmatrix" and middle.tag == "mfrac" and middle.attributes.get("linethickness", "")[:1] == "0":
        above, below = (_row_or_node(one) for one in list(middle.elements())[:2])
        return rf"\binom{{{above}}}{{{below}}}"
    return None


def _rows(node: TreeNode) -> str:
    return r" \\ ".join(" & ".join(_row(cell) for cell in row.elements()) for row in node.elements())


def _node(node: TreeNode) -> str:
    tag = node.tag
    children = list(node.elements())
    if tag in ("mi", "mn", "mo", "ms"):
        return _token(node)
    if tag == "mtext":
        words = re.sub(r"\s+", " ", "".join(one.text for one in node.walk()))
        return rf"\text{{{words}}}" if words.strip() else " "
    if tag == "mspace":
        return " "
    if tag in ("annotation", "annotation-xml", "mphantom"):
        return ""
    if tag == "semantics" and children:
        return _node(children[0])
    if (
        tag in ("mfrac", "mroot", "msub", "msup", "msubsup", "mover", "munder", "munderover")
        and len(children) >= 2
    ):
        return _scripted(tag, children)
    if tag == "msqrt":
        return rf"\sqrt{{{_row(node)}}}"
    if tag == "mfenced":
        separators = node.attributes.get("separators", ",").replace(" ", "") or ""
        inner = (separators[:1] or "").join(_node(child) for child in children)
        opening, closing = node.attributes.get("open", "("), node.attributes.get("close", ")")
        return _together([rf"\left{_symbol(opening) or '.'}", inner, rf"\right{_symbol(closing) or '.'}"])
    if tag == "menclose":
        name = (
            "boxed"
            if "box" in node.attributes.get("notation", "")
            else "cancel"
            if "strike" in node.attributes.get("notation", "")
            else ""
        )
        return rf"\{name}{{{_row(node)}}}" if name else _row(node)
    if tag == "mtable":
        return rf"\begin{{matrix}}{_rows(node)}\end{{matrix}}"
    if children:
        return _row(node)
    return "".join(child.text for child in node.children if child.tag == TEXT).strip()


def _scripted(tag: str, children: list[TreeNode]) -> str:
    base, first, *others = children
    one, two = _row_or_node(first), _row_or_node(others[0]) if others else ""
    if tag == "mfrac":
        return rf"\frac{{{_row_or_node(base)}}}{{{one}}}"
    if tag == "mroot":
        return rf"\sqrt[{one}]{{{_row_or_node(base)}}}"
    body = _node(base)
    if tag in ("mover", "munder"):
        accent = (_OVER if tag == "mover" else _UNDER).get(
            "".join(node.text for node in first.walk()).strip()
        )
        if accent:
            return rf"\{accent}{{{body}}}"
        if body not in _BIG:
            name = "overset" if tag == "mover" else "underset"
            return rf"\{name}{{{one}}}{{{body}}}"
    if base.tag == "mrow" and len(list(base.elements())) > 1:
        body = f"{{{body}}}"
    if tag in ("msub", "munder"):
        return f"{body}_{{{one}}}"
    if tag in ("msup", "mover"):
        return body + one if re.fullmatch(r"'+", one) else f"{body}^{{{one}}}"
    return f"{body}_{{{one}}}^{{{two}}}"


def _row_or_node(node: TreeNode) -> str:
    return _row(node) if node.tag in ("mrow", "mstyle") else _node(node)


def _token(node: TreeNode) -> str:
    text = re.sub(r"\s+", " ", "".join(one.text for one in node.walk())).strip(" ")
    variant = _VARIANTS.get(node.attributes.get("mathvariant", ""))
    if node.tag == "mi" and len(text) > 1 and text.isalpha() and text.isascii():
        return (
            rf"\{text}"
            if text in _FUNCTIONS
            else rf"\operatorname{{{text}}}"
            if variant in (None, "mathrm")
            else rf"\{variant}{{{text}}}"
        )
    if node.tag == "mo" and text.isalpha() and text.isascii() and len(text) > 1:
        return rf"\{text}" if text in _FUNCTIONS else rf"\operatorname{{{text}}}"
    if re.fullmatch(r"\\[A-Za-z]+", text):
        return text  # a macro that the program that wrote the MathML did not know
    written = _together(_symbol(one) for one in text)
    if variant and variant != "mathrm" and node.tag != "mo":
        return rf"\{variant}{{{written}}}"
    return (
        f" {written} "
        if node.tag == "mo" and text in ("=", "<", ">", "≤", "≥", "≠", "∈", "→", "↦", "⇒", "⇔")
        else written
    )


def _symbol(character: str) -> str:
    if character in _OPERATORS:
        written = _OPERATORS[character]
    elif character.isascii():
        return character
    else:
        written = _symbols().get(character, character)
    return written


@functools.cache
def _symbols() -> dict[str, str]:
    """Return the LaTeX of characters: of several names the shortest."""
    names: dict[str, str] = {}
    for name, code in parse_symbols().items():
        if not re.fullmatch(r"\\[A-Za-z]+", name):
            continue
        character = chr(int(code, 16))
        if not character.isascii() and (character not in names or len(name) < len(names[character])):
            names[character] = name
    return names
