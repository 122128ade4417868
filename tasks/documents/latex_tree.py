"""The nodes of a LaTeX file: pylatexenc's, with the arguments of macros that it does not know, and with files that are input.

TeX is not executed. A macro that neither pylatexenc nor the document defines takes the groups that follow it without a space.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pylatexenc import latexwalker
from pylatexenc.macrospec import EnvironmentSpec, MacroSpec, VerbatimArgsParser

from tasks.documents.formats import UnreadableDocument
from tasks.documents.macros import EnvironmentMacros, Macros

# environments whose content is no LaTeX
VERBATIM: Final = (
    "verbatim",
    "verbatim*",
    "lstlisting",
    "minted",
    "Verbatim",
    "comment",
    "filecontents",
    "filecontents*",
)
_OPTIONAL = re.compile(r"\\([A-Za-z]+)\*?\[")
_ENVIRONMENT = re.compile(r"\\begin\s*\{([^{}]{1,60})\}\s*\[")
_KNOWN: Final = latexwalker.get_default_latex_context_db()
# the arguments of macros that pylatexenc does not know: [ is optional, { is not
_ARGUMENTS: Final = {
    "caption": "*[{", "footnotetext": "[{", "footnotemark": "[", "href": "{{", "import": "{{", "subimport": "{{",
    "multicolumn": "{{{", "multirow": "[{{{", "subfile": "{", "newtheorem": "*{[{[", "declaretheorem": "[{", "captionof": "{{",
    "cline": "{", "cmidrule": "[{", "setcounter": "{{", "addtocounter": "{{", "chapter": "*[{", "part": "*[{", "parbox": "[{{",
    "raisebox": "{[[{", "scalebox": "{{", "resizebox": "{{{", "fontsize": "{{", "rule": "[{{", "newenvironment": "*{[[{{",
    "renewenvironment": "*{[[{{", "newtcbtheorem": "[{{{{", "ensuremath": "{", "url": "{", "nolinkurl": "{", "path": "{",
    # of classes that textbooks use
    "termsub": "{{", "indexthis": "{{", "eoce": "{{", "eocesol": "{", "qt": "{", "oiRedirect": "{{",
}  # fmt: skip

TexKind = Literal["text", "comment", "group", "macro", "environment", "math", "display", "verbatim"]


@dataclass(slots=True)
class TexNode:
    """A node. `text` is that of a text, a comment, a formula without its delimiters, or verbatim content. `start` and `end`
    are the span in characters of the file; `optional` is the argument in brackets, `arguments` those in braces."""

    kind: TexKind
    start: int
    end: int
    name: str = ""
    text: str = ""
    optional: TexNode | None = None
    arguments: list[TexNode] = field(default_factory=list)
    children: list[TexNode] = field(default_factory=list)


def tex_tree(text: str, name: str, macros: Macros) -> list[TexNode]:
    """Return the nodes of a LaTeX text. Raises UnreadableDocument if it is nested too deep."""
    try:
        short = macros.environments(text)
        plain = text
        for (
            start,
            end,
        ) in short.spans:  # a definition that begins an environment would be read as its beginning
            plain = plain[:start] + re.sub(r"[^\n]", " ", plain[start:end]) + plain[end:]
        walker = _Walker(plain, latex_context=_context(text, macros), tolerant_parsing=True)
        walker.short = short
        nodes, _, _ = walker.get_latex_nodes()
        return _all(nodes, text)
    except RecursionError as error:
        raise UnreadableDocument(
            f"{name}: groups nested too deep. Fix: leave the file out", "nesting"
        ) from error


class _Walker(latexwalker.LatexWalker):  # type: ignore[misc]
    """Reads a run of plain characters as one token, and a macro of the document that begins or ends an environment as that.

    pylatexenc reads them one by one, and copies all characters since the last macro for each: megabytes of prose without a macro
    took a time that grew with the square of their length.
    """

    def __init__(self, text: str, *, latex_context: Any, tolerant_parsing: bool) -> None:
        super().__init__(text, latex_context=latex_context, tolerant_parsing=tolerant_parsing)
        self.short = EnvironmentMacros({}, {}, ())
        self._firsts = {spec.specials_chars[0] for spec in latex_context.iter_specials_specs()}

    def get_token(
        self, pos: int, include_brace_chars: Any = None, environments: bool = True, keep_inline_math: Any = None,
        parsing_state: Any = None, **others: Any,
    ) -> Any:  # fmt: skip
        """Return the token at `pos`; a plain character with all plain characters after it, where nodes are read. Arguments
        of macros are read without `environments` or without `parsing_state`: one of them is a single character."""
        token = super().get_token(
            pos, include_brace_chars, environments, keep_inline_math, parsing_state, **others
        )
        if token.tok == "macro" and environments:
            for kind, named in (
                ("begin_environment", self.short.begins),
                ("end_environment", self.short.ends),
            ):
                if token.arg in named:
                    token.tok, token.arg = kind, named[token.arg]
                    token.len -= len(token.post_space)
                    token.post_space = ""
                    break
        if token.tok == "char" and environments and parsing_state is not None:
            end = self._plain_end(token.pos + token.len, include_brace_chars or (), parsing_state)
            token.arg += self.s[token.pos + token.len : end]
            token.len = end - token.pos
        return token

    def _plain_end(self, place: int, braces: Sequence[Sequence[str]], state: Any) -> int:
        """Return where the characters that only are text end."""
        stops = "".join(sorted(self._firsts.union("\\%{}$", *braces)))
        plain = re.compile(f"[^{re.escape(stops)}]*")
        while True:
            place = plain.match(self.s, place).end()  # type: ignore[union-attr]
            if self.s[place : place + 1] not in self._firsts:
                return place
            if state.latex_context.test_for_specials(self.s, place, parsing_state=state) is not None:
                return place
            place += 1


def _context(text: str, macros: Macros) -> Any:
    context = latexwalker.get_default_latex_context_db()
    specs = [MacroSpec(name, args_parser=arguments) for name, arguments in _ARGUMENTS.items()]
    if "\\begin{parts}" in text:  # of the class exam, whose parts are no chapters
        specs.append(MacroSpec("part", args_parser="["))
    bracketed = set(_OPTIONAL.findall(text))
    for name in bracketed:
        if name not in _ARGUMENTS and name not in macros.known and _KNOWN.get_macro_spec(name) is None:
            specs.append(MacroSpec(name, args_parser="["))
    for name, macro in macros.known.items():
        arguments = "{" * macro.arguments
        specs.append(MacroSpec(name, args_parser=arguments if macro.default is None else f"[{arguments[1:]}"))
    environments = [
        EnvironmentSpec(name, args_parser="[")
        for name in set(_ENVIRONMENT.findall(text))
        if _KNOWN.get_environment_spec(name) is None
    ]
    environments += [
        EnvironmentSpec(name, args_parser=VerbatimArgsParser(verbatim_arg_type="verbatim-environment"))
        for name in VERBATIM
    ]
    environments.append(EnvironmentSpec("minipage", args_parser="[[[{"))
    environments.append(EnvironmentSpec("multicols", args_parser="{["))
    context.add_context_category("document", macros=specs, environments=environments, prepend=True)
    return context


def _all(nodes: Sequence[Any], text: str) -> list[TexNode]:
    result: list[TexNode] = []
    for node in nodes:
        if node is None:
            continue
        converted = _node(node, text)
        last = result[-1] if result else None
        if (
            converted.kind == "group"
            and last is not None
            and last.kind == "macro"
            and last.end == converted.start
            and not _is_known(last.name)
        ):
            last.arguments.append(converted)
            last.end = converted.end
        else:
            result.append(converted)
    return result


def _is_known(name: str) -> bool:
    """Return whether the arguments of a macro are known, so that a group after them is none of them."""
    return name in _ARGUMENTS or not name.isalpha() or _KNOWN.get_macro_spec(name) is not None


def _node(node: Any, text: str) -> TexNode:
    start, end = node.pos, node.pos + node.len
    if node.isNodeType(latexwalker.LatexCharsNode):
        return TexNode("text", start, end, text=node.chars)
    if node.isNodeType(latexwalker.LatexSpecialsNode):
        return TexNode("text", start, end, text=node.specials_chars)
    if node.isNodeType(latexwalker.LatexCommentNode):
        return TexNode("comment", start, end, text=node.comment)
    if node.isNodeType(latexwalker.LatexGroupNode):
        return TexNode("group", start, end, children=_all(node.nodelist, text))
    if node.isNodeType(latexwalker.LatexMathNode):
        opening, closing = node.delimiters
        inner = text[start + len(opening) : end - len(closing) if text.endswith(closing, 0, end) else end]
        return TexNode("display" if node.displaytype == "display" else "math", start, end, text=inner)
    optional, arguments = _arguments(node, text)
    if node.isNodeType(latexwalker.LatexMacroNode):
        verbatim = getattr(node.nodeargd, "verbatim_text", None)
        if verbatim is not None:
            return TexNode("verbatim", start, end, node.macroname, verbatim)
        return TexNode(
            "macro", start, end - len(node.macro_post_space or "") if not arguments and optional is None else end,
            node.macroname, optional=optional, arguments=arguments,
        )  # fmt: skip
    verbatim = getattr(node.nodeargd, "verbatim_text", None)
    if verbatim is not None:
        return TexNode("verbatim", start, end, node.environmentname, verbatim)
    body = node.nodelist[0].pos if node.nodelist else end
    closing = rf"\end{{{node.environmentname}}}"
    last = node.nodelist[-1].pos + node.nodelist[-1].len if node.nodelist else end  # a macro may end it
    inner = text[body : end - len(closing) if text.endswith(closing, 0, end) else last]
    return TexNode(
        "environment", start, end, node.environmentname, inner, optional, arguments, _all(node.nodelist, text)
    )


def _arguments(node: Any, text: str) -> tuple[TexNode | None, list[TexNode]]:
    optional: TexNode | None = None
    arguments: list[TexNode] = []
    given = node.nodeargd
    for spec, argument in zip(
        getattr(given, "argspec", None) or "", getattr(given, "argnlist", None) or (), strict=False
    ):
        if argument is None or spec == "*":
            continue
        converted = _node(argument, text)
        if converted.kind != "group":
            converted = TexNode("group", converted.start, converted.end, children=[converted])
        if spec == "[":
            optional = optional or converted
        else:
            arguments.append(converted)
    return optional, arguments
