"""Trees of XML and HTML whose nodes know their span in bytes of the file.

lxml has no byte offsets, so XML is parsed with expat and HTML with html.parser, both of the standard library. No network or
file is opened: the text of external entities is that of other files of the same document, which the caller gives.
"""

from __future__ import annotations

import html
import html.entities
import html.parser
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from xml.parsers import expat

from tasks.documents.formats import UnreadableDocument
from tasks.documents.source_text import SourceText

TEXT: Final = "#text"  # the tag of a text
INCLUDE: Final = "include"  # the tag of a reference to another file, whose path is the attribute `href`
MAX_DEPTH: Final = 200  # nested elements
MAX_NODES: Final = 3_000_000
MAX_ENTITY: Final = 2_000  # characters of an entity that a document declares
_COMMENT: Final = ("<!--", "-->")


@dataclass(slots=True)
class TreeNode:
    """An element or, with the tag TEXT, a text. `start` and `end` are the span in bytes, tags included; `part` is the file
    that it is in, None for the main file. Tags and attributes have no namespace prefix, except `xml:`."""

    tag: str
    start: int
    end: int = 0
    text: str = ""
    part: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[TreeNode] = field(default_factory=list)

    def elements(self) -> Iterator[TreeNode]:
        """Yield the child elements, without texts."""
        return (child for child in self.children if child.tag != TEXT)

    def all(self, tag: str) -> list[TreeNode]:
        """Return the child elements with this tag."""
        return [child for child in self.children if child.tag == tag]

    def first(self, *tags: str) -> TreeNode | None:
        """Return the first child element with one of the tags."""
        return next((child for child in self.children if child.tag in tags), None)

    def walk(self) -> Iterator[TreeNode]:
        """Yield this node and all below it, in document order."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack += reversed(node.children)

    def words(self) -> str:
        """Return all its text, without markup, with single spaces."""
        return " ".join("".join(node.text for node in self.walk()).split())


def xml_tree(data: bytes, name: str, part: str | None = None) -> TreeNode:
    """Return the root of an XML document. Raises UnreadableDocument if it is not well-formed or over a limit.

    Entities that are declared with markup, with other entities, or at length are refused: they are how small files become
    huge texts. A reference to an external entity becomes a node INCLUDE with its path.
    """
    builder = _XmlBuilder(data, name, part)
    try:
        builder.parser.Parse(data, True)
    except expat.ExpatError as error:
        raise UnreadableDocument(
            f"{name}: not well-formed XML ({error}). Fix: correct the file, or leave it out"
        ) from error
    return builder.root.children[0]


class _Builder:
    """What both kinds of trees share: the open elements, and the limits."""

    def __init__(self, name: str, part: str | None) -> None:
        self.name = name
        self.part = part
        self.root = TreeNode("#document", 0, part=part)
        self.open = [self.root]
        self.nodes = 0

    def push(self, node: TreeNode) -> None:
        if len(self.open) > MAX_DEPTH:
            raise UnreadableDocument(
                f"{self.name}: elements nested deeper than {MAX_DEPTH}. Fix: leave it out", "nesting"
            )
        self.add(node)
        self.open.append(node)

    def add(self, node: TreeNode) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise UnreadableDocument(
                f"{self.name}: more than {MAX_NODES:,} elements. Fix: divide the file", "bomb"
            )
        self.open[-1].children.append(node)

    def write(self, text: str, start: int, end: int) -> None:
        last = self.open[-1].children[-1] if self.open[-1].children else None
        if last is not None and last.tag == TEXT and last.end == start:
            last.text += text
            last.end = end
        else:
            self.add(TreeNode(TEXT, start, end, text, self.part))


class _XmlBuilder(_Builder):
    def __init__(self, data: bytes, name: str, part: str | None) -> None:
        super().__init__(name, part)
        self.data = data
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = False
        self.parser.UseForeignDTD(
            True
        )  # so that an entity that is declared elsewhere is skipped, not an error
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.EntityDeclHandler = self._declared
        self.parser.SkippedEntityHandler = self._skipped
        self.parser.ExternalEntityRefHandler = self._external

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        plain = {
            name if name.startswith("xml:") else name.rpartition(":")[2]: value
            for name, value in attributes.items()
            if not name.startswith("xmlns")
        }
        start = self.parser.CurrentByteIndex
        self.push(TreeNode(tag.rpartition(":")[2], start, part=self.part, attributes=plain))

    def _end(self, _tag: str) -> None:
        node = self.open.pop()
        node.end = self.data.find(b">", self.parser.CurrentByteIndex) + 1

    def _characters(self, text: str) -> None:
        start = self.parser.CurrentByteIndex
        # a reference such as &lt; is longer than its text
        raw = self.data[start : start + 1]
        end = self.data.find(b";", start) + 1 if raw == b"&" else start + len(text.encode("utf-8", "replace"))
        self.write(text, start, end)

    def _declared(
        self,
        name: str,
        parameter: bool,
        value: str | None,
        _base: Any,
        _system: Any,
        _public: Any,
        _note: Any,
    ) -> None:
        if parameter or (value is not None and (len(value) > MAX_ENTITY or "&" in value or "<" in value)):
            raise UnreadableDocument(
                f"{self.name}: the entity {name[:40]!r} is declared with markup or at length. "
                "Fix: write out what it stands for",
                "bomb",
            )

    def _skipped(self, name: str, parameter: bool) -> None:
        if not parameter:
            start = self.parser.CurrentByteIndex
            self.write(html.entities.html5.get(f"{name};", ""), start, start + len(name.encode()) + 2)

    def _external(self, _context: str | None, _base: Any, system: str | None, _public: Any) -> int:
        if system is not None:
            start = self.parser.CurrentByteIndex
            end = self.data.find(b";", start) + 1
            self.add(TreeNode(INCLUDE, start, end, part=self.part, attributes={"href": system}))
        return 1


_VOID: Final = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
        "basefont",
        "frame",
        "keygen",
    ]
)
_BLOCKS: Final = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "center",
        "details",
        "dialog",
        "dd",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "menu",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "ul",
    ]
)
# a start tag closes an open element of these tags, unless one of the others is open inside
_CLOSES: Final = {
    "li": (("li",), ("ul", "ol", "menu")),
    "dt": (("dt", "dd"), ("dl",)),
    "dd": (("dt", "dd"), ("dl",)),
    "tr": (("tr", "td", "th"), ("table",)),
    "td": (("td", "th"), ("table", "tr")),
    "th": (("td", "th"), ("table", "tr")),
    "option": (("option",), ("select",)),
}


class _HtmlBuilder(_Builder, html.parser.HTMLParser):
    """Builds a tree from any HTML, with the end tags that may be left out."""

    def __init__(self, source: SourceText, name: str) -> None:
        _Builder.__init__(self, name, None)
        html.parser.HTMLParser.__init__(self, convert_charrefs=False)
        self.source = source
        self._lines = [0]
        for line in source.text.split("\n"):
            self._lines.append(self._lines[-1] + len(line) + 1)

    def _place(self) -> int:
        line, column = self.getpos()
        return self._lines[line - 1] + column

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        start = self._place()
        byte = self.source.byte(start)
        if tag in _BLOCKS:
            self._close(("p",), ("button", "object", "table", "td", "th"), byte)
        if tag in _CLOSES:
            self._close(*_CLOSES[tag], byte)
        attributes = {name: value or "" for name, value in attrs}
        end = self.source.byte(start + len(self.get_starttag_text() or ""))
        node = TreeNode(tag, byte, end, attributes=attributes)
        if tag in _VOID or len(self.open) > MAX_DEPTH:
            self.add(node)
        else:
            self.push(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID and self.open[-1].start == self.source.byte(self._place()):
            self.open.pop()  # as in XHTML and SVG

    def handle_endtag(self, tag: str) -> None:
        if tag in [node.tag for node in self.open[1:]]:
            start = self._place()
            end = self.source.text.find(">", start) + 1 or len(self.source.text)
            self._pop_to(tag, self.source.byte(start), self.source.byte(end))

    def handle_data(self, data: str) -> None:
        start = self._place()
        self.write(data, self.source.byte(start), self.source.byte(start + len(data)))

    def handle_entityref(self, name: str) -> None:
        self._reference(f"&{name}")

    def handle_charref(self, name: str) -> None:
        self._reference(f"&#{name}")

    def _reference(self, written: str) -> None:
        start = self._place()
        end = start + len(written)
        end += self.source.text[end : end + 1] == ";"
        self.write(html.unescape(f"{written};"), self.source.byte(start), self.source.byte(end))

    def _close(self, tags: tuple[str, ...], limits: tuple[str, ...], byte: int) -> None:
        for place in range(len(self.open) - 1, 0, -1):
            tag = self.open[place].tag
            if tag in tags:
                for node in self.open[place:]:
                    node.end = byte
                del self.open[place:]
                return
            if tag in limits:
                return

    def _pop_to(self, tag: str, start: int, end: int) -> None:
        while len(self.open) > 1:
            node = self.open.pop()
            node.end = end if node.tag == tag else start
            if node.tag == tag:
                return


def html_tree(source: SourceText, name: str) -> TreeNode:
    """Return the root of an HTML text, as tolerant as a browser of what is not closed.

    What is nested too deep is a child of the deepest element that is allowed. Raises UnreadableDocument over a limit.
    """
    builder = _HtmlBuilder(source, name)
    # html.parser raises errors for marked sections, such as those of Word; browsers read them as comments
    builder.feed(source.text.replace("<![", "<!-"))
    builder.close()
    end = source.byte(len(source.text))
    for node in builder.open:
        node.end = end
    return builder.root


def without_comments(text: str, opening: str = _COMMENT[0], closing: str = _COMMENT[1]) -> str:
    """Return a text without the comments of XML, in linear time."""
    kept: list[str] = []
    place = 0
    while (start := text.find(opening, place)) >= 0:
        kept.append(text[place:start])
        end = text.find(closing, start + len(opening))
        if end < 0:
            return "".join(kept)
        place = end + len(closing)
    kept.append(text[place:])
    return "".join(kept)
