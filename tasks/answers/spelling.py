"""Gives answers one spelling, however people and models write them.

`canonical` turns markdown, full-width and Unicode signs, LaTeX variants and delimiters into one LaTeX-like
spelling without changing the value; it never evaluates anything, and is linear in the text's length.
"""

from __future__ import annotations

import re

from storage.characters import CONTROLS, HIDDEN, Use, characters
from tasks.answers.programs import respelled
from tasks.text import notation
from tasks.text.brackets import GROUPS, closing
from tasks.text.notation import (
    DEGREE_LATEX,
    DIGIT_FRACTION,
    GROUPED_COMMA,
    SIZES,
    SPACE_SIGNS,
    SPACES,
    STYLES,
    Font,
    command,
    fonts,
    latex_rules,
    raised,
)

MAX_LENGTH = 4096  # characters; no final answer in the benchmarks is half as long

_FULL_WIDTH = {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
_SPACES = dict.fromkeys("\u00a0\u2002\u2003\u2005\u2007\u2009\u200a\u202f\u205f\u3000", " ")
_TABLE = str.maketrans(
    dict.fromkeys(characters(HIDDEN + CONTROLS, Use.JUDGED), "")
    | _FULL_WIDTH
    | _SPACES
    | notation.latex_characters()
)
_NUMBERED = re.compile("\uff08([1-9])\uff09")  # a numbered blank
# digits under a line or between dots: the cycle of a repeating decimal
_LINED = re.compile("((?:\\d[\u0304\u0305])+)")
_DOTTED = re.compile("(\\d)\u0307(?:(\\d*)(\\d)\u0307)?")

_ROOT = re.compile(r"√\s*(\((?:[^()]*)\)|\d+|[a-z])")

_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        *latex_rules("fraction"),
        (rf"\\(?:{'|'.join(SIZES.commands + SIZES.judged)})(?=[\s(){{}}\[\]|.\\/<>])\s*(?:\.(?!\d))?", ""),
        (command(STYLES.commands + STYLES.judged), ""),
        (rf"(?<!\\)\\[{SPACE_SIGNS}]|{command(SPACES.commands + SPACES.judged)}|~", " "),
        *latex_rules("less or equal", "greater or equal", "not equal", "less", "greater", "empty set"),
        GROUPED_COMMA,
        (r"\\%", "%"),
        DEGREE_LATEX,
        (r"\\log\s*_\s*(?:e|\{\s*e\s*\})", r"\\ln "),
        (r"\\lg(?![a-zA-Z])", r"\\log_{10}"),
        (r"\\\|", "|"),  # a norm
        # a segment by its ends
        (r"\\overline\s*\{\s*([A-Z]\s*[A-Z])\s*\}", r"\1"),
        DIGIT_FRACTION,
        (r"\\frac\s*(\d)\s*\{", r"\\frac{\1}{"),
        (r"\\frac\s*\{([^{}]*)\}\s*([0-9a-zA-Z])", r"\\frac{\1}{\2}"),
        (r"_\s*(?:\\(?:max|min)(?![a-zA-Z])|\{\s*(?:\\?(?:max|min)|\\text\s*\{[a-zA-Z ]*\})\s*\})", ""),
        (r"\\sqrt\s*(\d)", r"\\sqrt{\1}"),
        # upright e and i are the constants; an upright choice letter is a letter
        (rf"\\(?:{fonts(Font.CONSTANT)})(?:\s*\{{\s*([eij])\s*\}}|\s+([eij])(?![a-zA-Z]))", r" \1\2"),
        (rf"^\s*\\(?:{fonts(Font.CHOICE)})\s*\{{\s*\(?\s*([A-J])\s*\)?[.:]?\s*\}}(?!\s*[_^])", r"(\1) "),
        *latex_rules("element", following=r"\s*"),
        *latex_rules("opening of a tuple", "closing of a tuple"),
        (
            r"\\(?:mathbf|Bbb|mathbb|bf)\s*\{?\s*([RZNQC])(?![a-zA-Z])\s*\}?|\\([RZNQ])(?![a-zA-Z])",
            r"\\mathbb{\1\2}",
        ),
        (r"\\dot\s*\{?\s*(\d)\s*\}?(\d{0,40})\\dot\s*\{?\s*(\d)\s*\}?", r"\\overline{\1\2\3}"),
        (
            r"\\\{\s*\\begin\{array\}\s*\{[^{}]*\}((?:(?!\\(?:begin|end)\{).)*)\\end\{array\}",
            r"\\begin{cases}\1\\end{cases}",
        ),
        (r"([(\[|])\s*\\begin\{array\}\s*\{[^{}]*\}", r"\1\\begin{matrix}"),
        (r"\\end\{array\}(?=\s*[)\]|])", r"\\end{matrix}"),
        (r"[(\[]\s*\\begin\{(?:small)?matrix\}", r"\\begin{pmatrix}"),
        (r"\\end\{(?:small)?matrix\}\s*[)\]]", r"\\end{pmatrix}"),
        (r"\|\s*\\begin\{(?:small)?matrix\}", r"\\begin{vmatrix}"),
        (r"\\end\{(?:small)?matrix\}\s*\|", r"\\end{vmatrix}"),
    )
)
# temperatures and angles in words, but not the degree of a polynomial; infinity
_SPELLED = (
    (re.compile(r"(\d)\s*degrees?\s*(?:C(?![a-z])|[Cc]elsius)"), r"\1^\\circ C"),
    (re.compile(r"(\d)\s*degrees?\s*(?:F(?![a-z])|[Ff]ahrenheit)"), r"\1^\\circ F"),
    (
        re.compile(
            r"(\d)\s*(?:\\(?:text|mathrm)\s*\{\s*degrees?\s*\}|degrees?)(?![a-z])(?!\s*[CFK](?![a-z]))"
        ),
        r"\1^\\circ",
    ),
    (re.compile(r"(?<![A-Za-z\\])(?:[Nn]egative|[Mm]inus)\s+infinity(?![a-z])"), r"-\\infty"),
    (re.compile(r"(?<![A-Za-z\\])(?:[Pp]ositive\s+)?[Ii]nfinity(?![a-z])"), r"\\infty"),
)
# 3/4 \pi is three quarters of pi: what stands apart from a fraction of digits is not below its line
_SLASHED = re.compile(
    r"(?<![\w/.,)^}\]])(?<!\d )(?<!\^\{)(\d{1,40})/(\d{1,40})\s+(?=\\(?:pi|sqrt|theta|alpha|ln|log|sin|cos|tan|frac)(?![a-zA-Z])|[a-zA-Z](?![a-zA-Z])|[a-z]{2,4}\^|\((?![A-J]\)))"
)

