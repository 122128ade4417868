"""Formulas as they are kept: LaTeX that KaTeX and MathJax read, without what only concerns the page."""

from __future__ import annotations

import re
from typing import Final

from pylatexenc import latexwalker
from pylatexenc.latex2text import get_default_latex_context_db

from tasks.documents.macros import Macros, braced, without_tex_comments

_LAYOUT = re.compile(
    r"\\(?:label|vspace|hspace|tag|index|color|vskip|hskip|pagebreak|displaybreak)\*?\s*(?:\{[^{}]*\}|\[[^\[\]]*\])"
    r"|\\(?:nonumber|notag|allowdisplaybreaks|noindent|displaybreak|small|footnotesize|large|normalsize)(?![A-Za-z])"
)
_MACRO = re.compile(r"\\([A-Za-z]+)\*?(?=\{)")
_ALIGNED: Final = {
    "align": "aligned", "alignat": "aligned", "flalign": "aligned", "eqnarray": "array", "gather": "gathered",
    "multline": "gathered", "IEEEeqnarray": "array",
}  # fmt: skip
_NESTED = re.compile(r"(\\text\{[^{}]*)\\text\{([^{}]*)\}")
_PIECES = re.compile(r"\\\((.*?)\\\)", re.DOTALL)
_BRACKET = re.compile(r"\\[{}]|[(){}]")
_MOST_WORDS: Final = 80  # characters between two pieces of one formula
_WALKER: Final = latexwalker.get_default_latex_context_db()
_TEXT: Final = get_default_latex_context_db()
# macros with arguments that KaTeX and MathJax know and pylatexenc does not
_KNOWN: Final = frozenset({
    "text", "operatorname", "boxed", "cancel", "bcancel", "xcancel", "underbrace", "overbrace", "substack", "stackrel", "overset",
    "underset", "mathbb", "mathcal", "mathfrak", "mathscr", "mathrm", "mathbf", "mathit", "mathsf", "mathtt", "boldsymbol", "bm",
    "dfrac", "tfrac", "cfrac", "binom", "dbinom", "tbinom", "frac", "sqrt", "pmod", "mod", "bmod", "overline", "underline",
    "overrightarrow", "overleftarrow", "widehat", "widetilde", "xrightarrow", "xleftarrow", "textbf", "textit", "textrm", "textsf",
    "texttt", "mbox", "hbox", "fbox", "phantom", "hphantom", "vphantom", "smash", "mathop", "mathbin", "mathrel", "mathord",
    "begin", "end", "left", "right", "big", "Big", "bigg", "Bigg", "textcolor", "color", "colorbox", "hat", "bar", "vec", "dot",
    "ddot", "tilde", "check", "acute", "grave", "breve", "not", "limits", "nolimits", "displaystyle", "textstyle", "ce", "sideset",
    "genfrac", "raise", "lower", "kern", "mkern", "hskip", "hspace", "rule", "tag", "class", "href", "ref", "eqref", "prescript",
})  # fmt: skip


def formula(text: str, macros: Macros) -> str:
    """Return an inline formula in one line."""
    return " ".join(_clean(text, macros).split())


def displayed(text: str, environment: str, macros: Macros) -> str:
    r"""Return a displayed formula between \[ and \], with its lines in an environment that is allowed there."""
    plain = environment.rstrip("*")
    body = _clean(
        re.sub(r"\A\s*\{[^{}]*\}", "", text) if plain in ("alignat", "IEEEeqnarray") else text, macros
    )
    body = "\n".join(line.strip() for line in body.split("\n") if line.strip())
    body = re.sub(r"\\\\\s*(?:\[[^\[\]]*\])?\s*\Z", "", body).strip()
    if not body:
        return ""
    name = _ALIGNED.get(plain)
    if name == "aligned" and "&" not in body and "\\\\" not in body:
        name = None
    if name is None:
        return rf"\[{body}\]"
    columns = "{rcl}" if name == "array" else ""
    return f"\\[\\begin{{{name}}}{columns}\n{body}\n\\end{{{name}}}\\]"


def _clean(text: str, macros: Macros) -> str:
    return _texts(_LAYOUT.sub("", macros.expanded(without_tex_comments(text))))


def _texts(text: str) -> str:
    r"""Return a formula in which a macro with an argument that nobody knows is \text of it: such macros style words."""
    for _ in range(8):
        out: list[str] = []
        place = 0
        for match in _MACRO.finditer(text):
            if match.start() < place or _is_known(match[1]):
                continue
            argument, end = braced(text, match.end())
            if argument is None:
                continue
            styled = rf"\text{{{argument}}}" if argument.strip() else "\\_" if match[1] == "us" else ""
            out += [text[place : match.start()], styled]
            place = end
        if not out:
            break
        text = "".join([*out, text[place:]])
    while (flatter := _NESTED.sub(r"\1\2", text)) != text:
        text = flatter
    return text


def with_whole_formulas(text: str) -> str:
    r"""Return a text in which `\(P(\)heads\()\)`, one formula in pieces, is `\(P(\text{heads})\)`."""
    pieces = _PIECES.split(text)  # text, formula, text, ...
    out = [pieces[0]]
    place = 1
    while place < len(pieces):
        whole = pieces[place]
        after = place + 1
        while _open(whole) > 0 and after + 1 < len(pieces) and _joins(pieces[after]):
            words = pieces[after]
            if re.fullmatch(r"[\d\s,.]*", words) is None:
                escaped = words.replace("_", r"\_")
                words = rf"\text{{{escaped}}}"
            whole += words + pieces[after + 1]
            after += 2
        if _open(whole) != 0:
            whole, after = pieces[place], place + 1
        out += [rf"\({whole}\)", pieces[after]]
        place = after + 1
    return "".join(out)


def _joins(text: str) -> bool:
    return len(text) <= _MOST_WORDS and "\n" not in text and not re.search(r"[\\*`{}$]|\. [A-Z]", text)


def _open(formula: str) -> int:
    """Return how many brackets are open at the end of a formula."""
    signs = _BRACKET.findall(formula)
    return sum(sign[-1] in "({" for sign in signs) - sum(sign[-1] in ")}" for sign in signs)


def _is_known(name: str) -> bool:
    return (
        name in _KNOWN or _WALKER.get_macro_spec(name) is not None or _TEXT.get_macro_spec(name) is not None
    )
