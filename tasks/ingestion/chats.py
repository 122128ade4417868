"""Reads chats in the shapes that data sets store them in.

Roles go by many names (human, prompter, gpt, bot, model, ...), turns are objects, pairs or plain texts that alternate, and
contents are texts or lists of parts. An unknown role is an error: no turn is dropped silently.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

COLUMNS = (
    "messages", "conversations", "conversation", "dialogue", "dialog", "dialogs", "chat", "chats", "turns", "history",
    "message_list", "conversation_turns", "trajectory",
)  # fmt: skip
USER = frozenset(
    ("user", "human", "prompter", "customer", "client", "student", "questioner", "person", "usr", "user_query", "instruction",
     "question", "problem", "input", "q", "u", "h", "me", "asker", "inquirer", "learner", "用户", "问", "人类", "学生", "提问者")
)  # fmt: skip
ASSISTANT = frozenset(
    ("assistant", "gpt", "chatgpt", "bot", "model", "ai", "chatbot", "chat_bot", "machine", "agent", "llm", "output", "response",
     "answer", "reply", "teacher", "tutor", "expert", "a", "bard", "bing", "assistant_response", "solution", "completion",
     "助手", "答", "机器人", "助理", "老师", "模型")
)  # fmt: skip
SYSTEM = frozenset(("system", "developer", "system_prompt", "context", "系统", "instructions"))
TOOL = frozenset(
    ("tool", "function", "ipython", "observation", "environment", "function_call", "function_response", "tool_call",
     "tool_calls", "tool_response", "tool_result", "function_result", "code_interpreter", "interpreter", "python", "execution")
)  # fmt: skip
_CALLING = (
    "function_call",
    "tool_call",
    "tool_calls",
)  # speakers whose turns are calls that the assistant makes
_FAMILIES = re.compile(
    r"(?:chat)?gpt|claude|llama|qwen|gemini|gemma|deepseek|mistral|mixtral|palm|vicuna|alpaca|phi\b|openai|o[134]\b|yi\b|glm|"
    r"assistant|ai\b|bot\b|model",
    re.IGNORECASE,
)
REASONINGS = ("reasoning_content", "reasoning", "thinking", "thought")
_SPEAKER = ("role", "from", "speaker", "author", "sender", "user_type", "participant", "who", "type", "name")
_CONTENT = ("content", "value", "text", "message", "utterance", "body", "parts", "contents")
_CALLS = ("tool_calls", "function_call")
_FENCES = {
    "code": "python",
    "execution": "output",
}  # parts of a content that are programs and what they printed
_LINE_BREAKS = "\r\n"
_MEDIA = re.compile(r"image|audio|video|file|document")
_DEEPEST = 20  # nested parts of a content, or replies to replies


class Odd(ValueError):
    """A chat that follows no known shape; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a chat; `role` is user, assistant, system or tool. `reasoning` is thinking in a field of its own.

    `calls` are the calls of tools that a turn makes, as the text of a JSON list in the form of chat-completions servers;
    `call_id` and `name` tell of a tool's turn which call it answers, and which tool it is.
    """

    role: str
    text: str
    reasoning: str = ""
    calls: str = ""
    call_id: str = ""
    name: str = ""


def turns_of(value: Any) -> list[Turn] | None:
    """Return the turns of a chat, None where the value is no chat (a text, a number, an object without turns).

    Raises Odd if it is a list that cannot be read as a chat.
    """
    if isinstance(value, Mapping):
        inner = next((value[name] for name in COLUMNS if isinstance(value.get(name), list)), None)
        if inner is not None:
            return turns_of(inner)
        return _tree(value, 0) if _speaker(value) is not None else None
    if not isinstance(value, (list, tuple)):
        return None
    if value and all(isinstance(one, str) for one in value):
        return [Turn("assistant" if place % 2 else "user", text) for place, text in enumerate(value)]
    return [turn for one in value for turn in _turn(one)]


def transcript(text: str) -> list[Turn] | None:
    """Return the turns of a text that is a chat in a model's template or in Anthropic's "Human: ... Assistant: ..." form.

    None where the text is no such chat.
    """
    for pattern in _TEMPLATES:
        headers = list(pattern.finditer(text))
        if not headers or (text[: headers[0].start()].strip(_EDGE) and pattern is not _ALPACA):
            continue
        ends = [header.start() for header in headers[1:]] + [len(text)]
        turns = []
        for header, end in zip(headers, ends, strict=True):
            content = _END.sub("", text[header.end() : end]).strip()
            if content:
                turns.append(Turn(role_of(header["role"]), content))
        if turns and turns[0].role in ("user", "system"):
            return turns
    return None


_EDGE = " \n\t"
_CHATML = re.compile(r"<\|im_start\|>\s*(?P<role>[a-z]+)[ \t]*\n?")
_LLAMA3 = re.compile(r"(?:<\|begin_of_text\|>)?<\|start_header_id\|>(?P<role>[a-z]+)<\|end_header_id\|>\s*")
_ZEPHYR = re.compile(r"(?:^|(?<=\n)|(?<=>))<\|(?P<role>user|assistant|system)\|>\s*")
_GEMMA = re.compile(r"(?:<bos>)?<start_of_turn>(?P<role>user|model|system)\s*")
_ALPACA = re.compile(
    r"(?:^|\n)###\s*(?P<role>Instruction|Input|Response|Human|Assistant|User|System)\s*:?[ \t]*(?:\n|$|(?=\S))"
)
_HUMAN = re.compile(r"(?:^|\n\n)(?P<role>Human|Assistant|H|A):[ \t]*")
_TEMPLATES = (_CHATML, _LLAMA3, _GEMMA, _ZEPHYR, _ALPACA, _HUMAN)
_END = re.compile(r"(?:<\|im_end\|>|<\|eot_id\|>|<\|endoftext\|>|<end_of_turn>|</s>|<eos>|<\|end\|>)\s*$")


def _turn(value: Any) -> list[Turn]:
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(one, str) for one in value):
        try:
            return [Turn(role_of(value[0]), value[1])]
        except Odd:
            return [Turn("user", value[0]), Turn("assistant", value[1])]
    if not isinstance(value, Mapping):
        raise Odd("a chat turn is not an object with role and content")
    if (usual := _usual_turn(value)) is not None:
        return [usual]
    named = {str(name).strip().lower(): part for name, part in value.items() if part is not None}
    speaker = _speaker(named)
    if speaker is None and "ground_truth" in named:
        return []  # in place of the reply: the trusted answer (Open-Reasoner-Zero)
    if speaker is None:
        pairs = [
            (name, part)
            for name, part in named.items()
            if isinstance(part, str) and name in USER | ASSISTANT | SYSTEM
        ]
        if pairs and len(pairs) == len(named):  # {"human": "...", "assistant": "..."}
            return [Turn(role_of(name), part) for name, part in pairs]
        raise Odd("a chat turn is not an object with role and content")
    role = role_of(speaker)
    content = next((named[name] for name in _CONTENT if name in named), None)
    thoughts = (named.get(name) for name in REASONINGS)
    text = _content(role, content, 0)
    thinking = next((one for one in thoughts if isinstance(one, str) and one.strip()), "")
    if role == "tool":
        if speaker in _CALLING and (calls := _calls(_value(text))):
            return [Turn("assistant", "", thinking, calls)]
        return [Turn(role, text, thinking, "", _word(named, "tool_call_id"), _word(named, "name"))]
    given = named.get("tool_calls") or named.get("function_call")
    calls = _calls(given) if given else ""
    return [Turn(role, text, thinking, calls)]


def _usual_turn(value: Mapping[str, Any]) -> Turn | None:
    """Return the turn of an object that has nothing but a role and a text, None for all others; most turns are such, and
    need no search for other names."""
    if len(value) == 2:
        for role, content in (("role", "content"), ("from", "value")):
            if isinstance(text := value.get(content), str) and isinstance(speaker := value.get(role), str):
                known = role_of(speaker)
                return None if known == "tool" else Turn(known, text)
    return None


def _calls(value: Any) -> str:
    """Return calls of tools as the text of a JSON list, from objects in the forms of OpenAI and ShareGPT; "" for others."""
    listed = _value(value) if isinstance(value, str) else value
    calls = []
    for one in listed if isinstance(listed, (list, tuple)) else [listed]:
        inner = one.get("function") if isinstance(one, Mapping) else None
        function = inner if isinstance(inner, Mapping) else one
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            return ""
        given = function.get("arguments", function.get("parameters"))
        arguments = (
            given if isinstance(given, str) else json.dumps(given or {}, ensure_ascii=False, default=str)
        )
        call = {"type": "function", "function": {"name": function["name"], "arguments": arguments}}
        calls.append(({"id": one["id"]} if isinstance(one.get("id"), str) else {}) | call)
    return json.dumps(calls, ensure_ascii=False) if calls else ""


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _word(named: Mapping[str, Any], name: str) -> str:
    value = named.get(name)
    return value if isinstance(value, str) else ""


def _speaker(value: Mapping[Any, Any]) -> str | None:
    """Return the speaker's name, None where the object is no turn."""
    for name in _SPEAKER:
        who = value.get(name)
        if isinstance(who, Mapping):  # the raw export of ChatGPT: {"author": {"role": "user"}}
            who = who.get("role")
        if isinstance(who, str) and any(part in value for part in (*_CONTENT, *_CALLS)):
            return who
    return None


