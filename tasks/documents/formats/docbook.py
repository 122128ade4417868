r"""DocBook: XML of books and articles, of version 4 and 5, with files that are included by XInclude or by entities.

Questions of a `qandaset` are exercises with their answers, and so is a paragraph, a section or an item of a list whose `role` or
title says so. Formulas are MathML, or LaTeX in `alt` or `mathphrase`.
"""

from __future__ import annotations

import re
from typing import Final

from tasks.documents.assembly import PICTURE, UNKNOWN, indented, letter, roman, table
from tasks.documents.document import Document, ElementKind
from tasks.documents.formats import ReadOptions
from tasks.documents.labelled import LabelledAssembly, without_dollars
from tasks.documents.latex_math import tagged
from tasks.documents.matching import match_printed
from tasks.documents.mathml import latex_of
from tasks.documents.references import Referent, resolve
from tasks.documents.sections import kind_of_name
from tasks.documents.tree import TEXT, TreeNode
from tasks.documents.xml_includes import Includes, included_paths

suffixes = (".docbook", ".dbk")

_LEVELS: Final = {
    "part": 1, "chapter": 1, "appendix": 1, "preface": 1, "article": 1, "sect1": 2, "section": 2, "sect2": 3, "sect3": 4, "sect4": 5,
    "sect5": 6, "simplesect": 3, "refsection": 2, "refsect1": 2, "bridgehead": 4,
}  # fmt: skip
_SILENT: Final = frozenset({
    "info", "bookinfo", "articleinfo", "chapterinfo", "sectioninfo", "title", "subtitle", "titleabbrev", "indexterm", "index", "toc", "lot",
    "bibliography", "colophon", "dedication", "remark", "anchor", "include", "caption", "label", "imageobject",
})  # fmt: skip
_MARKS: Final = {
    "emphasis": "*", "firstterm": "**", "citetitle": "*", "foreignphrase": "*", "literal": "`", "code": "`", "command": "`",
    "varname": "`", "function": "`", "replaceable": "*",
}  # fmt: skip
_NUMERALS: Final = ("arabic", "loweralpha", "lowerroman", "upperalpha", "upperroman")
_BLOCKS: Final = frozenset({
    "para", "simpara", "formalpara", "itemizedlist", "orderedlist", "variablelist", "simplelist", "equation", "informalequation",
    "programlisting", "screen", "literallayout", "table", "informaltable", "figure", "informalfigure", "mediaobject", "blockquote",
    "example", "informalexample", "qandaset", "note", "tip", "important", "warning", "caution", "sidebar", "procedure", "abstract",
})  # fmt: skip
_MARK = re.compile("\0([^\0]*)\0")  # of a reference, with the id of what it is to
_ROOTS = re.compile(rb"docbook|<(?:\w+:)?(?:book|chapter|article|sect1)[\s>]", re.IGNORECASE)


def sniff(head: bytes, name: str) -> bool:
    """Return whether XML is DocBook: by its namespace, its document type or its root."""
    plain = b"<m>" in head or b"pretext" in head.lower()
    return name.lower().endswith(".xml") and _ROOTS.search(head) is not None and not plain


def included(data: bytes, name: str) -> list[str]:
    """Return the paths that a file includes."""
    return included_paths(data)


def read(data: bytes, name: str, options: ReadOptions) -> Document:
    """Read a DocBook document. Raises UnreadableDocument if the main file is not well-formed."""
    book = Includes(data, name, options)
    reading = _DocBookReading(book.root)
    reading.division(book.root, 1)
    document = reading.document()
    titles = [_title(book.root), *(_title(one) for one in book.root.elements() if one.tag.endswith("info"))]
    document.title = next(filter(None, titles), "") or document.title or name.rpartition("/")[2]
    document.language = book.root.attributes.get("xml:lang") or book.root.attributes.get("lang")
    for path in book.missing:
        reading.out.out.missing(path)
    match_printed(document)
    return document


