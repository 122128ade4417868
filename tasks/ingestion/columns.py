"""Reads the fields of a record by the conventions of column names that tasks.ingestion.column_names lists."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from storage.counting import counted
from tasks.answers.choices import letter_stated
from tasks.ingestion import chats
from tasks.ingestion.column_names import (
    ABOUT,
    ANSWERS,
    BEFORE,
    CHATS,
    FLAGS,
    GOLD,
    PLAINEST,
    QUESTIONS,
    REASONINGS,
    SOLUTIONS,
    WRONG_OPTION,
    known_columns,
    known_values,
    plain,
)
from tasks.ingestion.instructions import NOTHING, SharedEnds, shared, without_instruction
from tasks.ingestion.options import (
    Options,
    Unreadable,
    folded,
    letter_of,
    listed_in,
    literal,
    names_letters,
    options_of,
    written_in,
)
from tasks.ingestion.solution_texts import announces, final_answer, is_code, is_program, is_worked
from tasks.replies import solutions as replies
from tasks.text.cleaning import BLANK

_RIGHT = frozenset(
    (
        "true",
        "correct",
        "right",
        "yes",
        "pass",
        "passed",
        "1",
        "1.0",
        "accepted",
        "accept",
        "valid",
        "verified",
        "positive",
        "good",
        "正确",
        "对",
        "是",
    )
)
_WRONG = frozenset(
    (
        "false",
        "incorrect",
        "wrong",
        "no",
        "fail",
        "failed",
        "0",
        "0.0",
        "-1",
        "-1.0",
        "rejected",
        "reject",
        "invalid",
        "negative",
        "bad",
        "not correct",
        "错误",
        "错",
        "否",
    )
)
_ANNOTATION = re.compile(r"<<[^<>\n]*=[^<>\n]*>>")
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")
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
_SIGNS = r"[-+\d.,/^(){}\[\]|<>$%:;*!\s_\\]"
_VALUE = re.compile(rf"(?=.{{1,80}}\Z){_SIGNS}*(?:(?:\\[A-Za-z]+|\b[A-Za-z]\b){_SIGNS}*)*")
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

    @property
    def asked(self) -> str:
        """Return the question with its options; without them its answer, a letter, means nothing."""
        return "\n".join([self.question, *self.options.lines()]) if self.options else self.question


class Unfit(ValueError):
    """A record that holds no usable question; the message is the reason."""


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
            answer = next((_text("answer", one) for one in given if not isinstance(one, bool)), "")
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
        if isinstance(stated := values.get(name), str) and _truth(stated) is not True:
            raise Unfit(
                f"the file says of the {name.partition('_')[0]} {stated.strip(BLANK)[:40]!r}, not that it is valid"
            )
    wrong = not follows and _called_wrong(values, options)
    solution = _solution(values) or reply
    is_stored_row = "problem_id" in known_columns(tuple(record)) and "reference_answer" in known_columns(
        tuple(record)
    )
    reference = _reference(values, options, common.first, wrong=wrong, is_stored_row=is_stored_row)
    if follows and options is None and isinstance(values.get("label"), (str, bool)):
        reference = str(values["label"])
    value = solution.strip(BLANK) if solution is not None and solution == values.get("solution") else ""
    if value and not wrong and reference in (None, value) and _is_value(values, value):
        solution, reference = None, value  # what others call the answer (s1K, DAPO)
    if reference is not None and (options is None or letter_of(options, reference) is None):
        if is_worked(reference):
            if solution is None and not wrong:
                solution, reference = reference, None
            else:
                reference = final_answer(reference, choice=choice)
        elif announces(reference):
            reference = final_answer(reference, choice=choice) or reference
    if wrong:
        solution = None
    answer, reasoning = None, None
    if solution is not None:
        solution, reasoning = _without_thinking(record, values, solution)
        if "<<" in solution:
            solution = _ANNOTATION.sub("", solution)
        stated = final_answer(solution, choice=choice)
        if stated is not None:
            stated = _letter(stated, offered, question) or stated
        if is_stored_row:
            stated = _text("answer", values["answer"]) if "answer" in values else None
        elif reference is None:
            reference = stated
        answer = stated if stated is not None else reference
    elif is_stored_row and "answer" in values:
        answer = _text("answer", values["answer"])
    if options is not None and reference is not None and not is_stored_row:
        letter = letter_of(options, reference, first=common.first)
        if letter is None and names_letters(reference):
            raise Unfit(
                f"the answer is {reference.strip(BLANK)[:20]}, but there are {counted(len(options), 'option')}"
            )
        reference = letter or reference
    elif offered is not None and reference is not None and not is_stored_row:
        reference = _letter(reference, offered, question) or reference
    about = {name: _text(name, values[name]) for name in ABOUT if isinstance(values.get(name), str)}
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
    )


def _is_value(values: Mapping[str, Any], solution: str) -> bool:
    """Return whether a column `solution` holds a value; beside a chat it is the reply to it, and in a box a model's."""
    chatting = any(isinstance(values.get(name), (list, Mapping)) for name in chats.COLUMNS)
    return (
        not chatting
        and "\\boxed" not in solution
        and _VALUE.fullmatch(solution) is not None
        and not is_worked(solution)
    )


