"""Token limits that an endpoint refuses: what it says about them, and the limit to send instead.

Providers refuse a request whose `max_tokens` is more than the model can write, or more than the prompt leaves of the
context window. Both are limits of what is sent and say nothing about the prompt: only a prompt that leaves no room for
an answer fails with "context length".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tasks.llm.request import ErrorObject

LEAST_ANSWER = 32  # tokens; with room for fewer the prompt is too long
TEMPLATE_TOKENS = 64  # that a chat template may add to a prompt whose length is estimated
STATUSES = (400, 413, 416, 422)


@dataclass(frozen=True, slots=True)
class TokenLimit:
    """The token limit to send after a refusal.

    `most` is for the refused request. `of_model` says that it holds for every request. `context` is the length of the
    context window and `prompt` that of the prompt, in tokens; 0 where the refusal does not state it exactly.
    """

    most: int
    of_model: bool
    context: int = 0
    prompt: int = 0


_LIMIT = (
    r"max_?(?:completion_?|output_?|new_?|gen_?|total_?)?tokens|maximum tokens|max tokens|completion tokens|"
    r"output tokens|(?:in|for|of) (?:the |your )?(?:completion|output)|maximum output|token limit"
)
_NAMED = re.compile(_LIMIT)
_TOO_MUCH = re.compile(
    r"too (?:large|high|big|long|many)|at most|exceed|larger|greater|less than|lower than|more than|maximum|<=|≤|>|"
    r"\branges?\b|limit|between|up to|at or below|above|less or equal"
)
_TOO_LITTLE = re.compile(
    rf"(?:{_LIMIT})\W+(?:value )?(?:must be|should be|is not|needs to be) (?:at least|greater|larger|more|higher)|"
    r"below minimum|>=|too (?:small|low)|higher max"
)
_UPPER = re.compile(r"less than|at most|<=|up to|exceed|too (?:large|high|big)|between")

_N = r"`?(\d+)`?"
_CONTEXT = [
    re.compile(pattern)
    for pattern in (
        rf"\d+ \+ \d+ > {_N}",  # Anthropic
        rf"context ?(?:length|window|size|limit)\w*(?: of| is|:|=)? ?(?:at most )?\(?{_N}",
        rf"{_N} (?:tokens? )?(?:maximum )?context",
        rf"(?:max_model_len|max_seq_len|maximum (?:model |sequence )?length)\D{{0,24}}?{_N}",
        rf"(?:inputs?|prompt)`? tokens \+ `?max_\w+`?[^.]*?(?:<=|exceeds?|at most|less than or equal to)\D{{0,20}}{_N}",
        rf"model token limit:? {_N}",  # Moonshot
    )
]
_PROMPT = [
    re.compile(pattern)
    for pattern in (
        rf"{_N} \+ \d+ > \d+",
        rf"{_N} (?:tokens? )?(?:in|of|from) (?:the |your )?(?:text )?(?:messages?|prompt|inputs?)\b",
        rf"{_N} `?(?:inputs?|prompt)`? tokens",
        rf"(?:prompt|inputs?|messages) (?:contains?|has|have|of|is) {_N} tokens",
    )
]
_TOTAL = re.compile(rf"(?:requested|max_total_tokens|in total|total of):?\D{{0,12}}?{_N}")
_AT_LEAST = re.compile(r"(?:contains?|has|have) at least \d+")
_PROMPT_NAMED = re.compile(r"\bprompt|\binputs?\b|\bmessages?\b|context")
_NOTHING_REQUESTED = re.compile(r"requested 0 output")
_MOST_EXCLUSIVE = [
    re.compile(pattern) for pattern in (rf"{_N} \(exclusive\)", rf"(?:less|lower|smaller) than\W*{_N}\b")
]
_MOST = [
    re.compile(pattern)
    for pattern in (
        rf"[\[(]\s*\d+\s*,\s*{_N}\s*[\])]",
        rf"(?:<=|≤|at most|(?:less|lower) (?:than )?or equal to|no more than|not (?:be )?(?:exceed|greater than|larger than)|"
        rf"up to|at or below)\W*{_N}",
        rf"\d+ > {_N}",
        rf"between \d+ and {_N}",
        rf"(?:maximum|limit)(?: \w+){{0,4}}? (?:of|is|to)\W*{_N}",
    )
]


def refused_limit(sent: int, prompt: int, status: int, error: ErrorObject) -> TokenLimit | None:
    """Return the token limit to send after a refusal of `sent` tokens, or None if a smaller limit does not help.

    `prompt` is the estimated length of the prompt in tokens. The limit is the one that the refusal states; where it
    states none, half of what was sent. Each limit is smaller than the one before, so that a chain of refusals ends.
    """
    if status not in STATUSES or sent <= LEAST_ANSWER:
        return None
    text = re.sub(r"(?<=\d)[,_](?=\d{3}\b)", "", f"{error.param} {error.message} {error.code}".lower())
    if not _NAMED.search(text) or not _TOO_MUCH.search(text) or _NOTHING_REQUESTED.search(text):
        return None
    if _TOO_LITTLE.search(text) and not _UPPER.search(text):
        return None
    context = _number(_CONTEXT, text)
    limit = _of_context(sent, prompt, text, context) if context else _of_model(sent, text)
    return limit if limit is not None and LEAST_ANSWER <= limit.most < sent else None


def _of_context(sent: int, estimate: int, text: str, context: int) -> TokenLimit | None:
    """Return the limit for a refusal that states the length of the context window."""
    stated, total = _number(_PROMPT, text), _TOTAL.search(text)
    if not stated and total is not None and int(total[1]) > sent:
        stated = int(total[1]) - sent
    if stated >= context:
        return None
    # vLLM counts the prompt only as far as the limit that was sent requires, and says "at least".
    exact = stated > 0 and not _AT_LEAST.search(text)
    room = context - stated if exact else context - estimate - TEMPLATE_TOKENS
    if exact and room < LEAST_ANSWER:
        return None
    if not LEAST_ANSWER <= room < sent:
        room = min(sent, context) // 2
    return TokenLimit(room, False, context, stated if exact else 0)


def _of_model(sent: int, text: str) -> TokenLimit:
    """Return the limit for a refusal that states what the model can write at most, or no number at all."""
    stated = [int(match[1]) - 1 for pattern in _MOST_EXCLUSIVE for match in pattern.finditer(text)]
    stated += [int(match[1]) for pattern in _MOST for match in pattern.finditer(text)]
    smaller = [number for number in stated if LEAST_ANSWER <= number < sent]
    if smaller:
        return TokenLimit(max(smaller), True)
    # A limit without a number that depends on the prompt holds for this request only.
    return TokenLimit(sent // 2, not _PROMPT_NAMED.search(text))


def _number(patterns: list[re.Pattern[str]], text: str) -> int:
    """Return the number of the first pattern that is found, 0 if none is."""
    first = next((match for pattern in patterns if (match := pattern.search(text))), None)
    return int(first[1]) if first is not None else 0