# 7th, 21^{\text{st}}: the position is the answer
_ORDINAL = re.compile(
    r"(?:the\s+)?(\d{0,11}(?:(?<!1)1(?=\W*[a-zA-Z{\\]*st)|(?<!1)2(?=\W*[a-zA-Z{\\]*nd)|(?<!1)3(?=\W*[a-zA-Z{\\]*rd)|\d(?=\W*[a-zA-Z{\\]*th)))"
    r"\s*(?:\^\s*)?\{?\s*(?:\\(?:text|mathrm|textrm|textsuperscript|mbox)\s*\{)?\s*(?:st|nd|rd|th)\s*\}{0,2}",
    re.IGNORECASE,
)
# [1, 2; 3, 4] is a matrix as MATLAB writes it; [1; 2] may be an interval
_ROWS = re.compile(
    r"\[([^\[\];,]{1,40}(?:,[^\[\];,]{1,40}){1,9}(?:;[^\[\];,]{1,40}(?:,[^\[\];,]{1,40}){1,9}){1,9})\]"
)

ALL_REALS, EMPTY_SET = r"(-\infty,\infty)", r"\emptyset"
_ALL_REALS = re.compile(
    r"(?:[a-zA-Z]\s*(?:\\in(?![a-zA-Z])|is|can be|belongs to)\s*)?(?:\{?\\text\s*\{)?\s*(?:(?:the\s+)?set\s+of\s+)?"
    r"(?:(?:all|any|every|the)\s+(?:of\s+the\s+)?)+(?:real\s+numbers?|reals?|real\s+values?)(?:\s+(?:of\s+)?[a-zA-Z])?\s*\}*"
    r"|(?:[a-zA-Z]\s*(?:\\in|∈)\s*)?\\mathbb\s*\{\s*R\s*\}|(?:S\.)?Reals"
    r"|(?:[a-zA-Z]\s*\\in\s*)?\(\s*-\s*(?:\\infty|oo)\s*,\s*\+?\s*(?:\\infty|oo)\s*\)"
    r"|-\s*(?:\\infty|oo)\s*<\s*[a-zA-Z]\s*<\s*\+?\s*(?:\\infty|oo)"
    r"|(?:[a-zA-Z]\s*(?:为|是|取)?)?(?:全体|任意|一切|所有)(?:的)?实数(?:集)?|实数集",
    re.IGNORECASE,
)
_EMPTY_SET = re.compile(
    r"\\\{\s*\\\}|\{\s*\}|(?:the\s+)?(?:empty|null)\s+set|空集|(?:S\.)?EmptySet|(?:frozen)?set\(\)|\\emptyset",
    re.IGNORECASE,
)
_INTEGERS = re.compile(
    r"(?:(?:the\s+)?set\s+of\s+)?(?:(?:all|any|every|the)\s+(?:of\s+the\s+)?)+integers?|(?:全体|任意|一切|所有)(?:的)?整数|整数集"
    r"|\\mathbb\s*\{\s*Z\s*\}|(?:S\.)?Integers",
    re.IGNORECASE,
)
_ALL_REALS_BUT = re.compile(
    r"(?:[a-zA-Z]\s*(?:\\in(?![a-zA-Z])|is|can be)\s*)?(?:(?:the\s+)?set\s+of\s+)?(?:all|any|every)\s+(?:real\s+numbers?|reals?|real\s+values?)"
    r"(?:\s+(?:of\s+)?[a-zA-Z])?,?\s+(?:except(?:\s+for)?|other\s+than|but|not\s+equal\s+to|excluding)\s+(?:[a-zA-Z]\s*=\s*)?([^a-zA-Z]*\d[^a-zA-Z]*(?:and[^a-zA-Z]*)?)",
    re.IGNORECASE,
)
# the multiplicity of a root is said about the value
_MULTIPLICITY = re.compile(
    r"\s*[(,]\s*(?:an?\s+)?(?:double|repeated|triple|twice|multiplicity\s+\d|重根|二重根|两个相等的?实?根)(?:\s+(?:real\s+)?(?:root|solution))?\s*\)?$",
    re.IGNORECASE,
)
# 2 cis 90^\circ is 2 (cos 90^\circ + i sin 90^\circ)
_CIS = re.compile(
    r"(?P<modulus>[^=,;]{0,40}?)\s*(?:\\(?:operatorname|text|mathrm|mbox)\s*\{\s*cis\s*\}|\\?cis(?![a-zA-Z]))\s*"
    r"(?P<argument>\\frac\s*\{[^{}]{1,20}\}\s*\{[^{}]{1,20}\}|\([^()]{1,40}\)|[-\d.\\a-z/]{1,20}(?:\s*\^\s*\{?\s*\\circ\s*\}?)?)"
)
# x \in S is S
_MEMBER = re.compile(r"[a-zA-Z]\s*\\in(?![a-zA-Z])\s*(?=[(\[]|\\\{|\\mathbb\s*\{R\}|\\emptyset)")

