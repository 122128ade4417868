"""Solutions that are right up to one step: a flaw with its place, its kind and its explanation, and how the solution goes on rightly.

A wrong solution is taken where there is one: a row that was dropped because its answer is another one. The model says which of its
lines is the first wrong one, starting from what the critic said, and corrects it from there (as in Step-DPO, Lai et al. 2024,
arXiv:2406.18629). For other questions a flaw is put into a right solution. The row has the right solution alone: the right lines before the flaw
and the corrected ones. The wrong one is in `params` under FLAW, which no training reads as text to be learned; exports make preference pairs, pairs of
steps and labelled steps of it (storage/datasets/steps.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
from pydantic import BaseModel, Field

import prompts
from prompts.asking_again import FaultKind, ReplyFault
from prompts.schemas.corrected_solution import FLAW_KINDS, CorrectedSolution
from prompts.schemas.flawed_solution import FlawedSolution
from storage.datasets.steps import FLAW, lines_of
from storage.reasons import Code
from storage.rows import WRONG_STEP, content_id
from tasks.answers import extract
from tasks.answers.extraction import with_closed_box
from tasks.conversations import WRITER, Conversation, comparisons, completions, request_of_prompt
from tasks.llm.endpoint import Endpoint
from tasks.llm.request import Message
from tasks.methods import INHERITED, Ask, Item, Makes, Quota, Takes, malformed
from tasks.replies.items import single
from tasks.rewriting.parents import parents
from tasks.seeding import rng_of, seed_of
from tasks.settings import Section, Share

prompt = "nearly_right"
makes: Makes = "solutions"
takes: Takes = "rows"
columns = ("solution", "solution_format", "answer", "verdicts", "correctness", "rejected")
wrong_solutions = True
needs = ("judge",)

INSERTED: Final = "nearly_right_inserted"  # the prompt that puts a flaw into a right solution
FEWEST_LINES: Final = (
    3  # of a solution that a flaw is put into: something comes before it, and something after it
)
FIELDS: Final[Mapping[str, type[BaseModel]]] = {prompt: CorrectedSolution, INSERTED: FlawedSolution}
# the number of a step at the head of its line: "Step 2: ", "**Step 2.** ", "2. ", "(2) ", "第 2 步："
_NUMBER: Final = re.compile(
    r"(?P<before>\s*(?:\*\*|#{1,6} )?(?:Step |步骤\s?|第\s?|\()?)(?P<number>\d{1,3})(?P<after>\s?步?(?:[:：、]|[.)](?=\s|\*))(?:\*\*)?\s*)(?=\S)"
)
_VALUE: Final = re.compile(r"\d+(?:[.,]\d+)*")
_WORD: Final = re.compile(r"[^\W\d_]{2}")


class NearlyRightSettings(Section):
    inserted: Share = Field(
        0.5,
        description="share of the rows, at most, whose flaw is put into a right solution, where there are wrong solutions for the others",
    )


own_settings = NearlyRightSettings


def plan(
    pool: pa.Table,
    quota: Quota,
    *,
    per_call: int,
    examples: int,
    seed: int,
    settings: Section | None = None,
) -> list[Ask]:
    """Return one ask per question: first for wrong solutions, then for right ones into which a flaw is put, up to `inserted` of the rows
    or as many as there are no wrong solutions for."""
    own = settings if isinstance(settings, NearlyRightSettings) else NearlyRightSettings()
    rows = [row for row in pool.to_pylist() if row["solution"] and row["solution_format"] == "cot"]
    right = {row["problem_id"]: row for row in sorted(rows, key=_worth) if row["rejected"] is None}
    answers = {problem: row["reference_answer"] or row["answer"] for problem, row in right.items()}
    flawed = {
        row["id"]: row
        for row in rows
        if row["rejected"] is not None
        and (known := row["reference_answer"] or answers.get(row["problem_id"]))
        and row["answer"] != known  # some are dropped for something else than their answer
    }
    taken = _chosen(pool, flawed, quota, seed, "taken")
    problems = {row["problem_id"] for row in taken}
    usable = {
        row["id"]: row
        for problem, row in right.items()
        if problem not in problems and answers[problem] and len(lines_of(row["solution"])) >= FEWEST_LINES
    }
    total = sum(quota.values())
    most = max(total - len(taken), min(total, round(own.inserted * total)))
    inserted = _chosen(pool, usable, quota, seed, "inserted")[:most]
    taken = taken[: total - len(inserted)]
    return [_ask(row, answers.get(row["problem_id"]), seed, inserted=False) for row in taken] + [
        _ask(row, answers[row["problem_id"]], seed, inserted=True) for row in inserted
    ]


def _worth(row: Mapping[str, Any]) -> tuple[float, str]:
    """Return what right solutions of a question are sorted by, the best one last."""
    return row["correctness"] or 0.0, row["id"]


def _chosen(
    pool: pa.Table, usable: Mapping[str, dict[str, Any]], quota: Quota, seed: int, turn: str
) -> list[dict[str, Any]]:
    ids = pa.array(sorted(usable), pa.string())
    rows = pool.filter(pa.compute.is_in(pool.column("id"), value_set=ids))
    return parents(rows, quota, seed, prompt, turn)


def _ask(row: dict[str, Any], answer: str | None, seed: int, *, inserted: bool) -> Ask:
    lines = lines_of(row["solution"])
    rng = rng_of(seed, prompt, row["id"], "flaw")
    variables: dict[str, Any] = {"question": row["question"], "lines": lines}
    variables["reference"] = row["reference_answer"] or answer
    if inserted:
        variables |= {"flaw": rng.choice(FLAW_KINDS[:-1]), "line": rng.randint(2, len(lines) - 1)}
    else:
        suspect = dict(row["verdicts"] or ()).get(WRONG_STEP)
        variables |= {"suspect": int(suspect) if suspect and int(suspect) <= len(lines) else None}
        variables["wrong"] = row["answer"]  # None: a solution that states none, or that was not read
    return Ask(
        prompt,
        INSERTED if inserted else prompt,
        row["language"],
        row["subdomain"],
        1,
        variables,
        [row["id"]],
        seed_of(seed, prompt, row["id"], "asked"),
        inherited={name: row[name] for name in INHERITED if row[name]},
    )


def calls_per_row(settings: Section) -> dict[str, float]:
    return {WRITER: 1.2}  # a reply that cannot be used is requested once more


def converse(ask: Ask, endpoints: Mapping[str, Endpoint]) -> Conversation[list[Item]]:
    """Return the conversation of one call: the reply, and the comparison of the answers of both sides.

    A solution whose answer is not known to be another one is not asked about. A reply that cannot be used is requested once more,
    with what is wrong with it.
    """
    if (answer := ask.variables.get("wrong")) is not None:
        (judgement,) = yield from comparisons([(answer, ask.variables["reference"])])
        if judgement != "different":
            return [Item(code=Code.NOT_FLAWED, values={"answer": answer})]
    writer = endpoints[WRITER]
    template = prompts.load(ask.prompt, ask.language, writer.prompts)
    turns: list[Message] = []
    for last in (False, True):
        request = request_of_prompt(
            template, ask.variables, model=writer.model, seed=ask.seed, tag=prompt, turns=turns
        )
        (completion,) = yield from completions([request])
        if completion.error is not None:
            values = {"error": completion.error, "kind": str(completion.kind)}
            return [Item(code=Code.CALL_FAILED, values=values)]
        item = read(completion.text or "", ask)
        if item.fault is None or last:
            break
        turns = list(request.reask(completion.text or "", item.fault).messages[-2:])
    if item.code is None:
        flaw = item.params[FLAW]
        pairs = [(item.answer or "", ask.variables["reference"]), (flaw["answer"], item.answer or "")]
        right, wrong = yield from comparisons(pairs)
        if right != "equal":
            item = Item(
                code=Code.DIFFERENT,
                values={"answer": item.answer or "", "reference": ask.variables["reference"]},
            )
        elif wrong != "different":
            item = Item(code=Code.NOT_FLAWED, values={"answer": flaw["answer"]})
    return [item]


def read(text: str, ask: Ask) -> Item:
    """Return the row of a reply, or what is wrong with it."""
    reply = single(text, FIELDS[ask.prompt], key="corrected")
    if isinstance(reply, ReplyFault):
        return malformed(reply)
    assert isinstance(reply, (CorrectedSolution, FlawedSolution))
    lines: list[str] = ask.variables["lines"]
    place = reply.first_wrong_line
    if place is None or place > len(lines):
        return _unusable("first_wrong_line names no line of the solution")
    before = lines[: place - 1]
    later = (
        numbered(lines_of(reply.flawed), lines, place)
        if isinstance(reply, FlawedSolution)
        else lines[place - 1 :]
    )
    rest = lines_of(with_closed_box(reply.corrected))
    if not later or not rest:
        return _unusable("a side has no lines")
    if begins_elsewhere(rest[0], lines, place):
        return _unusable("the corrected side begins at another line than first_wrong_line")
    corrected = numbered(rest, lines, place)
    if later[0].split() == corrected[0].split():
        return _unusable("the first line of both sides is the same")
    right, wrong = ("\n".join([*before, *rest]) for rest in (corrected, later))
    stated, mistaken = extract(right, ask.language), extract(wrong, ask.language)
    # a solution that was dropped for its answer has the answer that was read from it then
    boxed = mistaken is not None and (ask.prompt != INSERTED or mistaken.kind == "boxed")
    wrong_answer = ask.variables.get("wrong") or (mistaken.answer if mistaken and boxed else "")
    if stated is None or stated.kind != "boxed" or not wrong_answer:
        return malformed(ReplyFault(FaultKind.NO_FINAL_ANSWER, "a side states no final answer in a box"))
    flaw = {
        "line": place,
        "kind": reply.flaw_kind,
        "explanation": reply.explanation,
        "solution": wrong,
        "answer": wrong_answer,
        "id": content_id(ask.language, ask.inherited["question"], wrong),
        "origin": "inserted" if isinstance(reply, FlawedSolution) else "taken",
    }
    return Item(solution=right, solution_format="cot", answer=stated.answer, params={FLAW: flaw})


def begins_elsewhere(line: str, lines: Sequence[str], place: int) -> bool:
    """Return whether `line`, which is to take the place of `lines[place - 1]`, has the words of other lines than that one: a side that begins
    there would leave steps out, or repeat them. Lines without words say nothing."""
    words = [_words(one) for one in lines]
    own = _words(line)
    return _WORD.search(own) is not None and own in words and own != words[place - 1]


def _words(line: str) -> str:
    """Return a line without its number and with one sign for each of its numbers."""
    return _VALUE.sub("#", _NUMBER.sub("", line, count=1)).strip()


def numbered(rest: list[str], lines: Sequence[str], place: int) -> list[str]:
    """Return the lines that take the place of `lines[place - 1]` and of those after it, numbered on where that line is numbered and none of
    them is. Lines that are no steps have no number: those with a box, and those that only lead to one ("So we get:")."""
    start = _NUMBER.match(lines[place - 1])
    if start is None or any(_NUMBER.match(line) for line in rest):
        return rest
    number = int(start["number"])
    result = []
    for line in rest:
        step = "\\boxed" not in line and not line.rstrip().endswith((":", "："))
        if step:
            line = f"{start['before']}{number}{start['after']}{line.lstrip()}"
            number += 1
        result.append(line)
    return result


def _unusable(why: str) -> Item:
    return malformed(ReplyFault(FaultKind.OTHER, why))
