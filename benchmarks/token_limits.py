"""Simulate nights whose token limits are learnt (MATHMILL_<ROLE>__LIMIT_RISK), beside the limits of the prompts.

    python -m benchmarks.token_limits [--quick] [--risk 0.02]

Four models answer: one in words, two that think and are known to (limit 32,768), and one that thinks and was not declared. The
lengths of their answers are log-normal, and a share of the answers never ends, as those of models that repeat themselves. Requests
go through the sampling settings of a role, and the limits of a night are learnt from the calls of the nights before it, as in a
real one. Of the second half of the nights are printed: tokens per request that are lost in answers that were cut off, and the
share of the answers that end within the largest limit and were cut off all the same, which must not exceed the risk.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import orjson

from storage.ledger import COMPLETION, Call, Stored
from tasks.llm.learnt_limits import MOST_CALLS, learn
from tasks.llm.request import Completion, Request, Usage
from tasks.llm.sampling import THINKING_TOKENS, Sampling, limit_after
from tasks.seeding import rng_of, seed_of

NIGHTS = 8
REQUESTS = 1500  # per night
SYSTEM = {"role": "system", "content": "You are a careful mathematician."}


@dataclass(frozen=True, slots=True)
class AnsweringModel:
    """median: tokens of an answer. spread: standard deviation of its logarithm. endless: share of answers that never end.
    thinking: whether the text of a cut answer is thinking only. reasoning: whether the role's settings say so."""

    name: str
    median: float
    spread: float
    endless: float
    thinking: bool = False
    reasoning: bool = False

    def length(self, seed: int) -> float:
        """Return the tokens of the answer to a request, the same under every limit."""
        rng = rng_of(seed, "length")
        if rng.random() < self.endless:
            return math.inf
        return max(1.0, round(self.median * math.exp(self.spread * rng.gauss(0, 1))))


MODELS = (
    AnsweringModel("answers in words", 350, 0.6, 0.02),
    AnsweringModel("declared thinking", 3500, 0.8, 0.02, thinking=True, reasoning=True),
    AnsweringModel("declared thinking, often endless", 3500, 0.8, 0.1, thinking=True, reasoning=True),
    AnsweringModel("undeclared thinking", 3500, 0.8, 0.02, thinking=True),
)


@dataclass(slots=True)
class SimulatedNight:
    """lost: tokens of answers that were cut off. cut: answers that end within the largest limit and were cut off in the end.
    ends: how many answers end within it."""

    requests: int = 0
    lost: int = 0
    cut: int = 0
    ends: int = 0
    calls: list[Stored] = field(default_factory=list)


def simulated(
    model: AnsweringModel, risk: float, nights: int, requests: int, seed: int = 0
) -> list[SimulatedNight]:
    """Return nights, each with the limits that are learnt from those before it; with a risk of 0 from none."""
    history: list[Stored] = []
    outcomes = []
    for number in range(nights):
        learnt = learn(history[-MOST_CALLS:], risk) if risk else {}
        night = _night(model, Sampling(reasoning=model.reasoning, learnt=learnt), requests, (seed, number))
        history += night.calls
        outcomes.append(night)
    return outcomes


def _night(model: AnsweringModel, sampling: Sampling, requests: int, seed: tuple[int, int]) -> SimulatedNight:
    night = SimulatedNight(requests)
    most = THINKING_TOKENS if model.thinking else 2048
    for index in range(requests):
        request = Request(
            [SYSTEM, {"role": "user", "content": f"Question {index}"}],
            "model",
            max_tokens=1024,
            longer=2048,
            seed=seed_of(*seed, index) >> 8,
            tag="solve",
        )
        length = model.length(request.seed or 0)
        sent: Request | None = sampling.applied(request)
        whole = False
        while sent is not None:
            whole = length <= sent.max_tokens
            tokens = int(min(length, sent.max_tokens))
            text = "<think>so" + ("</think>4" if whole else "") if model.thinking else "so 4"
            reason = "stop" if whole else "length"
            night.lost += 0 if whole else tokens
            night.calls.append(stored_answer(sent, text, reason, tokens))
            again = limit_after(sent, Completion("", text, reason, Usage(10, tokens)))
            sent = sent.with_limit(again) if again is not None else None
        night.ends += length <= most
        night.cut += length <= most and not whole
    return night


def stored_answer(request: Request, text: str, reason: str, tokens: int) -> Stored:
    body = {
        "choices": [{"message": {"content": text}, "finish_reason": reason}],
        "usage": {"prompt_tokens": 10, "completion_tokens": tokens},
    }
    call = Call("00", request.canonical(), orjson.dumps(body), 200, "model", 0.0, "reasoner", request.tag)
    return Stored(0, call, COMPLETION, 10, tokens)


def summed(nights: Sequence[SimulatedNight]) -> tuple[float, float]:
    """Return (tokens lost per request, share of the answers that end and were cut off)."""
    requests, ends = sum(night.requests for night in nights), sum(night.ends for night in nights)
    return sum(night.lost for night in nights) / requests, sum(night.cut for night in nights) / ends


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer requests per night; ends within a minute")
    parser.add_argument("--risk", type=float, default=0.02, help="share of the answers that may be cut off")
    given = parser.parse_args()
    lines = []
    for model in MODELS:
        size = REQUESTS // 5 if given.quick else REQUESTS
        risk = max(given.risk, 0.02) if given.quick else given.risk
        fixed = summed(simulated(model, 0.0, NIGHTS, size)[NIGHTS // 2 :])
        learnt = summed(simulated(model, risk, NIGHTS, size)[NIGHTS // 2 :])
        plain = summed(simulated(replace(model, endless=0.0), risk, NIGHTS, size)[NIGHTS // 2 :])
        print(
            f"{model.name}: lost {learnt[0]:,.0f} tokens per request and {learnt[1]:.2%} of the answers that end; fixed limits "
            f"{fixed[0]:,.0f} tokens and {fixed[1]:.2%}; without endless answers {plain[0]:,.0f} tokens, {plain[1]:.2%}"
        )
        lines.append(
            f"tokens lost to truncation, {model.name}: {learnt[0]:.0f} tokens per request, fixed limits {fixed[0]:.0f} tokens "
            f"per request, ratio {learnt[0] / fixed[0]:.2f}, target 1.0, {'ok' if learnt[0] <= fixed[0] else 'short'}"
        )
        lines.append(
            f"answers cut off, {model.name}: {learnt[1]:.4f} share, stated risk {risk:g} share, ratio {learnt[1] / risk:.2f}, "
            f"target 1.2, {'ok' if learnt[1] <= 1.2 * risk else 'short'}"
        )
    print()
    print(*lines, sep="\n")
    return int(any(line.endswith("short") for line in lines))


if __name__ == "__main__":
    sys.exit(main())
