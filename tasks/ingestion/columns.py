"""Reads the fields of a record by the conventions of column names that tasks.ingestion.column_names lists."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tasks.ingestion import chats
from tasks.ingestion.column_names import (
    ABOUT,
    ANSWERS,
    BEFORE,
    FLAGS,
    GOLD,
    PLAINEST,
    QUESTIONS,
    SOLUTIONS,
    WRONG_OPTION,
    known_columns,
    known_values,
)
from tasks.ingestion.flags import called_wrong, truth
from tasks.ingestion.instructions import NOTHING, SharedEnds, shared, without_instruction
from tasks.ingestion.options import (
    Options,
    Unreadable,
    folded,
    letter_of,
    listed_in,
    options_of,
    written_in,
)
from tasks.ingestion.record_chats import asked_and_replied, chat_of
from tasks.ingestion.references import apart, as_option, is_value, option_named, read_beside, stated_reference
from tasks.ingestion.solution_texts import fenced, final_answer, is_program, is_worked
from tasks.ingestion.thinking import of_solution, reasoning_of
from tasks.ingestion.values import Unfit, as_text, kind_in_words, required
from tasks.text.cleaning import BLANK

_ANNOTATION = re.compile(r"<<[^<>\n]*=[^<>\n]*>>")
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")
_LONE_LETTER = re.compile(r"\(?[A-J]\)?\.?")


@dataclass(frozen=True, slots=True)
class Habits:
    """Properties of a whole file: the instructions that its questions share, and the number of the first option where
    answers are numbers. `first` is None where numbers are values of options and never their places."""

    instructions: SharedEnds = NOTHING
    first: int | None = 0


_NONE = Habits()


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a record, uncleaned.

    `answer` is what the solution arrives at, `reference` the trusted answer: with `options` it is their letter ("B", for
    several "AC"), unless the record's answer names none of them.
    """

    question: str
    solution: str | None = None
    answer: str | None = None
    reference: str | None = None
    language: str | None = None
    domain: str | None = None
    subdomain: str | None = None
    source: str | None = None
    license: str | None = None
    options: Options | None = None
    wrong: bool = False  # the record itself calls its solution wrong, so `solution` is None
    program: bool = False  # the solution is a program
    reasoning: str | None = None  # the thinking before the solution
    unfinished: bool = False  # the thinking never ends, so `solution` is None

    @property
    def asked(self) -> str:
        """Return the question with its options; without them its answer, a letter, means nothing."""
        return "\n".join([self.question, *self.options.lines()]) if self.options else self.question


def habits(records: Sequence[Mapping[str, Any]]) -> Habits:
    """Return what the records of a file have in common."""
    questions: list[str] = []
    numbered: list[tuple[str, Options]] = []
    for record in records:
        values = known_values(record)
        try:
            questions.append(_asked(record, values, NOTHING)[0])
            options = options_of(values)
            given = [values[name] for name in ANSWERS if name in values]
            answer = next((as_text("answer", one) for one in given if not isinstance(one, bool)), "")
        except (Unfit, Unreadable):
            continue
        if options is not None and _NUMBER.fullmatch(answer.strip(BLANK)):
            numbered.append((answer.strip(BLANK), options))
    return Habits(shared(questions), _first(numbered))


def _first(numbered: Sequence[tuple[str, Options]]) -> int | None:
    """Return the number of the first option in a file with these numeric answers, None if they are values of options.

    A number is a value if it is the text of an option, or if the record has fewer options. The more frequent kind decides.
    Options are counted from 1 if one place equals the number of options, and none is 0.
    """
    places = [
        (int(text), len(options))
        for text, options in numbered
        if text.isdecimal()
        and len(text) <= 2
        and int(text) <= len(options)
        and folded(text) not in {folded(one) for one in options.texts}
    ]
    if 2 * len(places) < len(numbered):
        return None
    return int(all(number > 0 for number, _ in places) and any(number == count for number, count in places))


