"""Problems out of graphs of functions, the second part of RV-Syn (Wang et al. 2025, arXiv:2504.20426); tasks/methods/lift.py is the first.

Verified programs are functions with typed inputs and results (tasks/lifting/library.py). Where the result of one is a number of another, two to
four of them make a graph, a chain or a join (tasks/lifting/composing.py). Fresh values are executed function by function in the sandbox, with
the guards of each; a graph whose answer does not depend on each of its functions is refused. The model writes one question back from the
graph, which has to state every number of it and no result (tasks/lifting/writing_back.py). The answer is what the program of the
graph prints. That the words say the relations of the graph cannot be read from their numbers, so the reasoner, which sees the question alone,
works it: the answer is trusted where its solutions confirm it (`confirmations`), and the problem is refused where they do not. Without
`trusted` the program is one solution among those of the stage solve, whose votes decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pyarrow as pa
from pydantic import Field

import prompts
from prompts.asking_again import ReplyFault
from prompts.schemas.composed_problem import ComposedProblem
from storage.reasons import Code
from tasks.conversations import (
    WRITER,
    Conversation,
    comparisons,
    completions,
    executions,
    request_of_prompt,
)
from tasks.lifting.composing import DrawnValues, compositions, drawn_values, fits
from tasks.lifting.library import FunctionGraph, LibraryFunction, Link, function_of
from tasks.lifting.template import NotLifted
from tasks.lifting.trials import ValueKinds, guarded, kinds_in, number_of, recording, same_type, vary
from tasks.lifting.writing_back import LETTERS, fault_in, steps_of
from tasks.llm.endpoint import Endpoint
from tasks.llm.request import Completion
from tasks.methods import Ask, Item, Makes, Quota, Takes, malformed
from tasks.replies.items import OWN_CHECK_FAILED, single
from tasks.replies.solutions import solution_of
from tasks.replies.words import cut_off, in_words, reply_of
from tasks.rewriting.parents import answer_of, in_turn
from tasks.seeding import rng_of, seed_of
from tasks.settings import Section

prompt = "compose"
makes: Makes = "questions"
takes: Takes = "rows"
columns: tuple[str, ...] = ("solution", "solution_format", "answer", "method")
needs: tuple[str, ...] = ("sandbox", "judge", "reasoner")

DERIVING = ("lift", prompt)  # methods whose rows give no functions: their originals do
TRIALS = 32  # draws that are tried together
BATCHES = 5  # of draws per graph, at most: few draws divide without a rest where the original does
LEAST = 3  # draws that have to pass
MOST_WRITTEN = 2  # times that the model is asked for a question that states the numbers of the graph
SOLVED_BY = "solve_cot"  # the prompt that the reasoner is sent with the question alone


class ComposeSettings(Section):
    library: int = Field(
        2_000, ge=2, le=100_000, description="verified programs that are read into the library, at most"
    )
    trusted: bool = Field(
        True,
        description="take the answer of a graph that the reasoner confirms, instead of as one sample among those of solve",
    )
    confirmations: int = Field(
        2,
        ge=1,
        le=8,
        description="solutions of the reasoner that have to give the answer of the graph, of this number or of one more",
    )


own_settings = ComposeSettings


def plan(
    pool: pa.Table, quota: Quota, *, per_call: int, examples: int, seed: int, settings: Section | None = None
) -> list[Ask]:
    """Return one ask per graph of the library of a language, until its quota is met. The topic of a graph is that of its last function."""
    own = settings if isinstance(settings, ComposeSettings) else ComposeSettings()
    rows = in_turn(pool.filter(pa.compute.equal(pool["solution_format"], "pot")), seed, prompt)
    asks = []
    for language in sorted({language for language, _ in quota}):
        missing = sum(count for (of, _), count in quota.items() if of == language)
        its_rows = {
            row["problem_id"]: row
            for row in rows
            if row["language"] == language and row["method"] not in DERIVING
        }
        library = _library(list(its_rows.values())[: own.library])
        for index, graph in enumerate(compositions(library, rng_of(seed, prompt, language), missing)):
            parents = [its_rows[function.parent] for function in graph.functions]
            asks.append(
                Ask(
                    prompt,
                    prompt,
                    language=language,
                    subdomain=parents[-1]["subdomain"],
                    count=1,
                    variables={
                        "functions": [
                            {
                                "question": row["question"],
                                "program": row["solution"],
                                "answer": answer_of(row),
                                "parent": row["problem_id"],
                            }
                            for row in parents
                        ],
                        "links": [[link.source, link.target, link.name] for link in graph.links],
                        "confirmations": own.confirmations if own.trusted else 0,
                    },
                    parent_ids=[row["id"] for row in parents],
                    seed=seed_of(seed, prompt, language, index, "asked"),
                    at_most=True,
                    inherited=_inherited(parents),
                )
            )
    return asks


def calls_per_row(settings: Section) -> dict[str, float]:
    """Return the calls for a row: one for the question, sometimes a second one, and those of the reasoner that confirm it."""
    own = settings if isinstance(settings, ComposeSettings) else ComposeSettings()
    return {WRITER: 1.1} | ({"reasoner": own.confirmations + 0.1} if own.trusted else {})


def _inherited(parents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the columns of a row from its parents: what they agree on, and all of their concepts."""
    same = {
        name: parents[0][name]
        for name in ("source", "license", "domain")
        if len({row[name] for row in parents}) == 1
    }
    concepts = dict.fromkeys(name for row in parents for name in row["concepts"] or ())
    return {name: value for name, value in same.items() if value} | {"concepts": list(concepts)}


