"""Reasons: why a row is not kept, as stage, code and values, and the text for people that is made from them.

How to reject rows in a stage::

    from storage.reasons import Code, Reason, reason
    from storage.rows import reject, reasons_of

    why: list[Reason | None] = [None] * rows.num_rows
    why[3] = reason("verify", Code.DIFFERENT, answer="4", reference="5")  # values become strings
    why[4] = reason("verify", Code.PROGRAM_NOT_RUN, error="no sandbox")  # a code in FAILURES: the row failed
    rows = reject(rows, why)  # sets the columns `reason` and `rejected`; a row keeps its first reason
    Row("What is 2 + 2?", "en", reason=why[3])  # one row at a time; `rejected` follows from the reason
    [r and (r.stage, r.code, r.failed, r.values) for r in reasons_of(rows)]  # reading; None: a kept row

To add a kind of reason, add a member to Code and its text to TEXTS; the placeholders of the text are the values that the
reason must have. If the code means that the stage could not process the row, add it to FAILURES. Code compares `code`,
`stage` and `values`; nothing parses the text (tests/test_house.py checks that). Rows that were stored before reasons had a
type have the code UNKNOWN, which means neither that the row was wrong nor that it failed.
"""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import pyarrow as pa

TYPE: Final = pa.struct(
    [
        ("stage", pa.string()),
        ("code", pa.string()),
        ("failed", pa.bool_()),
        ("values", pa.map_(pa.string(), pa.string())),
    ]
)


