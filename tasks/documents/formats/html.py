r"""HTML: its main part as Markdown, with formulas as LaTeX.

Formulas are taken from MathML, from the annotations of KaTeX and MathJax, from their scripts, from the alternative texts of
pictures of formulas, and from text between \( \), \[ \] and, on pages with MathJax or KaTeX, between $ signs. Exercises and the
like are known by the classes of their elements, by `details`, and by labels and headings. Navigation, scripts and forms are left out.
"""

from __future__ import annotations

import re
from typing import Final

from tasks.documents.assembly import PICTURE, indented, table
from tasks.documents.document import Document, ElementKind
from tasks.documents.formats import ReadOptions
from tasks.documents.formula_labels import LINK, resolve_labels, with_environments
from tasks.documents.html_math import displayed_formula, formula_source
from tasks.documents.labelled import LabelledAssembly, without_dollars
from tasks.documents.matching import match_printed
from tasks.documents.sections import kind_of_name
from tasks.documents.source_text import SourceText
from tasks.documents.tree import TEXT, TreeNode, html_tree

suffixes = (".html", ".htm", ".xhtml")

_SILENT: Final = frozenset({
    "script", "style", "nav", "noscript", "template", "form", "button", "svg", "iframe", "object", "select", "head", "footer", "canvas",
    "video", "audio", "input", "textarea", "aside",
})  # fmt: skip
_BLOCKS: Final = frozenset({
    "p", "ul", "ol", "dl", "table", "pre", "blockquote", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "div", "section", "article", "main",
    "details", "summary", "header", "figcaption", "li", "dt", "dd", "center", "body", "html", "hr", "address", "fieldset", "caption",
})  # fmt: skip
_MARKS: Final = {
    "em": "*",
    "i": "*",
    "var": "*",
    "dfn": "**",
    "b": "**",
    "strong": "**",
    "code": "`",
    "kbd": "`",
    "tt": "`",
}
_BOILERPLATE = re.compile(
    r"(?:^|[\s_-])(?:nav|navbar|menu|sidebar|breadcrumbs?|footer|toc|cookie|banner|advert\w*|share|comments?|pagination|skip-link|eqno|headerlink)(?:$|[\s_-])",
    re.IGNORECASE,
)
_MATHJAX = re.compile(r"mathjax|katex|tex-mml|MathJax\.Hub", re.IGNORECASE)
_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([\w-]{2,30})", re.IGNORECASE)
_DISPLAY = re.compile(r"display", re.IGNORECASE)


def sniff(head: bytes, name: str) -> bool:
    """Return whether a file begins as HTML does."""
    return (
        re.match(rb"\s*(?:<!--.{0,2000}?-->\s*)?<(?:!doctype\s+html|html)\b", head, re.IGNORECASE | re.DOTALL)
        is not None
    )


def read(data: bytes, name: str, options: ReadOptions) -> Document:
    """Read a page. Raises UnreadableDocument over a limit."""
    charset = _CHARSET.search(data[:4096])
    source = SourceText(data, charset[1].decode("ascii") if charset else None)
    root = html_tree(source, name)
    reading = _HtmlReading(dollars=_MATHJAX.search(source.text) is not None)
    reading.page(root)
    document = reading.out.document()
    titles = [node.words() for node in root.walk() if node.tag == "title"]
    document.title = (titles[0] if titles else "") or document.title or name.rpartition("/")[2]
    pages = [node for node in root.walk() if node.tag == "html"]
    document.language = (pages[0].attributes.get("lang") or None) if pages else None
    licenses = [node for node in root.walk() if "license" in node.attributes.get("rel", "").split()]
    document.license = (licenses[0].words() or licenses[0].attributes.get("href")) if licenses else None
    resolve_labels(document, reading.anchors)
    match_printed(document)
    return document


