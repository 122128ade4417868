"""The grammar that the judge, the embedded teacher and the decontamination rule share."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.answers.arithmetic import decide_arithmetic
from tasks.decontamination.polynomial import equations
from tasks.text.arithmetic import leading_number, number
from tasks.text.expressions import (
    Bracketed,
    Digits,
    Factor,
    Letter,
    Node,
    NotAnExpression,
    Notation,
    Postfix,
    Power,
    Quotient,
    Root,
    Sum,
    Term,
    parse,
    parse_start,
)

PLAIN = Notation(
    signs={sign: sign for sign in "-+*/^(){}!%√"} | {"×": "*", "**": "^"},
    commands={"frac": "frac", "sqrt": "sqrt", "cdot": "*", "left": "", "right": "", "pi": "\\pi"},
    bare_roots=True,
    towers=True,
    minus="one",
    depth=5,
)


def shown(value: Node | Sum) -> str:
    """A tree with a bracket around every node."""
    match value:
        case Sum(terms=terms):
            return "".join(("-" if term.negative else "+") + _term(term) for term in terms)
        case Digits(digits=text) | Letter(name=text):
            return text
        case Bracketed(inner=inner):
            return f"({shown(inner)})"
        case Quotient(numerator=above, denominator=below):
            return f"<{shown(above)} over {shown(below)}>"
        case Root(radicand=radicand):
            return f"<root {shown(radicand)}>"
        case Power(base=base, exponent=exponent, negative=negative):
            return f"<{shown(base)} ^ {'-' if negative else ''}{shown(exponent)}>"
        case Postfix(sign=sign, value=inner):
            return f"<{shown(inner)}{sign}>"


def _term(term: Term) -> str:
    return " ".join(_factor(factor) for factor in term.factors)


def _factor(factor: Factor) -> str:
    return factor.operator + ("-" if factor.negative else "") + shown(factor.value)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("1", "+1"),
        ("--1 - 2", "+1-2"),
        ("2 × -3 / 4", "+2 *-3 /4"),
        ("2x(3)", "+2 x (+3)"),
        ("-3^2", "-<3 ^ 2>"),
        ("2^3^-x!", "+<2 ^ <3 ^ -<x!>>>"),
        ("2^{3 + 1}4", "+<2 ^ (+3+1)> 4"),
        ("2**3", "+<2 ^ 3>"),
        (r"\frac{1}{2}\cdot\left(x - 1\right)%", "+<(+1) over (+2)> *<(+x-1)%>"),
        (r"\sqrt{2} + √9 + √√16", "+<root (+2)>+<root 9>+<root <root 16>>"),
        (r"2\pi", r"+2 \pi"),
    ],
)
def test_tree_of_an_expression(text: str, tree: str) -> None:
    assert shown(parse(text, PLAIN)) == tree


@pytest.mark.parametrize(
    "text",
    ["", "+", "1 +", "(1", "1)", "(1}", r"\frac12", r"\sqrt[3]{8}", "5!!", "2^", r"\sin x", "1 = 1", "2 * * 3", "½"],
)  # fmt: skip
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(NotAnExpression):
        parse(text, PLAIN)


@pytest.mark.parametrize(
    ("text", "tree", "end"),
    [
        ("12 apples", "+12", 2),
        ("3 + 4 + (x", "+3+4", 5),
        ("3 * 4 * )", "+3 *4", 5),
        ("7 - ", "+7", 1),
        (r"5!\left(x", "+<5!>", 2),
    ],
)
def test_start_of_a_text_that_is_an_expression(text: str, tree: str, end: int) -> None:
    start = parse_start(text, replace(PLAIN, letters="none"))
    assert shown(start) == tree
    assert start.terms[-1].factors[-1].end == end


def test_a_notation_decides_what_may_stand_side_by_side() -> None:
    assert shown(parse("1 2", PLAIN)) == "+1 2"
    refusing = replace(PLAIN, beside=lambda before, token, divided: "refuse")
    ending = replace(PLAIN, beside=lambda before, token, divided: "end")
    for notation in (refusing, ending):
        with pytest.raises(NotAnExpression):
            parse("1 2", notation)
    assert shown(parse_start("1 2", ending)) == "+1"
    with pytest.raises(NotAnExpression):
        parse_start("1 2", refusing)


@pytest.mark.parametrize(
    "opening", ["(", "{", "√", "2^", "2**-", r"\sqrt{", r"\frac{", "x^{", "-(", "1+(", "\\left("]
)
@pytest.mark.parametrize("count", [50, 5000])
def test_deep_texts_are_refused_by_every_reader(opening: str, count: int) -> None:
    """None of them exhausts Python's stack: the depth is bounded by the notation."""
    deep = opening * count + "1"
    for text in (deep, f"1 + {deep}"):
        with pytest.raises(NotAnExpression):
            parse(text, PLAIN)
    assert number(deep) is None
    assert leading_number(deep) == ((1, 1) if opening == "1+(" else None)
    assert decide_arithmetic(deep, "1") is None
    equations(f"{deep} = x")


def test_long_texts_are_refused() -> None:
    assert shown(parse("+".join("1" * 150), PLAIN)) == "+1" * 150
    with pytest.raises(NotAnExpression):
        parse("+".join("1" * 151), PLAIN)


@given(st.text(alphabet="0123456789+-*/^(){}[]x!%.,√× \\fracsqrtpileh=", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for reader in (parse, parse_start):
        try:
            tree = reader(text, PLAIN)
        except NotAnExpression:
            continue
        assert tree.terms
        assert tree.terms[-1].factors[-1].end <= len(text)


# what each reader makes of one text: value of the judge equal to the text in the second column, number of the teacher,
# number of equations that the decontamination rule sees in "text = y"
@pytest.mark.parametrize(
    ("text", "equal_to", "value", "stated"),
    [
        ("1 - + 2", "-1", None, 0),  # only the judge reads any signs
        ("10 - -3", "13", 13, 0),
        ("2 * -3", "-6", -6, 0),
        ("2 3", None, None, 1),  # a product for the rule, nothing for the others
        ("3(4)", "12", 12, 1),
        (r"3\frac{1}{2}", None, None, 1),  # a mixed number or a product
        (r"\frac{3}{4}", "0 + 3/4", "3/4", 1),
        ("2^{-1}", "1/2", "1/2", 0),
        ("2^(3)", None, 8, 0),
        ("x^3^2", None, None, 0),
        ("4^{1/2}", "2", None, 0),
        ("4^{3/2}", "8", None, 0),
        (r"3 + \sqrt{16}", "7", 7, 1),  # the rule has no roots and reads {16} = y
        ("1,250", None, 1250, 1),
        ("1.5", None, "3/2", 1),
        ("5!", None, 120, 0),
        ("[2 + 3]", None, 5, 0),
        ("8 − 5", None, 3, 1),
    ],
)
def test_each_use_reads_its_own_notation(text: str, equal_to: str | None, value: object, stated: int) -> None:
    assert decide_arithmetic(text, equal_to or "1") == ("equal" if equal_to else None)
    result = number(text)
    assert (None if result is None else str(result)) == (None if value is None else str(value))
    assert len(equations(f"{text} = y")) == stated
