"""How the requests of a role are sampled: what its settings say instead of the prompts, and the token limits of models that
think before they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tasks.llm.learnt_limits import LearntLimit, explores, prompt_of
from tasks.llm.request import Completion, Request, encode
from tasks.replies.solutions import read

THINKING_TOKENS = 32_768  # token limit of an answer with thinking


@dataclass(frozen=True, slots=True)
class Sampling:
    """The sampling settings of a role; None leaves a value as the prompt states it.

    `extra` are further fields of the request's body, such as top_k or chat_template_kwargs. `reasoning` says that the
    model thinks before it answers: then the limit of requests that may be longer is THINKING_TOKENS, unless `max_tokens`
    is another one. `learnt` are limits by prompt (tasks/llm/learnt_limits.py), which `max_tokens` overrules. All of them are
    part of the completion key.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    reasoning: bool = False
    learnt: Mapping[str, LearntLimit] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """What these settings change in the requests of every prompt, as text; empty if they change nothing."""
        stated: dict[str, Any] = {
            name: getattr(self, name) for name in ("temperature", "top_p", "max_tokens")
        }
        stated |= {"extra": dict(self.extra) or None, "reasoning": self.reasoning or None}
        stated["learnt"] = {prompt: [one.limit, one.most] for prompt, one in self.learnt.items()} or None
        return ", ".join(
            f"{name} {encode(value).decode()}" for name, value in stated.items() if value is not None
        )

    def limit(self, max_tokens: int) -> int:
        """Return the token limit of answers to a prompt that states `max_tokens`."""
        if self.max_tokens is not None:
            return self.max_tokens
        return max(THINKING_TOKENS, max_tokens) if self.reasoning else max_tokens

    def applied(self, request: Request) -> Request:
        """Return the request with these settings; the request itself if they change nothing."""
        changes: dict[str, Any] = {}
        if self.temperature is not None:
            changes["temperature"] = self.temperature
        if self.top_p is not None:
            changes["top_p"] = self.top_p
        if self.extra:
            changes["extra"] = {**self.extra, **request.extra}
        if self.max_tokens is not None or (self.reasoning and request.longer is not None):
            changes |= {"max_tokens": self.limit(request.max_tokens), "longer": None}
        if (
            self.learnt
            and self.max_tokens is None
            and (learnt := self.learnt.get(prompt_of(request.tag, request.messages)))
        ):
            most = max(self.limit(request.longer or request.max_tokens), learnt.most)
            whole = explores(request.messages, request.seed, request.sample_index)
            changes |= {"max_tokens": most if whole else min(learnt.limit, most), "longer": None}
        return replace(request, **changes) if changes else request


def limit_after(request: Request, completion: Completion) -> int | None:
    """Return the token limit with which a completion that was cut off is requested once more, or None.

    That is `request.longer`, and THINKING_TOKENS if the model was still thinking, since the prompts' limits are made for
    answers without thinking.
    """
    if completion.finish_reason != "length" or request.longer is None:
        return None
    reply = read(completion.text or "", completion.reasoning)
    thinking = reply.thinking is not None and not reply.solution.strip()
    limit = max(request.longer, THINKING_TOKENS) if thinking else request.longer
    return limit if limit > request.max_tokens else None