class Code(StrEnum):
    """Codes of reasons, grouped by stage. They are stored by value, so a value is never changed or reused."""

    # every stage
    UNKNOWN = "unknown"  # stored before reasons had a type; `text` is the stored text
    CALL_FAILED = "call_failed"  # a call to a model gave no usable completion; `error` is the engine's message, `kind` its class
    BELOW_THRESHOLD = "below_threshold"  # scorers, rebuild: `score`, named `name`, is below its `threshold`
    # critique
    WRONG_STEP = "wrong_step"  # like BELOW_THRESHOLD, by a critic; `step` is the first wrong line
    CANARIES_MISJUDGED = (
        "canaries_misjudged"  # the critic misjudged the known rows of the batch; `error` has the counts
    )
    # ingest, and the items of a benchmark
    UNREADABLE = "unreadable"  # a record of a file cannot become a row or an item; `place`, `why`
    NOT_CONVERTED = "not_converted"  # import: the user's function failed on the record; `place`, `error`
    FLAGGED_WRONG = "flagged_wrong"  # import: the file says that the solution is wrong
    NOT_PREFERRED = "not_preferred"  # import: the worse side of a preference pair
    NO_PREFERENCE = "no_preference"  # import: both sides of a preference pair are equal
    NO_TRUSTED_ANSWER = "no_trusted_answer"  # an item without an answer to compare with
    # documents
    NOT_READ = "not_read"  # the process that reads documents failed; `place`, `error`
    OTHER_LANGUAGE = "other_language"  # `language` is none of those that are kept
    # corpus
    EMPTIED = "emptied"  # every line of it stands in `threshold` documents or more
    # pages of the web
    NO_PAGE = "no_page"  # a record of a file of pages that is none; `place`, `why`
    TOO_SHORT = "too_short"  # `score` characters of main text, fewer than `threshold`
    BOILERPLATE = "boilerplate"  # the main text is the share `score` of what is visible, below `threshold`
    REPEATED_LINES = (
        "repeated_lines"  # share `score` of the text in lines that stand before, over `threshold`
    )
    REPEATED_PHRASES = "repeated_phrases"  # the same with phrases of `length` words
    UNWANTED_WORDS = "unwanted_words"  # share `score` of the words in the list `name`, over `threshold`
    RARE_TEMPLATE = (
        "rare_template"  # share `score` of the pages of `host` are built like it, below `threshold`
    )
    NOT_MATHEMATICS = "not_mathematics"  # the classifier's `score` is below its `threshold`
    # methods that write questions
    MALFORMED_ITEM = "malformed_item"  # an item of a completion that is not a question; `why`
    MISSING_ITEM = "missing_item"  # the completion has fewer items than were requested
    NOT_PROVED = "not_proved"  # the program of a posed problem does not search for its answer; `why`
    NOT_UNIQUE = "not_unique"  # the program of a posed problem finds `count` answers
    NOT_A_TEMPLATE = "not_a_template"  # a program that gives no further problems; `why`
    DEGENERATE = "degenerate"  # a graph of functions whose answer does not need all of it; `why`
    NOT_THE_GRAPH = "not_the_graph"  # a question that does not state what its graph of functions needs; `why`
    NOT_CONFIRMED = "not_confirmed"  # the reasoner gives `answer` to the question whose graph of functions gives `reference`
    # methods on documents
    NOTHING_TO_ASK = "nothing_to_ask"  # the model finds no question in the passage
    NO_CONCEPTS = "no_concepts"  # the model finds no concept of mathematics in the text
    NO_PARTS = "no_parts"  # the completion does not have the parts that were requested
    NO_END = "no_end"  # the completion does not have the mark of its end
    NOT_QUOTED = "not_quoted"  # the `quote` that the model rests on is not in the passage
    # methods that make rows of rows
    NOT_GIVEN = "not_given"  # the question refers to what is not given, a picture or a part of the book, which is marked `text`
    MISREAD = "misread"  # `text` of the printed question is mostly a formula that OCR could not read
    UNCHANGED = "unchanged"  # its text is that of the question that it was made from
    ONLY_REWORDED = "only_reworded"  # it is that question in other words, and another one was requested
    PADDED = "padded"  # it is that question with the words `text`, which change nothing, and another one was requested
    HALF_UNUSED = "half_unused"  # it does not need both questions that it was joined from; `why`
    NUMBER_CHANGED = (
        "number_changed"  # it has the number `text` that the question has not, or the other way round
    )
    UNIT_CHANGED = "unit_changed"  # the number `text` has another unit
    NUMBER_LEFT_OUT = "number_left_out"  # the number `text` of a question that it was made from is not in it
    NUMBER_SHOWN = "number_shown"  # the number `text`, which was to be hidden, is still in it
    TOO_FEW_OPTIONS = (
        "too_few_options"  # `same` wrong options are distinct and comparable, of `most` that it needs
    )
    NOT_STATED = "not_stated"  # it does not state `text`, which was to be given
    # nearly_right
    NOT_FLAWED = "not_flawed"  # the solution with the flaw has the right answer `answer`
    # similarity, dedup, semantic
    EXACT = "exact"  # equal after normalisation to the row `other`, which has another id; in `version` if it is published
    REPEATED = "repeated"  # an exact copy, with the id of the row that is kept, which is in `version` if it is published
    NEAR = "near"  # `score` is the `measure` (jaccard, lcs) with the row `other`
    TEMPLATE = "template"  # there are already `most` questions that differ only in their numbers
    NEAR_IN_MEANING = "near_in_meaning"  # `score` is the cosine with the row `other`, which has `question`
    # solve
    NO_PROGRAM = "no_program"
    NO_ANSWER = "no_answer"
    TRUNCATED = "truncated"  # cut off at the token limit
    UNFINISHED_THINKING = "unfinished_thinking"
    TOO_MANY_PROGRAMS = "too_many_programs"  # no answer after the `most` programs of an interleaved solution
    CANARIES_WRONG = (
        "canaries_wrong"  # the reasoner failed the known questions of the batch; `error` has the counts
    )
    # verify
    PROGRAM_NOT_RUN = "program_not_run"  # the sandbox could not run it; `error`
    PROGRAM_FAILED = "program_failed"  # `verdict` of the sandbox, and `error` (may be empty)
    PROGRAM_CHANGING = "program_changing"  # two executions print different answers
    OUTPUT_DIFFERENT = (
        "output_different"  # program `step` of an interleaved solution prints `answer`, not `reference`
    )
    DIFFERENT = "different"  # the judge finds `answer` different from the trusted answer `reference`
    INCOMPARABLE = "incomparable"  # the judge cannot compare `answer` with the trusted answer
    # weigh
    UNLIKELY = "unlikely"  # `correctness` is below `threshold`; `same` of `samples` agree
    ALONE = "alone"  # too few samples agree (`same` of `samples`), and there is no trusted answer
    # probe, calibrate
    STUDENT_RIGHT = "student_right"
    CALIBRATED = "calibrated"  # its answer was known; it was solved only to fit the calibration
    # decontaminate
    CONTAMINATED = (
        "contaminated"  # `rule` found the benchmark item `item` with `overlap` in `field` ("": question)
    )
    # methods that write solutions
    NO_REASONING = "no_reasoning"  # there is no reasoning before the solution, and it was requested
    # select
    SAME_PATH = "same_path"  # it goes the way of the solution `other`
    NOT_CHOSEN = "not_chosen"  # the `most` solutions of its question that are taken by `name` are others
    OUTSIDE_BAND = "outside_band"  # the `score` of `name` is not between `least` and `most`
    UNSOLVED = "unsolved"  # none of its samples is right, `most` at most
    ALWAYS_SOLVED = "always_solved"  # every sample of it that could be judged is right
    NOT_JUDGED = "not_judged"  # none of its samples could be judged
    OVER_LEVEL = "over_level"  # `most` questions whose `name` is `value` were taken before
    MODEL_RIGHT = "model_right"  # the model `name` answers it right
    UNNEEDED_NUMBERS = "unneeded_numbers"  # of the question; `numbers` are in no question that it was made from, and no solution uses them
    NOT_HARDER = "not_harder"  # the student's pass rate `score` is not below `threshold`, after its parent's
    NOT_DRAWN = "not_drawn"  # other questions of the class `value` were drawn
    COVERED = "covered"  # the chosen question `other` has the cosine `score` with it
    INCONSISTENT = "inconsistent"  # its form is not uniform, by the screen `name`
    # allocate, pair, label_steps
    ALLOCATED = (
        "allocated"  # `most` right solutions of its question stay by the rule `name`, and others were rarer
    )
    NO_PARTNER = "no_partner"  # there is no solution `name` to make a pair with
    WORSE_SIDE = "worse_side"  # it is the worse side of the pair of `other`
    STEPS_UNKNOWN = "steps_unknown"  # which of its steps are right is not known
    # mix
    OVER_QUESTION = "over_question"  # `most` solutions of its question were taken before
    OVER_SHARE = "over_share"  # the `share` of `value` in `dimension` is reached
    OVER_TARGET = "over_target"  # `target` rows were taken before
    OVER_LEAST_SHARES = (
        "over_least_shares"  # over the `most` rows with which every domain has its minimum share
    )
    OVER_TARGETS = (
        "over_targets"  # over the `most` rows of the kind `value` with which the target shares hold
    )
    # rebuild
    LEFT_OUT = "left_out"  # --without: the value of the column `name`
    NOT_WANTED = "not_wanted"  # --only: the value of the column `name`
    # review
    JUDGED_WRONG = "judged_wrong"  # `same` of `samples` reviewers call it wrong
    CORRECTED = "corrected"  # the row `other` has the texts that a reviewer gave


