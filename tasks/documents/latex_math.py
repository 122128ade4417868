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
# macros that KaTeX and MathJax know, pylatexenc does not know all of them
KNOWN: Final = frozenset({
    "text", "operatorname", "boxed", "cancel", "bcancel", "xcancel", "underbrace", "overbrace", "substack", "stackrel", "overset",
    "underset", "mathbb", "mathcal", "mathfrak", "mathscr", "mathrm", "mathbf", "mathit", "mathsf", "mathtt", "boldsymbol", "bm",
    "dfrac", "tfrac", "cfrac", "binom", "dbinom", "tbinom", "frac", "sqrt", "pmod", "mod", "bmod", "overline", "underline",
    "overrightarrow", "overleftarrow", "widehat", "widetilde", "xrightarrow", "xleftarrow", "textbf", "textit", "textrm", "textsf",
    "texttt", "mbox", "hbox", "fbox", "phantom", "hphantom", "vphantom", "smash", "mathop", "mathbin", "mathrel", "mathord",
    "begin", "end", "left", "right", "big", "Big", "bigg", "Bigg", "textcolor", "color", "colorbox", "hat", "bar", "vec", "dot",
    "ddot", "tilde", "check", "acute", "grave", "breve", "not", "limits", "nolimits", "displaystyle", "textstyle", "ce", "sideset",
    "genfrac", "raise", "lower", "kern", "mkern", "hskip", "hspace", "rule", "tag", "class", "href", "ref", "eqref", "prescript",
    # signs and words without arguments
    "choose", "brace", "brack", "over", "atop", "above", "neg", "lnot", "ne", "neq", "iff", "implies", "impliedby", "gets", "land", "lor", "hline",
    "hdashline", "diamondsuit", "heartsuit", "clubsuit", "spadesuit", "pounds", "yen", "euro", "checkmark", "maltese", "lvert", "rvert", "lVert",
    "rVert", "vert", "Vert", "lbrace", "rbrace", "lbrack", "rbrack", "langle", "rangle", "lceil", "rceil", "lfloor", "rfloor", "middle", "dots",
    "dotsb", "dotsc", "dotsi", "dotsm", "dotso", "ldots", "cdots", "vdots", "ddots", "colon", "coloneqq", "eqqcolon", "coloneq", "mid", "nmid",
    "shortmid", "parallel", "nparallel", "perp", "degree", "circ", "bigcirc", "square", "blacksquare", "Box", "Diamond", "lozenge", "triangle",
    "triangleleft", "triangleright", "bigtriangleup", "bigtriangledown", "blacktriangle", "star", "bigstar", "ast", "dagger", "ddagger",
    "limsup", "liminf", "varlimsup", "varliminf", "injlim", "projlim", "argmax", "argmin", "lim", "sup", "inf", "max", "min", "gcd", "lcm",
    "deg", "det", "dim", "hom", "ker", "arg", "Pr", "sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "coth", "arcsin", "arccos",
    "arctan", "exp", "log", "ln", "lg", "Re", "Im", "wp", "ell", "hbar", "imath", "jmath", "aleph", "beth", "gimel", "partial", "nabla", "infty",
    "forall", "exists", "nexists", "emptyset", "varnothing", "complement", "therefore", "because", "top", "bot", "vdash", "dashv", "models",
    "vDash", "Vdash", "nvdash", "nvDash", "prime", "backprime", "surd", "angle", "measuredangle", "sphericalangle", "quad", "qquad", "enspace",
    "thinspace", "medspace", "thickspace", "negthinspace", "scriptstyle", "scriptscriptstyle", "rm", "bf", "it", "sf", "tt", "cal", "pmb", "mathclap",
    "mathllap", "mathrlap", "llap", "rlap", "strut", "mathstrut", "cr", "newline", "arraystretch", "notin", "ni", "owns", "subset",
    "supset", "subseteq", "supseteq", "subsetneq", "supsetneq", "nsubseteq", "nsupseteq", "sqsubset", "sqsubseteq", "sqsupseteq", "setminus",
    "smallsetminus", "cup", "cap", "sqcup", "sqcap", "uplus", "wedge", "vee", "barwedge", "veebar", "bigcup", "bigcap", "bigsqcup", "bigvee",
    "bigwedge", "bigoplus", "bigotimes", "bigodot", "biguplus", "oplus", "ominus", "otimes", "oslash", "odot", "boxplus", "boxminus",
    "boxtimes", "pm", "mp", "times", "div", "cdot", "centerdot", "bullet", "divideontimes", "ltimes", "rtimes", "bowtie", "wr", "amalg", "sum",
    "prod", "coprod", "int", "iint", "iiint", "oint", "oiint", "smallint", "le", "leq", "leqq", "leqslant", "ge", "geq", "geqq", "geqslant", "ll",
    "gg", "lll", "ggg", "lt", "gt", "nless", "ngtr", "nleq", "ngeq", "lesssim", "gtrsim", "prec", "succ", "preceq", "succeq", "equiv", "sim",
    "simeq", "nsim", "cong", "ncong", "approx", "approxeq", "asymp", "doteq", "propto", "varpropto", "frown", "smile", "to", "mapsto",
    "longmapsto", "rightarrow", "leftarrow", "leftrightarrow", "Rightarrow", "Leftarrow", "Leftrightarrow", "longrightarrow", "longleftarrow",
    "longleftrightarrow", "Longrightarrow", "Longleftarrow", "Longleftrightarrow", "uparrow", "downarrow", "updownarrow", "Uparrow", "Downarrow",
    "Updownarrow", "nearrow", "searrow", "swarrow", "nwarrow", "hookrightarrow", "hookleftarrow", "rightharpoonup", "rightharpoondown",
    "leftharpoonup", "leftharpoondown", "rightleftharpoons", "leftrightharpoons", "rightrightarrows", "rightleftarrows", "leadsto",
    "rightsquigarrow", "twoheadrightarrow", "rightarrowtail", "nrightarrow", "nleftarrow", "nRightarrow", "nLeftarrow", "nLeftrightarrow",
    "circlearrowleft", "circlearrowright", "curvearrowright", "upharpoonright", "restriction", "multimap", "dashrightarrow", "varphi", "varepsilon",
    "vartheta", "varrho", "varsigma", "varpi", "varkappa", "digamma", "eth", "mho", "Finv", "Game", "hslash", "Bbbk", "circledR", "circledS",
    "bigl", "bigr", "Bigl", "Bigr", "biggl", "biggr", "Biggl", "Biggr", "bigm", "Bigm", "biggm", "Biggm", "And", "S", "P", "dag", "ddag", "copyright",
    "underbar", "undergroup", "overgroup", "overlinesegment", "underlinesegment", "overleftrightarrow", "underrightarrow", "underleftarrow",
    "xRightarrow", "xLeftarrow", "xLeftrightarrow", "xleftrightarrow", "xmapsto", "xhookrightarrow", "xrightleftharpoons", "mathring", "widecheck",
    "dddot", "ddddot", "operatornamewithlimits", "multicolumn", "cline", "shoveleft", "shoveright", "intertext", "textnormal",
    "textsc", "textup", "textsl", "emph", "footnotesize", "small", "large", "Large", "tiny", "scriptsize", "normalsize", "lineskip", "mathchoice",
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi", "omicron", "pi", "rho", "sigma",
    "tau", "upsilon", "phi", "chi", "psi", "omega", "Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega", "in",
})  # fmt: skip