class _DocBookReading:
    def __init__(self, root: TreeNode) -> None:
        self.out = LabelledAssembly("", "docbook")
        self.names = {  # what references to elements are printed as, by their ids
            identifier: f"“{title}”"
            for node in root.walk()
            for name in ("xml:id", "id")
            if (identifier := node.attributes.get(name)) and (title := _title(node))
        }
        self.targets: dict[str, Referent] = {}
        self.tags: dict[tuple[str | None, int], str] = {}  # of equations that something refers to
        self._number_equations(root)

    def _number_equations(self, root: TreeNode) -> None:
        """Number the equations as DocBook's stylesheets do: those without a title within their chapter, in a book with its number."""
        referred = {node.attributes.get("linkend", "") for node in root.walk() if node.tag == "xref"}
        chapter = count = 0
        for node in root.walk():
            if node.tag == "chapter":
                chapter, count = chapter + 1, 0
            if node.tag not in ("equation", "informalequation"):
                continue
            numbered = node.tag == "equation" and not _title(node)
            count += numbered
            number = node.attributes.get("xreflabel") or (
                f"{chapter}.{count}" if root.tag == "book" else str(count)
            )
            for identifier in (node.attributes.get("xml:id"), node.attributes.get("id")):
                if identifier is None:
                    continue
                if numbered or "xreflabel" in node.attributes:
                    self.names[identifier] = node.attributes.get("xreflabel") or f"Equation {number}"
                    if identifier in referred:
                        self.tags[node.part, node.start] = number if number.startswith("(") else f"({number})"
                self.targets[identifier] = Referent(node.part, node.start, formula=self._block(node))

    def _reference(self, mark: re.Match[str]) -> tuple[str, list[Referent]]:
        shown = self.names.get(mark[1], UNKNOWN)
        return shown, [self.targets[mark[1]]] if mark[1] in self.targets else []

    def document(self) -> Document:
        """Return the document, with its references."""
        document = self.out.document()
        resolve(document, _MARK, self._reference)
        return document

    def division(self, node: TreeNode, level: int) -> None:
        """Add a heading for a division, if it is one, and its content."""
        inner = level
        if node.tag in _LEVELS:
            own = max(level, 2) if node.tag == "section" else _LEVELS[node.tag]
            title = _title(node)
            if title:
                self.out.heading(title, own, node.start, node.end)
            inner = own + 1
        for child in node.elements():
            self._top(child, inner)

    def _top(self, node: TreeNode, level: int) -> None:
        tag, span = node.tag, (node.start, node.end)
        if node.part != self.out.out.part:
            self.out.close()
            self.out.out.part = node.part
        kind = kind_of_name(node.attributes.get("role", "")) if node.attributes.get("role") else None
        if tag in _SILENT:
            return
        if kind is not None and tag not in _LEVELS and not node.attributes["role"].endswith("s"):
            self._element(kind, node)
        elif tag == "example":
            self._element("example", node)
        elif tag in ("qandaset", "qandadiv"):
            for child in node.elements():
                self._top(child, level)
        elif tag == "qandaentry":
            self._question(node)
        elif tag == "orderedlist" and self.out.below is not None:
            for number, item in enumerate(node.all("listitem"), 1):
                self.out.item(str(number), self._blocks(item), item.start, item.end)
        elif tag in ("para", "simpara", "formalpara"):
            self.out.block("text", self._block(node), *span)
        elif tag in ("equation", "informalequation"):
            self.out.block("formula", self._block(node), *span)
        elif tag in ("programlisting", "screen", "literallayout"):
            self.out.block("code", self._block(node), *span)
        elif tag in ("table", "informaltable"):
            self.out.block("table", self._block(node), *span)
            if _title(node):
                self.out.block("caption", _title(node), *span)
        elif tag == "figure":
            self.out.block("caption", f"{_title(node)}\n\n{self._blocks(node)}".strip(), *span)
        elif tag in _BLOCKS:
            self.out.block("list" if tag.endswith("list") else "text", self._block(node), *span)
        else:
            self.division(node, level)

    def _element(self, kind: ElementKind, node: TreeNode) -> None:
        """Add an element, with what is printed to it inside behind it."""
        printed = [
            (one, inner) for one in node.elements()
            if (inner := kind_of_name(one.attributes.get("role", ""))) in ("hint", "answer", "solution", "proof")
        ]  # fmt: skip
        rest = [child for child in node.children if all(child is not one for one, _ in printed)]
        ends = [one.start for one, _ in printed]
        title = _title(node)
        label = (
            f"{kind.capitalize()} {title}".strip()
            if kind not in ("hint", "answer", "solution", "proof")
            else None
        )
        place = self.out.element(kind, self._joined(rest), label, node.start, min(ends, default=node.end))
        for one, inner in printed:
            if inner is not None:
                self.out.element(inner, self._blocks(one), label, one.start, one.end, of=place)

    def _question(self, node: TreeNode) -> None:
        question = node.first("question")
        if question is None:
            return
        label = question.first("label")
        name = f"Exercise {label.words()}" if label is not None and label.words() else "Exercise"
        place = self.out.element("exercise", self._blocks(question), name, question.start, question.end)
        for answer in node.all("answer"):
            self.out.element("answer", self._blocks(answer), name, answer.start, answer.end, of=place)

    # text

    def _blocks(self, node: TreeNode) -> str:
        return self._joined(node.children)

    def _joined(self, nodes: list[TreeNode]) -> str:
        pieces: list[str] = []
        for node in nodes:
            piece = re.sub(r"\s+", " ", node.text) if node.tag == TEXT else self._block(node)
            if node.tag in _BLOCKS and piece.strip():
                piece = f"\n\n{piece.strip()}\n\n"
            if pieces and pieces[-1].endswith(("\n", " ")):
                piece = piece.lstrip(" ")
            if piece:
                pieces.append(piece)
        return without_dollars("".join(pieces).strip())

    def _block(self, node: TreeNode) -> str:
        tag = node.tag
        if tag == "math":
            return rf"\({latex_of(node)}\)"
        if tag in ("inlineequation", "equation", "informalequation"):
            formula = _formula(node)
            number = self.tags.get((node.part, node.start))
            beside = f" {tagged(number)}" if number else ""
            return rf"\({formula}\)" if tag == "inlineequation" else rf"\[{formula}{beside}\]"
        if tag == "mathphrase":
            return rf"\({node.words()}\)"
        if tag in _SILENT:
            return ""
        if tag in _MARKS:
            text = self._blocks(node)
            mark = "**" if node.attributes.get("role") in ("bold", "strong") else _MARKS[tag]
            return f"{mark}{text}{mark}" if text else ""
        if tag == "quote":
            return f"“{self._blocks(node)}”"
        if tag in ("superscript", "subscript"):
            return f"{'^' if tag == 'superscript' else '_'}{{{self._blocks(node)}}}"
        if tag in ("itemizedlist", "orderedlist", "simplelist", "procedure"):
            return self._list(node)
        if tag == "variablelist":
            entries = ((one.first("term"), one.first("listitem")) for one in node.all("varlistentry"))
            return "\n".join(
                f"- **{self._blocks(term) if term else ''}** {indented(self._blocks(item), 2) if item else ''}"
                for term, item in entries
            )
        if tag in ("programlisting", "screen", "literallayout"):
            code = "".join(one.text for one in node.walk()).strip("\n")
            return f"```\n{code}\n```"
        if tag in ("table", "informaltable"):
            rows = [one for one in node.walk() if one.tag in ("row", "tr")]
            return table(
                [
                    [self._blocks(cell) for cell in row.elements() if cell.tag in ("entry", "td", "th")]
                    for row in rows
                ]
            )
        if tag in ("mediaobject", "inlinemediaobject"):
            words = " ".join(one.words() for one in node.walk() if one.tag in ("phrase", "alt"))
            return f"[Figure: {words}]" if words else PICTURE
        if tag == "blockquote":
            return "> " + self._blocks(node).replace("\n", "\n> ")
        if tag == "footnote":
            return f" [{self._blocks(node)}]"
        if tag == "xref":
            return f"\0{node.attributes.get('linkend', '')}\0"
        text = self._blocks(node)
        title = _title(node)
        return f"**{title}.** {text}" if title and tag in _BLOCKS else text

    def _list(self, node: TreeNode) -> str:
        style = node.attributes.get("numeration", "arabic")
        lines = []
        for number, item in enumerate(
            (one for one in node.elements() if one.tag in ("listitem", "member", "step")), 1
        ):
            values = (
                f"{number}.",
                f"({letter(number)})",
                f"{roman(number)}.",
                f"{letter(number).upper()}.",
                f"{roman(number).upper()}.",
            )
            numbered = node.tag in ("orderedlist", "procedure")
            mark = values[_NUMERALS.index(style) if style in _NUMERALS else 0] if numbered else "-"
            lines.append(f"{mark} {indented(self._blocks(item), len(mark) + 1)}")
        return "\n".join(lines)


def _formula(node: TreeNode) -> str:
    """Return the LaTeX of an equation: its alternative text, its MathML, or its phrase."""
    for one in node.walk():
        if one.tag == "alt" and one.words():
            return re.sub(r"^(?:\$+|\\[(\[])|(?:\$+|\\[)\]])$", "", one.words()).strip()
    for one in node.walk():
        if one.tag == "math":
            return latex_of(one)
    return " ".join(one.words() for one in node.walk() if one.tag in ("mathphrase", "phrase"))


def _title(node: TreeNode) -> str:
    title = node.first("title")
    return title.words() if title is not None else ""
