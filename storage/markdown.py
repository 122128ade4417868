"""Text from rows, models and files inside Markdown, as CommonMark and GitHub's dialect of it read it: always text.

A card, a report or an artifact is shown by somebody else's renderer, which may know links, images, HTML, tables and bare
addresses; hidden characters would turn it around or hide a part of it. These three functions are the only way in which
text that is not the project's own enters such a page.
"""

from __future__ import annotations

import re

from storage.visible import visible

# what opens or closes something inside a line: code, emphasis, links and images, HTML, entities, cells, deletions, math
_INLINE = re.compile(r"[\\`*\[\]<>|&~$^@]")
# an underscore inside a word opens nothing, and names of plug-ins are full of them
_UNDERSCORE = re.compile(r"(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")
# bare addresses, which many renderers make links of
_ADDRESS = re.compile(r":(?=\S)|(?<=www)\.", re.IGNORECASE)
# what makes a heading, a list, a rule or a title of a line that begins with it
_START = re.compile(r"^(?:[#+\-=]|(\d{1,9})(?=[.)]))")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\s]+")
_BACKTICKS = re.compile(r"`+")


def inline(text: object) -> str:
    """The text in one line that any renderer shows as it is, in a paragraph, a table's cell or a list's item."""
    line = visible(_CONTROL.sub(" ", str(text)).strip())
    # of HTML not even the letters stand there, for readers that look no closer
    line = _INLINE.sub(lambda match: "&lt;" if match.group() == "<" else "\\" + match.group(), line)
    line = _UNDERSCORE.sub(r"\\_", line)
    line = _ADDRESS.sub(lambda match: "\\" + match.group(), line)
    # a number that would begin a list: its point is escaped, since a digit cannot be
    return _START.sub(lambda match: f"{match[1]}\\" if match[1] else "\\" + match.group(), line)


def code(text: object) -> str:
    """The text in one line as a code span, whatever backticks are in it; not for a table's cell, whose bars it keeps."""
    line = visible(_CONTROL.sub(" ", str(text)).strip())
    fence = "`" * (_longest(line) + 1)
    return (
        f"{fence} {line} {fence}" if line.startswith("`") or line.endswith("`") else f"{fence}{line}{fence}"
    )


def fenced(text: object, language: str = "") -> str:
    """The text as a block, in a fence longer than any run of backticks inside, so that it cannot end it."""
    lines = visible(str(text).replace("\r\n", "\n").replace("\r", "\n"))
    fence = "`" * max(3, _longest(lines) + 1)
    return f"{fence}{language}\n{lines}\n{fence}\n"


def _longest(text: str) -> int:
    return max((len(run) for run in _BACKTICKS.findall(text)), default=0)