def formula(text: str, macros: Macros) -> str:
    """Return an inline formula in one line."""
    return " ".join(_clean(text, macros).split())


def displayed(text: str, environment: str, macros: Macros, tag: str | None = None) -> str:
    r"""Return a displayed formula between \[ and \], with its lines in an environment that is allowed there. `tag` is the number
    that stands beside it, with its parentheses, None without one."""
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
    number = f" {tagged(tag)}" if tag else ""
    if name is None:
        return rf"\[{body}{number}\]"
    columns = "{rcl}" if name == "array" else ""
    return f"\\[\\begin{{{name}}}{columns}\n{body}\n\\end{{{name}}}{number}\\]"


def tagged(tag: str) -> str:
    r"""Return the \tag of a number that stands beside a formula: \tag{3} for (3)."""
    return rf"\tag{{{tag[1:-1]}}}" if tag.startswith("(") and tag.endswith(")") else rf"\tag*{{{tag}}}"


def _clean(text: str, macros: Macros) -> str:
    return _texts(_LAYOUT.sub("", macros.expanded(without_tex_comments(text))))


def _texts(text: str) -> str:
    r"""Return a formula in which a macro with an argument that nobody knows is \text of it: such macros style words."""
    for _ in range(8):
        out: list[str] = []
        place = 0
        for match in _MACRO.finditer(text):
            if match.start() < place or is_known(match[1]):
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


def is_known(name: str) -> bool:
    """Return whether a macro, named without its backslash, is one of LaTeX, AMS, KaTeX or MathJax."""
    return name in KNOWN or _WALKER.get_macro_spec(name) is not None or _TEXT.get_macro_spec(name) is not None
