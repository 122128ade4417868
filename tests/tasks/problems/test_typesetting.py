"""Formulas of worked steps in LaTeX: what becomes one, and that a critic reads the same calculations in them."""

from __future__ import annotations

import re

import pytest

from tasks.critics.error_injection import inject_error
from tasks.critics.recomputing import calculations
from tasks.problems.machinery.family import families, make
from tasks.problems.machinery.notation import Unworkable
from tasks.problems.machinery.typesetting import has_latex, typeset_text, with_prices_escaped
from tasks.seeding import rng_of


@pytest.mark.parametrize(
    ("question", "latex"),
    [
        ("Solve $2x + 1 = 5$.", True),
        (r"What is \(\frac{1}{2}\) of 10?", True),
        ("Ann has $20 and spends $5. How many dollars are left?", False),
        ("What is 3 + 4?", False),
        ("How many zeros does $890!$ end with?", True),
        ("What is $(12+5)*3$?", True),
        ("$20-8$ 等于多少？", True),
        ("The price rose from $20-$30 to $5, $6 or $7 ($8 with tax).", False),
        ("He pays $5! Then he pays $6!", False),
    ],
)
def test_dollars_of_money_are_no_latex(question: str, latex: bool) -> None:
    assert has_latex(question) == latex


@pytest.mark.parametrize(
    ("plain", "escaped"),
    [
        (r"Ann has $60 and spends $\frac{1}{4}$ of it.", r"Ann has \$60 and spends $\frac{1}{4}$ of it."),
        (
            r"Of a sum of $1,168. The share is $\frac{2}{3}$.",
            r"Of a sum of \$1,168. The share is $\frac{2}{3}$.",
        ),
        (
            r"He spends $\frac{3}{4}$, $5, $6.50 and then $7",
            r"He spends $\frac{3}{4}$, \$5, \$6.50 and then \$7",
        ),
        (r"Already \$60 and $x^2$.", r"Already \$60 and $x^2$."),
        (
            r"Solve $3x + 1 = 5$, $12 - x = 3$ and $5$ in all.",
            r"Solve $3x + 1 = 5$, $12 - x = 3$ and $5$ in all.",
        ),
        (r"The pairs $1, 2$ and $2 \cdot 3$ and $5!$.", r"The pairs $1, 2$ and $2 \cdot 3$ and $5!$."),
        ("Ann has $20 and spends $5.", "Ann has $20 and spends $5."),
    ],
)
def test_prices_are_escaped_where_formulas_stand(plain: str, escaped: str) -> None:
    assert with_prices_escaped(plain) == escaped
    assert with_prices_escaped(escaped) == escaped


def test_no_question_of_a_family_has_formulas_and_a_bare_price() -> None:
    questions = [
        family.write(family.draw(rng_of(3, name, index), 1 + index % 3), "en", index)
        for name, family in families().items()
        for index in range(30)
    ]
    mixed = [text for text in questions if has_latex(text) and r"\$" in text]
    assert len(mixed) > 20
    for text in questions:
        outside = re.sub(r"\\\$", "", text)
        assert not has_latex(text) or outside.count("$") % 2 == 0, text


@pytest.mark.parametrize(
    ("plain", "language", "set_"),
    [
        ("So x = 8 / 7 = 8/7.", "en", r"So $x = 8 / 7 = \frac{8}{7}$."),
        ("The side: 2 * 18 * 6 = 216 times pi.", "en", r"The side: $2 \cdot 18 \cdot 6 = 216$ times $\pi$."),
        ("A shot misses; 3 of 5 are left, see a.", "en", "A shot misses; 3 of 5 are left, see a."),
        ("(sqrt(4x^2 - 1) + 2x) is positive.", "en", r"$(\sqrt{4x^2 - 1} + 2x)$ is positive."),
        ("The edges are (-5, 0, 13), (-1, 4, 13).", "en", "The edges are $(-5, 0, 13)$, $(-1, 4, 13)$."),
        ("u'v + uv' gives 2^10; it's done.", "en", "$u'v + uv'$ gives $2^{10}$; it's done."),
        (
            "因为 x = 3，所以 2 * cos(120°) 等于 -1。",
            "zh",
            r"因为 $x = 3$，所以 $2 \cdot \cos(120^\circ)$ 等于 -1。",
        ),
        (
            "The difference is -x^2 - 5x, on the x-axis.",
            "en",
            "The difference is $-x^2 - 5x$, on the x-axis.",
        ),
        ("So (-x)^2 = x^2 and 3-y = 2.", "en", "So $(-x)^2 = x^2$ and $3-y = 2$."),
        (r"That is $22\sqrt{3}$, and y = 2.", "en", r"That is $22\sqrt{3}$, and $y = 2$."),
        (
            "The curve is -x^2 + 9x - 14 there, L-shaped.",
            "en",
            "The curve is $-x^2 + 9x - 14$ there, L-shaped.",
        ),
        (
            "Take 5 - (5/4) + (-1/3)(1/2) = (1/2)^2.",
            "en",
            r"Take $5 - \frac{5}{4} + (-\frac{1}{3})(\frac{1}{2}) = (\frac{1}{2})^2$.",
        ),
    ],
)
def test_formulas_stand_between_dollar_signs(plain: str, language: str, set_: str) -> None:
    assert typeset_text(plain, language) == set_
    assert typeset_text(set_, language) == set_


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_solution_has_the_notation_of_its_question_and_its_calculations_are_read(language: str) -> None:
    """Every calculation that is read in plain steps is read in LaTeX, with the same value, and an error is still carried to the answer."""
    changed = written = 0
    for name, family in families().items():
        for number in range(3):
            rng = rng_of("typesetting", name, language, number)
            try:
                values = family.draw(rng, 1 + number)
                plain = family.work(values, language)
            except Unworkable:
                continue
            problem = make(family, rng_of("typesetting", name, language, number), 1 + number, language)
            if not has_latex(problem.question):
                assert problem.worked == plain
                continue
            steps = problem.worked.steps
            written += any("$" in step for step in steps)
            for step, as_latex in zip(plain.steps, steps, strict=True):
                read = [(one.left, one.right) for one in calculations(as_latex)]
                assert all(left == right for left, right in read), as_latex
                missed = [one for one in calculations(step) if (one.left, one.right) not in read]
                assert missed == [], (step, as_latex)
            wrong, answer = inject_error(steps, problem.worked.answer, rng)
            assert answer != problem.worked.answer
            false = [i for i, step in enumerate(wrong) if any(not one.true for one in calculations(step))]
            first = [i for i, (a, b) in enumerate(zip(steps, wrong, strict=True)) if a != b]
            changed += bool(false) and false[0] == first[0]
    assert changed >= 0.8 * written > 50
