from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.dedup.normalise import as_array, canonical, canonical_array, folded_array, template
from tasks.dedup.tokens import number_multisets, tokens

SAME = [
    ("Find  the value\nof $x$.", "Find the value of x"),
    (r"\dfrac{1}{2} \cdot x", r"\frac12 × x"),
    (r"\left( a + b \right)^{2}", "(a+b)²"),
    ("1,000,000 apples", "1000000 apples"),
    (r"10{,}000 and 10\,000", "10000 and 10000"),
    ("costs 2.50 dollars", "costs 2.5 dollars"),
    ("x ≤ 3", r"$x \leq 3$"),
    ("ｘ＋１＝２", "x+1=2"),
    ("小明 有 3 个苹果。", "小明有3个苹果"),
    (r"an angle of 60^\circ", "an angle of 60°"),
    (r"\text{if } x \ne 0", "if x != 0"),
    (".5 litres", "0.5 litres"),
    (r"$\log_381$", r"$\log_3 81$"),
    (r"$\log_{12} 5$", r"$\log_{12}5$"),
]
DIFFERENT = [
    ("x+1=3", "x-1=3"),
    ("x^2", "x2"),
    ("A", "a"),
    ("(1, 234)", "(12, 34)"),
    ("1.5", "15"),
    ("3.14.1", "3.141"),
    ("ab", "a b"),
    ("2.05", "2.5"),
    ("100", "1"),
]


@pytest.mark.parametrize(("left", "right"), SAME)
def test_one_spelling(left: str, right: str) -> None:
    assert canonical([left]) == canonical([right])


@pytest.mark.parametrize(("left", "right"), DIFFERENT)
def test_what_differs_stays_different(left: str, right: str) -> None:
    assert canonical([left]) != canonical([right])


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.text(alphabet=st.sampled_from("ab 12.,$\\{}^_()+-×²小，。\n\t½"), max_size=30), max_size=5)
)
def test_canonical_is_stable_and_row_by_row(texts: list[str]) -> None:
    together = canonical(texts)
    assert together == [canonical([text])[0] for text in texts]
    assert (
        tokens(folded_array(texts), None).values.tolist()
        == tokens(pa.array(together, pa.large_string()), None).values.tolist()
    )


@given(
    st.text(
        alphabet=st.sampled_from(
            [*map(chr, range(9, 14)), *map(chr, range(31, 128)), "é", "３", "中", "\u2009"]
        )
    )
)
def test_a_text_alone_is_normalised_as_in_a_column(text: str) -> None:
    assert canonical([text]) == canonical_array([text]).to_pylist()


@pytest.mark.parametrize(
    "text", [" 1,234.50 apples . ", "a\tb\n\n c", "x +\v1", "0.50", "7.", ". . a", "1,2,345"]
)
def test_numbers_and_spaces_of_a_text_alone(text: str) -> None:
    assert canonical([text]) == canonical_array([text]).to_pylist()


def test_columns_of_any_kind() -> None:
    chunked = pa.chunked_array([["a  b", None], ["c"]], type=pa.string())
    assert canonical(chunked) == ["a b", "", "c"]
    assert as_array(pa.array(["x", "y", "z"])[1:]).to_pylist() == ["y", "z"]
    assert canonical([]) == []


def test_languages_must_fit() -> None:
    with pytest.raises(ValueError, match="2 texts but 1 languages"):
        canonical(["a", "b"], ["en"])


def test_template_masks_every_number() -> None:
    assert template("Tom has 3 apples, 1,200 pears and 2.50 euros.") == template(
        "Tom has 41 apples, 7 pears and 9 euros"
    )
    assert template("Tom has three apples") == "Tom has three apples"
    assert template("小明有3个苹果") == "小明有#个苹果"


def test_number_multisets() -> None:
    texts = ["3 and 5", "5 then 3", "3 and 5 and 5", "3.5", "3 5", "none", "53", ""]
    hashes = number_multisets(pa.array(texts, pa.large_string())).tolist()
    assert hashes[0] == hashes[1] == hashes[4]
    assert len({hashes[k] for k in (0, 2, 3, 5, 6)}) == 5
    assert hashes[5] == hashes[7] == 0
