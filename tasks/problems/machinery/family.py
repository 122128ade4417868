"""Problem families: how their questions are drawn, written and read back.

A family is a module of tasks/problems/<domain>/ with these names (see algebra/linear_equation.py, the exemplar):

    subdomain: str                                   # a key of tasks.taxonomy.SUBDOMAINS
    concepts: tuple[str, ...]                        # knowledge points
    templates: dict[str, list[str]]                  # language -> phrasings with {slots}
    slots: dict[str, Slot]                           # kinds of slots; slots that are not named are integers
    def draw(rng, level) -> Values                   # level 1..3; values of every slot
    def work(values, language) -> Worked             # exact answer, worked steps, program

If levels differ in more than size, `templates[language]` is a dict from a form (an integer) to its phrasings; the form is
then one of the values, named `form`.

Reading is the inverse of writing: each template is compiled to a regular expression over the text without white space, so a
family recognises its own questions from their text alone, and `read(write(values)) == values` for any line wrapping. A
similar text whose values have no exact answer is not recognised, since `work` raises Unworkable.
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
from dataclasses import dataclass, replace
from types import ModuleType

from tasks import problems
from tasks.problems.machinery.notation import Unworkable
from tasks.problems.machinery.slots import Number, Slot, compact
from tasks.problems.machinery.typesetting import typeset, with_prices_escaped

Values = dict[str, int | str]

LEVELS = (1, 2, 3)
LANGUAGES = ("en", "zh")

# no family writes longer questions, so longer texts are not matched
DRAWS = 20  # of values, until some have an exact answer
LONGEST = 2000

# length of the pieces of literal text by which the phrasings that may have written a question are looked up
_GRAM = 4


@dataclass(frozen=True, slots=True)
class Worked:
    """A worked solution: the exact answer (LaTeX or plain, as a solver would box it), the steps that lead to it, and a program
    whose last line prints it."""

    answer: str
    steps: tuple[str, ...]
    program: str


class Steps:
    """Collects the worked steps of a solution in one language; each step is given in both.

    A step is a sentence with its arithmetic written out, such as `12 * 3 = 36`, so that a reader or a critic can evaluate both
    sides of every equality between numbers.
    """

    def __init__(self, language: str) -> None:
        self.zh = language == "zh"
        self._sentences: list[str] = []

    def say(self, en: str, zh: str) -> None:
        """Append a sentence."""
        self._sentences.append(zh if self.zh else en)

    def all(self) -> tuple[str, ...]:
        """Return all sentences, in order."""
        return tuple(self._sentences)


@dataclass(frozen=True, slots=True)
class Problem:
    """A question with its worked solution. `level` is 0 if the question was read, not drawn."""

    family: str
    subdomain: str
    language: str
    level: int
    question: str
    values: tuple[tuple[str, int | str], ...]
    worked: Worked
    concepts: tuple[str, ...]


def nonzero(rng: random.Random, bound: int) -> int:
    """Draw an integer from -bound to bound that is not zero."""
    return rng.choice((-1, 1)) * rng.randint(1, bound)


def factors(rng: random.Random, degree: int, bound: int) -> list[int]:
    """Draw the integer coefficients of a polynomial of exactly this degree, highest power first; the constant term is not zero."""
    middle = [rng.randint(-bound, bound) for _ in range(degree - 1)]
    return [nonzero(rng, bound), *middle, *([nonzero(rng, bound)] if degree else [])]


@dataclass(frozen=True)
class Reader:
    """A template in the form that reads questions. `anchor` is its longest literal part, which is tested before the expression.
    The expression is compiled when a text first passes this test."""

    anchor: str
    expression: str
    form: int | None

    @functools.cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(self.expression)


class Family:
    """One module of tasks/problems/<domain>/, with its templates compiled.

    `templates` maps language to all phrasings; `phrasings[language][form]` are those of one form. The only form is None if the
    family has no forms.
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
        """Draw the values of a problem of this level (1, 2 or 3)."""
        values: Values = self._module.draw(rng, level)
        return values

    def write(self, values: Mapping[str, int | str], language: str, phrasing: int = 0) -> str:
        """Write the question in a phrasing, given by its number modulo the number of phrasings."""
        form = values.get("form")
        templates = self.phrasings[language][None if form is None else int(form)]
        shown = {name: self._slot(name).show(value, language) for name, value in values.items()}
        return with_prices_escaped(templates[phrasing % len(templates)].format_map(shown))

    def work(self, values: Mapping[str, int | str], language: str) -> Worked:
        """Return the worked solution. Raises Unworkable if there is no exact answer for these values."""
        worked: Worked = self._module.work(dict(values), language)
        return worked

    def read(self, question: str, language: str) -> Values | None:
        """Return the values with which this family wrote the question, or None if it did not write it."""
        text = _compact(question)
        for reader in self.readers.get(language, ()) if len(text) <= LONGEST else ():
            values = self.match(reader, text, language)
            if values is not None:
                return values
        return None

    def match(self, reader: Reader, text: str, language: str) -> Values | None:
        """Return the values in a compact text if this reader's template wrote it, or else None."""
        match = reader.pattern.fullmatch(text) if reader.anchor in text else None
        if match is None:
            return None
        values: Values = {} if reader.form is None else {"form": reader.form}
        try:
            for name, text_of_slot in match.groupdict().items():
                values[name] = self._slot(name).parse(text_of_slot, language)
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
    """Draw a problem of the family, write it in a random phrasing, and work it. Values that have no exact answer are drawn again; raises
    Unworkable if that happens DRAWS times."""
    for left in reversed(range(DRAWS)):
        values = family.draw(rng, level)
        question = family.write(values, language, rng.randrange(1 << 16))
        try:
            return _problem(family, language, level, question, values, family.work(values, language))
        except Unworkable:
            if not left:
                raise
    raise AssertionError("DRAWS is 1 or more")


def recognise(question: str, language: str) -> Problem | None:
    """Return the worked problem of a question that any family wrote, or None if no family wrote it."""
    text = _compact(question)
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
    """Index the readers by the rarest piece of their anchors, so that few of them are tried on a text."""
    readers = [
        (family, reader) for family in families().values() for reader in family.readers.get(language, ())
    ]
    grams = {
        reader: [reader.anchor[i : i + _GRAM] for i in range(len(reader.anchor) - _GRAM + 1)]
        for _, reader in readers
    }
    counts = Counter(gram for pieces in grams.values() for gram in set(pieces))
    index: dict[str, list[tuple[Family, Reader]]] = {}
    for family, reader in readers:
        index.setdefault(min(grams[reader], key=counts.__getitem__), []).append((family, reader))
    return index


@functools.cache
def families() -> dict[str, Family]:
    """Return every family by the name of its module, in the order of names.

    A family is one file in a folder of tasks/problems/; the folders are domains. Raises ValueError if two files have the same
    name, since the name enters seeds.
    """
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
    """Return the families of a subdomain."""
    return [family for family in families().values() if family.subdomain == subdomain]


def _problem(
    family: Family, language: str, level: int, question: str, values: Mapping[str, int | str], worked: Worked
) -> Problem:
    items = tuple(sorted(values.items()))
    worked = replace(worked, steps=typeset(worked.steps, question, language))
    return Problem(family.name, family.subdomain, language, level, question, items, worked, family.concepts)


def _compact(question: str) -> str:
    """Return a question without white space, its prices as the templates have them."""
    return compact(question).replace(r"\$", "$")


_INTEGER = Number()
