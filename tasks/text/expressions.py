"""The one grammar of arithmetic expressions in plain text and LaTeX: text -> tokens -> a small typed tree.

A sum has terms, a term has factors, a factor may be a power; roots, fractions, brackets, `!` and `%` are values. What a
text may contain differs by use, so a `Notation` says which signs and commands are read, what may stand side by side, and
how large and deep a text may be. The tree says nothing of values: tasks.answers.arithmetic, tasks.text.arithmetic and
tasks.decontamination.polynomial evaluate it, each in its own way.

Nothing is evaluated here. Parsing takes time linear in the text, and depth and size are bounded, so texts may be hostile.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias


class NotAnExpression(ValueError):
    """The text is outside of the grammar or of the limits of its notation."""


Kind = Literal["number", "letter", "command", "sign", "end"]


class Token(NamedTuple):
    """`text` is the canonical spelling (`*` for ×), `end` the index at which the token ends in the text."""

    kind: Kind
    text: str
    end: int


@dataclass(frozen=True, slots=True)
class Digits:
    """Digits as they are written, with commas and a decimal point if the notation has them."""

    digits: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A variable: one letter, or a command such as \\pi, with its backslash."""

    name: str


@dataclass(frozen=True, slots=True)
class Bracketed:
    """A sum in brackets; `bracket` is the opening one, ( or {."""

    bracket: str
    inner: Sum


@dataclass(frozen=True, slots=True)
class Quotient:
    """\\frac{numerator}{denominator}."""

    numerator: Bracketed
    denominator: Bracketed


@dataclass(frozen=True, slots=True)
class Root:
    """A square root."""

    radicand: Node


@dataclass(frozen=True, slots=True)
class Power:
    """base ^ exponent; `negative`: a minus stands before an exponent without braces."""

    base: Node
    exponent: Node
    negative: bool = False


@dataclass(frozen=True, slots=True)
class Postfix:
    """`value` with the sign `!` (factorial) or `%` (per cent) behind it."""

    sign: str
    value: Node


Node: TypeAlias = Digits | Letter | Bracketed | Quotient | Root | Power | Postfix


@dataclass(frozen=True, slots=True)
class Factor:
    """A factor of a term. `operator`: "*", "/", or "" for the first factor and for one that only stands beside the last.

    `end` is the index in the text at which the factor ends.
    """

    operator: str
    negative: bool
    value: Node
    end: int


@dataclass(frozen=True, slots=True)
class Term:
    """A term of a sum, with at least one factor."""

    negative: bool
    factors: tuple[Factor, ...]


@dataclass(frozen=True, slots=True)
class Sum:
    """A sum of at least one term: every expression is one."""

    terms: tuple[Term, ...]


Beside = Literal["multiply", "end", "refuse"]


@dataclass(frozen=True)
class Notation:
    """What one use reads, and its limits.

    signs: single characters and `**`, each with the sign of the grammar that it stands for, out of + - * / ^ ( ) { } ! % √.
    commands: LaTeX commands without their backslash, each with what it stands for: a sign, "frac", "sqrt", "" to skip it,
    or its own name with the backslash for a variable.
    numbers: a regular expression of the numbers. letters: "each" letter is a variable, so that letters side by side are a
    product; only a "lone" one is, and a word ends the expression; or "none" is.
    beside: a function from the token before a token that follows without an operator, that token, and whether the term has
    a division so far, to what this means: a product, the end of the expression, or a text that can be read in two ways.
    minus: which signs may stand behind an operator: "none", "one" minus, or "many" plus and minus signs.
    arguments: the brackets of a fraction's parts. bare_roots: whether a root may do without brackets. towers: whether the
    exponent may be a power, and a power be raised again. tokens: their maximum. depth: the maximum of nested brackets,
    bare roots and towers.
    """

    signs: Mapping[str, str]
    commands: Mapping[str, str]
    numbers: str = r"\d+"
    letters: Literal["each", "lone", "none"] = "each"
    beside: Callable[[Token, Token, bool], Beside] = lambda before, token, divided: "multiply"
    minus: Literal["none", "one", "many"] = "none"
    arguments: str = "{"
    bare_roots: bool = False
    towers: bool = False
    tokens: int = 300
    depth: int = 40
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        signs = "|".join(re.escape(sign) for sign in sorted(self.signs, key=len, reverse=True))
        pattern = rf"\s*(?:({self.numbers})|({_LETTERS[self.letters]})|\\([a-zA-Z]+)|({signs}))"
        object.__setattr__(self, "pattern", re.compile(pattern))


_LETTERS = {"each": "[a-zA-Z]", "lone": "[a-zA-Z](?![a-zA-Z])", "none": "(?!)"}


def parse(text: str, notation: Notation) -> Sum:
    """Return the tree of a whole text. Raises NotAnExpression."""
    reader = _Reader(text, notation)
    tree = reader.sum(0)
    if text[reader.end :].strip():
        raise NotAnExpression(text)
    return tree


def parse_start(text: str, notation: Notation) -> Sum:
    """Return the tree of the longest expression at the start of a text. Raises NotAnExpression if there is none.

    A term or factor that cannot be read ends the expression before its operator; `Factor.end` says where.
    """
    return _Reader(text, notation, whole=False).sum(0)


