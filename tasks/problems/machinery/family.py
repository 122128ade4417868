"""What a family of procedural problems is, and how its questions are written and read back.

A family is a module of tasks/problems/<domain>/ with these names (see algebra/linear_equation.py, the exemplar):

    subdomain: str                                   # a key of tasks.taxonomy.SUBDOMAINS
    concepts: tuple[str, ...]                        # knowledge points
    templates: dict[str, list[str]]                  # language -> phrasings with {slots}
    slots: dict[str, Slot]                           # what stands in a slot; integers where unnamed
    def draw(rng, level) -> Values                   # level 1..3; values of every slot
    def work(values, language) -> Worked             # exact answer, worked steps, program

Where levels differ in more than size, `templates[language]` is a dict from a form (an integer) to
its phrasings; the form is then one of the values, named `form`.

Reading is the inverse of writing: each template is compiled to a regular expression over the text
without white space, so a family recognises its own questions from their text alone and
`read(write(values)) == values`, however the lines were wrapped. Text that only looks like ours, with
values that have no exact answer, is not recognised: `work` raises Unworkable.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import random
import re
import string
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType

from tasks import problems
from tasks.problems.machinery.errors import Unworkable
from tasks.problems.machinery.slots import Number, Slot, compact

Values = dict[str, int | str]

LEVELS = (1, 2, 3)
LANGUAGES = ("en", "zh")

# no family writes more; a longer text is not worth a regular expression
LONGEST = 2000

# characters of literal text that point from a question to the phrasings that may have written it
_GRAM = 4


@dataclass(frozen=True, slots=True)
class Worked:
    """The exact answer (LaTeX or plain, as a solver would box it), the steps that lead to it, and
    a program whose last line prints it."""

    answer: str
    steps: tuple[str, ...]
    program: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A question with its worked answer. `level` is 0 where the question was read, not drawn."""

    family: str
    subdomain: str
    language: str
    level: int
    question: str
    values: tuple[tuple[str, int | str], ...]
    worked: Worked
    concepts: tuple[str, ...]


@dataclass(frozen=True)
class Reader:
    """One template turned around: `anchor` is its longest literal part, a cheap test before the
    expression, which is compiled when a text first passes it."""

    anchor: str
    expression: str
    form: int | None

    @functools.cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(self.expression)


class Family:
    """One module of tasks/problems/<domain>/, with its templates compiled.

    `templates` maps language to every phrasing; `phrasings[language][form]` are those of one form
    (the only key is None where the family has no forms).
    """

    def __init__(self, name: str, module: ModuleType) -> None:
        self.name = name
        self.subdomain: str = module.subdomain
        self.concepts: tuple[str, ...] = module.concepts
        self.slots: dict[str, Slot] = getattr(module, "slots", {})
        self.phrasings: dict[str, dict[int | None, list[str]]] = {
            language: dict(group) if isinstance(group, Mapping) else {None: group}
            for language, group in module.templates.items()
        }
        self.templates: dict[str, list[str]] = {
            language: [template for group in forms.values() for template in group]
            for language, forms in self.phrasings.items()
        }
        self._module = module
        self.readers = {language: list(self._reversed(language)) for language in self.phrasings}

    def draw(self, rng: random.Random, level: int) -> Values:
        values: Values = self._module.draw(rng, level)
        return values

    def write(self, values: Mapping[str, int | str], language: str, phrasing: int = 0) -> str:
        """The question in one of its phrasings (modulo their number)."""
        form = values.get("form")
        templates = self.phrasings[language][None if form is None else int(form)]
        shown = {name: self._slot(name).show(value, language) for name, value in values.items()}
        return templates[phrasing % len(templates)].format_map(shown)

    def work(self, values: Mapping[str, int | str], language: str) -> Worked:
        """The worked answer; Unworkable if there is no exact one for these values."""
        worked: Worked = self._module.work(dict(values), language)
        return worked

    def read(self, question: str, language: str) -> Values | None:
        """The values a question of this family was written with, or None if it is not one of its."""
        text = compact(question)
        for reader in self.readers.get(language, ()) if len(text) <= LONGEST else ():
            values = self.match(reader, text, language)
            if values is not None:
                return values
        return None

    def match(self, reader: Reader, text: str, language: str) -> Values | None:
        """The values in a compact text, if this reader's template wrote it."""
        match = reader.pattern.fullmatch(text) if reader.anchor in text else None
        if match is None:
            return None
        values: Values = {} if reader.form is None else {"form": reader.form}
        try:
            for name, found in match.groupdict().items():
                values[name] = self._slot(name).parse(found, language)
        except Unworkable:
            return None
        return values

    def _slot(self, name: str) -> Slot:
        return self.slots.get(name, _INTEGER)

    def _reversed(self, language: str) -> Iterator[Reader]:
        for form, templates in self.phrasings[language].items():
            for template in templates:
                pattern, anchor, seen = "", "", set()
                for literal, name, _, _ in string.Formatter().parse(template):
                    anchor = max(anchor, compact(literal), key=len)
                    pattern += re.escape(compact(literal))
                    if name in seen:
                        pattern += f"(?P={name})"
                    elif name is not None:
                        seen.add(name)
                        pattern += f"(?P<{name}>{self._slot(name).pattern(language)})"
                if len(anchor) < _GRAM:
                    raise ValueError(
                        f"tasks/problems/*/{self.name}.py: the phrasing {template!r} has nowhere {_GRAM} literal "
                        "characters in a row between its slots; give it more words"
                    )
                yield Reader(anchor, pattern, form)


