"""The notation of mathematics: which characters and LaTeX commands mean the same, and how each use spells them.

The judge of answers spells a text in LaTeX (`≤` is `\\le`), deduplication in plain text (`≤` is `<=`). Every synonym stands
here once, with both spellings. Stored judgements and the stored keys of questions were computed with them: an entry that
one of the two leaves as it is written stays so for that reason, unless the entry says more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Flag, auto


@dataclass(frozen=True, slots=True)
class Symbol:
    """The spellings of one symbol: single characters, and LaTeX commands by name, without the backslash."""

    meaning: str
    characters: str = ""
    commands: tuple[str, ...] = ()
    latex: str | None = None
    """How the judge spells it, None where the judge leaves it as it is."""
    plain: str | None = None
    """How deduplication spells it, None where it is left as it is (characters still pass NFKC)."""
    judged: tuple[str, ...] | None = None
    """The commands that the judge rewrites: all of `commands`, unless stated."""


_KNOWN: tuple[str, ...] = ()
"""`judged` of a symbol whose commands the judge reads as they are: only its characters are spelled in LaTeX."""

WORDS = ("sin", "cos", "tan", "log", "ln", "exp", "gcd", "lcm", "max", "min", "det")
"""The functions that deduplication reads as words."""

SYMBOLS = (
    # signs and operations
    Symbol("minus", "−–", latex="-", plain="-"),
    # In an answer a dash is a minus, in a question it is punctuation.
    Symbol("dash", "—", latex="-", plain=" "),
    Symbol("hyphen", "‐‑", plain="-"),
    Symbol("bar", "―", plain=" "),
    Symbol("small hyphen", "﹣", latex="-"),  # NFKC makes it a hyphen
    Symbol("times", "×", ("times",), r"\times ", "*", _KNOWN),
    Symbol("dot", "⋅·∙", ("cdot",), r"\cdot ", "*", _KNOWN),
    Symbol("asterisk", "∗", ("ast",), plain="*"),
    Symbol("divided", "÷", ("div",), "/", "/", _KNOWN),
    Symbol("slash", "∕⁄", latex="/", plain="/"),
    Symbol("plus or minus", "±", latex=r"\pm "),
    # A root has an argument: the judge reads √ with what follows it (tasks.answers.spelling).
    Symbol("root", "√", ("sqrt",), plain="sqrt"),
    # relations
    Symbol("less or equal", "≤⩽", ("le", "leq", "leqslant"), r"\le ", "<=", ("leq", "leqslant")),
    Symbol("greater or equal", "≥⩾", ("ge", "geq", "geqslant"), r"\ge ", ">=", ("geq", "geqslant")),
    Symbol("not equal", "≠", ("ne", "neq"), r"\ne ", "!=", ("neq",)),
    Symbol("less", commands=("lt",), latex="<"),
    Symbol("greater", commands=("gt",), latex=">"),
    Symbol("approximately", "≈", latex=r"\approx "),
    # sets
    Symbol("empty set", "∅", ("emptyset", "varnothing"), r"\emptyset "),
    Symbol("element", "∈", ("in",), r"\in "),
    Symbol("union", "∪", latex=r"\cup "),
    Symbol("intersection", "∩", latex=r"\cap "),
    Symbol("real numbers", "ℝ", latex=r"\mathbb{R}"),
    Symbol("integers", "ℤ", latex=r"\mathbb{Z}"),
    # names
    Symbol("pi", "π", ("pi",), r"\pi ", "pi", _KNOWN),
    Symbol("infinity", "∞", ("infty",), r"\infty ", "infty", _KNOWN),
    *(
        # A command and its name are one word in a question. The judge needs the command: sin is a function, s i n a product.
        Symbol(name, commands=(name,), plain=name)
        for name in WORDS
    ),
    # Its commands stand in an exponent or alone: see DEGREE.
    Symbol("degree", "°", latex=r"^\circ ", plain=" deg "),
    Symbol("degree Celsius", "℃", latex=r"^\circ C"),
    # In a question the letter stays: it is the same letter in all spellings of the question.
    *(
        Symbol(name, character, latex=f"\\{name} ")
        for name, character in zip(
            ("theta", "alpha", "beta", "gamma", "lambda", "phi", "omega", "rho"), "θαβγλφωρ", strict=True
        )
    ),
    Symbol("angle", "∠", latex=r"\angle "),
    # NFKC writes 1⁄2, which deduplication spells as 1/2.
    *(
        Symbol(f"{over}/{under}", character, latex=rf"\frac{{{over}}}{{{under}}}")
        for character, over, under in zip("½⅓⅔¼¾⅕⅛⅙⅜⅝⅞", "11213111357", "23344586888", strict=True)
    ),
    # brackets and punctuation
    Symbol("left angle bracket", "⟨〈", latex=r"\langle "),
    Symbol("right angle bracket", "⟩〉", latex=r"\rangle "),
    # The judge reads coordinates alike in all brackets; questions keep the commands.
    Symbol("opening of a tuple", commands=("langle",), latex="("),
    Symbol("closing of a tuple", commands=("rangle",), latex=")"),
    Symbol("vertical bar", commands=("lvert", "rvert", "vert", "mid"), plain="|"),
    Symbol("ellipsis", commands=("ldots", "cdots", "dots", "dotsc", "dotsb"), plain="..."),
    Symbol("dots", "…⋯", latex="..."),  # NFKC writes … as three full stops
    Symbol("arrow", commands=("to",), plain=r"\rightarrow"),
    Symbol("double quote", "“”", latex='"', plain='"'),
    Symbol("single quote", "‘’", latex="'", plain="'"),
    Symbol("full stop", "。", latex=".", plain="."),
    Symbol("listing comma", "、", latex=",", plain=","),
    # NFKC turns the other full-width signs into ASCII; of the brackets only an answer's are brackets of mathematics.
    Symbol("lenticular bracket", "【", latex="["),
    Symbol("closing lenticular bracket", "】", latex="]"),
    Symbol("tortoise shell bracket", "〔", latex="("),
    Symbol("closing tortoise shell bracket", "〕", latex=")"),
    # The size and the bar of a fraction do not change its value.
    Symbol("fraction", commands=("dfrac", "tfrac", "cfrac"), latex=r"\frac", plain=r"\frac"),
)


@dataclass(frozen=True, slots=True)
class Layout:
    """LaTeX commands that change how a text looks and not what it means."""

    meaning: str
    commands: tuple[str, ...]
    """The commands that both uses remove."""
    judged: tuple[str, ...] = ()
    """The further commands that the judge removes, as patterns. A question keeps them, as it did when its stored keys were computed."""


SPACES = Layout("space", ("quad", "qquad"), ("thinspace", "enspace"))
SPACE_SIGNS = ",;!:> "
"""What follows the backslash of a space: \\, is a thin one."""
SIZES = Layout(
    "size of a bracket",
    ("left", "right", "big", "Big", "bigg", "Bigg", "bigl", "bigr", "Bigl", "Bigr"),
    ("[bB]ig+[lr]?",),
)
STYLES = Layout("style", ("displaystyle", "limits", "nolimits"), ("textstyle", "bf", "rm"))


class Font(Flag):
    """What a command around a text is to its readers."""

    WORDS = auto()
    """Deduplication reads the text as words."""
    ANSWER = auto()
    """The judge reads an answer within the command as the answer."""
    CONSTANT = auto()
    """The judge reads an e, i or j within the command as the constant."""
    CHOICE = auto()
    """The judge reads a letter within the command at the beginning of an answer as the letter of a choice."""


FONTS = {
    "text": Font.WORDS | Font.ANSWER | Font.CONSTANT | Font.CHOICE,
    "textrm": Font.WORDS | Font.ANSWER | Font.CONSTANT | Font.CHOICE,
    "mathrm": Font.WORDS | Font.ANSWER | Font.CONSTANT | Font.CHOICE,
    # Bold is a vector in mathematics, and no constant.
    "textbf": Font.WORDS | Font.ANSWER | Font.CHOICE,
    "mathbf": Font.WORDS | Font.ANSWER | Font.CHOICE,
    "bold": Font.CHOICE,
    "textit": Font.WORDS | Font.ANSWER,
    "mbox": Font.WORDS | Font.ANSWER,
    "mathit": Font.WORDS | Font.CONSTANT,
    "operatorname": Font.WORDS | Font.CONSTANT,
    "mathsf": Font.WORDS,
    "rm": Font.CONSTANT,
    # A question that asks for a boxed or emphasised answer keeps the command.
    "emph": Font.ANSWER,
    "boxed": Font.ANSWER,
    "fbox": Font.ANSWER,
}
"""Name of a command with a text as its argument to what the text is to its readers."""

# The degree is the only symbol whose command is an exponent, which may stand in braces. The judge writes what it reads
# for °; deduplication reads \circ in one pair of braces and leaves the others to the spaces around its word.
DEGREE_LATEX = (
    r"\^\s*(?:\{\s*\\(?:circ|degree)\s*\}|\\(?:circ|degree)(?![a-zA-Z]))|\\degree(?![a-zA-Z])",
    r"^\\circ ",
)
DEGREE_PLAIN = (r"\^\s*\{?\s*\\circ\s*\}?|\\degree\b", " deg ")

GROUPED_COMMA = (r"\{,\}", ",")
"""The comma of 10{,}000, for both uses."""
DIGIT_FRACTION = (r"\\frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}")
"""The fraction of two digits without braces, for both uses."""

_BY_MEANING = {symbol.meaning: symbol for symbol in SYMBOLS}
# RE2 has no look-ahead, so that deduplication ends a command where a word ends:
# \le_1 is no command for it.
_END_LATEX, _END_PLAIN = "(?![a-zA-Z])", r"\b"

_SUPERSCRIPT = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n", strict=True))
_SUPERSCRIPTS = re.compile("[" + "".join(_SUPERSCRIPT) + "]+")


def latex_characters() -> dict[str, str]:
    """Return each character that the judge rewrites, with its spelling in LaTeX."""
    return {c: symbol.latex for symbol in SYMBOLS if symbol.latex is not None for c in symbol.characters}


def plain_characters() -> dict[str, str]:
    """Return each character that deduplication rewrites, with its spelling in plain text."""
    return {c: symbol.plain for symbol in SYMBOLS if symbol.plain is not None for c in symbol.characters}


def latex_rules(*meanings: str, following: str = "") -> list[tuple[str, str]]:
    """Return one (pattern, replacement) per symbol for its commands in LaTeX, in the order given.

    `following` is a pattern for what the rewriting removes after the command.
    """
    rules = []
    for symbol in map(_BY_MEANING.__getitem__, meanings):
        assert symbol.latex is not None, f"the judge leaves {symbol.meaning} as it is"
        names = symbol.commands if symbol.judged is None else symbol.judged
        rules.append((command(names) + following, symbol.latex.replace("\\", r"\\")))
    return rules


def plain_rules(*meanings: str) -> list[tuple[str, str]]:
    """Return one (pattern, replacement) of RE2 per spelling in plain text for the commands of the symbols, in the order given."""
    spellings: dict[str, list[str]] = {}
    for symbol in map(_BY_MEANING.__getitem__, meanings):
        assert symbol.plain is not None, f"deduplication leaves {symbol.meaning} as it is"
        is_word = symbol.plain in symbol.commands
        spellings.setdefault(r"\1" if is_word else symbol.plain.replace("\\", r"\\"), []).extend(
            symbol.commands
        )
    return [(rf"\\({'|'.join(names)}){_END_PLAIN}", spelling) for spelling, names in spellings.items()]


def command(names: Iterable[str]) -> str:
    """Return a pattern (of `re`) for one of these commands, with its backslash and without what follows it."""
    return rf"\\(?:{'|'.join(names)}){_END_LATEX}"


def fonts(use: Font) -> str:
    """Return the names of the commands with this use, as alternatives of a pattern."""
    return "|".join(name for name, uses in FONTS.items() if use in uses)


def raised(text: str) -> str:
    """Return the text with runs of superscripts as exponents: x² is x^{2}."""
    return _SUPERSCRIPTS.sub(lambda run: "^{" + "".join(_SUPERSCRIPT[c] for c in run.group()) + "}", text)
