"""DOCX (Word): paragraphs, headings by their style, tables, and formulas of the equation editor as LaTeX.

Labels such as "Exercise 3.2" or "解" begin elements as in print. Text that was deleted with changes tracked is left out. Not read:
headers, footers, notes, comments, pictures, formulas that are pictures (MathType, Equation 3.0).
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any, Final

from tasks.documents.archives import Archive
from tasks.documents.assembly import flat, table
from tasks.documents.document import Document
from tasks.documents.formats import ReadOptions, UnreadableDocument
from tasks.documents.labelled_passages import Passage, labelled_document
from tasks.documents.office_math import MATH, office_math

suffixes = (".docx", ".docm")

_WORD: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MAIN: Final = "word/document.xml"
_HEADING: Final = re.compile(r"(?:heading|标题)\s*(\d)", re.IGNORECASE)
_CAPTION: Final = re.compile(r"caption|题注", re.IGNORECASE)
_NUMBER: Final = re.compile(
    r"(?:(?:chapter|第)\s*)?(\d+(?:\.\d+)*|[一二三四五六七八九十]+(?=[章节]))\s*[章节]?[.:：]?\s+",
    re.IGNORECASE,
)
_SKIPPED: Final = frozenset(
    _WORD + name for name in ("del", "moveFrom", "pPr", "rPr", "instrText", "drawing", "pict", "object")
)


def read(data: bytes, name: str, options: ReadOptions) -> Document:
    """Return the document of a DOCX. Raises UnreadableDocument."""
    import docx
    from docx.opc.exceptions import PackageNotFoundError

    archive = Archive(data, name)
    archive.xml(_MAIN)  # refused before it is parsed again: entities, damage
    try:
        word = docx.Document(io.BytesIO(data))
    except (PackageNotFoundError, KeyError, ValueError) as error:
        raise UnreadableDocument(f"{name}: no Word document ({error}). Fix: save it anew as DOCX") from error
    styles = {style.style_id: style.name or "" for style in word.styles}
    passages = [passage for child in word.element.body for passage in _passages(child, styles)]
    title = flat(word.core_properties.title or "") or name.rpartition("/")[2].removesuffix(".docx")
    document = labelled_document(passages, title, "docx")
    document.language = word.core_properties.language or None
    return document


def _passages(block: Any, styles: dict[str, str]) -> Iterator[Passage]:
    """Yield the passages of a child of the body."""
    if block.tag == _WORD + "p":
        yield from _paragraph(block, styles)
    elif block.tag == _WORD + "tbl":
        rows = [
            [" ".join(_text(paragraph)[0] for paragraph in cell.iter(_WORD + "p")) for cell in row.iterfind(_WORD + "tc")]
            for row in block.iterfind(_WORD + "tr")
        ]  # fmt: skip
        if rows and (text := table(rows)):
            yield Passage(text, kind="table")
    elif block.tag == _WORD + "sdt":
        for child in block.iterfind(f"{_WORD}sdtContent/*"):
            yield from _passages(child, styles)


def _paragraph(paragraph: Any, styles: dict[str, str]) -> Iterator[Passage]:
    style = _value(paragraph, "pPr/pStyle")
    name = styles.get(style, style)
    text, lead = _text(paragraph)
    heading = _HEADING.match(name)
    outline = _value(paragraph, "pPr/outlineLvl")
    level = int(heading[1]) if heading else int(outline) + 1 if outline.isdigit() and int(outline) < 9 else 0
    if level and text:
        number = _NUMBER.match(text)
        yield Passage(
            text[number.end() :] if number else text,
            level=min(level, 9),
            number=number[1] if number else None,
        )
    elif _CAPTION.search(name) and text:
        yield Passage(text, kind="caption")
    else:
        if text:
            item = paragraph.find(f"{_WORD}pPr/{_WORD}numPr") is not None
            yield Passage(f"- {text}" if item else text, lead=lead)
        for formula in paragraph.iterfind(f"{MATH}oMathPara/{MATH}oMath"):
            if latex := office_math(formula).strip():
                yield Passage(f"\\[{latex}\\]", formula=True)


def _value(paragraph: Any, path: str) -> str:
    child = paragraph.find("/".join(_WORD + part for part in path.split("/")))
    return "" if child is None else str(child.get(_WORD + "val", ""))


def _text(paragraph: Any) -> tuple[str, str]:
    """Return the text of a paragraph with formulas between \\( and \\), and the bold words at its beginning."""
    parts: list[str] = []
    lead: list[str] = []
    leading = True
    waiting = list(reversed(paragraph))
    while waiting:
        element = waiting.pop()
        tag = element.tag
        if tag in _SKIPPED or tag == MATH + "oMathPara" or not isinstance(tag, str):
            continue
        if tag == MATH + "oMath":
            latex = office_math(element).strip()
            parts.append(f"\\({latex}\\)" if latex else "")
            leading = False
        elif tag == _WORD + "t":
            parts.append(element.text or "")
            run = element.getparent()
            bold = run is not None and run.find(f"{_WORD}rPr/{_WORD}b") is not None
            leading = leading and (bold or not (element.text or "").strip())
            if leading:
                lead.append(element.text or "")
        elif tag in (_WORD + "tab", _WORD + "br", _WORD + "cr"):
            parts.append("\n" if tag != _WORD + "tab" else " ")
        elif tag == _WORD + "noBreakHyphen":
            parts.append("-")
        else:
            waiting += reversed(element)
    return "".join(parts).strip(), "".join(lead).strip()
