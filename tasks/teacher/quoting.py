"""Separates the quoted material of a prompt from its instructions.

Recognised are <tag> ... </tag> on lines of their own, code fences, \"\"\" and ''' fences, lines that start with `| `,
`> ` or `[n] `, and labelled parts ("Problem: ...", "学生解答：..."). A line quoted by a mark stays quoted whatever it
contains, so a closing tag inside it has no effect.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_QUESTION = r"problem|question|exercise|task|quiz|题目|问题|原题|错题|习题|试题|题"
_SOLUTION = (
    r"solution|answer|attempt|response|work|proof|reply|program|code|解答|解法|答案|作答|回答|解题过程|过程"
)
_EXAMPLE = r"examples?|samples?|existing|references?|related|neighbou?rs?|示例|例题|例子|例|参考|相关|已有"

_AVOID = r"avoid"
_REFERENCE = r"reference[_ ]answer|参考答案|标准答案"

_OPEN_TAG = re.compile(r"^\s*<([A-Za-z_][\w-]*)(?:\s[^<>]*)?>\s*(.*)$")
_FENCE = re.compile(r"^\s*(```|~~~|\"\"\"|''')\s*(\w*)\s*$")
_MARK = re.compile(r"^(?:[|>] ?|\[\d+\] ?)")
_LABEL = re.compile(
    rf"^\s*[#*\-]*\s*((?:the|a|this|new|failed|student(?:'s)?|math\w*|given|following|proposed|candidate|学生的?|数学|原|待评判的?|候选)?\s*"
    rf"(?:{_EXAMPLE}|{_SOLUTION}|{_QUESTION})\s*(?:problems?|questions?|text|题目|问题)?\s*[（(]?\d*[)）]?)\s*\**\s*[:：]\**\s*(.*)$",
    re.IGNORECASE,
)
_HEADING = re.compile(
    rf"^\s*#{{1,6}}\s+(?:the\s+)?((?:\w+\s+)?(?:{_EXAMPLE}|{_SOLUTION}|{_QUESTION}))\s*\d*\s*$", re.IGNORECASE
)
_ANY_HEADING = re.compile(r"^\s*#{1,6}\s")
# a later line of a labelled part that addresses the reader again: it belongs to the prompt, not to the problem
_INSTRUCTS = re.compile(
    r"\s*(?:let'?s|let us|please|think|write|give|return|reply|respond|output|answer|put|show|explain|do not|don't|"
    r"use|create|generate|produce|solve|judge|grade|score|remember)\b|\s*(?:请|输出|把|将|不要|用|给出|逐步|评分|打分|判断|只)",
    re.IGNORECASE,
)
_ENTRY = re.compile(
    rf"^\s*(?:[-*•]|\(?\d+[.)、）]|(?:{_EXAMPLE}|{_QUESTION})\s*\d+\s*[.:：、]?)\s*(.*)$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Quoted:
    """Blocks of (role, text), with a role of question, solution, reference (the trusted answer), example, avoid (a question not
    to write) or other; and the rest, the prompt's own words."""

    blocks: tuple[tuple[str, str], ...]
    rest: str

    def of(self, role: str) -> list[str]:
        return [text for kind, text in self.blocks if kind == role]


def quoted(text: str) -> Quoted:
    """Return the quoted blocks of a prompt and the rest."""
    lines = text.split("\n")
    blocks: list[tuple[str, str]] = []
    rest: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        opening, fence = _OPEN_TAG.match(line), _FENCE.match(line)
        label, heading = _LABEL.match(line), _HEADING.match(line)
        if opening and (end := _tag_end(lines, at, opening)) is not None:
            role = _role(opening.group(1))
            _take(blocks, role, _inside(lines, at, end, opening))
            if role == "solution" and (not blocks or blocks[-1][0] != "solution"):
                blocks.append(("solution", ""))  # an empty solution is still there to be judged
            at = end + 1
        elif fence and (end := _fence_end(lines, at, fence.group(1))) is not None:
            _take(blocks, _role_above(rest), lines[at + 1 : end])
            at = end + 1
        elif _MARK.match(line):
            end = at
            while end < len(lines) and _MARK.match(lines[end]):
                end += 1
            numbered = line.startswith("[")
            _take(blocks, "solution" if numbered else _role_above(rest), lines[at:end])
            at = end
        elif heading:
            end = next((i for i in range(at + 1, len(lines)) if _ANY_HEADING.match(lines[i])), len(lines))
            at = _headed(lines, at, end, _role(heading.group(1)), blocks, rest)
        elif label and _role(label.group(1)) != "other":
            at = _labelled(lines, at, label, blocks, rest)
        else:
            rest.append(line)
            at += 1
    return Quoted(tuple(blocks), "\n".join(rest))


