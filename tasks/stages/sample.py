"""The stage `sample`: further samples of questions with known answers, by the models of the role samplers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson
import pyarrow as pa

import prompts
from storage.rows import Row, column, replace, to_table
from tasks.llm.costs import RoleCosts
from tasks.llm.endpoint import Endpoint
from tasks.llm.engine import Engine
from tasks.llm.request import Completion, Request
from tasks.replies.programs import chose_program
from tasks.replies.solutions import Removed
from tasks.rft.allocation import SampleSettings
from tasks.seeding import seed_of
from tasks.stages.outcome import Outcome, Tick
from tasks.stages.solve import row_of_sample, strategy

STAGE: Final = "sample"
FIRST: Final = "first"  # keys of the params of a question: the number of its first sample in this round, and how many it gets
COUNT: Final = "count"


def asked(questions: pa.Table, rounds: Mapping[str, tuple[int, int]]) -> pa.Table:
    """Return the questions with what `sample` reads: the number of their first sample, and how many they get, by problem id."""
    params = [
        orjson.dumps(dict(zip((FIRST, COUNT), rounds[problem], strict=True))).decode()
        for problem in column(questions, "problem_id")
    ]
    return replace(questions, params=params)


def samples_asked(questions: pa.Table) -> int:
    """Return how many samples the questions of `asked` get."""
    return sum(orjson.loads(params)[COUNT] for params in column(questions, "params"))


def sample(
    questions: pa.Table, *, samplers: Engine, settings: SampleSettings, seed: int, tick: Tick
) -> Outcome:
    """Return the samples of the questions of `asked`, those of a question together.

    Which model answers a sample, by which strategy and at which temperature, follows from the question and the number of the sample: more
    rounds or other questions beside it change nothing. A call that failed is a failed row, a completion without an answer or a program a
    rejected one.
    """
    records = [record | {"params": None} | orjson.loads(record["params"]) for record in questions.to_pylist()]
    costs, removed = RoleCosts.of(samplers.endpoint), Removed()
    rows: list[Row] = []
    completions = samplers.run(_requests(records, settings, samplers.endpoint, seed))
    for record in records:
        kinds = formats_of(record["problem_id"], record[FIRST] + record[COUNT], settings.pot_share)
        for index in range(record[FIRST], record[FIRST] + record[COUNT]):
            completion = next(completions)
            costs.add(completion)
            endpoint = samplers.asked_of(completion)
            prompt = None
            if settings.prompt == "solve":
                prompt = prompts.load(f"solve_{kinds[index]}", record["language"], endpoint.prompts)
            rows.append(
                row_of_sample(
                    record,
                    kinds[index] if settings.form == "words" else _chosen(completion),
                    index,
                    completion,
                    endpoint,
                    removed,
                    prompt,
                    stage=STAGE,
                    temperature=_temperature(record["problem_id"], index, settings),
                )
            )
            tick(1)
    return Outcome(
        to_table(rows),
        asked=sum(record[COUNT] for record in records),
        facts=costs.facts() | removed.facts(),
    )


def formats_of(problem_id: str, samples: int, pot_share: float) -> list[str]:
    """Return the formats of the first samples of a question, `pot_share` of them programs, evenly spread; those of fewer samples are
    the beginning of those of more. Questions begin with different ones."""
    start = seed_of("formats", problem_id) % 1_000_003
    return [
        "pot" if int((start + index + 1) * pot_share) > int((start + index) * pot_share) else "cot"
        for index in range(samples)
    ]


def _chosen(completion: Completion) -> str:
    """Return the format in which a model that chooses it has answered."""
    return "pot" if chose_program(completion.text or "", cut=completion.finish_reason == "length") else "cot"


def _temperature(problem_id: str, index: int, settings: SampleSettings) -> float | None:
    if not settings.temperatures:
        return None if settings.prompt == "solve" else 1.0
    chosen = seed_of("temperature", problem_id, index) % len(settings.temperatures)
    return settings.temperatures[chosen]


def _requests(
    records: list[dict[str, Any]], settings: SampleSettings, endpoint: Endpoint, seed: int
) -> Iterator[Request]:
    for record in records:
        kinds = formats_of(record["problem_id"], record[FIRST] + record[COUNT], settings.pot_share)
        for index in range(record[FIRST], record[FIRST] + record[COUNT]):
            temperature = _temperature(record["problem_id"], index, settings)
            common: dict[str, Any] = {
                "model": endpoint.model,
                "seed": seed_of(seed, STAGE, record["problem_id"], index),
                "sample_index": index,
                "tag": STAGE,
            }
            if settings.prompt == "question":
                yield Request(
                    messages=[{"role": "user", "content": record["question"]}],
                    temperature=1.0 if temperature is None else temperature,
                    max_tokens=settings.max_tokens,
                    **common,
                )
                continue
            prompt = prompts.load(f"solve_{kinds[index]}", record["language"], endpoint.prompts)
            yield Request(
                messages=prompt.messages(
                    question=record["question"], strategy=strategy(record["problem_id"], kinds, index)
                ),
                temperature=prompt.front.temperature if temperature is None else temperature,
                top_p=prompt.front.top_p,
                max_tokens=prompt.front.max_tokens,
                longer=prompt.front.longer,
                **common,
            )