@functools.lru_cache(maxsize=1024)
def role_of(name: str) -> str:
    """Return the role that a speaker's name stands for: user, assistant, system or tool. Raises Odd for an unknown one."""
    role = name.strip().strip("<|>:").lower().replace(" ", "_").replace("-", "_")
    for ours, theirs in (("user", USER), ("assistant", ASSISTANT), ("system", SYSTEM), ("tool", TOOL)):
        if role in theirs:
            return ours
    if _FAMILIES.match(role):
        return "assistant"
    raise Odd(f"a chat turn of an unknown role {role[:40]!r}")


def _content(role: str, content: Any, depth: int) -> str:
    """Return a content as text. A list of parts gives its texts; parts that are neither text nor media are skipped.

    Raises Odd where a part is an image, sound, video or file: what the turns say of it would refer to nothing.
    """
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, (list, tuple)) or depth > _DEEPEST:
        raise Odd(
            f"the {role} turn is {'a number' if isinstance(content, (int, float)) else type(content).__name__}, not text"
        )
    parts = []
    for part in content:
        if isinstance(part, str):
            parts.append(part)
        elif isinstance(part, Mapping):
            if (fence := _FENCES.get(str(part.get("type")))) is not None and isinstance(
                part.get("content"), str
            ):
                parts.append(f"```{fence}\n{part['content'].strip(_LINE_BREAKS)}\n```")  # MathCodeInstruct
            elif part.get("type", "text") in ("text", "input_text", "output_text", None):
                inner = next((part[name] for name in _CONTENT if part.get(name) is not None), "")
                parts.append(_content(role, inner, depth + 1))
            elif media := _MEDIA.search(str(part["type"])):
                raise Odd(f"the {role} turn has a part that is no text: {media[0]}")
        elif part is not None:
            raise Odd(f"the {role} turn is a list that holds other things than text")
    return "\n".join(part for part in parts if part)


