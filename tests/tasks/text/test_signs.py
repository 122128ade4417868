from __future__ import annotations

import pytest

from tasks.answers.spelling import canonical as answer
from tasks.dedup.normalise import canonical
from tasks.text.signs import SIGNS, raised, spelled


def test_no_character_is_two_signs() -> None:
    characters = "".join(SIGNS.values())
    assert len(set(characters)) == len(characters)


@pytest.mark.parametrize("name", sorted(SIGNS))
def test_both_uses_fold_every_character_of_a_sign_alike(name: str) -> None:
    for use in (lambda text: canonical([text])[0], answer):
        assert len({use(f"a {character} b") for character in SIGNS[name]}) == 1
        assert all(character not in use(f"a {character} b") for character in SIGNS[name])


def test_unknown_signs_are_refused() -> None:
    assert spelled({"times": "*", "le": "<="}) == {"×": "*", "≤": "<=", "⩽": "<="}
    with pytest.raises(KeyError):
        spelled({"plus": "+"})


def test_superscripts_are_exponents() -> None:
    assert raised("x² + 2ⁿ⁺¹") == "x^{2} + 2^{n+1}"
    assert canonical(["x²"]) == ["x^2"]
    assert answer("x²") == "x^{2}"


@pytest.mark.parametrize("hidden", ["\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad"])
def test_invisible_characters_leave_no_trace_in_the_key_of_duplicates(hidden: str) -> None:
    assert canonical([f"x{hidden}+1"]) == canonical(["x+1"])
