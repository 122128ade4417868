"""Records that hold several solutions of one question: preference pairs, several generations, labelled steps.

Such a record becomes one record per solution, each with the reason why the file does not vouch for it, if it does not.
Known shapes: `chosen` and `rejected` (texts or messages); a list of generations, as texts or objects, beside lists of flags
(OpenR1-Math, UltraFeedback); a column per solution (DeepMath, OpenThoughts, s1K); the labelled steps of PRM800K, PRMBench,
ProcessBench and Math-Shepherd.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeGuard

from storage.counting import counted
from storage.reasons import Code
from tasks.ingestion import chats
from tasks.ingestion.column_names import FLAGS, KNOWN, QUESTIONS, SOLUTIONS, plain
from tasks.ingestion.flags import truth

GENERATIONS = ("generations", "responses", "completions", "solutions", "outputs", "samples")
_COMPLETE = ("is_reasoning_complete", "is_complete", "finished")
_REASONS = ("finish_reasons", "finish_reason")
_CUT_OFF = ("length", "max_tokens")
_NUMBER = re.compile(r"[0-9]{1,6}")
_TEXT_OF = ("response", "text", "content", "output", "completion", "generation", "solution", "answer")
SIGNS = ("+", "-")  # of a right step and of a wrong one
_STEP_MARK = "ки"  # of Math-Shepherd, behind each step
_FIRST_STEP = re.compile(r"\bStep 1:")
_SIGN = re.compile(r"\s([+-])\s*(?=\n|\Z)")
# a column with a solution by a model, or one of several: what is not known under its name
_SOLUTION_COLUMN = re.compile(
    r"(?P<by>(?!(?:chosen|rejected|better|worse|preferred|original|orig|wrong|incorrect|modified|corrupted|student|predicted|"
    r"pre|post|human|custom)_)\w+_)?"
    r"(?:solution|response|completion|generation|attempt|assistant_content)(?:_?(?P<number>\d{1,2}))?"
)
_NOT_GENERATED = frozenset((*KNOWN, *GENERATIONS))
_GRADES = (
    "grade",
    "correct",
    "is_correct",
    "correctness",
    "verdict",
    "verified",
)  # of the solution beside it, as s1K has them
_THOUGHTS = ("reasoning", "thinking", "thinking_trajectory", "thinking_trajectories", "thoughts")


@dataclass(frozen=True, slots=True)
class Single:
    """One solution of a record, as a record of its own. `code` and `values` are the reason why it is not kept, if any.

    number: its place among the record's solutions. wrong_step: its first wrong line, counted from 1.
    """

    fields: Mapping[str, Any]
    code: Code | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    number: int | None = None
    wrong_step: int | None = None


def singles(record: Mapping[str, Any]) -> list[Single]:
    """Return the solutions of a record, each as a record; the record itself where it holds one solution or none."""
    readers = _readers_of(tuple(record))
    if readers:
        named = {plain(name): value for name, value in record.items()}
        for read in readers:
            if parts := list(read(named)):
                return parts
    return [Single(record)]


@functools.lru_cache(maxsize=256)
def _readers_of(names: tuple[str, ...]) -> list[Callable[[Mapping[str, Any]], Iterator[Single]]]:
    """Return the readers of shapes that a record with these columns may have."""
    there = {plain(name) for name in names}
    readers = [read for read, columns in _COLUMNS.items() if columns <= there]
    if there & set(chats.COLUMNS):
        readers.append(_signed)
    if there & set(GENERATIONS):
        readers.append(_generated)
    if any(_SOLUTION_COLUMN.fullmatch(name) and name not in _NOT_GENERATED for name in there):
        readers.append(_named)
    return readers


def _labelled(record: Mapping[str, Any]) -> Iterator[Single]:
    """PRM800K: the steps that a person chose, and the first completion of the step at which the solution went wrong."""
    question, label = record.get("question"), record.get("label")
    if not (
        isinstance(question, Mapping) and isinstance(label, Mapping) and isinstance(label.get("steps"), list)
    ):
        return
    texts: list[str] = []
    wrong = None
    for step in label["steps"]:
        completions = [one for one in step.get("completions") or () if isinstance(one, Mapping)]
        chosen, person = step.get("chosen_completion"), step.get("human_completion")
        if isinstance(chosen, int) and 0 <= chosen < len(completions):
            completion: Any = completions[chosen]
        else:
            completion = person if isinstance(person, Mapping) else (completions or [{}])[0]
        texts.append(str(completion.get("text") or ""))
        if completion.get("rating") == -1:
            wrong = len(texts)
            break
    fields = {
        "problem": question.get("problem"),
        "ground_truth": question.get("ground_truth_answer"),
        "solution": "\n".join(texts),
    }
    if wrong is not None:
        yield Single(fields, Code.FLAGGED_WRONG, wrong_step=wrong)
    elif label.get("finish_reason") in (None, "solution"):
        yield Single(fields)
    else:  # the labeller gave up, or found the problem to be bad
        yield Single(fields, Code.UNREADABLE, {"why": f"labelled as {str(label['finish_reason'])[:40]}"})


def _corrupted(record: Mapping[str, Any]) -> Iterator[Single]:
    """PRMBench: a right solution, and the same with steps changed into wrong ones."""
    right, changed = record.get("original_process"), record.get("modified_process")
    if not (_texts(right) and _texts(changed)):
        return
    question = record.get("original_question") or record.get("question")
    yield Single(
        {"question": question, "ground_truth": record.get("ground_truth"), "solution": "\n".join(right)}
    )
    steps = _step_numbers(record.get("error_steps"))
    other = {"question": record.get("modified_question") or question, "solution": "\n".join(changed)}
    if steps is None:  # a changed solution is never right only because its marks have an unusual form
        why = "the column error_steps is not a list of the numbers of steps"
        yield Single(other, Code.UNREADABLE, {"why": why}, number=1)
    elif steps:
        yield Single(other, Code.FLAGGED_WRONG, number=1, wrong_step=min(steps))
    else:
        yield Single(other, number=1)


def _step_numbers(listed: Any) -> list[int] | None:
    """Return numbers of steps, which may be written as texts; None for anything else than a list of these, or null."""
    if listed is None:
        return []
    if not isinstance(listed, list):
        return None
    numbers = [int(step) for step in listed if _NUMBER.fullmatch(str(step))]
    return numbers if len(numbers) == len(listed) else None


def _first_error(record: Mapping[str, Any]) -> Iterator[Single]:
    """ProcessBench: steps, and the place of the first wrong one from 0, or -1."""
    steps, label = record.get("steps"), record.get("label")
    if not (_texts(steps) and isinstance(label, int) and not isinstance(label, bool)):
        return
    rest = {
        name: value
        for name, value in record.items()
        if name not in ("steps", "label", "final_answer_correct")
    }
    fields = rest | {"solution": "\n".join(steps)}
    if label < 0:
        yield Single(fields)
    else:
        yield Single(fields, Code.FLAGGED_WRONG, wrong_step=label + 1)


def _preference(record: Mapping[str, Any]) -> Iterator[Single]:
    chosen, rejected = record.get("chosen"), record.get("rejected")
    if chosen is None or rejected is None:
        return
    first = record.get("initial_reason_steps")  # Step-DPO: the steps that both sides have
    if isinstance(first, str) and isinstance(chosen, str) and isinstance(rejected, str):
        chosen = record.get("full_chosen") or first.rstrip("\n") + chosen
        rejected = record.get("full_rejected") or first.rstrip("\n") + rejected
    rest = _question_of(record)
    if not _is_whole(chosen):  # the sides are replies to a chat (UltraInteract, LLaMA-Factory)
        rest |= {name: record[name] for name in chats.COLUMNS if isinstance(record.get(name), list)}
    equal = _compared(chosen) == _compared(rejected)
    yield Single(rest | {"chosen": chosen}, Code.NO_PREFERENCE if equal else None, number=0)
    code = Code.NO_PREFERENCE if equal else Code.NOT_PREFERRED
    yield Single(rest | {"chosen": rejected}, code, number=1)


def _is_whole(side: Any) -> bool:
    """Return whether one side of a preference pair is a chat with the question, not the reply alone."""
    try:
        turns = chats.transcript(side) if isinstance(side, str) else chats.turns_of(side)
    except chats.Odd:
        return True
    return bool(turns and chats.asked(turns))


def _stepwise(record: Mapping[str, Any]) -> Iterator[Single]:
    """Steps beside a list that says of each whether it is right, as TRL trains process reward models on them."""
    name = next((name for name in ("completions", "steps") if _texts(record.get(name))), None)
    labels = record.get("labels")
    if name is None or not isinstance(labels, list) or not labels:
        return
    judged = [truth(label) for label in labels]
    if None in judged or any(
        isinstance(record.get(column), list) for column in GENERATIONS if column != name
    ):
        return
    rest = {column: value for column, value in record.items() if column not in (name, "labels")}
    fields = rest | {"solution": "\n".join(record[name])}
    if len(labels) != len(record[name]):
        why = (
            f"the column labels has {counted(len(labels), 'value')} for {counted(len(record[name]), 'step')}"
        )
        yield Single(fields, Code.UNREADABLE, {"why": why})
    elif False in judged:
        yield Single(fields, Code.FLAGGED_WRONG, wrong_step=_line_of(record[name], judged.index(False)))
    else:
        yield Single(fields)


def _line_of(steps: Sequence[str], number: int) -> int:
    """Return the line, counted from 1, with which a step begins in the text of all steps."""
    return sum(step.count("\n") + 1 for step in steps[:number]) + 1


def _signed(record: Mapping[str, Any]) -> Iterator[Single]:
    """A chat whose user turns are the steps of a solution and whose replies are + or - (RLHFlow)."""
    name = next((name for name in chats.COLUMNS if isinstance(record.get(name), list)), None)
    try:
        turns = (chats.turns_of(record[name]) if name is not None else None) or []
    except chats.Odd:
        return
    steps, signs = turns[::2], turns[1::2]
    if not steps or len(steps) != len(signs) or not all(_is_sign(turn.role, turn.text) for turn in signs):
        return
    first = _FIRST_STEP.search(steps[0].text)
    if first is None or any(turn.role != "user" for turn in steps):
        return
    texts = [steps[0].text[first.start() :].strip(), *(turn.text.strip() for turn in steps[1:])]
    rest = {column: value for column, value in record.items() if column != name}
    fields = rest | {"question": steps[0].text[: first.start()].strip(), "solution": "\n".join(texts)}
    wrong = next((place for place, turn in enumerate(signs) if turn.text.strip() == "-"), None)
    if wrong is None:
        yield Single(fields)
    else:
        yield Single(fields, Code.FLAGGED_WRONG, wrong_step=_line_of(texts, wrong))


def _is_sign(role: str, text: str) -> bool:
    """Return whether a turn of a chat says of a step that it is right or wrong."""
    return role == "assistant" and text.strip() in SIGNS


def _compared(value: Any) -> Any:
    """Return one side of a preference pair in the form in which two sides are compared."""
    if isinstance(value, str):
        return value.strip()
    try:
        turns = chats.turns_of(value)
    except chats.Odd:
        return value
    return value if turns is None else [(turn.role, turn.text.strip(), turn.calls) for turn in turns]


def _instances(record: Mapping[str, Any]) -> Iterator[Single]:
    """Self-Instruct: an instruction with instances of inputs and outputs."""
    instances = record.get("instances")
    if not isinstance(instances, list) or not all(isinstance(one, Mapping) for one in instances):
        return
    rest = {column: value for column, value in record.items() if column != "instances"}
    for number, one in enumerate(instances):
        yield Single({**rest, "input": one.get("input"), "output": one.get("output")}, number=number)


def _marked(record: Mapping[str, Any]) -> Iterator[Single]:
    """Math-Shepherd: a question with the steps of a solution, each behind a mark, and the same text with + or - in place of the
    marks."""
    text, label = record.get("input"), record.get("label")
    if not (isinstance(text, str) and isinstance(label, str) and _STEP_MARK in text):
        return
    first = _FIRST_STEP.search(text)
    if first is None:
        return
    steps = [step.strip() for step in text[first.start() :].split(_STEP_MARK) if step.strip()]
    signs = [match[1] for match in _SIGN.finditer(label[first.start() :])]
    fields = {"question": text[: first.start()].strip(), "solution": "\n".join(steps)}
    if len(signs) != len(steps):
        why = f"the label marks {counted(len(signs), 'step')}, the input has {len(steps)}"
        yield Single(fields, Code.UNREADABLE, {"why": why})
    elif "-" in signs:
        yield Single(fields, Code.FLAGGED_WRONG, wrong_step=signs.index("-") + 1)
    else:
        yield Single(fields)


def _named(record: Mapping[str, Any]) -> Iterator[Single]:
    """Solutions in columns of their own, by number or by model: r1_solution_1 (DeepMath), deepseek_solution beside
    deepseek_reasoning (OpenThoughts), deepseek_attempt beside deepseek_thinking_trajectory (s1K)."""
    columns: list[tuple[str, str, re.Match[str]]] = []
    for column, value in record.items():
        match = _SOLUTION_COLUMN.fullmatch(column)
        if match is not None and column not in _NOT_GENERATED and isinstance(value, str) and value.strip():
            columns.append((column, value, match))
    if not columns or not any(isinstance(record.get(column), str) for column in QUESTIONS):
        return
    thoughts = {
        f"{match['by'] or ''}{ending}": match["number"] or ""
        for _, _, match in columns
        for ending in _THOUGHTS
        if f"{match['by'] or ''}{ending}" in record
    }
    rest = {
        column: value
        for column, value in record.items()
        if column not in thoughts
        and column not in chats.COLUMNS
        and all(column != name for name, _, _ in columns)
    }
    own = {column: value for column, value in rest.items() if column in SOLUTIONS}
    if any(isinstance(value, str) and len(value.split()) > 1 for value in own.values()):
        yield Single(rest)
    elif isinstance(value := own.get("solution"), str) and value.strip():
        rest = {"ground_truth": value} | rest  # a value, as s1K has it
    rest = {column: value for column, value in rest.items() if column not in own}
    for number, (_, text, match) in enumerate(columns):
        thinking = next((record[name] for name in thoughts if name.startswith(match["by"] or "")), None)
        if isinstance(thinking, list) and len(thinking) == 1:
            thinking = thinking[0]
        reasoning = {"reasoning": thinking} if isinstance(thinking, str) and thinking.strip() else {}
        grades = [truth(record.get(f"{match['by']}{ending}")) for ending in _GRADES if match["by"]]
        code = Code.FLAGGED_WRONG if False in grades else None
        yield Single(rest | {"response": text} | reasoning, code, number=number)


def _generated(record: Mapping[str, Any]) -> Iterator[Single]:
    record = _with_texts(record)
    name = next((name for name in GENERATIONS if _texts(record.get(name), nulls=True)), None)
    if name is None or not any(isinstance(record.get(column), str) for column in QUESTIONS):
        return
    generations: Sequence[str | None] = record[name]
    lists = {column: value for column, value in record.items() if _parallel(value, len(generations))}
    flags = [value for column, value in lists.items() if column in FLAGS or column.startswith("correctness")]
    unequal = next(
        (
            column
            for column, value in record.items()
            if _judges(column) and isinstance(value, list) and value and column not in lists
        ),
        None,
    )
    rest = {
        column: value
        for column, value in record.items()
        if column not in lists and column not in chats.COLUMNS and column not in FLAGS
    }
    own = {column: value for column, value in rest.items() if column in SOLUTIONS}
    if any(isinstance(value, str) and value.strip() for value in own.values()):
        yield Single(rest)  # the solution that the record has beside the generated ones
    rest = {column: value for column, value in rest.items() if column not in own}
    for number, text in enumerate(generations):
        if text is None:  # a sample that failed; the others keep their flags
            continue
        if unequal is not None:  # nobody knows which flag is of which generation
            why = f"the column {unequal} has {counted(len(record[unequal]), 'value')} for {len(generations)} {name}"
            yield Single(rest | {"response": text}, Code.UNREADABLE, {"why": why}, number=number)
            continue
        judged = [flag[number] for flag in flags if isinstance(flag[number], bool)]
        code = None
        if any(lists[column][number] is False for column in _COMPLETE if column in lists) or any(
            lists[column][number] in _CUT_OFF for column in _REASONS if column in lists
        ):
            code = Code.TRUNCATED
        elif judged and not any(judged):
            code = Code.FLAGGED_WRONG
        yield Single(rest | {"response": text}, code, number=number)


def _with_texts(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a record whose generations are objects (UltraFeedback) with their texts, and their flags as lists beside them."""
    for name in GENERATIONS:
        value = record.get(name)
        if not (isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value)):
            continue
        objects = [{plain(str(key)): part for key, part in one.items()} for one in value]
        column = next(
            (key for key in _TEXT_OF if all(isinstance(one.get(key), str) for one in objects)), None
        )
        if column is None or any("role" in one or "from" in one for one in objects):
            continue  # the turns of a chat
        flags = {
            flag: [one.get(flag) for one in objects]
            for flag in FLAGS
            if all(isinstance(one.get(flag), bool) for one in objects)
        }
        return {**record, **flags, name: [one[column] for one in objects]}
    return record


