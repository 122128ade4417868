"""Solutions of the format `tir`: words, a program, what it printed, words, and so on, as one text.

The text is Markdown as in ToRA (Gou et al. 2023, arXiv:2309.17452): a program stands in a fence ```python, and what it printed in
a fence ```output right below it. A fence is longer than three marks where what it surrounds has a line of marks of its own, as in
CommonMark, so that printed text cannot close its block. All reading is linear in the length of the text, which is hostile.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

TIR: Final = "tir"  # the value of the column solution_format
EXECUTED: Final = ("pot", TIR)  # formats whose programs are executed
HANDOVER: Final = "```output"  # the line with which a program is handed to the interpreter

PartKind = Literal["words", "program", "output"]

_FENCE = re.compile(r"^[ \t]{0,3}(`{3,})[ \t]*([^`\n]*)$")
_KINDS: Final[dict[str, PartKind]] = {
    "python": "program",
    "py": "program",
    "python3": "program",
    "output": "output",
}
_MARKS = re.compile(r"^[ \t]*(`{3,})", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class InterleavedPart:
    """A part of an interleaved solution, without its fences. `closed`: whether a fence ends it; words need none."""

    kind: PartKind
    text: str
    closed: bool = True


def parts_of(text: str) -> list[InterleavedPart]:
    """Return the parts of a text in order, without words that are blank. Blocks of other languages are words."""
    return [part for part, _, _ in _scan(text)]


def output_spans(text: str) -> list[tuple[int, int]]:
    """Return (start, end) of each block of output in a text: from below its opening fence to the end of its closing fence, with
    the line break behind it."""
    return [(start, end) for part, start, end in _scan(text) if part.kind == "output"]


def written(parts: Sequence[InterleavedPart]) -> str:
    """Return the canonical text of the parts, which `parts_of` reads again as they are."""
    blocks = []
    for part in parts:
        text = part.text.strip("\n")
        if part.kind == "words":
            blocks.append(text.strip())
            continue
        longest = max((len(match[1]) for match in _MARKS.finditer(text)), default=2)
        fence = "`" * max(3, longest + 1)
        name = "python" if part.kind == "program" else "output"
        blocks.append(f"{fence}{name}\n{text}\n{fence}" if text else f"{fence}{name}\n{fence}")
    return "\n".join(block for block in blocks if block)


def is_interleaved(text: str) -> bool:
    """Return whether a text has a program with the block of its output right below it."""
    parts = parts_of(text) if HANDOVER in text else []
    return any(one.kind == "program" and other.kind == "output" for one, other in itertools.pairwise(parts))


def _scan(text: str) -> Iterator[tuple[InterleavedPart, int, int]]:
    """Yield each part with the offsets at which the lines inside its fences begin and at which it ends, the line break included."""
    words: list[str] = []
    body: list[str] = []
    fence = ""
    kind: PartKind | None = None
    at = start = 0
    for piece in text.split("\n"):
        line = piece.removesuffix("\r")
        end = min(at + len(piece) + 1, len(text))
        match = _FENCE.match(line)
        if not fence:
            kind = _KINDS.get(match[2].strip().lower()) if match else None
            if match is None or kind is None:
                words.append(line)
                if match and match[2].strip():  # a block of another language hides the fences in it
                    fence = match[1]
            else:
                if joined := "\n".join(words).strip():
                    yield InterleavedPart("words", joined), start, at
                words, body, fence, start = [], [], match[1], end
        elif match and not match[2].strip() and len(match[1]) >= len(fence):
            if kind:
                yield InterleavedPart(kind, "\n".join(body)), start, end
                start = end
            else:
                words.append(line)
            fence, kind = "", None
        elif kind:
            body.append(line)
        else:
            words.append(line)
        at = end
    if kind:
        yield InterleavedPart(kind, "\n".join(body), closed=False), start, len(text)
    elif joined := "\n".join(words).strip():
        yield InterleavedPart("words", joined), start, len(text)
