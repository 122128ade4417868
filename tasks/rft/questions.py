"""The questions of a version whose answer is known, each once, as rows that models are asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

from pydantic import Field

from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.reasons import Code, Reason, reason
from storage.rows import Row
from storage.sql import connect
from tasks.settings import Section, Share

STAGE: Final = "read_questions"
REFERENCE: Final = "reference"  # verdict: where the answer that samples are compared with comes from
TRUSTED: Final = "trusted"  # the row's trusted answer
ACCEPTED: Final = "accepted"  # the answer of a published solution, which votes and checks accepted
AT_A_TIME: Final = 2_048

# Of the rows of a question the one with a trusted answer, then the likeliest. Questions are drawn by a hash, so that a larger
# number of them contains the smaller one.
_QUERY = """
    SELECT * FROM (
        SELECT id, question, language, domain, subdomain, source, license, method, concepts, reference_answer, answer, correctness,
               problem_id
        FROM (
            SELECT * REPLACE (nullif(trim(reference_answer), '') AS reference_answer, nullif(trim(answer), '') AS answer)
            FROM "{version}" WHERE kind IS NULL
        )
        QUALIFY row_number() OVER (
            PARTITION BY problem_id
            ORDER BY (reference_answer IS NULL), (answer IS NULL), correctness DESC NULLS LAST, id
        ) = 1
        ORDER BY md5(problem_id || {seed}) {limit}
    ) ORDER BY problem_id
"""


class QuestionSettings(Section, title="Questions"):
    most: int = Field(0, ge=0, description="questions of the version at most, drawn by a hash; 0: all")
    answers: Literal["trusted", "accepted"] = Field(
        "accepted",
        description="trusted: only questions with a trusted answer; accepted: also those whose published solution has an answer that is "
        "likely enough",
    )
    min_correctness: Share = Field(
        0.9,
        description="least probability of being right of an accepted answer that samples are compared with",
    )


def questions_of(
    store: Store, version: Version, settings: QuestionSettings, seed: int
) -> Iterator[list[Row]]:
    """Yield each question of the version once, in order of problem id, in lists of AT_A_TIME. One without an answer that samples can be
    compared with is rejected. The verdict REFERENCE says what the answer is."""
    limit = f"LIMIT {settings.most}" if settings.most else ""
    query = _QUERY.format(version=version, seed=f"'{seed}'", limit=limit)
    with connect(store) as connection:
        for batch in connection.sql(query).to_arrow_reader(AT_A_TIME):
            yield [_row(record, settings) for record in batch.to_pylist()]


def _row(record: dict[str, Any], settings: QuestionSettings) -> Row:
    trusted = record["reference_answer"]
    return Row(
        question=record["question"],
        language=record["language"],
        reference_answer=trusted or record["answer"],
        domain=record["domain"],
        subdomain=record["subdomain"],
        source=record["source"],
        license=record["license"],
        method=record["method"],
        parent_ids=[record["id"]],
        concepts=list(record["concepts"] or ()),
        verdicts={REFERENCE: TRUSTED if trusted else ACCEPTED},
        reason=_unusable(record, settings),
    )


def _unusable(record: dict[str, Any], settings: QuestionSettings) -> Reason | None:
    if record["reference_answer"]:
        return None
    if not record["answer"] or settings.answers == TRUSTED:
        return reason(STAGE, Code.NO_TRUSTED_ANSWER)
    correctness = record["correctness"] or 0.0
    if correctness >= settings.min_correctness:
        return None
    return reason(
        STAGE,
        Code.BELOW_THRESHOLD,
        name="correctness",
        score=f"{correctness:.2f}",
        threshold=f"{settings.min_correctness:.2f}",
    )