FAILURES: Final = frozenset(
    {
        Code.CALL_FAILED,
        Code.PROGRAM_NOT_RUN,
        Code.CANARIES_MISJUDGED,
        Code.CANARIES_WRONG,
        Code.NOT_CONVERTED,
        Code.NOT_READ,
    }
)  # codes of failed rows: the stage could not process them
# codes of rows that were never to be kept: they were solved for the calibration, or to find weaknesses of the student
SET_ASIDE: Final = frozenset({Code.CALIBRATED, Code.STUDENT_RIGHT})
# codes of rows that no stage judged bad: those that were set aside, those for which there was no place beside others, those
# that make no pair or are part of another row's, questions that give reinforcement learning no signal, and those that the run was asked to
# leave out
NOT_TAKEN: Final = SET_ASIDE | {
    Code.UNSOLVED,
    Code.ALWAYS_SOLVED,
    Code.NOT_JUDGED,
    Code.OVER_LEVEL,
    Code.NOT_CHOSEN,
    Code.NOT_DRAWN,
    Code.COVERED,
    Code.ALLOCATED,
    Code.NO_PARTNER,
    Code.WORSE_SIDE,
    Code.STEPS_UNKNOWN,
    Code.OVER_QUESTION,
    Code.OVER_SHARE,
    Code.OVER_TARGET,
    Code.OVER_LEAST_SHARES,
    Code.OVER_TARGETS,
    Code.LEFT_OUT,
    Code.NOT_WANTED,
}