def make(family: Family, rng: random.Random, level: int, language: str) -> Problem:
    """A problem of the family, drawn, written in one of its phrasings, and worked."""
    values = family.draw(rng, level)
    question = family.write(values, language, rng.randrange(1 << 16))
    return _problem(family, language, level, question, values, family.work(values, language))


def recognise(question: str, language: str) -> Problem | None:
    """The worked problem behind a question's text, whichever family wrote it; None if none did."""
    text = compact(question)
    index = _index(language)
    for start in range(len(text) - _GRAM + 1 if len(text) <= LONGEST else 0):
        for family, reader in index.get(text[start : start + _GRAM], ()):
            values = family.match(reader, text, language)
            if values is None:
                continue
            try:
                worked = family.work(values, language)
            except Unworkable:
                return None
            return _problem(family, language, 0, question.strip(), values, worked)
    return None


@functools.cache
def _index(language: str) -> dict[str, list[tuple[Family, Reader]]]:
    """Readers by the rarest four characters of their anchors, so that a text is tried on few of them."""
    readers = [
        (family, reader) for family in families().values() for reader in family.readers.get(language, ())
    ]
    grams = {
        reader: [reader.anchor[i : i + _GRAM] for i in range(len(reader.anchor) - _GRAM + 1)]
        for _, reader in readers
    }
    counts = Counter(gram for found in grams.values() for gram in set(found))
    index: dict[str, list[tuple[Family, Reader]]] = {}
    for family, reader in readers:
        index.setdefault(min(grams[reader], key=counts.__getitem__), []).append((family, reader))
    return index


@functools.cache
def families() -> dict[str, Family]:
    """Return every family by the name of its module, in the order of names. A family is one file in one of the
    folders of tasks/problems/, which are domains; two files of one name are refused, since the name enters seeds."""
    places: dict[str, str] = {}
    for domain in pkgutil.iter_modules(problems.__path__, "tasks.problems."):
        if not domain.ispkg or domain.name == __package__:
            continue
        for info in pkgutil.iter_modules(importlib.import_module(domain.name).__path__):
            place = f"{domain.name}.{info.name}"
            if info.name in places:
                raise ValueError(f"two families are called {info.name}: {places[info.name]} and {place}")
            places[info.name] = place
    return {name: Family(name, importlib.import_module(place)) for name, place in sorted(places.items())}


def of_subdomain(subdomain: str) -> list[Family]:
    return [family for family in families().values() if family.subdomain == subdomain]


def _problem(
    family: Family, language: str, level: int, question: str, values: Mapping[str, int | str], worked: Worked
) -> Problem:
    items = tuple(sorted(values.items()))
    return Problem(family.name, family.subdomain, language, level, question, items, worked, family.concepts)


_INTEGER = Number()
