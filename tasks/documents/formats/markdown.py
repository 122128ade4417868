r"""Markdown: CommonMark with tables, front matter, formulas between $, $$, \( \) or \[ \], and the directives of MyST and Quarto.

The text of a block is its source, so that nothing is lost by rendering it; only the signs around formulas are unified.
"""

from __future__ import annotations

import re
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token as MarkdownToken

from tasks.documents.document import Document
from tasks.documents.formats import ReadOptions
from tasks.documents.formula_labels import labelled_formulas, resolve_labels
from tasks.documents.labelled import LabelledAssembly, without_dollars
from tasks.documents.matching import match_printed
from tasks.documents.sections import kind_of_name, number_of
from tasks.documents.source_text import SourceText

suffixes = (".md", ".markdown", ".mdown", ".mkd", ".qmd", ".rmd")

_FRONT = re.compile(r"\A---[ \t]*\r?\n(.*?)\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_FIELD = re.compile(
    r"^(title|lang|language|license|licence)\s*:\s*[\"']?(.*?)[\"']?\s*$", re.MULTILINE | re.IGNORECASE
)
_MATH = re.compile(r"\$\$(?:[^$\\]|\\.)+\$\$|\\\[.*?\\\]|\\begin\{(\w+\*?)\}.*?\\end\{\1\}", re.DOTALL)
_COLONS = re.compile(r"^:{3,}[ \t]*(?:\{?\.?(?P<name>[\w-]+)[^}\n]*\}?(?P<title>[^\n]*))?$", re.MULTILINE)
_DIRECTIVE = re.compile(r"\{(?P<name>[\w:-]+)\}\s*(?P<title>.*)")
_OPTION = re.compile(r"\A(?::[\w-]+:[^\n]*\n|\s*\n)+")
_FENCE: Final = ("fence", "code_block")


def read(data: bytes, name: str, options: ReadOptions) -> Document:
    """Read a Markdown file."""
    source = SourceText(data)
    out = LabelledAssembly("", "markdown")
    front = _FRONT.match(source.text)
    fields = {key.lower(): value for key, value in _FIELD.findall(front[1])} if front else {}
    read_into(out, source, front.end() if front else 0)
    document = out.document()
    document.title = fields.get("title") or document.title or name.rpartition("/")[2]
    document.language = fields.get("lang") or fields.get("language")
    document.license = fields.get("license") or fields.get("licence")
    resolve_labels(document)
    match_printed(document)
    return document


def read_into(
    out: LabelledAssembly, source: SourceText, begin: int = 0, span: tuple[int, int] | None = None
) -> None:
    """Add the blocks of a Markdown text from a character on. `span` is that of all blocks, where the text is not the file."""
    text = source.text
    lines = [begin]
    for line in text[begin:].split("\n"):
        lines.append(lines[-1] + len(line) + 1)
    # the inside of formulas and the lines of containers are no Markdown
    masked = _MATH.sub(lambda formula: re.sub(r"[^\n]", "x", formula[0]), text[begin:])
    text = text[:begin] + _COLONS.sub(lambda one: " " * len(one[0]), text[begin:])
    containers = [(begin + one.start(), one) for one in _COLONS.finditer(source.text[begin:])]
    masked = _COLONS.sub(lambda one: " " * len(one[0]), masked)
    tokens = MarkdownIt("commonmark", {"maxNesting": 50}).enable("table").parse(masked)
    for place, token in enumerate(tokens):
        if token.map is None or token.level > 0:
            continue
        start, end = lines[token.map[0]], min(lines[token.map[1]], len(text))
        end = start + len(text[start:end].rstrip())
        while containers and containers[0][0] < start:
            _container(out, containers.pop(0)[1])
        bytes_ = span or (source.byte(start), source.byte(end))
        _block(out, token, tokens[place:], text, (start, end), lines, bytes_, source, span)
    for _, one in containers:
        _container(out, one)


