"""The stage `verify`: run programs, compare answers with trusted ones, and count the votes of a question's
samples.

A row is rejected here if it is known to be of no use: its program failed, or its answer differs from the
trusted one. The votes of the other samples (self-consistency, Wang et al. 2022, arXiv:2203.11171) are
stored with the row; tasks/stages/weigh.py decides on them after a critic has seen the rows on which they
disagree. A sample without an answer abstains: it counts as a sample and agrees with none. An answer that
cannot be read is never called wrong: if its comparison with the trusted answer is unknown, the row is
rejected with the code INCOMPARABLE and not DIFFERENT, because it is not known to be right; samples that
cannot be compared neither agree nor disagree.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from storage.datasets.steps import VALUES
from storage.interleaved import EXECUTED, TIR, InterleavedPart, parts_of
from storage.reasons import Code, Reason, reason, shortened
from storage.rows import ABSTAINED, column, reject, replace
from tasks.answers import Judge, extract, group_all
from tasks.answers.choices import Choice, are_letters, as_letters, closed_with_letter
from tasks.ingestion.options import written_in
from tasks.ingestion.solution_texts import TRUSTED
from tasks.interleaving import executed, output_of
from tasks.replies.programs import may_change
from tasks.sandbox import Result, Sandbox
from tasks.settings import Section
from tasks.stages.outcome import Tick
from tasks.voting import Calibration, Votes, collect, disputed, to_verdicts

STAGE = "verify"
_VOTE = {"equal": 1.0, "different": -1.0}


class VerifySettings(Section, title="Verify"):
    sure: float = Field(
        0.95, ge=0.5, le=1, description="a row whose votes are this sure needs no critic; 1: all rows do"
    )


def verify(
    rows: pa.Table,
    *,
    sandbox: Sandbox | None,
    judge: Judge,
    calibration: Calibration,
    settings: VerifySettings,
    blind: bool = False,
    tick: Tick,
) -> pa.Table:
    """Set `answer`, `verdicts`, `difficulty`, `rejected` and, by the votes so far, `correctness`; a model's solution in words of a
    multiple-choice question then ends with the letter of the option whose value it gave.

    Rows of one question must be in one shard. Rows whose votes are surer than `settings.sure`, either way,
    need no critic. If `blind`, trusted answers are compared but neither vote nor reject. Without a sandbox no
    program is run, and every row with a program has failed.
    """
    answers, verdicts, reasons = _execute(rows, sandbox, judge)
    references = column(rows, "reference_answer")
    unread, compared = _choose(rows, answers, references, judge)
    reference = _compare(references, answers, verdicts, reasons, judge, unread, compared)
    questions = np.unique(column(rows, "problem_id"), return_inverse=True)[1]
    votes = _votes(rows, answers, questions, judge, [why is not None and why.failed for why in reasons])
    if blind:
        reasons = [None if verdicts[i].get("equivalent") else why for i, why in enumerate(reasons)]
    else:
        votes = dataclasses.replace(votes, reference=reference)
    unsure = disputed(votes, calibration, settings.sure)
    same = np.where(votes.readable, votes.agree + 1, 0.0)
    answered = np.bincount(questions, votes.readable, minlength=1)[questions]
    samples = answered + votes.abstained
    # samples whose answer is known neither to equal this one nor to differ from it
    apart = np.where(votes.readable, answered - 1 - votes.agree - votes.against, 0.0)
    for i, counts in enumerate(to_verdicts(votes)):
        verdicts[i] |= counts
        verdicts[i]["consistent"] = f"{same[i]:.0f}/{samples[i] - apart[i]:.0f}"
        if apart[i]:
            verdicts[i]["uncompared"] = f"{apart[i]:.0f}"
        verdicts[i]["settled"] = "no" if unsure[i] else "yes"
    judged = replace(
        rows,
        solution=_with_letters(rows, answers),
        answer=answers,
        verdicts=verdicts,
        correctness=pa.array(calibration.probability(votes), pa.float32(), mask=~votes.readable),
        difficulty=_difficulty(column(rows, "difficulty"), questions, same, samples - apart),
    )
    tick(rows.num_rows)
    return reject(judged, reasons)


def verify_solved(
    rows: pa.Table,
    *,
    sandbox: Sandbox | None,
    judge: Judge,
    calibration: Calibration,
    settings: VerifySettings,
    tick: Tick,
) -> pa.Table:
    """Verify the rows that have a solution, as `verify` does; questions, chats and documents stay as they are."""
    solved = pc.is_valid(rows.column("solution")).to_numpy(zero_copy_only=False)
    if not solved.any():
        tick(rows.num_rows)
        return rows
    judged = verify(
        rows.filter(pa.array(solved)),
        sandbox=sandbox,
        judge=judge,
        calibration=calibration,
        settings=settings,
        tick=tick,
    )
    tick(int((~solved).sum()))
    places = np.argsort(np.concatenate([np.flatnonzero(solved), np.flatnonzero(~solved)]))
    return pa.concat_tables([judged, rows.filter(pa.array(~solved))]).take(pa.array(places))


def _execute(
    rows: pa.Table, sandbox: Sandbox | None, judge: Judge
) -> tuple[list[str | None], list[dict[str, str]], list[Reason | None]]:
    """Return the answers, verdicts and reasons after the programs were executed, those of interleaved solutions too."""
    answers: list[str | None] = column(rows, "answer")
    verdicts = [dict(pairs or ()) for pairs in column(rows, "verdicts")]
    reasons: list[Reason | None] = [None] * rows.num_rows
    formats = column(rows, "solution_format")
    programs = [i for i, kind in enumerate(formats) if kind == "pot"]
    mixed = [i for i, kind in enumerate(formats) if kind == TIR]
    if sandbox is None:
        for i in programs + mixed:
            reasons[i] = reason(STAGE, Code.PROGRAM_NOT_RUN, error="no sandbox")
        return answers, verdicts, reasons
    solutions, languages = column(rows, "solution"), column(rows, "language")
    results = _results([solutions[i] for i in programs], sandbox)
    for i, result in zip(programs, results, strict=True):
        verdicts[i]["executed"] = result.verdict
        if result.verdict == "infra":
            reasons[i] = reason(STAGE, Code.PROGRAM_NOT_RUN, error=result.error)
        elif result.verdict != "ok" or not result.answer:
            reasons[i] = reason(STAGE, Code.PROGRAM_FAILED, verdict=result.verdict, error=result.error or "")
        elif result.deterministic is False:
            verdicts[i]["executed"] = "changing"
            reasons[i] = reason(STAGE, Code.PROGRAM_CHANGING)
        else:
            answers[i] = _printed(result.answer, languages[i])
    for i, one in zip(mixed, _executed_again([solutions[i] for i in mixed], sandbox, judge), strict=True):
        verdicts[i]["executed"] = one.executed
        reasons[i] = one.reason
        if one.reason is None and answers[i] is None:
            answers[i] = _answer_of(one.words, one.printed, languages[i])
    return answers, verdicts, reasons


@dataclasses.dataclass(frozen=True, slots=True)
class _Executed:
    """An interleaved solution after its programs were executed. `words` follow its last program, which printed `printed`."""

    executed: str
    reason: Reason | None
    words: str = ""
    printed: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class _Shown:
    """The result of a program of an interleaved solution, and its output as it is shown there."""

    result: Result
    output: str


def _executed_again(solutions: Sequence[str], sandbox: Sandbox, judge: Judge) -> list[_Executed]:
    """Execute the programs of interleaved solutions, and compare what they print with what stands there."""
    read = [parts_of(solution) for solution in solutions]
    programs = [[part.text for part in parts if part.kind == "program"] for parts in read]
    shown = [
        [_Shown(result, output_of(program, result)) for program, result in zip(texts, results, strict=False)]
        for texts, results in zip(programs, executed(programs, sandbox), strict=True)
    ]
    pairs: list[tuple[str, str]] = []  # what is printed, and what stands there where that is another text
    places: list[tuple[int, int]] = []  # the solution of each pair, and the number of its program
    for i, (parts, results) in enumerate(zip(read, shown, strict=True)):
        for number, (one, text) in enumerate(zip(results, _stated_outputs(parts), strict=False)):
            if text is not None and one.output.split() != text.split():
                pairs.append((one.output, text))
                places.append((i, number))
    values = [number for number, pair in enumerate(pairs) if _one_value(pair)]
    judgements = dict(zip(values, judge.equal([pairs[number] for number in values]), strict=True))
    different = {
        place: pair
        for number, (place, pair) in enumerate(zip(places, pairs, strict=True))
        if judgements.get(number) != "equal"
    }
    return [
        _judged(parts, results, {n: pair for (at, n), pair in different.items() if at == i})
        for i, (parts, results) in enumerate(zip(read, shown, strict=True))
    ]


def _stated_outputs(parts: Sequence[InterleavedPart]) -> list[str | None]:
    """Return for each program what stands in the block of its output, None where it has none."""
    following = [*parts[1:], InterleavedPart("words", "")]
    return [
        after.text if after.kind == "output" else None
        for part, after in zip(parts, following, strict=True)
        if part.kind == "program"
    ]


def _one_value(pair: tuple[str, str]) -> bool:
    return all(0 < len(text) <= 200 and "\n" not in text.strip() for text in pair)


def _judged(
    parts: Sequence[InterleavedPart], shown: Sequence[_Shown], different: Mapping[int, tuple[str, str]]
) -> _Executed:
    """Return the solution with the reason why it cannot be kept, if there is one: no program, one that could not be run, whose output
    changes or is another than what stands there, or a last one that failed. An earlier one may fail: the solution corrects it."""
    if not shown:
        return _Executed("no_program", reason(STAGE, Code.NO_PROGRAM))
    last = shown[-1].result
    if last.verdict == "infra":
        return _Executed(last.verdict, reason(STAGE, Code.PROGRAM_NOT_RUN, error=last.error or ""))
    why = None
    if any(one.result.deterministic is False for one in shown):
        return _Executed("changing", reason(STAGE, Code.PROGRAM_CHANGING))
    if different:
        number, (output, text) = min(different.items())
        why = reason(
            STAGE,
            Code.OUTPUT_DIFFERENT,
            step=number + 1,
            answer=shortened(output),
            reference=shortened(text),
        )
    elif last.verdict != "ok":
        why = reason(STAGE, Code.PROGRAM_FAILED, verdict=last.verdict, error=last.error or "")
    words = parts[-1].text if parts[-1].kind == "words" else ""
    return _Executed(last.verdict, why, words, shown[-1].output)


def _answer_of(words: str, printed: str, language: str) -> str | None:
    """Return the answer that the last words mark as such, or else the one that the last program printed."""
    extraction = extract(words, language) if words else None
    if extraction is not None and extraction.kind in TRUSTED:
        return extraction.answer
    return _printed(printed, language) or None


def _results(programs: Sequence[str], sandbox: Sandbox) -> list[Result]:
    """Return one result per program; `deterministic` is known for those whose answer could change."""
    run_twice = [may_change(program) for program in programs]
    runs = {
        again: iter(
            sandbox.run([p for p, t in zip(programs, run_twice, strict=True) if t == again], twice=again)
        )
        for again in (False, True)
        if again in run_twice
    }
    return [next(runs[again]) for again in run_twice]


def _printed(output: str, language: str) -> str:
    """Return the answer that a program printed: the part that it marks as the answer ("The answer is 42", a box), or else all
    of its output.
    """
    extraction = extract(output, language)
    return extraction.answer if extraction and extraction.kind in TRUSTED else output.strip()


def _choose(
    rows: pa.Table, answers: list[str | None], references: list[str | None], judge: Judge
) -> tuple[set[int], dict[int, tuple[str, str]]]:
    """Replace the answers to multiple-choice questions by the letters of the options that they name.

    An answer that names no option is left as it is. Returns the rows whose answer could not be compared with the
    option of the trusted answer, and the pairs to compare instead of answer and reference, by row: letters where the
    reference is the value of one option, values where it is none of them.
    """
    listed = {
        i: options[1].texts
        for i, question in enumerate(column(rows, "question"))
        if answers[i] and (options := written_in(question)) is not None
    }
    letters: dict[int, str] = {}  # of the references
    values = []
    for i, texts in listed.items():
        reference = references[i]
        if reference and are_letters(reference, texts):
            letters[i] = reference
        elif reference:
            values.append(i)
    named = as_letters([Choice(references[i] or "", listed[i]) for i in values], judge)
    letters |= {
        i: letter
        for i, letter in zip(values, named, strict=True)
        if letter and are_letters(letter, listed[i])
    }
    choices = {i: Choice(answers[i] or "", texts, letters.get(i)) for i, texts in listed.items()}
    unread = set()
    compared: dict[int, tuple[str, str]] = {}
    for i, letter in zip(choices, as_letters(list(choices.values()), judge), strict=True):
        if letter is not None and letter == answers[i] and not are_letters(letter, listed[i]):
            unread.add(i)
        answers[i] = answer = letter or answers[i]
        reference = references[i]
        if answer and reference and i in letters:
            compared[i] = (answer, letters[i])
        elif answer and reference and len(answer) == 1 and are_letters(answer, listed[i]):
            compared[i] = (listed[i][ord(answer) - 65], reference)
    return unread, compared


def _with_letters(rows: pa.Table, answers: list[str | None]) -> list[str | None]:
    """Return the solutions, those in words that a model wrote for multiple-choice questions with their letter at the end. One whose
    steps have values is left as it is: its steps are its lines."""
    solutions: list[str | None] = column(rows, "solution")
    models, formats = column(rows, "model"), column(rows, "solution_format")
    languages, params = column(rows, "language"), column(rows, "params")
    for i, question in enumerate(column(rows, "question")):
        solution, letter = solutions[i], answers[i]
        if not solution or not letter or len(letter) > 1 or models[i] is None or formats[i] != "cot":
            continue
        written = written_in(question)
        if (
            written is not None
            and are_letters(letter, written[1].texts)
            and VALUES not in orjson.loads(params[i] or "{}")
        ):
            solutions[i] = closed_with_letter(solution, letter, written[1].texts, languages[i])
    return solutions


def _compare(
    references: list[str | None],
    answers: list[str | None],
    verdicts: list[dict[str, str]],
    reasons: list[Reason | None],
    judge: Judge,
    unread: set[int],
    compared: Mapping[int, tuple[str, str]],
) -> npt.NDArray[np.float64]:
    """Return the votes of the trusted answers; write comparisons into `verdicts` and rejections into
    `reasons`. The comparison of an `unread` row is unknown; `compared` has the pairs of multiple-choice rows.
    """
    vote = np.zeros(len(answers))
    pairs = [i for i, (a, r) in enumerate(zip(answers, references, strict=True)) if a and r]
    judged = judge.equal([compared.get(i, (answers[i] or "", references[i] or "")) for i in pairs])
    for i, judgement in zip(pairs, judged, strict=True):
        verdict = "unknown" if i in unread else judgement
        verdicts[i]["equivalent"] = verdict
        vote[i] = _VOTE.get(verdict, 0.0)
        if verdict == "different":
            reasons[i] = reason(
                STAGE, Code.DIFFERENT, answer=shortened(answers[i]), reference=shortened(references[i])
            )
        elif verdict == "unknown":
            reasons[i] = reason(STAGE, Code.INCOMPARABLE, answer=shortened(answers[i]))
    return vote


def _votes(
    rows: pa.Table,
    answers: list[str | None],
    questions: npt.NDArray[np.int64],
    judge: Judge,
    failed: list[bool],
) -> Votes:
    """Return the votes of the samples on each other: rows of a question are grouped by equal answers.

    `failed` rows have no answer because a call or the sandbox failed; the verdict ABSTAINED counts the
    completions that did not become rows of this stage.
    """
    members: list[list[int]] = [[] for _ in range(int(questions.max(initial=-1)) + 1)]
    for i, question in enumerate(questions):
        members[question].append(i)
    classes = np.full(len(answers), -1)
    incomparable: list[tuple[int, int]] = []
    groups = group_all([[answers[i] for i in m] for m in members], judge)
    for question_rows, group in zip(members, groups, strict=True):
        classes[question_rows] = [-1 if c is None else c for c in group.classes]
        first = [
            question_rows[group.classes.index(number)]
            for number in range(max(classes[question_rows], default=-1) + 1)
        ]
        incomparable += [(first[one], first[other]) for one, other in sorted(group.incomparable)]
    return collect(
        questions,
        classes,
        program=[kind in EXECUTED for kind in column(rows, "solution_format")],
        incomparable=incomparable,
        failed=failed,
        unanswered=[int(dict(pairs or ()).get(ABSTAINED, 0)) for pairs in column(rows, "verdicts")],
    )


def _difficulty(
    before: list[float | None],
    questions: npt.NDArray[np.int64],
    same: npt.NDArray[np.float64],
    samples: npt.NDArray[np.float64],
) -> list[float | None]:
    """Return 1 minus the majority's share of the samples that can be compared with it, per row.

    `samples`: how many samples count for each row's answer. A question of which no sample has an answer
    keeps the difficulty in `before`.
    """
    most = np.zeros(int(questions.max(initial=-1)) + 1)
    np.maximum.at(most, questions, same)
    share = np.zeros(len(most))
    leads = (same == most[questions]) & (same > 0)
    np.maximum.at(share, questions[leads], same[leads] / samples[leads])
    return [
        float(1 - share[question]) if most[question] else old
        for question, old in zip(questions, before, strict=True)
    ]
