"""What a rewritten text has to have again: formulas, numbers and named theorems of its source."""

from __future__ import annotations

import pytest

from tasks.documents.omissions import formulas, kept_of, theorems

SOURCE = (
    "By the binomial theorem, \\((x+y)^2 = x^2 + 2xy + y^2\\). There are 1,024 rows in 3 tables, and "
    "\\[a_n = 3\\cdot 2^{n}.\\] See Theorem 4."
)


def test_a_text_that_has_everything_again_keeps_all_of_it() -> None:
    rewritten = (
        "In the 3 tables stand 1024 rows. With $a_n=3 \\cdot 2^{n}$ and the Binomial Theorem we see "
        "\\[ \\left( x+y \\right)^2 = x^2+2xy+y^2 \\]"
    )
    kept = kept_of(SOURCE, rewritten)
    assert (kept.share, kept.missing) == (1.0, ())
    assert kept.of == 5


@pytest.mark.parametrize(
    ("removed", "missing"),
    [
        ("\\((x+y)^2 = x^2 + 2xy + y^2\\)", "(x+y)^2 = x^2 + 2xy + y^2"),
        ("1,024", "1024"),
        ("binomial theorem", "binomial theorem"),
        ("\\[a_n = 3\\cdot 2^{n}.\\]", "a_n = 3\\cdot 2^{n}."),
    ],
)
def test_what_is_left_out_is_named(removed: str, missing: str) -> None:
    kept = kept_of(SOURCE, SOURCE.replace(removed, "it"))
    assert kept.missing == (missing,)
    assert kept.share == pytest.approx(4 / 5)


def test_a_changed_number_or_formula_is_left_out() -> None:
    assert kept_of("There are 24 words.", "There are 240 words and 2.4 letters.").share == 0
    assert kept_of("\\(x^2 + 1\\)", "\\(x^2 + 2\\)").share == 0


def test_a_text_without_anything_to_keep_keeps_all_of_it() -> None:
    assert kept_of("A definition in words.", "Other words.").share == 1.0


def test_numbers_of_lists_and_headings_are_not_numbers_of_the_text() -> None:
    assert kept_of("# 3. Sums\n1. the first\n2. the second", "the first, and the second").share == 1.0


def test_a_display_of_several_lines_is_one_formula_per_line() -> None:
    display = "\\[\\begin{aligned} a &= b + 1 \\\\ &= 7 \\end{aligned}\\]"
    assert formulas(display) == ["\\begin{aligned} a &= b + 1", "&= 7 \\end{aligned}"]
    assert kept_of(display, "\\(a = b+1\\), which is \\(= 7\\)").share == 1.0


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("by the Binomial Theorem and Pascal's identity", ["Binomial Theorem", "Pascal's identity"]),
        ("the multiplicative principle", ["multiplicative principle"]),
        ("the Law of Cosines", ["Law of Cosines"]),
        ("the theorem says, and the lemma too", []),
        ("由勾股定理可知", ["勾股定理"]),
        ("根据二项式定理和乘法原理", ["二项式定理", "乘法原理"]),
    ],
)
def test_theorems_have_names(text: str, names: list[str]) -> None:
    assert theorems(text) == names


@pytest.mark.slow
def test_hostile_texts_are_read_in_linear_time() -> None:
    for text in (
        "\\[" * 50_000,
        "$" * 50_001,
        "\\(x" * 50_000,
        "A-" * 50_000 + "Theorem",
        "定" * 100_000,
        "ial " * 50_000,
    ):
        assert 0 <= kept_of(text, text[::-1]).share <= 1


def test_the_number_beside_a_formula_is_no_part_of_it() -> None:
    source = "By \\[a + b = c \\tag{3.2}\\] and \\[\\begin{aligned}\nd &= e \\qquad\\text{(4)} \\\\\nf &= g\n\\end{aligned}\\]"
    kept = kept_of(source, r"Since \(a + b = c\), \(d = e\) and \(f = g\).")
    assert (kept.count, kept.missing) == (kept.of, ())
