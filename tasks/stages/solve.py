"""The stage `solve`: k samples per question, some in words (CoT), some as programs (PoT), some interleaved (TIR).

CoT and PoT complement each other (MAmmoTH, arXiv:2309.05653): CoT reasons in words, PoT computes in a program. `pot_share`
decides which samples are programs, so that every question has both formats; `route` lets the share follow the question.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator

import prompts
from prompts import Prompt
from prompts.asking_again import ReplyFault
from storage.interleaved import EXECUTED, TIR
from storage.reasons import Code, reason
from storage.rows import ABSTAINED, GRAPH, SOLUTION_BY, Row, column, content_id, to_table
from tasks.answers import Judge
from tasks.canaries.questions import judged_samples, with_canaries, wrong
from tasks.conversations import WRITER, Held, converse, request_of_prompt
from tasks.format_shares import LearntShares, score_range, shared_out
from tasks.interleaving import Interleaving, interleaved
from tasks.llm.costs import RoleCosts
from tasks.llm.endpoint import Endpoint
from tasks.llm.engine import Engine
from tasks.llm.request import Completion, Request
from tasks.replies.programs import program
from tasks.replies.solutions import Removed, read
from tasks.replies.words import cut_off, in_words, reply_of, unfinished
from tasks.routing import computation, routed, rule_shares, with_interleaved
from tasks.sandbox import Sandbox
from tasks.seeding import seed_of
from tasks.settings import Section, Share
from tasks.splitting import PROMPT, MarkedPart, by_model, by_rule, formats_of_split, is_unsure
from tasks.stages.outcome import Outcome, Tick
from tasks.stages.verify import VerifySettings, verify
from tasks.voting import StoppingRule, from_rows

STAGE = "solve"
KEPT_PARAMS = (GRAPH,)  # entries of the params of a question that its samples have as well
STRATEGIES = (
    "direct",
    "define",
    "backwards",
    "estimate",
)  # of solutions in words, as prompts/solve_cot names them


LEAST_ERROR = 0.05  # of adaptive sampling; in simulation, less was not kept (docs/log.md)


class SolveSettings(Section, title="Solve"):
    samples: int = Field(4, ge=1, le=64, description="solutions of each question")
    pot_share: Share = Field(0.5, description="share of them that are programs")
    tir_share: Share = Field(
        0.0,
        description="share of all solutions that are interleaved: words, a program, what it prints, words; several calls each",
    )
    route: Share = Field(
        0.0,
        description="how far the share of programs of a question may be from pot_share: more programs where its text and subdomain "
        "expect computation, fewer where they expect an argument; 0: all questions have the same",
    )
    split: Literal["off", "rule", "rule, then model"] = Field(
        "off",
        description="decide the formats of a question by which of its parts are logic and which are computation, marked by a rule, or "
        "by a call of the reasoner where the rule is unsure; where something is marked, pot_share, tir_share and route are not read",
    )
    learn: Share = Field(
        0.0,
        description="how strongly the shares of the formats follow which format was right on earlier questions with known answers; "
        "every format keeps half of its share at least; 0: not at all",
    )
    adaptive: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="request two solutions first, and more only while the answer is wrong with more than this "
        "probability, 0.05 or more; 0: request all of them",
    )
    canaries: int = Field(
        2,
        ge=0,
        le=50,
        description="questions with a known answer that are hidden among those of each shard, one per 20 questions at most; "
        "0: none",
    )
    without_sandbox: Literal["refuse", "words only"] = Field(
        "refuse", description="what to do where programs cannot be isolated"
    )

    @field_validator("adaptive")
    @classmethod
    def _measured(cls, error: float) -> float:
        if 0 < error < LEAST_ERROR:
            raise ValueError(f"{error:g} is less than {LEAST_ERROR:g}, the least error that the rule keeps")
        return error


def formats_of(
    settings: SolveSettings,
    question: str,
    problem_id: str,
    subdomain: str | None,
    marks: Sequence[MarkedPart] = (),
    learnt: LearntShares | None = None,
) -> list[str]:
    """Return the format of each sample of a question, `cot`, `pot` or `tir`; see tasks/routing.py, for a question with marked
    parts tasks/splitting.py, and with `learnt` tasks/format_shares.py."""
    if split := formats_of_split(marks, settings.samples, problem_id):
        return split
    if learnt is not None:
        score = computation(question, subdomain)
        rule = rule_shares(settings.pot_share, settings.tir_share, settings.route, score)
        shares = learnt.shares(rule, (subdomain or "", score_range(score)))
        return shared_out(shares, settings.samples, problem_id)
    kinds = routed(settings.samples, settings.pot_share, settings.route, question, problem_id, subdomain)
    return with_interleaved(kinds, settings.tir_share, problem_id)


def strategy(problem_id: str, kinds: Sequence[str], index: int) -> str:
    """Return the strategy of a sample in words: the samples of a question differ in it, and questions begin with different
    ones."""
    return STRATEGIES[(seed_of("strategy", problem_id) + list(kinds[:index]).count("cot")) % len(STRATEGIES)]


def solve(
    questions: pa.Table,
    *,
    engine: Engine,
    settings: SolveSettings,
    seed: int,
    tick: Tick,
    stopping: StoppingRule | None = None,
    blind: bool = False,
    own: bool = False,
    sandbox: Sandbox | None = None,
    judge: Judge | None = None,
    known: pa.Table | None = None,
    error: float | None = None,
    learnt: LearntShares | None = None,
) -> Outcome:
    """Return `samples` rows per question, or as many as `stopping` asks for, in rounds.

    own: whether a solution that a question comes with is one of its solutions. Its row is then returned as it is, before the
    others, and a question whose solution no model wrote (verdict SOLUTION_BY) gets no others.
    With `settings.canaries`, questions with known answers are hidden among these (tasks/canaries/questions.py), taken from the rows
    `known` and the problem families; `error` is the share of the night's known questions that the reasoner gets wrong.
    Of a `blind` table, whose answers are all known, the fact `known` has the numbers of wrong ones and of all. `learnt`: the shares of
    the formats by what was right before, in place of those of the rule.
    """

    def sampled(questions: pa.Table, engine: Engine, tick: Tick) -> Outcome:
        return _sampled(
            questions,
            engine=engine,
            settings=settings,
            seed=seed,
            tick=tick,
            stopping=stopping,
            blind=blind,
            own=own,
            sandbox=sandbox,
            judge=judge,
            learnt=learnt,
        )

    if judge is None or not settings.canaries:
        return sampled(questions, engine, tick)
    if blind:
        outcome = sampled(questions, engine, tick)
        return replace(
            outcome, facts=outcome.facts | {"known": wrong(judged_samples(outcome.rows, sandbox, judge))}
        )
    return with_canaries(
        questions,
        sampled,
        stage=STAGE,
        engine=engine,
        known=known,
        asked=_to_ask(questions, own),
        count=settings.canaries,
        samples=settings.samples,
        error=error,
        sandbox=sandbox,
        judge=judge,
        tick=tick,
    )


def _sampled(
    questions: pa.Table,
    *,
    engine: Engine,
    settings: SolveSettings,
    seed: int,
    tick: Tick,
    stopping: StoppingRule | None,
    blind: bool,
    own: bool,
    sandbox: Sandbox | None,
    judge: Judge | None,
    learnt: LearntShares | None,
) -> Outcome:
    """Return the samples of the questions, as `solve` does without canaries.

    A call that failed is a failed row, a completion without an answer or a program a rejected one. Samples
    of a question stay together, and the verdict ABSTAINED of each says how many of them had no answer or
    program, since later stages see only the others. Between two rounds the stage `verify`, with this sandbox and judge,
    counts the votes; `blind` hides the trusted answers from them. A question with a deferred call gets no further round
    in this run: its votes are not complete.
    """
    solved = pc.is_valid(questions.column("solution")).to_pylist() if own else [False] * questions.num_rows
    records = questions.to_pylist()
    most = settings.samples
    endpoint = engine.endpoint
    costs = RoleCosts.of(endpoint)
    open_ = _to_ask(questions, own)
    marks = _split([records[i] for i in open_], engine, settings, seed, costs)
    kinds = [
        formats_of(
            settings,
            record["question"],
            record["problem_id"],
            record["subdomain"],
            marks.get(record["id"], ()),
            learnt,
        )
        for record in records
    ]
    removed = Removed()
    samples: list[list[Row]] = [[] for _ in records]
    abstained = [0] * len(records)
    tick((len(records) - len(open_)) * most)
    asked = sum(solved)
    for first, end in stopping.rounds(most) if stopping else [(0, most)]:
        interleavings = _interleaved(records, kinds, open_, first, end, engine, sandbox, seed, costs)
        completions = engine.run(
            _requests([(records[i], kinds[i]) for i in open_], first, end, endpoint, seed)
        )
        deferred = set()
        for i in open_:
            for index in range(first, end):
                if kinds[i][index] == TIR:
                    held = interleavings[i, index]
                    asked_of = engine.endpoint if held.last is None else engine.asked_of(held.last)
                    row = _row_of_interleaving(records[i], index, held, asked_of)
                    abstained[i] += row.reason is not None and held.result is not None
                    later = held.deferred
                else:
                    completion = next(completions)
                    costs.add(completion)
                    asked_of = engine.asked_of(completion)
                    row = row_of_sample(
                        records[i],
                        kinds[i][index],
                        index,
                        completion,
                        asked_of,
                        removed,
                        prompts.load(f"solve_{kinds[i][index]}", records[i]["language"], asked_of.prompts),
                        stage=STAGE,
                    )
                    abstained[i] += row.reason is not None and (
                        completion.error is None or completion.failed_by_model
                    )
                    later = completion.deferred
                if later:
                    deferred.add(i)
                if more := {**_kept_params(records[i]), **_marks(marks.get(records[i]["id"], ()))}:
                    row.params = orjson.dumps({**orjson.loads(row.params or "{}"), **more}).decode()
                samples[i].append(row)
                tick(1)
            _count_abstentions(samples[i], abstained[i])
        asked += len(open_) * (end - first)
        if stopping is None or judge is None or end == most:
            continue
        complete = [i for i in open_ if i not in deferred]
        again = _undecided(
            [samples[i] for i in complete],
            stopping,
            [kinds[i][end:] for i in complete],
            sandbox=sandbox,
            judge=judge,
            blind=blind,
        )
        still_open = [i for i, more in zip(complete, again, strict=True) if more]
        tick((len(open_) - len(still_open)) * (most - end))
        open_ = still_open
    rows = to_table(row for group in samples for row in group)
    if any(solved):
        rows = pa.concat_tables([questions.filter(pa.array(solved)), rows])
    return Outcome(rows, asked=asked, facts=costs.facts() | removed.facts())


def _to_ask(questions: pa.Table, own: bool) -> list[int]:
    """Return the questions that a model is asked: those that come with no solution of their own that no model wrote."""
    solved = pc.is_valid(questions.column("solution")).to_pylist()
    return [
        i
        for i, verdicts in enumerate(column(questions, "verdicts"))
        if not (own and solved[i] and SOLUTION_BY in dict(verdicts or ()))
    ]


def _requests(
    asked: list[tuple[dict[str, Any], list[str]]], first: int, end: int, endpoint: Endpoint, seed: int
) -> Iterator[Request]:
    for record, kinds in asked:
        for index in range(first, end):
            if kinds[index] != TIR:
                yield _request(record, kinds, index, endpoint, seed)


def _split(
    records: Sequence[dict[str, Any]], engine: Engine, settings: SolveSettings, seed: int, costs: RoleCosts
) -> dict[str, list[MarkedPart]]:
    """Return the marked parts of the questions by id, if the settings ask for them. Where the model gives no usable marks, those of
    the rule count."""
    if settings.split == "off":
        return {}
    marks = {record["id"]: by_rule(record["question"]) for record in records}
    if settings.split == "rule":
        return marks
    unsure = [record for record in records if is_unsure(marks[record["id"]])]
    requests = []
    for record in unsure:
        prompt = prompts.load(PROMPT, record["language"], engine.endpoint.prompts)
        requests.append(
            request_of_prompt(
                prompt,
                {"question": record["question"]},
                model=engine.endpoint.model,
                seed=seed_of(seed, PROMPT, record["problem_id"]),
                tag=STAGE,
            )
        )
    for record, completion in zip(unsure, engine.run(requests), strict=True):
        costs.add(completion)
        read_marks = by_model(completion.text or "", record["question"])
        if completion.error is None and not isinstance(read_marks, ReplyFault):
            marks[record["id"]] = read_marks
    return marks


def _kept_params(question: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a question's params that its samples have as well."""
    params = orjson.loads(question["params"] or "{}")
    return {name: params[name] for name in KEPT_PARAMS if name in params}


