"""When two solutions of one question are the same path: by their equations, by their plans, or by their texts."""

from __future__ import annotations

import re

_EQUATION = re.compile(r"[^\s=]*(?:\s*[-+*/^]\s*[^\s=]+)*\s*=\s*[^\s,;.]+")


def calculation(text: str) -> str:
    """Return the part of a solution that is compared: its equations without spaces, or the whole text if it has none."""
    if "```" in text:
        return "".join(text.split())
    equations = ["".join(equation.split()) for equation in _EQUATION.findall(text)]
    return "\n".join(equations) or " ".join(text.split())