def _library(rows: Sequence[Mapping[str, Any]]) -> list[LibraryFunction]:
    functions = []
    for row in rows:
        if number_of(answer_of(dict(row))) is None:
            continue
        try:
            functions.append(function_of(row["question"], row["solution"], row["problem_id"]))
        except NotLifted:
            continue
    return functions


def converse(ask: Ask, endpoints: Mapping[str, Endpoint]) -> Conversation[list[Item]]:
    """Return the conversation of a graph: its functions and its draws in the sandbox, a call for the question, then the whole program."""
    try:
        graph = _graph(ask)
    except NotLifted as error:
        return _refused(Code.NOT_A_TEMPLATE, str(error))
    kinds = yield from _observed(graph, ask)
    if isinstance(kinds, str):
        return _refused(Code.NOT_A_TEMPLATE, kinds)
    rng = rng_of(ask.seed, prompt)
    originals = [number_of(one["answer"]) or Fraction() for one in ask.variables["functions"]]
    good: list[tuple[DrawnValues, list[Fraction]]] = []
    for _ in range(BATCHES):
        left = yield from _promising(graph, [drawn_values(graph, rng) for _ in range(TRIALS)], originals)
        while left and not _enough(good):
            trials, left = left[:LEAST], left[LEAST:]
            results = yield from _executed(graph, trials, kinds, originals)
            good += [
                (values, computed)
                for values, computed in zip(trials, results, strict=True)
                if computed is not None and all(values != other for other, _ in good)
            ]
        if _enough(good):
            break
    if len(good) < LEAST:
        return _refused(Code.DEGENERATE, "too few draws keep its numbers what they are")
    if not _enough(good):
        return _refused(Code.DEGENERATE, "its answer does not depend on its numbers")
    values, computed = good[0]
    if why := (yield from _unneeded(graph, values, computed)):
        return _refused(Code.DEGENERATE, why)
    program = graph.program(values)
    (whole,) = yield from executions([program], twice=True)
    if whole.verdict != "ok" or number_of(whole.answer) != computed[-1] or whole.deterministic is False:
        return _refused(Code.DEGENERATE, "its program does not give what its functions give one by one")
    return (yield from _written(ask, endpoints, graph, values, computed, program, str(whole.answer).strip()))


