"""Multiple choice: the answer is a letter, several letters, or the words or value of an option.

A letter counts if it refers to an option: alone, in brackets, before a mark or as "option B". The first letter of a
variable, an article ("a car", "A triangle") or a vector does not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.answers import Judge, extract
from tasks.ingestion.options import Options, folded, letter_of
from tasks.ingestion.options import bare as without_wrapping
from tasks.sandbox import Sandbox

prompt = "solve_choice"
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


def shown(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"question": item["question"], "options": list(item["options"])}


def bare(item: Mapping[str, Any]) -> str:
    listed = [f"{chr(65 + i)}) {option}" for i, option in enumerate(item["options"])]
    return "\n".join([str(item["question"]), *listed])


def answers(
    items: Sequence[Mapping[str, Any]],
    texts: Sequence[str],
    *,
    cut: Sequence[bool],
    judge: Judge,
    sandbox: Sandbox | None,
) -> list[str | None]:
    """Return a letter of an option per item (several if the reference has several), or None. Words and values are compared
    with the options; an answer that matches no option and could not be compared with the right one is returned unchanged."""
    letters_found: list[str | None] = []
    looked_up: list[tuple[int, list[str], str]] = []
    for i, (item, text, short) in enumerate(zip(items, texts, cut, strict=True)):
        extracted = extract(text, item["language"], cut=short)
        letter = _letter(extracted.answer, item) if extracted else None
        letters_found.append(letter)
        if extracted and letter is None:
            looked_up.append((i, item["options"], extracted.answer))
    pairs = [(value, option) for _, options, value in looked_up for option in options]
    judgements = iter(judge.equal(pairs))
    for i, options, value in looked_up:
        reference = items[i]["reference"] or ""
        letters = _are_letters(reference, options)
        # all judgements of this item are taken from the stream, even if the first decides
        judged = [next(judgements) for _ in options]
        same = [
            judgement == "equal" or folded(value) == folded(option)
            for judgement, option in zip(judged, options, strict=True)
        ]
        if sum(same) == 1:
            letters_found[i] = chr(65 + same.index(True))
        elif not any(same) and not _ALONE.fullmatch(without_wrapping(value)):
            doubtful = [judged[ord(letter) - 65] for letter in reference] if letters else judged
            letters_found[i] = value if "unknown" in doubtful else None
    return letters_found


def right(
    items: Sequence[Mapping[str, Any]], answers: Sequence[str | None], *, judge: Judge
) -> list[bool | None]:
    """Return whether the letters are those of the reference. A reference that is a value is compared with the options.

    The result is None if it is unknown: the answer is not a letter, or the option cannot be compared with the reference and
    no other option is known to equal it.
    """
    results: list[bool | None] = []
    by_value: list[int] = []
    for i, (item, answer) in enumerate(zip(items, answers, strict=True)):
        if answer is not None and not _are_letters(answer, item["options"]):
            results.append(None)
            continue
        results.append(answer is not None and answer == item["reference"])
        if answer is not None and len(answer) == 1 and not _are_letters(item["reference"], item["options"]):
            by_value.append(i)
    pairs = [(option, items[i]["reference"]) for i in by_value for option in items[i]["options"]]
    judged = iter(judge.equal(pairs))
    for i in by_value:
        compared = [next(judged) for _ in items[i]["options"]]
        chosen = compared[ord(answers[i] or "A") - 65]
        if chosen == "unknown" and "equal" not in compared:
            results[i] = None
        else:
            results[i] = chosen == "equal"
    return results


def _are_letters(reference: str, options: Sequence[str]) -> bool:
    return (
        reference.isalpha()
        and reference.isupper()
        and reference.isascii()
        and all(ord(one) - 65 < len(options) for one in reference)
    )


def _letter(answer: str, item: Mapping[str, Any]) -> str | None:
    """Return the letter that an extracted answer gives, or None."""
    options: list[str] = list(item["options"])
    plainly = without_wrapping(answer)
    if len(item["reference"] or "") > 1 and _are_letters(item["reference"], options):
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