class _Reader:
    """A recursive-descent parser with one token of lookahead; each method consumes what it is named after."""

    def __init__(self, text: str, notation: Notation, *, whole: bool = True) -> None:
        self.text, self.notation, self.whole = text, notation, whole
        self.tokens: list[Token] = []
        self.at = 0
        self._scanned = 0

    @property
    def end(self) -> int:
        """The index at which the last consumed token ends."""
        return self.tokens[self.at - 1].end if self.at else 0

    def peek(self, ahead: int = 0) -> Token:
        while len(self.tokens) <= self.at + ahead:
            self.tokens.append(self._scan())
        return self.tokens[self.at + ahead]

    def _scan(self) -> Token:
        while match := self.notation.pattern.match(self.text, self._scanned):
            token = self._token(match)
            if token is None:
                break
            self._scanned = match.end()
            if token.text:
                if len(self.tokens) == self.notation.tokens:
                    raise NotAnExpression("too long")
                return token
        return Token("end", "", self._scanned)

    def _token(self, match: re.Match[str]) -> Token | None:
        """Return the token that was matched, one without a text if it is to be skipped, None for an unknown command."""
        number, letter, command, sign = match.groups()
        if number is not None:
            return Token("number", number, match.end())
        if letter is not None:
            return Token("letter", letter, match.end())
        if sign is not None:
            return Token("sign", self.notation.signs[sign], match.end())
        meaning = self.notation.commands.get(command)
        if meaning is None:
            return None
        kind: Kind = "letter" if meaning[:1] == "\\" else "command" if meaning.isalpha() else "sign"
        return Token(kind, meaning, match.end())

    def take(self, expected: str = "") -> Token:
        token = self.peek()
        if token.kind == "end" or (expected and token.text != expected):
            raise NotAnExpression(self.text)
        self.at += 1
        return token

    def sum(self, depth: int) -> Sum:
        if depth > self.notation.depth:
            raise NotAnExpression("too deep")
        terms = [self.term(depth, self.signs())]
        while self.peek().text in ("+", "-"):
            before = self.at
            negative = self.take().text == "-"
            try:
                if self.notation.minus == "many":
                    negative ^= self.signs()
                terms.append(self.term(depth, negative))
            except NotAnExpression:
                if self.whole or depth:
                    raise
                self.at = before
                break
        return Sum(tuple(terms))

    def signs(self) -> bool:
        """Consume plus and minus signs and return whether they make a minus."""
        negative = False
        while self.peek().text in ("+", "-"):
            negative ^= self.take().text == "-"
        return negative

    def minus(self) -> bool:
        """Consume the signs that the notation allows behind an operator and return whether they make a minus."""
        match self.notation.minus:
            case "many":
                return self.signs()
            case "one" if self.peek().text == "-":
                self.take()
                return True
        return False

    def term(self, depth: int, negative: bool) -> Term:
        factors = [self.factor(depth, "")]
        divided = False
        while True:
            token, before = self.peek(), self.at
            operator = token.text if token.text in ("*", "/") else ""
            if not operator:
                if token.kind == "end" or token.text in ("+", "-", ")", "}"):
                    break
                beside = self.notation.beside(self.tokens[self.at - 1], token, divided)
                if beside == "refuse":
                    raise NotAnExpression("can be read in two ways")
                if beside == "end":
                    break
            try:
                if operator:
                    self.take()
                factors.append(self.factor(depth, operator, signed=bool(operator)))
            except NotAnExpression:
                if self.whole or depth:
                    raise
                self.at = before
                break
            divided |= operator == "/"
        return Term(negative, tuple(factors))

    def factor(self, depth: int, operator: str, *, signed: bool = True) -> Factor:
        """`signed`: whether signs may stand before it."""
        negative = self.minus() if signed else False
        value = self.power(depth)
        return Factor(operator, negative, value, self.end)

    def power(self, depth: int) -> Node:
        if depth > self.notation.depth:
            raise NotAnExpression("too deep")
        value, raised = self.atom(depth), False
        while True:
            token = self.peek().text
            if token == "^":
                if raised and not self.notation.towers:
                    raise NotAnExpression("a power of a power")
                self.take()
                value, raised = self.raised(depth, value), True
            elif token and token in "!%":
                self.take()
                if token == "!" and self.peek().text == "!":
                    raise NotAnExpression("a double factorial")
                value = Postfix(token, value)
            else:
                return value

    def raised(self, depth: int, base: Node) -> Power:
        if self.peek().text == "{":
            return Power(base, self.group(depth))
        if not self.notation.towers:
            return Power(base, self.atom(depth))
        negative = self.minus()
        return Power(base, self.power(depth + 1), negative)

    def atom(self, depth: int) -> Node:
        token = self.take()
        if token.kind == "number":
            return Digits(token.text)
        if token.kind == "letter":
            return Letter(token.text)
        if token.text in ("(", "{"):
            self.at -= 1
            return self.group(depth)
        if token.text == "frac":
            return Quotient(
                self.group(depth, self.notation.arguments), self.group(depth, self.notation.arguments)
            )
        if token.text in ("sqrt", "√"):
            if self.text[token.end : token.end + 1] == "[":
                raise NotAnExpression("a root of another degree")
            following = self.peek().text
            if self.notation.bare_roots and following not in ("(", "{"):
                if depth >= self.notation.depth:
                    raise NotAnExpression("too deep")
                return Root(self.atom(depth + 1))
            return Root(self.group(depth, self.notation.arguments))
        raise NotAnExpression(self.text)

    def group(self, depth: int, brackets: str = "({") -> Bracketed:
        bracket = self.take().text
        if bracket not in brackets:
            raise NotAnExpression(self.text)
        inner = self.sum(depth + 1)
        self.take(")" if bracket == "(" else "}")
        return Bracketed(bracket, inner)
