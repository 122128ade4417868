"""Formulas of Word (Office Math Markup Language, ECMA-376 part 1, 22.1) as LaTeX.

Formats of single letters other than bold, script, Fraktur and double-struck, spacing and breaks set by hand are not kept; what has no
counterpart in LaTeX (a box, a phantom) is given as its content.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tasks.documents.printed_boxes import latex_of
from tasks.documents.printed_latex import FUNCTIONS

MATH: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
MAX_DEPTH: Final = 200
_ACCENTS: Final = {
    "\u0302": "hat", "^": "hat", "\u0303": "tilde", "~": "tilde", "\u0304": "bar", "\u0305": "overline", "¯": "bar", "\u0307": "dot",
    "\u0308": "ddot", "\u20d7": "vec", "→": "vec", "\u030c": "check", "\u0306": "breve",
}  # fmt: skip
_OPERATORS: Final = {"∑": r"\sum", "∏": r"\prod", "∐": r"\coprod", "∫": r"\int", "∬": r"\iint", "∭": r"\iiint", "∮": r"\oint", "⋃": r"\bigcup", "⋂": r"\bigcap", "⋁": r"\bigvee", "⋀": r"\bigwedge"}  # fmt: skip
_SCRIPTS: Final = {"script": "mathcal", "fraktur": "mathfrak", "double-struck": "mathbb"}


def office_math(element: Any) -> str:
    """Return an element m:oMath as LaTeX without delimiters. Raises RecursionError if it is nested too deeply."""
    return _join(_content(element, 0))


def _content(element: Any, depth: int) -> list[str]:
    if depth > MAX_DEPTH:
        raise RecursionError("formula")
    parts: list[str] = []
    for child in element:
        if not isinstance(child.tag, str) or not child.tag.startswith(MATH):
            continue
        name = child.tag[len(MATH) :]
        if name == "r":
            parts.append(_run(child))
        elif name in _WRITERS:
            parts.append(_WRITERS[name](child, depth + 1))
        elif not name.endswith("Pr"):
            parts += _content(child, depth + 1)
    return [part for part in parts if part]


def _join(parts: list[str]) -> str:
    """Join LaTeX, with a blank where a command would run into a letter."""
    text = ""
    for part in parts:
        last = text.rsplit("\\", 1)[-1] if "\\" in text else ""
        text += (" " if last.isalpha() and part[:1].isalpha() else "") + part
    return text


def _run(run: Any) -> str:
    text = "".join(one.text or "" for one in run.iter(MATH + "t"))
    if text.strip() in FUNCTIONS:
        return f"\\{text.strip()} "
    style = {one.tag[len(MATH) :]: one.get(MATH + "val") for one in run.iterfind(f"{MATH}rPr/*")}
    if "nor" in style and len(text.strip()) > 1:
        return f"\\text{{{text}}}"
    latex = _join([" " if character.isspace() else latex_of(character) for character in text])
    command = _SCRIPTS.get(style.get("scr") or "") or ("mathbf" if style.get("sty") == "b" else "")
    return f"\\{command}{{{latex}}}" if command and latex.strip() else latex


def _of(element: Any, name: str, depth: int) -> str:
    """Return the content of a child as LaTeX, empty if there is none."""
    child = element.find(MATH + name)
    return "" if child is None else _join(_content(child, depth)).strip()


def _value(element: Any, path: str, default: str = "") -> str:
    """Return the attribute m:val of a property."""
    child = element.find("/".join(MATH + part for part in path.split("/")))
    return default if child is None else str(child.get(MATH + "val", default))


def _fraction(element: Any, depth: int) -> str:
    above, below = _of(element, "num", depth), _of(element, "den", depth)
    kind = _value(element, "fPr/type")
    if kind == "lin":
        return f"{above}/{below}"
    return f"\\binom{{{above}}}{{{below}}}" if kind == "noBar" else f"\\frac{{{above}}}{{{below}}}"


def _script(element: Any, depth: int) -> str:
    base = _of(element, "e", depth)
    lower, upper = _of(element, "sub", depth), _of(element, "sup", depth)
    single = len(base) == 1 or (base.startswith("\\") and base[1:].isalpha())
    whole = base if single or not base else f"{{{base}}}"
    return whole + (f"_{{{lower}}}" if lower else "") + (f"^{{{upper}}}" if upper else "")


def _before(element: Any, depth: int) -> str:
    lower, upper = _of(element, "sub", depth), _of(element, "sup", depth)
    return f"{{}}_{{{lower}}}^{{{upper}}}{_of(element, 'e', depth)}"


def _root(element: Any, depth: int) -> str:
    degree = _of(element, "deg", depth)
    return f"\\sqrt{f'[{degree}]' if degree else ''}{{{_of(element, 'e', depth)}}}"


def _delimited(element: Any, depth: int) -> str:
    opening, closing = _value(element, "dPr/begChr", "("), _value(element, "dPr/endChr", ")")
    separator = _value(element, "dPr/sepChr", "|")
    inside = [_join(_content(one, depth)).strip() for one in element.iterfind(MATH + "e")]
    content = latex_of(separator).join(inside) if separator else "".join(inside)
    if (
        len(inside) == 1
        and (opening, closing) == ("(", ")")
        and content.startswith("\\binom{")
        and _is_one_group(content)
    ):
        return content
    cases = content.startswith("\\begin{aligned}") and opening == "{" and not closing
    if cases:
        return content.replace("aligned", "cases")
    left, right = (latex_of(one) if one else "." for one in (opening, closing))
    return f"\\left{left}{content}\\right{right}"


def _is_one_group(latex: str) -> bool:
    """Return whether LaTeX is one \\binom and nothing after it."""
    depth = groups = 0
    for place, character in enumerate(latex):
        depth += (character == "{") - (character == "}")
        if character == "}" and depth == 0:
            groups += 1
            if groups == 2:
                return place == len(latex) - 1
    return False


def _operator(element: Any, depth: int) -> str:
    sign = _value(element, "naryPr/chr", "∫")
    lower, upper = _of(element, "sub", depth), _of(element, "sup", depth)
    command = _OPERATORS.get(sign, latex_of(sign) if sign else "")
    return f"{command}{f'_{{{lower}}}' if lower else ''}{f'^{{{upper}}}' if upper else ''} {_of(element, 'e', depth)}"


def _function(element: Any, depth: int) -> str:
    return f"{_of(element, 'fName', depth)} {_of(element, 'e', depth)}"


def _limit_below(element: Any, depth: int) -> str:
    base, limit = _of(element, "e", depth), _of(element, "lim", depth)
    return (
        f"{base}_{{{limit}}}"
        if base.startswith("\\") and base[1:].isalpha()
        else f"\\underset{{{limit}}}{{{base}}}"
    )


def _limit_above(element: Any, depth: int) -> str:
    return f"\\overset{{{_of(element, 'lim', depth)}}}{{{_of(element, 'e', depth)}}}"


def _accent(element: Any, depth: int) -> str:
    command = _ACCENTS.get(_value(element, "accPr/chr", "\u0302"), "hat")
    return f"\\{command}{{{_of(element, 'e', depth)}}}"


def _bar(element: Any, depth: int) -> str:
    command = "overline" if _value(element, "barPr/pos") == "top" else "underline"
    return f"\\{command}{{{_of(element, 'e', depth)}}}"


def _matrix(element: Any, depth: int) -> str:
    rows = [
        " & ".join(_join(_content(cell, depth)).strip() for cell in row.iterfind(MATH + "e"))
        for row in element.iterfind(MATH + "mr")
    ]
    return "\\begin{matrix} " + " \\\\ ".join(rows) + " \\end{matrix}"


def _rows(element: Any, depth: int) -> str:
    rows = [_join(_content(one, depth)).strip() for one in element.iterfind(MATH + "e")]
    return "\\begin{aligned} " + " \\\\ ".join(rows) + " \\end{aligned}"


_WRITERS: Final[dict[str, Callable[[Any, int], str]]] = {
    "f": _fraction, "sSup": _script, "sSub": _script, "sSubSup": _script, "sPre": _before, "rad": _root, "d": _delimited,
    "nary": _operator, "func": _function, "limLow": _limit_below, "limUpp": _limit_above, "acc": _accent, "bar": _bar, "m": _matrix,
    "eqArr": _rows,
}  # fmt: skip
