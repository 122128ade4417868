"""Escapes text from rows, models and files for Markdown (CommonMark and GitHub's dialect), so that it is shown as text.

Cards, reports and artifacts are shown by other programs, which may support links, images, HTML, tables and bare addresses;
hidden characters could reorder the text or hide a part of it. Text that is not the project's own enters such a page through
these three functions only.
"""

from __future__ import annotations

import re

from storage.visible import visible

# characters with a meaning inside a line: code, emphasis, links and images, HTML, entities, cells, deletions, math
_INLINE = re.compile(r"[\\`*\[\]<>|&~$^@]")
# an underscore inside a word has no meaning, and is frequent in names of plug-ins
_UNDERSCORE = re.compile(r"(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")
# bare addresses, which many renderers turn into links
_ADDRESS = re.compile(r":(?=\S)|(?<=www)\.", re.IGNORECASE)
# characters that turn the line that they begin into a heading, a list, a rule or a title
_START = re.compile(r"^(?:[#+\-=]|(\d{1,9})(?=[.)]))")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\s]+")
_BACKTICKS = re.compile(r"`+")


def inline(text: object) -> str:
    """Return the text in one line that renderers show literally in a paragraph, a table cell or a list item."""
    line = visible(_CONTROL.sub(" ", str(text)).strip())
    # `<` becomes an entity, so that a simple search for HTML in the page has no hit
    line = _INLINE.sub(lambda match: "&lt;" if match.group() == "<" else "\\" + match.group(), line)
    line = _UNDERSCORE.sub(r"\\_", line)
    line = _ADDRESS.sub(lambda match: "\\" + match.group(), line)
    # of a number that would begin a list the dot is escaped, since a digit cannot be
    return _START.sub(lambda match: f"{match[1]}\\" if match[1] else "\\" + match.group(), line)


def code(text: object) -> str:
    """Return the text in one line as a code span, with any backticks. Not for table cells: bars are not escaped."""
    line = visible(_CONTROL.sub(" ", str(text)).strip())
    fence = "`" * (_longest(line) + 1)
    return (
        f"{fence} {line} {fence}" if line.startswith("`") or line.endswith("`") else f"{fence}{line}{fence}"
    )


def fenced(text: object, language: str = "") -> str:
    """Return the text as a fenced block. The fence is longer than any run of backticks in the text."""
    lines = visible(str(text).replace("\r\n", "\n").replace("\r", "\n"))
    fence = "`" * max(3, _longest(lines) + 1)
    return f"{fence}{language}\n{lines}\n{fence}\n"


def _longest(text: str) -> int:
    return max((len(run) for run in _BACKTICKS.findall(text)), default=0)