def _take(blocks: list[tuple[str, str]], role: str, lines: list[str]) -> None:
    """Add a block; a block of examples becomes one block per entry."""
    if role == "example":
        for entry in _entries(lines):
            blocks.append(("example", entry))
        return
    if role == "avoid":
        blocks.extend(("avoid", text) for line in lines if (text := _MARK.sub("", line).strip()))
        return
    body = "\n".join(_MARK.sub("", line) if role != "solution" else line for line in lines).strip("\n")
    if body.strip():
        blocks.append((role, body))


def _entries(lines: list[str]) -> list[str]:
    """Return the entries of a list: quoted runs, numbered or bulleted items, or one per line."""
    marked = any(_MARK.match(line) for line in lines)
    entries: list[list[str]] = [[]]
    for line in lines:
        entry = _ENTRY.match(line)
        if marked:
            if _MARK.match(line):
                entries[-1].append(_MARK.sub("", line))
            else:
                entries.append([])
        elif entry:
            entries.append([entry.group(1)])
        elif line.strip():
            entries[-1].append(line)
        else:
            entries.append([])
    return [text for piece in entries if (text := "\n".join(piece).strip())]


def _tag_end(lines: list[str], at: int, opening: re.Match[str]) -> int | None:
    closing = f"</{opening.group(1)}>"
    if opening.group(2).rstrip().endswith(closing):
        return at
    for index in range(at + 1, len(lines)):
        if lines[index].strip() == closing:
            return index
    return None


def _inside(lines: list[str], at: int, end: int, opening: re.Match[str]) -> list[str]:
    closing = f"</{opening.group(1)}>"
    if end == at:
        return [opening.group(2).rstrip().removesuffix(closing)]
    head = [opening.group(2)] if opening.group(2).strip() else []
    return head + lines[at + 1 : end]


def _fence_end(lines: list[str], at: int, mark: str) -> int | None:
    for index in range(at + 1, len(lines)):
        if lines[index].strip() == mark:
            return index
    return None


def _headed(
    lines: list[str], at: int, end: int, role: str, blocks: list[tuple[str, str]], rest: list[str]
) -> int:
    """A part under a Markdown heading, up to the next heading or to a paragraph that instructs again."""
    inner = next((i for i in range(at + 1, end) if lines[i].strip()), end)
    if inner == end or _structural(lines[inner]):
        rest.append(lines[at])
        return at + 1
    for index in range(inner + 1, end):
        if not lines[index - 1].strip() and _INSTRUCTS.match(lines[index]):
            end = index
            break
    _take(blocks, role, lines[inner:end])
    return end


def _labelled(
    lines: list[str], at: int, label: re.Match[str], blocks: list[tuple[str, str]], rest: list[str]
) -> int:
    """A part that begins with a label and ends before the next label, heading or structure; a question also
    before a line that instructs. A label without text names the fence or tag under it."""
    role = _role(label.group(1))
    following = at + 1
    while following < len(lines) and not lines[following].strip():
        following += 1
    if not label.group(2).strip() and (following == len(lines) or _structural(lines[following])):
        rest.append(lines[at])
        return at + 1
    body = [label.group(2)] if label.group(2).strip() else []
    index = at + 1 if body else following
    while index < len(lines):
        line = lines[index]
        if _LABEL.match(line) or _ANY_HEADING.match(line):
            break
        if body and (_structural(line) or (role == "question" and _INSTRUCTS.match(line))):
            break
        body.append(line)
        index += 1
    _take(blocks, role, body)
    return index


def _structural(line: str) -> bool:
    return bool(_OPEN_TAG.match(line) or _FENCE.match(line) or _MARK.match(line))


_ROLES = (
    ("avoid", _AVOID),
    ("reference", _REFERENCE),
    ("example", _EXAMPLE),
    ("solution", _SOLUTION),
    ("question", _QUESTION),
)


def _role(name: str) -> str:
    for role, pattern in _ROLES:
        if re.search(pattern, name, re.IGNORECASE):
            return role
    return "other"


def _role_above(rest: list[str]) -> str:
    """What the nearest line of the prompt's own words calls the block under it."""
    for line in reversed(rest[-3:]):
        if line.strip():
            return _role(line)
    return "other"