def _written(
    ask: Ask,
    endpoints: Mapping[str, Endpoint],
    graph: FunctionGraph,
    values: DrawnValues,
    results: Sequence[Fraction],
    program: str,
    answer: str,
) -> Conversation[list[Item]]:
    """Return the item with the question that the model writes, or why it is none."""
    writer = endpoints[WRITER]
    steps = steps_of(graph, values)
    words = prompts.load(prompt, ask.language, writer.prompts)
    refused = _refused(Code.MALFORMED_ITEM, "no reply")
    for attempt in range(MOST_WRITTEN):
        request = request_of_prompt(
            words, {"steps": steps}, model=writer.model, seed=ask.seed, tag=prompt, sample_index=attempt
        )
        (completion,) = yield from completions([request])
        reply = read(completion.text or "")
        if reply.code is not None:
            refused = [reply]
            continue
        if why := fault_in(reply.question, steps, results[:-1]):
            refused = _refused(Code.NOT_THE_GRAPH, why)
            continue
        given = ask.variables
        trusted = given["confirmations"] > 0
        if trusted and (
            others := (yield from _unconfirmed(ask, endpoints["reasoner"], reply.question, answer))
        ):
            return [Item(code=Code.NOT_CONFIRMED, values={"answer": ", ".join(others), "reference": answer})]
        stated = {f"{LETTERS[place]}.{name}": str(value) for (place, name), value in values.items()}
        return [
            replace(
                reply,
                solution=program,
                solution_format="pot",
                solution_by="procedure" if trusted else None,
                answer=answer,
                reference_answer=answer if trusted else None,
                derived_from=tuple(one["parent"] for one in given["functions"]),
                params={
                    "shape": graph.shape,
                    "functions": [one["parent"] for one in given["functions"]],
                    "links": given["links"],
                    "values": stated,
                },
            )
        ]
    return refused


def _unconfirmed(ask: Ask, reasoner: Endpoint, question: str, answer: str) -> Conversation[list[str]]:
    """Have the reasoner solve the question, and return nothing if enough of its answers are that of the graph, else its answers, "none" for
    a solution without one. One solution may be wrong: it is asked for one more where that can decide."""
    template = prompts.load(SOLVED_BY, ask.language, reasoner.prompts)
    needed: int = ask.variables["confirmations"]
    answers: list[str | None] = []
    agreeing = 0
    for count in (needed, 1):
        replies = yield from completions(
            [
                request_of_prompt(
                    template,
                    {"question": question},
                    model=reasoner.model,
                    seed=seed_of(ask.seed, "confirmed", number),
                    tag=prompt,
                    sample_index=number,
                )
                for number in range(len(answers), len(answers) + count)
            ],
            role="reasoner",
        )
        new = [_answer_of(completion, ask.language, reasoner) for completion in replies]
        judged = yield from comparisons([(one, answer) for one in new if one is not None])
        agreeing += judged.count("equal")
        answers += new
        if agreeing >= needed:
            return []
        if agreeing < needed - 1:
            break
    return [one or "none" for one in answers]


def _answer_of(completion: Completion, language: str, reasoner: Endpoint) -> str | None:
    """Return the final answer of a solution, None if it has none or its call failed by the model's own fault."""
    if completion.error is not None:
        return None
    reply = reply_of(completion, reasons=reasoner.sampling.reasoning)
    words = in_words(reply, language, cut=cut_off(completion, reply))
    return words.answer if words.code is None else None


def read(text: str) -> Item:
    """Return the question of a completion, or the reason why it has none."""
    reply = single(text, ComposedProblem, key="composed")
    if isinstance(reply, ReplyFault):
        return malformed(reply)
    if not reply.sound:
        return malformed(OWN_CHECK_FAILED)
    return Item(solution_of(reply.composed).strip())


def _graph(ask: Ask) -> FunctionGraph:
    given = ask.variables
    functions = tuple(
        function_of(one["question"], one["program"], one["parent"]) for one in given["functions"]
    )
    return FunctionGraph(functions, tuple(Link(*link) for link in given["links"]))


