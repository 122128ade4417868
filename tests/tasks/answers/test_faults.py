"""The fast path never contradicts math-verify, except for faults of math-verify that are each proved here.

When an upgrade of math-verify fixes a fault, the test of that fault fails, and its line is removed.
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from math_verify import parse, verify

from tasks.answers.arithmetic import decide_arithmetic
from tasks.answers.exact import decide
from tasks.answers.spelling import canonical
from tasks.answers.symbolic import verdict

FAULTS = [
    # (candidate, gold, what math-verify says, what is true, the fault)
    ("2.5", "2.5000001", True, "different", "decimals are rounded to six places"),
    ("0.0000001", "0.0000002", True, "different", "decimals are rounded to six places"),
    ("1/2^{99}", "1/2^{98}", True, "different", "small differences are chopped to zero"),
    ("**73**", "73", False, "equal", "markdown is not understood"),
    ("1 1/2", "1.5", False, "equal", "a mixed number in plain text is read as its whole part"),
    ("1 234", "1234", False, "equal", "thousands parted by a space are added"),
    ("1e3", "1000", False, "equal", "e is read as Euler's number"),
    ("12.5%", "12.5", False, "equal", "a bare percent is understood for whole numbers only"),
    ("5 cm", "5 m", True, "different", "units are dropped"),
    ("50 dollars", "50", False, "equal", "a word is a product of letters"),
    ("on", "no", True, None, "a word is a product of letters"),
    ("0.\\overline{3}", "0", True, "different", "the grammar stops at what it does not know"),
    ("2*x**3", "2", True, "different", "the grammar stops at what it does not know"),
    ("6:1:2", "3", True, "different", "a continued ratio is divided out"),
    ("120_5", "120_6", True, "different", "a written base is dropped"),
    ("0x11", "0x585", True, "different", "hexadecimal is a product with zero"),
    ("x+y-1=0", "0", True, "different", "of an equation the right side alone is compared"),
    ("1<2", "2<3", True, "unknown", "two relations without variables are the same truth"),
    ("(2,1]", "(5,3]", True, "unknown", "two lines are parsed to nothing (the empty interval)"),
    (
        "x\\equiv 1 \\pmod 5",
        "x\\equiv 2 \\pmod 5",
        True,
        "different",
        "where the grammar fails, any number is taken",
    ),
    ("3x+1 \\foo 7", "9x \\foo 7", True, "unknown", "where the grammar fails, any number is taken"),
    ("10/10/2000", "1/1/2000", True, "different", "a date is divided out"),
    ("三", "3", False, "equal", "Chinese numerals are not understood"),
]


def plain(candidate: str, gold: str) -> bool:
    """math-verify as its README calls it on LaTeX answers."""
    answers = [parse(f"${text}$", parsing_timeout=None) for text in (gold, candidate)]
    return bool(verify(*answers, timeout_seconds=None))


@pytest.mark.parametrize(("candidate", "gold", "theirs", "true", "fault"), FAULTS)
def test_known_faults(candidate: str, gold: str, theirs: bool, true: str | None, fault: str) -> None:
    assert plain(candidate, gold) == theirs, f"math-verify no longer does this: {fault}"
    if true is not None:
        decision = decide(candidate, gold) or verdict(canonical(candidate), canonical(gold))
        assert decision == true, fault


_whole = st.integers(-(10**12), 10**12).map(str)
_grouped = st.integers(-(10**12), 10**12).map(lambda n: f"{n:,}")
_decimal = st.builds(
    lambda n, places: f"{Decimal(n).scaleb(-places):f}", st.integers(-(10**9), 10**9), st.integers(1, 5)
)
_ratio = st.builds(lambda n, d: f"{n}/{d}", st.integers(-999, 999), st.integers(1, 999))
_frac = st.builds(
    lambda n, d, f: f"{f}{{{n}}}{{{d}}}",
    st.integers(-999, 999),
    st.integers(1, 999),
    st.sampled_from(["\\frac", "\\dfrac"]),
)
_percent = st.integers(0, 10**4).map(lambda n: f"{n}\\%")
_number = st.one_of(_whole, _grouped, _decimal, _ratio, _frac, _percent)
_small = st.one_of(
    st.integers(-3, 3).map(str),
    st.sampled_from(
        [
            "1/2",
            "0.5",
            "50\\%",
            "\\frac{1}{2}",
            "0.50",
            "2/4",
            ".5",
            "1.0",
            "1",
            "100\\%",
            "-0.5",
            "-1/2",
            "0",
        ]
    ),
)


@pytest.mark.slow
@given(
    st.one_of(st.tuples(_number, _number), st.tuples(_small, _small), _number.map(lambda text: (text, text)))
)
def test_the_fast_path_agrees_with_math_verify_on_numbers(pair: tuple[str, str]) -> None:
    decision = decide(*pair)
    assert decision is not None, "a pair of numbers is decided without algebra"
    if decision != "unknown":
        assert (decision == "equal") == plain(*pair)


_point = st.tuples(st.integers(-9, 9), st.integers(-9, 9)).map(lambda p: f"({p[0]}, {p[1]})")
_set = st.lists(st.integers(-5, 5), min_size=2, max_size=4, unique=True).map(
    lambda xs: ",".join(map(str, xs))
)


@pytest.mark.slow
@settings(max_examples=60)
@given(st.one_of(st.tuples(_point, _point), st.tuples(_set, _set)))
def test_the_fast_path_agrees_with_math_verify_on_points_and_lists(pair: tuple[str, str]) -> None:
    decision = decide(*pair)
    if decision is not None:  # 0,1 may be a decimal
        assert (decision == "equal") == plain(*pair)


_leaf = st.one_of(
    st.integers(0, 12).map(str), st.sampled_from(["x", "y", "\\pi", "\\sqrt{2}", "\\sqrt{12}", "x^2"])
)
_expression = st.recursive(
    _leaf,
    lambda inner: st.one_of(
        st.builds("{} + {}".format, inner, inner),
        st.builds("({} - {})".format, inner, inner),
        st.builds("{} \\cdot ({})".format, inner, inner),
        st.builds("({})^{{2}}".format, inner),
        st.builds("\\frac{{{}}}{{{}}}".format, inner, st.integers(1, 9).map(str)),
    ),
    max_leaves=5,
)
# the same value, written otherwise
_rewritten = st.sampled_from(
    ["{} + 0", "0 + ({})", "\\frac{{2({})}}{{2}}", "({}) - 1 + 1", "{} + 1", "-({})", "2({})"]
)


@pytest.mark.slow
@settings(max_examples=60)
@given(
    st.one_of(
        st.tuples(_expression, _expression), st.builds(lambda e, f: (f.format(e), e), _expression, _rewritten)
    )
)
def test_the_identity_test_agrees_with_math_verify(pair: tuple[str, str]) -> None:
    decision = decide_arithmetic(*pair)
    if decision is not None:
        assert (decision == "equal") == plain(*pair)


def test_the_identity_test_decides_without_computing() -> None:
    assert decide_arithmetic("9^{99999999999999}", "9^{99999999999998}") == "different"
    assert decide_arithmetic("(x+y)^{5000}", "(y+x)^{5000}") == "equal"
    assert decide_arithmetic("\\sqrt{6}", "\\sqrt{2}\\sqrt{3}") == "equal"
    assert decide_arithmetic("(1+\\sqrt{2})^{2}", "3+2\\sqrt{2}") == "equal"
    for ambiguous in (
        "1/2x",
        "f(x)",
        "1 2",
        "3\\frac12",
        "0.5",
        "2^{n}",
        "\\sin x",
        "x=1",
        "\\frac{1}{0}",
        "i",
        "abc",
    ):
        assert decide_arithmetic(ambiguous, "x") is None