def _marks(marks: Sequence[MarkedPart]) -> dict[str, Any]:
    """Return the marked parts of a question as an entry of params, nothing without any."""
    return {"split": [[mark.start, mark.end, mark.kind] for mark in marks]} if marks else {}


def _interleaved(
    records: list[dict[str, Any]],
    kinds: list[list[str]],
    open_: list[int],
    first: int,
    end: int,
    engine: Engine,
    sandbox: Sandbox | None,
    seed: int,
    costs: RoleCosts,
) -> dict[tuple[int, int], Held[Interleaving]]:
    """Return what became of the interleaved samples `first` to `end` of the open questions, by question and sample."""
    places = [(i, index) for i in open_ for index in range(first, end) if kinds[i][index] == TIR]
    endpoint = engine.endpoint
    conversations = []
    for i, index in places:
        prompt = prompts.load(f"solve_{TIR}", records[i]["language"], endpoint.prompts)
        conversations.append(
            interleaved(
                prompt,
                {"question": records[i]["question"]},
                model=endpoint.model,
                seed=seed_of(seed, STAGE, records[i]["problem_id"], index),
                tag=STAGE,
                sample_index=index,
            )
        )
    held = converse(
        conversations, {WRITER: engine}, sandbox=sandbox, seen=lambda role, completion: costs.add(completion)
    )
    return dict(zip(places, held, strict=True))


