r"""The mathematics of a page of HTML as LaTeX in its text: KaTeX, MathJax, MathML, and images of formulas with their source.

`math_as_latex` replaces, in a tree of lxml, each rendered formula by its LaTeX between \( and \) or \[ and \], so that whatever reads
the text of the tree afterwards finds it. The LaTeX that the page itself carries is preferred: the annotation of MathML, the script of
MathJax, the `alttext` of LaTeXML, the `alt` of an image. MathML without any is translated.

Formulas that are built of HTML alone keep their superscripts and subscripts (`scripts_as_latex`).

It does not translate formulas that are images without a source.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from pylatexenc.latexencode import UnicodeToLatexEncoder

DEEPEST: Final = 100  # nested elements of a formula; a deeper one is given as its text
_DISPLAYSTYLE: Final = re.compile(r"^\{\\(?:display|text)style\s*(.*)\}$", re.DOTALL)
_DELIMITED: Final = (("$$", "$$"), (r"\[", r"\]"), (r"\(", r"\)"), ("$", "$"))
_IMAGES: Final = ("mwe-math-fallback-image", "latex", "tex", "math", "latexcenter")
_RENDERED: Final = ("MathJax", "MathJax_Display", "MathJax_Preview", "MathJax_SVG", "MathJax_CHTML", "MJX")
# classes of elements that hold one whole formula -> whether it is displayed
_WHOLE: Final = {
    "katex-display": True,
    "mwe-math-element": False,
    "katex": False,
}


def math_as_latex(root: Any) -> int:
    """Replace the formulas below an element of lxml by their LaTeX, and return how many there were."""
    count = 0
    for node in list(_formulas(root)):
        if node.getparent() is None or not _inside(node, root):
            continue  # it was part of a formula that is replaced already
        formula = _source(node)
        if formula is None:
            continue
        latex, display = formula
        count += bool(latex)
        _replace(node, _written(latex, display) if latex else "")
    return count


def _formulas(root: Any) -> Iterator[Any]:
    """Yield the elements that may be formulas, outer ones before those in them."""
    for node in root.iter("span", "math", "script", "img", "mjx-container", "div"):
        tag, classes = node.tag, (node.get("class") or "").split()
        if tag == "script":
            if (node.get("type") or "").lower().startswith("math/"):
                yield node
        elif tag in ("math", "mjx-container"):
            yield node
        elif tag == "img":
            if _image(node) is not None:
                yield node
        elif any(name in _WHOLE or name in _RENDERED for name in classes):
            yield node


def _inside(node: Any, root: Any) -> bool:
    top = node
    while top is not root:
        top = top.getparent()
        if top is None:
            return False
    return True


def _source(node: Any) -> tuple[str, bool] | None:
    """Return (LaTeX, whether it is displayed) of a formula; LaTeX "" if it is a second copy; None if it is no formula."""
    classes = (node.get("class") or "").split()
    if node.tag == "script":
        kind = (node.get("type") or "").lower()
        if "mml" in kind:
            return None
        return (node.text or "").strip(), "mode=display" in kind.replace(" ", "")
    if node.tag == "img":
        return _image(node)
    if node.tag == "math":
        return _of_mathml(node)
    if any(name in _RENDERED for name in classes):
        inner = next(node.iter("math"), None)
        after = node.getnext()
        if after is not None and (after.tag == "script" or "MathJax" in (after.get("class") or "")):
            return "", False  # the source follows
        return _of_mathml(inner) if inner is not None else None
    inner = next(node.iter("math"), None)
    if inner is None:
        image = next(node.iter("img"), None)
        return _image(image) if image is not None else None
    latex, displayed = _of_mathml(inner)
    display = node.get("display") == "true" or displayed or any(_WHOLE.get(name, False) for name in classes)
    return latex, display


def _of_mathml(node: Any) -> tuple[str, bool]:
    display = node.get("display") == "block" or node.get("mode") == "display"
    for annotation in node.iter("annotation"):
        if "tex" in (annotation.get("encoding") or "").lower() and (annotation.text or "").strip():
            return _bare(annotation.text)[0], display
    alternative = node.get("alttext")
    if alternative and alternative.strip():
        return _bare(alternative)[0], display
    return mathml_as_latex(node), display


def _image(node: Any) -> tuple[str, bool] | None:
    """Return the LaTeX of an image of a formula: its `alt`, or the query of the address of a renderer."""
    address = node.get("src") or ""
    classes = (node.get("class") or "").split()
    alternative = (node.get("alt") or "").strip()
    by_class = any(name.startswith(_IMAGES[0]) or name in _IMAGES[1:] for name in classes)
    if alternative and (by_class or alternative.startswith(("$", r"\(", r"\[", r"{\displaystyle"))):
        latex, display = _bare(alternative)
        return latex, display or "latexcenter" in classes or "display" in " ".join(classes)
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    if parts.query and ("latex" in parts.path.lower() or "tex" in (parts.hostname or "")):
        named = re.match(r"(?:tex|latex|chl)=", parts.query)
        return _bare(unquote(parts.query[named.end() if named else 0 :]))[0], False
    return None


def _bare(latex: str) -> tuple[str, bool]:
    """Return the LaTeX without its delimiters, and whether they displayed it."""
    latex, display = latex.strip(), False
    for start, end in _DELIMITED:
        if latex.startswith(start) and latex.endswith(end) and len(latex) > len(start) + len(end):
            latex, display = latex[len(start) : -len(end)].strip(), start in ("$$", r"\[")
            break
    styled = _DISPLAYSTYLE.match(latex)
    return (styled[1].strip() if styled else latex), display


def _written(latex: str, display: bool) -> str:
    return f" \\[{latex}\\] " if display else f"\\({latex}\\)"


def _replace(node: Any, text: str) -> None:
    """Put a text in the place of an element."""
    parent, before = node.getparent(), node.getprevious()
    text += node.tail or ""
    if before is not None:
        before.tail = (before.tail or "") + text
    else:
        parent.text = (parent.text or "") + text
    parent.remove(node)


def mathml_as_latex(node: Any) -> str:
    """Return the LaTeX of an element of presentation MathML."""
    return " ".join(_latex(node, 0).split())


def _tag(node: Any) -> str:
    return node.tag.rpartition("}")[2].rpartition(":")[2] if isinstance(node.tag, str) else ""


def _latex(node: Any, depth: int) -> str:
    if depth > DEEPEST:
        return _escaped("".join(node.itertext()))
    tag = _tag(node)
    if tag in ("annotation", "annotation-xml", "mphantom", "none", ""):
        return ""
    if tag in _LEAVES:
        return _LEAVES[tag](" ".join("".join(node.itertext()).split()))
    parts = [_latex(child, depth + 1) for child in node]
    if tag == "mtable":
        return r"\begin{matrix} " + r" \\ ".join(parts) + r" \end{matrix}"
    if tag in ("mtr", "mlabeledtr"):
        return " & ".join(parts)
    if tag == "mfenced":
        marks = "".join((node.get("separators") or ",").split()) or ","
        inner = f" {marks[0]} ".join(parts)
        return rf"\left{_fence(node.get('open') or '(')} {inner} \right{_fence(node.get('close') or ')')}"
    if tag == "msqrt":
        return rf"\sqrt{{{' '.join(parts)}}}"
    shape = _SHAPES.get(tag)
    if shape is not None and len(parts) == shape[0]:
        return shape[1](*parts)
    return " ".join(parts)


def _over(base: str, above: str) -> str:
    accent = _ACCENTS.get(above.strip())
    if accent is not None:
        return rf"{accent}{{{base}}}"
    return f"{base}^{{{above}}}" if base.strip() in _LARGE else rf"\overset{{{above}}}{{{base}}}"


def _under(base: str, below: str) -> str:
    return f"{base}_{{{below}}}" if base.strip() in _LARGE else rf"\underset{{{below}}}{{{base}}}"


def _grouped(base: str) -> str:
    return base if len(base.strip()) == 1 or re.fullmatch(r"\\[A-Za-z]+", base.strip()) else f"{{{base}}}"


_SHAPES: Final[Mapping[str, tuple[int, Callable[..., str]]]] = {
    "mfrac": (2, lambda over, under: rf"\frac{{{over}}}{{{under}}}"),
    "mroot": (2, lambda base, degree: rf"\sqrt[{degree}]{{{base}}}"),
    "msup": (2, lambda base, upper: f"{_grouped(base)}^{{{upper}}}"),
    "msub": (2, lambda base, lower: f"{_grouped(base)}_{{{lower}}}"),
    "msubsup": (3, lambda base, lower, upper: f"{_grouped(base)}_{{{lower}}}^{{{upper}}}"),
    "mover": (2, _over),
    "munder": (2, _under),
    "munderover": (3, lambda base, below, above: f"{base}_{{{below}}}^{{{above}}}"),
}
_ACCENTS: Final = {
    "¯": r"\overline",
    "‾": r"\overline",
    "^": r"\hat",
    "~": r"\tilde",
    "˜": r"\tilde",
    "˙": r"\dot",
    "¨": r"\ddot",
    r"\to": r"\vec",
}
# characters for which pylatexenc has a command of text, or none
_OWN: Final = {
    "×": r"\times",
    "·": r"\cdot",
    "÷": r"\div",
    "¬": r"\neg",
    "→": r"\to",
    "⟶": r"\to",
    "←": r"\leftarrow",
    "…": r"\dots",
    "′": "'",
    "\\": r"\setminus",
    "∅": r"\emptyset",
    **dict.fromkeys("\u2061\u2062\u2063\u2064", ""),
    **{one: one for one in "^~-"},
}
_LARGE: Final = {
    *(r"\sum", r"\prod", r"\int", r"\iint", r"\oint", r"\lim", r"\max", r"\min", r"\sup", r"\inf"),
    *(r"\limsup", r"\liminf", r"\gcd", r"\bigcup", r"\bigcap"),
}
_FUNCTIONS: Final = frozenset(
    {
        "sin",
        "cos",
        "tan",
        "cot",
        "sec",
        "csc",
        "arcsin",
        "arccos",
        "arctan",
        "sinh",
        "cosh",
        "tanh",
        "log",
        "ln",
        "exp",
    }
    | {"lim", "max", "min", "sup", "inf", "limsup", "liminf", "gcd", "det", "dim", "ker", "arg", "deg", "Pr"}
)
_ENCODER: Final = UnicodeToLatexEncoder(
    unknown_char_policy="keep", unknown_char_warning=False, replacement_latex_protection="none"
)
_IN_MATHEMATICS: Final = re.compile(r"\\ensuremath\{(.*)\}")


def _escaped(text: str) -> str:
    """Return characters as LaTeX of a formula, a command with a space after it."""
    return "".join(map(_character, text))


@functools.cache
def _character(one: str) -> str:
    written = _OWN.get(one)
    if written is None:
        written = _IN_MATHEMATICS.sub(r"\1", _ENCODER.unicode_to_latex(one))
        if written.startswith(r"\text"):
            written = one
    return f"{written} " if re.fullmatch(r"\\[A-Za-z]+", written) else written


def _identifier(text: str) -> str:
    if text in _FUNCTIONS:
        return f"\\{text}"
    written = _escaped(text).strip()
    return rf"\mathrm{{{written}}}" if len(text) > 1 and text.isalpha() and text.isascii() else written


def _operator(text: str) -> str:
    return f"\\{text}" if text in _FUNCTIONS else _escaped(text).strip()


def _fence(text: str) -> str:
    return _escaped(text).strip() or "."


_LEAVES: Final[Mapping[str, Callable[[str], str]]] = {
    "mi": _identifier,
    "mn": lambda text: _escaped(text).strip(),
    "mo": _operator,
    "mtext": lambda text: rf"\text{{{text}}}" if text else "",
    "ms": lambda text: rf"\text{{{text}}}" if text else "",
    "mspace": lambda text: "",
}


_MARK: Final = re.compile(r"[-+−]?[A-Za-z0-9α-ωΑ-Ω+−*/,()\-]{1,12}")
_ORDINAL: Final = frozenset({"st", "nd", "rd", "th", "tm", "TM", "sm"})


def scripts_as_latex(root: Any) -> None:
    """Replace short superscripts and subscripts of HTML by `^{...}` and `_{...}`, so that x<sup>2</sup> does not become x2.

    Notes, which are links or in brackets, and ordinals stay as they are.
    """
    for node in list(root.iter("sup", "sub")):
        text = "".join(node.itertext()).strip()
        if node.getparent() is None or text in _ORDINAL or next(node.iter("a"), None) is not None:
            continue
        if _MARK.fullmatch(text):
            sign = "^" if node.tag == "sup" else "_"
            _replace(node, f"{sign}{text}" if len(text) == 1 else f"{sign}{{{text}}}")
