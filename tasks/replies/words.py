"""Solutions in words: what of a completion is the solution, what its final answer is, and why there is none."""

from __future__ import annotations

from dataclasses import dataclass, replace

from storage.reasons import Code
from tasks.answers import extract
from tasks.answers.extraction import with_closed_box
from tasks.llm.request import Completion
from tasks.replies.solutions import Reply, read


@dataclass(frozen=True, slots=True)
class SolutionInWords:
    """The solution of a reply with its final answer, or with a `code` why it is unusable. closed: whether the missing brace of its last
    box was added."""

    text: str
    answer: str | None = None
    code: Code | None = None
    closed: bool = False


def reply_of(completion: Completion, *, reasons: bool) -> Reply:
    """Return the parts of a completion. reasons: whether its model thinks before it answers."""
    reply = read(completion.text or "", completion.reasoning)
    if reasons and completion.finish_reason == "length" and reply.thinking is None:
        # templates that open the thinking in the prompt leave no mark in a reply that was cut off in it
        return replace(reply, thinking=reply.solution or None, solution="", unfinished=True)
    return reply


def cut_off(completion: Completion, reply: Reply) -> bool:
    """Return whether a completion ends within its solution: one that was cut after a token that ends the turn still has all of it."""
    return completion.finish_reason == "length" and not reply.ended


def unfinished(reply: Reply, *, cut: bool) -> bool:
    """Return whether a reply has nothing behind its thinking, because that never ended."""
    return not reply.solution.strip() and (reply.unfinished or (cut and bool(reply.thinking)))


def in_words(reply: Reply, language: str, *, cut: bool) -> SolutionInWords:
    """Return the solution of a reply. cut: as `cut_off` says."""
    text = reply.solution.strip()
    if unfinished(reply, cut=cut):
        return SolutionInWords(text, code=Code.UNFINISHED_THINKING)
    if cut:
        return SolutionInWords(text, code=Code.TRUNCATED)
    closed = with_closed_box(text)  # a published solution must not teach a model to leave its box open
    extraction = extract(closed, language)
    if extraction is None:
        return SolutionInWords(closed, code=Code.NO_ANSWER, closed=closed != text)
    return SolutionInWords(closed, extraction.answer, closed=closed != text)
