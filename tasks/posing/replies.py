"""Reads a reply that has a problem and the program that searches for its answers, each behind a mark."""

from __future__ import annotations

import re

from prompts.asking_again import FaultKind, ReplyFault
from storage.reasons import Code
from tasks.methods import Item, malformed
from tasks.replies.items import unfit
from tasks.replies.programs import program
from tasks.replies.solutions import read as read_reply

LONGEST = 4_000  # characters of a problem

_PARTS = {
    "plan": "plan", "构思": "plan",
    "posed problem": "problem", "problem": "problem", "所编题目": "problem", "题目": "problem",
    "search": "search", "program": "search", "穷举": "search", "程序": "search",
    "end": "end", "结束": "end",
}  # fmt: skip
# models put marks in bold, behind signs of headings, and a colon behind them
_MARK = re.compile(
    rf"^[*#`> \t]{{0,8}}=={{1,4}}[ \t]{{0,4}}({'|'.join(_PARTS)})[ \t]{{0,4}}[:：]?[ \t]{{0,4}}=={{1,4}}[*`:： \t]{{0,8}}$",
    re.IGNORECASE | re.MULTILINE,
)


def posed(text: str, *, cut: bool) -> Item:
    """Return the problem of a reply with its program as the solution, or with the reason why it has none."""
    reply = read_reply(text)
    if not reply.solution.strip() and reply.unfinished:
        return Item(code=Code.UNFINISHED_THINKING)
    marks = list(_MARK.finditer(reply.solution))
    parts: dict[str, str] = {}
    for number, mark in enumerate(marks):
        stop = marks[number + 1].start() if number + 1 < len(marks) else len(reply.solution)
        # a model may name the parts before it writes them: the last of each counts
        parts[_PARTS[mark[1].lower()]] = reply.solution[mark.end() : stop].strip()
    if not parts.get("problem") or not parts.get("search"):
        return Item(code=Code.TRUNCATED) if cut else Item(code=Code.NO_PARTS)
    code = program(parts["search"], cut=cut and "end" not in parts)
    if code is None:
        return Item(code=Code.TRUNCATED) if cut else Item(code=Code.NO_PROGRAM)
    if why := unfit(parts["problem"]):
        return malformed(ReplyFault(FaultKind.OTHER, why))
    if len(parts["problem"]) > LONGEST:
        return malformed(ReplyFault(FaultKind.OTHER, "the problem is too long"))
    return Item(parts["problem"], solution=code, solution_format="pot")
