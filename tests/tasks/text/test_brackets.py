from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.answers.structure import parts
from tasks.text.brackets import ALL, GROUPS, PARENTHESES, closing, split_top


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("1, 2; 3", ["1", "2", "3"]),
        ("(1, 2), [3, 4), \\{5, 6\\}", ["(1, 2)", "[3, 4)", "\\{5, 6\\}"]),
        ("\\frac{1, 2}{3}, x", ["\\frac{1, 2}{3}", "x"]),
        ("1\\,000, 2", ["1\\,000", "2"]),
        ("\\begin{pmatrix} 1, 2 \\\\ 3, 4 \\end{pmatrix}, 5", ["\\begin{pmatrix} 1, 2 \\\\ 3, 4 \\end{pmatrix}", "5"]),
        (", 1,, ", ["1"]),
        ("", []),
        ("(1, 2", ["(1, 2"]),
    ],
)  # fmt: skip
def test_parts_at_the_top_level(text: str, pieces: list[str]) -> None:
    assert split_top(text) == pieces


def test_separators_are_the_callers() -> None:
    assert split_top("a; b, (c, d)", ",") == ["a; b", "(c, d)"]
    assert split_top("a|(b|c)|d", "|") == ["a", "(b|c)", "d"]


@pytest.mark.parametrize(
    ("text", "brackets", "end"),
    [
        ("(1, [2), 3] x)", ALL, 10),
        ("\\{1, (2)\\} x", ALL, 9),
        ("{a \\} [ b}", GROUPS, 9),  # a set's brace and another bracket are not counted
        ("(\\frac{1}{2}) (", PARENTHESES, 12),
        ("(1", ALL, -1),
        ("\\begin{matrix} 1 \\end{matrix}", ALL, 28),
    ],
)
def test_the_bracket_that_closes_the_first(text: str, brackets: frozenset[str], end: int) -> None:
    assert closing(text, 0, brackets=brackets) == end
    assert closing(text, 0, end, brackets) == -1


@given(st.text(alphabet="()[]{}\\,; 1xbegindmatrix", max_size=40))
def test_no_text_is_lost(text: str) -> None:
    joined = "".join("".join(split_top(text)).split())
    assert joined == "".join(text.replace(",", "").replace(";", "").split()) or set(",;") & set(joined)
    assert closing(text, 0) < len(text)


def test_a_list_of_matrices_is_split_between_them() -> None:
    matrix = "\\begin{pmatrix} 1, 2 \\end{pmatrix}"
    split = parts(f"{matrix}, {matrix}")
    assert split is not None
    assert split.items == (matrix, matrix)
    assert parts(matrix) is None
