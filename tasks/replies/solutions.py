"""Splits a model's reply into the solution, the thinking before it, and what belongs to neither.

Replies carry more than a solution: tokens of chat templates that a server did not cut (<|im_end|>, </s>,
<end_of_turn>), turns that the model invented after such a token, thinking in tags or channels, and invisible
characters. Rows are published and train models, so all of that is removed here, in one place, and counted. The ledger
keeps the reply unchanged.

Everything is linear in the reply's length: the text is hostile.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tasks.text.cleaning import without_hidden

KINDS = ("control_tokens", "run_on", "thinking", "hidden_characters", "closed_boxes")


@dataclass(frozen=True, slots=True)
class Reply:
    """The parts of a reply.

    `solution`: the text after the thinking and before the first token that ends a turn; "" where there is none.
    `thinking`: the reasoning, from the server's own field, tags or channels; None where the reply has none.
    `unfinished`: the thinking was never closed, so nothing after it is a solution.
    `ended`: a token ended the text, so that the solution is complete although the model may have continued.
    `removed`: how much was removed: `control_tokens`, `run_on` and `thinking` are 1 or 0 for this reply,
    `hidden_characters` counts characters.
    """

    solution: str
    thinking: str | None = None
    unfinished: bool = False
    ended: bool = False
    removed: Mapping[str, int] = field(default_factory=dict)


class Removed:
    """Counts, over many replies, what was removed from them, and the boxes whose missing brace was added."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, reply: Reply) -> None:
        """Add the counts of one reply."""
        self._counts.update(reply.removed)

    def add_closed_box(self) -> None:
        """Count a solution whose last box had no closing brace."""
        self._counts["closed_boxes"] += 1

    def facts(self) -> dict[str, Any]:
        """Return the fact `removed` of a stage: replies by kind, and the number of hidden characters."""
        return {"removed": {kind: self._counts[kind] for kind in KINDS if self._counts[kind]}}