def _observed(graph: FunctionGraph, ask: Ask) -> Conversation[list[ValueKinds] | str]:
    """Return the kinds of the values that each function computes with its own numbers, or why they cannot be had."""
    own = [one.template.program(one.template.original) for one in graph.functions]
    watched = [recording(one.template) for one in graph.functions]
    results = yield from executions([*own, *watched])
    every: list[ValueKinds] = []
    for place, given in enumerate(ask.variables["functions"]):
        result, recorded = results[place], results[len(own) + place]
        if result.verdict != "ok" or number_of(result.answer) != number_of(given["answer"]):
            return "a program does not give the answer of its row"
        kinds = kinds_in(recorded.stdout or "") if recorded.verdict == "ok" else None
        if kinds is None:
            return "a program cannot be observed"
        every.append(kinds)
    return every


def _enough(good: Sequence[tuple[DrawnValues, Sequence[Fraction]]]) -> bool:
    """Return whether enough draws have passed, and not all with one answer."""
    return len(good) >= LEAST and vary([computed[-1] for _, computed in good])


def _promising(
    graph: FunctionGraph, trials: Sequence[DrawnValues], originals: Sequence[Fraction]
) -> Conversation[list[DrawnValues]]:
    """Return the draws whose results fit each other by one execution of all of them. Most draws do not, and each of the others takes one
    with guards per function. A draw of which nothing is known is one of the others."""
    (tried,) = yield from executions([graph.trials(trials)])
    known = graph.tried(tried.stdout or "") if tried.verdict == "ok" else {}

    def fit(texts: Sequence[str]) -> bool:
        results = [value for text in texts if (value := number_of(text)) is not None]
        return len(results) == len(graph.functions) and all(
            _accepted(graph, place, results) and same_type(results[place], originals[place])
            for place in range(len(results))
        )

    return [values for number, values in enumerate(trials) if number not in known or fit(known[number])]


def _accepted(graph: FunctionGraph, place: int, results: Sequence[Fraction]) -> bool:
    """Return whether the results before a function can stand for the parameters that they are linked with."""
    parameters = {one.name: one for one in graph.functions[place].template.parameters}
    return all(fits(results[source], parameters[name]) for name, source in graph.linked(place).items())


def _executed(
    graph: FunctionGraph,
    trials: Sequence[DrawnValues],
    kinds: Sequence[ValueKinds],
    originals: Sequence[Fraction],
) -> Conversation[list[list[Fraction] | None]]:
    """Return the results of all functions for each draw; None for one in which a number is not what it was or does not fit."""
    results: list[list[Fraction] | None] = [[] for _ in trials]
    for place, function in enumerate(graph.functions):
        linked = graph.linked(place)
        parameters = {one.name: one for one in function.template.parameters}
        alive: list[tuple[int, str]] = []
        for number, (values, so_far) in enumerate(zip(trials, results, strict=True)):
            if so_far is None:
                continue
            if not _accepted(graph, place, so_far):
                results[number] = None
                continue
            filled = {
                name: so_far[linked[name]] if name in linked else values[place, name] for name in parameters
            }
            alive.append((number, guarded(function.template.program(filled), kinds[place])))
        executed = yield from executions([program for _, program in alive])
        for (number, _), result in zip(alive, executed, strict=True):
            value = number_of(result.answer) if result.verdict == "ok" else None
            so_far = results[number]
            if value is None or so_far is None or not same_type(value, originals[place]):
                results[number] = None
            else:
                so_far.append(value)
    return results


def _unneeded(
    graph: FunctionGraph, values: DrawnValues, results: Sequence[Fraction]
) -> Conversation[str | None]:
    """Return why the answer does not need each link: it is the same with another number in its place, or it is that number."""
    changed = []
    for link in graph.links:
        function, linked = graph.functions[link.target], graph.linked(link.target)
        filled = {
            one.name: results[linked[one.name]] if one.name in linked else values[link.target, one.name]
            for one in function.template.parameters
        }
        changed.append(function.template.program(filled | {link.name: filled[link.name] + 1}))
    for link, result in zip(graph.links, (yield from executions(changed)), strict=True):
        if result.verdict == "ok" and number_of(result.answer) == results[link.target]:
            return "the result of one of its functions does not matter"
        if results[link.source] == results[link.target]:
            return "one of its functions changes nothing"
    return None


def _refused(code: Code, why: str) -> list[Item]:
    return [Item(code=code, values={"why": why})]
