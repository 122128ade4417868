"""Typeset worked steps: their formulas in LaTeX where the question has LaTeX, so that a solution has one notation.

The steps of families are written in plain notation, such as `3/4 * 2^5 = 24`. A formula is what stands together of numbers, letters,
brackets, names of functions and signs between them; a number that stands alone in a sentence stays as it is. What stands between dollar
signs already is left alone, so that typesetting twice changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

# a command or a bracket of LaTeX, or a formula between dollar signs: "$n!$", "$890!$", and neither "$5 and $6" nor "$20-$30"
_LATEX = re.compile(
    r"\\(?:\(|\[|[a-zA-Z]{2,})|\$[a-zA-Z]\$|\$[^$\n]{1,200}?[\\^_=]"
    r"|\$(?! )(?:[\d .,:;!%()\[\]{}|'+*/<>-]|(?<![A-Za-z])[A-Za-z](?![A-Za-z])){1,200}(?<![ +*/<>(\[{,;:-])\$(?!\d)"
)
# a price: a dollar sign and a number in front of a word, of punctuation or of the end, where no formula has its number
_PRICE = re.compile(
    r"(?<!\\)\$(?=\d[\d,]*(?:\.\d+)?(?:\s+[A-Za-z]{2}|[.,;:?!]?\s*$|[.,;:?!]\s+(?:[A-Za-z]{2}|\\?\$\d|[A-Z]\b)|\)|\s+\())"
)
_INSIDE = re.compile(r"(\$[^$\n]*\$)")
_FUNCTIONS = ("sqrt", "sin", "cos", "tan", "log", "ln", "gcd", "lcm", "max", "min")
_CONSTANTS = ("pi", "theta", "alpha", "beta")
_TOKEN = re.compile(
    rf"(?P<space>[ ]+)|(?P<number>\d+(?:,\d{{3}})*(?:\.\d+)?°?(?!\.?\d|st\b|nd\b|rd\b|th\b))"
    rf"|(?P<name>(?<![A-Za-z])(?:{'|'.join(_FUNCTIONS)})(?=\())"
    rf"|(?P<constant>(?<![A-Za-z])(?:{'|'.join(_CONSTANTS)})(?![A-Za-z]))"
    r"|(?P<letters>(?<=\d)[a-z]{1,2}(?![A-Za-z])|(?<![A-Za-z])(?:[a-z]{2}'(?![A-Za-z])|[a-z]'(?![A-Za-z]{2}))|(?<![A-Za-z'’])(?<![A-Za-z]-)[A-Za-z](?![A-Za-z’]|-[A-Za-z]|'[a-z]))"
    r"|(?P<factor>(?<![A-Za-z][a-z]')(?<=[a-z]')[a-z](?![A-Za-z]))|(?P<prime>')|(?P<comparison><=|>=|!=|[=<>])|(?P<sign>[-+*/^!])|(?P<open>\()|(?P<close>\))|(?P<comma>,(?= ?[-(\d\w]))"
)
_Token = tuple[str, str, int]  # its kind, its text, where it begins


def has_latex(question: str) -> bool:
    """Return whether a question has formulas in LaTeX; a dollar sign of money is none."""
    return _LATEX.search(question) is not None


def with_prices_escaped(text: str) -> str:
    r"""Return a text with `\$56` for a price of $56 where it has formulas between dollar signs; any other text as it is."""
    return _PRICE.sub(r"\\$", text) if has_latex(text) else text


def typeset(steps: Sequence[str], question: str, language: str) -> tuple[str, ...]:
    """Return the steps with their formulas in LaTeX if the question has LaTeX."""
    return tuple(typeset_text(step, language) for step in steps) if has_latex(question) else tuple(steps)


def typeset_text(text: str, language: str) -> str:
    """Return a text with its plain formulas between dollar signs, in LaTeX."""
    parts = _INSIDE.split(text)
    return "".join(
        part if part.startswith("$") and len(part) > 1 else _typeset_words(part, language) for part in parts
    )


def _typeset_words(text: str, language: str) -> str:
    pieces, at = [], 0
    for begin, end in _formulas(text, language):
        pieces += [text[at:begin], f"${_in_latex(text[begin:end])}$"]
        at = end
    return "".join([*pieces, text[at:]])


def _formulas(text: str, language: str) -> Iterator[tuple[int, int]]:
    """Yield where each formula begins and ends, from left to right."""
    run: list[_Token] = []
    at = 0
    while at <= len(text):
        match = _TOKEN.match(text, at) if at < len(text) else None
        token = None if match is None else (str(match.lastgroup), match.group(), match.start())
        if token is not None and _continues(run, token):
            run.append(token)
            at += len(token[1])
            continue
        yield from _trimmed(run, language)
        if run and token is not None:
            run = []  # the token may begin a formula of its own
            continue
        run = []
        at += 1 if token is None else len(token[1])
        if token is None and at <= len(text) and text[at - 1].isalpha() and text[at - 1].isascii():
            while at < len(text) and text[at].isalpha() and text[at].isascii():
                at += 1  # the rest of a word
    return


def _continues(run: list[_Token], token: _Token) -> bool:
    kind = "letters" if token[0] == "factor" else token[0]
    if token[0] == "factor" and not run:
        return False
    solid = [one for one in run if one[0] != "space"]
    if kind == "space":
        return bool(run)
    if kind == "comma":
        return sum((one[0] == "open") - (one[0] == "close") for one in run) > 0
    if kind == "close":
        return sum((one[0] == "open") - (one[0] == "close") for one in run) > 0
    if kind == "prime":
        return bool(run) and run[-1][0] == "letters"
    if solid and run[-1][0] == "space" and kind in ("number", "letters", "name", "constant", "open"):
        # two operands with a space between them are no product
        return solid[-1][0] in ("sign", "comparison", "comma", "open")
    return True


def _trimmed(run: list[_Token], language: str) -> Iterator[tuple[int, int]]:
    """Yield the formula of a run of tokens, if it is one."""
    tokens = list(run)
    while tokens and (
        tokens[-1][0] in ("space", "comparison", "comma", "open", "name")
        or (tokens[-1][0] == "sign" and tokens[-1][1] != "!")
    ):
        tokens.pop()
    while tokens and (
        tokens[0][0] in ("space", "comparison", "comma", "prime")
        or (tokens[0][0] == "sign" and not _is_negative(tokens))
    ):
        tokens.pop(0)
    depth = sum((one[0] == "open") - (one[0] == "close") for one in tokens)
    while depth > 0 and tokens and tokens[0][0] == "open":
        tokens.pop(0)
        depth -= 1
    if depth or not tokens or not _is_formula(tokens, language):
        return
    last = tokens[-1]
    yield tokens[0][2], last[2] + len(last[1])


def _is_negative(tokens: list[_Token]) -> bool:
    return (
        tokens[0][1] == "-"
        and len(tokens) > 1
        and tokens[1][0] in ("number", "letters", "open", "name", "constant")
    )


def _is_formula(tokens: list[_Token], language: str) -> bool:
    kinds = [kind for kind, _, _ in tokens if kind != "space"]
    if len(kinds) == 1:
        word = tokens[0][1]
        if kinds[0] == "letters":
            return language != "en" or word not in ("a", "A", "I")
        return kinds[0] == "constant"
    return kinds not in (["sign", "number"], ["open", "number", "close"])


_FRACTION = re.compile(r"(?<![\d.^/\w)])(?<!/ )(\d+)/(\d+)(?![\d.^/!\w(])")
# brackets around a fraction that nothing is next to, which would be taken for a function of it, a power or a mixed number
_BRACKETED = re.compile(r"(?<![A-Za-z\d)}^])(?<!/ )\((\\frac\{\d+\}\{\d+\})\)(?![\^!])")
_QUOTIENT = re.compile(r"(?<![\d.^/\w])(\d+)/(\d+)(?=\))")


def _in_latex(formula: str) -> str:
    text = re.sub(r"sqrt\(", "\\\\sqrt(", formula)
    text = _roots(text)
    text = re.sub(r"(?<![A-Za-z\\])(sin|cos|tan|log|ln|gcd|max|min)(?=\()", r"\\\1", text)
    text = re.sub(r"(?<![A-Za-z\\])lcm(?=\()", r"\\operatorname{lcm}", text)
    text = re.sub(rf"(?<![A-Za-z\\])({'|'.join(_CONSTANTS)})(?![A-Za-z])", r"\\\1", text)
    text = _FRACTION.sub(r"\\frac{\1}{\2}", text)
    text = _QUOTIENT.sub(r"\\frac{\1}{\2}", text)
    text = _BRACKETED.sub(r"\1", text)
    text = re.sub(r"\^(\d{2,})", r"^{\1}", text)
    text = re.sub(r" ?\* ?", r" \\cdot ", text)
    return text.replace("°", r"^\circ").replace("<=", r"\le").replace(">=", r"\ge").replace("!=", r"\ne")


def _roots(text: str) -> str:
    """Return the text with the brackets of roots as braces."""
    while (start := text.find(r"\sqrt(")) >= 0:
        depth, end = 0, start + 5
        for end in range(start + 5, len(text)):
            depth += (text[end] == "(") - (text[end] == ")")
            if not depth:
                break
        text = text[: start + 5] + "{" + text[start + 6 : end] + "}" + text[end + 1 :]
    return text