def _letter(answer: str, options: Options | None, question: str) -> str | None:
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
        solution = _solution(values)
    except Unfit:
        solution = None
    if solution is None and isinstance(values.get("answer"), str) and is_worked(values["answer"]):
        solution = values["answer"]
    names = ("flag", *FLAGS) if "correct" in record and "final_answer" in record else FLAGS
    flags = (
        _truth(record[name])
        for name in names
        if name in record and not isinstance(record[name], (list, dict))
    )
    return solution, next((flag for flag in flags if flag is not None), None)


def turns(record: Mapping[str, Any]) -> list[tuple[str, chats.Turn]]:
    """(column, turn) of every chat of a record, in every column that holds one. A chat that cannot be read is Unfit."""
    turns_by_column = []
    for name, value in record.items():
        try:
            chat = _turns(plain(name), value)
        except chats.Odd as error:
            raise Unfit(str(error)) from error
        turns_by_column += [(plain(name), turn) for turn in chat or ()]
    return turns_by_column


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
        asked, reply = _chat(values)
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
            text = _required(name, values[name])
            asked = chats.asked(_turns(name, text) or ())
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


def _chat(values: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return (question, reply) of a chat with one user turn, (None, None) where the record holds no chat."""
    empty = False
    for name in (*CHATS, "chosen"):
        try:
            chat = _turns(name, values.get(name))
        except chats.Odd as error:
            raise Unfit(str(error)) from error
        if chat is None or (name == "chosen" and "prompt" in values):
            continue
        users = chats.asked(chat)
        if not chat:
            empty = True
            continue
        if len(users) != 1:
            raise Unfit(f"a chat of {len(users)} user turns; one question a row")
        if not users[0].strip():
            raise Unfit("the user turn is empty")
        return users[0], chats.replied(chat)
    if empty and not any(isinstance(values.get(name), str) for name in QUESTIONS):
        raise Unfit("a chat of 0 user turns; one question a row")
    return None, None


def chat_of(name: str, value: Any) -> list[chats.Turn] | None:
    """Return the turns that the column of this plain name holds, None where it holds no chat. Raises chats.Odd."""
    return _turns(name, value)


def _turns(name: str, value: Any) -> list[chats.Turn] | None:
    """Return the turns that a column holds, None where it holds no chat."""
    if isinstance(value, str):
        if name in (*chats.COLUMNS, "prompt", "completion", "chosen", "rejected") and value.lstrip()[:2] in (
            "[{",
            "[[",
        ):
            parsed = literal(value.strip())
            return chats.turns_of(parsed) if isinstance(parsed, list) else None
        return chats.transcript(value) if name in (*CHATS, *QUESTIONS, "chosen", "rejected", "text") else None
    if value is not None and name in (
        *CHATS,
        "completion",
        "chosen",
        "rejected",
        "response",
        "output",
        "generation",
    ):
        if (
            isinstance(value, list)
            and value
            and all(isinstance(one, str) for one in value)
            and name not in chats.COLUMNS
        ):
            return None
        if isinstance(value, Mapping) and name != "prompt" and name not in chats.COLUMNS:
            return None
        return chats.turns_of(value)
    return None


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
    texts = list(dict.fromkeys(_text("option", one).strip() for one in (right, *wrong)))
    texts.sort(
        key=lambda text: hashlib.sha256(f"{question}\0{text}".encode("utf-8", "surrogatepass")).digest()
    )
    return (
        Options(tuple(texts), tuple(chr(65 + place) for place in range(len(texts))))
        if 1 < len(texts) <= 26
        else None
    )


def _solution(values: Mapping[str, Any]) -> str | None:
    for name in SOLUTIONS:
        value = values.get(name)
        if value is None:
            continue
        try:
            chat = _turns(name, value)
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
            raise Unfit(f"the {name} is {_kind(value)}, not text")
    return None


def _without_thinking(
    record: Mapping[str, Any], values: Mapping[str, Any], solution: str
) -> tuple[str, str | None]:
    """Return the solution without the thinking inside it, and the thinking, from there or from a field of its own."""
    reply = replies.read(solution) if "think" in solution or "thought" in solution else None
    if reply is not None and reply.thinking and reply.solution.strip():
        return reply.solution, reply.thinking
    for name in REASONINGS:
        if isinstance(text := values.get(name), str) and text.strip():
            return solution, text
    for _, turn in turns(record):
        if turn.role == "assistant" and turn.reasoning:
            return solution, turn.reasoning
    return solution, None


def _truth(value: Any) -> bool | None:
    """Return the truth value of a flag, None where the value is no flag."""
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float, Decimal)):
        return {1.0: True, 0.0: False, -1.0: False}.get(float(value))
    if isinstance(value, str):
        word = value.strip().lower()
        return True if word in _RIGHT else False if word in _WRONG else None
    return None


def _called_wrong(values: Mapping[str, Any], options: Options | None) -> bool:
    """Return whether the record says that its solution is wrong."""
    for name in FLAGS:
        if name not in values or (name in ANSWERS and _names_option(options, values[name])):
            continue
        if name in GOLD and not isinstance(values[name], bool):
            continue
        if _truth(values[name]) is False:
            return True
    return False


def _names_option(options: Options | None, value: Any) -> bool:
    """Return whether a value of a column that may be a flag names an option (AQuA's `correct`, gaokao's `label`)."""
    return options is not None and not isinstance(value, bool) and letter_of(options, value) is not None


def _reference(
    values: Mapping[str, Any], options: Options | None, first: int | None, *, wrong: bool, is_stored_row: bool
) -> str | None:
    if is_stored_row:
        return (
            _text("reference_answer", values["reference_answer"]).strip(BLANK) or None
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
                    f"the {name} is {_text(name, values[name])}, but there are {counted(len(options), 'option')}"
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
        if name in FLAGS and (name == "label" or _truth(value) is not None):
            continue  # a class, a topic or a flag; `correct` and `gold` may hold an answer, `label` never does without options
        if name in _INDEXES:
            continue  # an index into options that could not be read
        text = _without_list(_text(name, value).strip(BLANK))
        if text.casefold() in _NO_ANSWER:
            continue
        if text and (is_worked(text) or not is_code(text)):
            return text
    for name in ("reward_model", "verification_info"):
        text = _without_list(_ruled(values.get(name)))
        if text and text.casefold() not in _NO_ANSWER:
            return (letter_of(options, text, first=first) if options else None) or text
    return None


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
    return _text("ground truth", truth).strip(BLANK) if given else ""


def _without_list(text: str) -> str:
    """Return the one text of a list that is written as a text, as Skywork-OR1 writes answers; other texts as they are."""
    listed = literal(text) if text.startswith(('["', "['")) else None
    single = isinstance(listed, list) and len(listed) == 1 and isinstance(listed[0], str)
    return listed[0].strip(BLANK) if single and listed else text


def _is_beyond(options: Options, value: Any) -> bool:
    """Return whether an index is behind the last option; -1 stands for an answer that the file keeps back."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > len(options)


def _required(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise Unfit(f"the {name} is {_kind(value)}, not text")
    if not value.strip():
        raise Unfit(f"the {name} is empty")
    return value


def _text(name: str, value: Any) -> str:
    """Return a value as text: numbers in their shortest exact spelling, the parts of a list joined by commas."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise Unfit(f"the {name} is {value}, not a number")
        if abs(value) < 10**30 and value == int(value):
            return str(int(value))
        return str(value)
    if isinstance(value, int):
        try:
            return str(value)
        except ValueError as error:  # more digits than Python converts
            raise Unfit(f"the {name} has too many digits") from error
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(part, (str, int, float, Decimal)) for part in value):
        return ", ".join(_text(name, part).strip(BLANK) for part in value)
    raise Unfit(f"the {name} is {_kind(value)}, not text")


def _kind(value: Any) -> str:
    kinds = {bool: "a truth value", list: "a list", dict: "an object", type(None): "null"}
    return kinds.get(
        type(value), "a number" if isinstance(value, (int, float, Decimal)) else type(value).__name__
    )
