"""What headings and names say about what stands below them: exercises, or their hints, answers or solutions."""

from __future__ import annotations

import re
from typing import Final

from tasks.documents.document import ElementKind

# environments and macros, the titles of \newtheorem, and the labels of paragraphs: the first pattern that matches decides
_PATTERNS: Final[tuple[tuple[ElementKind, str], ...]] = (
    ("solution", r"(?<!re)(?:solution|soln)s?(?:box)?$|\bsolutions?\b|^sols?$|^eocesol$|lösung|解答|^解$"),
    ("answer", r"\banswers?|^ans$|antwort|答案"),
    ("hint", r"\bhints?\b|hinweis|提示"),
    ("proof", r"proof|beweis|证明|證明"),
    ("example", r"^n?examples?|^exmp|^exam$|^eg$|beispiel|例[题子]?\b|^例"),
    (
        "exercise",
        (
            r"exerci[sz]e|^exer|^ex$|^eoce$|problems?$|^prob$|^questions?$|^task$|aufgabe|übung|checkpoint|"
            r"guided ?practice|investigation|习题|练习|練習"
        ),
    ),
    ("definition", r"^defi?n?s?$|definition|定义|定義"),
    (
        "theorem",
        (
            r"theorem|^thm|lemma|^lem$|^propo?s?i?t?i?o?n?$|proposition|corollary|^cor|axiom|claim|conjecture|^conj|"
            r"postulate|^fact$|satz|定理|引理|推论|命题|公理"
        ),
    ),
)
_NAMES: Final = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _PATTERNS)
_EXERCISES = re.compile(
    r"\b(?:exercises?|problems?|questions?|homework|practice|review|drills?|aufgaben|übungen)\b|习题|练习|練習|复习题",
    re.IGNORECASE,
)
_PRINTED: Final[tuple[tuple[ElementKind, re.Pattern[str]], ...]] = (
    ("hint", re.compile(r"\bhints?\b|提示", re.IGNORECASE)),
    ("solution", re.compile(r"\bsolutions?\b|\blösungen\b|解答", re.IGNORECASE)),
    ("answer", re.compile(r"\banswers?\b|\bkey\b|答案", re.IGNORECASE)),
)
_CUT = re.compile(
    r"(?:table of )?contents|(?:subject |author |name )?index|index of \w+|list of (?:figures|tables|symbols)|bibliography|"
    r"references|works cited|literature|further reading|目录|索引|参考文献|inhaltsverzeichnis|literaturverzeichnis",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+(?:\.\d+)*(?:\.?[a-z](?![a-z]))?")
_SELECTED = re.compile(r"\b(?:to|for|of)\b|\bselected\b|\bodd\b", re.IGNORECASE)


def kind_of_name(name: str) -> ElementKind | None:
    """Return what an environment, a macro or a printed name such as "Lemma" is, None if it is none of these."""
    plain = name.strip().rstrip("*.:").strip()
    return next((kind for kind, pattern in _NAMES if pattern.search(plain)), None)


def kind_below(title: str) -> ElementKind | None:
    """Return what the numbered items below a heading are: exercises, hints, answers or solutions; None for other headings."""
    if len(title) > 120:
        return None
    printed = next((kind for kind, pattern in _PRINTED if pattern.search(title)), None)
    if printed is not None and (
        _EXERCISES.search(title) or _SELECTED.search(title) or len(title.split()) <= 3
    ):
        return printed
    return "exercise" if _EXERCISES.search(title) and len(title.split()) <= 8 else None


def is_cut(title: str) -> bool:
    """Return whether a heading is that of a table of contents, an index or a bibliography, which are no text to learn."""
    return _CUT.fullmatch(title.strip().strip(".:").strip()) is not None


def number_of(label: str | None) -> str | None:
    """Return the number in a label such as "Exercise 3.2" or "3.2.", None if it has none."""
    match = _NUMBER.search(label or "")
    return match[0] if match else None
