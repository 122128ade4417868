"""What a vision model writes for the image of a page, and the document that the pages make.

The text is Markdown with LaTeX between the marks of the prompt `ocr`. It is hostile twice over, as the model's and as the page's:
everything here takes linear time, and `document_of_transcripts` runs in the process that reads documents.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tasks.documents.document import Document
from tasks.documents.formats.markdown import read_into
from tasks.documents.labelled import LabelledAssembly
from tasks.documents.matching import match_printed
from tasks.documents.source_text import SourceText
from tasks.replies.solutions import read as read_reply

MOST: Final = 60_000  # characters of a page
_MARKS: Final = {"page": "page", "本页": "page", "end": "end", "结束": "end"}
_MARK: Final = re.compile(
    rf"^[*#`> \t]{{0,8}}={{2,4}}[ \t]{{0,4}}({'|'.join(_MARKS)})[ \t]{{0,4}}={{2,4}}[*` \t]{{0,8}}$\n?",
    re.IGNORECASE | re.MULTILINE,
)
_FENCED: Final = re.compile(
    r"\A\s*(`{3,8})[ \t]{0,4}(?:markdown|md|latex|tex)?[ \t]{0,4}\n(.*)\n\1\s*\Z", re.DOTALL
)
_ILLEGIBLE: Final = re.compile(r"\[(?:illegible|unreadable|无法辨认|看不清)\]", re.IGNORECASE)
_LOOPING: Final = 4_000  # characters from which on a page is examined for repetition
_LEAST_NEW: Final = (
    0.04  # size of a page, compressed, to its size; printed text has a third, tables of numbers a tenth
)
_OPEN_END: Final = re.compile(r"[^\s.!?:;。！？：；|\])）]\s*\Z")
_BLOCK: Final = re.compile(r"[#|>`\-*+]|\\\[|\$\$|\d{1,3}[.)、．]")  # a line that is not running text


@dataclass(frozen=True, slots=True)
class Transcript:
    """The text of a page, or in `fault` why the completion cannot be used."""

    text: str = ""
    fault: str = ""


def read(text: str, *, cut: bool) -> Transcript:
    """Return the transcript of a completion. `cut`: it was cut off at its token limit.

    What the model could not read becomes U+FFFD, so that it counts as garbled in the quality of the document.
    """
    reply = read_reply(text)
    if reply.unfinished and not reply.solution.strip():
        return Transcript(fault="the thinking does not end")
    body = reply.solution
    marks = [(_MARKS[mark[1].lower()], mark) for mark in _MARK.finditer(body)]
    begins = [mark for kind, mark in marks if kind == "page"]
    # a page may have such a mark printed on it: the first and the last count
    ends = [mark for kind, mark in marks if kind == "end" and begins and mark.start() >= begins[0].end()]
    if not begins:
        return Transcript(fault="the line ==Page== is missing")
    if not ends:
        return Transcript(fault="it is cut off before ==End==" if cut else "the line ==End== is missing")
    page = _MARK.sub("", body[begins[0].end() : ends[-1].start()])
    if fenced := _FENCED.match(page):
        page = fenced[2]
    page = page.strip()
    if len(page) > MOST:
        return Transcript(fault=f"it has {len(page)} characters, more than a page")
    if len(page) >= _LOOPING and len(zlib.compress(page.encode("utf-8", "replace"))) < _LEAST_NEW * len(page):
        return Transcript(fault="it repeats itself")
    return Transcript(_ILLEGIBLE.sub("\ufffd", page))


def document_of_transcripts(pages: Sequence[str], title: str, format: str) -> Document:
    """Return the document of the pages, in their order. Each element has the number of the page on which it begins."""
    starts: list[int] = []
    text = ""
    for page in pages:
        text, begin = _continued(text, page)
        starts.append(begin)
    source = SourceText(text.encode("utf-8", "replace"), "utf-8")
    out = LabelledAssembly("", format)
    read_into(out, source)
    document = out.document()
    document.title = title
    bytes_ = [source.byte(start) for start in starts]
    number = 0
    for element in document.elements:
        while number < len(bytes_) and element.start is not None and bytes_[number] <= element.start:
            number += 1
        element.page, element.start, element.end = max(1, number), None, None
    match_printed(document)
    return document


def _continued(text: str, page: str) -> tuple[str, int]:
    """Return a text with the next page behind it, and where the page begins. A paragraph that goes on is one paragraph."""
    if not text or not page:
        return text + page, len(text)
    last = text[text.rfind("\n") + 1 :]
    goes_on = page[:1].islower() or "\u2e80" <= page[:1] <= "\u9fff"
    if not (goes_on and _OPEN_END.search(last)) or _BLOCK.match(last) or _BLOCK.match(page):
        return f"{text}\n\n{page}", len(text) + 2
    if last.endswith("-"):
        return text[:-1] + page, len(text) - 1
    blank = "" if "\u2e80" <= last[-1:] <= "\u9fff" else " "
    return f"{text}{blank}{page}", len(text) + len(blank)