def read(record: Mapping[str, Any], common: Habits = _NONE) -> Fields:
    """Return the fields of a record by the convention that it follows.

    Raises Unfit if it follows no known convention or holds no question.
    """
    values = known_values(record)
    question, reply = _asked(record, values, common.instructions)
    try:
        options = options_of(values) or _right_and_wrong_ones(values, question)
    except Unreadable as error:
        raise Unfit(str(error)) from error
    own = written_in(question) if options is None else None
    offered = options if own is None else own[1]
    choice = offered is not None or listed_in(question) is not None
    follows = (
        "conclusion" in values and "premises" in values
    )  # its label is the answer: true, false or uncertain
    for name in ("problem_is_valid", "question_is_valid", "solution_is_valid"):  # NuminaMath-1.5
        if isinstance(stated := values.get(name), str) and truth(stated) is not True:
            raise Unfit(
                f"the file says of the {name.partition('_')[0]} {stated.strip(BLANK)[:40]!r}, not that it is valid"
            )
    wrong = not follows and called_wrong(values, options)
    solution = _solution(values) or reply or _beside_thinking(record, values)
    is_stored_row = "problem_id" in known_columns(tuple(record)) and "reference_answer" in known_columns(
        tuple(record)
    )
    reference = stated_reference(values, options, common.first, wrong=wrong, is_stored_row=is_stored_row)
    if follows and options is None and isinstance(values.get("label"), (str, bool)):
        reference = str(values["label"])
    if reference is not None and solution is not None and solution == values.get("answer"):
        reference = None  # it is a reply, and no value
    if reference is not None and solution is not None and solution == values.get("ground_truth_solution"):
        reference = read_beside(reference, solution)
    value = solution.strip(BLANK) if solution is not None and solution == values.get("solution") else ""
    if value and not wrong and reference in (None, value) and is_value(values, value):
        solution, reference = None, value  # what others call the answer (s1K, DAPO)
    vouched = (
        False  # whether a column of the file itself has the trusted answer, though none that can be compared
    )
    if reference is not None and (options is None or letter_of(options, reference) is None):
        vouched = solution is not None and any(values.get(name) == reference for name in GOLD)
        solution, reference = apart(solution, reference, wrong=wrong, choice=choice)
    if wrong:
        solution = None
    answer, reasoning, unfinished = None, None, False
    if solution is not None:
        parts = of_solution(record, values, solution)
        solution, reasoning, unfinished = parts.solution or None, parts.thinking, parts.unfinished
    if solution is not None:
        solution = fenced(solution)
        if "<<" in solution:
            solution = _ANNOTATION.sub("", solution)
        stated = final_answer(solution, choice=choice)
        if stated is not None:
            stated = option_named(stated, offered, question) or stated
        if is_stored_row:
            stated = as_text("answer", values["answer"]) if "answer" in values else None
        elif reference is None and not vouched:
            reference = stated
        answer = stated if stated is not None else reference
    elif is_stored_row and "answer" in values:
        answer = as_text("answer", values["answer"])
    if reference is not None and not is_stored_row:
        reference = as_option(reference, options, offered, question, common.first)
    about = {name: as_text(name, values[name]) for name in ABOUT if isinstance(values.get(name), str)}
    return Fields(
        question,
        solution,
        answer,
        reference,
        about.get("language", about.get("lang")),
        about.get("domain"),
        about.get("subdomain"),
        about.get("dataset", about.get("data_source", about.get("source"))),
        about.get("license", about.get("licence")),
        options,
        wrong,
        values.get("solution_format") == "pot" or (solution is not None and is_program(solution)),
        reasoning,
        unfinished,
    )


def with_own_options(fields: Fields) -> Fields:
    """Return the fields with the options taken out of the question, where it lists them itself and a letter answers it."""
    if (
        fields.options is not None
        or fields.reference is None
        or not _LONE_LETTER.fullmatch(fields.reference.strip(" $"))
    ):
        return fields
    listed = listed_in(fields.question)
    if listed is None or not listed[0].strip():
        return fields
    letter = letter_of(listed[1], fields.reference)
    if letter is None:
        return fields
    return replace(fields, question=listed[0], options=listed[1], reference=letter)


def question(record: Mapping[str, Any], common: Habits = _NONE) -> str:
    """Return the question of a record without its options. Raises Unfit if it holds none."""
    return _asked(record, known_values(record), common.instructions)[0]


def solution_and_flag(record: Mapping[str, Any]) -> tuple[str | None, bool | None]:
    """Return the solution of a record and the flag that says whether it is right; None for each that is absent."""
    values = known_values(record)
    try:
        solution = _solution(values) or asked_and_replied(values)[1]
    except Unfit:
        solution = None
    if solution is None and isinstance(values.get("answer"), str) and is_worked(values["answer"]):
        solution = values["answer"]
    names = ("flag", *FLAGS) if "correct" in record and "final_answer" in record else FLAGS
    flags = (
        truth(record[name]) for name in names if name in record and not isinstance(record[name], (list, dict))
    )
    return solution, next((flag for flag in flags if flag is not None), None)


