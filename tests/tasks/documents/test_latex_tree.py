"""The nodes of a LaTeX text: the same as pylatexenc's, for a work that grows with the text and not with its square."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pylatexenc import latexwalker

from tasks.documents import latex_tree
from tasks.documents.latex_tree import TexNode, tex_tree
from tasks.documents.macros import Macros

PIECES = [
    "a", "word ", "don't", "``q''", "--", "---", "-", "!", "?`", "~", "&", " ", "\n", "\n\n", "\t", "[", "]", "*", "{", "}", "%c\n",
    "$", "$$", r"\(", r"\)", r"\[", r"\]", r"\frac", r"\frac12", r"\emph ", r"\emph{b}", r"\footnotemark[3]", r"\unknown[x]{y}",
    r"\begin{center}", r"\end{center}", r"\begin", r"\end", r"\begin{tabular}{l}", r"\end{tabular}", r"\\[2pt]", r"\verb|x|", "\\",
    "é", "数学",
]  # fmt: skip


def prose(sentences: int) -> str:
    return "\n\n".join(["It doesn't end - why? (See the well-known book.)"] * sentences)


@given(st.lists(st.sampled_from(PIECES), max_size=25))
@example(["a", " ", r"\emph ", "word ", "don't", "\n\n", r"\begin"])
def test_the_nodes_are_those_of_the_stock_walker(pieces: list[str]) -> None:
    text = "".join(pieces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latex_tree, "_Walker", latexwalker.LatexWalker)
        expected = tex_tree(text, "book.tex", Macros())
    assert tex_tree(text, "book.tex", Macros()) == expected


def test_prose_costs_a_number_of_tokens_that_does_not_grow_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens: Counter[str] = Counter()
    base = latexwalker.LatexWalker.get_token

    def counted(self, *args, **named):  # each token copies the text since the last macro
        tokens["read"] += 1
        return base(self, *args, **named)

    monkeypatch.setattr(latexwalker.LatexWalker, "get_token", counted)
    read = []
    for sentences in (10, 1000):
        tokens.clear()
        text = rf"\section{{One}} {prose(sentences)} \emph{{two}}"
        nodes = tex_tree(text, "book.tex", Macros())
        read.append(tokens["read"])
        assert nodes[1] == TexNode("text", nodes[0].end, text.index(r"\emph"), text=f" {prose(sentences)} ")
    assert read[0] == read[1]
