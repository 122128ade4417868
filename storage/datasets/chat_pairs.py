"""Pairs of chats of which the imported file prefers one.

A record with a preferred and a worse chat becomes two rows (tasks/ingestion/several.py): the preferred one may be published, the
other one is a candidate with the code NOT_PREFERRED. No answers are compared, since a chat states none: the file's own preference is
the judgement. Two rows belong together if they come from the same place of the same file and begin with the same question.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from storage.datasets.store import Store
from storage.datasets.turns import Reasoning, message_of
from storage.datasets.versions import Version
from storage.reasons import Code
from storage.rows import CHAT, ChatTurn
from storage.sql import connect

_BATCH = 1_024
_ASKED = "[turn.content FOR turn IN {row}.messages IF turn.role = 'user'][1]"
_PAIRS = f"""
    WITH worse AS (
        SELECT * FROM rejected WHERE kind = '{CHAT}' AND code = '{Code.NOT_PREFERRED}' AND messages IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY id ORDER BY run DESC, stage) = 1
    )
    SELECT chosen.id AS id, worse.id AS worse_id, chosen.messages AS chosen, worse.messages AS worse, worse.code AS code
    FROM {{version}} AS chosen JOIN worse
        ON chosen.verdicts['ingest'] = worse.verdicts['ingest'] AND {_ASKED.format(row="chosen")} = {_ASKED.format(row="worse")}
    WHERE chosen.kind = '{CHAT}' AND worse.id NOT IN (SELECT id FROM {{version}})
    QUALIFY row_number() OVER (PARTITION BY chosen.id ORDER BY worse.id) = 1
    ORDER BY chosen.id
"""


@dataclass(frozen=True, slots=True)
class ChatPair:
    """A published chat and the one that its file likes less, each without the turns that both begin with, which are the `prompt`."""

    id: str
    worse_id: str
    prompt: list[ChatTurn]
    chosen: list[ChatTurn]
    rejected: list[ChatTurn]
    code: str

    def turns(self) -> Iterator[ChatTurn]:
        yield from self.prompt
        yield from self.chosen
        yield from self.rejected

    def messages(self, reasoning: Reasoning) -> tuple[list[dict[str, Any]], ...]:
        """Return prompt, chosen and rejected as messages."""
        return tuple(
            [message_of(turn, reasoning) for turn in part]
            for part in (self.prompt, self.chosen, self.rejected)
        )


def chat_pairs(store: Store, version: Version) -> Iterator[ChatPair]:
    """Yield the pairs of a version, by id. A pair whose sides do not part at a turn of the assistant is none: it would show
    two questions and no preference."""
    if not any(batch.num_rows for batch in store.batches(version, ["id"], pc.field("kind") == CHAT)):
        return
    with connect(store) as connection:
        for batch in connection.sql(_PAIRS.format(version=f'"{version}"')).to_arrow_reader(_BATCH):
            for row in batch.to_pylist():
                pair = _parted(row)
                if pair is not None:
                    yield pair


def _parted(row: dict[str, Any]) -> ChatPair | None:
    chosen, worse = row["chosen"], row["worse"]
    same = 0
    while same < min(len(chosen), len(worse)) and chosen[same] == worse[same]:
        same += 1
    if any(len(side) == same or side[same]["role"] != "assistant" for side in (chosen, worse)):
        return None
    return ChatPair(row["id"], row["worse_id"], chosen[:same], chosen[same:], worse[same:], row["code"])
