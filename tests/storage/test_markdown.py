"""Text from outside stays text in Markdown, whatever it contains, as read by a CommonMark implementation."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from storage.markdown import code, fenced, inline
from storage.visible import visible

HOSTILE = [
    "![x](https://evil.example/pixel.png)",
    "[click](javascript:alert(1))",
    "[click]( <javascript:alert(1)> 'title')",
    "[a][b]\n\n[b]: javascript:alert(1)",
    "[b]: https://evil.example",
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "<https://evil.example> <a@evil.example>",
    "https://evil.example www.evil.example mailto:a@evil.example a@evil.example",
    "&lt;img src=x&gt; &#60;script&#62; &colon;",
    "# heading",
    "heading\n===\n",
    "===",
    "---",
    "***",
    "- item\n- item",
    "+ item",
    "1. item",
    "123456789) item",
    "> quotation",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "a | b \\| c \\\\| d",
    "ends in a backslash \\",
    "`code` ``x` ```\nfence",
    "~~~\nfence\n~~~",
    "    indented code",
    "\tindented code",
    "*em* **strong** _em_ __strong__ ~~gone~~",
    "_a_ b_c_ _d",
    "\\[x](y) \\![x](y) \\\\[x](y)",
    "![x\\](javascript:1)](https://evil.example)",
    "a\r\n\r\n<b>\x00\x1b[31m\u2028# x\u2029- y",
    "$x$ \\(y\\) \\[z\\]",
    "]]>--><!-- x --> <?php ?> <![CDATA[x]]>",
    "",
    "   ",
]
ALLOWED = {"paragraph_open", "paragraph_close", "inline", "text", "text_special"}
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def kinds(tokens: list[Token]) -> set[str]:
    return {kind for token in tokens for kind in (token.type, *kinds(token.children or []))}


def shown(markup: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", markup)).strip()


def spaced(text: str) -> str:
    return visible(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\s]+", " ", text).strip())


@pytest.mark.parametrize("text", HOSTILE)
def test_a_line_is_text(text: str) -> None:
    assert kinds(PARSER.parse(inline(text))) <= ALLOWED
    assert shown(PARSER.render(inline(text))) == spaced(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_cell_is_text_and_breaks_no_table(text: str) -> None:
    table = f"| {inline(text)} | {inline(text)} |\n|---|---|\n| {inline(text)} | {inline(text)} |\n\nafter"
    tokens = PARSER.parse(table)
    assert len([token for token in tokens if token.type in ("th_open", "td_open")]) == 4
    cells = [token.content for token in tokens if token.type == "inline"]
    assert cells[-1] == "after"
    assert kinds(tokens) <= ALLOWED | {
        f"{part}_{end}" for part in ("table", "thead", "tbody", "tr", "th", "td") for end in ("open", "close")
    }
    rendered = PARSER.render(table)
    assert [shown(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", rendered)] == [spaced(text)] * 4


@pytest.mark.parametrize("text", HOSTILE)
def test_within_a_sentence_and_in_a_list(text: str) -> None:
    page = f"**{inline(text)}** x\n\n- {inline(text)}\n"
    assert kinds(PARSER.parse(page)) <= ALLOWED | {
        f"{part}_{end}" for part in ("strong", "bullet_list", "list_item") for end in ("open", "close")
    }


@pytest.mark.parametrize("text", HOSTILE)
def test_code_keeps_everything(text: str) -> None:
    tokens = PARSER.parse(fenced(text, "yaml") + "\nafter\n")
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert shown(PARSER.render("x " + code(text) + " y")).replace("\ufffd", " ").split() == [
        "x",
        *spaced(text).split(),
        "y",
    ] or not spaced(text)
    assert kinds(PARSER.parse("x " + code(text) + " y")) <= ALLOWED | {"code_inline"}


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example",
        "HTTP://evil.example",
        "ftp://x.y",
        "www.evil.example",
        "WWW.evil.example",
        "a@evil.example",
        "mailto:a@b.c",
        "javascript:alert(1)",
        "xmpp:a@b.c",
    ],
)
def test_a_bare_address_is_broken_up(address: str) -> None:
    """As GitHub's dialect and Prefect's UI find them: by pattern, in the source."""
    pattern = r"(?i)(https?://|ftp://|www\.)\S|[\w.+-]+@[\w-]+\.|(mailto|xmpp|javascript):\S"
    assert re.search(pattern, address)
    assert not re.search(pattern, inline(f"see {address} there"))


@given(st.text(alphabet=st.sampled_from(list("ab1 \n\t`*_[]()<>!#+-=|~\\&:/.@$^\"'{};x")), max_size=60))
def test_any_text_is_text(text: str) -> None:
    assert kinds(PARSER.parse(inline(text))) <= ALLOWED
    assert shown(PARSER.render(inline(text))) == spaced(text)
    row = PARSER.parse(f"| {inline(text)} | z |\n|---|---|\n")
    assert len([token for token in row if token.type == "th_open"]) == 2
    assert kinds(PARSER.parse(f"x {code(text)} y")) <= ALLOWED | {"code_inline"}
    assert PARSER.parse(fenced(text))[0].content == text + "\n"


@pytest.mark.parametrize(
    "hidden", ["\u202e", "\u200b", "\u2066", "\u00ad", "\ufeff", "\u3164", "\U000e0041", "\ud800", "\x9b"]
)
def test_hidden_characters_stand_there_as_escapes(hidden: str) -> None:
    text = f"a{hidden}b"
    for markup in (inline(text), code(text), fenced(text)):
        assert hidden not in markup
        rendered = shown(PARSER.render(markup))
        # a control character may be a blank instead
        assert rendered in (f"a\\u{ord(hidden):04x}b", f"a\\U{ord(hidden):08x}b", "a b" * (hidden == "\x9b"))
