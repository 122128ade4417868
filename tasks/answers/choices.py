"""Which option of a multiple-choice question an answer names: by its letter, by its words or by its value.

A letter counts if it refers to an option: alone, in brackets, before a mark or as "option B". The first letter of a
variable, an article ("a car", "A triangle") or a vector does not. A number is the value of an option and never its place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.answers.extraction import extract, without_last_box
from tasks.answers.judge import Judge
from tasks.ingestion.options import Options, folded, letter_of
from tasks.ingestion.options import bare as without_wrapping

_ALONE = re.compile(r"[(\[（]?\s*([A-Z])\s*[)\]）]?[.:：、]?")
_SMALL = re.compile(r"[(\[（]\s*([a-z])\s*[)\]）]|([a-z])[.):]?")
# "B) 1/2", "(b) 1/2", "B. 1/2", "B: 1/2"; a number's decimal point is no mark
_LED = re.compile(
    r"[(\[（]\s*([A-Za-z])\s*[)\]）]\s*[.:：]?\s*(?=\S)(.*)|([A-Za-z])\s*(?:[)）:：、]\s*|\.\s+)(?=\S)(.*)",
    re.DOTALL,
)
# "B is correct", "B, because ...", "B (60 km)"
_SENTENCE = re.compile(
    r"[(\[]?([A-Z])[)\]]?(?:\s*[,，;]?\s+(?:is|as|since|because|which|being)\b.*|\s*[（(].+[)）]|\s*[,，]\s*(?:because|since|as)\b.*|\s*(?:是|正确|项).*)",
    re.DOTALL,
)


# how a solution closes that gives the value of an option: (letter, option)
_LEADS = re.compile(r"\n[^\n]{1,60}[:：]\s*\Z")  # a last line that only leads to what was in the box
_CLOSING = {"en": "This is option {}: {}.", "zh": "这是选项 {}：{}。"}


@dataclass(frozen=True, slots=True)
class Choice:
    """An answer to a question with these options. The reference, if there is one, is letters or a value."""

    answer: str
    options: tuple[str, ...]
    reference: str | None = None


def as_letters(choices: Sequence[Choice], judge: Judge) -> list[str | None]:
    """Return the letter of the option that each answer names (several letters if the reference has several).

    Words and values are compared with the options. The result is None if the answer names no option, and the unchanged answer
    if it is unclear whether it names the right one: it matches no option and could not be compared with the right one, or
    it matches several and the right one is among them.
    """
    letters_found = [letter_stated(one.answer, one.options, one.reference) for one in choices]
    looked_up = [i for i, letter in enumerate(letters_found) if letter is None]
    judgements = iter(
        judge.equal([(choices[i].answer, option) for i in looked_up for option in choices[i].options])
    )
    for i in looked_up:
        value, options, reference = choices[i].answer, choices[i].options, choices[i].reference or ""
        # all judgements of this answer are taken from the stream, even if the first decides
        judged = [next(judgements) for _ in options]
        same = [
            judgement == "equal" or folded(value) == folded(option)
            for judgement, option in zip(judged, options, strict=True)
        ]
        if sum(same) == 1:
            letters_found[i] = chr(65 + same.index(True))
        elif not _ALONE.fullmatch(without_wrapping(value)):
            right = [ord(letter) - 65 for letter in reference] if are_letters(reference, options) else None
            right = right or list(range(len(options)))
            doubtful = (
                any(same[place] for place in right)
                if any(same)
                else any(judged[place] == "unknown" for place in right)
            )
            letters_found[i] = value if doubtful else None
    return letters_found


def closed_with_letter(solution: str, letter: str, options: Sequence[str], language: str) -> str:
    """Return a solution that ends with the letter of its option in a box. One that states a letter already is returned unchanged; of
    another one the value leaves its box, with the line that led to it ("So we get:"), and a sentence says which option it is."""
    extraction = extract(solution, language)
    if extraction is not None and letter_stated(extraction.answer, options) == letter:
        return solution
    option = options[ord(letter) - 65].rstrip(".。")
    closing = _CLOSING[language].format(letter, option)
    argued = _LEADS.sub("", without_last_box(solution).rstrip())
    return "\n".join([argued.rstrip(), closing, rf"\boxed{{{letter}}}"])


def are_letters(reference: str, options: Sequence[str]) -> bool:
    """Return whether a reference is one or more letters of these options."""
    return (
        reference.isalpha()
        and reference.isupper()
        and reference.isascii()
        and all(ord(one) - 65 < len(options) for one in reference)
    )


def letter_stated(answer: str, options: Sequence[str], reference: str | None = None) -> str | None:
    """Return the letter (several if the reference has several) that an answer gives, None if it gives none of these options."""
    plainly = without_wrapping(answer)
    if reference is not None and len(reference) > 1 and are_letters(reference, options):
        return letter_of(Options(tuple(options), tuple(chr(65 + i) for i in range(len(options)))), answer)
    if alone := _ALONE.fullmatch(plainly):
        return _in_range(alone[1], options)
    if small := _SMALL.fullmatch(plainly):
        # a variable may be an option itself
        mine = [folded(without_wrapping(option)) for option in options]
        if small[2] and small[2] in mine:
            return chr(65 + mine.index(small[2])) if mine.count(small[2]) == 1 else None
        return _in_range(small[1] or small[2], options)
    if led := _LED.fullmatch(plainly):
        letter, rest = (led[1], led[2]) if led[1] else (led[3], led[4])
        others = [place for place, option in enumerate(options) if folded(option) == folded(rest)]
        if others and ord(letter.upper()) - 65 not in others:
            return None  # the letter of one option with the words of another: the caller compares the words
        return _in_range(letter, options)
    if sentence := _SENTENCE.fullmatch(plainly):
        return _in_range(sentence[1], options)
    return None


def _in_range(letter: str, options: Sequence[str]) -> str | None:
    return letter.upper() if ord(letter.upper()) - 65 < len(options) else None
