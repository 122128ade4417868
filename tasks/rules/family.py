"""What a family of procedural problems is, and how its questions are written and read back.

A family is a module of tasks/rules/ with five names (see linear_equation.py, the exemplar):

    subdomain: str                                   # a key of tasks.taxonomy.SUBDOMAINS
    templates: dict[str, list[str]]                  # language -> phrasings with {slots}
    def draw(rng, level) -> Values                   # level 1..3; values of every slot
    def work(values, language) -> Worked             # exact answer, worked steps, program
    concepts: tuple[str, ...]                        # knowledge points

Reading is the inverse of writing: each template is compiled to a regular expression, so a family
recognises its own questions from their text alone and `read(write(values)) == values`. A family
whose text is not a fill-in template may define `read(question, language)` itself.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

Values = dict[str, int | str]

LEVELS = (1, 2, 3)
LANGUAGES = ("en", "zh")


@dataclass(frozen=True, slots=True)
class Worked:
    """The exact answer (LaTeX or plain, as a solver would box it), the steps that lead to it, and
    a program whose last line prints it."""

    answer: str
    steps: tuple[str, ...]
    program: str


@dataclass(frozen=True, slots=True)
class Problem:
    family: str
    subdomain: str
    language: str
    level: int
    question: str
    values: tuple[tuple[str, int | str], ...]
    worked: Worked
    concepts: tuple[str, ...]


class Family:
    """One module of tasks/rules/, with its templates compiled."""

    def __init__(self, name: str, module: ModuleType) -> None:
        self.name = name
        self.subdomain: str = module.subdomain
        self.concepts: tuple[str, ...] = module.concepts
        self.templates: dict[str, list[str]] = module.templates
        self._module = module
        self._patterns = {
            language: [_pattern(template) for template in templates]
            for language, templates in self.templates.items()
        }

    def draw(self, rng: random.Random, level: int) -> Values:
        values: Values = self._module.draw(rng, level)
        return values

    def write(self, values: Mapping[str, int | str], language: str, phrasing: int = 0) -> str:
        templates = self.templates[language]
        return templates[phrasing % len(templates)].format_map(dict(values))

    def work(self, values: Mapping[str, int | str], language: str) -> Worked:
        worked: Worked = self._module.work(dict(values), language)
        return worked

    def read(self, question: str, language: str) -> Values | None:
        """The values a question of this family was written with, or None if it is not one of its."""
        own = getattr(self._module, "read", None)
        if own is not None:
            found: Values | None = own(question, language)
            return found
        text = " ".join(question.split())
        for pattern in self._patterns.get(language, ()):
            match = pattern.fullmatch(text)
            if match:
                return {name: _value(text) for name, text in match.groupdict().items()}
        return None


def make(family: Family, rng: random.Random, level: int, language: str) -> Problem:
    """A problem of the family, drawn, written in one of its phrasings, and worked."""
    values = family.draw(rng, level)
    question = family.write(values, language, rng.randrange(1 << 16))
    return _problem(family, language, level, question, values)


def recognise(question: str, language: str) -> Problem | None:
    """The worked problem behind a question's text, whichever family wrote it; None if none did."""
    for family in families().values():
        values = family.read(question, language)
        if values is not None:
            return _problem(family, language, 0, question, values)
    return None


@functools.cache
def families() -> dict[str, Family]:
    """Every family by module name, in name order."""
    import tasks.rules as package

    found = {}
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        module = importlib.import_module(f"tasks.rules.{info.name}")
        if hasattr(module, "templates"):
            found[info.name] = Family(info.name, module)
    return found


def of_subdomain(subdomain: str) -> list[Family]:
    return [family for family in families().values() if family.subdomain == subdomain]


def _problem(
    family: Family, language: str, level: int, question: str, values: Mapping[str, int | str]
) -> Problem:
    worked = family.work(values, language)
    items = tuple(sorted(values.items()))
    return Problem(
        family.name, family.subdomain, language, level, question, items, worked, family.concepts
    )


_SLOT = re.compile(r"\\\{(\w+)\\\}")


def _pattern(template: str) -> re.Pattern[str]:
    """A template as a regular expression; a slot seen twice must read the same both times."""
    seen: set[str] = set()

    def slot(match: re.Match[str]) -> str:
        name = match.group(1)
        if name in seen:
            return f"(?P={name})"
        seen.add(name)
        return f"(?P<{name}>-?\\d+|[^\\W\\d_][\\w' -]*?)"

    # {{ and }} are str.format's escapes for literal braces (LaTeX): hide them while slots are found
    plain = " ".join(template.split()).replace("{{", "\x01").replace("}}", "\x02")
    text = _SLOT.sub(slot, re.escape(plain))
    return re.compile(text.replace("\x01", r"\{").replace("\x02", r"\}"))


def _value(text: str) -> int | str:
    return int(text) if re.fullmatch(r"-?\d+", text) else text
