"""The environments and macros of LaTeX that are recognised by their names."""

from __future__ import annotations

from typing import Final

LEVELS: Final = {
    "part": 1, "chapter": 1, "section": 2, "subsection": 3, "subsubsection": 4, "paragraph": 5, "subparagraph": 6,
    "chapterpage": 1, "eocesolch": 1,
}  # fmt: skip
TABLES: Final = frozenset({"tabular", "tabular*", "tabularx", "longtable", "tabulary", "array"})
LISTS: Final = frozenset({
    "enumerate", "itemize", "description", "parts", "subparts", "subsubparts", "compactenum", "compactitem", "tasks", "inparaenum",
    "enumeratea", "enumeratei",
})  # fmt: skip
PLAIN_LISTS: Final = frozenset({"itemize", "description", "compactitem"})
FLOATS: Final = frozenset(
    {"figure", "figure*", "table", "table*", "wrapfigure", "marginfigure", "sidewaystable", "longtable"}
)
PICTURES: Final = frozenset({"tikzpicture", "pgfpicture", "picture", "asy", "pspicture", "tikzcd", "axis"})
SKIPPED: Final = frozenset({
    "comment", "filecontents", "filecontents*", "thebibliography", "theindex", "titlepage", "tocpage",
})  # fmt: skip
CODE: Final = frozenset(
    {"verbatim", "verbatim*", "lstlisting", "minted", "Verbatim", "alltt", "Sinput", "Soutput"}
)
INPUTS: Final = frozenset({"input", "include", "subfile", "import", "subimport", "subincludefrom"})
SILENT: Final = frozenset({
    "label", "index", "vspace", "hspace", "vskip", "hskip", "setlength", "addtolength", "newcommand", "renewcommand",
    "providecommand", "newenvironment", "renewenvironment", "newtheorem", "theoremstyle", "usepackage", "RequirePackage",
    "documentclass", "pagestyle", "thispagestyle", "bibliography", "bibliographystyle", "cite", "citep", "citet", "citealp", "color",
    "footfullcite", "footcite", "nocite", "includeonly", "hypersetup", "geometry", "graphicspath", "DeclareMathOperator", "cline",
    "cmidrule", "setcounter", "addtocounter", "fontsize", "rule", "phantom", "vphantom", "hphantom", "pagecolor", "definecolor",
    "newcounter", "stepcounter", "refstepcounter", "addcontentsline", "title", "author", "date", "printindex", "tableofcontents",
    "listoffigures", "maketitle", "chaptersection", "footnotemark", "newtcbtheorem", "declaretheorem", "hyphenation", "nolinkurl",
    "markboth", "markright", "enlargethispage", "columnbreak", "newlength", "settowidth", "tikzset", "pgfplotsset", "chaptertitle",
    "setkeys", "setlist", "lstset", "newif", "bibitem", "glossary", "nomenclature", "printbibliography", "tag", "notag",
    "nonumber", "marginpar", "marginnote", "todo", "looseness", "linespread", "arraystretch", "AtBeginDocument", "makeindex",
})  # fmt: skip
STYLES: Final = {
    "emph": "*", "textit": "*", "textsl": "*", "term": "**", "textbf": "**", "termsub": "**", "texttt": "`", "defn": "**",
    "underline": "", "data": "", "key": "**", "keyword": "**",
}  # fmt: skip
SIGNS: Final = {
    "$": "$", "%": "%", "&": "&", "_": "_", "#": "#", "{": "{", "}": "}", " ": " ", ",": " ", ";": " ", ":": " ", "!": "", "/": "",
    "\\": "\n", "newline": "\n", "par": "\n\n", "linebreak": "\n", "-": "", "@": "", "quad": " ", "qquad": " ", "enspace": " ",
    "thinspace": " ", "us": "_", "textbackslash": "\\", "ldots": "…", "dots": "…", "textellipsis": "…", "bigskip": "\n\n",
    "medskip": "\n\n", "smallskip": "\n\n", "LaTeX": "LaTeX", "TeX": "TeX", "textasciitilde": "~", "textasciicircum": "^",
    "hfill": " ", "tabularnewline": "\n", "checkmark": "✓", "slash": "/", "pounds": "£",
}  # fmt: skip
SPECIALS: Final = {"~": " ", "``": "“", "''": "”", "--": "–", "---": "—", "!`": "¡", "?`": "¿", "`": "‘"}
BARE: Final = frozenset(
    {"question", "problem", "exercise", "ex", "Exercise", "Problem", "Question", "bonusquestion"}
)
REFERENCES: Final = frozenset({"ref", "eqref", "autoref", "cref", "Cref", "nameref", "vref", "hyperref"})
TITLED: Final = frozenset({"qt", "exercisetitle", "tipBoxTitle"})
SECTIONS: Final = {"exercisesheader": "Exercises", "reviewexercisesheader": "Review exercises"}