def _row_of_interleaving(
    record: dict[str, Any], index: int, held: Held[Interleaving], endpoint: Endpoint
) -> Row:
    """Return the row of an interleaved sample; a failure of ours is a failed row."""
    done = held.result or Interleaving(code=held.code, values=held.values)
    temperature = endpoint.sampling.temperature
    prompt = prompts.load(f"solve_{TIR}", record["language"], endpoint.prompts)
    key = held.last.key if held.last is not None else content_id(record["id"], TIR, str(index))
    return _sample(
        record,
        endpoint,
        solution=done.solution or None,
        solution_format=TIR,
        id=_sample_id(record, done.solution or key, done.reasoning),
        reasoning=done.reasoning,
        answer=done.answer,
        prompt=prompt.ref,
        params=orjson.dumps(
            {
                "completion": key,
                "completions": list(done.completions),
                "temperature": prompt.front.temperature if temperature is None else temperature,
            }
        ).decode(),
        sample_index=index,
        reason=None if done.code is None else reason(STAGE, done.code, **done.values),
    )


def _count_abstentions(samples: list[Row], abstained: int) -> None:
    """Write the verdict ABSTAINED of a question's samples. None of them has SOLUTION_BY: a model wrote them."""
    for row in samples:
        # they may be left from an earlier night, if the question is one of its rows
        row.verdicts.pop(ABSTAINED, None)
        row.verdicts.pop(SOLUTION_BY, None)
        if abstained:
            row.verdicts[ABSTAINED] = str(abstained)


