r"""The mathematics of a page of HTML as LaTeX in its text: KaTeX, MathJax, MathML, and images of formulas with their source.

`math_as_latex` replaces, in a tree of lxml, each rendered formula by its LaTeX between \( and \) or \[ and \], so that whatever reads
the text of the tree afterwards finds it. The LaTeX that the page itself carries is preferred: the annotation of MathML, the script of
MathJax, the `alttext` of LaTeXML, the `alt` of an image. MathML without any is translated (tasks.documents.mathml).

`formula_source` and `displayed_formula` do the same for one element of the tree of tasks.documents.tree, which keeps the places of the source.

Formulas that are built of HTML alone keep their superscripts and subscripts (`scripts_as_latex`).

It does not translate formulas that are images without a source.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from lxml import html

from tasks.documents.mathml import latex_of
from tasks.documents.source_text import SourceText
from tasks.documents.tree import TEXT, TreeNode, html_tree

_DISPLAYSTYLE: Final = re.compile(r"^\{\\(?:display|text)style\s*(.*)\}$", re.DOTALL)
_DELIMITED: Final = (("$$", "$$"), (r"\[", r"\]"), (r"\(", r"\)"), ("$", "$"))
_PICTURE: Final = re.compile(r"tex|math|equation|formula|mwe-math", re.IGNORECASE)
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
    markup = html.tostring(node, encoding="utf-8", with_tail=False)
    tree = html_tree(SourceText(markup), "a formula")
    mathematics = next((one for one in tree.walk() if one.tag == "math"), None)
    return ("" if mathematics is None else _bare(latex_of(mathematics))[0]), display


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


def formula_source(node: TreeNode) -> str | None:
    """Return the LaTeX of an element that is a formula; "" for a second rendering of one; None for other elements."""
    classes = node.attributes.get("class", "").split()
    if node.tag == "math":
        return latex_of(node)
    if "katex-html" in classes or "MathJax_Preview" in classes or "mjx-math" in classes:
        return ""
    if node.tag in ("mjx-container", "span", "div") and (
        {"katex", "katex-display", "MathJax", "mjx-container", "mwe-math-element"} & set(classes)
        or node.tag == "mjx-container"
    ):
        inner = next((one for one in node.walk() if one.tag == "math"), None)
        picture = next((one for one in node.walk() if one.tag == "img"), None)
        if inner is not None:
            return latex_of(inner)
        return _alternative_text(picture) if picture is not None else node.attributes.get("data-latex", "")
    if node.tag == "script" and node.attributes.get("type", "").startswith("math/tex"):
        return "".join(one.text for one in node.walk()).strip()
    if node.tag == "img" and _PICTURE.search(
        node.attributes.get("class", "") + " " + node.attributes.get("src", "")[:200]
    ):
        return _alternative_text(node) or None
    if node.tag == "span" and "math" in classes and ("inline" in classes or "display" in classes):  # pandoc
        return re.sub(r"^\\[(\[]|\\[)\]]$", "", "".join(one.text for one in node.walk()).strip()).strip()
    return None


def displayed_formula(node: TreeNode) -> str | None:
    """Return the LaTeX of an element that is a displayed formula, None for other elements."""
    if node.tag == TEXT:
        return None
    classes = node.attributes.get("class", "")
    display = (
        node.attributes.get("display") in ("block", "true")
        or "katex-display" in classes
        or ("math" in classes.split() and "display" in classes.split())
        or "mode=display" in node.attributes.get("type", "")
        or "mwe-math-fallback-image-display" in classes
    )
    if not display and node.tag == "span":
        display = (
            any(one.tag == "math" and one.attributes.get("display") == "block" for one in node.walk())
            and formula_source(node) is not None
        )
    return formula_source(node) if display else None


def _alternative_text(node: TreeNode) -> str:
    text = node.attributes.get("alt", "").strip().strip("$").strip()
    return re.sub(r"^\{\\displaystyle\s*(.*)\}$", r"\1", text, flags=re.DOTALL).strip()
