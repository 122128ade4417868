"""The screens against noise: each by a page that it rejects and one that it keeps."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from storage.reasons import Code
from tasks.documents.web.screens import (
    ScreenSettings,
    common_phrase,
    rare_templates,
    repeated_lines,
    repeated_phrases,
    screen,
    unwanted_share,
)

GOOD = """# The triangle inequality

For all real numbers \\(a\\) and \\(b\\), we have \\(|a + b| \\le |a| + |b|\\). To see this, note that both sides are not negative, so
that it is enough to compare their squares. The square of the left side is \\(a^2 + 2ab + b^2\\), and that of the right side is
\\(a^2 + 2|ab| + b^2\\), which is at least as large because \\(ab \\le |ab|\\). Equality holds exactly if the product is not negative.

| n | n^2 |
| --- | --- |
| 1 | 1 |
"""
ZH = (
    "设三角形的三个内角分别为甲、乙、丙，过顶点作对边的平行线，由内错角相等可知三个角之和为一个平角，即一百八十度。"
    * 1
    + (
        "这个证明只用到平行线的性质，因此在欧氏几何中成立；而在球面上平行公设不成立，三角形的内角和总大于一百八十度，超出的部分与面积成正比。"
        "反过来，如果一个曲面上所有三角形的内角和都等于一百八十度，那么这个曲面局部上与平面等距，这就是高斯与博内的结论的一个特例。"
        "练习：求证凸多边形的外角和恒为三百六十度，并说明边数增加时每个内角的平均值如何变化。"
    )
)


def code(text: str, visible: int = 0, **given: object) -> Code | str | None:
    why = screen(text, visible or len(text), ScreenSettings.model_validate(given), "documents")
    return why.code if why else None


@pytest.mark.parametrize("text", [GOOD, ZH])
def test_a_page_of_mathematics_is_kept(text: str) -> None:
    assert code(text, min_characters=100) is None


def test_a_short_page() -> None:
    assert code(GOOD[:150]) == Code.TOO_SHORT
    assert code(GOOD[:150], min_characters=0) is None


def test_a_page_of_which_the_text_is_a_small_part() -> None:
    assert code(GOOD, 100 * len(GOOD)) == Code.BOILERPLATE
    assert code(GOOD, 100 * len(GOOD), min_main_share=0) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (
            "The best casino with poker and slots: bonus for your betting, jackpot on roulette. " + GOOD,
            "gambling",
        ),
        (
            "Wishlist, preorder with a coupon at checkout, bestseller, with refund and warranty. " + GOOD,
            "shop",
        ),
        ("最好的博彩平台，百家乐投注，老虎机，时时彩。" + ZH, "gambling"),
    ],
)
def test_a_page_with_words_of_a_list(text: str, name: str) -> None:
    why = screen(text, len(text), ScreenSettings(), "documents")
    assert why is not None
    assert (why.code, why.values["name"]) == (Code.UNWANTED_WORDS, name)
    assert code(text, max_unwanted=1) is None
    assert code(text, unwanted=["adult"]) is None


def test_one_word_of_a_list_is_no_reason() -> None:
    assert code(GOOD + " The price of a poker chip is a random variable.") is None
    assert unwanted_share("a discount of sextuple sextants", ["adult"])[1] == 0


def test_repeated_lines() -> None:
    menu = "Share this page with your friends today\n"
    assert code(GOOD + menu * 12) == Code.REPEATED_LINES
    assert repeated_lines("a\nb\n") == 0
    assert repeated_lines("a\na\n\na\n") == pytest.approx(2 / 3)
    assert repeated_lines("| 1 |\n| 1 |\n# x\n# x") == 0  # tables and headings


@pytest.mark.parametrize("unit", ["look at the red pen, ", "数学题答案大全"])
def test_a_common_phrase(unit: str) -> None:
    assert code(unit * 60 + GOOD) == Code.REPEATED_PHRASES


def test_phrases_are_weighed_by_what_they_fill() -> None:
    words = [f"w{n}" for n in range(80)]
    assert common_phrase(words) == 0
    assert common_phrase(["+", "="] * 40) == 0  # rows of signs are no phrase
    assert repeated_phrases(words) == 0
    assert repeated_phrases(words[:40] * 2) == pytest.approx(0.5)
    assert repeated_phrases(words[:9] + words[:9]) == pytest.approx(0.5)
    assert repeated_phrases([]) == 0


def test_a_rare_template_on_a_host_with_a_usual_one() -> None:
    settings = ScreenSettings()
    pages = {
        ("a.org", "question"): 97,
        ("a.org", "tags"): 2,
        ("a.org", "login"): 1,
        ("b.org", "x"): 3,
        ("b.org", "y"): 1,
    }
    assert rare_templates(pages, settings) == {("a.org", "login"): 0.01}
    assert rare_templates(pages, ScreenSettings(min_template_share=0)) == {}
    varied = {("c.org", str(n)): 1 for n in range(100)}
    assert rare_templates(varied, settings) == {}


def test_the_digest_follows_the_settings() -> None:
    assert ScreenSettings().digest == ScreenSettings().digest != ScreenSettings(unwanted=[]).digest


def test_an_unknown_list_is_refused() -> None:
    with pytest.raises(
        ValidationError, match="unknown list of unwanted words 'gamblin', the nearest is 'gambling'"
    ):
        ScreenSettings(unwanted=["gamblin"])


def test_word_problems_about_shops_and_games_are_kept() -> None:
    text = (
        "Carl buys ten packs of cookies. Each pack of cookies has six cookies, and each cookie costs $0.10 at the sale price after a "
        "discount. He pays with a $10 bill, then plays poker and makes two bets. How much change does Carl receive for the cookies? "
    )
    assert code(text, min_characters=0) is None
