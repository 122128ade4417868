"""A real textbook in PreTeXt, compared with counts by ElementTree and with the words of each solution."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tasks.documents.document import Document, Element
from tasks.documents.formats import ReadOptions
from tasks.documents.formats.pretext import read

BOOK = Path(__file__).parents[5] / "shared/data/textbooks/discrete_math_open_intro"
pytestmark = pytest.mark.skipif(not BOOK.is_dir(), reason=f"no folder {BOOK.name} in shared/data/textbooks")
PRINTED = ("hint", "answer", "solution")


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return {str(path.relative_to(BOOK)): path.read_bytes() for path in sorted(BOOK.rglob("*.ptx"))}


@pytest.fixture(scope="module")
def documents(files: dict[str, bytes]) -> dict[str, Document]:
    return {
        name: read(data, name, ReadOptions(files)) for name, data in files.items() if name.startswith("sec_")
    }


def elements(documents: dict[str, Document]) -> list[tuple[str, Document, Element]]:
    return [
        (element.part or name, document, element)
        for name, document in documents.items()
        for element in document.elements
    ]


@pytest.mark.slow
def test_every_printed_solution_is_found_and_nothing_else(
    files: dict[str, bytes], documents: dict[str, Document]
) -> None:
    trees = {name: ET.fromstring(data) for name, data in files.items()}
    for kind in PRINTED:
        expected = [(name, words(one)) for name, tree in trees.items() for one in tree.iter(kind)]
        spans = [
            (name, words(ET.fromstring(wrapped(files[name][element.start : element.end]))))
            for name, _, element in elements(documents)
            if element.kind == kind
        ]
        assert sorted(spans) == sorted(expected), kind  # recall and precision are 1


def test_every_solution_belongs_to_the_exercise_around_it(
    files: dict[str, bytes], documents: dict[str, Document]
) -> None:
    for name, document, element in elements(documents):
        if element.kind in PRINTED:
            assert element.of is not None
            owner = document.elements[element.of]
            assert owner.kind in ("exercise", "example")
            assert (owner.part or name) == (element.part or name)
            between = files[name][owner.start : element.start]
            ended = between.count(b"</exercise>") + between.count(b"</example>")
            assert ended == 0, element  # no other exercise ends between the two


def test_exercises_are_those_with_a_text_of_their_own(
    files: dict[str, bytes], documents: dict[str, Document]
) -> None:
    expected = 0
    for data in files.values():
        for one in ET.fromstring(data).iter():
            if one.tag in ("exercise", "investigation", "project", "activity", "exploration"):
                webwork = one.find("webwork")
                expected += webwork is None or len(webwork) > 0
    assert sum(element.kind == "exercise" for _, _, element in elements(documents)) == expected


def test_spans_hold_the_words_of_their_elements(
    files: dict[str, bytes], documents: dict[str, Document]
) -> None:
    every = elements(documents)
    for name, _, element in every:
        source = files[name][element.start : element.end].decode()
        plain = re.sub(r"\\(?:begin|end)\{\w+\}|\\\w+|\[Figure|\*Proof", " ", element.text)
        plain = re.sub(r"(?m)^\s*(?:\(\w+\)|\w+\.)(?= )|(?<=\) )\(\w+\)|(?<=\) )[ivx]+\.", " ", plain)
        own = [word for word in re.findall(r"[A-Za-z]{3,}", plain) if word not in source]
        # a reference has the label of what it refers to
        assert not own or "<xref" in source, (element, own)


def words(node: ET.Element) -> str:
    return " ".join("".join(node.itertext()).split())


def wrapped(source: bytes) -> bytes:
    return b'<x xmlns:xi="http://www.w3.org/2001/XInclude">' + source + b"</x>"
