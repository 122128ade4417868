"""The main text of a page as a document, with its formulas as LaTeX. It runs in the process that reads hostile files.

Before trafilatura chooses the main text, formulas become LaTeX in the tree, because it would drop scripts and the parts of MathML.
"""

from __future__ import annotations

import copy
import hashlib
import itertools
import re
from dataclasses import dataclass
from typing import Any, Final

from lxml import etree, html

from storage.visible import CONTROL
from tasks.documents.document import Document, Element, ElementKind, Heading
from tasks.documents.formats import UnreadableDocument
from tasks.documents.html_math import math_as_latex, scripts_as_latex
from tasks.documents.source_text import SourceText

FORMAT: Final = "web"  # Document.format of a page
_META: Final = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.IGNORECASE)
_DECLARATION: Final = re.compile(r"^\s*<\?xml[^>]{0,200}\?>")
_HIDDEN: Final = ("script", "style", "noscript", "template")
_LICENSES: Final = re.compile(
    r"creativecommons\.org/(?:licenses/([a-z-]{2,12})/(\d\.\d)|(publicdomain)/(?:zero|mark)/(\d\.\d))",
    re.IGNORECASE,
)
_NUMBERS: Final = re.compile(r"[\d_-]+")
_TEMPLATE_DEPTH: Final = 3
_HEADINGS: Final = 2  # of a page whose main text should have some
_MORE: Final = 1.25  # lengths of the text that a page may have when it is read as one article
_DEEPEST: Final = 200  # nested elements; browsers stop at 512, and lxml's own limit leaves the rest out


@dataclass(frozen=True, slots=True)
class MainText:
    """What a page holds. visible: characters of all the text that a reader of the page sees. template: a hash of how the page
    is built, equal for pages of one template."""

    document: Document
    visible: int
    template: str


def main_text(data: bytes, name: str, *, encoding: str | None, plain: bool, url: str) -> MainText:
    """Return the main text of a page. Its document is without elements if there is none. Raises UnreadableDocument."""
    stated = encoding if encoding is not None or plain else _declared(data)
    text = CONTROL.sub("\ufffd", SourceText(data, stated).text)
    if plain:
        paragraphs = [Element("text", one.strip()) for one in re.split(r"\n[ \t]*\n", text) if one.strip()]
        return MainText(Document("", FORMAT, elements=paragraphs), len(text), "")
    tree = _tree(text, name)
    template = _template(tree)
    license = _license(tree)
    language = (tree.get("lang") or "").lower() or None
    math_as_latex(tree)
    scripts_as_latex(tree)
    etree.strip_elements(tree, etree.Comment, *_HIDDEN, with_tail=False)
    title = _title(tree)
    visible = len(" ".join(tree.text_content().split()))
    elements, headings = _elements(_body(tree, url))
    return MainText(Document(title, FORMAT, headings, elements, language, license), visible, template)


def _declared(data: bytes) -> str | None:
    stated = _META.search(data[:4096])
    return stated[1].decode("ascii").lower() if stated else None


