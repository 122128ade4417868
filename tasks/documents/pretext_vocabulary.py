"""The elements of PreTeXt by what they are."""

from __future__ import annotations

from typing import Final

from tasks.documents.document import ElementKind

LEVELS: Final = {
    "part": 1, "chapter": 1, "appendix": 1, "preface": 1, "section": 2, "subsection": 3, "subsubsection": 4, "paragraphs": 5,
}  # fmt: skip
SPECIAL: Final = {
    "exercises": "Exercises", "reading-questions": "Reading Questions", "worksheet": "Worksheet", "handout": "Handout",
    "glossary": "Glossary", "acknowledgement": "Acknowledgements", "solutions": "Solutions",
}  # fmt: skip
CUT: Final = frozenset({"references", "index", "index-part", "biography", "colophon", "titlepage", "docinfo"})
THEOREMS: Final = frozenset(
    [
        "theorem",
        "lemma",
        "corollary",
        "proposition",
        "algorithm",
        "claim",
        "fact",
        "identity",
        "axiom",
        "conjecture",
        "principle",
        "heuristic",
        "hypothesis",
        "assumption",
    ]
)
EXAMPLES: Final = frozenset({"example", "question", "problem"})
EXERCISES: Final = frozenset({"exercise", "project", "activity", "exploration", "investigation"})
PROOFS: Final = frozenset({"proof", "argument", "justification", "reasoning", "explanation", "case"})
REMARKS: Final = frozenset(
    [
        "remark",
        "convention",
        "note",
        "observation",
        "warning",
        "insight",
        "computation",
        "technology",
        "data",
        "assemblage",
        "aside",
        "biographical",
        "historical",
        "objectives",
        "outcomes",
    ]
)
ATTACHED: Final[dict[str, ElementKind]] = {"hint": "hint", "answer": "answer", "solution": "solution"}
# they hold blocks, and have no look of their own
TRANSPARENT: Final = frozenset(
    [
        "book",
        "article",
        "pretext",
        "mathbook",
        "frontmatter",
        "backmatter",
        "mainmatter",
        "introduction",
        "conclusion",
        "statement",
        "sidebyside",
        "sbsgroup",
        "stack",
        "figure",
        "table",
        "listing",
        "list",
        "subexercises",
        "prelude",
        "postlude",
        "poem",
        "webwork",
        "page",
        "interactive",
        "prefigure",
        "instructions",
    ]
)
LEFT_OUT: Final = frozenset(
    [
        "idx",
        "notation",
        "title",
        "shorttitle",
        "plaintitle",
        "subtitle",
        "creator",
        "pg-code",
        "setup",
        "latex-image",
        "asymptote",
        "sageplot",
        "caption",
        "description",
        "shortdescription",
        "feedback",
        "slate",
        "condition",
        "usage",
        "macros",
        "clearpage",
        "pagebreak",
        "tags",
        "video",
        "audio",
    ]
)
CHARACTERS: Final = {
    "nbsp": " ", "ndash": "–", "mdash": "—", "ellipsis": "…", "midpoint": "·", "swungdash": "~", "permille": "‰",
    "pilcrow": "¶", "section-mark": "§", "minus": "−", "times": "×", "solidus": "/", "obelus": "÷", "plusminus": "±",
    "copyright": "©", "registered": "®", "trademark": "™", "phonomark": "℗", "copyleft": "🄯", "degree": "°", "prime": "′",
    "dblprime": "″", "eighthnote": "♪", "flat": "♭", "doubleflat": "𝄫", "sharp": "♯", "doublesharp": "𝄪", "natural": "♮",
    "lsq": "‘", "rsq": "’", "lq": "“", "rq": "”", "langle": "⟨", "rangle": "⟩", "lbrace": "{", "rbrace": "}",
    "lbracket": "[", "rbracket": "]", "ad": "AD", "am": "AM", "bc": "BC", "ca": "ca.", "eg": "e.g.", "etal": "et al.",
    "etc": "etc.", "ie": "i.e.", "nb": "n.b.", "pm": "PM", "ps": "P.S.", "vs": "vs.", "viz": "viz.", "tex": "TeX",
    "latex": "LaTeX", "pretext": "PreTeXt", "webwork": "WeBWorK",
}  # fmt: skip
MARKS: Final = {
    "em": "*",
    "term": "**",
    "alert": "**",
    "pubtitle": "*",
    "foreign": "*",
    "articletitle": "*",
    "taxon": "*",
}
FLOATS: Final = frozenset({"figure", "table", "listing", "list"})
DISPLAYS: Final = frozenset({"me", "men", "md", "mdn"})
LABELLED: Final = frozenset({"theorem", "definition", "example", "exercise"})
BLOCK: Final = DISPLAYS | frozenset(
    [
        "p",
        "ol",
        "ul",
        "dl",
        "tabular",
        "image",
        "figure",
        "table",
        "listing",
        "sidebyside",
        "sbsgroup",
        "blockquote",
        "program",
        "pre",
        "cd",
        "console",
        "sage",
        "choices",
        "matches",
        "matching",
        "cardsort",
    ]
)
INLINE: Final = frozenset({
    "m", "q", "sq", "c", "tag", "tage", "attr", "fillin", "var", "xref", "fn", "url", "dataurl", "line", "init", "abbr", "acro",
    "email", "h", "see", "u", "delete", "insert", "stale", "icon", "kbd", "quantity", "today", "timeofday", *MARKS, *CHARACTERS,
    *LEFT_OUT,
})  # fmt: skip