def _container(out: LabelledAssembly, line: re.Match[str]) -> None:
    """Begin or end a container such as `::: {.solution}`."""
    kind = kind_of_name(line["name"]) if line["name"] else None
    if kind is not None:
        out.heading(f"{kind.capitalize()} {number_of(line['title']) or ''}".strip(), 6)
    else:
        out.close()


def _block(
    out: LabelledAssembly,
    token: MarkdownToken,
    following: list[MarkdownToken],
    text: str,
    at: tuple[int, int],
    lines: list[int],
    span: tuple[int, int],
    source: SourceText,
    whole: tuple[int, int] | None,
) -> None:
    raw = text[at[0] : at[1]]
    if token.type == "heading_open":
        title = re.sub(r"\s+#+$|\n[=-]+$", "", re.sub(r"^\s*#{1,6}\s*", "", raw.strip())).strip()
        title = re.sub(r"\s*\{[#.][^{}]*\}$", "", title)
        out.heading(without_dollars(title), int(token.tag[1]), *span)
    elif token.type in _FENCE:
        directive = _DIRECTIVE.match(token.info.strip()) if token.type == "fence" else None
        kind = kind_of_name(directive["name"]) if directive else None
        content = "\n".join(raw.split("\n")[1:-1])
        if directive is not None and kind is not None:
            inner = without_dollars(_OPTION.sub("", content + "\n"))
            title = directive["title"].strip()
            label = (
                f"{kind.capitalize()} {title}".strip()
                if kind not in ("solution", "answer", "hint", "proof")
                else None
            )
            out.element(kind, inner, label, *span)
        elif directive is not None and directive["name"] == "math":
            key = re.search(r"^:(?:label|name):\s*(\S+)", content, re.MULTILINE)
            named = rf" \label{{{key[1]}}}" if key else ""
            out.block("formula", rf"\[{_OPTION.sub('', content).strip()}{named}\]", *span)
        else:
            out.block("code", raw, *span)
    elif token.type == "table_open":
        out.block("table", without_dollars(raw), *span)
    elif token.type == "ordered_list_open":
        _items(out, following, text, lines, source, whole)
    elif token.type == "bullet_list_open":
        out.block("list", without_dollars(raw), *span)
    elif token.type == "paragraph_open":
        plain = labelled_formulas(without_dollars(raw))
        alone = re.fullmatch(r"\s*(?:\\\[.*\\\]|\\begin\{(\w+\*?)\}.*\\end\{\1\})\s*", plain, re.DOTALL)
        if alone is not None and plain.lstrip().startswith("\\begin"):
            plain = rf"\[{plain.strip()}\]"
        out.block("formula" if alone else "text", plain, *span)
    elif token.type == "blockquote_open":
        out.block("text", without_dollars(raw), *span)


def _items(
    out: LabelledAssembly,
    following: list[MarkdownToken],
    text: str,
    lines: list[int],
    source: SourceText,
    whole: tuple[int, int] | None,
) -> None:
    """Add the items of a numbered list: one by one below a heading of exercises, and else as one list."""
    parts: list[tuple[str, str, int, int]] = []
    for token in following:
        if token.type == "ordered_list_close" and token.level == 0:
            break
        if token.type == "list_item_open" and token.level == 1 and token.map is not None:
            start, end = lines[token.map[0]], min(lines[token.map[1]], len(text))
            raw = text[start:end].rstrip()
            mark = re.match(r"\s*\d+[.)]\s*", raw)
            body = raw[mark.end() :] if mark else raw
            width = mark.end() if mark else 0
            body = re.sub(rf"\n[ ]{{1,{max(width, 1)}}}", "\n", body)
            parts.append((token.info, without_dollars(body), start, start + len(raw)))
    if out.below is None and parts:
        span = whole or (source.byte(parts[0][2]), source.byte(parts[-1][3]))
        out.block("list", without_dollars(text[parts[0][2] : parts[-1][3]]), *span)
        return
    for number, body, start, end in parts:
        out.item(number, body, *(whole or (source.byte(start), source.byte(end))))
