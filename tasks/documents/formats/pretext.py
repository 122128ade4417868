"""PreTeXt: XML of textbooks, with exercises, their tasks, hints, answers and solutions marked as such.

Divisions become headings, theorems, definitions, examples and projects elements. The shared introduction of a group of exercises
is put before the text of each of its exercises; the span is that of the exercise itself. An exercise in tasks is one element with
(a), (b) and so on, and has one hint, answer or solution per task that has one, which begins with the mark of its task. Problems of
a WeBWorK server are read as far as they are written in the document; `Document.missing` names those that are elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tasks.documents.assembly import UNKNOWN, Assembly, flat, indented, letter, roman, table
from tasks.documents.document import Document, ElementKind
from tasks.documents.formats import ReadOptions
from tasks.documents.latex_math import tagged
from tasks.documents.macros import Macros
from tasks.documents.pretext_nodes import (
    PUNCTUATION,
    code_parts,
    equation_tags,
    exercises_of,
    ids_of,
    marker,
    picture_of,
    place_of,
    punctuated,
    referred_names,
)
from tasks.documents.pretext_vocabulary import (
    ATTACHED,
    BLOCK,
    CHARACTERS,
    CUT,
    DISPLAYS,
    EXAMPLES,
    EXERCISES,
    FLOATS,
    INLINE,
    LABELLED,
    LEFT_OUT,
    LEVELS,
    MARKS,
    PROOFS,
    REMARKS,
    SPECIAL,
    THEOREMS,
    TRANSPARENT,
)
from tasks.documents.references import Referent, resolve
from tasks.documents.tree import TEXT, TreeNode
from tasks.documents.xml_includes import Includes, included_paths

suffixes = (".ptx",)

_ROOTS = re.compile(rb"<(?:pretext|mathbook)[\s>]")


def sniff(head: bytes, name: str) -> bool:
    """Return whether XML is PreTeXt: by its root, or its way to write formulas."""
    return name.lower().endswith(".xml") and (
        _ROOTS.search(head) is not None
        or ((b"<statement>" in head or b"<m>" in head) and b"docbook" not in head.lower())
    )


def included(data: bytes, name: str) -> list[str]:
    """Return the paths that a file includes."""
    return included_paths(data)


def read(data: bytes, name: str, options: ReadOptions) -> Document:
    """Read a PreTeXt book, or a file of one. Raises UnreadableDocument if the main file is not well-formed."""
    book = Includes(data, name, options)
    reading = _Reading(book.root, name)
    for path in book.missing:
        reading.out.missing(path)
    return reading.document()


class _Reading:
    def __init__(self, root: TreeNode, name: str) -> None:
        self.root = root
        self.macros = Macros({"lt": "<", "gt": ">", "amp": "&"})
        self._lettered = 0  # how many exercises are open: their lists begin with (a)
        self._depth = 0  # how many numbered lists are open
        self.out = Assembly("", "pretext")
        self.labels: dict[str, str] = {}
        self.targets: dict[str, Referent] = {}
        self.numbers: dict[int, int] = {}
        self.tags = equation_tags(root)
        self.formulas = {
            place_of(row): node
            for node in root.walk()
            if node.tag in ("md", "mdn")
            for row in node.all("mrow")
        }
        referred = {one for node in root.walk() if node.tag == "xref" for one in referred_names(node)}
        self.shown = {place_of(node) for node in root.walk() if referred.intersection(ids_of(node))}
        for node in root.walk():
            if node.tag == "macros":
                self.macros.collect(node.words())
            self._number(node)
        for node in root.walk():
            for name in ids_of(node):
                self._name(node, name)
        titles = (self._title(node) for node in [root, *root.elements()])
        self.out.document.title = _MARK.sub(r"\2", next(filter(None, titles), name.rpartition("/")[2]))

    def _name(self, node: TreeNode, name: str) -> None:
        """Record what references to a node are printed as, and what they are to."""
        if tag := self.tags.get(place_of(node)):
            self.labels[name] = tag
            whole = self.formulas.get(place_of(node), node)  # of which it is a row
            self.targets[name] = Referent(node.part, node.start, formula=self._display(whole))
            return
        self.labels[name] = _MARK.sub(r"\2", self._label(node) or node.tag)
        inside = (
            next((one for one in node.walk() if one.tag == "tabular"), None) if node.tag in FLOATS else None
        )
        if inside is not None:
            self.targets[name] = Referent(inside.part, inside.start, name=self.labels[name])
        elif node.tag in FLOATS | EXERCISES | EXAMPLES | THEOREMS | {
            "definition",
            "image",
            "interactive",
        }:
            self.targets[name] = Referent(node.part, node.start)

    def document(self) -> Document:
        """Return the document, read from the root."""
        document = self.out.document
        document.language = self.root.attributes.get("xml:lang")
        licenses = [
            node for node in self.root.walk() if node.tag == "copyright" and node.first("shortlicense")
        ]
        document.license = licenses[0].first("shortlicense").words() if licenses else None  # type: ignore[union-attr]
        self._division(self.root, 1)
        resolve(document, _MARK, self._referred)
        for heading in document.headings:
            heading.title = _MARK.sub(r"\2", heading.title)
        for element in document.elements:
            element.label = _MARK.sub(r"\2", element.label) if element.label else None
        return document

    def _referred(self, mark: re.Match[str]) -> tuple[str, list[Referent]]:
        return mark[2], [self.targets[name] for name in mark[1].split(",") if name in self.targets]

    def _number(self, node: TreeNode) -> None:
        """Number the exercises of a division as they are printed, through its groups."""
        if node.tag not in SPECIAL:
            return
        count = 0
        for inner in exercises_of(node):
            count = (
                int(inner.attributes["number"]) if inner.attributes.get("number", "").isdigit() else count + 1
            )
            self.numbers[id(inner)] = count

    def _label(self, node: TreeNode) -> str | None:
        title = self._title(node)
        if node.tag in LEVELS or node.tag in SPECIAL:
            return title or SPECIAL.get(node.tag)
        name = node.tag.capitalize()
        if id(node) in self.numbers:
            name = f"{name} {self.numbers[id(node)]}"
        return f"{name} ({title})" if title else name

    # divisions

    def _division(self, node: TreeNode, level: int) -> None:
        """Add a heading for a division, if it is one, and its content."""
        last_theorem: int | None = None
        inner = level
        if node.tag in LEVELS or node.tag in SPECIAL:
            own = LEVELS.get(node.tag, level)
            title = self._title(node) or SPECIAL.get(node.tag, "")
            if title:
                self.out.heading(title, own, node.attributes.get("number"))
            inner = own + 1
        for child in node.children:
            if child.tag in THEOREMS:
                last_theorem = self._theorem(child)
            elif child.tag in PROOFS:
                self._add("proof", child, self._blocks(child), of=last_theorem)
            else:
                self._top(child, inner)

    def _top(self, node: TreeNode, level: int) -> None:
        tag = node.tag
        if tag == TEXT or tag in CUT or tag in LEFT_OUT:
            if tag == "caption":
                self._add("caption", node, self._inline(node))
        elif tag in LEVELS or tag in SPECIAL or tag in TRANSPARENT:
            self._division(node, level)
        elif tag in ("subexercises", "exercisegroup"):
            self._group(node)
        elif tag == "definition":
            self._add("definition", node, self._blocks(node))
        elif tag in EXAMPLES:
            self._exercise("example", node)
        elif tag in EXERCISES:
            self._exercise("exercise", node)
        elif tag == "p":
            self._paragraph(node)
        elif tag in ("tabular",):
            self._add("table", node, self._block(node))
        elif tag in ("program", "pre", "cd", "console", "sage", "code"):
            self._add("code", node, self._block(node))
        elif tag in REMARKS:
            title = self._title(node)
            text = self._blocks(node)
            self._add("text", node, f"**{title}.** {text}" if title else text)
        else:
            self._add("text", node, self._block(node))

    def _add(
        self, kind: ElementKind, node: TreeNode, text: str, *, label: str | None = None, of: int | None = None,
        end: int | None = None,
    ) -> int | None:  # fmt: skip
        named = label if label is not None else self._label(node) if kind in LABELLED else None
        return self.out.add(
            kind,
            text,
            label=named,
            part=node.part,
            start=node.start,
            end=node.end if end is None else end,
            of=of,
        )

    def _paragraph(self, node: TreeNode) -> None:
        """Add a paragraph, with its displayed formulas and tables as elements of their own."""
        run: list[TreeNode] = []
        children = punctuated(node.children)
        for child in [*children, None]:
            if child is not None and child.tag not in DISPLAYS and child.tag != "tabular":
                run.append(child)
                continue
            if text := self._joined(run):
                self.out.add("text", text, part=node.part, start=run[0].start, end=run[-1].end)
            run = []
            if child is not None:
                self._add("table" if child.tag == "tabular" else "formula", child, self._block(child))

    def _theorem(self, node: TreeNode) -> int | None:
        proofs = [child for child in node.children if child.tag in PROOFS]
        rest = [child for child in node.children if child.tag not in PROOFS]
        ends = [child.end for child in rest if child.tag != TEXT]
        place = self._add("theorem", node, self._joined(rest, blocks=True), end=max(ends, default=node.end))
        for proof in proofs:
            self._add("proof", proof, self._blocks(proof), of=place, label=self._title(proof) or None)
        return place

    # exercises

    def _group(self, node: TreeNode) -> None:
        shared = [child for child in node.children if child.tag in ("introduction", "instructions", "p")]
        introduction = self._joined(shared, blocks=True)
        for child in node.elements():
            if child.tag in EXERCISES:
                self._exercise("exercise", child, introduction)
            elif child.tag in ("exercisegroup", "subexercises"):
                self._group(child)
            elif child not in shared:
                self._top(child, 5)

    def _exercise(self, kind: ElementKind, node: TreeNode, introduction: str = "") -> None:
        """Add an exercise or an example with what is printed to it."""
        self._lettered += kind == "exercise"
        self._with_printed(kind, node, introduction)
        self._lettered -= kind == "exercise"

    def _with_printed(self, kind: ElementKind, node: TreeNode, introduction: str) -> None:
        printed: list[tuple[ElementKind, TreeNode, str]] = []
        own, end = self._statement(node, "", printed, 0)
        label = _MARK.sub(r"\2", self._label(node) or "") or None
        if not own:
            if kind == "exercise":
                source = [one.attributes.get("source", "") for one in node.walk() if one.tag == "webwork"]
                self.out.missing(f"{label or 'Exercise'}: its text is elsewhere {' '.join(source)}".rstrip())
            return
        place = self._add(kind, node, f"{introduction}\n\n{own}", label=label, end=end)
        for attached, inner, mark in printed:
            text = self._blocks(inner)
            name = f"{label or kind.capitalize()}{mark}"
            self._add(attached, inner, f"{mark} {text}" if mark and text else text, label=name, of=place)

    def _statement(
        self, node: TreeNode, mark: str, printed: list[tuple[ElementKind, TreeNode, str]], depth: int
    ) -> tuple[str, int]:
        """Return (text of an exercise or a task without what is printed to it, end in bytes), and collect the latter."""
        texts: list[str] = []
        end = node.start
        tasks = 0
        for child in node.elements():
            if child.tag in ATTACHED:
                printed.append((ATTACHED[child.tag], child, mark))
                continue
            if child.tag == "task":
                tasks += 1
                sign = f"({roman(tasks) if depth % 2 else letter(tasks)})"
                text, last = self._statement(child, mark + sign, printed, depth + 1)
                texts.append(f"{sign} {indented(text, 4)}")
            elif child.tag in (
                "webwork",
                "statement",
                "introduction",
                "conclusion",
                "webwork-reps",
                "static",
            ):
                text, last = self._statement(child, mark, printed, depth)
                texts.append(text)
                last = last if child.tag == "webwork" else child.end
            elif child.tag == "title":
                continue
            else:
                text, last = self._block(child), child.end
                texts.append(text)
            if text:
                end = max(end, last)
        return "\n\n".join(text for text in texts if text), end

    # text

    def _title(self, node: TreeNode) -> str:
        title = node.first("title")
        return flat(self._inline(title)) if title is not None else ""

    def _blocks(self, node: TreeNode) -> str:
        return self._joined(node.children, blocks=True)

    def _joined(self, nodes: Sequence[TreeNode], *, blocks: bool = False) -> str:
        """Return nodes as Markdown. Between `blocks` there are blank lines; text beside blocks is a paragraph."""
        pieces: list[str] = []
        for node in punctuated(nodes):
            block = node.tag in BLOCK or (blocks and node.tag not in INLINE)
            if node.tag == TEXT:
                piece = re.sub(r"\s+", " ", node.text)
            elif block:
                piece = self._block(node)
                piece = f"\n\n{piece.strip()}\n\n" if piece.strip() else ""
            else:
                piece = self._inline_node(node)
            if pieces and pieces[-1].endswith(("\n", " ")):
                piece = piece.lstrip(" ") if pieces[-1].endswith(" ") else piece.lstrip(" \n")
            if piece:
                if pieces and piece.startswith("\n"):
                    pieces[-1] = pieces[-1].rstrip(" \n")
                pieces.append(piece)
        return "".join(pieces).strip()

    def _block(self, node: TreeNode) -> str:
        """Return a node that is no run of text as Markdown."""
        tag = node.tag
        if tag == TEXT:
            return flat(node.text)
        if tag in LEFT_OUT and tag != "caption":
            return ""
        if tag in DISPLAYS:
            return self._display(node)
        if tag in ("ol", "ul", "dl"):
            return self._list(node)
        if tag in ("choices", "matches", "matching", "cardsort"):
            return self._options(node)
        if tag == "tabular":
            return table([[self._inline(cell) for cell in row.all("cell")] for row in node.all("row")])
        if tag == "image":
            return picture_of(node)
        if tag == "caption":
            return f"[{self._inline(node)}]"
        if tag in ("program", "pre", "cd", "console", "sage", "code", "input", "output"):
            code = "\n".join("".join(one.text for one in part.walk()) for part in code_parts(node))
            return f"```\n{code.strip(chr(10))}\n```" if code.strip() else ""
        if tag == "blockquote":
            return "> " + self._blocks(node).replace("\n", "\n> ")
        if tag in INLINE:
            return self._inline_node(node)
        text = self._blocks(node)
        title = self._title(node)
        if tag in PROOFS and text:
            return f"*{title or 'Proof'}.* {text}"
        if title and tag not in TRANSPARENT and tag not in ("exercise", "task", *EXAMPLES):
            return f"**{title}.** {text}"
        return text

    def _inline(self, node: TreeNode) -> str:
        return self._joined(node.children)

    def _inline_node(self, node: TreeNode) -> str:
        tag = node.tag
        if tag == "m":
            return f"\\({self._formula(node)}\\)"
        if tag in CHARACTERS:
            return CHARACTERS[tag]
        if tag in LEFT_OUT:
            return ""
        if tag in MARKS:
            text = self._inline(node)
            return f"{MARKS[tag]}{text}{MARKS[tag]}" if text else ""
        if tag in ("q", "sq"):
            return f"“{self._inline(node)}”" if tag == "q" else f"‘{self._inline(node)}’"
        if tag in ("c", "tag", "tage", "attr"):
            return f"`{node.words()}`"
        if tag == "fillin":
            return "____"
        if tag == "var":
            return (
                "____"
                if "width" in node.attributes or "form" in node.attributes
                else node.attributes.get("name", "")
            )
        if tag == "xref":
            return self._reference(node)
        if tag == "fn":
            return f" [{self._inline(node)}]"
        if tag in ("url", "dataurl"):
            return self._inline(node) or node.attributes.get("visual") or node.attributes.get("href", "")
        if tag == "line":
            return self._inline(node) + "  \n"
        return self._inline(node)

    def _reference(self, node: TreeNode) -> str:
        """Return the words of a cross-reference: its own, or the labels of what it refers to, or a mark where that is not given."""
        own = self._inline(node)
        names = referred_names(node)
        style = node.attributes.get("text", "")
        if own and (style in ("custom", "") or not names):
            return own
        text = " and ".join(self.labels.get(name, UNKNOWN) for name in names)
        return f"\0{','.join(names)}\0{f'{text} {own}'.strip()}\0"

    def _formula(self, node: TreeNode) -> str:
        parts: list[str] = []
        for child in node.children:
            if child.tag == TEXT:
                parts.append(child.text)
            elif child.tag == "fillin":
                parts.append(r"\underline{\qquad}")
            elif child.tag == "var":
                parts.append(child.attributes.get("name", ""))
            elif child.tag == "xref":
                parts.append(rf"\text{{{self._reference(child)}}}")
            elif child.tag == PUNCTUATION:
                continue
            else:
                parts.append(child.words())
        return flat(self.macros.expanded("".join(parts)))

    def _display(self, node: TreeNode) -> str:
        mark = "".join(child.text for child in node.all(PUNCTUATION))
        lines = [child for child in node.elements() if child.tag in ("mrow", "intertext")]
        if not lines:
            tag = (
                self.tags.get(place_of(node))
                if place_of(node) in self.shown or "tag" in node.attributes
                else None
            )
            return f"\\[{self._formula(node)}{mark}{f' {tagged(tag)}' if tag else ''}\\]"
        rows = [self._row(child) for child in lines]
        name = "aligned" if any("&" in row for row in rows) else "gathered"
        inner = " \\\\\n".join(rows)
        return f"\\[\\begin{{{name}}}\n{inner}\n\\end{{{name}}}{mark}\\]"

    def _row(self, node: TreeNode) -> str:
        if node.tag == "intertext":
            return rf"\text{{{node.words()}}}"
        tag = (
            self.tags.get(place_of(node))
            if place_of(node) in self.shown or "tag" in node.attributes
            else None
        )
        return f"{self._formula(node)} \\qquad\\text{{{tag}}}" if tag else self._formula(node)

    def _list(self, node: TreeNode) -> str:
        if node.tag == "dl":
            items = [f"**{self._title(item)}** {indented(self._blocks(item), 2)}" for item in node.all("li")]
            return "\n".join(f"- {item}" for item in items)
        style = node.attributes.get("marker") or node.attributes.get("label") or ""
        lines = []
        self._depth += node.tag == "ol"
        if not style and self._lettered + self._depth > 1:
            style = ("(a)", "i.", "A.", "1.")[(self._lettered > 0) + self._depth - 2 & 3]
        for number, item in enumerate(node.all("li"), 1):
            mark = "-" if node.tag == "ul" else marker(style, number)
            title = self._title(item)
            text = self._blocks(item)
            text = f"**{title}** {text}" if title else text
            lines.append(f"{mark} {indented(text, len(mark) + 1)}")
        self._depth -= node.tag == "ol"
        return "\n".join(lines)

    def _options(self, node: TreeNode) -> str:
        if node.tag == "choices":
            texts = [self._blocks(choice.first("statement") or choice) for choice in node.all("choice")]
            return "\n".join(
                f"{chr(65 + place)}) {indented(text, 3)}" for place, text in enumerate(texts) if text
            )
        premises = [one for one in node.walk() if one.tag == "premise"]
        responses = [one for one in node.walk() if one.tag == "response"]
        # in the source each premise stands beside its response, so the responses are sorted
        left = [f"{number}. {self._blocks(one)}" for number, one in enumerate(premises, 1)]
        right = [
            f"{letter(number)}. {text}" for number, text in enumerate(sorted(map(self._blocks, responses)), 1)
        ]
        return "\n".join([*left, "", *right])


_MARK = re.compile("\0([^\0]*)\0([^\0]*)\0")  # of a reference: ids, and what is printed
