from __future__ import annotations

import hashlib
import re
import sys

import pytest

from storage.characters import BLANKS, CONTROLS, HIDDEN, Use, character_class, characters

EVERY = HIDDEN + CONTROLS


def test_no_character_stands_twice() -> None:
    expanded = "".join(characters((entry,), entry.uses) for entry in EVERY)
    assert len(set(expanded)) == len(expanded)
    assert not set(BLANKS) & set(characters(EVERY, Use.COMPARED))


@pytest.mark.parametrize("use", list(Use), ids=lambda use: use.name)
def test_the_characters_are_those_of_the_class(use: Use) -> None:
    matched = re.compile(f"[{character_class(EVERY, use)}]")
    assert set(characters(EVERY, use)) == {
        character for character in map(chr, range(sys.maxunicode + 1)) if matched.match(character)
    }


@pytest.mark.parametrize(
    ("use", "count", "digest"),
    [
        (Use.SHOWN, 4254, "67ca42d3d819ce85"),
        (Use.COMPARED, 4240, "5cddcc8b827990e1"),
        (Use.JUDGED, 17, "fb85f405bca7278c"),
    ],
    ids=lambda use: use.name if isinstance(use, Use) else "",
)
def test_each_use_handles_what_it_did_when_stored_keys_were_computed(
    use: Use, count: int, digest: str
) -> None:
    """The digests were computed when each use had a list of its own."""
    handled = "".join(sorted(characters(EVERY, use)))
    assert (len(handled), hashlib.sha256(handled.encode()).hexdigest()[:16]) == (count, digest)
