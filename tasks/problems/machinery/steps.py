"""Worked steps in either language.

A step is a sentence with its arithmetic written out, `12 * 3 = 36`: a reader, or a critic, can
evaluate both sides of every equality that stands between numbers.
"""

from __future__ import annotations


class Steps:
    """Collects the sentences of one language; each is given in both."""

    def __init__(self, language: str) -> None:
        self.zh = language == "zh"
        self._said: list[str] = []

    def say(self, en: str, zh: str) -> None:
        self._said.append(zh if self.zh else en)

    def all(self) -> tuple[str, ...]:
        return tuple(self._said)
