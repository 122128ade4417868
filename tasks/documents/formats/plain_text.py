"""Plain text: paragraphs between blank lines; headings by their numbers, capitals or underlines."""

from __future__ import annotations

import re

from tasks.documents.document import Document
from tasks.documents.formats import ReadOptions
from tasks.documents.labelled import LabelledAssembly, without_dollars
from tasks.documents.matching import match_printed
from tasks.documents.source_text import SourceText

suffixes = (".txt", ".text")

_PARAGRAPH = re.compile(r"[^\n]*\S[^\n]*(?:\n[^\n]*\S[^\n]*)*")
_CHAPTER = re.compile(
    r"(?:chapter|part|appendix)\s+(?:\d+|[ivxlc]+|[a-z])\b[.:]?.{0,80}|第[\d一二三四五六七八九十百]+[章编].{0,40}",
    re.IGNORECASE,
)
_SECTION = re.compile(
    r"(?P<number>\d+(?:\.\d+)+)\.?\s+(?P<title>[A-Z\u4e00-\u9fff][^.!?。]{2,80})|第[\d一二三四五六七八九十]+节.{0,40}|§\s*[\d.]+.{0,80}"
)
_WORDS = re.compile(
    r"(?:exercises|problems|review problems|solutions|answers|hints|(?:answers|solutions|hints) to .{3,60}|习题|练习|答案|解答|references|"
    r"bibliography|contents|index)[.:]?",
    re.IGNORECASE,
)


def read(data: bytes, name: str, options: ReadOptions) -> Document:
    """Read a text file."""
    source = SourceText(data)
    out = LabelledAssembly("", "plain_text")
    for match in _PARAGRAPH.finditer(source.text.replace("\r\n", " \n").replace("\f", "\n")):
        start, end = source.byte(match.start()), source.byte(match.start() + len(match[0].rstrip()))
        text = match[0].strip()
        level = _level(text)
        if level is not None:
            out.heading(re.sub(r"\n\s*[=~-]+$", "", text), level, start, end)
        else:
            _paragraph(out, match[0], match.start(), source)
    document = out.document()
    document.title = document.title or name.rpartition("/")[2]
    match_printed(document)
    return document


def _paragraph(out: LabelledAssembly, text: str, begin: int, source: SourceText) -> None:
    """Add a paragraph; below a heading of exercises, each line that begins with a number begins one of its own."""
    starts = [0]
    if out.below is not None:
        starts += [one.start() + 1 for one in re.finditer(r"\n(?=\s*\d{1,3}(?:\.\d{1,3})*[.)]\s)", text)]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        part = text[start:end].rstrip()
        first = begin + start + len(part) - len(part.lstrip())
        words = re.sub(r"[ \t]*\n[ \t]*(?![ \t]*[(（]?[a-z\d]{1,3}[.)）])", " ", part.strip())
        out.block("text", without_dollars(words), source.byte(first), source.byte(begin + start + len(part)))


def _level(text: str) -> int | None:
    """Return the level of a paragraph that is a heading, None for other ones."""
    first, *rest = text.split("\n")
    underlined = len(rest) == 1 and re.fullmatch(r"\s*(?:={3,}|-{3,}|~{3,})\s*", rest[0])
    if underlined:
        return 1 if "=" in rest[0] else 2
    if rest:
        return None
    if _CHAPTER.fullmatch(first):
        return 1
    section = _SECTION.fullmatch(first)
    if section is not None:
        return (section["number"] or "1.1").count(".") + 1
    if _WORDS.fullmatch(first):
        return 2
    letters = [one for one in first if one.isalpha()]
    return 2 if len(letters) > 3 and len(first) < 70 and first.isascii() and first.upper() == first else None
