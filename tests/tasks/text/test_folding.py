from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.dedup.normalise import canonical, plain_array
from tasks.text.folding import folded


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Нow mаny аpples dоes Τοm hаvе?", "How many apples does Tom have?"),
        ("Ηοw many αpples", "How many apples"),
        ("Ꭰaniel ꓚarries 5 ꓐoxes", "Daniel Carries 5 Boxes"),
        ("ᴡʜᴀᴛ ɪs the tоtаl", "what is the total"),
        ("tο the lаke", "to the lake"),
        ("Нe hаs 1З аpplеs", "He has 13 apples"),
        ("求х的值，其中х+1=3", "求x的值，其中x+1=3"),
        ("How m\u200bany a\u2060pp\u00adles\ufeff", "How many apples"),
        ("\u202eHow\u202c many\u2069 \u3164apples\U000e0041", "How many apples"),
        ("How\x00 ma\x1bny", "How many"),
        ("x &lt; 3 &amp;&amp; y&nbsp;&gt; 4", "x < 3 && y\xa0> 4"),
        ("&amp;lt; &#120; &#x79;", "< x y"),
        ("H<b>ow</b> <span class='x'>many</span> apples<br/>are left", "How many apples are left"),
        ("x<sup>2</sup> + a<sub>1</sub>", "x^{2} + a_{1}"),
        ("學校買來3個蘋果，還剩多少個？", "学校买来3个苹果，还剩多少个？"),
        ("٣ apples and ৪ pears", "3 apples and 4 pears"),
        ("Piñata for Zoë", "Pinata for Zoe"),
    ],
)  # fmt: skip
def test_what_looks_the_same_is_one_text(text: str, plain: str) -> None:
    assert folded(text) == plain
    assert folded(plain) == plain


@pytest.mark.parametrize(
    "text",
    [
        "α + β = 2ρ, and αx + νy = 3",
        "Найдите число: 3 и 5 для них",
        "Βρείτε το άθροισμα",
        "if a<b and c>d, or 0<p<1, or x<y>z",
        "x<b>c is algebra",
        "AT&T; R&D; a&b",
        "f(x) = x̄",
        "三つのりんご",
        "学校买来3个苹果",
        "\\begin{array}{c} a & b \\\\ c & d \\end{array}",
        "line one\n\tline two",
    ],
)
def test_what_is_no_disguise_stays(text: str) -> None:
    assert folded(text) == text


@given(st.text(max_size=60))
def test_columns_are_folded_as_single_texts_are(text: str) -> None:
    once = folded(text)
    assert plain_array([text, "plain", text]).to_pylist() == [once, "plain", once]
    if "&" not in once:  # entities may be nested deeper than they are read
        assert folded(once) == once


def test_disguises_are_one_canonical_text() -> None:
    plain = "How many apples does Tom have if he has 3 + 4?"
    disguised = [
        plain.replace("o", "о").replace("a", "а"),
        plain.replace("m", "m\u200b"),
        plain.replace(" ", "&nbsp;").replace("+", "&#43;"),
        f"<p><b>{plain}</b></p>",
        "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in plain),
    ]
    assert set(canonical([plain, *disguised])) == set(canonical([plain]))