_WRAPPERS = (
    ("**", "**"), ("___", "___"), ("__", "__"), ("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"),
    ("```", "```"), ("`", "`"), ('"', '"'), ("'", "'"),
)  # fmt: skip
_COMMAND_WRAPPER = re.compile(rf"\\(?:{fonts(Font.ANSWER)})\s*\{{")
_LEAD = re.compile(
    r"(?:\s*(?:therefore|thus|so|hence|the|final|answer|is|equals|result|=|:|\\approx|approximately|about)(?![a-zA-Z]))+\s*:?\s*",
    re.IGNORECASE,
)
_OPTION = re.compile(r"(?:the\s+)?(?:option|choice|answer|选项?|故选)\s*:?\s*(\(?[A-J]\)?)", re.IGNORECASE)
# 百分之75 and 半小时, where the number is not in Chinese numerals
_PARTLY_CHINESE = (
    (re.compile(r"百分之(\d+(?:\.\d+)?)"), r"\1%"),
    (re.compile(r"^半个?(?=(?:小时|钟头|分钟|天|年|米|千克|公里|吨|元|斤))"), "0.5"),
)
_NEGATIVE = re.compile(r"^(?:negative|minus|负)\s*(?=[\d\\])", re.IGNORECASE)
_ZH_LEAD = re.compile(
    r"(?:(?:所以|因此|故|最终)?(?:正确)?答案?(?:是|为|应为|等于|:)|共有|一共|大约|约为?|等于)\s*:?\s*"
)
_BUILDER = re.compile(r"\\?\{\s*[a-zA-Z]\s*(?:\||\\mid(?![a-zA-Z])|:)(.+?)\\?\}")
_CONDITION = re.compile(r"[<>=]|\\(?:le|ge|ne|in)(?![a-zA-Z])")
# pandoc's rule for inline mathematics, which leaves "$5 and $10" alone
_INLINE = re.compile(r"\$(?=[^\s$])([^$]*[^\s$])\$(?!\d)")
_LONE_NUMBER = re.compile(r"\(([^()\[\],;:]*\d[^()\[\],;:]*)\)")
_VARIABLE = re.compile(
    r"(?<![a-zA-Z\\])[a-wyzA-Z](?![a-zA-Z])|[()]\s*x|x\s*[()^_]|\d\s*x(?!\s*\d)|\\(?!times|cdot|div|frac|text|\$)[a-zA-Z]|[<>|]"
)
_CASES = re.compile(
    r"\\begin\{(?:cases|aligned|gathered)\}((?:[^&]|&(?=\s*=))*)\\end\{(?:cases|aligned|gathered)\}"
)
_PLAIN = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?")


