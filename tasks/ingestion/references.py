"""Decides the trusted answer of a record: which column states it, and which option it names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from storage.counting import counted
from tasks.answers.choices import letter_stated
from tasks.ingestion import chats
from tasks.ingestion.column_names import ANSWERS, FLAGS, GOLD
from tasks.ingestion.flags import truth
from tasks.ingestion.options import Options, folded, letter_of, listed_in, literal, names_letters
from tasks.ingestion.solution_texts import announces, final_answer, is_code, is_worked
from tasks.ingestion.values import Unfit, as_text
from tasks.text.cleaning import BLANK

_INDEXES = frozenset(
    (
        "answer_idx",
        "answer_index",
        "correct_index",
        "correct_idx",
        "correct_answer_index",
        "gold_index",
        "gold_label",
        "cop",
    )
)
# what files write where they have no answer (NuminaMath-1.5)
_NO_ANSWER = frozenset(("proof", "notfound", "not found", "n/a", "null", "nan"))
_WORDS = re.compile(r"[^\W\d_]{2,}")
_SENTENCE = 3  # words from which on a line is a sentence
_SIGNS = r"[-+\d.,/^(){}\[\]|<>$%:;*!\s_\\]"
_VALUE = re.compile(rf"(?=.{{1,80}}\Z){_SIGNS}*(?:(?:\\[A-Za-z]+|\b[A-Za-z]\b){_SIGNS}*)*")


def stated_reference(
    values: Mapping[str, Any], options: Options | None, first: int | None, *, wrong: bool, is_stored_row: bool
) -> str | None:
    """Return the trusted answer that a record states, as it is written or as the letter of its option; None if it states none.

    first: the number of the first option where answers are numbers, None where numbers are values. wrong: the record calls its
    solution wrong, so that only columns count that no solution writes. Raises Unfit for an option that is not there.
    """
    if is_stored_row:
        return (
            as_text("reference_answer", values["reference_answer"]).strip(BLANK) or None
            if "reference_answer" in values
            else None
        )
    if (
        options is not None
        and sorted(set(options.labels)) == ["0", "1"]
        and options.labels.count("1") == 1
        and len(options) > 2
    ):
        return chr(65 + options.labels.index("1"))
    names = [name for name in (GOLD if wrong else ANSWERS) if name in values]
    if options is not None:
        for name in names:
            letter = letter_of(options, values[name], first=first)
            if letter is not None:
                return letter
        for name in names:
            if name in _INDEXES and _is_beyond(options, values[name]):
                raise Unfit(
                    f"the {name} is {as_text(name, values[name])}, but there are {counted(len(options), 'option')}"
                )
    for name in names:
        value = values[name]
        if isinstance(value, bool) and name not in (
            "answer",
            "target",
            "final_answer",
            "ground_truth",
            "expected_answer",
            "reference_answer",
        ):
            continue
        if name in FLAGS and (name == "label" or truth(value) is not None):
            continue  # a class, a topic or a flag; `correct` and `gold` may hold an answer, `label` never does without options
        if name in _INDEXES:
            continue  # an index into options that could not be read
        text = _without_list(as_text(name, value).strip(BLANK))
        if text.casefold() in _NO_ANSWER:
            continue
        if text and (is_worked(text) or not is_code(text)):
            return text
    rules = [values.get(name) for name in ("reward_model", "verification_info")]
    in_turns = [{"answer": chats.stated_answer(values.get(name))} for name in chats.COLUMNS]
    for rule in (*rules, *in_turns):
        text = _without_list(_ruled(rule))
        if text and text.casefold() not in _NO_ANSWER:
            return (letter_of(options, text, first=first) if options else None) or text
    return None


def apart(
    solution: str | None, reference: str, *, wrong: bool, choice: bool
) -> tuple[str | None, str | None]:
    """Return (solution, trusted answer) of a record whose column for the answer may hold a worked solution or a sentence.

    Without another solution a worked one is the solution; beside one, only the answer that it marks is used.
    """
    if is_worked(reference):
        if solution is None and not wrong:
            return reference, None
        return solution, final_answer(reference, choice=choice)
    if announces(reference):
        return solution, final_answer(reference, choice=choice) or reference
    return solution, reference


def read_beside(reference: str, solution: str) -> str | None:
    """Return a trusted answer that stands beside its trusted solution: a sentence of the solution that others follow is no answer
    (45 of 428 records of MR-GSM8K state "Let's think step by step."), so it is replaced by what the solution ends in, None if by nothing."""
    lines = [line.strip(BLANK) for line in solution.strip(BLANK).splitlines()]
    if reference not in lines[:-1] or len(_WORDS.findall(reference)) < _SENTENCE:
        return reference
    return final_answer(solution, choice=False)


def as_option(
    reference: str, options: Options | None, offered: Options | None, question: str, first: int | None
) -> str:
    """Return the letter of the option that a trusted answer names, or the answer itself if it names none.

    options: of the record; offered: these, or those that the question lists. Raises Unfit for a letter without an option.
    """
    if options is None:
        return (option_named(reference, offered, question) if offered is not None else None) or reference
    letter = letter_of(options, reference, first=first)
    if letter is None and names_letters(reference):
        raise Unfit(
            f"the answer is {reference.strip(BLANK)[:20]}, but there are {counted(len(options), 'option')}"
        )
    return letter or reference


def _ruled(value: Any) -> str:
    """Return the answer in the object, or the text of one, that tells a verifier what is right; empty without one (verl,
    SYNTHETIC-1, II-Thought)."""
    rule = literal(value.strip()) if isinstance(value, str) and value.lstrip().startswith("{") else value
    if not isinstance(rule, Mapping):
        return ""
    truth = rule.get("ground_truth", rule.get("answer"))
    if isinstance(truth, Mapping):
        truth = truth.get("value", truth.get("target"))
    given = isinstance(truth, (str, int, float, Decimal)) and not isinstance(truth, bool)
    return as_text("ground truth", truth).strip(BLANK) if given else ""


def _without_list(text: str) -> str:
    """Return the one text of a list that is written as a text, as Skywork-OR1 writes answers; other texts as they are."""
    listed = literal(text) if text.startswith(('["', "['")) else None
    single = isinstance(listed, list) and len(listed) == 1 and isinstance(listed[0], str)
    return listed[0].strip(BLANK) if single and listed else text


def _is_beyond(options: Options, value: Any) -> bool:
    """Return whether an index is behind the last option; -1 stands for an answer that the file keeps back."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > len(options)


def is_value(values: Mapping[str, Any], solution: str) -> bool:
    """Return whether a column `solution` holds a value; beside a chat it is the reply to it, and in a box a model's."""
    chatting = any(isinstance(values.get(name), (list, Mapping)) for name in chats.COLUMNS)
    return (
        not chatting
        and "\\boxed" not in solution
        and _VALUE.fullmatch(solution) is not None
        and not is_worked(solution)
    )


def option_named(answer: str, options: Options | None, question: str) -> str | None:
    """Return the letter of the option that the answer of a solution names, None if it names none.

    Without `options`, of the record or at the end of the question, lists in the question may be its parts, so that only a
    letter, with the words of its option or alone, names one of them.
    """
    if options is not None:
        letter = letter_stated(answer, options.texts)
        texts = [folded(text) for text in options.texts]
        return (
            chr(65 + texts.index(folded(answer)))
            if letter is None and texts.count(folded(answer)) == 1
            else letter
        )
    listed = listed_in(question)
    if listed is None:
        return None
    letter = letter_stated(answer, listed[1].texts)
    return letter if letter is not None and letter == letter_of(listed[1], answer) else None