def removed_in_all(facts: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return the sums over many shards by kind, without kinds of which nothing was removed."""
    counts: Counter[str] = Counter()
    for fact in facts:
        counts.update(fact.get("removed", {}))
    return {kind: counts[kind] for kind in KINDS if counts[kind]}


# Names of tags around thinking. Those in the second line are also used around the solution itself.
_THOUGHT = (
    r"think|thinking|thought|thoughts|inner[_ ]?(?:thoughts?|monologue)|internal[_ ]?(?:thoughts?|monologue)"
    r"|scratch[_ ]?pad|reflection|deliberation|chain[_ ]?of[_ ]?thought|cot|thought[_ ]?process|reasoning[_ ]?process"
)
_REASONING = r"reasoning|reason|rationale|analysis"
_NAMES = rf"(?:ant|[a-z]{{1,12}}[:_])?(?:{_THOUGHT}|{_REASONING})"
# The words that occur in the names of control tokens. A name must hold one, so that `0 <|abc|> 1` stays.
_TOKEN_WORDS = (
    "im_|start|end|eot|eom|eos|bos|eod|begin|user|assistant|system|human|bot|return|call|message|channel|"
    "constrain|pad|unk|sep|fim|header|role|turn|tool|python|reserved|special|token|text|think|thought|solution|"
    "response|file|repo|observation|prompt|mask|eop|sop|plugin|action|interpreter|image|vision|audio|instruction"
)
_FLAGS = re.IGNORECASE
_MARK = re.compile(
    rf"(?=<(?:\s?[/|｜a-z]|<\s?/?\s?SYS)|\[[/ITSAe]|◁|\]~)(?:(?P<open><\s?(?P<open_name>{_NAMES})(?:\s[^<>\n]{{0,80}})?>"
    rf"|<[|｜](?:begin[_▁]of[_▁]|start[_▁]of[_▁]|start[_▁])(?:thought|thinking|think|reasoning)[|｜]>"
    rf"|<[|｜](?:thought|thinking|think|reasoning)(?:[_▁](?:start|begin))?[|｜]>"
    rf"|<\|channel>\s?(?:thought|thinking|analysis)|<\|im_start\|>\s?think(?:ing)?\b|<unused94>(?:thought)?"
    rf"|\[think(?:ing)?\]|◁think▷)"
    rf"|(?P<close><\s?/\s?{_NAMES}\s?>|<[|｜]/(?:think|thinking|thought)[|｜]>"
    rf"|<[|｜](?:end[_▁]of[_▁]|end[_▁])(?:thought|thinking|think|reasoning)[|｜]>"
    rf"|<[|｜](?:thought|thinking|think|reasoning)[_▁]end[|｜]>"
    rf"|<channel\|>|<\|im_start\|>\s?answer\b|<unused95>|\[/think(?:ing)?\]|◁/think▷)"
    # tokens without a meaning that end nothing
    rf"|(?P<empty><(?:unk|mask)>|<[|｜](?:unk|mask|begin_of_box|end_of_box)[|｜]>)"
    rf"|(?P<struck><s>[^<\n]{{1,40}}</s>)"
    rf"|(?P<token><\s?[|｜]\s?(?=[^|｜<>\n]{{0,48}}?(?:{_TOKEN_WORDS}))[a-z][\w▁.\-/ ]{{1,48}}\s?[|｜]\s?>"
    rf"|</?s>|<(?:eos|bos|pad|eot|eod|eoa|eoh|eop|sop|sep|cls|endoftext|im_start|im_end|im_sep|eot_id|eom_id)>"
    rf"|<(?:start|end|begin)_of_(?:turn|text|sentence|utterance|message|solution|answer|response|image|sequence)>"
    rf"|<\|turn>|<turn\|>|<\|channel>|<(?:unused|reserved_|extra_id_)\d{{1,5}}>|<<\s?/?SYS\s?>>|\[\s?/?INST\s?\]"
    rf"|\[/?(?:SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]|\[e~\[|\]~!?b\["
    rf"|<\|?/?(?:human|user|assistant|bot|system)\|?>))",
    _FLAGS,
)
_BRACKETED = re.compile(r"\[(?:EOS|BOS|PAD|UNK|SEP|CLS|MASK|gMASK)\]")
_BROKEN_TOKEN = re.compile(
    r"<[|｜](?:[a-z][\w▁]{1,40}[|｜]?)?\s*$|</(?:thi(?:n(?:k)?)?|s)?$|<end_of_(?:t(?:u(?:rn?)?)?)?$", _FLAGS
)
_ROLE = re.compile(r"[ \t]*(?:assistant|model|bot|ai|gpt|chatbot|final|answer)?[ \t]*(?:\n|(?=<)|$)", _FLAGS)
_HEADER = re.compile(
    r"<\|(?:im_start|start|start_header_id|turn|start_of_role)\|?>|<start_of_turn>|<start_of_message>", _FLAGS
)
_SOFT = re.compile(rf"(?:[a-z]{{1,12}}[:_])?(?:{_REASONING})", _FLAGS)
_BARE_ANSWER = re.compile(r"\s*<answer>[^\n]{0,200}(?:</answer>)?\s*", _FLAGS)
_WRAPPER = re.compile(r"\s*<(output|solution|response|final|final_answer|result|answer)>", _FLAGS)
# the Harmony format, as specified and as servers write it that drop its tokens
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w{1,20})[^<]{0,80}(?:<\|constrain\|>[^<]{0,40})?<\|message\|>")
_CHANNEL_END = re.compile(r"<\|(?:end|return|call|start|channel)\|>")
_BARE_CHANNEL = re.compile(r"\s*analysis(?=[A-Z\"'(])")
_FINAL_CHANNEL = "assistantfinal"
# a turn that a base model invents without any token ends the solution too
_INVENTED = re.compile(
    r"\n[ \t]*(?:\*\*)?(?:(?:Human|User|用户|人类)[ \t]*[:：]|###[ \t]*(?:Human|User|Instruction|Question|Input|问题|指令)\b[ \t]*:?)"
)
# and so does a next example, as base models write it, where an answer stands before it; otherwise it may repeat the question
_NEXT_EXAMPLE = re.compile(
    r"\n[ \t]*(?:\*\*)?(?:Question|Problem|Exercise|Q|题目|问题|问)[ \t]*(?:\*\*)?[ \t]*[:：]"
)
_ANSWERED = re.compile(r"\\boxed\b|\banswers?\b[^.\n]{0,40}?(?:\bis\b|[:=])|####|答案|答[:：]", re.IGNORECASE)
_WORD = re.compile(r"\S")
_HINTS = ("<", "[", "◁", "]~")


def read(text: str, reasoning: str = "") -> Reply:
    """Return the parts of a reply. Reading a solution again changes nothing.

    `reasoning` is the thinking that the server sent apart from the text. It comes before thinking inside the text, and is
    cleaned like it.
    """
    reply = _read_text(text)
    thinking = [
        part for thought in (reasoning, reply.thinking) if thought and (part := _plain_thinking(thought))
    ]
    return replace(reply, thinking="\n".join(dict.fromkeys(thinking)) or None)


def _plain_thinking(thought: str) -> str:
    """Return thinking without hidden characters and without control tokens and tags."""
    thought, _ = without_hidden(thought)
    if any(hint in thought for hint in _HINTS):
        thought = _MARK.sub("", thought)
    return _without_blank_lines(thought)


def _read_text(text: str) -> Reply:
    text, hidden = without_hidden(text)
    removed = {"hidden_characters": hidden} if hidden else {}
    text = _without_blank_lines(text)
    thinking: list[str] = []
    channels = list(_CHANNEL.finditer(text)) if "<|channel|>" in text else []
    if channels:
        return _harmony(text, channels, removed)
    if text.startswith("analysis") and _FINAL_CHANNEL in text and _BARE_CHANNEL.match(text):
        thought, _, text = text.rpartition(_FINAL_CHANNEL)
        thinking.append(thought.removeprefix("analysis"))
    ended, unfinished = "", False
    if any(hint in text for hint in _HINTS):
        text, thoughts, ended, unfinished, tokens = _marked(text)
        thinking += thoughts
        if tokens:
            removed["control_tokens"] = 1
        if ended == "run on":
            removed["run_on"] = 1
    invented = _invented_turn(text)
    if invented is not None and text[:invented].strip():
        text, ended = text[:invented], "run on"
        removed["run_on"] = 1
    if thinking:
        removed["thinking"] = 1
    thought_text = "\n".join(part for thought in thinking if (part := thought.strip())) if thinking else None
    return Reply(_without_blank_lines(text), thought_text, unfinished, bool(ended), removed)


def thinking_apart(text: str) -> Reply | None:
    """Return a text that begins with thinking as a reply; None for any other text.

    Nothing is cut from what follows the thinking but the tokens and the tag around the whole of it: unlike a completion, a turn of
    a stored chat may hold anything. `</think>` on a line without an opening mark ends thinking that a template had opened.
    """
    start = len(text) - len(text.lstrip())
    opening = _MARK.match(text, start)
    if opening is not None and opening["open"]:
        start = opening.end()
    elif "</think" not in text:
        return None
    closing = next((mark for mark in _MARK.finditer(text, start) if mark["close"]), None)
    opened = opening is not None and opening["open"]
    if closing is None:
        return Reply("", text[start:].strip(), unfinished=True) if opened else None
    if not opened:
        inside = any(mark["open"] for mark in _MARK.finditer(text, 0, closing.start()))
        if (
            inside
            or not closing["close"].startswith("</think")
            or text[closing.end() : closing.end() + 1] not in ("\n", "")
        ):
            return None
    first, stop = _inside(text, closing.end(), len(text))
    while first < stop and (token := _MARK.match(text, first, stop)) and token["token"]:
        first, stop = _inside(text, token.end(), stop)
    while (
        (last := text.rfind("<", first, stop)) >= 0
        and (token := _MARK.fullmatch(text, last, stop))
        and token["token"]
    ):
        first, stop = _inside(text, first, last)
    solution = _unwrapped(text[first:stop]).strip()
    if (
        not solution
        and opening is not None
        and opening["open_name"]
        and _SOFT.fullmatch(opening["open_name"])
    ):
        return None  # the tag of the solution itself
    return Reply(solution, text[start : closing.start()].strip() or None)


def _inside(text: str, first: int, stop: int) -> tuple[int, int]:
    """Return the span without the blanks at its ends."""
    while first < stop and text[first].isspace():
        first += 1
    while first < stop and text[stop - 1].isspace():
        stop -= 1
    return first, stop


def _invented_turn(text: str) -> int | None:
    """Return where the model begins the next turn or example of a conversation that it invents; None if it does not."""
    turn, answered = _INVENTED.search(text), _ANSWERED.search(text)
    example = _NEXT_EXAMPLE.search(text, answered.end()) if answered is not None else None
    starts = [match.start() for match in (turn, example) if match is not None]
    return min(starts, default=None)


_BLANK_LINES = re.compile(r"\A(?:[ \t]*\n)+")


def _without_blank_lines(text: str) -> str:
    """Return the text without blank lines around it; the first line keeps its indentation, which a program needs."""
    return _BLANK_LINES.sub("", text.rstrip()) if text.strip() else ""


def solution_of(text: str) -> str:
    """Return the text of a reply after its thinking and before its end."""
    return read(text).solution


def _marked(text: str) -> tuple[str, list[str], str, bool, bool]:
    """Return (solution, thoughts, end, whether the thinking is unfinished, whether tokens were removed).

    The end is "token" where a token ended the solution, "run on" where more text follows that token, else "".
    """
    start = 0  # of the possible solution
    thought_at: int | None = None
    soft = False
    thoughts: list[str] = []
    pieces: list[str] = []  # of the solution, where tokens inside it were dropped
    has_text = False  # whether any of the pieces is more than blanks
    ended = ""
    tokens = False
    end = len(text)
    for match in _MARK.finditer(text):
        at = match.start()
        if at < start:
            continue  # inside the header that was just skipped
        kind = match.lastgroup if match.lastgroup != "open_name" else "open"
        if kind == "open":
            if thought_at is None:
                thought_at = at
                name = match["open_name"]
                soft = bool(name and _SOFT.fullmatch(name))
            continue
        blank = not has_text and not _WORD.search(text, start, at)
        if kind == "struck":
            # a struck-out word in HTML; at the beginning, <s> is the token that begins a text
            if blank and thought_at is None:
                start, tokens = at + len("<s>"), True
                if (close := match.group().find("</s>")) >= 0:
                    end, ended = at + close, "token"
                    if _WORD.search(text, match.end()):
                        ended = "run on"
                    break
            continue
        if kind == "close":
            more = _WORD.search(text, match.end()) is not None
            if thought_at is None and thoughts and not blank and not more:
                end, ended = at, "token"  # closed twice
                break
            if thought_at is not None and soft and _bare(text, match.end()):
                # <reasoning> around the only solution: the tags are removed, the text is kept
                opened = text.index(">", thought_at) + 1
                pieces += [text[start:thought_at], text[opened:at], "\n"]
                has_text = True
            else:
                thoughts.append("".join(pieces) + text[start:at])
                pieces, has_text = [], False
            start, thought_at = match.end(), None
        elif kind == "empty":
            if thought_at is None:
                pieces += [
                    text[start:at],
                    " ",
                ]  # a space, so that dropping a token forms no other token
                has_text = has_text or not blank
                start, tokens = match.end(), True
        elif kind == "token":
            tokens = True
            if blank and thought_at is None:
                start = match.end()
                if _HEADER.fullmatch(match.group()) and (role := _ROLE.match(text, start)):
                    start = role.end()
                continue
            end, ended = at, "run on" if _WORD.search(text, match.end()) else "token"
            break
    unfinished = thought_at is not None
    if thought_at is not None:
        thoughts.append(text[thought_at:end])
        end = thought_at
    solution = "".join([*pieces, text[start:end]])
    if not ended and (bracketed := _BRACKETED.search(solution)) and solution[: bracketed.start()].strip():
        ended = "run on" if solution[bracketed.end() :].strip() else "token"
        solution, tokens = solution[: bracketed.start()], True
    if not ended and (broken := _BROKEN_TOKEN.search(solution, max(0, len(solution) - 48))):
        solution, tokens, ended = solution[: broken.start()], True, "token"
    return _unwrapped(solution), [_untagged(thought) for thought in thoughts], ended, unfinished, tokens


def _bare(text: str, at: int) -> bool:
    """Return whether at most an answer in its tag follows the reasoning."""
    rest = text[at : at + 400].strip()
    return len(text) - at <= 400 and (not rest or _BARE_ANSWER.fullmatch(rest) is not None)


def _untagged(thought: str) -> str:
    opening = _MARK.match(thought.strip())
    return thought.strip()[opening.end() :] if opening and opening["open"] else thought


def _unwrapped(solution: str) -> str:
    """Return the solution without the tag around it that some models write after their thinking; the tag of a short answer, which
    marks it, is kept."""
    opening = _WRAPPER.match(solution)
    if opening is None:
        return solution
    inner = solution[opening.end() :].rstrip()
    if opening.group(1).lower() == "answer" and "\\boxed" not in inner and "\n" not in inner.strip():
        return solution
    closing = f"</{opening.group(1)}>"
    if inner.lower().endswith(closing.lower()):
        return inner[: -len(closing)]
    return inner if closing.lower() not in inner.lower() else solution


def _harmony(text: str, channels: list[re.Match[str]], removed: dict[str, int]) -> Reply:
    """Return the reply in the Harmony format: the channel `final` is the solution, the others are thinking."""
    thoughts: list[str] = []
    solution: str | None = None
    removed["control_tokens"] = 1
    ended = False
    for channel in channels:
        stop = _CHANNEL_END.search(text, channel.end())
        content = text[channel.end() : stop.start() if stop else len(text)].strip()
        if channel.group(1).lower() != "final":
            thoughts.append(content)
            continue
        solution, _, end, _, _ = _marked(content)
        ended = stop is not None or bool(end)
        if stop and text[stop.end() :].strip():
            removed["run_on"] = 1
        break
    if thoughts:
        removed["thinking"] = 1
    thinking = "\n".join(thoughts) if thoughts else None
    return Reply(solution or "", thinking, solution is None, ended, removed)