# The text for people of each code. A name in braces is a value that a reason of that code must have; a part in brackets is
# left out if its value is empty or absent.
TEXTS: Final[Mapping[Code, str]] = {
    Code.UNKNOWN: "unknown",
    Code.CALL_FAILED: "{error}",
    Code.BELOW_THRESHOLD: "{name} {score} is under {threshold}",
    Code.WRONG_STEP: "{name} {score} is under {threshold}, line {step} is wrong",
    Code.CANARIES_MISJUDGED: "{error}",
    Code.UNREADABLE: "{place}: {why}",
    Code.NOT_CONVERTED: "{place}: convert: {error}",
    Code.FLAGGED_WRONG: "the file says that it is wrong",
    Code.NOT_PREFERRED: "the file prefers another answer",
    Code.NO_PREFERENCE: "the preferred answer and the other one are equal",
    Code.NOT_READ: "{place}: {error}",
    Code.OTHER_LANGUAGE: "its language is {language}",
    Code.NO_TRUSTED_ANSWER: "no trusted answer",
    Code.EMPTIED: "every line of it stands in {threshold} documents or more",
    Code.NO_PAGE: "{place}: {why}",
    Code.TOO_SHORT: "{score} characters, fewer than {threshold}",
    Code.BOILERPLATE: "main text is {score} of the page, under {threshold}",
    Code.REPEATED_LINES: "repeated lines {score}, over {threshold}",
    Code.REPEATED_PHRASES: "repeated phrases of {length} words {score}, over {threshold}",
    Code.UNWANTED_WORDS: "unwanted words ({name}) {score}, over {threshold}",
    Code.RARE_TEMPLATE: "format of {score} of the pages of {host}, under {threshold}",
    Code.NOT_MATHEMATICS: "mathematics {score} is under {threshold}",
    Code.MALFORMED_ITEM: "{why}",
    Code.NOT_PROVED: "{why}",
    Code.NOT_UNIQUE: "its program finds {count} answers instead of one",
    Code.NOT_A_TEMPLATE: "{why}",
    Code.DEGENERATE: "{why}",
    Code.NOT_THE_GRAPH: "{why}",
    Code.NOT_CONFIRMED: "the reasoner answers {answer}, the computation {reference}",
    Code.MISSING_ITEM: "item missing from the completion",
    Code.NOTHING_TO_ASK: "no question in the passage",
    Code.NO_CONCEPTS: "no concept of mathematics in the text",
    Code.NO_PARTS: "the parts of the text are not marked as requested",
    Code.NO_END: "no mark of the end",
    Code.NOT_QUOTED: "the passage does not have the quoted words: {quote}",
    Code.NOT_GIVEN: "the question refers to what is not given: {text}",
    Code.MISREAD: "the question has a word that OCR is not sure of: {text}",
    Code.UNCHANGED: "the text of the question that it was made from",
    Code.ONLY_REWORDED: "only another wording of the question that it was made from",
    Code.PADDED: "the question that it was made from with words that change nothing: {text}",
    Code.HALF_UNUSED: "{why}",
    Code.NUMBER_CHANGED: "the number {text} is changed, left out or added",
    Code.UNIT_CHANGED: "the number {text} has another unit",
    Code.NUMBER_LEFT_OUT: "the number {text} is left out",
    Code.NUMBER_SHOWN: "the number {text} is not hidden",
    Code.TOO_FEW_OPTIONS: "{same} of {most} wrong options are usable",
    Code.NOT_STATED: "{text} is not stated",
    Code.NOT_FLAWED: "the flawed solution has the right answer {answer}",
    Code.EXACT: "exact of {other}[ in {version}]",
    Code.REPEATED: "there already, word for word[, in {version}]",
    Code.NEAR: "{measure} {score} with {other}",
    Code.TEMPLATE: "template: {most} questions that differ only in numbers are there",
    Code.NEAR_IN_MEANING: "{score} near {other}: {question}",
    Code.NO_PROGRAM: "no program in the completion",
    Code.NO_ANSWER: "no final answer in the completion",
    Code.TRUNCATED: "cut off at the token limit",
    Code.UNFINISHED_THINKING: "the thinking never ended",
    Code.TOO_MANY_PROGRAMS: "no final answer after {most} programs",
    Code.CANARIES_WRONG: "{error}",
    Code.PROGRAM_NOT_RUN: "program not run: {error}",
    Code.PROGRAM_FAILED: "program: {verdict}[: {error}]",
    Code.PROGRAM_CHANGING: "program: its answer changes from run to run",
    Code.OUTPUT_DIFFERENT: "program {step} prints {answer}, not {reference}",
    Code.DIFFERENT: "answer {answer} is not {reference}",
    Code.INCOMPARABLE: "answer {answer} cannot be compared",
    Code.UNLIKELY: "correctness {correctness} is under {threshold}; {same}/{samples} samples agree",
    Code.ALONE: "{same}/{samples} samples agree",
    Code.STUDENT_RIGHT: "the student is right",
    Code.CALIBRATED: "its answer was known: it was solved to calibrate",
    Code.CONTAMINATED: "{rule} {item} overlap {overlap}[ in {field}]",
    Code.NO_REASONING: "no reasoning before the solution",
    Code.SAME_PATH: "the same path as {other}",
    Code.NOT_CHOSEN: "not among the {most} of its question by {name}",
    Code.OUTSIDE_BAND: "{name} {score} is not from {least} to {most}",
    Code.UNSOLVED: "unsolved: none of its samples is right, at most {most}",
    Code.ALWAYS_SOLVED: "always solved: every sample that could be judged is right",
    Code.NOT_JUDGED: "none of its samples could be judged",
    Code.OVER_LEVEL: "other questions of {name} {value} are enough ({most})",
    Code.MODEL_RIGHT: "the {name} is right",
    Code.UNNEEDED_NUMBERS: "no solution uses {numbers}, which the question adds to that it was made from",
    Code.NOT_HARDER: "pass rate {score} is not under {threshold}, the parent's",
    Code.NOT_DRAWN: "not drawn among the questions of {value}",
    Code.COVERED: "covered by {other}, cosine {score}",
    Code.INCONSISTENT: "form: {name}",
    Code.ALLOCATED: "not among the {most} of its question that stay ({name})",
    Code.NO_PARTNER: "no {name} solution to pair it with",
    Code.WORSE_SIDE: "the worse side of the pair of {other}",
    Code.STEPS_UNKNOWN: "which of its steps are right is not known",
    Code.OVER_QUESTION: "more than {most} solutions of its question",
    Code.OVER_SHARE: "over the share of {dimension} {value} ({share})",
    Code.OVER_TARGET: "over the target of {target}",
    Code.OVER_LEAST_SHARES: "over the {most} rows in which every domain has its least share",
    Code.OVER_TARGETS: "over the {most} rows of {value} with which the target shares hold",
    Code.LEFT_OUT: "{name} is left out",
    Code.NOT_WANTED: "{name} is not wanted",
    Code.JUDGED_WRONG: "{same} of {samples} reviewers call it wrong",
    Code.CORRECTED: "corrected as {other}",
}