# the columns that each shape has at least
_COLUMNS: Final[dict[Callable[[Mapping[str, Any]], Iterator[Single]], frozenset[str]]] = {
    _labelled: frozenset(("question", "label")),
    _corrupted: frozenset(("original_process", "modified_process")),
    _first_error: frozenset(("steps", "label")),
    _marked: frozenset(("input", "label")),
    _instances: frozenset(("instruction", "instances")),
    _stepwise: frozenset(("labels",)),
    _preference: frozenset(("chosen", "rejected")),
}
SEVERAL: Final = frozenset().union(*_COLUMNS.values())


def _question_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record without its solutions, chats and flags."""
    solved = (*SOLUTIONS, *chats.COLUMNS, *FLAGS, "rejected")
    return {name: value for name, value in record.items() if name not in solved}


def _judges(column: str) -> bool:
    """Return whether a column of lists says of each generation whether it is right, or whole."""
    return column in FLAGS or column.startswith("correctness") or column in (*_COMPLETE, *_REASONS)


def _parallel(value: Any, count: int) -> bool:
    return isinstance(value, list) and len(value) == count


def _texts(value: Any, nulls: bool = False) -> TypeGuard[list[str]]:
    """Return whether this is a list with a text at least and, but for nulls where they are allowed, nothing else."""
    return (
        isinstance(value, list)
        and any(isinstance(one, str) for one in value)
        and all(isinstance(one, str) or (nulls and one is None) for one in value)
    )
