r"""The numbers that LaTeX prints: of displayed formulas, and of the theorems that \newtheorem defines.

TeX is not executed. Counters follow \documentclass, \numberwithin, \counterwithin, \setcounter, \addtocounter, \appendix, the
definitions of \theequation and the like, sections, subequations, \tag, \notag and \nonumber. In a chapter without its book, whose
number is not in the files, formulas count within the chapter. Formulas that macros of the document begin and end are not seen.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tasks.documents.assembly import letter, roman
from tasks.documents.latex_tree import TexNode
from tasks.documents.macros import Macros, without_tex_comments

DISPLAYS: Final = frozenset(
    name + star
    for name in (
        "equation", "align", "alignat", "flalign", "gather", "multline", "eqnarray", "displaymath", "IEEEeqnarray", "math",
        "dmath", "xalignat",
    )
    for star in ("", "*")
) - {"math", "math*"}  # fmt: skip
_ROWS: Final = frozenset({"align", "alignat", "flalign", "gather", "eqnarray", "IEEEeqnarray", "xalignat"})
_BOOKS: Final = re.compile(r"book|report|memoir|rep$|thesis|monograph", re.IGNORECASE)
_ABOVE: Final = {
    "section": "chapter",
    "subsection": "section",
    "subsubsection": "subsection",
    "paragraph": "subsubsection",
}
_SECTIONS: Final = {"chapterpage": "chapter"} | {name: name for name in ("part", "chapter", *_ABOVE)}
_DEFINITIONS: Final = frozenset({
    "newcommand", "renewcommand", "providecommand", "newenvironment", "renewenvironment", "def", "DeclareMathOperator", "newtheorem",
})  # fmt: skip
_CLASS = re.compile(r"\\documentclass\s*(?:\[[^\[\]]*\])?\s*\{\s*([\w-]+)\s*\}")
_WITHIN = re.compile(
    r"\\(?:numberwithin|counterwithin\*?|@addtoreset)\s*(?:\[[^\[\]]*\])?\s*\{\s*(\w+)\s*\}\s*\{\s*(\w+)\s*\}"
)
_THEOREM = re.compile(
    r"\\(?:newtheorem|spnewtheorem)\s*\{([^{}]+)\}\s*(?:\[([^\[\]]*)\])?\s*\{[^{}]*\}\s*(?:\[([^\[\]]*)\])?"
)
_FORMAT = re.compile(
    r"\\the([A-Za-z]+)|\\(arabic|roman|Roman|alph|Alph)\s*\{(\w+)\}|\\(?![A-Za-z])|\\[A-Za-z]+"
)
_LABEL = re.compile(r"\\label\s*\{([^{}]*)\}")
_TAG = re.compile(r"\\tag(\*?)\s*\{((?:[^{}]|\{[^{}]*\})*)\}")
_EQNO = re.compile(r"\\l?eqno\s*(?:\{([^{}]*)\}|(\([^()\s]*\)|[\w.*]+))\s*\Z")
_REFERENCE = re.compile(r"\\(?:eq|auto|name|v|c|C|labelc)?ref\*?\s*\{([^{}]*)\}|\\hyperref\s*\[([^\[\]]*)\]")
_WITHOUT = re.compile(r"\\(?:notag|nonumber)(?![A-Za-z])")
_BREAKS = re.compile(
    r"\\\\\*?(?:[ \t]*\[[^\[\]]*\])?|\\(?P<edge>begin|end)\s*\{[^{}]*\}|\\.|(?P<brace>[{}])", re.DOTALL
)
_DOLLARS = re.compile(r"\$([^$]+)\$")
_DEEPEST: Final = 50


@dataclass(frozen=True, slots=True)
class FormulaRow:
    """A row of a displayed formula. number: what \\ref prints, None without one; tag: what stands beside the row; explicit: by
    \\tag."""

    text: str
    end: str  # the line break after it
    number: str | None
    tag: str | None
    explicit: bool
    labels: tuple[str, ...]


class LatexNumbers:
    """The numbers of the formulas and theorems of a document, read from its nodes in the order of the text."""

    def __init__(self, texts: Iterable[str], macros: Macros) -> None:
        """`texts` are those of all files, without comments, the main file first."""
        self.rows: dict[int, list[FormulaRow]] = {}  # id of a node of a displayed formula -> its rows
        self.theorems: dict[int, str] = {}  # id of a node -> number
        self.formulas: dict[str, str] = {}  # label of a formula -> number
        self._values: Counter[str] = Counter()
        self._macros = macros
        whole = "\n".join(texts)
        name = _CLASS.search(whole)
        self._book = _BOOKS.search(name[1]) is not None if name else "\\chapter" in whole
        self._placed = name is not None  # the number of a chapter is that of its place in the files
        self._within = dict(_ABOVE) | ({"equation": "chapter"} if self._book else {})
        if not self._book:
            del self._within["section"]
        self._referred = {
            key.strip() for one in _REFERENCE.findall(whole) for key in (one[0] or one[1]).split(",")
        }
        self._shown = set(self._within)  # counters that are printed with the one above them
        self._theorem_counters: dict[str, str] = {}
        for one, shared, above in _THEOREM.findall(whole):
            self._theorem_counters[one.strip()] = shared.strip() or one.strip()
            if above:
                self._within[one.strip()] = above.strip()
                self._shown.add(one.strip())
        for match in _WITHIN.finditer(whole):
            self._within[match[1]] = match[2]
            if "@addtoreset" not in match[0] and "counterwithin*" not in match[0]:
                self._shown.add(match[1])
        self._letters: frozenset[str] = frozenset()  # counters that \appendix turned into letters
        self._inside: list[str] = []  # the number of the subequations around

    def read(self, nodes: Sequence[TexNode], text: str, other: Callable[[TexNode], None]) -> None:
        """Number what stands in the nodes of a file with this text; `other` reads the file that a node inputs."""
        for node in nodes:
            if node.kind == "macro":
                if node.name in _DEFINITIONS:
                    continue
                self._macro(node, text)
                other(node)
            elif node.kind == "display":
                self._formula(node, "displaymath")
                continue
            elif node.kind == "environment":
                if node.name in DISPLAYS:
                    self._formula(node, node.name)
                    continue
                if node.name == "subequations":
                    self._subequations(node, text, other)
                    continue
                if node.name in _SECTIONS:
                    self._step(_SECTIONS[node.name])
                counter = self._theorem_counters.get(node.name)
                if counter is not None:
                    self._step(counter)
                    self.theorems[id(node)] = self._printed(counter)
            self.read([*node.arguments, *node.children], text, other)

    def shown(self, node: TexNode) -> tuple[str, str | None]:
        """Return (the body of a displayed formula, the tag of the whole formula, if it has one).

        A row shows its number where something refers to its label, or where \\tag says it. If it is the only row with a number,
        this is the number of the formula; otherwise it stands at the end of the row.
        """
        rows = self.rows.get(id(node))
        if rows is None:
            return node.text, None
        shown = [row.tag if row.explicit or self._referred.intersection(row.labels) else None for row in rows]
        if sum(row.tag is not None for row in rows) == 1:
            return "".join(row.text + row.end for row in rows), next((tag for tag in shown if tag), None)
        parts = [
            (f"{row.text.rstrip()} \\qquad\\text{{{tag}}}" if tag else row.text) + row.end
            for row, tag in zip(rows, shown, strict=True)
        ]
        return "".join(parts), None

    def labels_of(self, node: TexNode) -> list[str]:
        """Return the labels of the rows of a displayed formula."""
        return [label for row in self.rows.get(id(node), ()) for label in row.labels]

    def reference(self, macro: str, label: str) -> str | None:
        """Return what a macro such as \\eqref prints for the label of a formula; None if no formula has it."""
        number = self.formulas.get(label)
        if number is None:
            return None
        plain = _DOLLARS.sub(r"\\(\1\\)", number)
        return {"eqref": f"({plain})", "autoref": f"Equation {plain}", "cref": f"eq. ({plain})", "Cref": f"Equation ({plain})"}.get(
            macro, plain
        )  # fmt: skip

    def _macro(self, node: TexNode, text: str) -> None:
        name = node.name
        if name in _SECTIONS:
            if text[node.start + 1 + len(name) : node.start + 2 + len(name)] != "*":
                self._step(_SECTIONS[name])
        elif name == "appendix":
            top = "chapter" if self._book else "section"
            self._letters = frozenset({top})
            self._values[top] = 0
        elif name in ("setcounter", "addtocounter") and len(node.arguments) == 2:
            counter, value = (
                text[argument.start : argument.end].strip("{} \n") for argument in node.arguments
            )
            if re.fullmatch(r"-?\d{1,6}", value):
                self._values[counter] = int(value) + (self._values[counter] if name == "addtocounter" else 0)
        elif name in ("stepcounter", "refstepcounter") and node.arguments:
            argument = node.arguments[0]
            self._step(text[argument.start : argument.end].strip("{} \n"))

    def _subequations(self, node: TexNode, text: str, other: Callable[[TexNode], None]) -> None:
        self._step("equation")
        whole = self._printed("equation")
        for one in node.children:
            if one.kind == "macro" and one.name == "label" and one.arguments:
                key = text[one.arguments[0].start : one.arguments[0].end].strip("{} \n")
                self.formulas[key] = whole
        before = self._values["equation"]
        self._values["equation"] = 0
        self._inside.append(whole)
        self.read(node.children, text, other)
        self._inside.pop()
        self._values["equation"] = before

    def _formula(self, node: TexNode, name: str) -> None:
        plain = name.rstrip("*")
        numbered = not name.endswith("*") and plain != "displaymath"
        body = without_tex_comments(node.text)
        rows = []
        pieces = _rows(body) if plain in _ROWS else [(body, "")]
        for text, end in pieces:
            tag, number, shown = _TAG.search(text) or _EQNO.search(text), None, None
            if tag is not None and tag.re is _TAG:
                number = _words(tag[2])
                shown = number if tag[1] else f"({number})"
            elif tag is not None:
                shown = _words(tag[1] or tag[2])
                number = shown.strip("()")
            elif numbered and not _WITHOUT.search(text) and (text.strip() or len(pieces) == 1):
                self._step("equation")
                number = self._printed("equation")
                shown = f"({number})"
            labels = tuple(key.strip() for key in _LABEL.findall(text))
            rows.append(
                FormulaRow(_TAG.sub("", _EQNO.sub("", text)), end, number, shown, tag is not None, labels)
            )
            if number is not None:
                self.formulas.update(dict.fromkeys(labels, number))
        self.rows[id(node)] = rows

    def _step(self, counter: str) -> None:
        self._values[counter] += 1
        below = [counter]
        while below:
            above = below.pop()
            for one in [one for one, other in self._within.items() if other == above and one != counter]:
                if self._values.pop(one, None) is not None or one in _ABOVE:
                    below.append(one)

    def _printed(self, counter: str, depth: int = 0) -> str:
        """Return the number of a counter as it is printed."""
        if counter == "equation" and self._inside:
            return self._inside[-1] + letter(self._values[counter])
        macro = self._macros.known.get(f"the{counter}")
        if macro is not None and not macro.arguments and depth < _DEEPEST:
            text = self._evaluated(macro.body, depth)
            if text is not None:
                return text
        value = self._values[counter]
        own = letter(value).upper() if counter in self._letters else str(value)
        above = self._within.get(counter)
        if above is None or counter not in self._shown or depth >= _DEEPEST:
            return own
        if above == "chapter" and not (self._placed and self._values[above]):
            return own
        return f"{self._printed(above, depth + 1)}.{own}"

    def _evaluated(self, text: str, depth: int) -> str | None:
        """Return the text of a definition such as \\thesection.\\arabic{equation}, None if it has other macros."""
        out: list[str] = []
        place = 0
        for match in _FORMAT.finditer(text):
            out.append(text[place : match.start()])
            place = match.end()
            if match[1]:
                if match[1] == "chapter" and not self._placed:
                    return None
                out.append(self._printed(match[1], depth + 1))
            elif match[2]:
                value = self._values[match[3]]
                values = {"arabic": str(value), "roman": roman(value), "alph": letter(value)}
                plain = values[match[2].lower()] if value > 0 else str(value)
                out.append(plain.upper() if match[2][0].isupper() else plain)
            else:
                return None
        return "".join([*out, text[place:]]).strip()


def _words(tag: str) -> str:
    return " ".join(tag.split())


def _rows(body: str) -> list[tuple[str, str]]:
    """Return (text, line break) of each row of a formula; line breaks inside of groups and environments begin no row."""
    rows: list[tuple[str, str]] = []
    depth = start = 0
    for match in _BREAKS.finditer(body):
        if match["edge"]:
            depth += 1 if match["edge"] == "begin" else -1
        elif match["brace"]:
            depth += 1 if match["brace"] == "{" else -1
        elif match[0].startswith("\\\\") and depth <= 0:
            rows.append((body[start : match.start()], match[0]))
            start = match.end()
    return [*rows, (body[start:], "")]