def canonical(text: str) -> str:
    """Return the answer in one spelling, "" if nothing is left. Texts over MAX_LENGTH are only stripped."""
    text = text.strip()
    if len(text) > MAX_LENGTH or _PLAIN.fullmatch(text):
        return text
    text = _ascii(text)
    for pattern, replacement in _REWRITES if "\\" in text or "~" in text else ():
        text = pattern.sub(replacement, text)
    for pattern, replacement in _SPELLED if "egree" in text or "nfinity" in text else ():
        text = pattern.sub(replacement, text)
    before = None
    while before != text:  # each round removes a layer, so the loop ends
        before = text
        text = _without_lead(_unwrap(text))
    text = _NEGATIVE.sub("-", text)
    for pattern, replacement in _PARTLY_CHINESE if text[:1] in ("百", "半") else ():
        text = pattern.sub(replacement, text)
    option = _OPTION.fullmatch(text)
    if option:
        return option.group(1)
    text = _INLINE.sub(r"\1", text)
    text = _arrived(_unwrap(_without_lead(" ".join(text.split()))))
    text = _CASES.sub(lambda match: match.group(1).replace("&", "").replace("\\\\", ", "), text)
    if (ordinal := _ORDINAL.fullmatch(text)) is not None:
        return ordinal.group(1)
    if text.endswith((")", "root", "solution", "根")):
        text = _MULTIPLICITY.sub("", text)
    if "cis" in text and (polar := _CIS.fullmatch(text)) is not None:
        angle = polar["argument"]
        text = rf"{polar['modulus']} (\cos {angle} + i \sin {angle})".strip()
    text = _matrix(text)
    builder = _BUILDER.fullmatch(text)
    text = respelled(builder.group(1).strip() if builder and _CONDITION.search(builder.group(1)) else text)
    if text.endswith(("}", "Z", ")")) or "integer" in text or "整数" in text:
        text = _parameter(text)
    return _sets(_SLASHED.sub(r"\\frac{\1}{\2} ", text) if "/" in text else text)


def _matrix(text: str) -> str:
    """Return a matrix whose rows stand between semicolons as LaTeX; any other text unchanged."""
    match = _ROWS.fullmatch(text) if ";" in text else None
    rows = [row.split(",") for row in match[1].split(";")] if match is not None else []
    if not rows or len({len(row) for row in rows}) > 1:
        return text
    inner = r"\\".join("&".join(entry.strip() for entry in row) for row in rows)
    return rf"\begin{{pmatrix}}{inner}\end{{pmatrix}}"


