"""Jupyter notebooks: their cells of Markdown and of code; outputs are left out. The span of an element is that of its cell."""

from __future__ import annotations

import json
import re
from typing import Any

from tasks.documents.document import Document
from tasks.documents.formats import ReadOptions, UnreadableDocument
from tasks.documents.formats.markdown import read_into
from tasks.documents.formula_labels import resolve_labels
from tasks.documents.labelled import LabelledAssembly
from tasks.documents.matching import match_printed
from tasks.documents.source_text import SourceText

suffixes = (".ipynb",)


def read(data: bytes, name: str, options: ReadOptions) -> Document:
    """Read a notebook. Raises UnreadableDocument if it is none."""
    source = SourceText(data)
    try:
        notebook = json.loads(source.text)
        cells = notebook["cells"] if "cells" in notebook else notebook["worksheets"][0]["cells"]
        spans = _spans(source.text, len(cells))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise UnreadableDocument(
            f"{name}: no Jupyter notebook ({type(error).__name__}). Fix: save it anew"
        ) from error
    except RecursionError as error:
        raise UnreadableDocument(f"{name}: nested too deep. Fix: leave it out", "nesting") from error
    out = LabelledAssembly("", "jupyter")
    for cell, (start, end) in zip(cells, spans, strict=True):
        if not isinstance(cell, dict):
            continue
        text = _text(cell.get("source", cell.get("input", "")))
        span = (source.byte(start), source.byte(end))
        if cell.get("cell_type") == "markdown":
            read_into(out, SourceText(text.encode("utf-8", "surrogatepass")), span=span)
        elif cell.get("cell_type") == "code" and text.strip():
            out.block("code", f"```\n{text.strip()}\n```", *span)
    document = out.document()
    document.title = document.title or name.rpartition("/")[2]
    resolve_labels(document)
    match_printed(document)
    return document


def _text(value: Any) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else str(value)


def _spans(text: str, count: int) -> list[tuple[int, int]]:
    """Return the span of each cell in characters."""
    decoder = json.JSONDecoder()
    for match in re.finditer(r'"cells"\s*:\s*\[\s*', text):
        spans: list[tuple[int, int]] = []
        place = match.end()
        while len(spans) < count and text[place : place + 1] == "{":
            _, end = decoder.raw_decode(text, place)
            spans.append((place, end))
            following = re.compile(r"\s*,?\s*").match(text, end)
            place = following.end() if following else end
        if len(spans) == count:
            return spans
    raise ValueError("no list of cells")
