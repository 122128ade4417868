"""The stage `extract_concepts`: ask the teacher for the concepts of texts that have none, one call per text.

The call of a text depends on nothing but its words, the prompt and the model, so that the ledger answers it in every later night. A text
without concepts is a rejected row and a failed call a failed one; the rows that the text is from stay as they are.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

import prompts
from prompts.asking_again import ReplyFault
from storage.reasons import Code, Reason, reason
from storage.rows import content_id, reject, replace
from tasks.concepts.extraction import LONGEST, PROMPT, Extracted, extracted
from tasks.conversations import request_of_prompt
from tasks.llm.costs import RoleCosts
from tasks.llm.endpoint import Endpoint
from tasks.llm.engine import Engine
from tasks.llm.request import Completion, Failure, Request
from tasks.seeding import seed_of
from tasks.stages.outcome import Outcome, Tick
from tasks.taxonomy import SUBDOMAINS, domain_of, local_name

STAGE = PROMPT


def extract_concepts(texts: pa.Table, *, engine: Engine, tick: Tick) -> Outcome:
    """Return a row per text with its concepts, and with its subdomain where it names none. Its id is not that of the row that the text
    is from."""
    records = texts.to_pylist()
    endpoint = engine.endpoint
    costs = RoleCosts.of(endpoint)
    named: list[Extracted] = []
    reasons: list[Reason | None] = []
    asked = (_request(record, endpoint) for record in records)
    for record, completion in zip(records, engine.run(asked, _unusable), strict=True):
        costs.add(completion)
        one, why = _read(completion, record["language"])
        named.append(one)
        reasons.append(why)
        tick(1)
    subdomains = [record["subdomain"] or one.subdomain for record, one in zip(records, named, strict=True)]
    rows = replace(
        texts,
        id=[content_id(STAGE, record["problem_id"]) for record in records],
        concepts=[list(one.concepts) for one in named],
        subdomain=subdomains,
        domain=[
            record["domain"] or (domain_of(subdomain) if subdomain else None)
            for record, subdomain in zip(records, subdomains, strict=True)
        ],
    )
    return Outcome(reject(rows, reasons), asked=len(records), facts=costs.facts())


def _request(record: dict[str, Any], endpoint: Endpoint) -> Request:
    language = record["language"]
    prompt = prompts.load(PROMPT, language, endpoint.prompts)
    fields = [local_name(subdomain, language) for subdomain in SUBDOMAINS]
    return request_of_prompt(
        prompt,
        {"text": record["question"][:LONGEST], "fields": fields},
        model=endpoint.model,
        seed=seed_of(STAGE, record["problem_id"]),
        tag=STAGE,
    )


def _unusable(completion: Completion) -> ReplyFault | None:
    read = extracted(completion.text or "", "en")  # of either language: what has to be asked again
    return read if isinstance(read, ReplyFault) else None


def _read(completion: Completion, language: str) -> tuple[Extracted, Reason | None]:
    if completion.error is not None and completion.kind is not Failure.REJECTED:
        return Extracted(()), reason(STAGE, Code.CALL_FAILED, error=completion.error, kind=completion.kind)
    read = extracted(completion.text or "", language)
    if isinstance(read, ReplyFault):
        return Extracted(()), reason(STAGE, Code.MALFORMED_ITEM, why=read.words)
    return read, None if read.concepts else reason(STAGE, Code.NO_CONCEPTS)
