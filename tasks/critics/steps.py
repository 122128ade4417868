"""Divides a worked solution into the steps that critics judge.

A step is a line, because critics are shown numbered lines. Some lines belong together (a program in its fence, a displayed formula,
an environment of LaTeX), and a paragraph that holds several steps or sentences is several steps. Every character but blanks and line
breaks is kept, so that joined steps read as the solution does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

LONG = 160  # characters from which on a line is divided into its sentences
_FENCE = re.compile(r"^[ \t]{0,3}(`{3,}|~{3,})")
_OPENS = re.compile(r"\\\[|\\begin\{([a-zA-Z]+\*?)\}|\$\$")
_SENTENCE = {
    # a point ends a sentence where a capital, a formula or a bracket follows: not in "3.5", "e.g. 4", "approx. 7" or "1. Add"
    "en": re.compile(
        r"(?<=[a-z\d)\]}%$][.!?])[ \t]+(?=[A-Z$\\(*])(?<!^\d\. )(?<!^\d\d\. )(?<!e\.g\. )(?<!i\.e\. )"
    ),
    "zh": re.compile(r"(?<=[。！？；])\s*(?=\S)|(?<=[a-z\d)\]}%$][.!?])[ \t]+(?=[A-Z$\\(*\u4e00-\u9fff])"),
}
# numbered steps that a model writes in one line: "Step 1: ... Step 2: ...", "第一步：…第二步：…"
_NUMBERED = re.compile(
    r"(?<=\S)\s+(?=\*{0,2}Step \d{1,2}\b\s*[:.)]|\*{0,2}第[一二三四五六七八九十\d]{1,3}步\s*[：:，])"
)


def split_steps(solution: str, language: str = "en") -> tuple[str, ...]:
    """Return the steps of a solution in `language` ("en", "zh"), none of them blank."""
    sentence = _SENTENCE.get(language, _SENTENCE["en"])
    steps: list[str] = []
    for block in _blocks(solution):
        if "\n" in block or block.startswith(("```", "~~~")):
            steps.append(block)
            continue
        for part in _NUMBERED.split(block):
            steps += sentence.split(part) if len(part) >= LONG else [part]
    return tuple(step for step in (step.strip() for step in steps) if step)


def join_steps(steps: Sequence[str]) -> str:
    """Return the solution of the steps: one below the other."""
    return "\n".join(steps)


def _blocks(solution: str) -> list[str]:
    """Return the lines of a solution; the lines of a fence, a display or an environment are one block."""
    lines, blocks, at = solution.splitlines(), [], 0
    while at < len(lines):
        end = _end_of_block(lines, at)
        blocks.append("\n".join(lines[at : end + 1]).rstrip())
        at = end + 1
    return [block for block in blocks if block.strip()]


_LONGEST_BLOCK = 200  # lines; a block that is not closed within them is no block


def _end_of_block(lines: list[str], at: int) -> int:
    """Return the index of the last line of the block that begins at a line: the line itself if none begins."""
    fence = _FENCE.match(lines[at])
    window = range(at + 1, min(len(lines), at + _LONGEST_BLOCK))
    if fence:
        mark = fence[1]
        return next(
            (i for i in window if lines[i].strip().startswith(mark) and not lines[i].strip().strip(mark[0])),
            len(lines) - 1,
        )
    depth = _open(lines[at], None)
    if depth is None:
        return at
    for i in window:
        depth = _open(lines[i], depth)
        if depth is None:
            return i
    return at


def _open(line: str, closing: str | None) -> str | None:
    """Return the mark that closes what is still open at the end of a line, None if nothing is. `closing`: that of the line before."""
    at = 0
    while True:
        if closing is not None:
            end = line.find(closing, at)
            if end < 0:
                return closing
            at, closing = end + len(closing), None
        opened = _OPENS.search(line, at)
        if opened is None:
            return None
        at = opened.end()
        closing = {"\\[": "\\]", "$$": "$$"}.get(opened.group(), rf"\end{{{opened.group(1)}}}")
