"""Worked steps in either language.

A step is a sentence with its arithmetic written out, such as `12 * 3 = 36`, so that a reader or a critic can evaluate both
sides of every equality between numbers.
"""

from __future__ import annotations


class Steps:
    """Collects sentences in one language; each sentence is given in both."""

    def __init__(self, language: str) -> None:
        self.zh = language == "zh"
        self._sentences: list[str] = []

    def say(self, en: str, zh: str) -> None:
        """Append a sentence."""
        self._sentences.append(zh if self.zh else en)

    def all(self) -> tuple[str, ...]:
        """Return all sentences, in order."""
        return tuple(self._sentences)
