"""The text of LaTeX nodes as Markdown with formulas: styles, lists, tables, references, pictures, and the macros of the document.

Macros of the document are expanded where they are simple; others keep the words of their arguments. TeX is not executed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pylatexenc.latex2text import LatexNodes2Text, get_default_latex_context_db

from tasks.documents.assembly import PICTURE, flat, indented, table, tidy
from tasks.documents.document import ElementKind
from tasks.documents.latex_layout import (
    after_arguments,
    fenced,
    items_of,
    mark_of,
    plain_text,
    unwrapped,
)
from tasks.documents.latex_math import displayed, formula
from tasks.documents.latex_numbers import DISPLAYS, LatexNumbers
from tasks.documents.latex_tree import VERBATIM, TexNode, tex_tree
from tasks.documents.latex_vocabulary import (
    CODE,
    INPUTS,
    LEVELS,
    LISTS,
    PICTURES,
    PLAIN_LISTS,
    REFERENCES,
    SIGNS,
    SILENT,
    SKIPPED,
    STYLES,
    TABLES,
    TITLED,
)
from tasks.documents.macros import Macros
from tasks.documents.references import Referent
from tasks.documents.sections import kind_of_name
from tasks.documents.source_text import SourceText

MAX_EXPANSIONS: Final = 50_000  # of the document's macros, in text
UNNUMBERED: Final = "…"  # stands for the number of a page, or another that LaTeX would count
_KNOWN_TEXT: Final = get_default_latex_context_db()


@dataclass(slots=True)
class LatexFile:
    """The file that is being read: its path, None for the main file, and its text."""

    path: str
    part: str | None
    source: SourceText


@dataclass(slots=True)
class PrintedPart:
    """What is printed to an exercise inside of it."""

    kind: ElementKind
    node: TexNode


class LatexText:
    """Writes nodes of LaTeX as text. `file` is the file that they are of."""

    def __init__(self, name: str, file: LatexFile, macros: Macros, numbers: LatexNumbers) -> None:
        self.name = name
        self.file = file
        self.macros = macros
        self.numbers = numbers
        self.titles: dict[str, str] = {}  # of environments, by \\newtheorem
        self.targets: dict[str, Referent] = {}  # by their labels
        self.expansions = 0
        self.expanded: dict[str, list[TexNode]] = {}  # the nodes of macros' texts
        self.in_exercise = 0
        self.list_depth = 0

    def _display(self, node: TexNode, name: str) -> str:
        """Return a displayed formula, with its number where something refers to it."""
        body, tag = self.numbers.shown(node)
        text = displayed(body, name, self.macros, tag)
        for key in self.numbers.labels_of(node):
            self.targets.setdefault(key, self._target(node, formula=tidy(text)))
        return text

    def _target(self, node: TexNode, *, formula: str = "", name: str = "") -> Referent:
        return Referent(self.file.part, self.file.source.byte(node.start), formula, name)

    def _words(self, node: TexNode) -> str:
        return self.file.source.text[node.start : node.end].strip("{} \n")

    def _inline_content(self, nodes: Sequence[TexNode]) -> str:
        return self._content(nodes)[0]

    def _content(self, nodes: Sequence[TexNode]) -> tuple[str, list[PrintedPart]]:
        """Return (Markdown of the content of an element, what is printed to it inside)."""
        printed: list[PrintedPart] = []
        text = self._joined(nodes, printed)
        return unwrapped(text), printed

    def _joined(self, nodes: Sequence[TexNode], printed: list[PrintedPart] | None) -> str:
        return "".join(self._piece(node, printed) for node in nodes)

    def _inline(self, nodes: Sequence[TexNode]) -> str:
        return self._joined(nodes, None)

    def _piece(self, node: TexNode, printed: list[PrintedPart] | None) -> str:
        match node.kind:
            case "comment":
                return ""
            case "text":
                return plain_text(node.text)
            case "group":
                return self._joined(node.children, printed)
            case "math":
                return rf"\({formula(node.text, self.macros)}\)" if node.text.strip() else ""
            case "display":
                return f"\n\n{self._display(node, '')}\n\n"
            case "verbatim":
                if node.name in VERBATIM:
                    return f"\n\n{fenced(node)}\n\n" if node.name not in SKIPPED else ""
                return f"`{node.text}`"
            case "environment":
                return self._inner_environment(node, printed)
            case _:
                return self._inner_macro(node, printed)

    def _inner_environment(self, node: TexNode, printed: list[PrintedPart] | None) -> str:
        name = node.name
        if name in DISPLAYS:
            return f"\n\n{self._display(node, name)}\n\n"
        if name in LISTS:
            return f"\n\n{self._list(node, printed)}\n\n"
        if name in TABLES:
            return f"\n\n{self._table(node)}\n\n"
        if name in CODE:
            return f"\n\n{fenced(node)}\n\n"
        if name in SKIPPED:
            return ""
        if name in PICTURES:
            return " [Figure] "
        kind = kind_of_name(self.titles.get(name, name))
        if printed is not None and kind in ("hint", "answer", "solution"):
            printed.append(PrintedPart(kind, node))
            return ""
        return f"\n\n{self._joined(after_arguments(node), printed)}\n\n"

    def _inner_macro(self, node: TexNode, printed: list[PrintedPart] | None) -> str:
        name = node.name
        if name in self.macros.known:
            return self._expanded(node)
        if name in SIGNS:
            return SIGNS[name]
        if name in SILENT:
            return ""
        if name in STYLES and node.arguments:
            text = self._joined(node.arguments[0].children, printed)
            bare = text.strip()
            mark = STYLES[name]
            return text.replace(bare, f"{mark}{bare}{mark}", 1) if bare and "\n\n" not in bare else text
        if name in TITLED and node.arguments:
            return f"**{flat(self._inline(node.arguments[0].children)).rstrip('.')}.** "
        if name == "pageref":
            return UNNUMBERED
        if name in REFERENCES and node.arguments:
            return f"\0{name}:{self._words(node.arguments[-1])}\0"
        if name in ("footnote", "footnotetext") and node.arguments:
            return f" [{flat(self._inline(node.arguments[-1].children))}]"
        if name == "caption" and node.arguments:
            return f"\n\n[{flat(self._inline(node.arguments[-1].children))}]\n\n"
        if name == "href" and len(node.arguments) > 1:
            return self._inline(node.arguments[1].children)
        if name in ("url", "path"):
            return self._words(node.arguments[0]) if node.arguments else ""
        if name in LEVELS and node.arguments:
            return f"\n\n**{flat(self._inline(node.arguments[-1].children))}**\n\n"
        if name in INPUTS:
            return ""
        if name == "part" or name == "item":
            return "\n"
        if name == "ensuremath" and node.arguments:
            return rf"\({formula(self._words(node.arguments[0]), self.macros)}\)"
        if (picture := self._picture(node)) is not None:
            return f" {picture} " if picture else ""
        kind = kind_of_name(name)
        if printed is not None and kind in ("hint", "answer", "solution") and node.arguments:
            printed.append(PrintedPart(kind, node.arguments[0]))
            return ""
        if node.arguments:
            return self._joined(self._main_argument(node).children, printed)
        return self._symbol(node)

    def _main_argument(self, node: TexNode) -> TexNode:
        """Return the argument of an unknown macro that has its text: the one with the most words."""
        texts = [self._words(one) for one in node.arguments]
        words = [len(text.split()) if "://" not in text else 0 for text in texts]
        if len(texts) > 1 and texts[0] and words[0] == 1 and re.search(r"[_/:]|-\w+[_-]", texts[0]):
            words[0] = 0  # a name of something, such as a link
        best = max(range(len(words)), key=lambda place: (words[place], -place))
        return node.arguments[best] if words[best] else TexNode("group", node.start, node.start)

    def _picture(self, node: TexNode) -> str | None:
        """Return what stands for a picture, with its alternative text; None for another node."""
        if node.kind == "environment" and node.name in PICTURES:
            return PICTURE
        if node.kind != "macro" or not re.search(
            r"graphics|^figures?|figurefullpath|^image", node.name, re.IGNORECASE
        ):
            return None
        alternative = ""
        if node.optional is not None and "graphics" not in node.name:
            alternative = flat(self._inline(node.optional.children))
        elif node.optional is not None:
            match = re.search(r"alt\s*=\s*\{([^{}]*)\}", self._words(node.optional))
            alternative = match[1] if match else ""
        return f"[Figure: {alternative}]" if alternative else PICTURE

    def _expanded(self, node: TexNode) -> str:
        """Return the text of a macro of the document."""
        macro = self.macros.known[node.name]
        text = self.file.source.text
        after = node.start + 1 + len(node.name)
        call = self.macros.call(macro, text, after)
        self.expansions += 1
        if call is None or self.expansions > MAX_EXPANSIONS or len(call[0]) > 20_000:
            return ""
        source = SourceText(call[0].encode("utf-8", "surrogatepass"))
        before, self.file = self.file, LatexFile(self.file.path, self.file.part, source)
        try:
            if source.text not in self.expanded:
                self.expanded[source.text] = tex_tree(source.text, self.name, self.macros)
            return self._inline(self.expanded[source.text])
        finally:
            self.file = before

    def _symbol(self, node: TexNode) -> str:
        """Return a macro without arguments, or an accent, as a character; nothing if it has none."""
        if _KNOWN_TEXT.get_macro_spec(node.name) is None:
            return ""
        text = self.file.source.text[node.start : node.end]
        return str(LatexNodes2Text().latex_to_text(text, tolerant_parsing=True)).strip("\n")

    def _list(self, node: TexNode, printed: list[PrintedPart] | None = None) -> str:
        numbered = node.name not in PLAIN_LISTS
        self.list_depth += numbered
        style = self._words(node.optional)[1:-1] if node.optional is not None else ""
        depth = self.list_depth + (self.in_exercise > 0)
        lines = []
        for number, (mark, body, _, _) in enumerate(items_of(node), 1):
            text = unwrapped(self._joined(body, printed))
            given = flat(self._inline(mark.children)) if mark is not None else None
            if given is not None:
                sign = f"- **{given}**" if node.name == "description" else given
            else:
                sign = mark_of(style, number, depth) if numbered else "-"
            if text or sign != "-":
                lines.append(f"{sign} {indented(text, 4 if numbered else 2)}".strip())
        self.list_depth -= numbered
        return "\n".join(lines)

    def _table(self, node: TexNode) -> str:
        rows: list[list[str]] = [[""]]
        for one in after_arguments(node):
            if one.kind == "macro" and one.name in ("\\", "tabularnewline", "cr"):
                rows.append([""])
            elif one.kind == "macro" and one.name in (
                "hline",
                "toprule",
                "midrule",
                "bottomrule",
                "cline",
                "cmidrule",
                "endhead",
            ):
                continue
            elif one.kind == "macro" and one.name in ("multicolumn", "multirow") and len(one.arguments) >= 3:
                rows[-1][-1] += self._inline(one.arguments[-1].children)
                width = self._words(one.arguments[0])
                if one.name == "multicolumn" and width.isdigit():
                    rows[-1] += [""] * min(int(width) - 1, 50)
            elif one.kind == "text" and "&" in one.text:
                first, *others = one.text.split("&")
                rows[-1][-1] += plain_text(first)
                rows[-1] += [plain_text(other) for other in others]
            else:
                rows[-1][-1] += self._piece(one, None)
        return table([row for row in rows if any(cell.strip() for cell in row)])