# Values that a reason may have in addition to those in its text, for use by code.
UNSHOWN: Final[Mapping[Code, frozenset[str]]] = {Code.CALL_FAILED: frozenset({"kind"})}

# Values that differ from row to row, and are left out when reasons are counted by kind.
VARYING: Final = frozenset(
    {"place", "host", "other", "score", "question", "answer", "reference", "correctness", "same", "samples",
     "overlap", "item", "text", "step", "quote"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a row is not kept.

    `code` is a member of Code, or a string that a newer program wrote. `failed` means that the stage could not process the
    row, which says nothing about its quality.
    """

    stage: str
    code: str
    failed: bool = False
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The text for people: "<stage>: <why>", or "<stage>: failed: <why>"."""
        if self.code == Code.UNKNOWN:
            return self.values.get("text", "unknown")
        return f"{self.stage}: {'failed: ' if self.failed else ''}{self.words}"

    @property
    def words(self) -> str:
        """The text for people without the stage."""
        return self._words(self.values)

    @property
    def kind(self) -> str:
        """The text without the stage, and with `…` for the values that differ from row to row."""
        shown = {name: "…" if name in VARYING else value for name, value in self.values.items()}
        return ("failed: " if self.failed else "") + self._words(shown)

    def _words(self, values: Mapping[str, str]) -> str:
        template = _TEXT_OF.get(self.code)
        if template is None:
            return " ".join([self.code, *(f"{name}={value}" for name, value in sorted(values.items()))])
        return _CLAUSE.sub(lambda clause: _clause(clause[1], values), template).format_map(_Shown(values))


class _Shown(dict[str, str]):
    """The values for a text. A value that another program did not write is shown as `…`."""

    def __missing__(self, name: str) -> str:
        return "…"


_TEXT_OF: Final[dict[str, str]] = {code.value: text for code, text in TEXTS.items()}
_CLAUSE: Final = re.compile(r"\[([^]]*)\]")


def _clause(text: str, values: Mapping[str, str]) -> str:
    names = (name for _, name, _, _ in string.Formatter().parse(text) if name)
    return text if all(values.get(name) for name in names) else ""


def reason(stage: str, code: Code, **values: object) -> Reason:
    """Return a reason. Raises ValueError if `values` are not those that the text of the code requires."""
    every, required = _placeholders(TEXTS[code]), _placeholders(_CLAUSE.sub("", TEXTS[code]))
    if not required <= values.keys() <= every | UNSHOWN.get(code, frozenset()):
        raise ValueError(f"a reason {code} has the values {sorted(every)}, not {sorted(values)}")
    return Reason(stage, code, code in FAILURES, {name: str(value) for name, value in values.items()})


def shortened(text: str | None, most: int = 40) -> str:
    """Return a text as a value of a reason: in one line of at most `most` characters."""
    flat = " ".join((text or "").split())
    return flat if len(flat) <= most else flat[: most - 1] + "…"


def untyped(stage: str | None, text: str) -> Reason:
    """Return the reason of a row that was stored before reasons had a type. Its text is not parsed."""
    return Reason(stage or "unknown", Code.UNKNOWN, values={"text": text})


def of_record(record: Mapping[str, Any] | None) -> Reason | None:
    """Return the reason in a cell of the column `reason`, as `to_pylist` returns it; None if the cell is null."""
    if record is None:
        return None
    return Reason(
        record["stage"] or "unknown",
        record["code"] or Code.UNKNOWN,
        bool(record["failed"]),
        dict(record["values"] or ()),
    )


def to_array(reasons: Iterable[Reason | None]) -> pa.StructArray:
    """Return reasons as a column of TYPE, one per row, null for None, with values sorted by key."""
    return pa.array([None if one is None else _record(one) for one in reasons], type=TYPE)


def cells(why: Reason | None) -> dict[str, Any]:
    """Return the cells `rejected` and `reason` for a record that is not a Row, such as an item of a benchmark."""
    return (
        {"rejected": None, "reason": None} if why is None else {"rejected": why.text, "reason": _record(why)}
    )


def _record(why: Reason) -> dict[str, Any]:
    return {
        "stage": why.stage,
        "code": str(why.code),
        "failed": why.failed,
        "values": sorted(why.values.items()),
    }


@functools.cache
def _placeholders(text: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in string.Formatter().parse(text) if name)
