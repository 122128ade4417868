"""LaTeX: books in one file or several, by \\input and \\include.

Environments and macros are recognised by their names, and by the titles that \\newtheorem gives them: theorems, definitions,
examples, exercises, hints, answers, solutions and proofs. An exercise may also be an item of a list below a heading such as
"Exercises". A footnote text whose mark stands in an exercise is its solution. Macros of the document are expanded where they are
simple; others keep the words of their arguments. TeX is not executed, so that numbers are those that are written in the file
(also in a comment before the exercise) or else the order within the chapter.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tasks.documents.assembly import NAMES, PICTURE, UNKNOWN, flat
from tasks.documents.document import Document, ElementKind
from tasks.documents.formats import ReadOptions, UnreadableDocument
from tasks.documents.includes import resolved
from tasks.documents.labelled import LabelledAssembly
from tasks.documents.latex_layout import (
    after_arguments,
    all_below,
    content_end,
    ends_bare,
    fenced,
    items_of,
    plain_text,
    statement_span,
    unwrapped,
)
from tasks.documents.latex_numbers import DISPLAYS, LatexNumbers
from tasks.documents.latex_text import UNNUMBERED, LatexFile, LatexText
from tasks.documents.latex_tree import VERBATIM, TexNode, tex_tree
from tasks.documents.latex_vocabulary import (
    BARE,
    CODE,
    FLOATS,
    INPUTS,
    LEVELS,
    LISTS,
    PICTURES,
    PLAIN_LISTS,
    SECTIONS,
    SILENT,
    SKIPPED,
    STYLES,
    TABLES,
)
from tasks.documents.macros import Macros, without_tex_comments
from tasks.documents.references import Referent, resolve
from tasks.documents.sections import is_cut, kind_below, kind_of_name, number_of
from tasks.documents.source_text import SourceText

suffixes = (".tex", ".ltx", ".latex")
MAX_INPUTS: Final = 2_000

# \ref in words, and as it is left in formulas
_REFERENCE = re.compile("\0([A-Za-z]+):([^\0]*)\0|" + r"\\(eqref|ref|autoref|[cC]ref|vref)\*?\s*\{([^{}]*)\}")
_LABEL = re.compile(r"\\label\s*\{([^{}]*)\}")
_THEOREM = re.compile(
    r"\\(?:newtheorem|newtcbtheorem|spnewtheorem)\*?\s*(?:\[[^\[\]]*\]\s*)?\{([^{}]+)\}\s*(?:\[[^\[\]]*\]\s*)?\{([^{}]*)\}"
)
_INPUT = re.compile(r"\\(?:input|include|subfile)(?![A-Za-z])\s*(?:\{([^{}\n]{1,300})\}|([\w./-]{1,300}))")
_IMPORT = re.compile(r"\\(?:sub)?import\*?\s*\{([^{}\n]{0,300})\}\s*\{([^{}\n]{1,300})\}")
_SECTIONING = re.compile(rb"\\(?:documentclass|chapter|section|part|begin\s*\{(?:document|chapterpage)\})\b")


def included(data: bytes, name: str) -> list[str]:
    """Return the paths of \\input, \\include, \\subfile and \\import in a file."""
    text = without_tex_comments(SourceText(data).text)
    paths = [one or other for one, other in _INPUT.findall(text)]
    paths += [f"{folder.rstrip('/')}/{file}" if folder else file for folder, file in _IMPORT.findall(text)]
    return list(dict.fromkeys(paths))


def is_part(data: bytes, name: str) -> bool:
    """Return whether a file is a part of another document though no file includes it: it begins no document, and has no
    chapter or section of its own."""
    return _SECTIONING.search(data) is None


def read(data: bytes, name: str, options: ReadOptions) -> Document:
    """Read a LaTeX document, or a file of one. Raises UnreadableDocument if it is nested too deep or over a limit."""
    return _LatexReading(data, name, options).document()


@dataclass(slots=True)
class _Run:
    """The text of a paragraph that is being read, and its span."""

    pieces: list[str] = field(default_factory=list)
    start: int | None = None
    end: int = 0


class _LatexReading(LatexText):
    def __init__(self, data: bytes, name: str, options: ReadOptions) -> None:
        source = SourceText(data)
        texts = [
            without_tex_comments(one.text)
            for one in (source, *(SourceText(one) for one in options.files.values()))
        ]
        macros = Macros()
        for text in texts:
            macros.collect(text)
        super().__init__(name, LatexFile(name, None, source), macros, LatexNumbers(texts, macros))
        for text in texts:
            self.titles.update(_THEOREM.findall(text))
        self.options = options
        self.labelled = LabelledAssembly("", "latex")
        self.out = self.labelled.out
        self.labels: dict[str, str] = {}
        # the labels of the files that were read, of which some have no number here
        self.defined: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.run = _Run()
        self.hint: str | None = None  # a number in a comment, of the next exercise
        self.below: ElementKind | None = None  # what the heading says that its items are
        self.cut: int | None = None  # the level of a heading whose text is left out
        self.marked: list[int] = []  # the exercises whose footnote marks have no text yet
        self.last = self.labelled.last
        self.last_label = ""
        self.inputs: list[str] = []
        self.trees: dict[str, list[TexNode]] = {}  # by the paths of their files

    def document(self) -> Document:
        """Return the document, read from the main file."""
        text = without_tex_comments(self.file.source.text)
        self._number()
        self._file()
        document = self.out.document
        title = re.search(r"\\title\s*(?:\[[^\[\]]*\])?\s*(?=\{)", text)
        if title:
            nodes = tex_tree(text[title.end() : title.end() + 2000], self.name, self.macros)
            document.title = flat(self._inline(nodes[:1]))
        if not document.title:
            first = document.headings[0].title if document.headings else ""
            document.title = first or self.name.rpartition("/")[2]
        language = re.search(r"\\(?:selectlanguage|setdefaultlanguage|setmainlanguage)\s*\{(\w+)\}", text)
        document.language = language[1] if language else None
        resolve(document, _REFERENCE, self._reference)
        for heading in document.headings:
            heading.title = _REFERENCE.sub(
                lambda key: self._shown(key[1] or key[3], key[2] or key[4], ""), heading.title
            )
        return document

    def _reference(self, match: re.Match[str]) -> tuple[str, list[Referent]]:
        """Return what a reference to one or several labels is printed as, and what it is to."""
        macro, labels = (match[1], match[2]) if match[1] is not None else (match[3], match[4])
        keys = [key.strip() for key in labels.split(",")]
        shown = ", ".join(
            self._shown(macro, key, UNNUMBERED if key in self.defined else UNKNOWN) for key in keys
        )
        return shown, [self.targets[key] for key in keys if key in self.targets]

    def _shown(self, macro: str, key: str, unknown: str) -> str:
        return self.numbers.reference(macro, key) or self.labels.get(key) or unknown

    def _tree(self) -> list[TexNode]:
        """Return the nodes of the current file."""
        path = self.file.path
        if path not in self.trees:
            self.trees[path] = tex_tree(self.file.source.text, path, self.macros)
        return self.trees[path]

    def _number(self) -> None:
        """Number the formulas and theorems of the current file and of those that it inputs."""
        self.numbers.read(self._tree(), self.file.source.text, self._number_input)

    def _number_input(self, node: TexNode) -> None:
        if node.name not in INPUTS or not (node.arguments or node.name == "input"):
            return
        _, path = self._named_input(node)
        if path is None or path == self.name or path in self.trees or len(self.trees) > MAX_INPUTS:
            return
        before, self.file = self.file, LatexFile(path, path, SourceText(self.options.files[path]))
        self._number()
        self.file = before

    def _file(self) -> None:
        self.defined.update(_LABEL.findall(self.file.source.text))
        self.out.part = self.file.part
        self._walk(self._tree())
        self._flush()
        self.labelled.close()

    # blocks

    def _walk(self, nodes: Sequence[TexNode]) -> None:
        """Read nodes that are no part of an element: headings, paragraphs, environments."""
        place = 0
        while place < len(nodes):
            node = nodes[place]
            place += 1
            if node.kind == "macro" and node.name in BARE and not node.arguments and self._begins_paragraph():
                end = place
                while end < len(nodes) and not ends_bare(nodes[end], node.name):
                    end += 1
                body = nodes[place:end]
                if any(one.kind != "text" or one.text.strip() for one in body):
                    self._flush()
                    last = next(one for one in reversed(body) if one.kind != "text" or one.text.strip())
                    self._element(
                        "exercise", TexNode("group", node.start, last.end, node.name, children=list(body))
                    )
                    place = end
                    continue
            self._one(node)

    def _begins_paragraph(self) -> bool:
        return not "".join(self.run.pieces).strip()

    def _one(self, node: TexNode) -> None:
        if node.kind == "comment":
            self._comment(node)
        elif node.kind == "text":
            self._text(node)
        elif node.kind == "group":
            self._walk(node.children)
        elif node.kind == "display":
            self._formula(node, "")
        elif node.kind == "environment":
            self._environment(node)
        elif node.kind == "verbatim" and node.name in VERBATIM:
            self._flush()
            if node.name not in SKIPPED:
                self._add("code", fenced(node), node)
        elif node.kind == "macro" and self._macro(node):
            return
        else:
            self._append(self._inline([node]), node)

    def _comment(self, node: TexNode) -> None:
        number = re.fullmatch(r"\s*\(?(\d{1,3}(?:\.\d{1,3})*)[.)]?\s*", node.text)
        if number:
            self.hint = number[1]

    def _text(self, node: TexNode) -> None:
        place = node.start
        for part in re.split(r"(\n[ \t\r]*\n\s*)", node.text):
            if re.fullmatch(r"\n[ \t\r]*\n\s*", part):
                self._flush()
            elif part:
                self._append(plain_text(part), TexNode("text", place, place + len(part)))
            place += len(part)

    def _append(self, text: str, node: TexNode) -> None:
        if not text:
            return
        if text.strip():
            if self.run.start is None:
                own = self.file.source.text[node.start : node.end]
                self.run.start = node.start + len(own) - len(own.lstrip())
            own = self.file.source.text[node.start : node.end]
            self.run.end = node.end - (len(own) - len(own.rstrip()))
        self.run.pieces.append(text)

    def _flush(self) -> None:
        """End the paragraph."""
        run, self.run = self.run, _Run()
        text = unwrapped("".join(run.pieces))
        if text and run.start is not None:
            self._add("text", text, TexNode("text", run.start, run.end))

    def _add(
        self, kind: ElementKind, text: str, node: TexNode, *, label: str | None = None, of: int | None = None
    ) -> int | None:  # fmt: skip
        if self.cut is not None:
            return None
        start, end = self.file.source.byte(node.start), self.file.source.byte(node.end)
        if kind in ("text", "formula") and label is None:
            self.labelled.block("text" if kind == "text" else "formula", text, start, end)
            return None
        self.labelled.close()
        place = self.out.add(kind, text, label=label, start=start, end=end, of=of)
        if place is not None:
            self.last[kind] = place
        return place

    def _formula(self, node: TexNode, name: str) -> None:
        self._flush()
        self._add("formula", self._display(node, name), node)

    def _heading(self, title: str, level: int, at: TexNode) -> None:
        self._flush()
        title = flat(title)
        if self.cut is not None and level <= self.cut:
            self.cut = None
        if is_cut(title):
            self.cut = level
        if self.cut is not None:
            return
        if level <= 1:
            self.counts.clear()
        below = kind_below(title)
        if below is not None or level <= 2 or self.below == "exercise":
            self.below = below
        if title:
            self.labelled.heading(
                title, level, self.file.source.byte(at.start), self.file.source.byte(at.end)
            )
            self.last_label = f"“{title}”"

    def _macro(self, node: TexNode) -> bool:
        """Read a macro that is more than text, and return whether it is."""
        name = node.name
        if name in LEVELS and node.arguments:
            self._heading(self._inline(node.arguments[-1].children), LEVELS[name], node)
        elif name in SECTIONS:
            self._heading(SECTIONS[name], 3, node)
        elif name in INPUTS and (node.arguments or name == "input"):
            self._input(node)
        elif name == "label":
            self._label(node, self.last_label)
        elif name == "footnotetext" and self.marked and node.arguments:
            self._footnote(self.marked.pop(0), node)
        elif name == "appendix" or name in (
            "par",
            "bigskip",
            "medskip",
            "smallskip",
            "newpage",
            "clearpage",
            "cleardoublepage",
        ):
            self._flush()
        elif name == "caption" and node.arguments:
            self._add("caption", self._inline(node.arguments[-1].children), node)
        elif self._is_element(node):
            self._flush()
            kind = kind_of_name(self.titles.get(name, name))
            if kind is not None:
                body = TexNode("group", node.start, node.end, name, children=node.arguments[0].children)
                self._element(kind, body, inner=node.arguments[0])
        else:
            return False
        return True

    def _is_element(self, node: TexNode) -> bool:
        """Return whether a macro is an exercise or the like: its name says so, it begins a paragraph, and has a text."""
        if not node.arguments or not self._begins_paragraph() or node.name in SILENT or node.name in STYLES:
            return False
        inner = self.file.source.text[node.arguments[0].start : node.arguments[0].end]
        return kind_of_name(node.name) is not None and len(inner.split()) > 2

    def _footnote(self, exercise: int, node: TexNode) -> None:
        """Add a footnote text as the solution of the exercise that has its mark."""
        run, self.run = self.run, _Run()
        owner = self.out.document.elements[exercise]
        body = node.arguments[-1]
        self.in_exercise += 1
        text, _ = self._content(body.children)
        self.in_exercise -= 1
        self._add("solution", text, body, label=owner.label, of=exercise)
        self.run = run

    def _input(self, node: TexNode) -> None:
        written, path = self._named_input(node)
        if path is None or path == self.name or path in self.inputs or len(self.inputs) > MAX_INPUTS:
            if written:
                self.out.missing(written)
            return
        self._flush()
        self.inputs.append(path)
        if len(self.inputs) > MAX_INPUTS:
            raise UnreadableDocument(
                f"{self.name}: inputs more than {MAX_INPUTS} files. Fix: leave some out", "bomb"
            )
        before, self.file = self.file, LatexFile(path, path, SourceText(self.options.files[path]))
        self.labelled.close()
        self._file()
        self.file = before
        self.out.part = before.part

    def _named_input(self, node: TexNode) -> tuple[str, str | None]:
        """Return (the path that an \\input names, that of the file, None if it is not there)."""
        written = "/".join(self._words(one) for one in node.arguments).replace("//", "/")
        if not node.arguments:
            match = re.compile(r"\s*([\w./-]+)").match(self.file.source.text, node.end)
            written = match[1] if match else ""
        return written, resolved(written, self.file.path, self.options.files, ".tex")

    def _label(self, node: TexNode, value: str) -> None:
        if node.arguments:
            self.labels[self._words(node.arguments[0])] = value

    def _remember(self, node: TexNode, value: str, target: Referent | None = None) -> None:
        """Record what references to the labels in a node are printed as, and what they are to."""
        text = self.file.source.text[node.start : node.end]
        for key in _LABEL.findall(text):
            if value:
                self.labels.setdefault(key, value)
            if target is not None and key not in self.numbers.formulas:
                self.targets.setdefault(key, target)

    # environments

    def _environment(self, node: TexNode) -> None:
        name = node.name
        if name in DISPLAYS:
            self._formula(node, name)
        elif name in SKIPPED:
            self._flush()
        elif name in LEVELS:
            group = next((one for one in node.children if one.kind == "group"), None)
            if group is not None:
                self._heading(self._inline(group.children), LEVELS[name], node)
            self._remember(node, self.last_label)
        elif name in CODE:
            self._flush()
            self._add("code", fenced(node), node)
        elif name in FLOATS and name != "longtable":
            self._float(node)
        elif name in TABLES:
            self._flush()
            self._add("table", self._table(node), node)
        elif name in LISTS:
            self._list_block(node)
        elif name in ("quote", "quotation", "verse"):
            self._flush()
            self._add("text", "> " + self._content(node.children)[0].replace("\n", "\n> "), node)
        elif name in PICTURES:
            self._append(PICTURE, node)
        elif name == "document":
            # what stands before it defines macros, and is no text
            self.run = _Run()
            self._walk(node.children)
        elif (kind := self._kind(node)) is not None:
            self._flush()
            self._element(kind, node)
        elif self._is_box(node):
            self._flush()
            title, body = self._boxed(node)
            text = self._content(body)[0]
            self._add("text", f"**{title}.** {text}" if title and text else text or title, node)
        else:
            self._walk(after_arguments(node))

    def _kind(self, node: TexNode) -> ElementKind | None:
        """Return what an environment is, None for one that only holds others."""
        kind = kind_of_name(self.titles.get(node.name, node.name))
        if kind is None or any(
            one.kind == "environment" and kind_of_name(self.titles.get(one.name, one.name)) == kind
            for one in all_below(node.children)
        ):
            return None
        holds = node.name.lower().endswith("s") and any(
            one.kind == "macro" and (one.name == "item" or one.name in BARE) for one in node.children
        )
        return None if holds and kind == "exercise" else kind

    def _is_box(self, node: TexNode) -> bool:
        first = next((one for one in node.children if one.kind != "text" or one.text.strip()), None)
        return first is not None and first.kind == "group" and node.children.index(first) == 0

    def _boxed(self, node: TexNode) -> tuple[str, list[TexNode]]:
        """Return (title, content) of an environment that begins with an argument."""
        group, *rest = node.children
        words = self.file.source.text[group.start : group.end]
        if len(words.split()) > 15 or not any(one.kind != "text" or one.text.strip() for one in rest):
            return "", [*group.children, *rest]
        return flat(self._inline(group.children)), rest

    def _element(self, kind: ElementKind, node: TexNode, *, inner: TexNode | None = None) -> None:
        """Add an exercise, a theorem and the like, with what is printed to it inside."""
        children = list(node.children)
        title = flat(self._inline(node.optional.children)) if node.optional is not None else ""
        statement: TexNode | None = None
        if node.kind == "environment" and children and children[0].kind == "group":
            statement = children.pop(0)
            words = self.file.source.text[statement.start : statement.end]
            solved = kind == "example" and any(one.kind != "text" or one.text.strip() for one in children)
            if len(words.split()) < 4 and not words.rstrip("} ").endswith(("?", ".")):
                title, statement = flat(self._inline(statement.children)), None
                if children and children[0].kind == "group":
                    children.pop(0)  # the label, as in {title}{label}
            elif not solved:
                children.insert(0, statement)
                statement = None
        attached = kind in ("hint", "answer", "solution", "proof")
        label = self._labelled(kind, node, title) if not attached else None
        counted = self.numbers.theorems.get(id(node)) if kind not in ("exercise", "example") else None
        target = self._target(node) if label is not None else None
        self._remember(node, counted or number_of(label) or title, target)
        self.in_exercise += kind in ("exercise", "hint", "answer", "solution")
        if statement is not None:
            place = self._add(
                kind, self._inline_content(statement.children), statement_span(node, statement), label=label
            )
            text, printed = self._content(children)
            begins = [
                one.start
                for one in children
                if one.name != "label" and (one.kind != "text" or one.text.strip())
            ]
            rest = TexNode("group", min(begins), content_end(node, self.file.source.text))
            self._add("solution", text, rest, label=label, of=place)
        else:
            text, printed = self._content(children)
            span = inner or node
            ends = [one.end for one in children if one.kind != "text" or one.text.strip()]
            own = [
                one.end
                for one in children
                if one not in [p.node for p in printed] and (one.kind != "text" or one.text.strip())
            ]
            if printed and own and max(own) < max(ends):
                span = TexNode("group", span.start, max(own))
            of = self._owner(kind, node, title) if attached else None
            if attached:
                label = self._attached_label(kind, node, title, of)
            place = self._add(kind, text, span, label=label, of=of)
        if place is not None:
            for one in printed:
                text, _ = self._content(one.node.children)
                self._add(one.kind, text, one.node, label=label, of=place)
            if kind == "exercise" and "\\footnotemark" in self.file.source.text[node.start : node.end]:
                self.marked.append(place)
        self.in_exercise -= kind in ("exercise", "hint", "answer", "solution")

    def _labelled(self, kind: ElementKind, node: TexNode, title: str) -> str:
        name = self.titles.get(node.name) or NAMES.get(kind, kind.capitalize())
        if (
            kind == "theorem"
            and node.name not in self.titles
            and node.name.rstrip("*").isalpha()
            and len(node.name) > 4
        ):
            name = node.name.rstrip("*").capitalize()
        if kind in ("exercise", "example"):
            self.counts[node.name] += 1
            number = self.hint if kind == "exercise" and self.hint else str(self.counts[node.name])
            if kind == "exercise":
                self.hint = None
            name = f"{name} {number}"
        elif id(node) in self.numbers.theorems:
            name = f"{name} {self.numbers.theorems[id(node)]}"
        return (
            f"{name} ({title})"
            if title and not re.fullmatch(r"[\d.]+", title)
            else f"{NAMES.get(kind, kind)} {title}"
            if title
            else name
        )

    def _owner(self, kind: ElementKind, node: TexNode, title: str) -> int | None:
        """Return the element that a hint, an answer, a solution or a proof in the text belongs to, None if it is not known."""
        if self.hint is not None or number_of(title) or self.below in ("answer", "solution", "hint"):
            return None  # matched by its number later
        kinds = ("theorem",) if kind == "proof" else ("exercise", "example")
        places = [self.last[one] for one in kinds if one in self.last]
        return max(places, default=None)

    def _attached_label(self, kind: ElementKind, node: TexNode, title: str, of: int | None) -> str | None:
        number = self.hint or number_of(title)
        self.hint = None
        if number is not None and kind != "proof":
            return f"Exercise {number}"
        return self.out.document.elements[of].label if of is not None and kind != "proof" else title or None

    def _float(self, node: TexNode) -> None:
        self._flush()
        name = "Figure" if "fig" in node.name else "Table"
        self.counts[name] += 1
        number = f"{name} {self.counts[name]}"
        inside = next(
            (one for one in all_below(node.children) if one.kind == "environment" and one.name in TABLES),
            node,
        )
        self._remember(node, str(self.counts[name]), self._target(inside, name=number))
        before, self.run = self.run, _Run()
        for one in all_below(node.children):
            if one.kind == "environment" and one.name in TABLES:
                self._add("table", self._table(one), one)
            elif one.kind == "environment" and one.name in DISPLAYS:
                self._add("formula", self._display(one, one.name), one)
        pictures = [text for one in all_below(node.children) if (text := self._picture(one))]
        for one in all_below(node.children):
            if one.kind == "macro" and one.name in ("caption", "captionof") and one.arguments:
                text = "\n\n".join([self._content(one.arguments[-1].children)[0], *pictures])
                pictures = []
                self._add("caption", text, node, label=number)
        self.run = before

    def _list_block(self, node: TexNode) -> None:
        """Add a list: a part of a paragraph, or, below a heading of exercises or answers, exercises or answers."""
        if self.below is None or node.name in PLAIN_LISTS - {"description"}:
            if self.run.start is not None:
                self.run.pieces.append("\n\n")
            self._append(self._list(node), node)
            if self.run.start is not None:
                self.run.pieces.append("\n\n")
            self._flush()
            return
        self._flush()
        for number, (mark, body, start, end) in enumerate(items_of(node), 1):
            given = number_of(self._inline(mark.children)) if mark is not None else None
            name = f"Exercise {given or self.hint or number}"
            self.hint = None
            self.in_exercise += 1
            text, printed = self._content(body)
            self.in_exercise -= 1
            place = self._add(self.below, text, TexNode("group", start, end), label=name)
            for one in printed:
                self._add(one.kind, self._content(one.node.children)[0], one.node, label=name, of=place)