def _asked(
    record: Mapping[str, Any], values: Mapping[str, Any], common: SharedEnds
) -> tuple[str, str | None]:
    """Return (question, reply); the reply is None unless the record is a chat that has one."""
    if isinstance(values.get("conclusion"), str) and isinstance(values.get("premises"), (list, str)):
        premises = values["premises"] if isinstance(values["premises"], list) else [values["premises"]]
        return "\n".join(
            [*map(str, premises), "Does it follow that the statement below is true?", values["conclusion"]]
        ), None
    plainest = any(isinstance(values.get(name), str) and values[name].strip() for name in PLAINEST)
    fault: Unfit | None = None
    asked, reply = None, None
    try:
        asked, reply = asked_and_replied(values)
    except Unfit as error:
        if not any(isinstance(values.get(name), str) and values[name].strip() for name in QUESTIONS):
            raise
        fault = error
    if plainest or asked is None:
        try:
            return _question(
                values, bool(known_columns(tuple(record)).keys() & set(QUESTIONS)), common
            ), reply
        except Unfit:
            if fault is not None:
                raise fault from None
            raise
    return without_instruction(asked, common), reply


def _question(values: Mapping[str, Any], named: bool, common: SharedEnds) -> str:
    for name in QUESTIONS:
        if name in values and values[name] != "":
            text = required(name, values[name])
            asked = chats.asked(chat_of(name, text) or ())
            if len(asked) == 1:  # a question in a model's template
                text = asked[0]
            if name == "instruction" and isinstance(values.get("input"), str) and values["input"].strip():
                text = f"{text}\n\n{values['input']}"
            elif (
                name == "instruction" and isinstance(values.get("context"), str) and values["context"].strip()
            ):
                text = f"{text}\n\n{values['context']}"  # Dolly
            elif name in ("question", "query"):
                before = [values[key].strip(BLANK) for key in BEFORE if isinstance(values.get(key), str)]
                ended = [part if part[-1] in ".?!:。？！：" else f"{part}." for part in before if part]
                text = " ".join([*ended, without_instruction(text, common) if ended else text])
            return without_instruction(text, common)
    raise Unfit("no question" if not named else "the question is empty")


def _right_and_wrong_ones(values: Mapping[str, Any], question: str) -> Options | None:
    """Return the options of a record that stores right and wrong ones apart (GPQA, SciQ, TruthfulQA).

    They are ordered by a hash, so that their order does not give the answer away.
    """
    wrong = [values[name] for name in sorted(values) if WRONG_OPTION.fullmatch(name)]
    for name in ("incorrect_answers", "wrong_answers", "distractors"):
        if isinstance(values.get(name), list):
            wrong += values[name]
    right = next(
        (
            values[name]
            for name in ("correct_answer", "right_answer", "answer")
            if isinstance(values.get(name), (str, int, float))
        ),
        None,
    )
    if not wrong or right is None or not all(isinstance(one, (str, int, float)) for one in wrong):
        return None
    texts = list(dict.fromkeys(as_text("option", one).strip() for one in (right, *wrong)))
    texts.sort(
        key=lambda text: hashlib.sha256(f"{question}\0{text}".encode("utf-8", "surrogatepass")).digest()
    )
    return (
        Options(tuple(texts), tuple(chr(65 + place) for place in range(len(texts))))
        if 1 < len(texts) <= 26
        else None
    )


def _beside_thinking(record: Mapping[str, Any], values: Mapping[str, Any]) -> str | None:
    """Return the solution of a record that names no column for it, but has a column with reasoning, None if there is none.

    `content` beside it is the reply (Chinese-DeepSeek-R1-Distill), and so is `answer` where it is more than a value (Dolphin-R1).
    """
    if reasoning_of(record, values) is None:
        return None
    if isinstance(text := values.get("content"), str) and text.strip():
        return text
    if (
        isinstance(text := values.get("answer"), str)
        and len(text.split()) > 2
        and not is_value(values, text.strip(BLANK))
    ):
        return text
    return None


def _solution(values: Mapping[str, Any]) -> str | None:
    for name in SOLUTIONS:
        value = values.get(name)
        if value is None:
            continue
        try:
            chat = chat_of(name, value)
        except chats.Odd as error:
            raise Unfit(f"the {name} is a chat that cannot be read: {error}") from error
        if chat:
            value = chats.replied(chat)
        elif isinstance(value, list) and value and all(isinstance(step, str) for step in value):
            value = "\n".join(value)
        if isinstance(value, str):
            if value.strip():
                return value
        elif isinstance(value, list) and all(isinstance(one, (bool, type(None))) for one in value):
            continue
        elif value is not None and name in SOLUTIONS[:10]:
            raise Unfit(f"the {name} is {kind_in_words(value)}, not text")
    return None
