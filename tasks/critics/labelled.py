"""Solutions with a label: right, or wrong and, where it is known, at which step first.

Labelled sets are recognised by the fields of their records, not by their names:

- steps with the place of the first error: MR-Ben (arXiv:2406.13975), MR-GSM8K (arXiv:2312.17080), BIG-Bench-Mistake
  (arXiv:2311.08516) and PRMBench (arXiv:2501.03124), whose original process is a right solution besides;
- a chain of reasoning with a flag that says whether it is valid (verify_cot, arXiv:2306.03872);
- one question with several graded solutions: in fields that each hold a solution with `is_correct` (GSM8K's example model solutions), or
  in two lists, of texts and of scores (Qwen2.5-Math's samples);
- a plain record with a question, a solution and a flag such as `correct`.

A solution is right if no step of it is wrong, where the file says so, and if its answer is right elsewhere. Questions are put into groups,
so that no question is in two parts of a split: the same text after normalisation, or near duplicates by the join that
removes duplicates from a night's questions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from storage.counting import counted
from storage.errors import ForPeople
from storage.reasons import shortened
from storage.rows import content_id
from tasks.critics.steps import split_steps
from tasks.dedup.candidates import pairs_within
from tasks.dedup.cluster import components
from tasks.dedup.questions import comparable
from tasks.dedup.segment import Questions
from tasks.dedup.settings import DedupSettings
from tasks.ingestion.column_names import GOLD, plain
from tasks.ingestion.columns import habits, solution_and_flag
from tasks.ingestion.columns import read as read_fields
from tasks.ingestion.options import Unreadable, options_of
from tasks.ingestion.record import IngestError
from tasks.ingestion.records import records
from tasks.ingestion.references import read_beside
from tasks.ingestion.values import Unfit
from tasks.seeding import seed_of
from tasks.text.cleaning import LANGUAGE_NAMES, language_of

NEAR = DedupSettings()
HUMAN, ANSWER, PLANTED, VOTES, STRONG = "human", "answer", "planted", "votes", "strong"
LONGEST = 200_000  # characters of a record's solution that are read
# A question of fewer words consists of symbols, which the normalisation removes: it is equal to its own text only.
FEWEST_WORDS = 3
_WORDS = re.compile(r"[^\W_]+")
_STEP_NUMBER = re.compile(r"\s*\**\s*Step\s+(\d{1,3})\b")
_CONCLUSION = re.compile(
    r"\s*Solution:"
)  # the line that states the chosen option, which is no part of a step
_TOPICS = ("subdomain", "type", "subject", "category", "subfield", "task")


class LabelledError(ForPeople, ValueError):
    """A labelled file that cannot be used; the message names it and the fix."""


@dataclass(frozen=True, slots=True)
class LabelledSolution:
    """One solution in steps with its label.

    `first_error` is the place of the first wrong step, counted from 0; None for a right solution, and where only the
    solution as a whole is known to be wrong. `reference` is the trusted answer of the question. `kind` is the kind of error where
    the file names it. `source` is the set it is from. `by` says who gave the label: "human" (a person judged the steps),
    "answer" (the final answer was compared), "planted" (a known error was put into a right solution), "votes" (of a
    published version) or "strong" (a strong model's answer and score). `strong` is the score from 0 to 1 that a strong model gave; None where none was asked. `group` is the
    question's identity: solutions of equal groups belong into the same part of a split. `judged`: reviewers of a version judged it
    (`mathmill review`), which makes its question one of the hidden gold set. `row` is the id of the row of a version that it is, "" for one of a file.
    """

    question: str
    steps: tuple[str, ...]
    correct: bool
    first_error: int | None = None
    reference: str | None = None
    kind: str | None = None
    subdomain: str | None = None
    source: str = ""
    language: str = "en"
    by: str = ANSWER
    strong: float | None = None
    group: str = ""
    judged: bool = False
    row: str = ""

    @property
    def text(self) -> str:
        """The whole solution, one step per paragraph."""
        return "\n".join(self.steps)

    @property
    def answer(self) -> None:
        """None: its final answer is read from its steps."""

    @property
    def id(self) -> str:
        """An id that depends on the question and the steps only."""
        return content_id(self.language, self.question, *self.steps)


@dataclass(frozen=True, slots=True)
class Labelled:
    """What was read: the distinct solutions, how many records repeated one of them, and why other records were not used."""

    solutions: list[LabelledSolution]
    repeated: int
    unread: list[str]


def read(paths: Sequence[str | Path]) -> Labelled:
    """Read labelled files of any format that tasks.ingestion reads, and put their questions into groups.

    Raises LabelledError for a file that cannot be read or that has no labelled solution.
    """
    kept: dict[str, LabelledSolution] = {}
    repeated, unread = 0, []
    for path in map(Path, paths):
        usable = 0
        try:
            listed = list(records(path))
        except IngestError as error:
            raise LabelledError(str(error)) from error
        common = habits([record.fields for record in listed if record.fields is not None])
        for record in listed:
            try:
                if record.fields is None:
                    raise Unfit(record.error or "unreadable")
                solutions = list(_of_record(record.fields, common, source_of(path)))
            except Unfit as error:
                unread.append(f"{path}, {record.place}: {error}")
                continue
            for solution in solutions:
                usable += 1
                repeated += solution.id in kept
                kept.setdefault(solution.id, solution)
        if not usable:
            why = unread[-1] if unread else "it holds no record"
            raise LabelledError(
                f"{path}: no labelled solution ({why}). Fix: give records with question, solution and correct"
            )
    return Labelled(grouped(list(kept.values())), repeated, unread)


def source_of(path: Path) -> str:
    """Return the name of a set: that of its file up to the first dot, so that the parts of a split have one name."""
    return path.name.split(".", 1)[0]


def _of_record(fields: Mapping[str, Any], common: Any, source: str) -> Iterator[LabelledSolution]:
    """Yield the labelled solutions of a record. Raises Unfit if it is of no known shape."""
    named = {plain(key): value for key, value in fields.items()}
    shapes = (shape(named) for shape in SHAPES)
    solutions = next((one for one in shapes if one is not None), None)
    topic = next((named[key] for key in _TOPICS if isinstance(named.get(key), str)), None)
    for one in solutions if solutions is not None else [_flagged(named, common)]:
        if not one.question.strip() or not any(step.strip() for step in one.steps):
            raise Unfit("no question, or no step of a solution")
        language = named.get("language") or language_of(one.question) or "en"
        yield replace(
            one,
            source=source,
            subdomain=one.subdomain or topic,
            language=LANGUAGE_NAMES.get(str(language).lower(), "en"),
        )


def stepped(named: Mapping[str, Any]) -> tuple[Any, Any] | None:
    """Return the steps of a record with the place of an error, and the number of the first wrong step, counted from 1, 0 if all
    are right. Returns None for records of other shapes; the two values are as the file has them, so the caller checks
    them. `named`: the fields by the plain names of their columns. Raises Unfit for a correctness that is neither."""
    if "model_solution_first_error_step" in named:
        right = _says_right(named.get("model_solution_correctness"))
        steps = _numbered_steps(named.get("model_solution_steps"))
        return steps, 0 if right else named["model_solution_first_error_step"]
    if "model_output_solution_first_error_step" in named:
        right = _says_right(named.get("model_output_solution_correctness"))
        return named.get("model_output_steps"), (
            0 if right else named["model_output_solution_first_error_step"]
        )
    if "error_steps" in named:
        return named.get("modified_process"), _smallest(named["error_steps"])
    for key in ("mistake_index", "first_error"):
        if key in named:
            place = _place_number(named[key])
            return named.get("steps"), named[key] if place is None else place + 1
    return None


def _says_right(value: Any) -> bool:
    """Return whether a correctness says that all is right; null leaves it to the place of the error."""
    word = str(value).strip().lower()
    if value is not None and word not in ("correct", "true", "incorrect", "wrong", "false"):
        raise Unfit(f"the correctness is {shortened(repr(value))}, neither correct nor wrong")
    return word in ("correct", "true")


_WHOLE: Final = re.compile(r"-?[0-9]{1,9}")  # digits of other scripts, or thousands of them, are no place


def checked_steps(steps: Sequence[Any], wrong: Any) -> tuple[tuple[str, ...], int]:
    """Return the two values of `stepped` as texts and a number. Raises Unfit for what is neither."""
    number = None if wrong is None else _place_number(wrong)
    if number is None or number < 0:
        raise Unfit(f"the first wrong step is {shortened(repr(wrong))}, not a number")
    texts = tuple(step for step in steps if isinstance(step, str))
    if len(texts) < len(steps):
        raise Unfit("a step is not a text")
    return texts, number


def _place_number(value: Any) -> int | None:
    """Return a place as an integer, which records also have as its digits or as a float; -1 for null, which says that no step is wrong. None:
    it is no place."""
    if value is None:
        return -1
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _numbered_steps(lines: Any) -> Any:
    """Return the steps of a solution that is given in lines: a line without a number of its own continues the step above.

    MR-Ben lists lines, and its annotators name steps by the number that is written at their beginning. Lines whose numbers do not
    count up from 1 are returned unchanged, and so is what is no list of texts.
    """
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        return lines
    numbers = [int(match[1]) if (match := _STEP_NUMBER.match(line)) else None for line in lines]
    written = [number for number in numbers if number is not None]
    if not written or numbers[0] is None or written != list(range(1, len(written) + 1)):
        return lines
    steps: list[str] = []
    for line, number in zip(lines, numbers, strict=True):
        if number is None and not _CONCLUSION.match(line):
            steps[-1] += f"\n{line}"
        else:
            steps.append(line)
    return steps


def _smallest(numbers: Any) -> Any:
    """Return the smallest of a list of integers, or 0 if there are none. Any other value is returned unchanged."""
    if isinstance(numbers, list) and all(isinstance(one, int) for one in numbers):
        return min(numbers, default=0)
    return 0 if numbers is None else numbers


def _with_place(named: Mapping[str, Any]) -> list[LabelledSolution] | None:
    """MR-Ben, MR-GSM8K, PRMBench, BIG-Bench-Mistake, and our own labelled files with `steps` and `first_error`."""
    shape = stepped(named)
    if shape is None:
        return None
    steps, wrong = shape
    if not isinstance(steps, list):
        raise Unfit("the steps are not a list of texts")
    texts, number = checked_steps(steps, wrong)
    if number > len(texts):
        raise Unfit(f"the first wrong step is {number} of only {counted(len(texts), 'step')}")
    right = number == 0
    # wrong as a whole, at a step that is not known
    if str(named.get("correct")).strip().lower() == "false":
        right = False
    kind = next((named[key] for key in ("classification", "kind") if isinstance(named.get(key), str)), None)
    one = LabelledSolution(
        _asked(named),
        texts,
        right,
        number - 1 if number else None,
        reference=_gold(named),
        kind=None if right else kind,
        by=str(named.get("by") or HUMAN),
        strong=_share(named.get("strong")),
    )
    original = named.get("original_process")
    if isinstance(original, list) and isinstance(named.get("original_question"), str):
        whole = LabelledSolution(named["original_question"], tuple(map(str, original)), True, by=HUMAN)
        return [replace(one, by=PLANTED), whole]
    return [one]


def _split(text: str) -> tuple[str, ...]:
    text = text[:LONGEST]
    return split_steps(text, language_of(text) or "en")


def _asked(named: Mapping[str, Any]) -> str:
    names = ("modified_question", "question", "input", "problem")
    question = next((named[key] for key in names if isinstance(named.get(key), str)), "")
    try:
        options = options_of(named)
    except Unreadable as error:
        raise Unfit(str(error)) from error
    return "\n".join([question, *(options.lines() if options else ())])


def _gold(named: Mapping[str, Any]) -> str | None:
    """Return the trusted answer that a record states, as text."""
    for key in (*GOLD, "ground_truth_answer", "target", "reference"):
        value = named.get(key)
        if isinstance(value, (str, int, float)) and not isinstance(value, bool) and str(value).strip():
            worked = named.get("ground_truth_solution")
            text = str(value).strip()
            return read_beside(text, worked) if isinstance(worked, str) else text
    return None


def _share(value: Any) -> float | None:
    return (
        float(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1
        else None
    )


def _chain(named: Mapping[str, Any]) -> list[LabelledSolution] | None:
    """verify_cot: `correct` says whether the answer is right, `flag` whether the whole chain is."""
    if not {"flag", "correct", "answer", "final_answer"} <= named.keys():
        return None
    if not isinstance(named["answer"], str) or named["flag"] not in (0, 1):
        raise Unfit("the answer is not a text, or the flag is neither 0 nor 1")
    question = named.get("question")
    if not isinstance(question, str):
        raise Unfit("no question")
    choices = named.get("choices")
    if isinstance(choices, list):
        question = "\n".join([question, *(f"{chr(65 + k)}. {choice}" for k, choice in enumerate(choices))])
    steps = _split(named["answer"])
    reference = str(named["final_answer"])
    return [LabelledSolution(question, steps, named["flag"] == 1, reference=reference, by=HUMAN)]


def _in_fields(named: Mapping[str, Any]) -> list[LabelledSolution] | None:
    """GSM8K's example model solutions: one field per model with `solution` and `is_correct`."""
    graded = [
        value
        for value in named.values()
        if isinstance(value, Mapping)
        and isinstance(value.get("solution"), str)
        and isinstance(value.get("is_correct"), bool)
    ]
    if not graded:
        return None
    return [
        LabelledSolution(_asked(named), _split(value["solution"]), value["is_correct"], by=ANSWER)
        for value in graded
        if value["solution"].strip()
    ]


def _in_lists(named: Mapping[str, Any]) -> list[LabelledSolution] | None:
    """Samples of one question: `code` with `score`, or `solutions` with `correct`, lists of equal length."""
    for texts_name, flags_name in (("code", "score"), ("solutions", "correct")):
        texts, flags = named.get(texts_name), named.get(flags_name)
        if isinstance(texts, list) and isinstance(flags, list):
            if len(texts) != len(flags) or not all(isinstance(one, (bool, int, float)) for one in flags):
                raise Unfit(f"{texts_name} and {flags_name} are not lists of equal length")
            return [
                LabelledSolution(_asked(named), _split(str(text)), bool(flag), reference=_gold(named))
                for text, flag in zip(texts, flags, strict=True)
                if str(text).strip()
            ]
    return None


def _flagged(named: Mapping[str, Any], common: Any) -> LabelledSolution:
    """Return the solution of a plain record: a question, a solution and a flag under any of the usual names."""
    solution, right = solution_and_flag(named)
    if solution is None or right is None:
        raise Unfit("no solution, or no flag that says whether it is right")
    fields = read_fields(named, common)
    steps = _split(solution)
    kind = named.get("kind") if isinstance(named.get("kind"), str) and not right else None
    return LabelledSolution(
        fields.asked, steps, right, reference=_gold(named), kind=kind, strong=_share(named.get("strong"))
    )


SHAPES: tuple[Callable[[Mapping[str, Any]], list[LabelledSolution] | None], ...] = (
    _with_place,
    _chain,
    _in_fields,
    _in_lists,
)


def grouped(solutions: Sequence[LabelledSolution], settings: DedupSettings = NEAR) -> list[LabelledSolution]:
    """Return the solutions with the group of their question: one name per component of equal and near-duplicate questions.

    The name is the smallest id of the component's questions, so it does not depend on the order of the solutions.
    """
    questions = _questions(solutions)
    if not len(questions):
        return []
    ids = questions.ids.to_pylist()
    worded = np.array([len(_WORDS.findall(text)) >= FEWEST_WORDS for text in questions.texts.to_pylist()])
    exact = np.where(worded, questions.exact, [int(name[:16], 16) for name in ids])
    _, first, same = np.unique(exact, return_index=True, return_inverse=True)
    left, right = _near(questions, settings)
    compared = worded[left] & worded[right]
    left, right = left[compared], right[compared]
    labels = components(
        len(questions),
        np.concatenate([left, np.arange(len(questions))]),
        np.concatenate([right, first[same]]),
    )
    names: dict[int, str] = {}
    for label, name in sorted(zip(labels.tolist(), ids, strict=True)):
        names.setdefault(label, name)
    by_id = {name: names[label] for label, name in zip(labels.tolist(), ids, strict=True)}
    return [replace(one, group=by_id[content_id(one.language, one.question)]) for one in solutions]


def _questions(solutions: Iterable[LabelledSolution]) -> Questions:
    distinct = {content_id(one.language, one.question): one for one in solutions}
    return Questions(
        pa.array(list(distinct), pa.string()),
        pa.array([one.question for one in distinct.values()], pa.string()),
        pa.array([one.language for one in distinct.values()], pa.string()),
    )


def _near(questions: Questions, settings: DedupSettings) -> tuple[Any, Any]:
    """Return the rows of the pairs of near duplicates, without the guard against opposites, which is for problems and not for
    leaks."""
    pairs = pairs_within(questions.sets(settings.n), settings)
    own = (questions.templates, questions.templates)
    numbers = (questions.numbers, questions.numbers)
    pairs = pairs.where(comparable(own, numbers, pairs.left, pairs.right, settings))
    return pairs.left, pairs.right


def split(
    solutions: Sequence[LabelledSolution], share: float, seed: int, name: str
) -> tuple[list[LabelledSolution], list[LabelledSolution]]:
    """Return (the others, the part `name`) with about `share` of the groups in the part.

    Whether a group is in the part follows from a hash of its name, so that a question stays where it is when others are added.
    """
    others: list[LabelledSolution] = []
    part: list[LabelledSolution] = []
    for one in solutions:
        inside = seed_of(seed, "critic", name, one.group) / 2**63 < share
        (part if inside else others).append(one)
    return others, part


def without_judged(
    solutions: Sequence[LabelledSolution],
) -> tuple[list[LabelledSolution], list[LabelledSolution]]:
    """Return (the others, the solutions of all questions of which people judged a solution), by their groups."""
    hidden = {one.group for one in solutions if one.judged}
    others = [one for one in solutions if one.group not in hidden]
    return others, [one for one in solutions if one.group in hidden]


def shared(
    some: Sequence[LabelledSolution],
    others: Sequence[LabelledSolution],
    settings: DedupSettings = NEAR,
) -> set[str]:
    """Return the groups of `others` whose questions are also in `some`, by text or as near duplicates. It joins the questions again and
    relies on no group that was given before."""
    both = grouped([*some, *others], settings)
    first = {one.group for one in both[: len(some)]}
    return {old.group for old, new in zip(others, both[len(some) :], strict=True) if new.group in first}
