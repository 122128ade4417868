from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable

import pytest

from tasks.answers.spelling import canonical as judged
from tasks.dedup.normalise import canonical
from tasks.text.notation import (
    FONTS,
    SIZES,
    SPACES,
    STYLES,
    SYMBOLS,
    Symbol,
    latex_rules,
    plain_rules,
    raised,
)

LAYOUTS = (SIZES, SPACES, STYLES)
# The characters and commands of the two uses, independent of the table: a change of the table must not change their spelling.
CHARACTERS = (
    "−–—‐‑―﹣×⋅·∙∗÷∕⁄±√≤⩽≥⩾≠≈∅∈∪∩ℝℤπ∞°℃θαβγφλωρ∠½⅓⅔¼¾⅕⅛⅙⅜⅝⅞⟨〈⟩〉…⋯“”‘’。、【】〔〕，；：！％（）＋１²ⁿ⁻"
    "\u00a0\u2003\u200b\u200d\u2060\ufeff\u00ad\u2800\x00\x0b"
)
COMMANDS = (
    "frac dfrac tfrac cfrac left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr displaystyle textstyle "
    "limits nolimits bf rm quad qquad thinspace enspace le leq leqslant ge geq geqslant ne neq lt gt varnothing emptyset circ "
    "degree sqrt text textrm textbf textit mathrm mathbf mathit mathsf operatorname mbox emph boxed fbox bold in langle rangle "
    "mathbb cdot times ast div ldots cdots dots dotsc dotsb to lvert rvert vert mid pi infty sin cos tan log ln exp gcd lcm "
    "max min det theta approx cup infinity leqq texts , ; ! : > % ( $ {"
)
CONTEXTS = (
    "x {} y",
    "{}",
    "2{}3",
    "2{}{{x}}",
    r"\left({}\right)",
    "^{}",
    "^{{{}}}",
    "_{}",
    "{}{{e}}",
    "{} {{B}}",
    "a{}_1 = 3",
)


def plain(text: str) -> str:
    return canonical([text])[0]


def named(symbol: Symbol) -> str:
    return symbol.meaning


def test_no_character_and_no_command_stands_twice() -> None:
    characters = "".join(symbol.characters for symbol in SYMBOLS)
    assert len(set(characters)) == len(characters)
    commands = [name for symbol in SYMBOLS for name in symbol.commands]
    commands += [
        name for layout in LAYOUTS for name in (*layout.commands, *layout.judged) if name not in FONTS
    ]
    assert len(set(commands)) == len(commands)
    assert not set(commands) & set(FONTS)


@pytest.mark.parametrize("symbol", [one for one in SYMBOLS if one.latex is not None], ids=named)
def test_the_judge_spells_the_synonyms_of_a_symbol_alike(symbol: Symbol) -> None:
    names = symbol.commands if symbol.judged is None else symbol.judged
    spellings = {judged(f"a {form} b") for form in (*symbol.characters, *(f"\\{name}" for name in names))}
    assert len(spellings) == 1
    assert not set(symbol.characters) & set(spellings.pop())


@pytest.mark.parametrize("symbol", [one for one in SYMBOLS if one.plain is not None], ids=named)
def test_deduplication_spells_the_synonyms_of_a_symbol_alike(symbol: Symbol) -> None:
    forms = (*symbol.characters, *(f"\\{name}" for name in symbol.commands))
    assert len({plain(f"a {form} b") for form in forms}) == 1


@pytest.mark.parametrize("name", [name for layout in LAYOUTS for name in layout.commands])
def test_layout_does_not_change_a_text(name: str) -> None:
    assert judged(f"f\\{name}(x)").replace(" ", "") == "f(x)"
    assert plain(f"f\\{name}(x)") == "f(x)"


@pytest.mark.slow
def test_both_uses_spell_as_they_did_when_stored_keys_were_computed() -> None:
    """The digests were computed when each use had a table of its own."""
    forms = [*CHARACTERS, *(f"\\{name}" for name in COMMANDS.split())]
    texts = [context.format(form) for form in forms for context in CONTEXTS]
    texts += [f"{a}{b} x" for a, b in itertools.product(forms, forms)]
    assert digest(map(judged, texts)) == "f90343653c1b1cd7"
    assert digest(canonical(texts)) == "1f94b453e0fd4442"


def digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def test_a_symbol_that_a_use_leaves_alone_has_no_rule() -> None:
    assert latex_rules("less or equal") == [(r"\\(?:leq|leqslant)(?![a-zA-Z])", r"\\le ")]
    assert plain_rules("times", "dot", "pi") == [(r"\\(times|cdot)\b", "*"), (r"\\(pi)\b", r"\1")]
    with pytest.raises(AssertionError, match="asterisk"):
        latex_rules("asterisk")
    with pytest.raises(AssertionError, match="union"):
        plain_rules("union")
    with pytest.raises(KeyError):
        plain_rules("plus")


def test_superscripts_are_exponents() -> None:
    assert raised("x² + 2ⁿ⁺¹") == "x^{2} + 2^{n+1}"
    assert canonical(["x²"]) == ["x^2"]
    assert judged("x²") == "x^{2}"


@pytest.mark.parametrize("hidden", ["\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad"])
def test_invisible_characters_leave_no_trace_in_the_key_of_duplicates(hidden: str) -> None:
    assert canonical([f"x{hidden}+1"]) == canonical(["x+1"])
