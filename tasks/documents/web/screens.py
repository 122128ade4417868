"""Screens against noise on pages: each has a typed reason and a setting, and is off at the value that its description names.

Encoding damage, the balance of LaTeX and the language are judged as for every document (tasks.documents.quality). `screen` looks at one
page; `rare_templates` compares the pages of a host with each other. All of it takes time linear in the text.

Not screened: copies of other pages, which de-duplication finds, and whether what a page says is true.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import Field, field_validator

from storage.reasons import Code, Reason, reason
from tasks.plugins import checked
from tasks.settings import Section, Share

LISTS: Final = Path(__file__).with_name("unwanted.yaml")
_WORD: Final = re.compile(r"[a-z]{2,}")
_UNIT: Final = re.compile(r"[\u3400-\u9fff]|[^\s\u3400-\u9fff]+")
_MARKUP: Final = re.compile(
    r"^(?:#{1,6} .*|\|.*\||```.*)$"
)  # headings, tables and fences repeat by their nature
_TOP: Final = (2, 3, 4)  # units of the phrases of which the most common one is weighed
_OFTEN: Final = (
    6  # times that a phrase stands on a page before it is weighed: a word problem repeats its nouns
)
_REPEATED: Final = 8  # units of the phrases of which every repeated one is weighed
_HAN: Final = re.compile(r"[\u3400-\u9fff]")


class ScreenSettings(Section, title="Screens"):
    min_characters: int = Field(200, ge=0, description="characters of a page's main text, at least; 0: any")
    min_main_share: Share = Field(
        0.05, description="share of the visible text that is the main text, at least; 0: any"
    )
    max_repeated_lines: Share = Field(
        0.3, description="share of the characters in lines that stand on the page before, at most; 1: any"
    )
    max_common_phrase: Share = Field(
        0.2, description="share of the text that one phrase of 2 to 4 words fills, at most; 1: any"
    )
    max_repeated_phrases: Share = Field(
        0.3,
        description="share of the words in phrases of 8 words that stand on the page before, at most; 1: any",
    )
    max_unwanted: Share = Field(
        0.02, description="share of the words that are in one of the lists of unwanted words, at most; 1: any"
    )
    unwanted: list[str] = Field(
        ["adult", "gambling", "shop", "loans", "consent"],
        description="lists of tasks/documents/web/unwanted.yaml that are used",
    )
    min_template_share: Share = Field(
        0.02,
        description="share of the pages of a host that are built like a page, at least; 0: any",
    )
    template_pages: int = Field(
        50, ge=2, description="pages of a host from which on their templates are compared"
    )

    @field_validator("unwanted")
    @classmethod
    def _lists(cls, given: list[str]) -> list[str]:
        checked("list of unwanted words", given, _lists()[0])
        return given

    @property
    def digest(self) -> str:
        """A digest of the settings and of the lists that they use."""
        content = self.model_dump_json() + _lists()[1]
        return hashlib.sha256(content.encode()).hexdigest()


def screen(text: str, visible: int, settings: ScreenSettings, stage: str) -> Reason | None:
    """Return why a page is noise by its main text, None if it is not. `visible`: characters of all text of the page."""
    if len(text) < settings.min_characters:
        return reason(stage, Code.TOO_SHORT, score=len(text), threshold=settings.min_characters)
    share = len(text) / visible if visible else 1.0
    if share < settings.min_main_share:
        return reason(stage, Code.BOILERPLATE, score=f"{share:.3f}", threshold=settings.min_main_share)
    name, unwanted = unwanted_share(text, settings.unwanted)
    if unwanted > settings.max_unwanted:
        return reason(
            stage, Code.UNWANTED_WORDS, name=name, score=f"{unwanted:.3f}", threshold=settings.max_unwanted
        )
    lines = repeated_lines(text)
    if lines > settings.max_repeated_lines:
        return reason(stage, Code.REPEATED_LINES, score=f"{lines:.3f}", threshold=settings.max_repeated_lines)
    units = _UNIT.findall(text.lower())
    common, repeated = common_phrase(units), repeated_phrases(units)
    for measured, most, length in (
        (common, settings.max_common_phrase, max(_TOP)),
        (repeated, settings.max_repeated_phrases, _REPEATED),
    ):
        if measured > most:
            return reason(
                stage, Code.REPEATED_PHRASES, length=length, score=f"{measured:.3f}", threshold=most
            )
    return None


def rare_templates(
    pages: Mapping[tuple[str, str], int], settings: ScreenSettings
) -> dict[tuple[str, str], float]:
    """Return (host, template) -> its share of the pages of the host, of the templates that are too rare there.

    `pages`: (host, template) -> number of pages. A host with fewer than `template_pages`, or without a template that has half of
    its pages, has no rare ones: nothing says what its usual format is.
    """
    of_host: dict[str, Counter[str]] = defaultdict(Counter)
    for (host, template), count in pages.items():
        if host and template:
            of_host[host][template] += count
    rare = {}
    for host, templates in of_host.items():
        total = templates.total()
        if total < settings.template_pages or 2 * max(templates.values()) < total:
            continue
        for template, count in templates.items():
            if count / total < settings.min_template_share:
                rare[host, template] = count / total
    return rare


def unwanted_share(text: str, lists: Sequence[str]) -> tuple[str, float]:
    """Return the list that has the largest share of the words of a text, and the share. Chinese characters are words of one
    and a half characters."""
    lowered = text.lower()
    words = Counter(_WORD.findall(lowered))
    total = words.total() + len(_HAN.findall(text)) / 1.5
    shares = []
    for name in lists:
        english, chinese = _words_of(name)
        hits = sum(words[word] for word in english) + len(chinese.findall(text))
        shares.append((hits / max(1.0, total), name))
    share, name = max(shares, default=(0.0, ""))
    return name, share


def repeated_lines(text: str) -> float:
    """Return the share of the characters of a text that are in lines which stand before in it, without those of markup."""
    seen: set[str] = set()
    total = repeated = 0
    for line in text.splitlines():
        line = line.strip()
        if not line or _MARKUP.match(line):
            continue
        total += len(line)
        repeated += len(line) if line in seen else 0
        seen.add(line)
    return repeated / total if total else 0.0


def common_phrase(units: Sequence[str]) -> float:
    """Return the share of the characters that the most common phrase of 2, 3 or 4 words fills, where it stands 6 times at least."""
    characters = sum(map(len, units))
    most = 0
    for length in _TOP:
        counts = Counter(_phrases(units, length))
        for phrase, count in counts.most_common(1):
            if count >= _OFTEN and any(part.isalpha() for part in phrase):
                most = max(most, count * sum(map(len, phrase)))
    return min(1.0, most / characters) if characters else 0.0


def repeated_phrases(units: Sequence[str]) -> float:
    """Return the share of the words that are in a phrase of 8 words which stands before."""
    seen: set[tuple[str, ...]] = set()
    covered = repeated = 0
    for place, phrase in enumerate(_phrases(units, _REPEATED)):
        if phrase in seen:
            repeated += min(_REPEATED, place + _REPEATED - covered)
            covered = place + _REPEATED
        seen.add(phrase)
    return repeated / len(units) if units else 0.0


def _phrases(units: Sequence[str], length: int) -> Iterable[tuple[str, ...]]:
    return zip(*(units[start:] for start in range(length)), strict=False)


@functools.cache
def _lists() -> tuple[dict[str, Any], str]:
    """Return the lists by name, and the SHA-256 of their file."""
    data = LISTS.read_bytes()
    return yaml.safe_load(data)["lists"], hashlib.sha256(data).hexdigest()


@functools.cache
def _words_of(name: str) -> tuple[frozenset[str], re.Pattern[str]]:
    by_language = _lists()[0][name]
    chinese = "|".join(map(re.escape, by_language["zh"]))
    return frozenset(by_language["en"]), re.compile(chinese)
