"""Why a completion cannot be used, and what a model is asked after one, in the language of its prompt.

The texts of re-asks enter completion keys: they do not change. A Chinese prompt goes on in Chinese, with words for the kind of the fault, since
the words of a fault are English, for people.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from prompts.schemas import chinese_keys

BEGINNINGS: Final = ("That answer cannot be used", "上面的回答不能使用")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_LATIN_WORD = re.compile(r"[A-Za-z]{2,}")


class FaultKind(StrEnum):
    """Kinds of what is wrong with a completion. Code compares the kind and never the words of a fault."""

    OWN_CHECK = "own_check"  # the writer itself says that what it wrote is not sound
    NO_LIST = "no_list"  # there is no JSON list `field`
    NO_OBJECT = "no_object"  # there is no JSON object with `field`
    NO_CRITIQUE = "no_critique"
    BROKEN_JSON = "broken_json"  # it cannot be decoded, or is cut off
    EMPTY_LIST = "empty_list"
    NOT_AN_OBJECT = "not_an_object"  # an item of the list is another JSON value
    NO_PROGRAM = "no_program"
    NO_FINAL_ANSWER = "no_final_answer"
    EMPTY_FIELD = "empty_field"
    MISSING_FIELD = "missing_field"
    INVALID_FIELD = "invalid_field"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ReplyFault:
    """Why a completion cannot be used.

    words: in English, for people and for the re-ask of an English prompt. field: the field of the reply that it is about, by its English key;
    empty if it is about none.
    """

    kind: FaultKind
    words: str
    field: str = ""


_CHINESE: Final = {
    FaultKind.OWN_CHECK: "自己的检验没有通过",
    FaultKind.NO_LIST: "没有 JSON 列表{field}",
    FaultKind.NO_OBJECT: "没有含{field}一项的 JSON 对象",
    FaultKind.NO_CRITIQUE: "没有写出评判的 JSON",
    FaultKind.BROKEN_JSON: "JSON 有语法错误或不完整",
    FaultKind.EMPTY_LIST: "列表是空的",
    FaultKind.NOT_AN_OBJECT: "列表中有一项不是 JSON 对象",
    FaultKind.NO_PROGRAM: "没有写出程序",
    FaultKind.NO_FINAL_ANSWER: "没有写出最终答案",
    FaultKind.EMPTY_FIELD: "{field}一项是空的",
    FaultKind.MISSING_FIELD: "缺少{field}一项",
    FaultKind.INVALID_FIELD: "{field}一项不符合要求",
    FaultKind.OTHER: "不符合所要的格式",
}


def again(fault: ReplyFault, prompt: str) -> str:
    """Return the message that asks for another completion of `prompt`, the text of the first message."""
    if len(_HAN.findall(prompt)) <= len(_LATIN_WORD.findall(prompt)):
        return f"{BEGINNINGS[0]}: {fault.words}. Answer again, mending only that."
    return f"{BEGINNINGS[1]}：{_in_chinese(fault)}。请只改正这一处，重新作答。"


def _in_chinese(fault: ReplyFault) -> str:
    """Return Chinese words for the kind of a fault; a field that Chinese prompts have no key for is not named."""
    words = _CHINESE[fault.kind]
    if "{field}" not in words:
        return words
    key = chinese_keys().get(fault.field)
    return _CHINESE[FaultKind.OTHER] if key is None else words.format(field=f"“{key}”")