class _HtmlReading:
    def __init__(self, *, dollars: bool) -> None:
        self.out = LabelledAssembly("", "html")
        self.dollars = dollars
        self.anchors: dict[
            str, tuple[int, int]
        ] = {}  # spans of the elements with formulas that links may name

    def page(self, root: TreeNode) -> None:
        """Read the main part of a page, or all of it."""
        mains = [node for node in root.walk() if node.tag == "main" or node.attributes.get("role") == "main"]
        linked = {
            node.attributes["href"][1:]
            for node in root.walk()
            if node.tag == "a" and node.attributes.get("href", "").startswith("#")
        }
        for node in root.walk():
            name = node.attributes.get("id") or node.attributes.get("name", "")
            if name in linked and _shows_formula(node):
                self.anchors.setdefault(name, (node.start, node.end))
        self._blocks(mains[0] if mains else root)

    def _blocks(self, node: TreeNode) -> None:
        """Read the children of an element: blocks one by one, and text between them as paragraphs."""
        run: list[TreeNode] = []
        for child in [*node.children, None]:
            if child is not None and not self._is_block(child):
                run.append(child)
                continue
            text = self._paragraph(run)
            if text:
                self.out.block("text", text, run[0].start, run[-1].end)
            run = []
            if child is not None and not _left_out(child):
                self._block(child)

    def _is_block(self, node: TreeNode) -> bool:
        return node.tag in _BLOCKS or node.tag in _SILENT or displayed_formula(node) is not None

    def _block(self, node: TreeNode) -> None:
        tag, span = node.tag, (node.start, node.end)
        formula = displayed_formula(node)
        kind = _kind(node)
        if formula is not None:
            self.out.block("formula", rf"\[{formula}\]", *span)
        elif re.fullmatch(r"h[1-6]", tag):
            self.out.heading(self._paragraph(node.children).strip("*"), int(tag[1]), *span)
        elif kind is not None:
            self._element(kind, node)
        elif tag == "details":
            self._details(node)
        elif tag == "p":
            self._mixed(node)
        elif tag == "ol" and self.out.below is not None:
            first = int(node.attributes["start"]) if node.attributes.get("start", "").isdigit() else 1
            for number, item in enumerate(node.all("li"), first):
                self.out.item(
                    item.attributes.get("value") or str(number), self._content(item), item.start, item.end
                )
        elif tag in ("ul", "ol", "dl"):
            self.out.block("list", self._list(node), *span)
        elif tag == "table" and not self._is_layout(node):
            self.out.block("table", self._table(node), *span)
        elif tag == "pre":
            code = "".join(one.text for one in node.walk()).strip("\n")
            self.out.block("code", f"```\n{code}\n```", *span)
        elif tag == "blockquote":
            self.out.block("text", "> " + self._content(node).replace("\n", "\n> "), *span)
        elif tag in ("figcaption", "caption"):
            self.out.block("caption", self._paragraph(node.children), *span)
        else:
            self._blocks(node)

    def _mixed(self, node: TreeNode) -> None:
        """Add a paragraph, with the formulas displayed in it as elements of their own."""
        run: list[TreeNode] = []
        for child in [*node.children, None]:
            formula = displayed_formula(child) if child is not None else None
            if child is not None and formula is None:
                run.append(child)
                continue
            text = self._paragraph(run)
            if text:
                self.out.block("text", text, run[0].start, run[-1].end)
            run = []
            if child is not None and formula is not None:
                self.out.block("formula", rf"\[{formula}\]", child.start, child.end)

    def _element(self, kind: ElementKind, node: TreeNode) -> None:
        """Add an element whose class says what it is, and what is printed to it inside."""
        inner = [
            one
            for one in node.walk()
            if one is not node
            and _kind(one) in ("hint", "answer", "solution", "proof")
            and one.tag in _BLOCKS
        ]
        top = [
            one for one in inner if not any(one is not other and one in list(other.walk()) for other in inner)
        ]
        title, text = self._titled(node, {id(one) for one in top})
        start, end = node.start, min([one.start for one in top], default=node.end)
        attached = kind in ("hint", "answer", "solution", "proof")
        place = self.out.element(kind, text, None if attached else title or kind.capitalize(), start, end)
        for one in top:
            printed = _kind(one)
            if printed is not None:
                _, words = self._titled(one, set())
                self.out.element(printed, words, title or None, one.start, one.end, of=place)

    def _titled(self, node: TreeNode, without: set[int]) -> tuple[str, str]:
        """Return (title, content) of an element, without some of its descendants."""
        title = ""
        rest: list[TreeNode] = []
        for child in node.children:
            if id(child) in without:
                continue
            if not title and not rest and _is_title(child):
                title = self._paragraph(child.children).strip("*_.: ")
            elif child.tag != TEXT or child.text.strip() or rest:
                rest.append(child)
        if not title and len(rest) == 1 and rest[0].tag in ("div", "section"):
            return self._titled(rest[0], without)
        return title, self._joined(rest, without).strip()

    def _details(self, node: TreeNode) -> None:
        summary = node.first("summary")
        title = self._paragraph(summary.children) if summary is not None else ""
        kind = kind_of_name(
            re.sub(
                r"^(?:show|view|see|reveal|click for|toggle)\s+(?:the\s+)?",
                "",
                title.strip("*"),
                flags=re.IGNORECASE,
            )
        )
        rest = [child for child in node.children if child is not summary]
        if kind is None:
            self._blocks(TreeNode("div", node.start, node.end, children=node.children))
            return
        self.out.element(kind, self._joined(rest, set()), None, node.start, node.end)

    # text

    def _paragraph(self, nodes: list[TreeNode]) -> str:
        return self._joined(nodes, set()).strip()

    def _content(self, node: TreeNode) -> str:
        return self._joined(node.children, set()).strip()

    def _joined(self, nodes: list[TreeNode], without: set[int]) -> str:
        pieces: list[str] = []
        for node in nodes:
            if id(node) in without or _left_out(node):
                continue
            piece = self._piece(node, without)
            if pieces and pieces[-1].endswith(("\n", " ")):
                piece = piece.lstrip(" ")
            if pieces and piece.startswith("\n"):
                pieces[-1] = pieces[-1].rstrip(" ")
            if piece:
                pieces.append(piece)
        text = "".join(pieces)
        return re.sub(r"\n{3,}", "\n\n", text)

    def _piece(self, node: TreeNode, without: set[int]) -> str:
        tag = node.tag
        if tag == TEXT:
            text = re.sub(r"[ \t\r\n\f]+", " ", node.text)
            return with_environments(without_dollars(text)) if self.dollars else text
        displayed = displayed_formula(node)
        if displayed is not None:
            return f"\n\n\\[{displayed}\\]\n\n"
        formula = formula_source(node)
        if formula is not None:
            return rf"\({formula}\)" if formula else ""
        if tag == "br":
            return "\n"
        if tag == "a" and node.attributes.get("href", "")[1:] in self.anchors:
            return f"{LINK}{node.attributes['href'][1:]}{LINK}{self._joined(node.children, without)}{LINK}"
        if tag == "img":
            alternative = node.attributes.get("alt", "").strip()
            return f"[Figure: {alternative}]" if alternative else PICTURE
        if tag in ("ul", "ol", "dl"):
            return f"\n\n{self._list(node)}\n\n"
        if tag == "table" and not self._is_layout(node):
            return f"\n\n{self._table(node)}\n\n"
        if tag == "pre":
            code = "".join(one.text for one in node.walk()).strip("\n")
            return f"\n\n```\n{code}\n```\n\n"
        if tag in _MARKS:
            text = self._joined(node.children, without)
            bare = text.strip()
            return (
                text.replace(bare, f"{_MARKS[tag]}{bare}{_MARKS[tag]}", 1)
                if bare and "\n" not in bare and "\\(" not in bare
                else text
            )
        if tag in ("sup", "sub") and not node.words().startswith("["):
            text = self._joined(node.children, without).strip()
            return (
                f"{'^' if tag == 'sup' else '_'}{text if len(text) == 1 else f'{{{text}}}'}" if text else ""
            )
        inner = self._joined(node.children, without)
        return f"\n\n{inner.strip()}\n\n" if tag in _BLOCKS and inner.strip() else inner

    def _list(self, node: TreeNode) -> str:
        if node.tag == "dl":
            lines = []
            for child in node.elements():
                text = self._content(child)
                lines.append(f"- **{text}**" if child.tag == "dt" else indented(f"  {text}", 2))
            return "\n".join(lines)
        first = int(node.attributes["start"]) if node.attributes.get("start", "").isdigit() else 1
        style = node.attributes.get("type", "1")
        lines = []
        for number, item in enumerate(node.all("li"), first):
            letters = style in ("a", "A") and number <= 26
            mark = "-" if node.tag == "ul" else f"({chr(96 + number)})" if letters else f"{number}."
            lines.append(f"{mark} {indented(self._content(item), len(mark) + 1)}")
        return "\n".join(lines)

    def _table(self, node: TreeNode) -> str:
        rows = [
            [self._content(cell) for cell in row.elements() if cell.tag in ("td", "th")]
            for row in node.walk()
            if row.tag == "tr"
        ]
        caption = node.first("caption")
        text = table([row for row in rows if any(row)])
        return f"{text}\n\n{self._content(caption)}" if caption is not None else text

    def _is_layout(self, node: TreeNode) -> bool:
        """Return whether a table only arranges a page: it holds other tables or headings, or has one cell."""
        cells = [one for one in node.walk() if one.tag in ("td", "th")]
        return len(cells) < 2 or any(
            one.tag in ("table", "h1", "h2", "h3") and one is not node for one in node.walk()
        )


