"""The macros that a LaTeX document defines itself: found in its text, and expanded in its formulas.

Only macros with a fixed text and up to nine arguments are known, as \\newcommand, \\renewcommand, \\providecommand, \\def and
\\DeclareMathOperator define them; conditions and programs of TeX are not executed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MAX_MACROS: Final = 2_000
MAX_LENGTH: Final = 100_000  # characters of an expanded text: macros that call macros grow exponentially
MAX_ROUNDS: Final = 8  # macros in macros
_DEFINED = re.compile(
    r"\\(?P<how>newcommand|renewcommand|providecommand|DeclareRobustCommand|DeclareMathOperator)\*?\s*"
    r"(?:\{\s*\\(?P<braced>[A-Za-z]+|[^A-Za-z\s])\s*\}|\\(?P<bare>[A-Za-z]+|[^A-Za-z\s]))\s*"
    r"(?:\[(?P<count>\d)\])?\s*(?:\[(?P<default>[^\[\]]*)\])?\s*(?=\{)"
)
_DEF = re.compile(r"\\def\s*\\(?P<bare>[A-Za-z]+)(?P<arguments>(?:#\d)*)\s*(?=\{)")
_BEGINS_OR_ENDS = re.compile(r"\\(begin|end)\s*\{([A-Za-z]{1,40}\*?)\}")
_CALL = re.compile(r"\\([A-Za-z]+)\*?")
_NUMBER = re.compile(r"#([1-9])")


@dataclass(frozen=True, slots=True)
class Macro:
    """A macro: how many arguments it has, the default of the first if that is optional, and its text."""

    arguments: int
    default: str | None
    body: str


@dataclass(frozen=True, slots=True)
class EnvironmentMacros:
    """The macros of a document that begin or end an environment, with its name: \\be for \\begin{equation}, \\ee for its end. spans:
    of their definitions, in characters of a text."""

    begins: Mapping[str, str]
    ends: Mapping[str, str]
    spans: tuple[tuple[int, int], ...]


class Macros:
    """The macros of a document by name, without backslash."""

    def __init__(self, fixed: Mapping[str, str] | None = None) -> None:
        """`fixed` are macros without arguments that a format defines itself."""
        self.known = {name: Macro(0, None, body) for name, body in (fixed or {}).items()}

    def collect(self, text: str) -> None:
        """Add the macros that a text defines. A later definition replaces an earlier one."""
        for match in _DEFINED.finditer(text):
            body, _ = braced(text, match.end())
            if body is None:
                continue
            if match["how"] == "DeclareMathOperator":
                body = rf"\operatorname{{{body}}}"
            self._add(match["braced"] or match["bare"], int(match["count"] or 0), match["default"], body)
        for match in _DEF.finditer(text):
            body, _ = braced(text, match.end())
            if body is not None:
                self._add(match["bare"], len(match["arguments"]) // 2, None, body)

    def _add(self, name: str, count: int, default: str | None, body: str) -> None:
        itself = re.search(rf"\\{re.escape(name)}(?![A-Za-z])", body) is not None
        if len(self.known) < MAX_MACROS and not itself:
            self.known[name] = Macro(count, default, body)

    def environments(self, text: str) -> EnvironmentMacros:
        """Return the macros without arguments whose whole text begins or ends an environment, and where a text defines them."""
        kinds: dict[str, dict[str, str]] = {"begin": {}, "end": {}}
        for name, macro in self.known.items():
            whole = _BEGINS_OR_ENDS.fullmatch(macro.body.strip()) if not macro.arguments else None
            if whole is not None:
                kinds[whole[1]][name] = whole[2]
        spans = []
        for match in [*_DEFINED.finditer(text), *_DEF.finditer(text)]:
            body, end = braced(text, match.end())
            if body is not None and _BEGINS_OR_ENDS.fullmatch(body.strip()):
                spans.append((match.start(), end))
        return EnvironmentMacros(kinds["begin"], kinds["end"], tuple(spans))

    def expanded(self, text: str) -> str:
        """Return a formula with the macros of the document expanded, as far as they are simple."""
        if not self.known or "\\" not in text:
            return text
        for _ in range(MAX_ROUNDS):
            after = self._once(text)
            if after == text or len(after) > MAX_LENGTH:
                return text
            text = after
        return text

    def _once(self, text: str) -> str:
        out: list[str] = []
        place = 0
        for match in _CALL.finditer(text):
            macro = self.known.get(match[1])
            if macro is None or match.start() < place:
                continue
            expansion = self.call(macro, text, match.end())
            if expansion is None:
                continue
            body, end = expansion
            out += [text[place : match.start()], body]
            if end < len(text) and text[end].isalpha() and re.search(r"\\[A-Za-z]+$", body):
                out.append(" ")  # \R followed by n must not become \mathbbn
            place = end
        return "".join([*out, text[place:]])

    def call(self, macro: Macro, text: str, place: int) -> tuple[str, int] | None:
        """Return (the text of a call, the end of its arguments), None if its arguments are not there."""
        values: list[str] = []
        if macro.default is not None and macro.arguments:
            optional = re.compile(r"\s*\[([^\[\]]*)\]").match(text, place)
            values.append(optional[1] if optional else macro.default)
            place = optional.end() if optional else place
        while len(values) < macro.arguments:
            while place < len(text) and text[place] in " \t\n":
                place += 1
            value, end = braced(text, place)
            if value is None:
                token = re.compile(r"\\[A-Za-z]+|\\.|[^\s{}\\]").match(text, place)
                if token is None:
                    return None
                value, end = token[0], token.end()
            values.append(value)
            place = end
        if not macro.arguments and text[place : place + 2] == "{}":
            place += 2
        return _NUMBER.sub(
            lambda one: values[int(one[1]) - 1] if int(one[1]) <= len(values) else "", macro.body
        ), place


def braced(text: str, place: int) -> tuple[str | None, int]:
    """Return (content, end) of the group in braces that begins at `place`, (None, place) if none begins or it has no end."""
    if text[place : place + 1] != "{":
        return None, place
    depth = 0
    for match in re.compile(r"\\.|[{}]", re.DOTALL).finditer(text, place):
        if match[0] == "{":
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if not depth:
                return text[place + 1 : match.start()], match.end()
    return None, place


def without_tex_comments(text: str) -> str:
    """Return a LaTeX text without its comments; the ends of their lines stay."""
    return re.sub(r"(?<!\\)((?:\\\\)*)%[^\n]*", r"\1", text)