_PARAMETER = re.compile(
    r"(,|\s|\()\s*(?:where\s+|with\s+|for\s+)?(?:any\s+integers?\s+([a-z])|([a-z])\s*(?:\\in\s*(?:\\mathbb\s*\{?\s*Z\s*\}?|Z\b|\\text\s*\{\s*integers?\s*\})|"
    r"is\s+(?:an\s+|any\s+)?(?:integer|whole number)|是整数|为整数|为任意整数|取整数))\s*\)?\s*$"
)


def _parameter(text: str) -> str:
    """Return the text with the declaration of an integer at its end ("where k is any integer") in one spelling."""
    match = _PARAMETER.search(text)
    if match is None or match.start() == 0:
        return text
    return rf"{text[: match.start()].rstrip(' ,')}, {match[2] or match[3]} \in \mathbb{{Z}}"


def _sets(text: str) -> str:
    """Return all reals and the empty set in one spelling each, and a set without the variable in front of it."""
    if len(text) < 60:
        if _ALL_REALS.fullmatch(text):
            return ALL_REALS
        if _EMPTY_SET.fullmatch(text):
            return EMPTY_SET
        if _INTEGERS.fullmatch(text):
            return r"\mathbb{Z}"
        if (others := _ALL_REALS_BUT.fullmatch(text)) is not None:
            excluded = re.sub(r"\s*,?\s*and\s*", ", ", others[1]).strip()
            return rf"\mathbb{{R}}\setminus\{{{excluded}\}}"
    if "\\in" in text and text.count("\\in ") + text.count("\\in(") + text.count("\\in[") <= 1:
        return _MEMBER.sub("", text, count=1) if _MEMBER.match(text) else text
    return text


def _ascii(text: str) -> str:
    if text.isascii():
        return text
    text = _NUMBERED.sub(r" (\1) ", text)
    text = _ROOT.sub(lambda match: rf"\sqrt{{{match.group(1).strip('()')}}}", text)
    if "\u0307" in text or "\u0305" in text or "\u0304" in text:
        text = _LINED.sub(lambda match: rf"\overline{{{re.sub('[^0-9]', '', match[1])}}}", text)
        text = _DOTTED.sub(lambda match: rf"\overline{{{''.join(match.groups(''))}}}", text)
    return raised(text).translate(_TABLE)


def _unwrap(text: str) -> str:
    text = text.strip()
    while text.endswith((",", ";")):
        text = text[:-1].rstrip()
    if text.endswith(".") and not text.endswith("..."):
        text = text[:-1].rstrip()
    for left, right in _WRAPPERS:
        if len(text) > len(left) + len(right) and text.startswith(left) and text.endswith(right):
            inner = text[len(left) : -len(right)]
            if left not in inner and right not in inner:
                return inner.strip()
    match = _COMMAND_WRAPPER.match(text)
    if match and closing(text, match.end() - 1, brackets=GROUPS) == len(text) - 1:
        inner = text[match.end() : -1].strip()
        # \\text{on} is kept: without its wrapper it would be the product o n
        return text if inner.isalpha() and 1 < len(inner) < 4 else inner
    lone = _LONE_NUMBER.fullmatch(text)
    if lone:
        return lone.group(1).strip()
    if (
        text.startswith("{")
        and closing(text, 0, brackets=GROUPS) == len(text) - 1
        and not set(",:|") & set(text)
        and r"\mid" not in text
    ):
        return text[1:-1].strip()
    return text


def _without_lead(text: str) -> str:
    """Return the text without "the answer is", "约" and the like before the answer."""
    for pattern in (_LEAD, _ZH_LEAD):
        match = pattern.match(text)
        if match and match.end() < len(text):
            text = text[match.end() :]
    return text


def _arrived(text: str) -> str:
    """Return the result of a calculation: 288 for "24 * 12 = 288". Equations with variables are kept whole."""
    if "=" not in text:
        return text
    *steps, result = text.split("=")
    if not re.match(r"\s*[-+$]?[\d.\\]", result) or _VARIABLE.search(text.replace("\\text{", "{")):
        return text
    return result.strip() if all(re.search(r"\d", step) for step in steps) else text