def _shows_formula(node: TreeNode) -> bool:
    """Return whether one displayed formula, or the text of one, is in an element."""
    if sum(displayed_formula(one) is not None for one in node.walk()) >= 1:
        return True
    text = "".join(one.text for one in node.walk())
    return text.count("\\[") == 1 or text.count("$$") == 2 or text.count("\\begin{equation") == 1


def _left_out(node: TreeNode) -> bool:
    if node.tag == TEXT:
        return False
    if node.tag in _SILENT:
        return not node.attributes.get("type", "").startswith("math/tex")
    hidden = "hidden" in node.attributes or (
        node.attributes.get("aria-hidden") == "true" and node.tag != "math"
    )
    return (
        hidden
        or _BOILERPLATE.search(node.attributes.get("class", "") + " " + node.attributes.get("id", ""))
        is not None
    )


def _kind(node: TreeNode) -> ElementKind | None:
    """Return what the class of a block says that it is."""
    if node.tag not in ("div", "section", "article", "details", "aside", "li", "p", "blockquote"):
        return None
    for name in node.attributes.get("class", "").split():
        kind = kind_of_name(name.removesuffix("-like").replace("-knowl", ""))
        if kind is not None and not name.lower().endswith("s"):
            return kind
    return None


def _is_title(node: TreeNode) -> bool:
    if re.fullmatch(r"h[1-6]|summary|legend|header", node.tag):
        return True
    return (
        re.search(r"title|heading|admonition-title|theorem-header", node.attributes.get("class", ""))
        is not None
    )
