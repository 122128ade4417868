"""Multiple choice: the answer is a letter (or several), or an option's own words or value.

A letter counts where it stands for an option: alone, in brackets, before a mark or as "option B". The first letter of a
variable, an article ("a car", "A triangle") or a vector does not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.answers import Judge, extract
from tasks.options import Options, folded, letter_of
from tasks.options import bare as without_wrapping
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
_TOLD = re.compile(
    r"[(\[]?([A-Z])[)\]]?(?:\s*[,，;]?\s+(?:is|as|since|because|which|being)\b.*|\s*[（(].+[)）]|\s*[,，]\s*(?:because|since|as)\b.*|\s*(?:是|正确|项).*)",
    re.DOTALL,
)


def shown(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"question": item["question"], "options": list(item["options"])}


def bare(item: Mapping[str, Any]) -> str:
    listed = [f"{chr(65 + i)}) {option}" for i, option in enumerate(item["options"])]
    return "\n".join([str(item["question"]), *listed])


def answers(
    items: Sequence[Mapping[str, Any]], texts: Sequence[str], *, judge: Judge, sandbox: Sandbox | None
) -> list[str | None]:
    """A letter of the item's (several where its reference is several), or None; words and values are looked for among
    the options."""
    found: list[str | None] = []
    looked_up: list[tuple[int, list[str], str]] = []
    for i, (item, text) in enumerate(zip(items, texts, strict=True)):
        extracted = extract(text, item["language"])
        letter = _letter(extracted.answer, item) if extracted else None
        found.append(letter)
        if extracted and letter is None:
            looked_up.append((i, item["options"], extracted.answer))
    pairs = [(value, option) for _, options, value in looked_up for option in options]
    verdicts = iter(judge.equal(pairs))
    for i, options, value in looked_up:
        # every option's verdict is taken from the stream, whatever the first says
        same = [next(verdicts) == "equal" or folded(value) == folded(option) for option in options]
        found[i] = chr(65 + same.index(True)) if sum(same) == 1 else None
    return found


def right(items: Sequence[Mapping[str, Any]], answers: Sequence[str | None], *, judge: Judge) -> list[bool]:
    """Whether the letters are the reference's; a reference that is a value is compared with the option's by the judge."""
    verdicts = [
        answer is not None and answer == item["reference"]
        for item, answer in zip(items, answers, strict=True)
    ]
    by_value = [
        (i, item["options"][ord(answer) - 65], item["reference"])
        for i, (item, answer) in enumerate(zip(items, answers, strict=True))
        if answer is not None and len(answer) == 1 and not _are_letters(item["reference"], item["options"])
    ]
    for (i, _, _), verdict in zip(
        by_value, judge.equal([(value, gold) for _, value, gold in by_value]), strict=True
    ):
        verdicts[i] = verdict == "equal"
    return verdicts


def _are_letters(reference: str, options: Sequence[str]) -> bool:
    return (
        reference.isalpha()
        and reference.isupper()
        and reference.isascii()
        and all(ord(one) - 65 < len(options) for one in reference)
    )


def _letter(answer: str, item: Mapping[str, Any]) -> str | None:
    """The letter that an extracted answer gives, if it gives one."""
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
            return None  # the letter of one option with the words of another: the words decide
        return _in_range(letter, options)
    if told := _TOLD.fullmatch(plainly):
        return _in_range(told[1], options)
    return None


def _in_range(letter: str, options: Sequence[str]) -> str | None:
    return letter.upper() if ord(letter.upper()) - 65 < len(options) else None
