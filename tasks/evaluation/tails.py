"""Whether a model has seen a benchmark: it is given the beginning of each item and completes the rest (partial-prompt completion, after Golchin
and Surdeanu 2023, arXiv:2308.08493, and Wu et al. 2025, arXiv:2507.10532).

Who has learned the text of an item writes its end word for word; who has not can do so only where the end can be guessed. How often ends
can be guessed is measured on problems that were drawn just now, which no model has seen. A checkpoint continues the text itself; a
model behind an endpoint is asked to, through the ledger.

It does not see items that were learned in other words, or whose solutions alone were learned.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import prompts
from storage.counting import counted
from storage.markdown import inline
from storage.reasons import TYPE as REASON
from storage.reasons import Code, cells, reason
from storage.rows import kept
from tasks.evaluation.statistics import holm
from tasks.llm.costs import RoleCosts
from tasks.llm.engine import Engine
from tasks.llm.request import Completion, Request
from tasks.replies.solutions import read
from tasks.seeding import seed_of, seeds_of
from tasks.stages.outcome import Outcome, Tick

if TYPE_CHECKING:
    from tasks.training.completion import Completer

STAGE: Final = "tails"
PROMPT: Final = "complete_text"
SHARE: Final = 0.6  # of an item's words that are shown
LEAST_WORDS, LEAST_TAIL = 12, 5  # of an item and of its end; shorter ends are guessed by chance
MOST_TAIL: Final = 96  # tokens of an end; what follows is not compared
ALPHA: Final = 0.01
LEAST_EXCESS: Final = (
    0.05  # share of ends completed beyond that of new problems, below which nothing is reported
)
# tokens that are compared: a Chinese character, a run of letters and digits, another sign
_TOKEN: Final = re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+|[^\w\s]")
_WORD: Final = re.compile(r"[\u3400-\u9fff]|[^\s\u3400-\u9fff]+")
_FENCE: Final = re.compile(r"^\s*(?:```\w*\n|<\w+>\s*)|(?:\n```|\s*</\w+>)\s*$")

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("benchmark", pa.string()),
        ("language", pa.string()),
        ("head", pa.string()),
        ("tail", pa.string()),
        ("completion", pa.string()),
        ("exact", pa.bool_()),  # whether the end was written word for word
        (
            "overlap",
            pa.float64(),
        ),  # recall of ROUGE-L: the longest common subsequence of tokens over those of the end
        ("rejected", pa.string()),
        ("reason", REASON),
    ]
)


def tails_of(items: pa.Table, most: int, seed: int) -> pa.Table:
    """Return at most `most` beginnings and ends (SCHEMA, nothing completed yet) of each benchmark among the items.

    An item that is too short is left out, and so is one whose end other items of its benchmark have as well: it is a phrase of
    the benchmark, which can be guessed.
    """
    rows: list[dict[str, Any]] = []
    for name in sorted(pc.unique(items.column("benchmark")).to_pylist()):
        records = items.filter(pc.equal(items.column("benchmark"), name)).to_pylist()
        parted = [(record, parts) for record in records if (parts := halves(record["question"]))]
        ends = Counter(tuple(tokens(tail)) for _, (_, tail) in parted)
        chosen = [(record, parts) for record, parts in parted if ends[tuple(tokens(parts[1]))] == 1]
        order = np.argsort(seeds_of([seed, STAGE], [record["id"] for record, _ in chosen]), kind="stable")
        for place in order[:most]:
            record, (head, tail) = chosen[place]
            rows.append(
                {name: record[name] for name in ("id", "benchmark", "language")}
                | {"head": head, "tail": tail}
            )
    return pa.Table.from_pylist(rows, SCHEMA)


def halves(question: str) -> tuple[str, str] | None:
    """Return the beginning of a text and its end, cut between two words; None if it is too short."""
    words = list(_WORD.finditer(question))
    shown = round(SHARE * len(words))
    if len(words) < LEAST_WORDS or len(words) - shown < LEAST_TAIL:
        return None
    cut = words[shown - 1].end()
    return question[:cut], question[cut:].rstrip()


def tokens(text: str) -> list[str]:
    """Return the tokens of a text by which ends are compared, in small letters."""
    return _TOKEN.findall(text.lower())[:MOST_TAIL]


def complete_tails(items: pa.Table, *, engine: Engine, seed: int, tick: Tick) -> Outcome:
    """Return the items (SCHEMA) with the model's completions and how near they come to the ends.

    A call that failed is a failed row, without a judgement. A text that does not fit the model's context is one too.
    """
    records: list[dict[str, Any]] = items.to_pylist()
    costs = RoleCosts.of(engine.endpoint)
    if engine.endpoint.checkpoint is not None:
        from tasks.training.completion import Completer

        _continue(records, Completer.load(engine.endpoint.checkpoint), tick)
    else:
        for record, completion in zip(records, engine.run(_requests(records, engine, seed)), strict=True):
            costs.add(completion)
            _read(record, completion)
            tick(1)
    return Outcome(pa.Table.from_pylist(records, SCHEMA), asked=len(records), facts=costs.facts())


def _continue(records: Sequence[dict[str, Any]], model: Completer, tick: Tick) -> None:
    """Let a checkpoint continue the texts greedily, each for as many tokens as its end has."""
    context = int(getattr(model.model.config, "max_position_embeddings", None) or 1 << 20)
    by_length: dict[int, list[dict[str, Any]]] = {}
    for record in records:
        head = model.encode(record["head"])
        length = min(MOST_TAIL, len(model.encode(record["head"] + record["tail"])) - len(head)) + 4
        length = -(-length // 16) * 16  # ends of about one length are completed together
        if len(head) + length > context:
            why = reason(STAGE, Code.CALL_FAILED, error=f"the item exceeds the model's context of {counted(context, 'token')}", kind="context")  # fmt: skip
            record |= cells(why)
            tick(1)
        else:
            by_length.setdefault(length, []).append(record)
    for length, several in by_length.items():
        texts = model.complete([record["head"] for record in several], max_new_tokens=length)
        for record, (continuation,) in zip(several, texts, strict=True):
            _compare(record, continuation.text)
            tick(1)


def _requests(records: Sequence[Mapping[str, Any]], engine: Engine, seed: int) -> Iterator[Request]:
    for record in records:
        prompt = prompts.load(PROMPT, record["language"], engine.endpoint.prompts)
        front = prompt.front
        yield Request(
            messages=prompt.messages(head=record["head"]),
            model=engine.endpoint.model,
            temperature=front.temperature,
            top_p=front.top_p,
            max_tokens=front.max_tokens,
            longer=front.longer,
            seed=seed_of(seed, STAGE, record["id"]),
            tag=STAGE,
        )


def _read(record: dict[str, Any], completion: Completion) -> None:
    if completion.error and not completion.failed_by_model:
        record |= cells(reason(STAGE, Code.CALL_FAILED, error=completion.error, kind=completion.kind))
        return
    _compare(record, continuation(completion.text or "", record["head"]))


def continuation(text: str, head: str) -> str:
    """Return what a reply continues the beginning with: without thinking, fences, quotes, and the beginning if it is repeated."""
    text = _FENCE.sub("", read(text).solution.strip())
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    text = re.sub(r"^\s*(?:…|\.\.\.)\s*", "", text)
    return text.removeprefix(head) if text.startswith(head) else text


def _compare(record: dict[str, Any], completion: str) -> None:
    from rapidfuzz.distance import LCSseq

    end = tokens(record["tail"])
    written = _TOKEN.findall(completion.lower())[: len(end)]
    record |= {
        "completion": completion,
        "exact": written == end,
        "overlap": LCSseq.similarity(end, written) / len(end),
        **cells(None),
    }


def seen(benchmarks: pa.Table, new: pa.Table) -> dict[str, Any]:
    """Return, as plain values, what the completed ends (SCHEMA) of benchmarks show beside those of newly drawn problems.

    `contaminated` names the benchmarks of which more ends are completed word for word than of the new problems: one-sided exact
    test of Fisher, with Holm's correction over the benchmarks, p below ALPHA, and at least LEAST_EXCESS more. `auroc` is the
    probability that an end of the benchmark is completed with a larger overlap than that of a new problem.
    """
    from scipy.stats import fisher_exact

    benchmarks, fresh = kept(benchmarks), _figures(kept(new))
    names = sorted(pc.unique(benchmarks.column("benchmark")).to_pylist())
    parts = {name: benchmarks.filter(pc.equal(benchmarks.column("benchmark"), name)) for name in names}
    figures = {name: _figures(part) for name, part in parts.items()}
    p = {
        name: float(
            fisher_exact(
                [
                    [one["exact"], one["items"] - one["exact"]],
                    [fresh["exact"], fresh["items"] - fresh["exact"]],
                ],
                alternative="greater",
            ).pvalue
        )
        for name, one in figures.items()
    }
    corrected = holm(p)
    for name, one in figures.items():
        excess = _share(one) - _share(fresh)
        one |= {
            "p": corrected[name],
            "auroc": auroc(parts[name].column("overlap").to_numpy(), kept(new).column("overlap").to_numpy()),
            "contaminated": corrected[name] < ALPHA and excess >= LEAST_EXCESS,
        }
    return {
        "benchmarks": figures,
        "new": fresh,
        "contaminated": [name for name, one in figures.items() if one["contaminated"]],
    }


def _figures(completed: pa.Table) -> dict[str, Any]:
    return {
        "items": completed.num_rows,
        "exact": int(pc.sum(completed.column("exact")).as_py() or 0),
        "overlap": float(pc.mean(completed.column("overlap")).as_py() or 0.0),
    }


def _share(figures: Mapping[str, Any]) -> float:
    return float(figures["exact"] / figures["items"]) if figures["items"] else 0.0


def auroc(positive: Any, negative: Any) -> float | None:
    """Return the probability that a value of the first is larger than one of the second, ties counting half; None if one is empty."""
    from scipy.stats import mannwhitneyu

    if not len(positive) or not len(negative):
        return None
    return float(mannwhitneyu(positive, negative).statistic / (len(positive) * len(negative)))


def in_a_line(shown: Mapping[str, Any]) -> str:
    """Return what completed ends show, in one sentence."""
    new = shown["new"]
    beside = f"{new['exact']:,} of {counted(new['items'], 'new problem')}"
    if not shown["contaminated"]:
        rest = ", ".join(
            f"{one['exact']:,} of {one['items']:,} ends of {name}"
            for name, one in shown["benchmarks"].items()
        )
        return f"base not shown to be contaminated: it completes {rest or 'no end'}, and {beside}"
    some = ", ".join(
        f"{shown['benchmarks'][name]['exact']:,} of {shown['benchmarks'][name]['items']:,} ends of {name}"
        for name in shown["contaminated"]
    )
    return f"base contaminated: it completes {some}, but {beside}"


def to_markdown(shown: Mapping[str, Any]) -> list[str]:
    """Return the table of completed ends as lines of Markdown."""
    lines = ["", inline(in_a_line(shown)), "", "| ends of | items | completed word for word | overlap | AUROC | p (Holm) | |", "|---|---:|---:|---:|---:|---:|---|"]  # fmt: skip
    for name, one in sorted(shown["benchmarks"].items()):
        area = "" if one["auroc"] is None else f"{one['auroc']:.2f}"
        word = "contaminated" if one["contaminated"] else "not shown"
        lines.append(f"| {inline(name)} | {one['items']:,} | {one['exact']:,} | {one['overlap']:.2f} | {area} | {one['p']:.2g} | {word} |")  # fmt: skip
    new = shown["new"]
    return [*lines, f"| new problems | {new['items']:,} | {new['exact']:,} | {new['overlap']:.2f} | | | |"]
