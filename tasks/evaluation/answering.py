"""Ask a model benchmark items, k samples each, and judge its answers: the stage of every evaluation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

import prompts
from storage.reasons import Code, cells, reason
from tasks.answers import Judge, group_all
from tasks.evaluation.items import SCHEMA
from tasks.llm.costs import RoleCosts
from tasks.llm.endpoint import Endpoint
from tasks.llm.engine import Engine
from tasks.llm.request import Completion, Request
from tasks.plugins import module
from tasks.sandbox import Sandbox
from tasks.seeding import seed_of
from tasks.stages.outcome import Outcome, Tick

STAGE = "evaluate"
LIKELIHOOD = "likelihood"  # the form of items whose options are scored instead of asked for
ANSWERED = (
    SCHEMA.append(pa.field("answers", pa.list_(pa.string())))
    .append(pa.field("texts", pa.list_(pa.string())))  # the completions; null: the call failed
    .append(pa.field("right", pa.list_(pa.bool_())))  # null: not comparable with the trusted answer
    .append(pa.field("unknown", pa.int32()))  # samples that could not be compared
    .append(pa.field("unanswered", pa.int32()))  # samples without an answer
    .append(pa.field("cut", pa.int32()))  # samples that the token limit cut off
    .append(pa.field("score", pa.float64()))  # pass@1: the share of samples that are known to be right
    .append(pa.field("majority", pa.bool_()))  # maj@k: whether the most frequent answer is right
)


@dataclass(frozen=True, slots=True)
class Asking:
    """How items are asked: `samples` per item at `temperature`. With `bare` the question is sent alone, as in training data,
    without the instructions of a prompt. `max_tokens` 0 means the limit of the prompt."""

    samples: int = 1
    temperature: float = 0.0
    bare: bool = False
    max_tokens: int = 0


def answer_items(
    items: pa.Table,
    *,
    engine: Engine,
    judge: Judge,
    asking: Asking,
    seed: int,
    tick: Tick,
    sandbox: Sandbox | None = None,
) -> Outcome:
    """Return the items (tasks.evaluation.items.SCHEMA) with the model's answers and their scores (ANSWERED).

    An item for which a call failed through no fault of the model is a failed row and has no score. An answer that cannot be
    compared with the trusted one counts as not right in `score` and `majority`, as in published evaluations, and is also
    counted in `unknown`, since it is not known to be wrong. A sample without an answer counts as not right and is also counted
    in `unanswered`.
    """
    records: list[dict[str, Any]] = items.to_pylist()
    forms = {name: module("tasks.evaluation.forms", name) for name in {record["form"] for record in records}}
    costs = RoleCosts.of(engine.endpoint)
    completions = engine.run(_requests(records, forms, engine.endpoint, asking, seed))
    sampled: list[list[Completion]] = []
    for _ in records:
        sampled.append([next(completions) for _ in range(asking.samples)])
        for completion in sampled[-1]:
            costs.add(completion)
        tick(1)
    answers: list[list[str | None]] = [[] for _ in records]
    right: list[list[bool | None]] = [[] for _ in records]
    for name, form in forms.items():
        chosen = [i for i, record in enumerate(records) if record["form"] == name]
        repeated = [records[i] for i in chosen for _ in range(asking.samples)]
        texts = [completion.text or "" for i in chosen for completion in sampled[i]]
        cut = [completion.finish_reason == "length" for i in chosen for completion in sampled[i]]
        extracted = form.answers(repeated, texts, cut=cut, judge=judge, sandbox=sandbox)
        judged = form.right(repeated, extracted, judge=judge)
        for place, i in enumerate(chosen):
            part = slice(place * asking.samples, (place + 1) * asking.samples)
            answers[i], right[i] = extracted[part], judged[part]
    majority = _majority(answers, right, judge)
    for i, record in enumerate(records):
        failed = next(
            (completion for completion in sampled[i] if completion.error and not completion.failed_by_model),
            None,
        )
        record |= {
            "answers": answers[i],
            "texts": [completion.text for completion in sampled[i]],
            "right": right[i],
            "unknown": 0 if failed else right[i].count(None),
            "unanswered": 0 if failed else answers[i].count(None),
            "cut": sum(completion.finish_reason == "length" for completion in sampled[i]),
            "score": None if failed else right[i].count(True) / asking.samples,
            "majority": None if failed else majority[i],
            **cells(
                reason(STAGE, Code.CALL_FAILED, error=failed.error, kind=failed.kind) if failed else None
            ),
        }
    return Outcome(pa.Table.from_pylist(records, ANSWERED), asked=len(records), facts=costs.facts())


def by_stage(items: pa.Table) -> dict[str, pa.Table]:
    """Return the items by what answers them: "words", "programs" (which need a sandbox), and "likelihood"."""
    forms = pc.unique(items.column("form")).to_pylist()
    programs = [
        name
        for name in forms
        if name != LIKELIHOOD and getattr(module("tasks.evaluation.forms", name), "runs_programs", False)
    ]
    kinds = {"likelihood": [LIKELIHOOD], "programs": programs}
    kinds = {"words": [name for name in forms if name not in [*programs, LIKELIHOOD]], **kinds}
    return {
        kind: items.filter(pc.is_in(items.column("form"), pa.array(names, pa.string())))
        for kind, names in kinds.items()
    }


def prompt_refs(items: pa.Table, *, bare: bool, overlay: Path | None = None) -> dict[str, str]:
    """Return, per form and language, the prompt of its items with its version."""
    refs = {}
    for form, language in sorted(set(zip(items.column("form").to_pylist(), items.column("language").to_pylist(), strict=True))):  # fmt: skip
        if form == LIKELIHOOD:
            refs[f"{form}.{language}"] = "the question and each option"
            continue
        module_of_form = module("tasks.evaluation.forms", form)
        plain = bare and hasattr(module_of_form, "bare")
        refs[f"{form}.{language}"] = (
            "the question alone" if plain else prompts.load(module_of_form.prompt, language, overlay).ref
        )
    return refs


def _requests(
    records: Sequence[Mapping[str, Any]],
    forms: Mapping[str, ModuleType],
    endpoint: Endpoint,
    asking: Asking,
    seed: int,
) -> Iterator[Request]:
    for record in records:
        form = forms[record["form"]]
        prompt = prompts.load(form.prompt, record["language"], endpoint.prompts)
        front = prompt.front
        if asking.bare and hasattr(form, "bare"):
            messages = [{"role": "user", "content": form.bare(record)}]
        else:
            messages = prompt.messages(**form.shown(record))
        for index in range(asking.samples):
            yield Request(
                messages=messages,
                model=endpoint.model,
                temperature=asking.temperature,
                top_p=front.top_p,
                max_tokens=asking.max_tokens or front.longer or front.max_tokens,
                # not more than that, unless the model was cut off while it was thinking
                longer=None if asking.max_tokens else front.longer or front.max_tokens,
                seed=seed_of(seed, STAGE, record["id"], index),
                sample_index=index,
                response_schema=prompt.response_schema,
                tag=STAGE,
            )


def _majority(answers: list[list[str | None]], right: list[list[bool | None]], judge: Judge) -> list[bool]:
    """Return whether the most frequent answer, or the first of several, is known to be right: maj@k (Wang et al. 2022,
    arXiv:2203.11171). If its samples spell it in several ways, one spelling that is known to be right suffices."""
    results = []
    for groups, judged in zip(group_all(answers, judge), right, strict=True):
        votes = Counter(c for c in groups.classes if c is not None)
        leading = votes.most_common(1)[0][0] if votes else None
        judgements = [judgement for c, judgement in zip(groups.classes, judged, strict=True) if c == leading]
        known = [judgement for judgement in judgements if judgement is not None]
        results.append(leading is not None and bool(known) and known[0])
    return results