def _tree(text: str, name: str) -> Any:
    parser = html.HTMLParser(recover=True, remove_pis=True, huge_tree=False)
    text = _DECLARATION.sub("", text)
    try:
        tree = html.document_fromstring(text, parser=parser) if text.strip() else None
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        raise UnreadableDocument(f"{name}: no HTML. Fix: leave it out", "damaged") from error
    if tree is None:
        raise UnreadableDocument(f"{name}: no HTML. Fix: leave it out", "damaged")
    depth = 0
    for event, _ in etree.iterwalk(tree, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > _DEEPEST:
            raise UnreadableDocument(
                f"{name}: more than {_DEEPEST} nested elements. Fix: leave it out", "nesting"
            )
    return tree


def _template(tree: Any) -> str:
    """Return a hash of the tags, ids and classes near the top of the page, without numbers."""
    names = set()
    level = list(tree.iterchildren("body"))
    for depth in range(_TEMPLATE_DEPTH):
        level = [child for node in level for child in node if isinstance(child.tag, str)]
        for node in level:
            if node.tag not in _HIDDEN:
                first = [(node.get(key) or "").split()[:1] for key in ("id", "class")]
                shown = " ".join(_NUMBERS.sub("", part) for parts in first for part in parts)
                names.add(f"{depth} {node.tag} {shown}")
    return hashlib.sha256("\n".join(sorted(names)).encode("utf-8", "replace")).hexdigest()[:12]


def _license(tree: Any) -> str | None:
    """Return the licence that the page links to as its own, by its SPDX name where it is one of Creative Commons."""
    stated = None
    for node in tree.iter("a", "link"):
        own = "license" in (node.get("rel") or "").lower().split()
        address = node.get("href") or ""
        known = _LICENSES.search(address)
        if own or (known and stated is None):
            stated = _spdx(known) if known else address[:200]
        if own:
            return stated or None
    return stated


def _spdx(match: re.Match[str]) -> str:
    kind, version = match[1], match[2]
    return f"CC-{kind.upper()}-{version}" if kind else f"CC0-{match[4]}"


def _title(tree: Any) -> str:
    titles = (" ".join(node.text_content().split()) for tag in ("h1", "title") for node in tree.iter(tag))
    return next(filter(None, titles), "")[:300]


def _body(tree: Any, url: str) -> Any:
    """Return the main text as trafilatura's tree, None if there is none.

    A page without an element that it knows as the main one, as many of mathematicians are, is read by its paragraphs alone, without
    headings. Such a page is read once more as one article, and that is taken unless it has more text, which is boilerplate.
    """
    several = sum(1 for _ in itertools.islice(tree.iter("h1", "h2", "h3", "h4"), _HEADINGS)) == _HEADINGS
    whole = copy.deepcopy(tree) if several else None  # trafilatura changes the tree
    body = _extracted(tree, url)
    if whole is None or (body is not None and next(body.iter("head"), None) is not None):
        return body
    page = whole.find("body")
    if page is None:
        return body
    article = etree.Element("article")
    article.text, page.text = page.text, None
    article.extend(list(page))
    page.append(article)
    other = _extracted(whole, url)
    if other is None or (body is not None and _length(other) > _MORE * _length(body)):
        return body
    return other


def _extracted(tree: Any, url: str) -> Any:
    from trafilatura import bare_extraction

    extracted: Any = bare_extraction(
        tree, url=url or None, fast=True, favor_recall=True, include_comments=False, include_tables=True
    )
    return None if extracted is None else extracted.body


def _length(body: Any) -> int:
    return sum(map(len, body.itertext()))


def _elements(body: Any) -> tuple[list[Element], list[Heading]]:
    elements: list[Element] = []
    headings: list[Heading] = []
    for node in () if body is None else body:
        if node.tag == "head":
            title = " ".join("".join(node.itertext()).split())
            level = (node.get("rend") or "h2")[1:]
            if title:
                headings.append(Heading(title, int(level) if level.isdigit() and level != "0" else 2))
            continue
        kind, text = _element(node)
        if text.strip():
            elements.append(Element(kind, text.strip("\n"), len(headings) - 1 if headings else None))
    return elements, headings


def _element(node: Any) -> tuple[ElementKind, str]:
    match node.tag:
        case "list":
            numbered = node.get("rend") == "ol"
            items = [_flat(item) for item in node.iter("item")]
            return "text", "\n".join(
                f"{f'{place}.' if numbered else '-'} {text}" for place, text in enumerate(items, 1) if text
            )
        case "table":
            return "table", _table(node)
        case "code":
            return "code", "".join(node.itertext())
    text = _flat(node)
    displayed = text.startswith(r"\[") and text.endswith(r"\]") and text.count(r"\]") == 1
    return ("formula" if displayed else "text"), text


def _flat(node: Any) -> str:
    """Return the text of an element, with a line for each of its lines."""
    parts = [node.text or ""]
    for child in node:
        if child.tag == "lb":
            parts.append("\n")
        elif child.tag != "item":
            parts.append("".join(child.itertext()))
        parts.append(child.tail or "" if child.tag != "item" else "")
    return "\n".join(line for one in "".join(parts).splitlines() if (line := " ".join(one.split())))


def _table(node: Any) -> str:
    rows = [
        [_flat(cell).replace("\n", " ").replace("|", r"\|") for cell in row.iter("cell")]
        for row in node.iter("row")
    ]
    rows = [row for row in rows if any(row)]
    if not rows:
        return ""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], f"|{' --- |' * len(rows[0])}", *lines[1:]])