def _undecided(
    samples: list[list[Row]],
    stopping: StoppingRule,
    left: list[list[str]],
    *,
    sandbox: Sandbox | None,
    judge: Judge,
    blind: bool,
) -> list[bool]:
    """Return for each question whether it needs more samples, by the votes that the stage `verify` counts. `left`: the formats
    of the samples that each may still get."""
    usable = [(i, row) for i, group in enumerate(samples) for row in group if row.reason is None]
    rows = verify(
        to_table(row for _, row in usable),
        sandbox=sandbox,
        judge=judge,
        calibration=stopping.calibration,
        settings=VerifySettings(),
        blind=blind,
        tick=lambda count: None,
    )
    votes = from_rows(rows)
    if blind:
        votes = replace(votes, reference=np.zeros(len(votes)))
    question = [i for i, _ in usable]
    programs = [sum(kind in EXECUTED for kind in kinds) for kinds in left]
    undecided = stopping.undecided(votes, question, len(samples), len(left[0]) if left else 0, programs)
    return [bool(more) for more in undecided]


def _request(
    record: dict[str, Any], kinds: Sequence[str], index: int, endpoint: Endpoint, seed: int
) -> Request:
    kind = kinds[index]
    prompt = prompts.load(f"solve_{kind}", record["language"], endpoint.prompts)
    return Request(
        messages=prompt.messages(
            question=record["question"], strategy=strategy(record["problem_id"], kinds, index)
        ),
        model=endpoint.model,
        temperature=prompt.front.temperature,
        top_p=prompt.front.top_p,
        max_tokens=prompt.front.max_tokens,
        longer=prompt.front.longer,
        seed=seed_of(seed, STAGE, record["problem_id"], index),
        sample_index=index,
        tag=STAGE,
    )