def _tree(value: Mapping[str, Any], depth: int) -> list[Turn]:
    """Return the turns along the first reply at each level of a tree of replies (OpenAssistant)."""
    turns = _turn(value)
    replies = value.get("replies")
    if (
        isinstance(replies, (list, tuple))
        and replies
        and isinstance(replies[0], Mapping)
        and depth < _DEEPEST
    ):
        turns += _tree(replies[0], depth + 1)
    return turns


def stated_answer(value: Any) -> Any:
    """Return the trusted answer that a turn of a stored chat states beside its text, None where none does.

    Open-Reasoner-Zero has it in place of the reply, AM-DeepSeek-R1-Distilled beside the question.
    """
    for one in value if isinstance(value, (list, tuple)) else ():
        if isinstance(one, Mapping):
            truth, info = one.get("ground_truth"), one.get("info")
            if isinstance(truth, Mapping):
                truth = truth.get("value")
            if truth is None and isinstance(info, Mapping):
                truth = info.get("reference_answer")
            if truth is not None:
                return truth
    return None


def asked(turns: Sequence[Turn]) -> list[str]:
    """Return the texts of the user's turns."""
    return [turn.text for turn in turns if turn.role == "user"]


def replied(turns: Sequence[Turn]) -> str | None:
    """Return the assistant's first reply that is not blank, None where there is none."""
    return next((turn.text for turn in turns if turn.role == "assistant" and turn.text.strip()), None)