def row_of_sample(
    record: dict[str, Any],
    kind: str,
    index: int,
    completion: Completion,
    endpoint: Endpoint,
    removed: Removed,
    prompt: Prompt | None,
    *,
    stage: str,
    temperature: float | None = None,
) -> Row:
    """Return the row of a sample of the format `kind`, `cot` or `pot`, of the question `record`.

    prompt: that was sent; None for the question alone. temperature: in place of the prompt's. stage: which a reason names.
    """
    sampling = endpoint.sampling
    removed.add(read(completion.text or "", completion.reasoning))
    reply = reply_of(completion, reasons=sampling.reasoning)
    text, answer, rejected = reply.solution.strip() if kind == "cot" else reply.solution, None, None
    cut = cut_off(completion, reply)
    if completion.error is not None:
        rejected = reason(stage, Code.CALL_FAILED, error=completion.error, kind=completion.kind)
    elif kind == "cot":
        words = in_words(reply, record["language"], cut=cut)
        text, answer = words.text, words.answer
        if words.closed:
            removed.add_closed_box()
        if words.code is not None:
            rejected = reason(stage, words.code)
    elif unfinished(reply, cut=cut):
        rejected = reason(stage, Code.UNFINISHED_THINKING)
    else:
        code = program(text, cut=cut)
        if code is None:
            rejected = reason(stage, Code.NO_PROGRAM)
        else:
            text = code
    if temperature is None and prompt is not None:
        temperature = prompt.front.temperature
    if sampling.temperature is not None:
        temperature = sampling.temperature
    return _sample(
        record,
        endpoint,
        id=_sample_id(record, text or completion.key, reply.thinking),
        reasoning=reply.thinking,
        solution=text or None,
        solution_format=kind,
        answer=answer,
        prompt=None if prompt is None else prompt.ref,
        params=orjson.dumps({"completion": completion.key, "temperature": temperature}).decode(),
        sample_index=index,
        reason=rejected,
    )


def _sample_id(record: dict[str, Any], text: str, reasoning: str | None) -> str:
    """Return the id of a sample: equal solutions after different reasoning are different rows."""
    return content_id(
        record["language"], record["question"], text, *([reasoning] if reasoning is not None else [])
    )


def _sample(record: dict[str, Any], endpoint: Endpoint, **columns: Any) -> Row:
    """Return the row of a sample, with what it has from its question."""
    return Row(
        question=record["question"],
        language=record["language"],
        problem_id=record["problem_id"],
        reference_answer=record["reference_answer"],
        domain=record["domain"],
        subdomain=record["subdomain"],
        source=record["source"],
        license=record["license"],
        method=record["method"],
        model=endpoint.model,
        parent_ids=[record["id"]],
        concepts=record["concepts"],
        verdicts=dict(record["verdicts"] or ()),
        difficulty=record["difficulty"],
        **columns,
    )
